"""The cards to tick: what they say of cost, tier and download, and the dialogs behind them."""

from dataclasses import replace

import pytest

from explorer.ui import metric_cards
from explorer.ui.metric_cards import Situation
from metrics import BackboneCard, MetricCard, list_metrics

EVIL = "<img src=x onerror=alert(1)>"
CARDS = {card.id: card for card in list_metrics()}
CLIP = CARDS["clip_score"]
NETWORK = CLIP.backbones["bundled"].id


def test_every_metric_has_a_card_and_a_dialog() -> None:
    page = metric_cards.picker(list(CARDS.values()), Situation())
    dialogs = metric_cards.dialogs(CARDS.values())
    for card in CARDS.values():
        assert f'value="{card.id}"' in page
        assert f'data-dialog="metric-{card.id}"' in page
        assert f'id="metric-{card.id}"' in dialogs
        dialog = metric_cards.dialog(card)
        for text in (card.question, card.formula, card.citation, *card.weaknesses):
            assert metric_cards.escape(text) in dialog
        for network in card.backbones.values():
            assert metric_cards.escape(f"licence {network.licence}") in dialog
        assert "An example" in dialog


def test_a_card_from_elsewhere_is_escaped_and_needs_no_example() -> None:
    evil = replace(
        CLIP,
        id="new",
        name=EVIL,
        question=EVIL,
        formula=EVIL,
        weaknesses=(EVIL,),
        citation=EVIL,
        backbones={"bundled": BackboneCard(EVIL, "r", 0, 0, EVIL)},
    )
    page = metric_cards.picker([evil], Situation()) + metric_cards.dialog(evil)
    assert "<img" not in page
    assert "An example" not in page


@pytest.mark.parametrize(
    ("situation", "said"),
    [
        (Situation(), "quick"),
        (Situation(pictures=400), "quick"),
        (Situation(pictures=400, speeds={NETWORK: 0.1}), "about 40 s for these 400 pictures"),
        (
            Situation(pictures=400, speeds={NETWORK: 0.1}, scored={"clip_score": 399}),
            "about a second for this picture",
        ),
        (Situation(pictures=400, scored={"clip_score": 400}), "scored already"),
        (Situation("large"), "slow without a GPU"),
    ],
)
def test_a_card_says_what_it_costs(situation: Situation, said: str) -> None:
    assert metric_cards.cost(CLIP, situation) == said


def test_a_card_says_what_would_be_fetched_and_what_the_tier_lacks() -> None:
    standard = CLIP.backbones["standard"]
    absent = metric_cards.picker([CLIP], Situation("standard", absent=(standard.id,)))
    assert f"fetches {standard.download_mb:,} MB once, licence {standard.licence}" in absent
    assert "already fetched" in metric_cards.picker([CLIP], Situation("standard"))
    lacking = metric_cards.picker([CARDS["pickscore"]], Situation())
    assert "Not in this tier; there is: standard, large." in lacking
    assert 'value="pickscore" disabled' in lacking


def test_metrics_on_one_network_cost_it_once() -> None:
    cards = [CLIP, CARDS["vendi"], CARDS["vendi_prompt"]]
    situation = Situation(pictures=100, speeds={NETWORK: 0.02})
    assert metric_cards.seconds(cards, situation) == pytest.approx(2.0)
    assert metric_cards.seconds([*cards, CARDS["lpips_diversity"]], situation) is None, "never timed"


def test_presets_offer_what_can_give_values() -> None:
    cards = list(CARDS.values())
    bundled = metric_cards.without_download(cards, Situation())
    assert {"clip_score", "lpips_diversity", "vendi"} <= set(bundled)
    assert not {"pickscore", "reference_similarity"} & set(bundled)
    assert "reference_similarity" in metric_cards.without_download(cards, Situation(references=True))
    absent = tuple(card.backbones["standard"].id for card in cards if "standard" in card.backbones)
    fetched = metric_cards.without_download(cards, Situation("standard", absent=absent))
    assert "clip_score" not in fetched
    assert metric_cards.quick_look(cards, Situation()) == ["clip_score", "lpips_diversity"]


def test_groups_say_what_direction_and_needs_say() -> None:
    for card in CARDS.values():
        assert card.group in metric_cards.GROUPS
        assert (card.direction == "neutral") == (card.group == "variety"), card.id


def test_a_new_metric_needs_its_card_only() -> None:
    card = MetricCard(
        "new",
        "New",
        "Is it new?",
        "image",
        "higher",
        (0, 1),
        "1",
        ("image",),
        {},
        "-",
        (),
        "established",
        "1",
    )
    assert "Not in this tier" in metric_cards.picker([card], Situation())
    assert "Is it new?" in metric_cards.dialog(card)
