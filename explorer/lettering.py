"""Text on pictures: measured before it is drawn, so that nothing is cut.

Fonts of the system are taken where they are; the one that Pillow brings knows Latin letters
only. A character that no font knows is written as its name, never as an empty box.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from PIL import ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
Colour = tuple[int, int, int]
# Letters of most languages; Chinese, Japanese and Korean; symbols and emoji without colours.
_NAMES = (
    *("DejaVuSans.ttf", "NotoSans-Regular.ttf", "Arial.ttf", "arial.ttf", "Helvetica.ttc"),
    *("NotoSansCJK-Regular.ttc", "wqy-microhei.ttc", "PingFang.ttc", "msyh.ttc", "YuGothR.ttc"),
    *("Symbola.ttf", "NotoEmoji-Regular.ttf", "seguisym.ttf", "Apple Symbols.ttf", "Arial Unicode.ttf"),
)
_NOWHERE = "\U0010fffe"
"""No font has it: what is drawn for it is drawn for every unknown character."""
_INVISIBLE = {"Cf", "Mn", "Me", "Cc", "Cs", "Co"}


@dataclass(frozen=True)
class Lettering:
    """Fonts of one size, first choice first."""

    fonts: tuple[Font, ...]
    line: int
    """Height of a line in pixels."""

    @classmethod
    def of_size(cls, pixels: int) -> "Lettering":
        """The fonts of this system in one size."""
        found: list[Font] = []
        for name in _NAMES:
            try:
                found.append(ImageFont.truetype(name, pixels))
            except OSError:
                continue
        return cls((*found, ImageFont.load_default(pixels)), round(pixels * 1.35))

    def width(self, text: str) -> float:
        """Pixels that a line takes."""
        return sum(font.getlength(part) for font, part in self._parts(text))

    def wrap(self, text: str, width: float) -> list[str]:
        """Lines that are no wider than this; a word that is too long is broken, nothing is left out."""
        lines: list[str] = []
        for word in self.readable(text).split():
            joined = f"{lines[-1]} {word}" if lines else word
            if lines and self.width(joined) <= width:
                lines[-1] = joined
                continue
            lines += self._pieces(word, width)
        return lines or [""]

    def draw(self, canvas: ImageDraw.ImageDraw, left: float, top: float, text: str, colour: Colour) -> None:
        """Draw one line."""
        for font, part in self._parts(text):
            # One baseline for all fonts of the line.
            anchor = "ls" if isinstance(font, ImageFont.FreeTypeFont) else None
            canvas.text((left, top + (self.line * 0.78 if anchor else 0)), part, colour, font, anchor)
            left += font.getlength(part)

    def readable(self, text: str) -> str:
        """The text with names in the place of what no font can show."""
        return "".join(self._shown(character) for character in unicodedata.normalize("NFC", text))

    def _shown(self, character: str) -> str:
        if character.isspace() or character.isascii():
            return " " if character.isspace() or not character.isprintable() else character
        if any(_knows(font, character) for font in self.fonts):
            return character
        if unicodedata.category(character) in _INVISIBLE:
            return ""
        plain = unicodedata.normalize("NFKD", character)
        if plain[0].isascii() and plain[0].isalnum():
            return plain[0]  # the letter without its accent
        return f"[{unicodedata.name(character, f'U+{ord(character):X}').lower()}]"

    def _pieces(self, word: str, width: float) -> list[str]:
        pieces = [""]
        for character in word:
            if pieces[-1] and self.width(pieces[-1] + character) > width:
                pieces.append("")
            pieces[-1] += character
        return pieces

    def _parts(self, text: str) -> Iterator[tuple[Font, str]]:
        """The text in parts of one font each."""
        for font, characters in groupby(text, self._font):
            yield font, "".join(characters)

    def _font(self, character: str) -> Font:
        known = (font for font in self.fonts if character.isascii() or _knows(font, character))
        return next(known, self.fonts[-1])


def _knows(font: Font, character: str) -> bool:
    return bytes(font.getmask(character)) != bytes(font.getmask(_NOWHERE))
