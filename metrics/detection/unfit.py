"""Which scenes a detector cannot judge, said before anything is loaded."""

from collections.abc import Sequence

from metrics.detection.rules import order
from metrics.questions import Scene


def unfit(scene: Scene, name: str, strange: Sequence[str], palette: Sequence[str]) -> str | None:
    """Why a detector cannot judge a scene; None if it can.

    Args:
        scene: With its nouns by their one names.
        name: What people call the detector.
        strange: Nouns of the scene that it cannot find.
        palette: The colours it tells apart.
    """
    clauses = (*scene.include, *scene.exclude)
    if not clauses:
        return "The scene of this prompt names no object; add one to it."
    if strange:
        return (
            f"{name} does not know {_listed(strange)}; choose the large tier, whose detector takes any noun."
        )
    colours = dict.fromkeys(clause.colour for clause in clauses if clause.colour)
    odd = [colour for colour in colours if colour not in palette]
    if odd:
        return f"{_listed(odd)} is none of the colours that are told apart here: {', '.join(palette)}."
    if any(clause.count < 1 for clause in clauses):
        return "The scene of this prompt asks for less than one object; leave that clause out."
    try:
        order(scene)
    except ValueError as error:
        return f"The scene of this prompt is wrong: {error}."
    return _alike(scene)


def _alike(scene: Scene) -> str | None:
    """GenEval takes the surest boxes of a noun: of two alike it would take the same box twice."""
    for clause in scene.include:
        if clause.relation is None or clause.target is None:
            continue
        other = scene.include[clause.target]
        told_apart = clause.colour and other.colour and clause.colour != other.colour
        if clause.name == other.name and not told_apart:
            return f"GenEval's rules cannot tell one {clause.name} from the other; give each its own colour."
    return None


def _listed(words: Sequence[str]) -> str:
    return ", ".join(repr(word) for word in words)
