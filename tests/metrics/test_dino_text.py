"""dino.txt with tiny random weights: shapes, maths, the published names, and files that are refused."""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from open_clip.tokenizer import SimpleTokenizer
from PIL import Image
from safetensors.torch import save_file
from torch.nn import functional
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, DINOv3ViTModel

from metrics import MissingWeights, Registry, Sample, ScoreOptions, Tier
from metrics.clip_backbone import ClipNetwork
from metrics.dino_text import CARD, CentreSquare, DinoTextSource, SemanticText
from metrics.dino_text_networks import DinoText, DinoTextHead, load_published, published_name
from metrics.dino_text_weights import HEAD, HeadFile, TextShape
from metrics.dinov3_networks import MEAN, STD
from metrics.dinov3_weights import BUNDLED_VIT, VIT_L
from tests.metrics.counting import scored
from tests.metrics.hub import own_caches

Tensors = dict[str, torch.Tensor]
# As wide as the bundled backbone; the vocabulary is CLIP's.
TINY = TextShape(width=96, heads=4, blocks=2, text_width=32, text_heads=2, text_blocks=3)
PICTURE, TEXT = "visual_model.head", "text_model.backbone"


def layout(shape: TextShape) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the published file, as its public source builds them."""
    width, text = shape.width, shape.text_width
    gated = -(-int(4 * width * 2 / 3) // 64) * 64
    found: dict[str, tuple[int, ...]] = {"logit_scale": (1,)}

    def norm(name: str, size: int) -> None:
        found.update({f"{name}.weight": (size,), f"{name}.bias": (size,)})

    def linear(name: str, size: tuple[int, int], bias: bool = True) -> None:
        found.update({f"{name}.weight": size} | ({f"{name}.bias": size[:1]} if bias else {}))

    for number in range(shape.blocks):
        block = f"{PICTURE}.blocks.{number}"
        norm(f"{block}.norm1", width)
        linear(f"{block}.attn.qkv", (3 * width, width), bias=False)
        linear(f"{block}.attn.proj", (width, width))
        found[f"{block}.ls1.gamma"] = found[f"{block}.ls2.gamma"] = (width,)
        norm(f"{block}.norm2", width)
        linear(f"{block}.mlp.w1", (gated, width))
        linear(f"{block}.mlp.w2", (gated, width))
        linear(f"{block}.mlp.w3", (width, gated))
    norm(f"{PICTURE}.ln_final", width)
    found[f"{TEXT}.token_embedding.weight"] = (shape.vocabulary, text)
    found[f"{TEXT}.positional_embedding"] = (shape.context, text)
    for number in range(shape.text_blocks):
        block = f"{TEXT}.blocks.{number}"
        norm(f"{block}.attention_norm", text)
        linear(f"{block}.attention.qkv", (3 * text, text), bias=False)
        linear(f"{block}.attention.proj", (text, text))
        norm(f"{block}.ffn_norm", text)
        linear(f"{block}.feed_forward.fc1", (4 * text, text))
        linear(f"{block}.feed_forward.fc2", (text, 4 * text))
    norm(f"{TEXT}.ln_final", text)
    linear("text_model.head.linear_projection", (2 * width, text), bias=False)
    return found


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    """Random numbers in the published layout."""
    random = torch.Generator().manual_seed(0)
    return {name: torch.randn(size, generator=random) * 0.3 for name, size in layout(TINY).items()}


@pytest.fixture(scope="module")
def backbone(assets: Path) -> Any:
    return DINOv3ViTModel.from_pretrained(assets / "dinov3-vit").eval()


@pytest.fixture(scope="module")
def network(tensors: Tensors, backbone: Any) -> DinoText:
    assert backbone.config.hidden_size == TINY.width
    return DinoText(backbone, load_published(TINY, tensors)).requires_grad_(False)


def test_the_published_sizes() -> None:
    with torch.device("meta"):
        head = DinoTextHead(TextShape())
    found = {published_name(name): tuple(tensor.shape) for name, tensor in head.state_dict().items()}
    assert found == layout(TextShape())
    assert found[f"{PICTURE}.blocks.1.mlp.w1.weight"] == (2752, 1024)
    assert found["text_model.head.linear_projection.weight"] == (2048, 1280)
    assert CARD.parameters == VIT_L.card.parameters + sum(p.numel() for p in head.parameters())


def plain_norm(tokens: torch.Tensor, tensors: Tensors, name: str) -> torch.Tensor:
    centred = tokens - tokens.mean(dim=-1, keepdim=True)
    spread = (centred.square().mean(dim=-1, keepdim=True) + 1e-5).sqrt()
    return centred / spread * tensors[f"{name}.weight"] + tensors[f"{name}.bias"]


def plain_block(tokens: torch.Tensor, tensors: Tensors, name: str, heads: int) -> torch.Tensor:
    """A block of the picture head on the tokens of one picture, head by head."""
    width = tokens.shape[-1]
    of = {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}
    normal = plain_norm(tokens, tensors, f"{name}.norm1")
    queries, keys, values = (normal @ part.T for part in of["attn.qkv.weight"].split(width))
    mixed = []
    for start in range(0, width, width // heads):
        cut = slice(start, start + width // heads)
        scores = queries[:, cut] @ keys[:, cut].T / (width // heads) ** 0.5
        weights = scores.exp() / scores.exp().sum(dim=-1, keepdim=True)
        mixed.append(weights @ values[:, cut])
    seen = torch.cat(mixed, dim=-1) @ of["attn.proj.weight"].T + of["attn.proj.bias"]
    tokens = tokens + seen * of["ls1.gamma"]
    normal = plain_norm(tokens, tensors, f"{name}.norm2")
    gate = normal @ of["mlp.w1.weight"].T + of["mlp.w1.bias"]
    gated = gate / (1 + (-gate).exp()) * (normal @ of["mlp.w2.weight"].T + of["mlp.w2.bias"])
    return tokens + (gated @ of["mlp.w3.weight"].T + of["mlp.w3.bias"]) * of["ls2.gamma"]


def test_pictures_equal_plain_arithmetic(network: DinoText, backbone: Any, tensors: Tensors) -> None:
    pixels = torch.randn(2, 3, 48, 64, generator=torch.Generator().manual_seed(1))
    found = network.encode_image(pixels)
    assert found.shape == (2, 2 * TINY.width)
    double = {name: tensor.double() for name, tensor in tensors.items() if name.startswith(PICTURE)}
    with torch.no_grad():
        tokens = backbone(pixels).last_hidden_state.double()
    assert tokens.shape[1] == 1 + 4 + 6 * 8
    for picture, row in zip(tokens, found, strict=True):
        for number in range(TINY.blocks):
            picture = plain_block(picture, double, f"{PICTURE}.blocks.{number}", TINY.heads)
        picture = plain_norm(picture, double, f"{PICTURE}.ln_final")
        wanted = torch.cat([picture[0], picture[5:].mean(dim=0)])
        torch.testing.assert_close(row.double(), wanted, atol=1e-4, rtol=1e-4)
    unit = network.encode_image(pixels, normalize=True)
    torch.testing.assert_close(unit, found / found.norm(dim=-1, keepdim=True))


def clip_text(tensors: Tensors) -> CLIPTextModelWithProjection:
    """The text tower as transformers' CLIP, whose biases that are not there are nought."""
    text = TINY.text_width
    config = CLIPTextConfig(
        vocab_size=TINY.vocabulary,
        hidden_size=text,
        intermediate_size=4 * text,
        projection_dim=2 * TINY.width,
        num_hidden_layers=TINY.text_blocks,
        num_attention_heads=TINY.text_heads,
        max_position_embeddings=TINY.context,
        hidden_act="gelu",
        eos_token_id=TINY.vocabulary - 1,
    )
    model = CLIPTextModelWithProjection(config).eval()
    state = {name: torch.zeros_like(tensor) for name, tensor in model.state_dict().items()}
    parts = {
        "layer_norm1.": "attention_norm.",
        "self_attn.out_proj.": "attention.proj.",
        "layer_norm2.": "ffn_norm.",
        "mlp.": "feed_forward.",
    }
    for name in state:
        if name.startswith("text_projection"):
            state[name] = tensors["text_model.head.linear_projection.weight"]
        elif name.endswith("token_embedding.weight"):
            state[name] = tensors[f"{TEXT}.token_embedding.weight"]
        elif name.endswith("position_embedding.weight"):
            state[name] = tensors[f"{TEXT}.positional_embedding"]
        elif "final_layer_norm" in name:
            state[name] = tensors[f"{TEXT}.ln_final.{name.rpartition('.')[2]}"]
        elif ".layers." in name:
            number, _, part = name.partition(".layers.")[2].partition(".")
            block = f"{TEXT}.blocks.{number}"
            kind = next((of for of in "qkv" if part == f"self_attn.{of}_proj.weight"), None)
            if kind:
                state[name] = tensors[f"{block}.attention.qkv.weight"].split(text)["qkv".index(kind)]
            for theirs, ours in parts.items():
                if part.startswith(theirs):
                    state[name] = tensors[f"{block}.{ours}{part.removeprefix(theirs)}"]
    model.load_state_dict(state)
    return model


def test_texts_equal_transformers_clip(network: DinoText, tensors: Tensors) -> None:
    prompts = ["a red circle on a white background", "", "two dogs " * 60]
    tokens = SimpleTokenizer(context_length=TINY.context)(prompts)
    with torch.no_grad():
        wanted = clip_text(tensors)(input_ids=tokens).text_embeds
    found = network.encode_text(tokens)
    assert found.shape == (3, 2 * TINY.width)
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)
    assert float((found[0] - found[1]).abs().max()) > 0.1


@pytest.mark.parametrize("size", [(640, 480), (300, 500), (224, 224), (5000, 40)])
def test_the_centre_square_is_cut_as_published(size: tuple[int, int]) -> None:
    # Smooth, so that the two ways of rounding the longer side hardly matter.
    noise = np.random.default_rng(0).integers(0, 255, (6, 6, 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)
    scale = 256 / min(size)
    large = image.resize((round(size[0] * scale), round(size[1] * scale)), Image.Resampling.BICUBIC)
    left, top = (large.width - 224) // 2, (large.height - 224) // 2
    cut = torch.from_numpy(np.array(large.crop((left, top, left + 224, top + 224)))).permute(2, 0, 1)
    mean, std = (torch.tensor(row).view(3, 1, 1) for row in (MEAN, STD))
    found = CentreSquare()(image)
    assert found.shape == (3, 224, 224)
    assert float(((found * std + mean) * 255 - cut).abs().mean()) < 2


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    own_caches(tmp_path, monkeypatch)
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.setenv("DINOV3_HOME", str(folder))
    return folder


class TinyText(SemanticText):
    """On the bundled backbone."""

    def source(self, tier: Tier, assets: Path) -> DinoTextSource:
        return DinoTextSource(BUNDLED_VIT, assets, TINY)


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_a_score_is_the_cosine(
    home: Path, options: ScoreOptions, tensors: Tensors, network: DinoText, ending: str
) -> None:
    (save_file if ending == ".safetensors" else torch.save)(tensors, home / f"{HEAD}{ending}")
    image = Image.fromarray(np.random.default_rng(2).integers(0, 255, (300, 260, 3), dtype=np.uint8))
    image.save(home / "a.png")
    sample = Sample("a", home / "a.png", "a red circle")
    choice = replace(options, tier="standard", registry=Registry([TinyText]))
    (event,) = scored([sample], ["semantic_text"], choice)
    vectors = (
        network.encode_image(CentreSquare()(image)[None])[0],
        network.encode_text(SimpleTokenizer()(["a red circle"]))[0],
    )
    wanted = float(functional.cosine_similarity(*vectors, dim=0))
    assert event.score.value == pytest.approx(wanted, abs=1e-5)
    assert event.score.detail["tokens"] == 5
    assert event.recipe.revision.count("+") == 1
    (nameless,) = scored([replace(sample, prompt="")], ["semantic_text"], choice)
    assert "not known" in (nameless.score.reason or "")
    assert SemanticText.value(1.0000002, 1.0) == 1.0


def test_without_the_file_it_is_said_what_to_do(home: Path, options: ScoreOptions) -> None:
    Image.new("RGB", (64, 64), "red").save(home / "a.png")
    sample = Sample("a", home / "a.png", "a red circle")
    (event,) = scored([sample], ["semantic_text"], replace(options, tier="standard", download=True))
    for part in (f"{HEAD}.pth", "DINOV3_HOME", "ask Meta"):
        assert part in (event.score.reason or "")
    with pytest.raises(OSError, match="ask Meta"):
        HeadFile().fetch(lambda done, total: None, None)
    source = DinoTextSource(VIT_L)
    for _ in range(2):  # what is known of the backbone alone is no revision
        with pytest.raises(MissingWeights, match="ask Meta"):
            _ = source.revision
    (bundled,) = scored([sample], ["semantic_text"], options)
    assert "choose the standard or large tier" in (bundled.score.reason or "")


def without(tensors: Tensors, name: str) -> Tensors:
    return {key: value for key, value in tensors.items() if key != name}


class Code:
    """What a pickle with code in it does when it is read carelessly."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(Path(os.environ["DINOV3_HOME"]) / "harm"),)


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda good: without(good, "logit_scale"), "lacks logit_scale"),
        (lambda good: without(good, f"{TEXT}.blocks.2.ffn_norm.bias"), r"lacks .*blocks\.2\.ffn_norm\.bias"),
        (lambda good: good | {"other.weight": torch.zeros(1)}, r"no place for other\.weight"),
        (lambda good: good | {"logit_scale": torch.zeros(3)}, "logit_scale is not of shape"),
        (lambda good: list(good), "no tensors by name"),
        (lambda good: good | {"logit_scale": Code()}, "not the published dino.txt file"),
    ],
)
def test_another_file_is_refused(
    home: Path, assets: Path, tensors: Tensors, spoil: Callable[[Mapping[str, Any]], Any], told: str
) -> None:
    torch.save(spoil(tensors), home / f"{HEAD}.pth")
    with pytest.raises(MissingWeights, match=told):
        DinoTextSource(BUNDLED_VIT, assets, TINY).load("cpu")
    assert not (home / "harm").exists(), "code in the file was run"


def test_a_bare_pickle_with_code_is_refused(home: Path, assets: Path) -> None:
    torch.save(Code(), home / f"{HEAD}.pth", _use_new_zipfile_serialization=False)
    with pytest.raises(MissingWeights, match="not the published"):
        DinoTextSource(BUNDLED_VIT, assets, TINY).load("cpu")
    assert not (home / "harm").exists()


def test_it_is_a_clip_to_who_reads_it(home: Path, assets: Path, tensors: Tensors) -> None:
    torch.save({name: tensor.half() for name, tensor in tensors.items()}, home / f"{HEAD}.pth")
    loaded = DinoTextSource(BUNDLED_VIT, assets, TINY).load("cpu")
    assert isinstance(loaded, ClipNetwork)
    assert all(parameter.dtype == torch.float32 for parameter in loaded.module.parameters())
    assert loaded.texts(["a dog"])[0].context == 77
