"""UNets and transformers: the family a network belongs to, told by names and shapes of its tensors.

Every family is known in its original layout and in that of diffusers. Families that this
program cannot draw with are named too, so that a refusal says what the file is.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from explorer.facts import PARTS, Family

Shapes = Mapping[str, tuple[int, ...]]
PREFIXES = ("model.diffusion_model.", "diffusion_model.", "transformer.", "unet.", "net.", "model.", "")
INPAINTING = "is made for inpainting: it wants a picture and a mask beside the prompt."
DEPTH = "wants a depth or edge map beside the prompt."
EDITING = "is made for changing pictures: it wants a picture beside the prompt."


@dataclass(frozen=True, slots=True)
class Denoiser:
    """What a UNet or transformer is."""

    family: Family
    variant: str = ""
    problem: str = ""
    """Why it draws nothing from a prompt alone; continues a sentence that begins with its name."""
    prediction: str = ""


def find_denoiser(shapes: Shapes) -> Denoiser | None:
    """The UNet or transformer in a file, or None when there is none."""
    for prefix in PREFIXES:
        body = {name[len(prefix) :]: shape for name, shape in shapes.items() if name.startswith(prefix)}
        if not body:
            continue
        for rule in _RULES:
            if found := rule(body):
                return _with_hints(found, shapes)
    return None


def missing_parts(family: Family, names: Iterable[str]) -> tuple[str, ...]:
    """The parts a single file of this family lacks, by their names in diffusers."""
    known = list(names)
    return tuple(
        part
        for part in PARTS[family]
        if not any(name.startswith(_part_prefixes(family, part)) for name in known)
    )


def _part_prefixes(family: Family, part: str) -> tuple[str, ...]:
    if part == "vae":
        return ("first_stage_model.", "vae.")
    number = int(part.removeprefix("text_encoder").lstrip("_") or 1) - 1
    if family in ("sd15", "sd2"):
        return ("cond_stage_model.", "text_encoder.")
    if family == "sdxl":
        return (f"conditioner.embedders.{number}.",)
    names = {"sd3": ("clip_l", "clip_g", "t5xxl"), "flux": ("clip_l", "t5xxl")}.get(family)
    return (f"text_encoders.{names[number]}.",) if names else ("text_encoders.",)


def _with_hints(found: Denoiser, shapes: Shapes) -> Denoiser:
    """Marks that lie outside the network itself."""
    variant, prediction = found.variant, found.prediction
    if "edm_mean" in shapes:
        variant = "Playground v2.5"
    if "v_pred" in shapes:
        prediction = "v_prediction"
    if found.family == "sd15" and any(n.startswith("cond_stage_model.model.") for n in shapes):
        return Denoiser("sd2", variant, found.problem, prediction)
    return Denoiser(found.family, variant, found.problem, prediction)


def _first(body: Shapes, *names: str) -> tuple[int, ...] | None:
    """The shape of the first of these tensors that is there."""
    return next((body[name] for name in names if name in body), None)


def _width(body: Shapes, *names: str) -> int:
    """Input width of the first of these layers; 0 when none is there."""
    shape = _first(body, *names)
    return shape[1] if shape and len(shape) >= 2 else 0


def _count(body: Shapes, start: str) -> int:
    """How many numbered blocks there are below a name."""
    return len({name[len(start) :].split(".")[0] for name in body if name.startswith(start)})


def _foreign(body: Shapes) -> Denoiser | None:
    marked = next((name for name in body if name.startswith(tuple(_FOREIGN))), None)
    if marked is None:
        return None
    label = next(label for marker, label in _FOREIGN.items() if marked.startswith(marker))
    return Denoiser("unknown", label, f"is a {label} model, a family this program cannot draw with.")


_FOREIGN = {
    "early_stream_modulations.": "Flux.3",
    "nerf_blocks.": "Chroma Radiance",
    "txt_in.individual_token_refiner.": "HunyuanVideo",
    "context_embedder.token_refiner.": "HunyuanVideo",
    "txt_in.text_norm.": "Qwen-Image 2.1",
    "text_fusion.": "Krea 2",
    "txtfusion.": "Krea 2",
    "double_stream_blocks.": "HiDream",
    "joint_transformer_blocks.": "AuraFlow",
    "double_layers.": "AuraFlow",
    "patchify_proj.": "LTX-Video",
    "patch_embedding.": "Wan",
    "patch_embed.text_proj.": "CogView4",
    "time_caption_embed.": "Lumina 2",
    "layers.0.adaLN_modulation.1.": "Lumina 2",
    "clip_txt_mapper.": "Stable Cascade",
    "clip_txt_pooled_mapper.": "Stable Cascade",
    "down_blocks.1.0.channelwise.0.": "Stable Cascade",
    "x_embedder.proj.1.": "Cosmos",
    "blocks.0.attn.qkv_x.": "Mochi",
    "text_embedding_padding": "Hunyuan-DiT",
    "llm.model.": "OmniGen",
}


def _unet(body: Shapes) -> Denoiser | None:
    conv_in = _first(body, "input_blocks.0.0.weight", "conv_in.weight")
    if conv_in is None or not {"time_embed.0.weight", "time_embedding.linear_1.weight"} & set(body):
        return None
    context = next((s[1] for n, s in body.items() if n.endswith("attn2.to_k.weight") and len(s) == 2), 0)
    pooled = _width(body, "label_emb.0.0.weight", "add_embedding.linear_1.weight")
    channels = conv_in[1] if len(conv_in) == 4 else 4
    problem = {
        9: INPAINTING,
        8: EDITING,
        7: "only enlarges pictures.",
        5: "wants a depth map beside the prompt.",
    }.get(channels, "")
    family: Family = "sd2" if context == 1024 else "sd15"
    variant = "LCM" if "time_embedding.cond_proj.weight" in body else ""
    if pooled:
        family = "sdxl"
        if context == 1280:
            variant, problem = (
                "Refiner",
                "is the SDXL refiner, which only finishes pictures of another model.",
            )
        elif context == 4096 or pooled == 5632:
            return Denoiser("unknown", "Kolors", "is a Kolors model, a family this program cannot draw with.")
        elif context == 1024:
            return Denoiser("unknown", "SD 2 unCLIP", "is an unCLIP model: it wants a picture to vary.")
    return Denoiser(family, variant, problem)


def _flux2(body: Shapes) -> Denoiser | None:
    if not {"single_stream_modulation.lin.weight", "single_stream_modulation.linear.weight"} & set(body):
        return None
    sizes = {15360: "dev", 7680: "Klein 4B", 12288: "Klein 9B"}
    return Denoiser("flux2", sizes.get(_width(body, "txt_in.weight", "context_embedder.weight"), ""))


def _chroma(body: Shapes) -> Denoiser | None:
    return Denoiser("chroma") if any(n.startswith("distilled_guidance_layer.") for n in body) else None


def _flux(body: Shapes) -> Denoiser | None:
    original = "double_blocks.0.img_attn.qkv.weight" in body and "single_blocks.0.linear1.weight" in body
    ours = "single_transformer_blocks.0.attn.to_q.weight" in body and "context_embedder.weight" in body
    if not original and not ours:
        return None
    guided = any(n.startswith(("guidance_in.", "time_text_embed.guidance_embedder.")) for n in body)
    channels = _width(body, "img_in.weight", "x_embedder.weight")
    if channels == 384:
        return Denoiser("flux", "Fill", INPAINTING)
    if channels == 128:
        return Denoiser("flux", "Control", DEPTH)
    return Denoiser("flux", "dev" if guided else "schnell")


def _sd3(body: Shapes) -> Denoiser | None:
    original = "joint_blocks.0.context_block.adaLN_modulation.1.weight" in body
    ours = {"transformer_blocks.0.norm1_context.linear.weight", "pos_embed.proj.weight"} <= set(body)
    if not original and not ours:
        return None
    blocks = _count(body, "joint_blocks.") or _count(body, "transformer_blocks.")
    dual = any(".x_block.attn2." in n or n.startswith("transformer_blocks.0.attn2.") for n in body)
    normed = any(".ln_q." in n or n.endswith("attn.norm_q.weight") for n in body)
    if dual:
        return Denoiser("sd3", "3.5 Medium")
    return Denoiser("sd3", "3.5 Large" if blocks == 38 else "3.5" if normed else "3 Medium")


def _zimage(body: Shapes) -> Denoiser | None:
    marks = {"layers.0.adaLN_modulation.0.weight", "cap_embedder.1.weight"}
    return Denoiser("zimage") if marks <= set(body) else None


def _qwenimage(body: Shapes) -> Denoiser | None:
    marks = {"transformer_blocks.0.img_mod.1.weight", "txt_norm.weight"}
    return Denoiser("qwenimage") if marks <= set(body) else None


def _sana(body: Shapes) -> Denoiser | None:
    marks = {"transformer_blocks.0.ff.conv_inverted.weight", "blocks.0.mlp.inverted_conv.conv.weight"}
    if not marks & set(body):
        return None
    patch = _first(body, "patch_embed.proj.weight", "x_embedder.proj.weight") or ()
    if len(patch) == 5:
        return Denoiser(
            "unknown", "Sana Video", "is a Sana Video model, which this program cannot draw with."
        )
    sprint = any("guidance_embedder." in n or n.startswith("cfg_embedder.") for n in body)
    return Denoiser("sana", "Sprint" if sprint else "")


def _pixart(body: Shapes) -> Denoiser | None:
    original = {"blocks.0.cross_attn.kv_linear.weight", "blocks.0.mlp.fc1.weight"} <= set(body)
    ours = {"adaln_single.linear.weight", "pos_embed.proj.weight"} <= set(body)
    if not original and not ours:
        return None
    alpha = any(n.startswith(("csize_embedder.", "adaln_single.emb.resolution_embedder.")) for n in body)
    return Denoiser("pixart", "Alpha" if alpha else "Sigma")


# Those with a mark of their own come before those whose layers they share.
_RULES: tuple[Callable[[Shapes], Denoiser | None], ...] = (
    _foreign,
    _unet,
    _flux2,
    _chroma,
    _flux,
    _qwenimage,
    _sd3,
    _zimage,
    _sana,
    _pixart,
)
