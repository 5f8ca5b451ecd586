"""Scores are a number or a reason."""

import math

import pytest

from metrics import Score


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_score_is_finite(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        Score.of(value)


def test_a_score_has_a_value_or_a_reason() -> None:
    assert Score.of(0, cosine=-0.5) == Score(0.0, None, {"cosine": -0.5})
    assert Score.unscored("no prompt", words=2) == Score(None, "no prompt", {"words": 2})
    for value, reason in ((None, None), (None, ""), (1.0, "also a reason")):
        with pytest.raises(ValueError, match="either"):
            Score(value, reason)
