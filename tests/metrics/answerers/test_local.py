"""Every local answerer, with tiny real-class weights, against the same classes without our shortcuts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from metrics import MetricsError
from metrics.answerers.asking import AT_ONCE, Asked, LocalAnswerer
from metrics.answerers.blip2 import wording as blip2_wording
from metrics.answerers.catalog import answerer_source
from metrics.answerers.chat import ChatAnswerer, wording
from metrics.answerers.local import Folder, LocalSource
from metrics.base import BackboneCard
from metrics.questions import Question
from tests.fakes import PROJECT
from tests.metrics.answerers.tiny import KINDS, save_tiny

CARD = BackboneCard("tiny", "-", 1_000, 0, "MIT")
QUESTIONS = (
    Question("q1", "is there a cat?"),
    Question("q2", "is there a cat on the mat?", expected="no"),
    Question("q3", "what colour is it?", "light blue", choices=("light blue", "light green", "red")),
    Question("q4", "how many cats are there on the mat?", "1", choices=("1", "2", "10")),
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {kind: save_tiny(kind, tmp_path_factory.mktemp(kind)) for kind in KINDS}


@pytest.fixture(scope="module")
def answerers(folders: dict[str, Path]) -> dict[str, LocalAnswerer]:
    return {kind: LocalSource(CARD, Folder(folder)).load("cpu") for kind, folder in folders.items()}


def pictures(count: int = 3) -> list[Image.Image]:
    rng = np.random.default_rng(7)
    # Of different shapes: some processors give these different numbers of tokens.
    shapes = [(40, 56), (64, 32), (48, 48)]
    return [Image.fromarray(rng.integers(0, 255, (*shapes[i % 3], 3), dtype=np.uint8)) for i in range(count)]


def seen(answerer: LocalAnswerer, images: Sequence[Image.Image]) -> Any:
    return answerer.encode([answerer.prepare(image) for image in images])


def vision(answerer: LocalAnswerer) -> torch.nn.Module:
    module = answerer.module
    for name in ("vision_model", "model.vision_tower", "model.visual"):
        try:
            return module.get_submodule(name)  # type: ignore[no-any-return]
        except AttributeError:
            continue
    raise AssertionError("no vision encoder")


def plain(answerer: LocalAnswerer, image: Image.Image, question: Question, tokens: tuple[int, ...]) -> float:
    """The log-probability of an answer by one plain call of the class, from pixels."""
    module, processor = answerer.module, answerer.processor
    if type(answerer).__name__ == "BlipAnswerer":
        inputs = processor(images=image, text=question.text, return_tensors="pt")
        start = module.config.text_config.bos_token_id
        loss = module(**inputs, labels=torch.tensor([[start, *tokens]])).loss
        return -float(loss) * len(tokens)
    if isinstance(answerer, ChatAnswerer):
        text = answerer._chat(wording(question))
    else:
        text = blip2_wording(question, instructed=type(answerer).__name__ == "InstructBlipAnswerer")
    inputs = processor(images=[image], text=[text], return_tensors="pt")
    if getattr(module.config, "use_decoder_only_language_model", True):
        said = torch.tensor([tokens[:-1]], dtype=torch.long)
        inputs["input_ids"] = torch.cat([inputs["input_ids"], said], dim=1)
        for name in ("attention_mask", "mm_token_type_ids"):
            if name in inputs:
                added = torch.full_like(said, int(name == "attention_mask"))
                inputs[name] = torch.cat([inputs[name], added], dim=1)
    else:
        start = module.language_model.config.decoder_start_token_id
        inputs["decoder_input_ids"] = torch.tensor([[start, *tokens[:-1]]])
    logits = module(**inputs).logits[0, -len(tokens) :].float().log_softmax(-1)
    return float(sum(logits[step, token] for step, token in enumerate(tokens)))


@pytest.mark.parametrize("kind", KINDS)
def test_answers_equal_a_plain_call_of_the_class(answerers: dict[str, LocalAnswerer], kind: str) -> None:
    answerer, image = answerers[kind], pictures(1)[0]
    content = seen(answerer, [image])[0].content
    for question in QUESTIONS:
        said = {choice: answerer._sequences(choice) for choice in question.choices}
        asked = Asked(content, question, said)
        with torch.inference_mode():
            found = answerer.log_probabilities([asked])[0]
            expected = [plain(answerer, image, question, tokens) for tokens in asked.tokens]
        assert found.tolist() == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_batched_equals_single(answerers: dict[str, LocalAnswerer], kind: str) -> None:
    answerer, images = answerers[kind], pictures()
    batched = answerer.answer(seen(answerer, images), [QUESTIONS] * len(images))
    for image, answers in zip(images, batched, strict=True):
        for question, answer in zip(QUESTIONS, answers, strict=True):
            [[single]] = answerer.answer(seen(answerer, [image]), [[question]])
            assert answer.probability == pytest.approx(single.probability, abs=1e-5)
            assert answer.text == single.text
    values = [answer.probability for answers in batched for answer in answers]
    assert len({round(value, 4) for value in values if value is not None}) > len(QUESTIONS)


@pytest.mark.parametrize("kind", KINDS)
def test_each_picture_is_encoded_once(answerers: dict[str, LocalAnswerer], kind: str) -> None:
    answerer, read = answerers[kind], 0

    def count(_: Any, args: Any, kwargs: Any, output: Any) -> None:
        nonlocal read
        read += 1 if isinstance(answerer, ChatAnswerer) else len(output[0])

    hook = vision(answerer).register_forward_hook(count, with_kwargs=True)
    features = seen(answerer, pictures())
    answerer.answer(features, [QUESTIONS] * 3)
    answerer.answer(features, [QUESTIONS] * 3)
    hook.remove()
    assert read == 3


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_question_is_computed_once(
    answerers: dict[str, LocalAnswerer], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answerer = answerers[kind]
    asked: list[str] = []
    compute = answerer.log_probabilities

    def counting(rows: Sequence[Asked]) -> Any:
        asked.extend(row.question.text for row in rows)
        return compute(rows)

    monkeypatch.setattr(answerer, "log_probabilities", counting)
    features = seen(answerer, pictures(1))
    again = Question("other", QUESTIONS[0].text)
    first = answerer.answer(features, [[*QUESTIONS, again]])
    assert answerer.answer(features, [[*QUESTIONS, again]]) == first
    assert first[0][0] == first[0][-1]
    assert len(asked) == len(QUESTIONS)


def test_texts_of_a_chat_are_padded_on_the_left(answerers: dict[str, LocalAnswerer]) -> None:
    answerer = answerers["llava"]
    masks: list[torch.Tensor] = []
    hook = answerer.module.register_forward_pre_hook(
        lambda _, args, kwargs: masks.append(kwargs["attention_mask"]), with_kwargs=True
    )
    answerer.answer(seen(answerer, pictures(1)), [QUESTIONS])
    hook.remove()
    assert any(int(mask.min()) == 0 for mask in masks)
    for mask in masks:
        assert bool((mask[:, -1] == 1).all())
        assert bool((mask.diff(dim=1) >= 0).all())


@pytest.mark.parametrize("kind", ["blip", "blip2-opt", "llava"])
def test_memory_running_out_halves_the_questions(
    answerers: dict[str, LocalAnswerer], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answerer = answerers[kind]
    expected = answerer.answer(seen(answerer, pictures()), [QUESTIONS] * 3)
    sizes: list[int] = []
    compute = answerer.log_probabilities

    def small(rows: Sequence[Asked]) -> Any:
        sizes.append(len(rows))
        if len(rows) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return compute(rows)

    monkeypatch.setattr(answerer, "log_probabilities", small)
    monkeypatch.setattr(answerer, "_limit", AT_ONCE)
    found = answerer.answer(seen(answerer, pictures()), [QUESTIONS] * 3)
    assert sizes[:3] == [12, 6, 3]
    for some, others in zip(expected, found, strict=True):
        for one, other in zip(some, others, strict=True):
            assert one.probability == pytest.approx(other.probability, abs=1e-5)


def test_memory_running_out_for_one_question_is_told(
    answerers: dict[str, LocalAnswerer], monkeypatch: pytest.MonkeyPatch
) -> None:
    answerer = answerers["blip"]

    def never(rows: Sequence[Asked]) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(answerer, "log_probabilities", never)
    monkeypatch.setattr(answerer, "_limit", AT_ONCE)
    with pytest.raises(torch.OutOfMemoryError):
        answerer.answer(seen(answerer, pictures(1)), [QUESTIONS])


def test_questions_that_cannot_be_asked_say_why(answerers: dict[str, LocalAnswerer]) -> None:
    answerer = answerers["blip"]
    questions = (
        Question("a", "is there a zebra?"),
        Question("b", "is it red?", "teal", choices=("teal", "red")),
        Question("c", "how many cats?", "2", choices=("2", "two")),
        Question("d", " ".join(["cats"] * 30)),
        Question("e", "is there a cat?"),
    )
    [answers] = answerer.answer(seen(answerer, pictures(1)), [questions])
    assert [answer.text is None for answer in answers] == [True, True, True, True, False]
    assert "never taught" in (answers[0].reason or "")
    assert "'teal'" in (answers[1].reason or "")
    assert "'2' and 'two'" in (answers[2].reason or "")
    assert "tokens" in (answers[3].reason or "")
    assert all(answer.probability is None for answer in answers[:4])


@pytest.mark.parametrize("kind", KINDS)
def test_large_networks_compute_in_half_precision(
    folders: dict[str, Path], answerers: dict[str, LocalAnswerer], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import metrics.answerers.local

    monkeypatch.setattr(metrics.answerers.local, "HALF_FROM", 0)
    half = LocalSource(CARD, Folder(folders[kind])).load("cpu")
    assert half.module.dtype == torch.bfloat16
    exact = answerers[kind].answer(seen(answerers[kind], pictures(1)), [QUESTIONS])[0]
    rounded = half.answer(seen(half, pictures(1)), [QUESTIONS])[0]
    for one, other in zip(exact, rounded, strict=True):
        assert one.probability == pytest.approx(other.probability, abs=0.15)


def test_the_bundled_answerer_batched_equals_single() -> None:
    answerer = answerer_source("bundled", PROJECT / "assets").load("cpu")
    questions = (
        Question("a", "is there a red circle?"),
        Question("b", "how many circles are there in this image?", "2", choices=("1", "2", "3")),
    )
    images = pictures(8)
    batched = answerer.answer(seen(answerer, images), [questions] * 8)
    for image, answers in zip(images, batched, strict=True):
        for question, answer in zip(questions, answers, strict=True):
            [[single]] = answerer.answer(seen(answerer, [image]), [[question]])
            assert answer.probability == pytest.approx(single.probability, abs=1e-5)


def test_a_folder_that_lacks_a_tensor_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = save_tiny("llava", tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    weights.pop(next(name for name in weights if "projector" in name))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(MetricsError, match="lacks"):
        LocalSource(CARD, Folder(folder)).load("cpu")


def test_a_folder_without_safetensors_is_refused(tmp_path: Path) -> None:
    folder = save_tiny("blip", tmp_path / "model")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(MetricsError, match="no safetensors"):
        LocalSource(CARD, Folder(folder)).load("cpu")
    with pytest.raises(MetricsError, match="no safetensors"):
        _ = LocalSource(CARD, Folder(folder)).revision


def test_a_tokenizer_of_nothing_is_refused(tmp_path: Path) -> None:
    folder = save_tiny("blip", tmp_path / "model")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(MetricsError, match="its tokenizer has"):
        LocalSource(CARD, Folder(folder)).load("cpu")


def test_a_model_that_does_not_see_is_refused(tmp_path: Path) -> None:
    import transformers

    from tests.metrics.answerers.tiny import fast

    config = transformers.LlamaConfig(
        hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=400
    )
    transformers.LlamaForCausalLM(config).save_pretrained(tmp_path)
    fast().save_pretrained(tmp_path)
    with pytest.raises(MetricsError, match="does not load"):
        LocalSource(CARD, Folder(tmp_path)).load("cpu")


def test_rounded_weights_need_bitsandbytes(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    source = LocalSource(CARD, Folder(folders["blip"]), bits=4)
    assert source.revision.endswith("-int4")
    assert source.revision != LocalSource(CARD, Folder(folders["blip"])).revision
    with pytest.raises(MetricsError, match="bitsandbytes"):
        source.load("cpu")


def test_revision_and_preprocessing_are_of_the_content(folders: dict[str, Path], tmp_path: Path) -> None:
    import shutil

    source = LocalSource(CARD, Folder(folders["blip"]))
    copied = Path(shutil.copytree(folders["blip"], tmp_path / "copied"))
    assert LocalSource(CARD, Folder(copied)).revision == source.revision
    assert LocalSource(CARD, Folder(copied)).preprocessing == source.preprocessing
    (copied / "processor_config.json").write_text(
        (copied / "processor_config.json").read_text().replace('"height": 32', '"height": 48')
    )
    assert LocalSource(CARD, Folder(copied)).preprocessing != source.preprocessing
    assert LocalSource(CARD, Folder(folders["llava"])).revision != source.revision
