"""Metadata of trainers and sidecar files of other tools: read when they are sane, else passed over."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from explorer.facts import ModelFacts, RecommendedSettings, clean_text
from explorer.library import ModelLibrary
from explorer.recognition.metadata import facts_from_metadata, family_of_base, variant_words
from explorer.recognition.reader import read_model
from explorer.recognition.sidecars import MAX_SIDECAR_BYTES, facts_from_sidecars
from tests.model_files import SD15_LORA, SDXL_LORA, write_model

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


def beside(folder: Path, name: str, content: Any) -> Path:
    text = content if isinstance(content, str | bytes) else json.dumps(content)
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder / name


def test_what_kohya_writes() -> None:
    tags = {"10_zork man": {"zork": 20, "solo": 20, "1girl": 19, "hat": 5}}
    facts = facts_from_metadata(
        {
            "ss_base_model_version": "sdxl_base_v1-0",
            "ss_network_dim": "32",
            "ss_network_alpha": "16.0",
            "ss_output_name": "zork_v2",
            "ss_clip_skip": "2",
            "ss_tag_frequency": json.dumps(tags),
            "ss_v_parameterization": "False",
        }
    )
    assert (facts.base, facts.title, facts.rank, facts.alpha) == ("sdxl_base_v1-0", "zork_v2", 32, 16.0)
    assert facts.trigger_words == ("zork",)
    assert facts.recommended == RecommendedSettings(clip_skip=2)
    assert facts.prediction == ""


def test_what_modelspec_says() -> None:
    facts = facts_from_metadata(
        {
            "modelspec.architecture": "stable-diffusion-xl-v1-base/lora",
            "modelspec.title": "Style <b>of</b>\n the year",
            "modelspec.author": "somebody",
            "modelspec.description": "d" * 5000,
            "modelspec.license": "CreativeML Open RAIL++-M",
            "modelspec.trigger_phrase": "zork, in zork style, zork",
            "modelspec.resolution": "1024x768",
            "modelspec.prediction_type": "v",
        }
    )
    assert facts.base == "stable-diffusion-xl-v1-base"
    assert facts.title == "Style <b>of</b> the year"
    assert (facts.author, facts.licence) == ("somebody", "CreativeML Open RAIL++-M")
    assert len(facts.description) == 2000
    assert facts.trigger_words == ("zork", "in zork style")
    assert (facts.resolution, facts.prediction) == ((1024, 768), "v_prediction")


@pytest.mark.parametrize(
    "metadata",
    [
        {"ss_network_dim": "Dynamic", "ss_network_alpha": "nan", "ss_clip_skip": "-1"},
        {"ss_network_dim": "9" * 5000, "ss_network_alpha": "9" * 500},
        {"ss_tag_frequency": "{" * 3000, "lora_adapter_metadata": "[" * 100_000},
        {"ss_tag_frequency": '{"a": 5, "b": {"c": "many", "d": 1e99}}'},
        {"lora_adapter_metadata": '{"r": "8", "unet.r": -3, "lora_alpha": "x"}'},
        {"modelspec.resolution": "1x1", "modelspec.title": "\x00\x1b\u202e"},
        {"modelspec.resolution": "999999999x2"},
    ],
)
def test_nonsense_in_metadata_is_nothing_known(metadata: dict[str, str]) -> None:
    assert facts_from_metadata(metadata) == ModelFacts()


def test_rank_and_alpha_of_peft(tmp_path: Path) -> None:
    metadata = {"lora_adapter_metadata": json.dumps({"unet.r": 4, "unet.lora_alpha": 8})}
    facts = read_model(write_model(tmp_path / "x.safetensors", SD15_LORA, metadata=metadata))[1]
    assert (facts.rank, facts.alpha) == (8, 8.0)  # the rank is told by the tensors themselves
    folder = tmp_path / "my-style"
    write_model(folder / "adapter_model.safetensors", SD15_LORA)
    beside(folder, "adapter_config.json", {"r": 8, "lora_alpha": 4, "base_model_name_or_path": "sd-v1-5"})
    (file,) = ModelLibrary((tmp_path / "my-style",), tmp_path / "none").files()
    assert (file.name, file.facts.alpha, file.facts.base) == ("my-style", 4.0, "sd-v1-5")


VERSION = {
    "name": "v2.0",
    "baseModel": "Illustrious",
    "trainedWords": ["zork, red hat", "zork"],
    "description": "<p>Use <b>weight 0.8</b> &amp; enjoy</p>",
    "model": {"name": "Zork Style", "type": "LORA"},
    "images": [
        {"meta": {"steps": 28, "cfgScale": 5.5, "sampler": "Euler a", "Clip skip": "2"}},
        {"meta": {"steps": 28, "cfgScale": 7, "sampler": "Euler a"}},
        {"meta": None},
        {"meta": {"steps": 30, "cfgScale": 5.5}},
    ],
}
SIDECARS: list[tuple[str, Any, dict[str, Any]]] = [
    (
        "x.civitai.info",
        VERSION,
        {
            "title": "Zork Style v2.0",
            "base": "Illustrious",
            "trigger_words": ("zork", "red hat"),
            "description": "Use weight 0.8 & enjoy",
            "recommended": RecommendedSettings(28, 5.5, "Euler a", 2),
        },
    ),
    (
        "x.json",  # A1111
        {"description": "mine", "sd version": "SD1", "activation text": "zork, hat", "preferred weight": 0.7},
        {
            "description": "mine",
            "base": "SD1",
            "trigger_words": ("zork", "hat"),
            "recommended": RecommendedSettings(weight=0.7),
        },
    ),
    (
        "x.metadata.json",  # ComfyUI LoRA Manager
        {
            "model_name": "Zork",
            "base_model": "SDXL 1.0",
            "modelDescription": "d",
            "usage_tips": '{"strength": 0.6}',
            "civitai": {"trainedWords": ["zork"], "creator": {"username": "ann"}, "model": {"name": "Other"}},
        },
        {
            "title": "Zork",
            "base": "SDXL 1.0",
            "author": "ann",
            "trigger_words": ("zork",),
            "recommended": RecommendedSettings(weight=0.6),
        },
    ),
    (
        "x.json",  # SD.Next keeps Civitai's whole answer
        {
            "name": "Zork",
            "creator": {"username": "ann"},
            "allowCommercialUse": ["Image", "Rent"],
            "modelVersions": [{"name": "v1", "baseModel": "Pony", "trainedWords": ["zork"]}],
        },
        {
            "title": "Zork",
            "author": "ann",
            "licence": "commercial use: Image, Rent",
            "base": "Pony",
            "trigger_words": ("zork",),
        },
    ),
    (
        "x.cm-info.json",  # Stability Matrix
        {"ModelName": "Zork", "ModelDescription": "d", "BaseModel": "Flux.1 D", "TrainedWords": ["zork"]},
        {"title": "Zork", "base": "Flux.1 D", "description": "d", "trigger_words": ("zork",)},
    ),
    (
        "x.json",  # InvokeAI
        {
            "name": "Zork",
            "base": "sd-1",
            "trigger_phrases": ["zork"],
            "default_settings": {"steps": 25, "cfg_scale": 6, "scheduler": "dpmpp_2m"},
        },
        {
            "title": "Zork",
            "base": "sd-1",
            "trigger_words": ("zork",),
            "recommended": RecommendedSettings(25, 6.0, "dpmpp_2m"),
        },
    ),
]


@pytest.mark.parametrize(("name", "content", "expected"), SIDECARS)
def test_sidecars_of_the_usual_tools(
    name: str, content: Any, expected: dict[str, Any], tmp_path: Path
) -> None:
    facts = facts_from_sidecars([beside(tmp_path, name, content)])
    assert {field: getattr(facts, field) for field in expected} == expected


HOSTILE = [
    b"",
    b"[1, 2]",
    b"null",
    b"{nope",
    b"\xff\xfe\x00",
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b" " * (MAX_SIDECAR_BYTES + 1),
    {"trainedWords": 5, "name": ["x"], "images": {"meta": 1}, "baseModel": None},
    {"trainedWords": [[1], {"a": 2}, None], "model": "x", "civitai": [], "modelVersions": [5]},
    {"images": [1, {"meta": {"steps": "many", "cfgScale": [], "sampler": 5, "clipSkip": True}}]},
    {"preferred weight": 1e99, "default_settings": {"steps": -5, "cfg_scale": "inf"}},
    {"usage_tips": "[" * 100_000, "creator": {"username": 5}},
]


@pytest.mark.parametrize("content", HOSTILE)
def test_hostile_sidecars_say_nothing(content: Any, tmp_path: Path) -> None:
    assert facts_from_sidecars([beside(tmp_path, "x.json", content)]) == ModelFacts()


def test_a_pipe_as_a_sidecar_hangs_nothing(tmp_path: Path) -> None:
    for name in ("x.json", "x.preview.png"):
        os.mkfifo(tmp_path / name)
        assert facts_from_sidecars([tmp_path / name]) == ModelFacts()


def test_texts_are_cleaned() -> None:
    assert clean_text("  a\nb\t\x00c\u202ed  ") == "a b c d"
    assert clean_text("x" * 500, 10) == "x" * 10
    assert clean_text("bad \udcff name").encode()
    assert clean_text("👩\u200d🎨 ok") == "👩\u200d🎨 ok"


def test_a_sidecar_completes_what_the_file_says(tmp_path: Path) -> None:
    write_model(tmp_path / "x.safetensors", SDXL_LORA, metadata={"ss_output_name": "x-000010"})
    beside(tmp_path, "x.civitai.info", VERSION)
    beside(tmp_path, "x.preview.png", PNG)
    beside(tmp_path, "other.json", {"name": "not mine"})
    (file,) = ModelLibrary((tmp_path,), tmp_path / "none").files()
    assert (file.facts.title, file.facts.variant) == ("Zork Style v2.0", "Illustrious")
    assert file.facts.preview == tmp_path / "x.preview.png"
    plain = file.to_dict()
    assert plain["preview"] is True
    assert str(tmp_path) not in json.dumps(plain)
    assert plain["recommended"] == {"steps": 28, "guidance": 5.5, "sampler": "Euler a", "clip_skip": 2}


def test_a_preview_must_be_a_picture(tmp_path: Path) -> None:
    page = beside(tmp_path, "x.png", b"<html>")
    picture = beside(tmp_path, "x.jpg", b"\xff\xd8\xff" + bytes(20))
    assert facts_from_sidecars([page]).preview is None
    assert facts_from_sidecars([page, picture]).preview == picture


@pytest.mark.parametrize(
    ("base", "family"),
    [
        ("SD 1.5", "sd15"),
        ("sd_v1", "sd15"),
        ("SD 2.1 768", "sd2"),
        ("SDXL 1.0", "sdxl"),
        ("Pony", "sdxl"),
        ("NoobAI", "sdxl"),
        ("SD 3.5 Large", "sd3"),
        ("Flux.1 D", "flux"),
        ("flux-1-dev", "flux"),
        ("Flux.2 Klein 4B", "flux2"),
        ("chroma", "chroma"),
        ("ZImageTurbo", "zimage"),
        ("Qwen", "qwenimage"),
        ("PixArt a", "pixart"),
        ("Hunyuan Video", "unknown"),
        ("", "unknown"),
    ],
)
def test_names_of_base_models(base: str, family: str) -> None:
    assert family_of_base(base) == family


@pytest.mark.parametrize(
    ("content", "page"),
    [
        ({"modelId": 11, "id": 22}, "https://civitai.com/models/11?modelVersionId=22"),
        ({"civitai": {"modelId": 11, "id": 22}}, "https://civitai.com/models/11?modelVersionId=22"),
        ({"page": "https://huggingface.co/owner/name"}, "https://huggingface.co/owner/name"),
        ({"modelId": "11", "id": 22}, ""),
        ({"modelId": True, "id": 22}, ""),
        ({"modelId": 11, "id": -1}, ""),
        ({"page": "javascript:alert(1)"}, ""),
        ({"page": ["https://civitai.com"]}, ""),
    ],
)
def test_the_page_about_a_model(content: dict[str, Any], page: str, tmp_path: Path) -> None:
    assert facts_from_sidecars([beside(tmp_path, "x.civitai.info", content)]).page == page


def test_hyperrealism_is_no_few_step_variant_and_a_letter_no_trigger_word() -> None:
    assert variant_words("sdxl", "hyperrealism XL", "Hyper-Realistic") == ""
    assert variant_words("sdxl", "realvisxlV40_v40Hyper") == variant_words("sdxl", "Hyper-SDXL") == "Hyper"
    tags = {"ss_tag_frequency": '{"folder": {"a": 40, "zork": 40, "cat": 3}}'}
    assert facts_from_metadata(tags).trigger_words == ("zork",)
