"""Pictures as other tools write them: made here, in their real formats."""

import json
import random
from pathlib import Path
from typing import Any

from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

A1111 = """a lighthouse on a cliff, <lora:inkStyle:0.8>, stormy sea, <lora:detail:1>
two lines
Negative prompt: blurry, low quality,
text
Steps: 28, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5, Seed: 3735928559, Size: 512x768, \
Model hash: 31e35c80fc, Model: sd_xl_base_1.0, Clip skip: 2, \
Lora hashes: "inkStyle: aabbccddeeff, detail: 001122334455", \
ADetailer prompt: "a face, Steps: 99, Seed: 1", Version: v1.10.1"""

SWARM = {
    "sui_image_params": {
        "prompt": "a copper teapot",
        "negativeprompt": "rust",
        "model": "OfficialStableDiffusion/sd_xl_base_1.0",
        "seed": 1234567,
        "steps": 24,
        "cfgscale": 5.5,
        "width": 64,
        "height": 48,
        "sampler": "dpmpp_2m",
        "scheduler": "karras",
        "clipstopatlayer": -2,
        "loras": ["styles/inkStyle", "detail"],
        "loraweights": ["0.7", "1"],
        "swarm_version": "0.9.8.2",
    },
    "sui_models": [
        {"name": "sd_xl_base_1.0.safetensors", "param": "model", "hash": "0x7f30"},
        {"name": "styles/inkStyle.safetensors", "param": "loras", "hash": "0xabcd"},
    ],
}

INVOKE = {
    "generation_mode": "sdxl_txt2img",
    "positive_prompt": "an owl reading",
    "negative_prompt": "cartoon",
    "width": 64,
    "height": 48,
    "seed": 4020,
    "cfg_scale": 7.5,
    "steps": 30,
    "scheduler": "dpmpp_2m_k",
    "clip_skip": 1,
    "model": {"key": "1f", "hash": "blake3:99aa", "name": "Juggernaut XL v9", "base": "sdxl", "type": "main"},
    "loras": [{"model": {"name": "ink", "hash": "blake3:11"}, "weight": 0.75}],
    "app_version": "5.6.0",
}

FOOOCUS = {
    "base_model": "juggernautXL_v8Rundiffusion",
    "base_model_hash": "aeb7e9e689",
    "clip_skip": 2,
    "full_prompt": ["a fox in snow, intricate, elegant"],
    "guidance_scale": 4.0,
    "loras": [["sd_xl_offset_example-lora_1.0", 0.1, "4852686128"]],
    "metadata_scheme": "fooocus",
    "negative_prompt": "ugly",
    "prompt": "a fox in snow",
    "resolution": "(64, 48)",
    "sampler": "dpmpp_2m_sde_gpu",
    "scheduler": "karras",
    "seed": "5586837",
    "steps": 30,
    "version": "Fooocus v2.5.5",
}

NOVELAI = {
    "prompt": "1girl, umbrella",
    "steps": 23,
    "height": 48,
    "width": 64,
    "scale": 5.0,
    "uc": "lowres",
    "seed": 3211,
    "sampler": "k_euler_ancestral",
    "noise_schedule": "karras",
}


def comfy_graph(prompt: str = "a glass bottle", seed: int = 156680208700286) -> dict[str, Any]:
    """A LoRA on a checkpoint, with clip skip and a second pass: what ComfyUI executes, flat."""
    return {
        "3": _node("KSampler", seed=seed, steps=20, cfg=8.0, sampler_name="euler", scheduler="normal")
        | _links(model=["10", 0], positive=["6", 0], negative=["7", 0], latent_image=["5", 0]),
        "4": _node("CheckpointLoaderSimple", ckpt_name="sd15\\v1-5-pruned.safetensors"),
        "5": _node("EmptyLatentImage", width=64, height=48, batch_size=1),
        "6": _node("CLIPTextEncode", text=prompt) | _links(clip=["12", 0]),
        "7": _node("CLIPTextEncode", text="watermark") | _links(clip=["12", 0]),
        "8": _node("VAEDecode") | _links(samples=["11", 0], vae=["4", 2]),
        "9": _node("SaveImage", filename_prefix="x") | _links(images=["8", 0]),
        "10": _node("LoraLoader", lora_name="inkStyle.safetensors", strength_model=0.6, strength_clip=1.0)
        | _links(model=["4", 0], clip=["4", 1]),
        "11": _node("KSampler", seed=99, steps=5, cfg=2.0, sampler_name="dpmpp_sde", scheduler="karras")
        | _links(model=["10", 0], positive=["6", 0], negative=["7", 0], latent_image=["13", 0]),
        "12": _node("CLIPSetLastLayer", stop_at_clip_layer=-2) | _links(clip=["10", 1]),
        "13": _node("LatentUpscale", upscale_method="nearest") | _links(samples=["3", 0]),
    }


def flux_graph() -> dict[str, Any]:
    """The newer samplers: settings in helper nodes, a seed and a text in primitive nodes."""
    return {
        "1": _node("UNETLoader", unet_name="flux1-dev.safetensors", weight_dtype="default"),
        "2": _node("PrimitiveString", value="a blue door"),
        "3": _node("CLIPTextEncode") | _links(text=["2", 0], clip=["9", 0]),
        "4": _node("FluxGuidance", guidance=3.5) | _links(conditioning=["3", 0]),
        "5": _node("BasicGuider") | _links(model=["1", 0], conditioning=["4", 0]),
        "6": _node("RandomNoise") | _links(noise_seed=["11", 0]),
        "7": _node("KSamplerSelect", sampler_name="euler"),
        "8": _node("BasicScheduler", scheduler="simple", steps=25, denoise=1.0) | _links(model=["1", 0]),
        "9": _node("DualCLIPLoader", clip_name1="t5xxl", clip_name2="clip_l"),
        "10": _node("SamplerCustomAdvanced")
        | _links(noise=["6", 0], guider=["5", 0], sampler=["7", 0], sigmas=["8", 0], latent_image=["12", 0]),
        "11": _node("PrimitiveInt", value=2**64 - 5),
        "12": _node("EmptySD3LatentImage", width=64, height=48, batch_size=1),
        "13": _node("VAEDecode") | _links(samples=["10", 0]),
        "14": _node("SaveImage") | _links(images=["13", 0]),
    }


class _Node(dict[str, Any]):
    def __or__(self, links: dict[str, Any]) -> dict[str, Any]:  # type: ignore[override]
        return {"class_type": self["class_type"], "inputs": {**self["inputs"], **links}}


def _node(kind: str, **inputs: object) -> _Node:
    return _Node(class_type=kind, inputs=inputs)


def _links(**links: list[Any]) -> dict[str, Any]:
    return links


def picture(seed: int = 0, size: tuple[int, int] = (64, 48)) -> Pillow.Image:
    """A small picture that differs from one seed to the next."""
    noise = random.Random(seed).randbytes(size[0] * size[1] * 3)
    return Pillow.frombytes("RGB", size, noise)


def png(path: Path, seed: int = 0, **texts: str) -> Path:
    """A PNG file with these text chunks."""
    info = PngInfo()
    for name, value in texts.items():
        info.add_text(name, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(seed).save(path, pnginfo=info)
    return path


def with_comment(path: Path, comment: bytes, seed: int = 0) -> Path:
    """A JPEG or WebP file with an EXIF UserComment."""
    exif = Pillow.Exif()
    exif.get_ifd(0x8769)[0x9286] = comment
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(seed).save(path, exif=exif, quality=95)
    return path


def a1111(prompt: str, model: str = "dream", seed: int = 1, digest: str = "") -> str:
    """A short recipe as A1111 writes it."""
    stated = f", Model hash: {digest}" if digest else ""
    settings = f"Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: {seed}, Size: 64x48{stated}, Model: {model}"
    return f"{prompt}\n{settings}"


def comfy(path: Path, graph: dict[str, Any] | None = None, seed: int = 0) -> Path:
    """A picture as ComfyUI's SaveImage writes it."""
    graph = graph or comfy_graph()
    return png(path, seed, prompt=json.dumps(graph), workflow=json.dumps({"nodes": [], "links": []}))
