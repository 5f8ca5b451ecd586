"""LoRA files of every trainer: which kind of adapter, its rank, and the family it was made for.

kohya writes `lora_unet_..._lora_down` with underscores, diffusers and peft dotted paths with
`lora_A`, LyCORIS `hada_`, `lokr_` and `oft_`, X-Labs `processor.qkv_lora1`, others mix them. The
path of a layer tells the architecture, the width of its input tells the model.
"""

import re
from collections import Counter
from dataclasses import dataclass

from explorer.facts import Family, LoraKind
from explorer.recognition.denoisers import Shapes

_KINDS: tuple[tuple[LoraKind, tuple[str, ...]], ...] = (
    ("loha", (".hada_w1_a", ".hada_w1_b")),
    ("lokr", (".lokr_w1", ".lokr_w2")),
    ("oft", (".oft_blocks", ".oft_diag", ".oft_R.")),
    ("dora", (".dora_scale", ".lora_magnitude_vector")),
)
_DOWN = re.compile(r"[._]lora[._]?\d?[._]down\.|\.lora_A[.]|_lora\.down\.|\.lora\.down\.")
_UP = re.compile(r"[._]lora[._]?\d?[._]up\.|\.lora_B[.]")
_INPUT = re.compile(_DOWN.pattern + r"|\.hada_w1_b$|\.hada_w2_b$|\.lokr_w2_b$")
_LAYER_END = re.compile(
    r"\.(lora_down|lora_up|lora_mid|lora_A|lora_B|lora|hada_\w+|lokr_\w+|oft_\w+|dora_scale|alpha|"
    r"lora_magnitude_vector|diff|diff_b)(\..*)?$"
)
_PROCESSOR = re.compile(r"\.processor\.(\w+?)_lora\d?\.")
"""As early diffusers and X-Labs write it: `attn2.processor.to_k_lora.down`."""
_PREFIX = re.compile(
    r"^(base_model\.model\.|model\.diffusion_model\.|diffusion_model\.|transformer\.|unet\.|"
    r"lora_unet_|lora_transformer_|lycoris_)+"
)


@dataclass(frozen=True, slots=True)
class Adapter:
    """What a LoRA file is."""

    kind: LoraKind
    family: Family
    rank: int | None
    problem: str = ""
    """Continues a sentence that begins with the file's name."""


def find_lora(shapes: Shapes) -> Adapter | None:
    """The adapter in a file, or None when it holds something else."""
    names = list(shapes)
    kind = _kind(shapes)
    if kind is None:
        return None
    problem = {
        "oft": "is an OFT adapter, a kind this program cannot apply.",
        "diff": "holds whole differences of weights, a kind of adapter this program cannot apply.",
    }.get(kind, "")
    label = next((label for marker, label in _FOREIGN.items() if any(marker in n for n in names)), "")
    if label:
        problem = f"was made for {label}, a family this program cannot draw with."
    return Adapter(kind, "unknown" if label else _family(shapes), _rank(shapes, kind), problem)


def _kind(shapes: Shapes) -> LoraKind | None:
    for kind, marks in _KINDS:
        if any(mark in name for name in shapes for mark in marks):
            return kind
    down = [name for name in shapes if _DOWN.search(name)]
    if down:
        kernels = (shapes[name][2:] for name in down)
        mid = any(".lora_mid." in name for name in shapes)
        return "locon" if mid or any(max(k, default=1) > 1 for k in kernels) else "lora"
    layers = [name for name in shapes if name.endswith((".diff", ".diff_b"))]
    return "diff" if layers else None


def _rank(shapes: Shapes, kind: LoraKind) -> int | None:
    """The most common rank of its layers."""
    ranks: Counter[int] = Counter()
    for name, shape in shapes.items():
        if len(shape) < 2:
            continue
        if kind == "loha" and name.endswith("hada_w1_b"):
            ranks[shape[0]] += 1
        elif kind == "lokr" and name.endswith(("lokr_w2_a", "lokr_w1_a")):
            ranks[shape[1]] += 1
        elif _DOWN.search(name):
            ranks[shape[0]] += 1
    return ranks.most_common(1)[0][0] if ranks else None


_FOREIGN = {
    "individual_token_refiner": "HunyuanVideo",
    "blocks.0.self_attn.": "Wan",
    "blocks_0_self_attn_": "Wan",
    "blocks.0.cross_attn.k_img": "Wan",
    "double_stream_blocks": "HiDream",
    "joint_transformer_blocks": "AuraFlow",
    "lora_prior_unet_": "Stable Cascade",
    "audio_to_video": "LTX-2",
}


def _family(shapes: Shapes) -> Family:
    """The family by the architecture its layers belong to, then by their widths."""
    inputs: dict[str, int] = {}
    outputs: dict[str, int] = {}
    for name, shape in shapes.items():
        layer = _LAYER_END.sub("", _PROCESSOR.sub(r".\1.lora.", name))
        layer = _PREFIX.sub("", layer).replace(".", "_")
        if len(shape) >= 2 and _INPUT.search(name):
            inputs[layer] = shape[1]
        elif len(shape) >= 2 and _UP.search(name):
            outputs[layer] = shape[0]
        else:
            inputs.setdefault(layer, 0)
    layers = set(inputs) | set(outputs)

    def has(*parts: str) -> bool:
        return any(part in layer for layer in layers for part in parts)

    def width(*endings: str) -> int:
        return next((w for layer, w in inputs.items() if w and layer.endswith(endings)), 0)

    if has("single_transformer_blocks_", "double_blocks_", "single_blocks_"):
        return _flux_like(inputs, outputs)
    if has("joint_blocks_"):
        return "sd3"
    if has("layers_0_attention_", "noise_refiner_", "context_refiner_"):
        return "zimage"
    if has("input_blocks_", "down_blocks_", "up_blocks_", "middle_block_", "output_blocks_", "mid_block_"):
        return _unet_like(layers, width("attn2_to_k", "attn2_to_v"), has("lora_te2_", "text_encoder_2_"))
    if has("transformer_blocks_"):
        return _transformer_like(layers, inputs)
    text = width("self_attn_q_proj", "self_attn_k_proj", "self_attn_v_proj")
    if has("lora_te2_", "text_encoder_2_"):
        return "sdxl"
    return {768: "sd15", 1024: "sd2"}.get(text, "unknown")  # type: ignore[return-value]


def _unet_like(layers: set[str], context: int, second_encoder: bool) -> Family:
    known: dict[int, Family] = {768: "sd15", 1024: "sd2", 2048: "sdxl"}
    if context in known:
        return known[context]
    # Only SDXL stacks several transformer blocks, and has a second text encoder.
    if second_encoder or any("transformer_blocks_1_" in layer for layer in layers):
        return "sdxl"
    # It has no attention in its first block; a width of no known model is of a small one.
    first = any("down_blocks_0_attentions_" in layer for layer in layers)
    return "sd15" if context and first else "unknown"


def _flux_like(inputs: dict[str, int], outputs: dict[str, int]) -> Family:
    def out(*endings: str) -> int:
        return next((w for layer, w in outputs.items() if layer.endswith(endings)), 0)

    layers = set(inputs) | set(outputs)
    hidden = next((w for la, w in inputs.items() if w and la.endswith(("qkv", "to_q", "linear1"))), 0)
    if any("to_qkv_mlp_proj" in layer for layer in layers) or hidden in (6144, 4096):
        return "flux2"
    # The gate doubles the first layer of Flux.2's feed-forward part: 6 widths instead of 4.
    if hidden and (out("img_mlp_0", "ff_linear_in") == 6 * hidden or out("linear1") == 9 * hidden):
        return "flux2"
    if any("ff_linear_in" in layer for layer in layers):
        return "flux2"
    return "chroma" if any("distilled_guidance_layer" in layer for layer in layers) else "flux"


def _transformer_like(layers: set[str], inputs: dict[str, int]) -> Family:
    """Transformers whose blocks have the same name everywhere: by their other layers."""

    def has(*parts: str) -> bool:
        return any(part in layer for layer in layers for part in parts)

    hidden = next((w for la, w in inputs.items() if w and la.endswith(("attn_to_q", "attn1_to_q"))), 0)
    numbers = [int(n) for layer in layers for n in re.findall(r"transformer_blocks_(\d+)_", layer)]
    if has("img_mod", "img_mlp", "txt_mlp", "txt_mod"):
        return "qwenimage"
    if has("conv_inverted", "conv_point") or hidden == 2240:
        return "sana"
    if has("add_q_proj", "add_k_proj", "_attn_to_q"):
        if hidden == 3072:
            return "qwenimage" if max(numbers, default=0) > 18 else "flux"
        if hidden in (1536, 2432):
            return "sd3"
    if has("norm1_context", "attn2_to_add_out"):
        return "sd3"
    if hidden == 1152 and max(numbers, default=0) == 27:
        return "pixart" if has("adaln_single", "ff_net") or has("caption_projection") else "unknown"
    return "unknown"
