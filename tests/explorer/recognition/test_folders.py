"""Diffusers folders: complete ones are recognised, the others say which file they lack."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from explorer.errors import InvalidRequest
from explorer.facts import ModelFacts
from explorer.recognition.folders import PIPELINES, read_folder
from explorer.recognition.reader import read_model
from tests.fakes import copy_checkpoint
from tests.model_files import diffusers_unet, write_model


def change_json(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def unet(folder: Path) -> Path:
    return folder / "unet" / "diffusion_pytorch_model.safetensors"


def cut_unet(folder: Path) -> None:
    unet(folder).write_bytes(unet(folder).read_bytes()[:5000])


def pickled_unet(folder: Path) -> None:
    unet(folder).rename(folder / "unet" / "diffusion_pytorch_model.bin")


def missing_shard(folder: Path) -> None:
    index = {"weight_map": {"a": unet(folder).name, "b": "model-00002-of-00002.safetensors"}}
    (folder / "unet" / "x.safetensors.index.json").write_text(json.dumps(index))


def no_tokenizer(folder: Path) -> None:
    for file in (folder / "tokenizer").iterdir():
        file.unlink()


def class_name(name: Any) -> Callable[[Path], None]:
    return lambda folder: change_json(folder / "model_index.json", _class_name=name)


BROKEN: list[tuple[Callable[[Path], None], str]] = [
    (cut_unet, "unet/diffusion_pytorch_model.safetensors is cut short"),
    (pickled_unet, "its weights in unet/ are pickled"),
    (lambda f: unet(f).unlink(), "it has no weights in unet/"),
    (missing_shard, "unet/model-00002-of-00002.safetensors is not there"),
    (no_tokenizer, "has no usable tokenizer in tokenizer/"),
    (lambda f: (f / "unet" / "config.json").unlink(), "has no unet/config.json"),
    (lambda f: (f / "vae" / "config.json").write_text("[" * 99999) and None, "has no vae/config.json"),
    (class_name(["pipeline", "Mine"]), "brings program code of its own, which is never run"),
    (class_name("KolorsPipeline"), "is made for KolorsPipeline, a family this program cannot draw with"),
    (class_name("StableDiffusionInpaintPipeline"), "made for inpainting"),
    (class_name("QwenImageEditPipeline"), "made for changing pictures"),
    (class_name("x" * 5000), "is made for xxx"),
]


def read(folder: Path) -> ModelFacts:
    return read_model(folder)[1]


@pytest.mark.parametrize(("harm", "reason"), BROKEN, ids=[reason for _, reason in BROKEN])
def test_what_is_wrong_with_a_folder(
    harm: Callable[[Path], None], reason: str, tiny_models: Path, tmp_path: Path
) -> None:
    folder = copy_checkpoint(tiny_models / "tiny-a", tmp_path / "mine")
    assert read(folder).problem == ""
    harm(folder)
    facts = read(folder)
    assert facts.kind == "checkpoint"
    assert reason in facts.problem
    assert facts.problem.startswith("mine ")
    assert str(tmp_path) not in facts.problem


def test_a_whole_folder(tiny_models: Path, tmp_path: Path) -> None:
    folder = copy_checkpoint(tiny_models / "tiny-a", tmp_path / "mine")
    layout, facts = read_model(folder)
    assert (layout, facts.family, facts.precision, facts.problem) == ("diffusers", "sd15", "fp32", "")
    assert (facts.missing, facts.licence) == ((), "")
    (folder / "README.md").write_text('---\nlicense: "openrail++"\ntags: [x]\n---\n# Mine\n')
    assert read(folder).licence == "openrail++"
    change_json(folder / "scheduler" / "scheduler_config.json", prediction_type="v_prediction")
    assert read(folder).prediction == "v_prediction"
    change_json(folder / "unet" / "config.json", cross_attention_dim=1024)
    assert read(folder).family == "sd2"
    for file in (folder / "vae").glob("*.safetensors"):
        file.unlink()
    assert (read(folder).missing, read(folder).missing_names) == (("vae",), ("VAE",))


def test_a_second_precision_does_not_count_twice(tiny_models: Path, tmp_path: Path) -> None:
    folder = copy_checkpoint(tiny_models / "tiny-a", tmp_path / "mine")
    once = read(folder).parameters
    unet(folder).with_name("diffusion_pytorch_model.fp16.safetensors").write_bytes(unet(folder).read_bytes())
    assert read(folder).parameters == once


@pytest.mark.parametrize(("pipeline", "family"), [(name, found[0]) for name, found in PIPELINES.items()])
def test_pipeline_classes(pipeline: str, family: str, tmp_path: Path) -> None:
    import diffusers

    assert hasattr(diffusers, pipeline)
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": pipeline}))
    assert read_folder(tmp_path)[0].family == family


def test_the_variant_comes_from_the_network(tmp_path: Path) -> None:
    import diffusers
    import torch

    with torch.device("meta"):
        state = diffusers.FluxTransformer2DModel(
            num_layers=1, num_single_layers=1, guidance_embeds=True
        ).state_dict()
    shapes = {name: tuple(tensor.shape) for name, tensor in state.items()}
    write_model(tmp_path / "transformer" / "diffusion_pytorch_model.safetensors", shapes, "BF16")
    (tmp_path / "transformer" / "config.json").write_text("{}")
    index = {"_class_name": "FluxPipeline", "transformer": ["diffusers", "FluxTransformer2DModel"]}
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    facts = read(tmp_path)
    assert (facts.family, facts.variant, facts.precision, facts.problem) == ("flux", "dev", "bf16", "")


@pytest.mark.parametrize("index", ["", "[1, 2]", "{}", "[" * 99999, '{"name": "x"}'])
def test_a_folder_that_is_no_model(index: str, tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text(index)
    with pytest.raises(InvalidRequest, match="is not a model: a diffusers folder"):
        read_folder(tmp_path)


def test_wrong_entries_in_the_index_harm_nothing(tmp_path: Path) -> None:
    write_model(tmp_path / "unet" / "x.safetensors", diffusers_unet(768))
    (tmp_path / "unet" / "config.json").write_text("{}")
    index = {
        "_class_name": "StableDiffusionPipeline",
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": [None, None],
        "text_encoder": 5,
        "../../etc": ["diffusers", "X"],
    }
    (tmp_path / "model_index.json").write_text(json.dumps(index))
    facts = read(tmp_path)
    assert (facts.family, facts.problem) == ("sd15", "")
