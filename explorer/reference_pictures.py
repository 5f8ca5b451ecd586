"""Reference pictures: what a prompt asks for, drawn or photographed, to compare with.

They are files under `references/SUITE/`, named after the prompt's id: `PROMPT.png`, or for
several `PROMPT/anything.png`. A suite of the person's own lines has the folder `own`.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from explorer.errors import InvalidRequest
from explorer.whole_files import write_whole
from metrics import PICTURE_SUFFIXES

OWN = "own"
"""Folder of prompts that belong to no suite."""
MAX_REFERENCES = 16
"""Of one prompt: each of its pictures is compared with every one of them."""
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_. -]{0,80}")


@dataclass(frozen=True, slots=True)
class ReferencePictures:
    """The reference pictures of a workspace."""

    folder: Path

    def of(self, suite: str, prompt: str) -> tuple[Path, ...]:
        """The reference pictures of a prompt, in the order of their names; links are not followed."""
        place = self._place(suite)
        if not place.is_dir():
            return ()
        name = folder_name(prompt)
        single = [place / f"{name}{suffix}" for suffix in PICTURE_SUFFIXES]
        inside = sorted((place / name).iterdir()) if (place / name).is_dir() else []
        found = [
            path
            for path in (*single, *inside)
            if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file() and not path.is_symlink()
        ]
        return tuple(found[:MAX_REFERENCES])

    def add(self, suite: str, prompt: str, content: bytes, suffix: str) -> Path:
        """Keep a picture as a reference of a prompt; the same bytes twice are one file.

        Raises:
            InvalidRequest: It is no picture file, or the prompt has enough of them.
        """
        if suffix.lower() not in PICTURE_SUFFIXES:
            raise InvalidRequest(f"A reference is a picture: {', '.join(PICTURE_SUFFIXES)}.")
        digest = hashlib.sha256(content).hexdigest()[:16]
        path = self._place(suite) / folder_name(prompt) / f"{digest}{suffix.lower()}"
        if not path.exists():
            if len(self.of(suite, prompt)) >= MAX_REFERENCES:
                raise InvalidRequest(f"A prompt has at most {MAX_REFERENCES} references; remove one first.")
            write_whole(path, content)
        return path

    def _place(self, suite: str) -> Path:
        return self.folder / (folder_name(suite) if suite else OWN)


def folder_name(text: str) -> str:
    """An id as the name of a file or folder: itself where that is safe everywhere, else its hash."""
    if _PLAIN.fullmatch(text) and not text.endswith((".", " ")):
        return text
    return "id-" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:24]
