import json
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from explorer.imports import ForeignRecipe, Unusable, read_foreign
from explorer.recipes import parameters_text
from tests.explorer.imports import samples
from tests.explorer.test_recipes import make_recipe, save

LIGHTHOUSE = ForeignRecipe(
    tool="A1111",
    prompt="a lighthouse on a cliff, stormy sea, \ntwo lines",
    negative="blurry, low quality,\ntext",
    model="sd_xl_base_1.0",
    model_hash="31e35c80fc",
    loras=(("inkStyle", "aabbccddeeff", 0.8), ("detail", "001122334455", 1.0)),
    seed=3735928559,
    sampler="DPM++ 2M Karras",
    steps=28,
    guidance=6.5,
    clip_skip=2,
)


def test_a1111_png(tmp_path: Path) -> None:
    assert read_foreign(samples.png(tmp_path / "a.png", parameters=samples.A1111)) == LIGHTHOUSE


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
@pytest.mark.parametrize(
    "coded",
    [
        b"UNICODE\0" + samples.A1111.encode("utf-16-be"),
        b"UNICODE\0" + samples.A1111.encode("utf-16-le"),
        b"ASCII\0\0\0" + samples.A1111.encode(),
        samples.A1111.encode(),
    ],
    ids=["big endian", "little endian", "ascii", "without a code"],
)
def test_a1111_in_exif(tmp_path: Path, suffix: str, coded: bytes) -> None:
    assert read_foreign(samples.with_comment(tmp_path / f"a{suffix}", coded)) == LIGHTHOUSE


def test_chinese_in_exif(tmp_path: Path) -> None:
    text = samples.a1111("雪中的狐狸，水墨画")
    path = samples.with_comment(tmp_path / "a.jpg", b"UNICODE\0" + text.encode("utf-16-be"))
    assert read_foreign(path).prompt == "雪中的狐狸，水墨画"


def test_what_a1111_does_not_say_stays_unknown(tmp_path: Path) -> None:
    path = samples.png(tmp_path / "a.png", parameters="a cat\nSteps: 20, Sampler: Euler")
    assert read_foreign(path) == ForeignRecipe("A1111", "a cat", sampler="Euler", steps=20)


def test_an_early_forge_hash_list_is_read(tmp_path: Path) -> None:
    text = 'a cat <lora:ink:0.5:0.9>\nSteps: 20, Seed: 3, Model: m, Hashes: {"model": "12", "lora:ink": "34"}'
    assert read_foreign(samples.png(tmp_path / "a.png", parameters=text)).loras == (("ink", "34", 0.5),)


def test_the_words_negative_prompt_may_stand_in_a_prompt(tmp_path: Path) -> None:
    text = "a sign that says Negative prompt: none\nNegative prompt: red\nSteps: 20, Seed: 1"
    recipe = read_foreign(samples.png(tmp_path / "a.png", parameters=text))
    assert (recipe.prompt, recipe.negative) == ("a sign that says Negative prompt: none", "red")


def test_our_own_text_is_read_back(tmp_path: Path) -> None:
    ours = make_recipe(checkpoint_hash="0123456789" + "a" * 54, clip_skip=2)
    recipe = read_foreign(save(tmp_path / "a.png", ours))
    assert recipe.loras == (("style", "d" * 12, 0.8),)
    assert (recipe.model, recipe.model_hash, recipe.prompt) == ("base", "0123456789", ours.prompt)
    assert (recipe.seed, recipe.sampler, recipe.steps, recipe.guidance) == (7, "DPM++ 2M Karras", 20, 5.5)
    foreign = replace(
        ours, source={"tool": "x"}, seed=-1, steps=0, guidance=0.0, sampler="", checkpoint_hash=""
    )
    assert parameters_text(foreign).splitlines()[2].startswith("Size: 64x96, Model: base, Clip skip: 2")


def test_comfyui_reads_the_first_pass_and_the_lora(tmp_path: Path) -> None:
    assert read_foreign(samples.comfy(tmp_path / "a.png")) == ForeignRecipe(
        tool="ComfyUI",
        prompt="a glass bottle",
        negative="watermark",
        model="v1-5-pruned",
        loras=(("inkStyle", "", 0.6),),
        seed=156680208700286,
        sampler="euler normal",
        steps=20,
        guidance=8.0,
        clip_skip=2,
    )


def test_comfyui_with_the_newer_samplers(tmp_path: Path) -> None:
    assert read_foreign(samples.comfy(tmp_path / "a.png", samples.flux_graph())) == ForeignRecipe(
        tool="ComfyUI",
        prompt="a blue door",
        model="flux1-dev",
        seed=2**64 - 5,
        sampler="euler simple",
        steps=25,
    )


def test_comfyui_in_webp(tmp_path: Path) -> None:
    exif = Pillow.Exif()
    exif[0x0110] = "prompt:" + json.dumps(samples.comfy_graph())
    exif[0x010F] = 'workflow:{"nodes": []}'
    samples.picture().save(tmp_path / "a.webp", exif=exif)
    assert read_foreign(tmp_path / "a.webp").prompt == "a glass bottle"


def test_a_controlnet_keeps_positive_and_negative_apart(tmp_path: Path) -> None:
    graph = samples.comfy_graph()
    graph["20"] = {
        "class_type": "ControlNetApplyAdvanced",
        "inputs": {"positive": ["6", 0], "negative": ["7", 0], "strength": 1.0},
    }
    graph["3"]["inputs"] |= {"positive": ["20", 0], "negative": ["20", 1]}
    recipe = read_foreign(samples.comfy(tmp_path / "a.png", graph))
    assert (recipe.prompt, recipe.negative) == ("a glass bottle", "watermark")


def test_a_zeroed_negative_is_empty(tmp_path: Path) -> None:
    graph = samples.comfy_graph()
    graph["7"] = {"class_type": "ConditioningZeroOut", "inputs": {"conditioning": ["6", 0]}}
    assert read_foreign(samples.comfy(tmp_path / "a.png", graph)).negative == ""


def several_loras() -> dict[str, Any]:
    graph = samples.comfy_graph()
    graph["10"]["inputs"] = {
        "model": ["4", 0],
        "clip": ["4", 1],
        "lora_1": {"on": True, "lora": "sub/ink.safetensors", "strength": 0.3},
        "lora_2": {"on": False, "lora": "off.safetensors", "strength": 1},
    }
    return graph


def test_several_loras_in_one_node(tmp_path: Path) -> None:
    recipe = read_foreign(samples.comfy(tmp_path / "a.png", several_loras()))
    assert recipe.loras == (("ink", "", 0.3),)
    assert recipe.model == "v1-5-pruned"


def test_a_comfyui_graph_that_does_not_tell_is_said_so(tmp_path: Path) -> None:
    graph = samples.comfy_graph()
    graph["6"]["inputs"]["text"] = ["21", 0]
    graph["21"] = {"class_type": "StringConcatenate", "inputs": {"string_a": "a", "string_b": "b"}}
    with pytest.raises(Unusable, match="computes the prompt"):
        read_foreign(samples.comfy(tmp_path / "a.png", graph))
    two = samples.comfy_graph() | {
        "30": {"class_type": "KSampler", "inputs": samples.comfy_graph("other")["3"]["inputs"] | {"seed": 2}}
    }
    with pytest.raises(Unusable, match="draws 2 pictures"):
        read_foreign(samples.comfy(tmp_path / "a.png", two))
    with pytest.raises(Unusable, match="no sampler"):
        read_foreign(samples.comfy(tmp_path / "a.png", {"1": {"class_type": "LoadImage", "inputs": {}}}))


def test_a_comfyui_graph_with_a_circle_ends(tmp_path: Path) -> None:
    graph = samples.comfy_graph()
    graph["6"]["inputs"]["text"] = ["21", 0]
    graph["21"] = {"class_type": "Reroute", "inputs": {"text": ["21", 0]}}
    graph["4"]["inputs"] = {"model": ["10", 0]}
    with pytest.raises(Unusable, match="computes the prompt"):
        read_foreign(samples.comfy(tmp_path / "a.png", graph))


SWARM = ForeignRecipe(
    tool="SwarmUI",
    prompt="a copper teapot",
    negative="rust",
    model="sd_xl_base_1.0",
    model_hash="0x7f30",
    loras=(("inkStyle", "0xabcd", 0.7), ("detail", "", 1.0)),
    seed=1234567,
    sampler="dpmpp_2m karras",
    steps=24,
    guidance=5.5,
    clip_skip=2,
)


def test_swarmui(tmp_path: Path) -> None:
    text = json.dumps(samples.SWARM)
    assert read_foreign(samples.png(tmp_path / "a.png", parameters=text)) == SWARM
    comment = b"UNICODE\0" + text.encode("utf-16-le")
    assert read_foreign(samples.with_comment(tmp_path / "a.jpg", comment)) == SWARM


def test_swarmui_of_earlier_versions_wrote_lists_as_text(tmp_path: Path) -> None:
    said = samples.SWARM["sui_image_params"] | {"loras": "inkStyle,detail", "loraweights": "0.7,1"}  # type: ignore[operator]
    text = json.dumps(samples.SWARM | {"sui_image_params": said})
    assert read_foreign(samples.png(tmp_path / "a.png", parameters=text)) == SWARM


def test_invokeai(tmp_path: Path) -> None:
    text = json.dumps(samples.INVOKE)
    assert read_foreign(samples.png(tmp_path / "a.png", invokeai_metadata=text)) == ForeignRecipe(
        tool="InvokeAI",
        prompt="an owl reading",
        negative="cartoon",
        model="Juggernaut XL v9",
        model_hash="blake3:99aa",
        loras=(("ink", "blake3:11", 0.75),),
        seed=4020,
        sampler="dpmpp_2m_k",
        steps=30,
        guidance=7.5,
        clip_skip=2,
    )


def test_invokeai_3(tmp_path: Path) -> None:
    said = samples.INVOKE | {
        "model": {"model_name": "dream", "base_model": "sd-1"},
        "loras": [{"lora": {"model_name": "ink", "base_model": "sd-1"}, "weight": 0.5}],
    }
    recipe = read_foreign(samples.png(tmp_path / "a.png", invokeai_metadata=json.dumps(said)))
    assert (recipe.model, recipe.loras) == ("dream", (("ink", "", 0.5),))


def test_fooocus(tmp_path: Path) -> None:
    texts = {"parameters": json.dumps(samples.FOOOCUS), "fooocus_scheme": "fooocus"}
    assert read_foreign(samples.png(tmp_path / "a.png", **texts)) == ForeignRecipe(
        tool="Fooocus",
        prompt="a fox in snow",
        negative="ugly",
        model="juggernautXL_v8Rundiffusion",
        model_hash="aeb7e9e689",
        loras=(("sd_xl_offset_example-lora_1.0", "4852686128", 0.1),),
        seed=5586837,
        sampler="dpmpp_2m_sde_gpu karras",
        steps=30,
        guidance=4.0,
        clip_skip=2,
    )


def test_novelai(tmp_path: Path) -> None:
    texts = {
        "Title": "NovelAI generated image",
        "Description": "1girl, umbrella",
        "Software": "NovelAI",
        "Source": "NovelAI Diffusion V4 37442FCA",
        "Comment": json.dumps(samples.NOVELAI),
    }
    assert read_foreign(samples.png(tmp_path / "a.png", **texts)) == ForeignRecipe(
        tool="NovelAI",
        prompt="1girl, umbrella",
        negative="lowres",
        model="NovelAI Diffusion V4",
        model_hash="37442FCA",
        seed=3211,
        sampler="k_euler_ancestral karras",
        steps=23,
        guidance=5.0,
    )


def test_a_picture_made_on_civitai(tmp_path: Path) -> None:
    resources = [
        {"type": "checkpoint", "modelVersionId": 1, "modelName": "Z Image", "modelVersionName": "Turbo"},
        {"type": "lora", "weight": 0.65, "modelVersionId": 2, "modelName": "Ink", "modelVersionName": "v2"},
    ]
    text = (
        "a vintage car\nNegative prompt: fog\nSteps: 23, Sampler: Euler a, CFG scale: 3.5, Seed: 1760020955, "
        f"Size: 64x48, Clip skip: 2, Civitai resources: {json.dumps(resources, separators=(',', ':'))}, "
        "Civitai metadata: {}"
    )
    path = samples.with_comment(tmp_path / "a.jpg", b"UNICODE\0" + text.encode("utf-16-be"))
    recipe = read_foreign(path)
    assert (recipe.model, recipe.loras) == ("Z Image Turbo", (("Ink v2", "", 0.65),))
    assert (recipe.prompt, recipe.negative, recipe.seed, recipe.clip_skip) == (
        "a vintage car",
        "fog",
        1760020955,
        2,
    )


def test_draw_things(tmp_path: Path) -> None:
    said = {
        "c": 'a "red" kite & a <b>',
        "uc": "rain",
        "model": "sd_xl_base_1.0_f16.ckpt",
        "sampler": "DPM++ 2M Karras",
        "scale": 4.5,
        "seed": 77,
        "size": "64x48",
        "steps": 20,
        "lora": [{"model": "ink_f16.ckpt", "weight": 0.4}],
    }
    xmp = (
        "<x:xmpmeta><rdf:Description><exif:UserComment><rdf:Alt><rdf:li xml:lang='x-default'>"
        f"{escape(json.dumps(said))}</rdf:li></rdf:Alt></exif:UserComment></rdf:Description></x:xmpmeta>"
    )
    info = samples.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", xmp)
    samples.picture().save(tmp_path / "a.png", pnginfo=info)
    assert read_foreign(tmp_path / "a.png") == ForeignRecipe(
        tool="Draw Things",
        prompt='a "red" kite & a <b>',
        negative="rain",
        model="sd_xl_base_1.0_f16",
        loras=(("ink_f16", "", 0.4),),
        seed=77,
        sampler="DPM++ 2M Karras",
        steps=20,
        guidance=4.5,
    )
