import re

from explorer.breakdowns import Contrast, Correlation
from explorer.comparisons import Comparison
from explorer.points import Point
from explorer.ui import why_markup

EVIL = '"><img src=x onerror=alert(1)>'
PAIR = Comparison("m", "bundled", "higher", "a", EVIL, 8, 0, "not separable", "More.", 2.0, 1.0, 1.0)


def address(image_id: str) -> str:
    return "" if image_id == "gone" else f"thumbnails/{image_id}"


def pictures(page: str) -> list[str]:
    return re.findall(r'data-picture="([^"]*)"', page)


def test_a_prompt_shows_both_models_pictures_values_and_the_difference() -> None:
    contrast = Contrast("a fox " + EVIL, "p", "animals", 12.0, 20.5, -8.5, ("a1", "a2", "a3"), ("gone",))
    page = why_markup.contrasts([contrast], PAIR, address)
    assert pictures(page) == ["a1", "a2", "gone"]
    assert "and 1 more" in page
    assert "<b>12.00</b>" in page
    assert "<b>20.50</b>" in page
    assert "8.500 higher than a<" in page
    assert page.count('src="thumbnails/') == 2
    assert "<img src=x" not in page
    assert "More." in page
    assert "No prompt" in why_markup.contrasts([], PAIR, address)


def test_pictures_that_stand_out_are_buttons_with_names() -> None:
    point = Point(EVIL, "a fox", "one", 1, 0.5, 30.0)
    page = why_markup.extremes({"first high": [point], "second only": [point]}, ("One", "Two"), address)
    assert pictures(page) == ["one", "one"]
    assert "Highest One" in page
    assert "High in Two, low in One" in page
    assert "a fox: 0.500 | 30.00" in page
    assert "<img src=x" not in page
    assert why_markup.extremes({}, ("One", "Two"), address) == ""


def test_agreement_is_said_in_words() -> None:
    tiers = ("bundled", "bundled")
    found = [
        Correlation("m", "n", tiers, 0.75, 40),
        Correlation("m", "o", tiers, -0.5, 40),
        Correlation("n", "o", tiers, 0.1, 40),
        Correlation("m", "q", tiers, None, 2, "Fewer than 6 prompts have both scores."),
    ]
    page = why_markup.agreement(found, {("m", "bundled"): EVIL})
    assert "they agree largely (+0.75)" in page
    assert "they go opposite ways partly (-0.50)" in page
    assert "n and o: they see different things (+0.10)" in page
    assert "Fewer than 6" in page
    assert "<img" not in page
    assert "enough of the same prompts" in why_markup.agreement(found[-1:], {})
