"""The tables of the model card."""

import json
from pathlib import Path

from training.card import filled, pictures_table, values_table, weights_table, write_card


def test_only_the_marked_part_is_replaced() -> None:
    text = "before\n<!-- weights -->\nold\n<!-- end of weights -->\nafter\n"
    assert filled(text, "weights", "new") == "before\n<!-- weights -->\nnew\n<!-- end of weights -->\nafter\n"
    assert filled(filled(text, "weights", "new"), "weights", "old") == text
    assert filled("no marks", "weights", "new") == "no marks"


def test_tables_show_each_number_in_its_place() -> None:
    assert values_table({"right_answers": 0.956, "questions": 1500, "words": "left out"}).splitlines() == [
        "| measured |  |",
        "| --- | --- |",
        "| right answers | 0.96 |",
        "| questions | 1,500 |",
    ]
    report = {
        "guidance": 1.5,
        "clip": {"image_to_text": 0.9},
        "early": {"prompts": 200, "all": 0.1, "counting": {"prompts": 60, "count": 0.25}},
        "base": {"prompts": 200, "all": 0.9, "clip_score": 77.123},
    }
    lines = pictures_table(report).splitlines()
    assert lines[0] == "| share right, by the pixel checker | early | base |"
    assert "| everything right | 0.10 | 0.90 |" in lines
    assert "| CLIP score, mean |  | 77.1 |" in lines
    assert "| two to four alike: number of objects | 0.25 |  |" in lines


def test_the_card_lists_every_weight_file_and_their_sum(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.safetensors").write_bytes(b"1" * 1000)
    (tmp_path / "y.safetensors").write_bytes(b"2" * 500)
    (tmp_path / "MODEL_CARD.md").write_text("# Card\n<!-- weights -->\n<!-- end of weights -->\n")
    write_card(tmp_path)
    manifest = json.loads((tmp_path / "models.json").read_text())
    assert {name: entry["bytes"] for name, entry in manifest.items()} == {
        "a/x.safetensors": 1000,
        "y.safetensors": 500,
    }
    card = (tmp_path / "MODEL_CARD.md").read_text()
    assert weights_table(manifest) in card
    assert manifest["y.safetensors"]["sha256"] in card
    assert "| all | 1,500 |  |" in card
