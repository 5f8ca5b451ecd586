"""Tiny detectors of the real classes, saved as the published ones are."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers as t

LABELS = {0: "cat", 1: "tvmonitor", 2: "dog"}
_RESNET = {"embedding_size": 8, "hidden_sizes": [8, 8, 8, 8], "depths": [1, 1, 1, 1]}
_DETR_FAMILY = {
    "d_model": 16,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 16,
    "decoder_ffn_dim": 16,
    "num_queries": 7,
}
_RT_FAMILY = _DETR_FAMILY | {
    "encoder_hidden_dim": 16,
    "encoder_in_channels": [8, 8, 8],
    "decoder_in_channels": [16, 16, 16],
    "num_denoising": 0,
    "decoder_n_points": 2,
    "disable_custom_kernels": True,
}


def _rt_backbone() -> Any:
    return t.RTDetrResNetConfig(**_RESNET, out_features=["stage2", "stage3", "stage4"])


def _detr() -> tuple[Any, Any]:
    backbone = t.ResNetConfig(**_RESNET, out_features=["stage4"])
    config = t.DetrConfig(
        backbone_config=backbone,
        use_timm_backbone=False,
        id2label=LABELS,
        use_pretrained_backbone=False,
        **_DETR_FAMILY,
    )
    return t.DetrForObjectDetection(config), t.DetrImageProcessor(
        size={"shortest_edge": 40, "longest_edge": 90}
    )


def _yolos() -> tuple[Any, Any]:
    config = t.YolosConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        image_size=[48, 64],
        patch_size=16,
        num_detection_tokens=7,
        id2label=LABELS,
    )
    return t.YolosForObjectDetection(config), t.YolosImageProcessor(size={"height": 48, "width": 64})


def _rt_detr() -> tuple[Any, Any]:
    config = t.RTDetrConfig(backbone_config=_rt_backbone(), id2label=LABELS, **_RT_FAMILY)
    return t.RTDetrForObjectDetection(config), t.RTDetrImageProcessor(size={"height": 64, "width": 64})


def _rt_detr_v2() -> tuple[Any, Any]:
    shape = _RT_FAMILY | {"decoder_layers": 2}
    config = t.RTDetrV2Config(backbone_config=_rt_backbone(), id2label=LABELS, **shape)
    return t.RTDetrV2ForObjectDetection(config), t.RTDetrImageProcessor(size={"height": 64, "width": 64})


def _d_fine() -> tuple[Any, Any]:
    shape = _RT_FAMILY | {"decoder_n_points": [2, 2, 2], "decoder_layers": 2}
    config = t.DFineConfig(backbone_config=_rt_backbone(), id2label=LABELS, **shape)
    return t.DFineForObjectDetection(config), t.RTDetrImageProcessor(size={"height": 64, "width": 64})


CLOSED: dict[str, Callable[[], tuple[Any, Any]]] = {
    "detr": _detr,
    "yolos": _yolos,
    "rt_detr": _rt_detr,
    "rt_detr_v2": _rt_detr_v2,
    "d_fine": _d_fine,
}


def _owlv2() -> tuple[Any, Any]:
    letters = [chr(code) for code in range(33, 127)]
    words = ["<|startoftext|>", "<|endoftext|>"]
    vocab = {
        word: place for place, word in enumerate([*letters, *(f"{each}</w>" for each in letters), *words])
    }
    tokenizer = t.CLIPTokenizer(vocab=vocab, merges=[], model_max_length=16)
    text = {
        "vocab_size": len(vocab),
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": 40,
        "bos_token_id": len(vocab) - 2,
        "eos_token_id": len(vocab) - 1,
        "pad_token_id": 0,
    }
    vision = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 64,
        "patch_size": 16,
    }
    config = t.Owlv2Config(text_config=text, vision_config=vision, projection_dim=16)
    processor = t.Owlv2Processor(t.Owlv2ImageProcessor(size={"height": 64, "width": 64}), tokenizer)
    model = t.Owlv2ForObjectDetection(config)
    with torch.no_grad():  # boxes near their places, not all in a corner
        for weights in model.box_head.parameters():
            weights.mul_(0.1)
    return model, processor


def _grounding_dino() -> tuple[Any, Any]:
    # The network knows the marks of a sentence by BERT's own numbers.
    places = {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 103: "[MASK]", 1012: ".", 1029: "?"}
    words = {200: "cat", 201: "traffic", 202: "light", 203: "dog", 204: "a"}
    names = [(places | words).get(place, f"[unused{place}]") for place in range(1030)]
    tokenizer = t.BertTokenizer(vocab={name: place for place, name in enumerate(names)})
    text = t.BertConfig(
        vocab_size=len(names),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    swin = t.SwinConfig(
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 2],
        window_size=2,
        out_features=["stage2", "stage3", "stage4"],
        image_size=64,
    )
    config = t.GroundingDinoConfig(
        backbone_config=swin,
        text_config=text,
        disable_custom_kernels=True,
        two_stage=True,
        **(_DETR_FAMILY | {"decoder_layers": 2, "d_model": 32}),
    )
    image = t.GroundingDinoImageProcessor(size={"shortest_edge": 96, "longest_edge": 160})
    return t.GroundingDinoForObjectDetection(config), t.GroundingDinoProcessor(image, tokenizer)


OPEN: dict[str, Callable[[], tuple[Any, Any]]] = {"owlv2": _owlv2, "grounding_dino": _grounding_dino}


def save(name: str, folder: Path) -> Path:
    """A tiny detector in a folder, as `save_pretrained` writes it."""
    torch.manual_seed(7)
    model, processor = (CLOSED | OPEN)[name]()
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
