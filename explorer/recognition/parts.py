"""Files that are a part of a model or go beside one: VAEs, text encoders, embeddings, ControlNets."""

from dataclasses import dataclass

from explorer.facts import Family, ModelKind
from explorer.recognition.denoisers import Shapes


@dataclass(frozen=True, slots=True)
class Part:
    """What such a file is."""

    kind: ModelKind
    family: Family = "unknown"
    variant: str = ""
    problem: str = ""
    """Continues a sentence that begins with the file's name."""


def find_helper(shapes: Shapes) -> Part | None:
    """A ControlNet or another network that works beside a UNet; looked for before UNets."""
    if any(name.startswith(_CONTROL) for name in shapes):
        return Part("controlnet", _control_family(shapes))
    for marker, label in _BESIDE.items():
        if any(marker in name for name in shapes):
            return Part("unknown", variant=label, problem=f"is of the kind {label}, which is not used here.")
    return None


_CONTROL = (
    "control_model.",
    "controlnet_cond_embedding.",
    "controlnet_blocks.",
    "controlnet_down_blocks.",
    "controlnet_x_embedder.",
    "input_hint_block.",
    "control_layers.",
    "control_all_x_embedder.",
    "control_add_embedding.",
)
_BESIDE = {
    "ip_adapter.": "IP-Adapter",
    "motion_modules.": "AnimateDiff",
    "adapter.body.": "T2I-Adapter",
    "redux_up.": "Flux Redux",
}


def _control_family(shapes: Shapes) -> Family:
    names = set(shapes)
    if any("controlnet_x_embedder" in n for n in names):
        return "qwenimage" if any("img_mod" in n for n in names) else "flux"
    if any(n.startswith(("control_layers.", "control_all_x_embedder.")) for n in names):
        return "zimage"
    if any(n.startswith("transformer_blocks.") for n in names):
        return "sd3"
    if any(n.endswith(("label_emb.0.0.weight", "add_embedding.linear_1.weight")) for n in names):
        return "sdxl"
    context = next((s[1] for n, s in shapes.items() if n.endswith("attn2.to_k.weight") and len(s) == 2), 0)
    return {768: "sd15", 1024: "sd2", 2048: "sdxl"}.get(context, "unknown")  # type: ignore[return-value]


def find_part(shapes: Shapes) -> Part | None:
    """A VAE, text encoder or embedding; looked for after UNets and transformers."""
    return _vae(shapes) or _embedding(shapes) or _text_encoder(shapes)


def _vae(shapes: Shapes) -> Part | None:
    for prefix in ("", "first_stage_model.", "vae."):
        body = {name[len(prefix) :]: shape for name, shape in shapes.items() if name.startswith(prefix)}
        conv = body.get("decoder.conv_in.weight", body.get("decoder.conv1.weight", ()))
        if any(n.startswith(("decoder.stages.", "encoder.project_in.", "decoder.project_in.")) for n in body):
            return Part("vae", "sana", "DC-AE")
        if len(conv) == 5:
            return Part("vae", "qwenimage", "Qwen-Image or Wan")
        if len(conv) == 4 and "decoder.up_blocks.0.0.conv.weight" in body:
            return Part("vae", "sana", "DC-AE")
        if len(conv) == 4:
            labels: dict[int, tuple[Family, str]] = {
                4: ("unknown", "SD 1.5, SD 2 or SDXL"),
                16: ("unknown", "SD 3, Flux.1 or Z-Image"),
                32: ("flux2", "Flux.2"),
            }
            return Part("vae", *labels.get(conv[1], ("unknown", f"{conv[1]} channels")))
        if "decoder.layers.0.weight" in body or "taesd_decoder.1.weight" in body:
            return Part("vae", "unknown", "tiny")
    return None


def _embedding(shapes: Shapes) -> Part | None:
    widths = {name: shape[-1] for name, shape in shapes.items() if 1 <= len(shape) <= 2}
    if len(shapes) > 4 or len(widths) < len(shapes):
        return None
    if {"clip_l", "clip_g"} <= set(widths):
        return Part("embedding", "sd3" if "t5xxl" in widths else "sdxl")
    if "emb_params" in widths or (len(widths) == 1 and not any("." in name for name in widths)):
        families: dict[int, Family] = {768: "sd15", 1024: "sd2", 1280: "sdxl"}
        return Part("embedding", families.get(next(iter(widths.values())), "unknown"))
    return None


def _text_encoder(shapes: Shapes) -> Part | None:
    def width(*endings: str) -> int:
        found = (s[-1] for n, s in shapes.items() if n.endswith(endings) and len(s) == 2)
        return next(found, 0)

    names = list(shapes)
    if any("SelfAttention.q.weight" in n for n in names) or "enc.blk.0.attn_q.weight" in shapes:
        big = width("shared.weight", "embed_tokens.weight", "token_embd.weight") == 4096
        vocabulary = shapes.get("shared.weight", (0,))[0]
        return Part("text_encoder", "unknown", "UMT5" if vocabulary > 200_000 else "T5-XXL" if big else "T5")
    clip = width("embeddings.token_embedding.weight", "token_embedding.weight")
    if clip and any(".self_attn.q_proj." in n or ".attn.in_proj_weight" in n for n in names):
        label = {768: "CLIP-L", 1024: "OpenCLIP-H", 1280: "OpenCLIP-G"}.get(clip, "CLIP")
        return Part("text_encoder", "unknown", label)
    language = width("embed_tokens.weight")
    if language and any(".self_attn.q_proj.weight" in n for n in names):
        if any("pre_feedforward_layernorm" in n for n in names):
            return Part("text_encoder", "unknown", "Gemma 2")
        if any(".self_attn.q_norm." in n for n in names):
            return Part("text_encoder", "unknown", "Qwen3")
        if any(".self_attn.q_proj.bias" in n for n in names):
            return Part("text_encoder", "unknown", "Qwen2.5-VL" if _sees(names) else "Qwen2.5")
        return Part("text_encoder", "unknown", "Mistral or Llama")
    return None


def _sees(names: list[str]) -> bool:
    return any(name.startswith(("visual.", "model.visual.")) for name in names)
