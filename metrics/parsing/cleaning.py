r"""Takes the syntax of drawing programs out of a prompt, so that words are left.

Understood: "(word:1.2)", "((word))", "[word]", "word++", LoRA and other tags in angle brackets,
BREAK and AND, "--ar 16:9", escaped brackets, underscores in tags. What offers a choice, as "{a|b}",
"[a:b:0.5]" or a wildcard, is left out: nobody knows what was drawn.
"""

import re
import unicodedata
from dataclasses import dataclass

MAX_CHARACTERS = 4_000
"""More is not read: no text encoder reads it either."""
MARK = "\ue000"
"""Stands for a text in quotes; a private character, taken out of prompts before."""

_QUOTES = str.maketrans({"“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "`": "'"})
_QUOTED = re.compile(r"\"([^\"\n]{1,120})\"|(?<![\w'])'([^'\n]{1,120}(?:'\w[^'\n]{0,40})?)'(?!\w)")
_TAGS = re.compile(r"<[^<>\n]{0,200}>")
_CHOICES = re.compile(r"\{[^{}]{0,400}\|[^{}]{0,400}\}|\[[^\[\]]{0,400}[|:][^\[\]]{0,400}\]|__[\w/-]{1,80}__")
_ESCAPED = re.compile(r"\\\([^()\\]{0,80}\\\)")
_OPTIONS = re.compile(r"(?<!\S)--\w+(?:\s+[\w.:/]+)?")
_WEIGHTED = re.compile(r"\[[^\[\]:|]*:\s*-?\d+(?:\.\d+)?\s*\]")
_WEIGHT = re.compile(r":\s*-?\d+(?:\.\d+)?\s*(?=[)\]])")
_AFTER = re.compile(r"(?<=\))\s*-?\d+\.\d+|(?<=[\w)])(?:\+{1,6}|-{2,6})(?=[\s,.)]|$)")
_BREAK = re.compile(r"\b(?:BREAK|AND|ADDCOMM|ADDBASE|ADDROW|ADDCOL)\b")
_TRIGGER = re.compile(r"\b(?:embedding|lora|trigger)\s*:\s*\S+", re.IGNORECASE)
_BRACKETS = re.compile(r"[()\[\]{}\\|]")
_SPACE = re.compile(r"[ \t\u00a0]+")


@dataclass(frozen=True, slots=True)
class CleanText:
    """A prompt as plain text.

    Attributes:
        text: What is left, in the case it was written in; each quoted text is one `MARK`.
        quoted: The quoted texts, in order.
    """

    text: str
    quoted: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """The whole text on one line with its quotes, without a mark at its end."""
        found = iter(self.quoted)
        text = re.sub(MARK, lambda _: f'"{next(found)}"', self.text)
        return re.sub(r"(\s*,)+", ",", text).strip(" \n,.;:")


def clean(prompt: str) -> CleanText:
    """The words of a prompt; reads `MAX_CHARACTERS` of it at most."""
    text = unicodedata.normalize("NFKC", prompt[:MAX_CHARACTERS])[: 2 * MAX_CHARACTERS].translate(_QUOTES)
    text = "".join(c if c == "\n" or c.isprintable() else " " for c in text).replace(MARK, " ")
    text = _ESCAPED.sub(" ", _TAGS.sub(" , ", text))
    for _ in range(3):  # choices inside choices
        text = _CHOICES.sub(lambda choice: choice[0] if _WEIGHTED.fullmatch(choice[0]) else " ", text)
    text = _OPTIONS.sub(" ", _TRIGGER.sub(" ", _BREAK.sub(" , ", text)))
    text = _AFTER.sub("", _WEIGHT.sub("", text))
    quoted: list[str] = []

    def keep(match: re.Match[str]) -> str:
        words = (match[1] or match[2]).strip(" ,.")
        quoted.extend([words] if words else [])
        return f" {MARK} " if words else " "

    text = _BRACKETS.sub(" ", _QUOTED.sub(keep, text)).replace("_", " ").replace("\n", " , ")
    return CleanText(_SPACE.sub(" ", text).strip(), tuple(quoted))
