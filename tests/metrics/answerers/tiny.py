"""Tiny answerers of the real classes with weights of chance, saved as the published ones are."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

WORDS = (
    "yes no Yes No one two three 0 1 2 3 10 red green blue light dark light blue light green is there a cat "
    "on the mat? how many cats are there? what colour is it? Answer with yes or no. Answer with one of: "
    "Question: Short answer: Options: USER ASSISTANT user assistant"
)
SPECIAL = ("<pad>", "<s>", "</s>", "<unk>", "<image>", "<|im_start|>", "<|im_end|>")
VISION = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
LLAVA_CHAT = (
    "{% for m in messages %}USER: {% for c in m['content'] %}{% if c['type'] == 'image' %}<image>\n"
    "{% else %}{{ c['text'] }}{% endif %}{% endfor %}{% endfor %} ASSISTANT:"
)
QWEN_CHAT = (
    "{% for m in messages %}<|im_start|>user\n{% for c in m['content'] %}{% if c['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ c['text'] }}{% endif %}{% endfor %}<|im_end|>\n"
    "{% endfor %}<|im_start|>assistant\n"
)
WIDTH = 16


def trained_tokenizer() -> Tokenizer:
    """A byte-level BPE, trained here: some words are one token, others are several."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=340,
        special_tokens=[*SPECIAL, *VISION],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([WORDS] * 4, trainer)
    return tokenizer


def fast(**more: Any) -> Any:
    """The same as transformers have it."""
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=trained_tokenizer(),
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        bos_token="<s>",
        **more,
    )


def _clip_pictures() -> Any:
    return transformers.CLIPImageProcessorPil(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    )


def _blip_pictures() -> Any:
    return transformers.BlipImageProcessorPil(size={"height": 32, "width": 32})


def _text(name: str, tokenizer: Any, **more: Any) -> Any:
    common = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    if name == "t5":
        return transformers.T5Config(
            d_model=WIDTH, d_kv=8, d_ff=32, num_layers=2, num_heads=2, decoder_start_token_id=0, **common
        )
    if name == "opt":
        return transformers.OPTConfig(
            hidden_size=WIDTH,
            word_embed_proj_dim=WIDTH,
            ffn_dim=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            max_position_embeddings=256,
            **common,
        )
    return transformers.LlamaConfig(
        hidden_size=WIDTH,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        **common,
        **more,
    )


def _vision(cls: Any) -> Any:
    return cls(
        hidden_size=WIDTH,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=16,
    )


def _bridge(cls: Any, tokenizer: Any) -> Any:
    return cls(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        encoder_hidden_size=WIDTH,
        cross_attention_frequency=1,
        pad_token_id=tokenizer.pad_token_id,
    )


def _blip2(text: str) -> tuple[Any, Any]:
    tokenizer = fast()
    config = transformers.Blip2Config(
        vision_config=_vision(transformers.Blip2VisionConfig).to_dict(),
        qformer_config=_bridge(transformers.Blip2QFormerConfig, tokenizer).to_dict(),
        text_config=_text(text, tokenizer).to_dict(),
        num_query_tokens=4,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    processor = transformers.Blip2Processor(_blip_pictures(), tokenizer, num_query_tokens=4)
    return transformers.Blip2ForConditionalGeneration(config), processor


def _instructblip(text: str) -> tuple[Any, Any]:
    tokenizer = fast()
    config = transformers.InstructBlipConfig(
        vision_config=_vision(transformers.InstructBlipVisionConfig).to_dict(),
        qformer_config=_bridge(transformers.InstructBlipQFormerConfig, tokenizer).to_dict(),
        text_config=_text(text, tokenizer).to_dict(),
        num_query_tokens=4,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    processor = transformers.InstructBlipProcessor(
        _blip_pictures(), tokenizer, qformer_tokenizer=fast(), num_query_tokens=4
    )
    return transformers.InstructBlipForConditionalGeneration(config), processor


def _llava() -> tuple[Any, Any]:
    tokenizer = fast(extra_special_tokens={"image_token": "<image>"})
    config = transformers.LlavaConfig(
        vision_config=_vision(transformers.CLIPVisionConfig),
        text_config=_text("llama", tokenizer),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-2,
    )
    processor = transformers.LlavaProcessor(
        _clip_pictures(),
        tokenizer,
        patch_size=16,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=LLAVA_CHAT,
    )
    return transformers.LlavaForConditionalGeneration(config), processor


def _qwen(name: str, text: Mapping[str, Any], vision: Mapping[str, Any]) -> tuple[Any, Any]:
    tokenizer = fast(
        extra_special_tokens={
            "image_token": "<|image_pad|>",
            "video_token": "<|video_pad|>",
            "vision_bos_token": "<|vision_start|>",
            "vision_eos_token": "<|vision_end|>",
        }
    )
    common = {
        "vocab_size": len(tokenizer),
        "hidden_size": WIDTH,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "pad_token_id": tokenizer.pad_token_id,
    }
    ids = {
        f"{key}_token_id": tokenizer.convert_tokens_to_ids(token)
        for key, token in (
            ("image", "<|image_pad|>"),
            ("video", "<|video_pad|>"),
            ("vision_start", "<|vision_start|>"),
            ("vision_end", "<|vision_end|>"),
        )
    }
    config = getattr(transformers, f"{name}Config")(
        text_config={**common, **text}, vision_config=dict(vision), **ids
    )
    pictures = transformers.Qwen2VLImageProcessorPil(
        patch_size=8, merge_size=2, temporal_patch_size=2, size={"shortest_edge": 1024, "longest_edge": 4096}
    )
    processor_name = "Qwen3VLProcessor" if name == "Qwen3VL" else f"{name}Processor"
    video = transformers.Qwen3VLVideoProcessor if name == "Qwen3VL" else transformers.Qwen2VLVideoProcessor
    processor = getattr(transformers, processor_name)(
        pictures, tokenizer, video(patch_size=8), chat_template=QWEN_CHAT
    )
    return getattr(transformers, f"{name}ForConditionalGeneration")(config), processor


def _qwen25() -> tuple[Any, Any]:
    vision = {
        "depth": 2,
        "hidden_size": WIDTH,
        "intermediate_size": 32,
        "num_heads": 2,
        "patch_size": 8,
        "out_hidden_size": WIDTH,
        "window_size": 32,
        "fullatt_block_indexes": [1],
    }
    return _qwen("Qwen2_5_VL", {"rope_parameters": _rope([1, 1, 2])}, vision)


def _qwen3() -> tuple[Any, Any]:
    vision = {
        "depth": 2,
        "hidden_size": WIDTH,
        "intermediate_size": 32,
        "num_heads": 2,
        "patch_size": 8,
        "out_hidden_size": WIDTH,
        "deepstack_visual_indexes": [0],
        "num_position_embeddings": 16,
    }
    return _qwen("Qwen3VL", {"head_dim": 8, "rope_parameters": _rope([1, 1, 2])}, vision)


def _rope(section: list[int]) -> dict[str, Any]:
    return {"rope_type": "default", "mrope_section": section, "rope_theta": 10_000.0}


def _blip() -> tuple[Any, Any]:
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]"]
    pieces += sorted({word.lower().strip("?:.") for word in WORDS.split()} | {"?", ":", "."})
    tokenizer = transformers.BertTokenizer(vocab={piece: i for i, piece in enumerate(pieces)})
    config = transformers.BlipConfig(
        text_config={
            "vocab_size": len(tokenizer),
            "hidden_size": WIDTH,
            "encoder_hidden_size": WIDTH,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "max_position_embeddings": 24,
            "bos_token_id": tokenizer.convert_tokens_to_ids("[DEC]"),
            "pad_token_id": 0,
            "sep_token_id": 3,
            "eos_token_id": 3,
        },
        vision_config=_vision(transformers.BlipVisionConfig).to_dict(),
    )
    return transformers.BlipForQuestionAnswering(config), transformers.BlipProcessor(
        _blip_pictures(), tokenizer
    )


KINDS: Mapping[str, Callable[[], tuple[Any, Any]]] = {
    "blip": _blip,
    "blip2-opt": lambda: _blip2("opt"),
    "blip2-t5": lambda: _blip2("t5"),
    "instructblip-t5": lambda: _instructblip("t5"),
    "instructblip-llama": lambda: _instructblip("llama"),
    "llava": _llava,
    "qwen2.5-vl": _qwen25,
    "qwen3-vl": _qwen3,
}


def save_tiny(kind: str, folder: Path) -> Path:
    """A tiny answerer of a kind, saved with its processor."""
    torch.manual_seed(0)
    model, processor = KINDS[kind]()
    with torch.no_grad():
        for weight in model.parameters():  # the usual beginning is nearly the same answer to everything
            weight.normal_(0.0, 0.3)
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
