"""What a score rests on, as plain JSON: the boxes, what was asked for and what is wrong."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from metrics.detection.boxes import Box, Sight
from metrics.detection.rules import Verdict, asked_for, too_many
from metrics.questions import ExpectedObject, Scene

SHOWN_BOXES = 40


def evidence(
    scene: Scene, sight: Sight, counting: Mapping[str, Sequence[Box]], verdict: Verdict
) -> dict[str, Any]:
    """The detail of a score.

    Its boxes are in pixels of the original image, the surest first; `state` is "matched" for those a
    clause rests on, "unmatched" for others of a noun that was asked for, "other" for the rest, and
    "dropped" for those that do not count: under the cut, or a second box on one object.
    """
    asked = {clause.name for clause in (*scene.include, *scene.exclude)}
    used = set(verdict.used)
    counted = {box for boxes in counting.values() for box in boxes}

    def state(box: Box) -> str:
        if box in used:
            return "matched"
        if box not in counted:
            return "dropped"
        return "unmatched" if box.noun in asked else "other"

    return {
        "task": scene.task,
        "wrong": list(verdict.reasons),
        "expected": expected(scene),
        "size": list(sight.size),
        "boxes": [_box(box, state(box)) for box in sight.boxes[:SHOWN_BOXES]],
    }


def _box(box: Box, state: str) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "label": box.noun,
        "score": round(box.score, 4),
        "box": [round(value, 1) for value in box.corners],
        "state": state,
    }
    if box.colours:
        plain |= {"colour": box.colour, "colour_probability": round(box.colours[box.colour], 4)}
    return plain


def expected(scene: Scene) -> list[str]:
    """The clauses in words, such as "exactly 2 red circle" or "1 cat left of dog"."""
    limits = [*scene.exclude, *too_many(scene)]
    exact = {
        clause.name
        for clause in limits
        if not clause.colour and clause.count == asked_for(scene, clause.name) + 1 > 1
    }
    others = [clause for clause in scene.exclude if clause.colour or clause.name not in exact]
    return [_clause(scene, wanted, exact) for wanted in scene.include] + [_unwanted(each) for each in others]


def _clause(scene: Scene, wanted: ExpectedObject, exact: Collection[str]) -> str:
    count = f"exactly {wanted.count}" if wanted.name in exact else str(wanted.count)
    parts = [count, wanted.colour, wanted.name]
    if wanted.relation is not None and wanted.target is not None:
        parts += [wanted.relation, scene.include[wanted.target].name]
    return " ".join(part for part in parts if part)


def _unwanted(clause: ExpectedObject) -> str:
    name = f"{clause.colour} {clause.name}".strip()
    return f"no {name}" if clause.count == 1 else f"at most {clause.count - 1} {name}"
