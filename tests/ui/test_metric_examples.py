"""The worked examples: every metric has one, and their numbers are what the bundled networks compute."""

from collections.abc import Sequence
from pathlib import Path

import pytest

import metrics
from explorer.ui.example_drawings import Case, draw
from explorer.ui.metric_examples import EXAMPLES
from metrics import Sample, Score, Scored, ScoreOptions

COMPUTED = [(name, case) for name, example in EXAMPLES.items() for case in example.cases]
REGISTERED = {card.id: card for card in metrics.list_metrics()}
Computed = dict[tuple[str, Case], Score]


def samples_of(metric: str, case: Case, folder: Path) -> list[Sample]:
    """The pictures of a case, as models of that case alone."""
    folder.mkdir()
    references: tuple[Path, ...] = ()
    if case.reference is not None:
        references = (folder / "reference.png",)
        draw(case.reference).save(references[0])
    samples = []
    for number, drawing in enumerate(case.pictures):
        path = folder / f"{number}.png"
        draw(drawing).save(path)
        samples.append(
            Sample(
                f"{metric}/{case.label}/{number}",
                path,
                drawing.prompt,
                model=f"{metric}/{case.label}/{drawing.model}",
                seed=drawing.seed,
                references=references,
            )
        )
    return samples


def compute(samples: Sequence[Sample], names: Sequence[str]) -> dict[str, Score]:
    """The scores that metrics give to the pictures made for them, by key."""
    events = metrics.score(samples, names, ScoreOptions(device="cpu"))
    scored = [event for event in events if isinstance(event, Scored)]
    return {each.sample.key: each.score for each in scored if each.sample.key.startswith(f"{each.metric}/")}


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory) -> Computed:
    """The value of each case; what does not disturb each other is computed together."""
    folder, found = tmp_path_factory.mktemp("examples"), dict[str, Score]()
    samples = {
        (metric, case): samples_of(metric, case, folder / str(number))
        for number, (metric, case) in enumerate(COMPUTED)
    }
    single: list[tuple[str, Case]] = []
    for metric in dict.fromkeys(metric for metric, _ in COMPUTED):
        keys = [(metric, case) for case in EXAMPLES[metric].cases]
        if any(len({sample.model for sample in samples[key]}) > 1 for key in keys):
            for key in keys:  # models are compared with each other, and must not meet those of another case
                found |= compute(samples[key], [metric])
        elif REGISTERED[metric].level == "image":
            single += keys
        else:  # groups of unequal size would be made equal
            found |= compute([each for key in keys for each in samples[key]], [metric])
    judged = list(dict.fromkeys(metric for metric, _ in single))
    found |= compute([each for key in single for each in samples[key]], judged)
    return {key: found[own[0].key] for key, own in samples.items()}


@pytest.mark.parametrize("metric", sorted(REGISTERED))
def test_every_metric_has_an_example_that_teaches_something(metric: str) -> None:
    example = EXAMPLES[metric]
    assert example.cases or example.by_hand
    assert example.lesson


@pytest.mark.parametrize(("metric", "case"), COMPUTED, ids=lambda x: getattr(x, "label", x))
def test_the_numbers_are_those_that_the_bundled_network_computes(
    metric: str, case: Case, computed: Computed
) -> None:
    assert "bundled" in REGISTERED[metric].backbones
    score = computed[metric, case]
    assert score.reason is None
    assert score.value == pytest.approx(case.value, rel=2e-3, abs=1e-4)


def test_pictures_of_a_case_fit_the_metrics_level() -> None:
    for metric, case in COMPUTED:
        if REGISTERED[metric].level == "prompt":
            assert len({picture.prompt for picture in case.pictures}) == 1
            assert len({picture.seed for picture in case.pictures}) == len(case.pictures)
