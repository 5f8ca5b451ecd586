"""How prompts are read: clip skip, long prompts and weights, against the pipeline's own reading."""

from pathlib import Path
from typing import Any

import pytest
import torch

from explorer.conditioning import PromptEncoder, TextOptions, Texts, compel_syntax, read_skipping
from explorer.errors import ModelError

LONG = "a red circle and a blue square on a white background " * 6


@pytest.fixture(scope="module")
def pipe(tiny_models: Path) -> Any:
    from diffusers import StableDiffusionPipeline

    return StableDiffusionPipeline.from_pretrained(tiny_models / "tiny-a", safety_checker=None)


def read(pipe: Any, prompt: str, options: TextOptions, negative: str = "") -> dict[str, Any]:
    return PromptEncoder(pipe, "sd15").arguments(Texts(prompt, negative, options))


def test_the_plain_reading_is_the_pipelines_own(pipe: Any) -> None:
    with torch.no_grad():
        own, avoided = pipe.encode_prompt("a red circle", "cpu", 1, True, negative_prompt="blue")
    given = read(pipe, "a red circle", TextOptions(), "blue")
    assert torch.equal(given["prompt_embeds"], own)
    assert torch.equal(given["negative_prompt_embeds"], avoided)


def test_clip_skip_takes_the_layer_before(pipe: Any) -> None:
    ids = pipe.tokenizer("a red circle", padding="max_length", return_tensors="pt").input_ids
    with torch.no_grad():
        states = pipe.text_encoder(ids, output_hidden_states=True).hidden_states
        wanted = pipe.text_encoder.final_layer_norm(states[1])
    given = read(pipe, "a red circle", TextOptions(clip_skip=2))
    assert len(states) == 3  # the embedding and two layers
    assert torch.equal(given["prompt_embeds"], wanted)
    with (
        pytest.raises(ModelError, match="Clip skip 5 is too much: this text encoder has 2 layers"),
        torch.no_grad(),
    ):
        read_skipping(pipe, "a red circle", 4)


def test_long_prompts_are_read_to_their_end(pipe: Any) -> None:
    limit = pipe.tokenizer.model_max_length
    cut = read(pipe, LONG + "with a star", TextOptions())
    assert cut["prompt_embeds"].shape[1] == limit
    whole = read(pipe, LONG + "with a star", TextOptions(long_prompts=True))
    other = read(pipe, LONG + "with a cross", TextOptions(long_prompts=True))
    assert whole["prompt_embeds"].shape[1] > limit
    assert whole["prompt_embeds"].shape == whole["negative_prompt_embeds"].shape
    assert not torch.equal(whole["prompt_embeds"], other["prompt_embeds"])
    assert torch.equal(
        cut["prompt_embeds"], read(pipe, LONG + "with a cross", TextOptions())["prompt_embeds"]
    )


def test_weights_work_in_both_spellings_and_weight_one_is_none(pipe: Any) -> None:
    weighting = TextOptions(weighting=True)
    plain = read(pipe, "a red circle", TextOptions())["prompt_embeds"]
    assert torch.allclose(read(pipe, "a red circle", weighting)["prompt_embeds"], plain, atol=1e-6)
    a1111 = read(pipe, "a (red:1.4) circle", weighting)["prompt_embeds"]
    compel = read(pipe, "a (red)1.4 circle", weighting)["prompt_embeds"]
    assert torch.equal(a1111, compel)
    assert not torch.allclose(a1111, plain, atol=1e-3)
    more = read(pipe, "a (red:1.8) circle", weighting)["prompt_embeds"]
    assert (more - plain).norm() > (a1111 - plain).norm()


def test_brackets_are_plain_characters_without_weighting(pipe: Any) -> None:
    assert compel_syntax('a (red) "circle"+', weighted=False) == 'a \\(red\\) \\"circle\\"\\+'
    assert compel_syntax("a (red hat:1.3), b", weighted=True) == "a (red hat)1.3, b"
    given = read(pipe, "a (red) circle", TextOptions(long_prompts=True))["prompt_embeds"]
    assert torch.allclose(given, read(pipe, "a (red) circle", TextOptions())["prompt_embeds"], atol=1e-6)


def test_each_prompt_is_read_once_for_all_seeds(pipe: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, calls = PromptEncoder(pipe, "sd15"), []
    forward = pipe.text_encoder.forward
    monkeypatch.setattr(pipe.text_encoder, "forward", lambda *a, **k: (calls.append(1), forward(*a, **k))[1])
    texts = Texts("a red circle", "", TextOptions(clip_skip=2))
    first = encoder.arguments(texts)
    assert torch.equal(encoder.arguments(texts)["prompt_embeds"], first["prompt_embeds"])
    assert len(calls) == 2  # prompt and negative prompt
    encoder.arguments(texts, adapters=(("style", "abc", 1.0),))
    assert len(calls) == 4  # a LoRA may change the text encoder


def test_other_families_refuse_what_they_have_not(pipe: Any) -> None:
    with pytest.raises(ModelError, match=r"work with SD 1\.x, SD 2 and SDXL only"):
        PromptEncoder(pipe, "flux").arguments(Texts("a", "", TextOptions(clip_skip=2)))
