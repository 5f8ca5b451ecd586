import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from explorer.comparisons import Comparison, Verdict
from explorer.reports import Results
from explorer.ui import leaderboard_markup as board
from metrics import list_metrics
from tests.explorer.scored import picture
from tests.explorer.scored import row as score
from tests.ui.test_charts import row

EVIL = '"><img src=x onerror=alert(1)>'
CARDS = {card.id: card for card in list_metrics()}


class Table(HTMLParser):
    """Texts and attributes of the cells, row by row."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[list[tuple[str, dict[str, str | None]]]] = []
        self.tips: list[str] = []
        self._inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag != "img"
        if tag == "tr":
            self.rows.append([])
        elif tag in ("th", "td"):
            self.rows[-1].append(("", dict(attrs)))
            self._inside = True
        tip = dict(attrs).get("data-tip")
        if tip:
            self.tips.append(tip)

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag not in ("th", "td")

    def handle_data(self, data: str) -> None:
        if self._inside:
            text, attributes = self.rows[-1][-1]
            self.rows[-1][-1] = (f"{text} {data}".strip(), attributes)

    def values(self, column: int) -> list[str | None]:
        return [line[column][1].get("data-value") for line in self.rows[1:]]


def compared(first: str, second: str, verdict: Verdict, direction: str = "higher") -> Comparison:
    numbers = {"difference": 1.0, "low": 0.5, "high": 1.5, "win_rate": 0.9}
    return Comparison(
        "clip_score", "bundled", direction, first, second, 12, 0, verdict, "", 2.0, 1.0, **numbers
    )


def test_one_row_a_model_and_one_column_a_metric_and_tier() -> None:
    rows = [
        *(row("a", 25.0), row("b", 20.0)),
        *(row("b", 31.0, tier="standard"), row("a", 30.0, tier="standard")),
        *(row("b", 0.2, metric="vendi", direction="neutral"),),
    ]
    table = Table(board.leaderboard(rows, [], CARDS))
    heads = [text for text, _ in table.rows[0]]
    assert [re.sub(r"\s+", " ", head) for head in heads] == [
        "Model",
        "CLIP score bundled ↑ higher is better",
        "CLIP score standard ↑ higher is better",
        "Vendi score bundled ↔ describes only",
    ]
    assert table.values(0) == ["a", "b"]
    assert table.values(1) == ["25.0", "20.0"]
    assert table.values(2) == ["30.0", "31.0"]
    assert table.values(3) == [None, "0.2"]
    sorted_by = [attributes["aria-sort"] for _, attributes in table.rows[0]]
    assert sorted_by == ["none", "descending", "none", "none"]


def test_columns_that_rank_come_first_and_lower_may_be_better() -> None:
    rows = [
        *(row("a", None, metric="aesthetic"), row("b", None, metric="aesthetic")),
        *(row("a", 5.0, metric="vendi", direction="neutral"),),
        *(row("b", 0.1, metric="error", direction="lower"), row("a", 0.4, metric="error", direction="lower")),
    ]
    table = Table(board.leaderboard(rows, [], CARDS))
    assert [text.split()[0] for text, _ in table.rows[0]] == ["Model", "error", "Vendi", "Aesthetic"]
    assert table.rows[0][1][1]["aria-sort"] == "ascending"
    assert table.values(0) == ["b", "a"]


def test_a_heading_names_the_network_below_the_metric() -> None:
    page = Table(board.leaderboard([row("a", 0.5, metric="geneval_overall")], [], CARDS))
    heading = re.sub(r"\s+", " ", page.rows[0][1][0])
    assert heading == "GenEval-style, mean of tasks bundled-detector, bundled ↑ higher is better"


def test_intervals_lie_on_the_scale_of_their_column() -> None:
    # row(): 1 below and 2 above the mean, so the column runs from 9 to 22.
    page = board.leaderboard([row("a", 20.0), row("b", 10.0)], [], CARDS)
    bars = re.findall(r'<i style="left:([\d.]+)%;width:([\d.]+)%"></i><b style="left:([\d.]+)%">', page)
    numbers = [tuple(float(part) for part in bar) for bar in bars]
    assert numbers == [
        (
            pytest.approx(100 * 10 / 13, abs=0.06),
            pytest.approx(300 / 13, abs=0.06),
            pytest.approx(1100 / 13, abs=0.06),
        ),
        (0.0, pytest.approx(300 / 13, abs=0.06), pytest.approx(100 / 13, abs=0.06)),
    ]
    assert "19.00 to 22.00" in page
    without = board.leaderboard([row("a", 20.0, low=None, high=None)], [], CARDS)
    assert "no interval" in without
    assert "x-interval" not in without


def test_the_best_is_marked_and_whoever_is_not_separable_from_it() -> None:
    rows = [row("a", 30.0), row("b", 29.0), row("c", 10.0)]
    pairs = [
        compared("a", "b", "not separable"),
        compared("a", "c", "better"),
        compared("b", "c", "not separable"),
    ]
    marks = dict(re.findall(r'data-value="(\w)">.*?(★|≈|</tr>)', board.leaderboard(rows, pairs, CARDS)))
    assert marks == {"a": "★", "b": "≈", "c": "</tr>"}
    neutral = [replace(each, direction="neutral") for each in rows]
    assert "x-mark" not in board.leaderboard(neutral, [], CARDS)
    assert "x-mark" not in board.leaderboard(rows[:1], [], CARDS)


def test_what_has_no_score_says_why_to_everyone() -> None:
    reason = f"No weights {EVIL}"
    rows = [row("a", 30.0, unscored=2, reason="Too small."), row("b", None, unscored=4, reason=reason)]
    page = board.leaderboard(rows, [], CARDS)
    table = Table(page)
    assert table.rows[2][1][0] == "–"
    assert "data-value" not in table.rows[2][1][1]
    assert reason in table.tips
    assert "Too small." in table.tips
    assert 'aria-label="no score: No weights' in page
    assert "2 unscored" in page


def test_counts_and_blank_pictures_stand_beside_the_model() -> None:
    page = board.leaderboard([row("a", 30.0, blank=3), row("b", 20.0)], [], CARDS)
    table = Table(page)
    assert "8 prompts, 16 pictures" in table.rows[1][0][0]
    assert "3 blank" in table.rows[1][0][0]
    assert "blank" not in table.rows[2][0][0]


def test_everything_from_outside_is_escaped() -> None:
    rows = [row(EVIL, None, reason=EVIL, metric=EVIL, tier=EVIL), row("b", 10.0)]
    found = Results(EVIL, [picture(EVIL, "p"), picture("b", "p"), picture("b", "q")], [], rows)
    images = found.images
    found = replace(found, scores=[score(images[0], 1.0, EVIL, revision=EVIL)])
    for page in (
        board.leaderboard(rows, [compared(EVIL, "b", "not separable")], CARDS),
        board.verdicts(rows, [], CARDS),
        board.fairness(found),
        board.measured(found, CARDS),
    ):
        assert "<img" not in page
        assert "&lt;img" in page


def test_equal_numbers_of_pictures_are_stated_and_unequal_ones_stand_out() -> None:
    equal = [picture(model, f"p{n}", width=512, height=512) for model in "ab" for n in range(3)]
    said = board.fairness(Results("r", equal, [], []))
    assert "Each of 2 models has 3 prompts and 3 pictures. Drawn at 512 x 512 px." in said
    assert "x-uneven" not in said
    said = board.fairness(Results("r", equal[:-1], [], []))
    assert "a 3 prompts, 3 pictures; b 2 prompts, 2 pictures" in said
    assert "x-uneven" in said
    mixed = [*equal, *(picture(model, "p9", width=64, height=96) for model in "ab")]
    assert "several sizes: 512 x 512, 64 x 96 px" in board.fairness(Results("r", mixed, [], []))


def test_verdicts_are_the_comparisons_of_the_best_two_and_all_pairs_on_a_click() -> None:
    rows = [row("a", 30.0), row("b", 20.0), row("c", 10.0)]
    pairs = [compared("a", "b", "better"), compared("a", "c", "better"), compared("b", "c", "not separable")]
    page = board.verdicts(rows, pairs, CARDS)
    assert "a is better than b: 1 higher on average over 12 prompts" in page
    assert "All 3 pairs" in page
    assert "are not separable" in page
    assert "pairs" not in board.verdicts(rows[:2], pairs[:1], CARDS)
    assert board.verdicts([], [], CARDS) == ""
    many = board.verdicts(rows, [compared("a", str(n), "better") for n in range(150)], CARDS)
    assert "and 50 more, in the exports" in many


def test_metrics_that_only_describe_share_one_sentence() -> None:
    rows = [row("a", 3.0, metric=name, direction="neutral") for name in ("vendi", "lpips_diversity")]
    rows += [row("b", 2.0, metric=each.metric, direction="neutral") for each in rows]
    page = board.verdicts(rows, [compared("a", "b", "no verdict", "neutral")], CARDS)
    assert page.count("neither better nor worse") == 1
    assert "Vendi score" in page
    assert "LPIPS diversity" in page
    assert "pairs" not in page
