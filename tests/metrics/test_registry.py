"""Names are unique and misspelt ones are understood."""

import pytest

from metrics import DuplicateMetric, Registry, UnknownMetric, create_metric, get_card, score
from metrics.clip import ClipScore


@pytest.mark.parametrize("ask", [get_card, create_metric, lambda name: score([], [name])])
def test_unknown_metric_names_the_near_one(ask: object) -> None:
    with pytest.raises(UnknownMetric, match=r"'clip_scor'; did you mean clip_score\?") as caught:
        ask("clip_scor")  # type: ignore[operator]
    assert "\n" not in str(caught.value)


def test_unknown_metric_without_a_near_one_lists_all() -> None:
    with pytest.raises(UnknownMetric, match="choose one of: clip_score, tifa"):
        get_card("zzz")


def test_double_registration_names_both() -> None:
    class Rival(ClipScore):
        pass

    with pytest.raises(DuplicateMetric, match=r"Rival and metrics\.clip\.ClipScore are both named"):
        Registry([ClipScore, Rival])
