"""Weights per block of a LoRA: on real networks, against files that were weighted by hand."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image as Pillow
from safetensors.torch import load_file, save_file

from explorer import Explorer, GenerateRequest, ImageQuery, Sampling, Settings
from explorer.errors import ModelError
from explorer.families import ADAPTERS
from explorer.lora_blocks import block_of, block_weight, known_blocks, loaded_blocks, missing_block
from explorer.loras import LoraSet
from explorer.types import BlockWeights, Checkpoint, Family, Lora, WeightedLora
from tests.fakes import PROJECT
from tests.tiny_families import Folders, draw, manager, model, recipes

SHAPES = PROJECT / "assets" / "models" / "shapes-base"
OUTLINE = PROJECT / "assets" / "loras" / "outline.safetensors"
UNET = {"down": 3, "mid": 0, "up": 3, "text": 0, "other": 0}
NOTHING: BlockWeights = tuple((name, 0.0) for name in UNET)
LAYERS = {
    "lora_unet_conv_in": "down",
    "lora_unet_down_blocks_1_resnets_0_conv1": "down.1",
    "lora_unet_down_blocks_2_attentions_0_transformer_blocks_0_attn2_to_q": "down.2",
    "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_v": "mid",
    "lora_unet_up_blocks_0_attentions_1_transformer_blocks_0_attn1_to_k": "up.0",
    "lora_unet_up_blocks_2_resnets_0_conv2": "up.2",
    "lora_unet_conv_out": "up",
    "lora_unet_time_embedding_linear_1": "other",
    "lora_te_text_model_encoder_layers_0_mlp_fc1": "text",
    "lora_te_text_model_encoder_layers_1_self_attn_out_proj": "text",
}
"""One layer or more of every block of the bundled model, as kohya's trainer names them."""


@pytest.fixture(scope="module")
def pipe() -> Any:
    from diffusers import StableDiffusionPipeline

    return StableDiffusionPipeline.from_pretrained(SHAPES, safety_checker=None)


@pytest.fixture
def loras(pipe: Any) -> Iterator[LoraSet]:
    found = LoraSet(pipe, "shapes-base")
    yield found
    found.detach()
    pipe.unload_lora_weights()


@pytest.fixture(scope="module")
def whole(pipe: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA with something for every block."""
    from explorer.module_names import named_layers

    generator = torch.Generator().manual_seed(5)
    known, tensors = named_layers(pipe), {}
    for name in LAYERS:
        shape = known[name].module.weight.shape
        tensors[f"{name}.lora_down.weight"] = torch.randn(2, *shape[1:], generator=generator) * 0.1
        up = torch.randn(shape[0], 2, *[1] * (len(shape) - 2), generator=generator)
        tensors[f"{name}.lora_up.weight"] = up
        tensors[f"{name}.alpha"] = torch.tensor(1.0)
    file = tmp_path_factory.mktemp("loras") / "whole.safetensors"
    save_file(tensors, file)
    return file


def weighted(file: Path, weight: float = 1.0, blocks: BlockWeights = ()) -> WeightedLora:
    return WeightedLora(Lora(file.stem, file, file.stat().st_size), weight, blocks)


def outputs(pipe: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """What the UNet and the text encoder say to fixed inputs."""
    generator = torch.Generator().manual_seed(3)
    latents = torch.randn(1, 10, 16, 16, generator=generator)
    text = torch.randn(1, 5, 128, generator=generator)
    words = torch.tensor([[5, 17, 200, 3]])
    with torch.no_grad():
        return pipe.unet(latents, 500, text).sample, pipe.text_encoder(words)[0]


def same(first: tuple[torch.Tensor, ...], second: tuple[torch.Tensor, ...]) -> bool:
    return all(map(torch.equal, first, second))


def near(first: tuple[torch.Tensor, ...], second: tuple[torch.Tensor, ...]) -> bool:
    return all(torch.allclose(a, b, rtol=1e-4, atol=2e-4) for a, b in zip(first, second, strict=True))


def scaled(source: Path, target: Path, blocks: dict[str, float]) -> Path:
    """A copy of a file of `LAYERS` whose blocks were weighted by hand."""
    tensors = load_file(source)
    for layer, block in LAYERS.items():
        tensors[f"{layer}.lora_up.weight"] *= blocks.get(block, 1.0)
    save_file(tensors, target)
    return target


def as_changes(source: Path, target: Path) -> Path:
    """A copy of a file of `LAYERS` that has to be merged: whole changes of weights."""
    tensors, changes = load_file(source), {}
    for layer in LAYERS:
        up, down = tensors[f"{layer}.lora_up.weight"], tensors[f"{layer}.lora_down.weight"]
        change = (up.flatten(1) @ down.flatten(1)).reshape(up.shape[0], *down.shape[1:])
        changes[f"{layer}.diff"] = change * tensors[f"{layer}.alpha"] / down.shape[0]
    save_file(changes, target)
    return target


@pytest.mark.parametrize("merged", [False, True])
def test_ones_are_the_plain_lora_and_zeros_the_base_bit_for_bit(
    pipe: Any, loras: LoraSet, whole: Path, tmp_path: Path, merged: bool
) -> None:
    file = as_changes(whole, tmp_path / "m.safetensors") if merged else whole
    base = outputs(pipe)
    loras.attach((weighted(file, 0.7),))
    plain = outputs(pipe)
    assert not any(map(torch.equal, plain, base))
    loras.detach()
    loras.attach((weighted(file, 0.7, tuple((name, 1.0) for name in UNET)),))
    assert same(outputs(pipe), plain)
    loras.attach((weighted(file, 0.7, NOTHING),))
    assert same(outputs(pipe), base)
    loras.attach((weighted(file, 0.7),))
    assert same(outputs(pipe), plain)


@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize(
    ("blocks", "by_hand"),
    [
        ((("down", 0.5),), {"down": 0.5, "down.1": 0.5, "down.2": 0.5}),
        ((("down.1", 0.0), ("down", 0.5)), {"down": 0.5, "down.1": 0.0, "down.2": 0.5}),
        ((("up.0", -2.0), ("up", 0.5)), {"up": 0.5, "up.0": -1.0, "up.2": 0.5}),
        ((("mid", 0.0), ("other", 3.0)), {"mid": 0.0, "other": 3.0}),
        ((("text", 0.25), ("up.2", 0.0)), {"text": 0.25, "up.2": 0.0}),
    ],
)
def test_blocks_are_the_lora_whose_layers_were_weighted_by_hand(
    pipe: Any,
    loras: LoraSet,
    whole: Path,
    tmp_path: Path,
    merged: bool,
    blocks: BlockWeights,
    by_hand: dict[str, float],
) -> None:
    loras.attach((weighted(whole, 0.8),))
    plain = outputs(pipe)
    loras.attach((weighted(scaled(whole, tmp_path / "hand.safetensors", by_hand), 0.8),))
    wanted = outputs(pipe)
    assert not near(wanted, plain)
    file = as_changes(whole, tmp_path / "merged.safetensors") if merged else whole
    loras.attach((weighted(file, 0.8, blocks),))
    assert near(outputs(pipe), wanted)


def test_without_its_text_the_text_encoder_is_the_bases(pipe: Any, loras: LoraSet, whole: Path) -> None:
    base = outputs(pipe)
    loras.attach((weighted(whole),))
    plain = outputs(pipe)
    loras.attach((weighted(whole, 1.0, (("text", 0.0),)),))
    unet, text = outputs(pipe)
    assert torch.equal(text, base[1])
    assert torch.equal(unet, plain[0])


def test_the_bundled_lora_by_blocks(pipe: Any, loras: LoraSet) -> None:
    base = outputs(pipe)
    told = {}
    for name, blocks in {"plain": (), "down": (("down", 0.0),), "none": NOTHING}.items():
        loras.attach((weighted(OUTLINE, 1.0, blocks),))
        told[name] = outputs(pipe)
    assert not near(told["down"], told["plain"])
    assert not near(told["down"], base)
    assert same(told["none"], base)


@pytest.mark.parametrize("merged", [False, True])
def test_nothing_is_left_of_the_blocks(
    pipe: Any, loras: LoraSet, whole: Path, tmp_path: Path, merged: bool
) -> None:
    file = as_changes(whole, tmp_path / "m.safetensors") if merged else whole
    base = outputs(pipe)
    loras.attach((weighted(file),))
    plain = outputs(pipe)
    loras.attach((weighted(file, 1.0, (("down", 0.0), ("text", 2.0))),))
    changed = outputs(pipe)
    with loras.paused():
        assert same(outputs(pipe), base)
    assert same(outputs(pipe), changed)
    loras.attach((weighted(file),))
    assert same(outputs(pipe), plain)
    loras.attach(())
    assert same(outputs(pipe), base)


def test_one_lora_twice_adds_up(pipe: Any, loras: LoraSet, whole: Path) -> None:
    loras.attach((weighted(whole, 1.5),))
    wanted = outputs(pipe)
    loras.attach((weighted(whole, 0.5), weighted(whole, 1.0)))
    assert near(outputs(pipe), wanted)
    first = tuple((name, 0.0) for name in ("down", "text"))
    rest = tuple((name, 0.0) for name in UNET if name not in ("down", "text"))
    loras.attach((weighted(whole, 1.5, first), weighted(whole, 1.5, rest)))
    assert near(outputs(pipe), wanted)


def test_a_block_that_is_not_there_is_refused_and_leaves_no_trace(
    pipe: Any, loras: LoraSet, whole: Path
) -> None:
    base = outputs(pipe)
    message = (
        "The LoRA whole cannot be used so: shapes-base has no block down.3. Its blocks are "
        r"down \(down.0 to down.2\), mid, up \(up.0 to up.2\), text, other."
    )
    with pytest.raises(ModelError, match=message):
        loras.attach((weighted(whole, 1.0, (("down.3", 0.5),)),))
    assert same(outputs(pipe), base)


@pytest.mark.parametrize("layer", LAYERS)
def test_every_layer_lies_in_its_block(pipe: Any, layer: str) -> None:
    from explorer.module_names import named_layers

    assert named_layers(pipe)[layer].block == LAYERS[layer]


def test_names_of_the_first_layout_lie_in_the_same_blocks() -> None:
    from diffusers import StableDiffusionXLPipeline

    from explorer.module_names import named_layers

    layers = named_layers(StableDiffusionXLPipeline.from_pretrained(SHAPES.with_name("shapes-xl")))
    assert layers["lora_unet_input_blocks_0_0"].block == "down"
    assert layers["lora_unet_middle_block_0_in_layers_2"].block == "mid"
    assert layers["lora_unet_output_blocks_0_0_in_layers_2"].block == "up.0"
    assert layers["lora_unet_label_emb_0_0"].block == "other"
    assert {layers[f"lora_te{n}_text_model_encoder_layers_0_mlp_fc1"].block for n in (1, 2)} == {"text"}


@pytest.mark.parametrize("family", [each.family for each in ADAPTERS])
def test_what_is_known_of_a_family_is_what_its_network_has(tiny: Folders, family: Family) -> None:
    known = known_blocks(Checkpoint("x", tiny(family), family, "diffusers", 1))
    with manager().borrow(model(tiny(family), family)) as loaded:
        real = loaded_blocks(loaded.pipe)
        main = getattr(loaded.pipe, loaded.adapter.main)
        found = {
            block_of(loaded.adapter.main, name, real)
            for name, part in main.named_modules()
            if not [*part.children()]
        }
    assert set(known) == set(real)
    assert all(count in (None, real[name]) for name, count in known.items())
    numbered = {f"{name}.{n}" for name, count in real.items() for n in range(count or 0)}
    assert numbered <= found
    assert found <= numbered | set(real)


def test_single_files_have_the_blocks_of_their_family(tmp_path: Path) -> None:
    def blocks(family: Family) -> Any:
        return known_blocks(Checkpoint("x", tmp_path / "x.safetensors", family, "single_file", 1))

    assert (blocks("sd15")["down"], blocks("sd2")["up"], blocks("sdxl")["down"]) == (4, 4, 3)
    assert blocks("unknown") == {}


def test_a_transformers_blocks(tiny: Folders, tmp_path: Path) -> None:
    generator, tensors = torch.Generator().manual_seed(1), {}
    for layer in ("transformer_blocks.0.attn.to_q", "single_transformer_blocks.0.attn.to_k", "x_embedder"):
        with manager().borrow(model(tiny("flux"), "flux")) as loaded:
            shape = loaded.pipe.transformer.get_submodule(layer).weight.shape
        tensors[f"transformer.{layer}.lora_A.weight"] = torch.randn(2, shape[1], generator=generator)
        tensors[f"transformer.{layer}.lora_B.weight"] = torch.randn(shape[0], 2, generator=generator)
    save_file(tensors, tmp_path / "style.safetensors")
    base = model(tiny("flux"), "flux")
    lender = manager()

    def picture(*blocks: tuple[str, float]) -> np.ndarray:
        carried = (weighted(tmp_path / "style.safetensors", 1.0, blocks),) if blocks else ()
        with lender.borrow(replace(base, loras=carried)) as loaded:
            return draw(loaded, recipes("flux", [1]))

    lists = ("transformer_blocks", "single_transformer_blocks", "other")
    assert np.array_equal(picture(*((name, 0.0) for name in lists)), picture())
    made = [picture(*((name, 0.0) for name in lists if name != kept)) for kept in lists]
    made += [picture(), picture(("text", 0.5))]
    assert all(not np.array_equal(a, b) for a, b in itertools.combinations(made, 2))
    assert np.array_equal(picture(("single_transformer_blocks.0", 0.0), ("other", 0.0)), made[0])
    with pytest.raises(ModelError, match=r"tiny-flux has no block down\. Its blocks are transformer_blocks"):
        picture(("down", 0.5))
    lender.release()


@pytest.mark.parametrize(
    ("block", "factor"), [("down.1", 0.25), ("down.0", 0.5), ("down", 0.5), ("mid", 3.0), ("up.1", 1.0)]
)
def test_weights_of_a_block_and_of_what_it_lies_in_are_multiplied(block: str, factor: float) -> None:
    assert block_weight((("down", 0.5), ("down.1", 0.5), ("mid", 3.0)), block) == factor


@pytest.mark.parametrize(
    "name", ["sideways", "down.3", "down.-1", "down.01", "down.", "down.x", "mid.0", "Down"]
)
def test_blocks_that_are_not_there(name: str) -> None:
    assert missing_block(((name, 0.5),), UNET, "m").startswith(
        f"m has no block {name}. Its blocks are down ("
    )
    assert missing_block((("down.2", 0.5), ("mid", 0.0)), UNET, "m") == ""


def test_pictures_by_blocks_carry_them_and_the_base_is_drawn_where_all_are_zero(
    explorer: Explorer, settings: Settings, whole: Path
) -> None:
    settings.loras.mkdir(parents=True, exist_ok=True)
    (settings.loras / "whole.safetensors").write_bytes(whole.read_bytes())
    none = "shapes-base+whole:0.5[" + ",".join(f"{name}=0" for name in UNET) + "]"
    request = GenerateRequest(
        models=("shapes-base", "shapes-base+whole:0.5", "shapes-base+whole:0.5[text=0]", none),
        prompts=("a red circle",),
        seeds=1,
        sampling=Sampling(steps=2),
    )
    for _ in explorer.generate(request):
        pass
    drawn = explorer.images(ImageQuery()).images
    images = {image.recipe.lora_blocks: image for image in drawn if image.recipe.loras}
    base = next(image for image in drawn if not image.recipe.loras)
    assert set(images) == {(), ((("text", 0.0),),), (tuple(sorted(NOTHING)),)}
    pixels = {blocks: np.asarray(Pillow.open(image.path)) for blocks, image in images.items()}
    assert np.array_equal(pixels[(tuple(sorted(NOTHING)),)], np.asarray(Pillow.open(base.path)))
    assert not np.array_equal(pixels[((("text", 0.0),),)], pixels[()])
    with Pillow.open(images[((("text", 0.0),),)].path) as picture:
        assert 'Lora blocks: "whole: text=0"' in picture.info["parameters"]
