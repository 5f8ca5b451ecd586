"""Questions of a language model as files."""

from pathlib import Path

import pytest

from explorer.question_files import QuestionFiles
from metrics import Question, prompt_key

ASKED = (
    Question("q1", "Is there a dog?"),
    Question("q2", "What color?", "red", "colour", ("red", "blue"), ("q1",)),
)
KEY = prompt_key("a red dog")


def test_a_set_is_kept(tmp_path: Path) -> None:
    files = QuestionFiles(tmp_path / "questions")
    assert files.get(KEY) is None
    files.put(KEY, ASKED)
    assert QuestionFiles(tmp_path / "questions").get(KEY) == ASKED
    assert files.get(prompt_key("a blue dog")) is None


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"questions": []}',
        '{"questions": 3}',
        '{"questions": [3]}',
        '{"questions": [{"id": "q1"}]}',
        '{"questions": [{"id": "q1", "text": "a?", "expected": "red"}]}',
        '{"questions": [{"id": "q1", "text": "a?"}, {"id": "q1", "text": "b?"}]}',
        '{"questions": [{"id": 1, "text": 2}]}',
        "[" * 5000,
    ],
)
def test_a_broken_file_counts_as_none(tmp_path: Path, content: str) -> None:
    (tmp_path / f"{KEY}.json").write_text(content)
    assert QuestionFiles(tmp_path).get(KEY) is None
