"""Names of metrics and of what was done to pictures, as people read them; not escaped. Pure."""

import re

from explorer.ui.markup import Cards

_PREPARED = {
    r"open_clip-eval-fp32-\d+:longest": "padded with black to a square, resized to the network's own size",
    r"open_clip-eval-": "shorter side resized to the network's own size, centre square cut out",
    r"clip-processor-pil-": "shorter side resized to 224 px (bicubic), centre square cut out",
    r"square-(?P<side>\d+)-": "resized to {side} x {side} px (bicubic, antialiased), whatever its shape",
    r"fit-(?P<side>\d+)-(?P<patch>\d+)-": "resized to {side} px with its shape kept, in steps of {patch} px",
    r"dinotxt-(?P<resize>\d+)-(?P<side>\d+)-": "shorter side resized to {resize} px (bicubic), "
    "centre square of {side} px cut out",
    r"answerer-": "the whole picture, resized as its question answerer was trained",
    r"detector-": "the whole picture, resized as its detector was trained",
    r"jpeg-(?P<side>\d+)-": "sent as a JPEG, its longer side {side} px at most",
}
"""Beginnings of `ScoreRow.preprocessing` in words; the first that fits."""
_SEVERAL = re.compile(r" \([^()]*,[^()]*\)")


def metric_title(metric: str, tier: str, cards: Cards) -> str:
    """The name of a metric that people read, with its tier."""
    return f"{name_of(metric, tier, cards)} ({tier})"


def name_of(metric: str, tier: str, cards: Cards) -> str:
    """A metric's name; one that lists the networks of its tiers names that of this tier instead."""
    _, network = parts_of(metric, tier, cards)
    return _SEVERAL.sub(f" ({network})", cards[metric].name) if network else _card_name(metric, cards)


def parts_of(metric: str, tier: str, cards: Cards) -> tuple[str, str]:
    """A metric's name, and the network of this tier where the name lists those of several tiers."""
    name = _card_name(metric, cards)
    if not _SEVERAL.search(name):
        return name, ""
    network = cards[metric].backbones.get(tier)  # type: ignore[call-overload]  # any text may be a tier
    return _SEVERAL.sub("", name), network.id.split(" + ")[0] if network else ""


def in_words(preprocessing: str) -> str:
    """What was done to a picture before a network looked at it."""
    for name, words in _PREPARED.items():
        found = re.match(name, preprocessing)
        if found:
            return words.format(**found.groupdict())
    return f"in a way that has no words here ({preprocessing})" if preprocessing else "not stated"


def _card_name(metric: str, cards: Cards) -> str:
    return cards[metric].name if metric in cards else metric
