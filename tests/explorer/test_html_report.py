import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from explorer import html_report
from explorer.html_report import HtmlReport
from explorer.reports import Results
from explorer.statistics import leaderboard
from explorer.storage import Storage
from metrics import list_metrics
from tests.explorer.scored import drawn_run, picture, row, scored

EVIL = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    storage = Storage(tmp_path / "images", tmp_path / "thumbnails", tmp_path / "explorer.db")
    yield storage
    storage.close()


def report(results: Results, storage: Storage | None = None, title: str = "Title") -> str:
    cards = {card.id: card for card in list_metrics()}

    def thumbnail(image: object) -> bytes | None:
        return storage.thumbnail(image).read_bytes() if storage else None  # type: ignore[arg-type]

    return HtmlReport(results, title, thumbnail, cards, {"torch": "2.13"}).to_bytes().decode()


class Tags(HTMLParser):
    """Every tag with its attributes, and whether all that open also close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_it_says_who_is_better_and_shows_why(storage: Storage) -> None:
    text = report(drawn_run(storage), storage)
    assert "tuned is better than base: 2 higher on average over 6 prompts" in text
    assert "Where tuned and base differ most" in text
    assert text.count("data:image/webp;base64,") == 12
    assert "prompt 5 &lt;b&gt;&amp;" in text
    assert "DPM++ 2M Karras" in text
    assert "<dt>torch</dt><dd>2.13</dd>" in text
    assert "prefers-color-scheme: dark" in text
    # Both models are drawn on one scale: 20.0 lowest, 27.0 highest of all ends.
    means = dict(re.findall(r'aria-label="mean ([\d.]+),.*?<circle cx="([\d.]+)"', text))
    low, high = (float(end) for end in re.findall(r"interval <small>([\d.]+) to ([\d.]+)<", text)[0])
    for mean, place in means.items():
        assert float(place) == pytest.approx(8 + 224 * (float(mean) - low) / (high - low), abs=0.3)
    assert len(means) == 2


def test_it_needs_nothing_else_and_runs_nothing(storage: Storage) -> None:
    tags = Tags(report(drawn_run(storage), storage))
    assert not tags.open
    for tag, attributes in tags.found:
        assert tag not in ("script", "link", "iframe", "object", "base")
        assert not any(name.startswith("on") or name == "href" for name in attributes)
        assert (attributes.get("src") or "data:").startswith("data:")


def test_every_foreign_text_is_escaped() -> None:
    images = [picture(f"{EVIL}{m}", f"{EVIL}{i}", sampler=EVIL, device=EVIL) for m in "ab" for i in range(6)]
    rows = [row(image, float(index)) for index, image in enumerate(images[:-1])]
    rows.append(row(images[-1], None))
    rows[0] = row(images[0], None, "other")
    text = report(Results(EVIL, images, rows, leaderboard(images, rows, {"m": "higher"})), title=EVIL)
    assert "<script" not in text
    assert "<img" not in text
    assert "&lt;script&gt;" in text
    assert not Tags(text).open


def test_pictures_are_bounded_in_number_and_size(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    results = drawn_run(storage)
    monkeypatch.setattr(html_report, "MAX_PICTURES", 3)
    assert report(results, storage).count("data:image") == 3
    monkeypatch.setattr(html_report, "MAX_PICTURE_BYTES", 10)
    text = report(results, storage)
    assert text.count("data:image") == 0
    assert text.count("not here") == 12


def test_results_without_pictures_or_scores_are_a_page_too() -> None:
    images, _ = scored({"a": [1.0, 2.0]})
    assert "Nothing has been scored yet" in report(Results("r", images, [], []))
    rows = [row(image, None) for image in images]
    text = report(Results("r", images, rows, leaderboard(images, rows, {})))
    assert "Nothing could be scored." in text
    assert "2 unscored: no weights" in text
    assert "nan" not in text


def test_many_pairs_are_counted_not_all_listed() -> None:
    images, rows = scored({f"m{i:02}": [float(i)] * 6 for i in range(16)})
    text = report(Results("r", images, rows, leaderboard(images, rows, {"m": "higher"})))
    assert "All 120 pairs" in text
    assert "and 20 more" in text
