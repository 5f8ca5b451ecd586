"""Questions that a language model wrote, kept in the workspace: one JSON file a prompt.

People may read and delete the files; one that is broken counts as none.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from explorer.whole_files import write_whole
from metrics import UNNAMED_WRITER, Question, question_complaint


@dataclass(frozen=True, slots=True)
class QuestionFiles:
    """A folder with a file a prompt, named after the hash of its text (`metrics.prompt_key`)."""

    folder: Path

    def get(self, key: str) -> tuple[Question, ...] | None:
        """The set of a prompt; None where there is none that can be asked."""
        try:
            questions = tuple(Question.from_dict(entry) for entry in self._read(key)["questions"])
            ids = {question.id for question in questions}
            sound = len(ids) == len(questions) and not any(question_complaint(q, ids) for q in questions)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        return questions if questions and sound else None

    def writer(self, key: str) -> str:
        """The model that wrote the set of a prompt, as its file says."""
        try:
            said = self._read(key).get("writer")
        except (OSError, ValueError, AttributeError, RecursionError):
            return UNNAMED_WRITER
        return said if isinstance(said, str) and said.strip() else UNNAMED_WRITER

    def put(self, key: str, questions: Sequence[Question], writer: str = UNNAMED_WRITER) -> None:
        """Keep the set of a prompt, with the model that wrote it.

        Raises:
            DiskFull: No space is left.
            StorageError: The folder cannot be written.
        """
        written = {"writer": writer, "questions": [question.to_dict() for question in questions]}
        write_whole(self._file(key), json.dumps(written, indent=1, ensure_ascii=False).encode())

    def _read(self, key: str) -> Mapping[str, Any]:
        content: Mapping[str, Any] = json.loads(self._file(key).read_text(encoding="utf-8"))
        return content

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}.json"
