"""Untrained pipelines of every family: the real classes with a few hundred thousand weights.

The smallest settings that keep what matters: the real factor between pixels and latents,
layers of every kind, and the tensor names that recognition looks for.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from explorer.drawing import LoadedModel
from explorer.loading import Sources
from explorer.pipelines import PipelineManager
from explorer.placement import Wishes
from explorer.types import Checkpoint, Family, Model, Recipe
from tests.explorer.test_recipes import make_recipe
from tests.fakes import PROJECT

CONFIGS = PROJECT / "assets" / "configs"
Folders = Callable[[str], Path]
"""The folder of a family's tiny pipeline; see the fixture `tiny`."""
_QWEN_CHAT = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
_HIDDEN = 16


def build_family(family: str, folder: Path, seed: int = 0) -> Path:
    """Save a tiny pipeline of a family as a diffusers folder."""
    import torch

    torch.manual_seed(seed)
    builders: dict[str, Callable[[], Any]] = {
        "sd15": _sd15,
        "sd2": lambda: _sd15(prediction_type="v_prediction"),
        "sdxl": _sdxl,
        "sd3": _sd3,
        "flux": _flux,
        "flux2": _flux2,
        "chroma": _chroma,
        "zimage": _zimage,
        "qwenimage": _qwenimage,
        "sana": _sana,
        "pixart": _pixart,
    }
    pipe = builders[family]()
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            part.eval()
            with torch.no_grad():
                for tensor in (*part.parameters(), *part.buffers()):
                    if tensor.is_floating_point() and not torch.isfinite(tensor).all():
                        tensor.normal_()
    pipe.save_pretrained(folder, safe_serialization=True)
    return folder


# Asking for one and drawing with it


def manager(configs: Path = CONFIGS, *parts: Path) -> PipelineManager:
    """A manager on the CPU; `parts` are folders to borrow from."""
    return PipelineManager(Wishes("cpu"), Sources(configs, lambda _family: parts))


def model(path: Path, family: Family, layout: Any = "diffusers") -> Model:
    return Model(Checkpoint(path.stem, path, family, layout, 1))


def recipes(family: str, seeds: list[int], **changes: object) -> list[Recipe]:
    """Recipes of two steps at 64 x 96 pixels that differ in their seeds."""
    sampler = {"pixart": "DPM++ 2M", "sd15": "DDIM", "sd2": "DDIM"}.get(family, "Euler")
    values = {"model": f"tiny-{family}", "prompt": "a red circle", "negative": "", "guidance": 4.0}
    values |= {"width": 64, "height": 96, "steps": 2, "sampler": sampler}
    return [make_recipe(seed=seed, **(values | changes)) for seed in seeds]


def draw(loaded: LoadedModel, asked: list[Recipe]) -> np.ndarray:
    pictures = loaded.draw(asked, asked[0].sampler, lambda step, steps: None)
    return np.stack([np.asarray(picture, dtype=int) for picture in pictures])


# Tokenizers


def clip_tokenizer(merges: int = 200, *, zero_pad: bool = False) -> Any:
    """CLIP's tokenizer with its first merges only."""
    from transformers import CLIPTokenizer

    from explorer.clip_tokenizer import _byte_characters, _merges

    pairs, characters = _merges()[:merges], _byte_characters()
    pieces = [*characters, *(f"{c}</w>" for c in characters), *(a + b for a, b in pairs)]
    vocabulary = {p: i for i, p in enumerate([*pieces, "<|startoftext|>", "<|endoftext|>"])}
    tokenizer = CLIPTokenizer(vocab=vocabulary, merges=pairs, model_max_length=77)
    if zero_pad:
        tokenizer.pad_token = "!"
    return tokenizer


def _t5_tokenizer() -> Any:
    from transformers import T5Tokenizer

    characters = [chr(code) for code in range(33, 127)]
    pieces = ["<pad>", "</s>", "<unk>", "▁", *characters]
    return T5Tokenizer(vocab=[(piece, -float(i)) for i, piece in enumerate(pieces)], extra_ids=100)


def _qwen_tokenizer() -> Any:
    from transformers import Qwen2Tokenizer

    from explorer.clip_tokenizer import _byte_characters

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    vocabulary = {piece: i for i, piece in enumerate([*_byte_characters(), *special])}
    tokenizer = Qwen2Tokenizer(vocab=vocabulary, merges=[], extra_special_tokens=special[1:])
    tokenizer.chat_template = _QWEN_CHAT
    return tokenizer


def _gemma_tokenizer() -> Any:
    from transformers import GemmaTokenizer

    pieces = ["<pad>", "<eos>", "<bos>", "<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁"]
    pieces += [chr(code) for code in range(33, 127)]
    return GemmaTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, merges=[])


# Text encoders


def _clip_encoder(tokenizer: Any, hidden: int = _HIDDEN, layers: int = 2, *, projected: bool = False) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=layers,
        num_attention_heads=2,
        projection_dim=hidden,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)


def _t5_encoder(tokenizer: Any, hidden: int = 32) -> Any:
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(
        T5Config(vocab_size=len(tokenizer), d_model=hidden, d_kv=8, d_ff=32, num_layers=2, num_heads=4)
    )


def _language_model(name: str, tokenizer: Any, layers: int, **more: Any) -> Any:
    import transformers

    config = getattr(transformers, f"{name}Config")(
        vocab_size=len(tokenizer),
        hidden_size=_HIDDEN,
        intermediate_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=8,
        **more,
    )
    return getattr(transformers, more.pop("model", f"{name}Model"))(config)


# Networks


def _vae(latents: int = 4, **more: Any) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(4, 4, 4, 4),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=2,
        latent_channels=latents,
        layers_per_block=1,
        sample_size=64,
        **more,
    )


def _flow_vae() -> Any:
    return _vae(16, use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.1, scaling_factor=0.36)


def _flow_scheduler() -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(shift=3.0)


# Pipelines


def _sd15(prediction_type: str = "epsilon") -> Any:
    from diffusers import DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel

    tokenizer = clip_tokenizer()
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16, 16, 16),
        layers_per_block=2,
        norm_num_groups=4,
        cross_attention_dim=_HIDDEN,
        attention_head_dim=2,
    )
    return StableDiffusionPipeline(
        vae=_vae(),
        text_encoder=_clip_encoder(tokenizer),
        tokenizer=tokenizer,
        unet=unet,
        scheduler=DDIMScheduler(
            beta_schedule="scaled_linear", clip_sample=False, steps_offset=1, prediction_type=prediction_type
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _sdxl() -> Any:
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel

    tokenizers = clip_tokenizer(), clip_tokenizer(zero_pad=True)
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16, 16),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=2,
        transformer_layers_per_block=(1, 2, 10),
        norm_num_groups=4,
        attention_head_dim=2,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + 24,
        cross_attention_dim=16 + 24,
    )
    return StableDiffusionXLPipeline(
        vae=_vae(scaling_factor=0.13025),
        # Single files tell the two encoders apart by their widths.
        text_encoder=_clip_encoder(tokenizers[0], 16),
        text_encoder_2=_clip_encoder(tokenizers[1], 24, 10, projected=True),
        tokenizer=tokenizers[0],
        tokenizer_2=tokenizers[1],
        unet=unet,
        scheduler=EulerDiscreteScheduler(
            beta_schedule="scaled_linear", steps_offset=1, timestep_spacing="leading"
        ),
    )


def _sd3() -> Any:
    from diffusers import SD3Transformer2DModel, StableDiffusion3Pipeline

    one, two, t5 = clip_tokenizer(), clip_tokenizer(zero_pad=True), _t5_tokenizer()
    transformer = SD3Transformer2DModel(
        sample_size=8,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=2,
        joint_attention_dim=32,
        caption_projection_dim=16,
        pooled_projection_dim=32,
        pos_embed_max_size=16,
    )
    return StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=_flow_scheduler(),
        vae=_flow_vae(),
        text_encoder=_clip_encoder(one, projected=True),
        tokenizer=one,
        text_encoder_2=_clip_encoder(two, projected=True),
        tokenizer_2=two,
        text_encoder_3=_t5_encoder(t5),
        tokenizer_3=t5,
    )


def _flux() -> Any:
    from diffusers import FluxPipeline, FluxTransformer2DModel

    clip, t5 = clip_tokenizer(), _t5_tokenizer()
    transformer = FluxTransformer2DModel(
        num_layers=1,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=16,
        guidance_embeds=True,
        axes_dims_rope=(4, 6, 6),
    )
    return FluxPipeline(
        transformer=transformer,
        scheduler=_flow_scheduler(),
        vae=_flow_vae(),
        text_encoder=_clip_encoder(clip),
        tokenizer=clip,
        text_encoder_2=_t5_encoder(t5),
        tokenizer_2=t5,
    )


def _chroma() -> Any:
    from diffusers import ChromaPipeline, ChromaTransformer2DModel

    t5 = _t5_tokenizer()
    transformer = ChromaTransformer2DModel(
        num_layers=1,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        axes_dims_rope=(4, 6, 6),
        approximator_num_channels=8,
        approximator_hidden_dim=16,
        approximator_layers=1,
    )
    return ChromaPipeline(
        transformer=transformer,
        scheduler=_flow_scheduler(),
        vae=_flow_vae(),
        text_encoder=_t5_encoder(t5),
        tokenizer=t5,
    )


def _flux2() -> Any:
    from diffusers import AutoencoderKLFlux2, Flux2KleinPipeline, Flux2Transformer2DModel

    tokenizer = _qwen_tokenizer()
    vae = AutoencoderKLFlux2(
        block_out_channels=(4, 4, 4, 4),
        norm_num_groups=2,
        latent_channels=4,
        layers_per_block=1,
        sample_size=64,
    )
    transformer = Flux2Transformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=3 * _HIDDEN,
        timestep_guidance_channels=16,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=False,
    )
    return Flux2KleinPipeline(
        transformer=transformer,
        scheduler=_flow_scheduler(),
        vae=vae,
        # The pipeline reads the layers 9, 18 and 27.
        text_encoder=_language_model("Qwen3", tokenizer, 28, model="Qwen3ForCausalLM"),
        tokenizer=tokenizer,
        is_distilled=False,
    )


def _zimage() -> Any:
    from diffusers import ZImagePipeline, ZImageTransformer2DModel

    tokenizer = _qwen_tokenizer()
    transformer = ZImageTransformer2DModel(
        dim=32,
        n_layers=2,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=_HIDDEN,
        axes_dims=[4, 6, 6],
        axes_lens=[1024, 64, 64],
    )
    # These two are left as whatever was in memory.
    transformer.x_pad_token.data.normal_()
    transformer.cap_pad_token.data.normal_()
    return ZImagePipeline(
        transformer=transformer,
        scheduler=_flow_scheduler(),
        vae=_flow_vae(),
        text_encoder=_language_model("Qwen3", tokenizer, 2),
        tokenizer=tokenizer,
    )


def _qwenimage() -> Any:
    from diffusers import AutoencoderKLQwenImage, QwenImagePipeline, QwenImageTransformer2DModel
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    tokenizer = _qwen_tokenizer()
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": _HIDDEN,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e6},
    }
    vision = {
        "depth": 1,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_heads": 2,
        "out_hidden_size": _HIDDEN,
        "fullatt_block_indexes": [0],
    }
    transformer = QwenImageTransformer2DModel(
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=_HIDDEN,
        axes_dims_rope=(4, 6, 6),
    )
    vae = AutoencoderKLQwenImage(base_dim=4, dim_mult=[1, 1, 1, 1], num_res_blocks=1)
    return QwenImagePipeline(
        transformer=transformer,
        scheduler=_flow_scheduler(),
        vae=vae,
        text_encoder=Qwen2_5_VLForConditionalGeneration(
            Qwen2_5_VLConfig(text_config=text, vision_config=vision)
        ),
        tokenizer=tokenizer,
    )


def _sana() -> Any:
    from diffusers import AutoencoderDC, SanaPipeline, SanaTransformer2DModel

    tokenizer = _gemma_tokenizer()
    blocks = 6
    vae = AutoencoderDC(
        latent_channels=4,
        attention_head_dim=2,
        encoder_block_out_channels=(4,) * blocks,
        decoder_block_out_channels=(4,) * blocks,
        encoder_layers_per_block=(1,) * blocks,
        decoder_layers_per_block=(1,) * blocks,
        encoder_qkv_multiscales=((),) * blocks,
        decoder_qkv_multiscales=((),) * blocks,
        scaling_factor=0.4,
    )
    transformer = SanaTransformer2DModel(
        in_channels=4,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=2,
        num_cross_attention_heads=2,
        cross_attention_head_dim=8,
        cross_attention_dim=16,
        caption_channels=_HIDDEN,
    )
    return SanaPipeline(
        transformer=transformer,
        scheduler=_flow_scheduler(),
        vae=vae,
        text_encoder=_language_model("Gemma2", tokenizer, 2),
        tokenizer=tokenizer,
    )


def _pixart() -> Any:
    from diffusers import DPMSolverMultistepScheduler, PixArtSigmaPipeline, PixArtTransformer2DModel

    t5 = _t5_tokenizer()
    transformer = PixArtTransformer2DModel(
        num_attention_heads=2,
        attention_head_dim=8,
        num_layers=2,
        cross_attention_dim=16,
        sample_size=8,
        caption_channels=32,
        use_additional_conditions=False,
        norm_num_groups=2,
    )
    return PixArtSigmaPipeline(
        transformer=transformer,
        scheduler=DPMSolverMultistepScheduler(),
        vae=_vae(),
        text_encoder=_t5_encoder(t5),
        tokenizer=t5,
    )
