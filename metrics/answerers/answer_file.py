"""Answers kept between analyses, so that a service is asked nothing twice."""

import hashlib
import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path

from metrics.answerers.wording import VERSION
from metrics.questions import Question


def answer_key(picture: str, question: Question, model: str) -> str:
    """SHA-256 in hex over everything an answer depends on.

    Args:
        picture: Hash of the picture.
        question: The question; its id, skill and parents do not matter.
        model: What identifies the model.
    """
    parts = [picture, question.text, list(question.choices), model, VERSION]
    return hashlib.sha256(json.dumps(parts, ensure_ascii=True).encode()).hexdigest()


class AnswerFile:
    """A file of one line an answer. It only grows, so a crash costs the last line at most.

    It holds hashes and answers: no question, no picture and no key. Thread-safe.
    """

    def __init__(self, path: Path) -> None:
        """Use a file; it is read, or made, on first use."""
        self._path = path
        self._lock = threading.Lock()
        self._known: dict[str, str] | None = None

    def get(self, key: str) -> str | None:
        """The answer that was said, as it was said; None: not asked yet."""
        with self._lock:
            return self._read().get(key)

    def put_many(self, answers: Mapping[str, str]) -> None:
        """Keep answers; on return they are on the disk.

        Raises:
            OSError: They cannot be written.
        """
        if not answers:
            return
        with self._lock:
            known = self._read()
            lines = "".join(json.dumps([key, said]) + "\n" for key, said in answers.items())
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as file:
                # A line that a crash cut off must not swallow the next one.
                file.write(b"\n" * self._is_torn() + lines.encode())
                file.flush()
                os.fsync(file.fileno())
            known.update(answers)

    def _is_torn(self) -> bool:
        if not self._path.stat().st_size:
            return False
        with self._path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read() != b"\n"

    def _read(self) -> dict[str, str]:
        if self._known is None:
            self._known = {}
            lines = self._path.read_bytes().splitlines() if self._path.is_file() else []
            for line in lines:
                try:
                    key, said = json.loads(line)
                except ValueError:
                    continue  # cut off by a crash
                self._known[str(key)] = str(said)
        return self._known
