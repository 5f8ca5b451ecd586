"""Questions that a language model wrote, kept in the workspace: one JSON file a prompt.

People may read and delete the files; one that is broken counts as none.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from explorer.whole_files import write_whole
from metrics import Question, question_complaint


@dataclass(frozen=True, slots=True)
class QuestionFiles:
    """A folder with a file a prompt, named after the hash of its text (`metrics.prompt_key`)."""

    folder: Path

    def get(self, key: str) -> tuple[Question, ...] | None:
        """The set of a prompt; None where there is none that can be asked."""
        try:
            entries = json.loads(self._file(key).read_text(encoding="utf-8"))["questions"]
            questions = tuple(Question.from_dict(entry) for entry in entries)
            ids = {question.id for question in questions}
            sound = len(ids) == len(questions) and not any(question_complaint(q, ids) for q in questions)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        return questions if questions and sound else None

    def put(self, key: str, questions: Sequence[Question]) -> None:
        """Keep the set of a prompt.

        Raises:
            DiskFull: No space is left.
            StorageError: The folder cannot be written.
        """
        written = {"questions": [question.to_dict() for question in questions]}
        write_whole(self._file(key), json.dumps(written, indent=1, ensure_ascii=False).encode())

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}.json"
