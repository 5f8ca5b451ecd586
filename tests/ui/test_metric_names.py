from explorer.ui import metric_names as names
from metrics import create_metric, list_metrics
from tests.fakes import PROJECT

CARDS = {card.id: card for card in list_metrics()}


def test_every_way_of_preparing_a_picture_has_words() -> None:
    for card in list_metrics():
        for tier in card.backbones:
            way = create_metric(card.id).source(tier, PROJECT / "assets").preprocessing
            assert "no words" not in names.in_words(way), (card.id, tier, way)
    assert "no words here (new-way)" in names.in_words("new-way")
    assert "768 px at most" in names.in_words("jpeg-768-92:1")


def test_a_name_that_lists_several_networks_names_the_one_of_its_tier() -> None:
    title = names.metric_title("geneval_overall", "bundled", CARDS)
    assert title == "GenEval-style (bundled-detector), mean of tasks (bundled)"
    assert names.metric_title("geneval", "light", CARDS) == "GenEval-style (rtdetr_v2_r50vd) (light)"
    assert names.metric_title("vendi_dino", "bundled", CARDS) == "Vendi score (DINOv3) (bundled)"
    assert names.metric_title("unknown", "bundled", CARDS) == "unknown (bundled)"
