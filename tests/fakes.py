"""Small stand-ins for tests: real classes with few weights, never fakes of our own code."""

import shutil
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
TOKENIZER = PROJECT / "assets" / "models" / "shapes-base" / "tokenizer"


def build_tiny_checkpoint(folder: Path, seed: int = 0) -> Path:
    """Save an untrained Stable Diffusion pipeline: 64 px, a few hundred thousand weights."""
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    torch.manual_seed(seed)
    tokenizer = CLIPTokenizer.from_pretrained(TOKENIZER)
    text_config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=tokenizer.model_max_length,
        projection_dim=16,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16, 16, 16),
        layers_per_block=1,
        norm_num_groups=4,
        cross_attention_dim=16,
        attention_head_dim=2,
    )
    vae = AutoencoderKL(
        block_out_channels=(4, 4, 4, 4),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=2,
        latent_channels=4,
        layers_per_block=1,
        sample_size=64,
    )
    pipe = StableDiffusionPipeline(
        vae=vae.eval(),
        text_encoder=CLIPTextModel(text_config).eval(),
        tokenizer=tokenizer,
        unet=unet.eval(),
        scheduler=DDIMScheduler(beta_schedule="scaled_linear", clip_sample=False, steps_offset=1),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.save_pretrained(folder, safe_serialization=True)
    return folder


def build_tiny_lora(checkpoint: Path, file: Path, strength: float = 0.5) -> Path:
    """Save a LoRA made by peft for the attention layers of a tiny checkpoint."""
    import torch
    from diffusers import StableDiffusionPipeline, UNet2DConditionModel
    from peft import LoraConfig, get_peft_model_state_dict

    torch.manual_seed(1)
    unet = UNet2DConditionModel.from_pretrained(checkpoint, subfolder="unet")
    unet.add_adapter(LoraConfig(r=4, lora_alpha=4, target_modules=["to_q", "to_v", "to_out.0"]))
    layers = get_peft_model_state_dict(unet)
    layers = {name: torch.randn_like(tensor) * strength for name, tensor in layers.items()}
    StableDiffusionPipeline.save_lora_weights(file.parent, unet_lora_layers=layers, weight_name=file.name)
    return file


def copy_checkpoint(source: Path, target: Path) -> Path:
    """A copy of a checkpoint folder that a test may damage."""
    return Path(shutil.copytree(source, target))


def write_suite(path: Path, texts: list[str], suite_id: str = "tiny") -> Path:
    """A small suite file in the shipped format."""
    lines = ["format: 1", f"id: {suite_id}", f"name: {suite_id.title()}", "prompts:"]
    lines += [f'  - {{id: p{i}, text: "{text}", category: c{i % 2}}}' for i, text in enumerate(texts)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
