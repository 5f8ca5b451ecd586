"""The public names, and that using the library for its cards stays light."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import metrics

ROOT = Path(__file__).resolve().parents[2]
HEAVY = (
    "torch",
    "open_clip",
    "torchvision",
    "transformers",
    "numpy",
    "huggingface_hub",
    "gradio",
    "explorer",
)


def run_python(code: str, *arguments: str) -> str:
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_all_is_sorted_and_complete() -> None:
    names = metrics.__all__
    assert all(hasattr(metrics, name) for name in names)
    asked = (
        "list_metrics get_card create_metric score MetricCard BackboneCard Score Sample CacheKey ScoreCache"
    )
    assert set(asked.split()) <= set(names)
    assert len(set(names)) == len(names)


def test_import_and_cards_load_nothing_heavy() -> None:
    code = (
        "import sys, metrics; metrics.list_metrics(); metrics.create_metric('clip_score');"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    assert run_python(code).strip() == "[]"


@pytest.mark.parametrize("card", metrics.list_metrics(), ids=lambda card: card.id)
def test_card_is_complete_and_plain(card: metrics.MetricCard) -> None:
    plain = card.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    for name in ("name", "question", "formula", "needs", "backbones", "citation", "weaknesses", "version"):
        assert plain[name], name
    low, high = card.range
    assert low is None or high is None or low < high
    for tier, backbone in card.backbones.items():
        assert backbone.id
        assert backbone.revision
        assert backbone.licence
        assert backbone.parameters > 0 or backbone.id == "pixels"
        assert (backbone.download_mb == 0) == (tier == "bundled" or backbone.id == "pixels")
    assert metrics.create_metric(card.id).card == metrics.get_card(card.id) == card
