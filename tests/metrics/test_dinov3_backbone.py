"""The DINOv3 features equal plain calls of transformers and timm, whatever the size."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import DINOv3ConvNextModel, DINOv3ViTModel

from metrics import MissingWeights, Sample, ScoreOptions, needed_downloads
from metrics.backbones import Backbones
from metrics.dinov3_backbone import LayersSource, LookForm, LookSource, PooledSource
from metrics.dinov3_networks import MEAN, STD, DinoLayers, DinoLooks, DinoPooled, Look, fitted, quarters
from metrics.dinov3_weights import (
    BUNDLED_CONVNEXT,
    BUNDLED_VIT,
    CONVNEXT_BASE,
    VIT_L,
    VIT_S,
    from_timm,
    load_network,
)
from metrics.images import SQUARE_VIEW
from tests.metrics.counting import scored
from tests.metrics.hub import own_caches, serving

SIZES = [(128, 128), (200, 96), (96, 200), (300, 300)]


def picture(size: tuple[int, int], seed: int = 0) -> Image.Image:
    """Something smooth and colourful."""
    noise = np.random.default_rng(seed).integers(0, 255, (9, 9, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


def normalised(pixels: torch.Tensor) -> torch.Tensor:
    mean, std = (torch.tensor(row).view(3, 1, 1) for row in (MEAN, STD))
    return ((pixels.float() / 255 - mean) / std)[None]


@pytest.fixture(scope="module")
def plain(assets: Path) -> Any:
    """The bundled transformer as anybody loads it, with the attention that shows itself."""
    return DINOv3ViTModel.from_pretrained(assets / "dinov3-vit", attn_implementation="eager").eval()


@pytest.mark.parametrize("size", SIZES)
def test_looks_equal_the_plain_call(assets: Path, plain: Any, size: tuple[int, int]) -> None:
    network = LookSource(BUNDLED_VIT, assets).load("cpu")
    assert isinstance(network, DinoLooks)
    prepared = network.prepare(picture(size))
    (look,) = network.encode([prepared])
    with torch.no_grad():
        wanted = plain(normalised(prepared), output_attentions=True)
    torch.testing.assert_close(look.token, wanted.pooler_output[0], atol=1e-5, rtol=1e-5)
    attention = wanted.attentions[-1][0, :, 0, 5:].mean(dim=0)
    torch.testing.assert_close(look.attention.flatten(), attention / attention.sum(), atol=1e-6, rtol=1e-5)
    assert look.attention.shape == tuple(side // 8 for side in prepared.shape[1:])


def test_layers_equal_the_plain_call(assets: Path, plain: Any) -> None:
    network = LayersSource(BUNDLED_VIT, assets).load("cpu")
    assert isinstance(network, DinoLayers)
    prepared = network.prepare(picture((150, 90)))
    (found,) = network.encode([prepared])
    with torch.no_grad():
        hidden = plain(normalised(prepared), output_hidden_states=True).hidden_states
        tokens = [plain.norm(hidden[block])[0, 5:] for block in (1, 2, 3, 4)]
    unit = torch.cat([torch.nn.functional.normalize(row, dim=-1).flatten() for row in tokens])
    wanted = unit * network.scale / (256 * 4) ** 0.5
    torch.testing.assert_close(found.float(), wanted, atol=1e-4, rtol=1e-3)  # half precision


def test_pooled_features_equal_the_plain_call(assets: Path) -> None:
    network = PooledSource(BUNDLED_CONVNEXT, assets).load("cpu")
    assert isinstance(network, DinoPooled)
    prepared = [network.prepare(picture((90, 140), seed)) for seed in range(3)]
    found = torch.stack(list(network.encode(prepared)))
    model = DINOv3ConvNextModel.from_pretrained(assets / "dinov3-convnext").eval()
    with torch.no_grad():
        wanted = torch.cat([model(normalised(pixels)).pooler_output for pixels in prepared])
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_pictures_of_several_shapes_come_back_in_order(assets: Path) -> None:
    network = LookSource(BUNDLED_VIT, assets).load("cpu")
    prepared = [network.prepare(picture(size, n)) for n, size in enumerate(SIZES + SIZES)]
    together = network.encode(prepared)
    for look, pixels in zip(together, prepared, strict=True):
        (alone,) = network.encode([pixels])
        torch.testing.assert_close(look.token, alone.token, atol=1e-5, rtol=1e-5)


_TIMMS_NAMES = (
    ("embeddings.cls_token", "cls_token"),
    ("embeddings.register_tokens", "reg_token"),
    ("embeddings.patch_embeddings.", "patch_embed.proj."),
    ("model.layer.", "blocks."),
    ("layer_scale1.lambda1", "gamma_1"),
    ("layer_scale2.lambda1", "gamma_2"),
    ("attention.o_proj.", "attn.proj."),
    ("mlp.up_proj.", "mlp.fc1."),
    ("mlp.down_proj.", "mlp.fc2."),
)


def to_timm(model: DINOv3ViTModel) -> dict[str, torch.Tensor]:
    """A transformer's tensors under timm's names, the three of attention in one."""
    found: dict[str, torch.Tensor] = {}
    for name, tensor in model.state_dict().items():
        if name.endswith("mask_token") or ".k_proj." in name or ".v_proj." in name:
            continue
        if ".q_proj." in name:
            parts = [model.state_dict()[name.replace(".q_proj.", f".{of}_proj.")] for of in "qkv"]
            name, tensor = name.replace("attention.q_proj.", "attn.qkv."), torch.cat(parts)
        for ours, theirs in _TIMMS_NAMES:
            name = name.replace(ours, theirs)
        found[name] = tensor
    return found


def test_the_bundled_network_survives_timms_names(plain: Any) -> None:
    tensors = to_timm(plain)
    assert "blocks.3.attn.qkv.bias" in tensors
    again = from_timm(tensors, heads=4)
    pixels = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        wanted, found = plain(pixels).last_hidden_state, again(pixels).last_hidden_state
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("vit_small_patch16_dinov3", {"depth": 3}),
        ("vit_small_patch16_dinov3_qkvb", {"depth": 2}),
        ("convnext_tiny.dinov3_lvd1689m", {"depths": (1, 1, 2, 1), "dims": (16, 32, 48, 64)}),
    ],
)
def test_timms_own_network_gives_the_same_features(tmp_path: Path, name: str, made: dict[str, Any]) -> None:
    torch.manual_seed(0)
    theirs = timm.create_model(name, num_classes=0, **made).eval()
    for parameter in theirs.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    save_file(theirs.state_dict(), tmp_path / "model.safetensors")
    ours = load_network(tmp_path / "model.safetensors")
    pixels = torch.randn(2, 3, 96, 64)
    with torch.no_grad():
        if name.startswith("vit"):
            wanted, found = theirs.forward_features(pixels), ours(pixels).last_hidden_state
        else:
            wanted, found = theirs(pixels), ours(pixels).pooler_output
    assert float(wanted.abs().max()) > 0.01
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


def test_quarters_of_the_depth() -> None:
    assert quarters(12) == (3, 6, 9, 12)
    assert quarters(24) == (6, 12, 18, 24)
    assert quarters(4) == (1, 2, 3, 4)


@pytest.mark.parametrize(
    ("size", "wanted"),
    [((512, 512), (16, 16)), ((1024, 512), (11, 23)), ((512, 1024), (23, 11)), ((4000, 10), (4, 64))],
)
def test_the_shape_is_kept(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    assert fitted(size, 16) == wanted


def test_a_square_is_resized_once_for_all_who_read_it() -> None:
    assert LayersSource(VIT_S).view_name == SQUARE_VIEW
    assert PooledSource(CONVNEXT_BASE).view_name == SQUARE_VIEW


def test_a_look_survives_its_bytes() -> None:
    look = Look(torch.randn(7), torch.rand(2, 3))
    again = LookForm("x", "float32").unpack(LookForm("x", "float32").pack(look))
    assert torch.equal(again.token, look.token)
    assert torch.equal(again.attention, look.attention)
    with pytest.raises((ValueError, RuntimeError)):
        LookForm("x", "float32").unpack(b"")


def test_an_own_folder_is_taken_where_the_hubs_copy_is_not_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, assets: Path
) -> None:
    own_caches(tmp_path, monkeypatch)
    source = LookSource(VIT_S)
    with pytest.raises(MissingWeights, match=r"dinov3-vits16 .*gated"):
        source.load("cpu")
    folder = tmp_path / "own" / "dinov3-vits16"
    folder.mkdir(parents=True)
    for file in (assets / "dinov3-vit").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    monkeypatch.setenv("DINOV3_HOME", str(tmp_path / "own"))
    source = LookSource(VIT_S)
    assert len(source.revision) == 64
    assert isinstance(source.load("cpu"), DinoLooks)


def test_timms_copy_is_fetched_with_consent_and_known_by_its_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: ScoreOptions
) -> None:
    own_caches(tmp_path, monkeypatch)
    torch.manual_seed(0)
    theirs = timm.create_model("vit_small_patch16_dinov3", num_classes=0, depth=1)
    save_file(theirs.state_dict(), tmp_path / "weights")
    picture((64, 64)).save(tmp_path / "a.png")
    sample = Sample("a", tmp_path / "a.png", "a photo")
    assert [card.id for card in needed_downloads(["object_integrity"], "light", options.assets)] == [
        "dinov3-vits16"
    ]
    (unscored,) = scored([sample], ["object_integrity"], replace(options, tier="light"))
    assert unscored.score.reason is not None
    assert "86 MB, licence DINOv3 License" in unscored.score.reason
    assert VIT_S.weights is not None
    with serving() as hub:
        hub.add(VIT_S.weights.open, (tmp_path / "weights").read_bytes())
        choice = replace(options, tier="light", download=True, endpoint=hub.url)
        (found,) = scored([sample], ["object_integrity"], choice)
        (refused,) = scored([sample], ["object_integrity"], replace(choice, tier="standard"))
    assert found.score.value is not None
    assert found.recipe.revision == VIT_S.card.revision
    assert refused.score.reason is not None
    assert "dinov3-vitl16" in refused.score.reason
    assert "DINOV3_HOME" in refused.score.reason


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "model.safetensors").write_bytes(b"no tensors"),
        lambda folder: save_file(
            {k: v for k, v in load_file(folder / "model.safetensors").items() if "layer.2" not in k},
            folder / "model.safetensors",
        ),
        lambda folder: (folder / "config.json").write_text('{"model_type": "clip"}'),
        lambda folder: (folder / "model.safetensors").unlink(),
    ],
)
def test_spoilt_bundled_weights_are_told(tmp_path: Path, assets: Path, spoil: Callable[[Path], Any]) -> None:
    folder = tmp_path / "dinov3-vit"
    folder.mkdir()
    for file in (assets / "dinov3-vit").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    spoil(folder)
    with Backbones("cpu") as backbones, pytest.raises(MissingWeights, match="assets/dinov3-vit"):
        backbones.load(LookSource(BUNDLED_VIT, tmp_path))


def test_the_large_card_names_the_owners_backbone() -> None:
    assert (VIT_L.card.id, VIT_L.card.parameters) == ("dinov3-vitl16", 303_079_424)
