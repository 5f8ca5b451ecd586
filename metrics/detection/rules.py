"""GenEval's rules: whether boxes show what a scene asks for. Pure functions.

Source: Ghosh et al. 2023, arXiv:2310.11513, and its `evaluate_images.py` (MIT). One thing is added: a
scene may ask for the same noun in several colours ("a red and a blue circle"), which the published
prompts never do and the published rule could never find right.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import hypot

from metrics.detection.boxes import MOST_OF_A_NOUN, Box, Limits
from metrics.questions import ExpectedObject, Relation, Scene

Found = Mapping[str, Sequence[Box]]
"""The boxes of each noun, the surest first."""
MARGIN = 0.1
"""Share of the sizes of two objects by which the way between them is shortened."""
LEAST = 0.5
"""Share of the way between two objects that must go in a direction."""
_NOTHING_PIXELS = 1e-3


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say.

    Attributes:
        reasons: What is wrong, in words; empty: the picture is right.
        used: The boxes of the clauses that hold.
    """

    reasons: tuple[str, ...]
    used: tuple[Box, ...]

    @property
    def right(self) -> bool:
        """Whether every clause holds."""
        return not self.reasons


def kept(boxes: Sequence[Box], limits: Limits, task: str) -> dict[str, list[Box]]:
    """The boxes that count for a task, by noun, the surest first; ties keep their order."""
    sure = sorted((box for box in boxes if box.score > limits.of(task)), key=lambda box: -box.score)
    found: dict[str, list[Box]] = {}
    for box in sure:
        found.setdefault(box.noun, []).append(box)
    # First the most of a noun, then the overlap: in GenEval's order.
    listed = {id(box) for group in found.values() for box in group[:MOST_OF_A_NOUN]}
    left: dict[str, list[Box]] = {}
    for box in (box for box in sure if id(box) in listed):
        rivals = [r for group in left.values() for r in group] if limits.across else left.get(box.noun, [])
        if limits.overlap >= 1 or all(overlap(box, rival) < limits.overlap for rival in rivals):
            left.setdefault(box.noun, []).append(box)
    return left


def overlap(first: Box, second: Box) -> float:
    """Intersection over union, with both border pixels inside, as GenEval has it."""
    a, b = first.corners, second.corners
    shared = _area((max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3])))
    union = _area(a) + _area(b) - shared
    return shared / union if union else 0.0


def _area(corners: Sequence[float]) -> float:
    left, top, right, bottom = corners
    return max(right - left + 1, 0.0) * max(bottom - top + 1, 0.0)


def relations(box: Box, target: Box) -> frozenset[Relation]:
    """Where a box stands to another one; none of the four, one, or two of them."""
    offsets, shortened = [], []
    for low in (0, 1):
        (a, b), (c, d) = (corners[low::2] for corners in (box.corners, target.corners))
        offset = (a + b) / 2 - (c + d) / 2
        left = max(abs(offset) - MARGIN * (abs(b - a) + abs(d - c)), 0.0)
        offsets.append(offset)
        shortened.append(left if offset > 0 else -left)
    if all(abs(value) < _NOTHING_PIXELS for value in shortened):
        return frozenset()
    across, down = (value / hypot(*offsets) for value in shortened)
    holds: dict[Relation, bool] = {
        "left of": across < -LEAST,
        "right of": across > LEAST,
        "above": down < -LEAST,
        "below": down > LEAST,
    }
    return frozenset(relation for relation, true in holds.items() if true)


def check(found: Found, scene: Scene) -> Verdict:
    """Judge a picture.

    Args:
        found: What is on it; see `kept`.
        scene: What must be on it. Where its task is counting, and it does not say itself how many are
            too many, one more than asked for is.

    Raises:
        ValueError: A clause stands to one that is not there, or in a circle to itself.
    """
    reasons: list[str] = []
    groups: dict[int, list[Box] | None] = {}
    for place in order(scene):
        group, reason = _included(found, scene, scene.include[place], groups)
        groups[place] = group if reason is None else None
        reasons += [reason] if reason else []
    for unwanted in (*scene.exclude, *too_many(scene)):
        reason = _excluded(found, unwanted, scene)
        reasons += [reason] if reason else []
    used = dict.fromkeys(box for group in groups.values() for box in group or ())
    return Verdict(tuple(reasons), tuple(used))


def order(scene: Scene) -> list[int]:
    """Places of the clauses, each after the one it stands to.

    Raises:
        ValueError: A clause stands to one that is not there, or in a circle to itself.
    """
    done: list[int] = []
    left = list(range(len(scene.include)))
    while left:
        ready = (place for place in left if scene.include[place].target in (None, *done))
        place = next(ready, None)
        if place is None:
            raise ValueError(f"{scene.include[left[0]].name} stands to an object that is not in the scene")
        done.append(place)
        left.remove(place)
    return done


def _included(
    found: Found, scene: Scene, wanted: ExpectedObject, groups: Mapping[int, list[Box] | None]
) -> tuple[list[Box], str | None]:
    """The boxes of a clause, and why it does not hold; None if it does."""
    every = found.get(wanted.name, ())
    if len(every) < wanted.count:
        return [], f"{wanted.name}: {wanted.count} expected, {len(every)} found"
    group = list(every[: wanted.count])
    if wanted.colour:
        looked_at = every[: asked_for(scene, wanted.name)]
        group = [box for box in looked_at if box.colour == wanted.colour][: wanted.count]
        if len(group) < wanted.count:
            return [], f"{wanted.colour} {wanted.name}: {wanted.count} expected, {_colours(looked_at)} found"
    if wanted.relation is None or wanted.target is None:
        return group, None
    targets = groups[wanted.target]
    other = scene.include[wanted.target].name
    if targets is None:
        return [], f"{wanted.name}: there is no right {other} to be {wanted.relation}"
    for box in group:
        for target in targets:
            true = relations(box, target)
            if wanted.relation not in true:
                where = f"{' and '.join(sorted(true))} it" if true else "in none of the four directions"
                return [], f"{wanted.name}: {wanted.relation} {other} expected, it is {where}"
    return group, None


def asked_for(scene: Scene, noun: str) -> int:
    """How many objects of a noun a scene asks for: colours add up, repeated clauses do not."""
    most: dict[str, int] = {}
    for wanted in scene.include:
        if wanted.name == noun:
            most[wanted.colour] = max(most.get(wanted.colour, 0), wanted.count)
    plain = most.pop("", 0)
    return max(plain, sum(most.values()))


def too_many(scene: Scene) -> list[ExpectedObject]:
    """What counting forbids where the scene does not say it itself: one more than is asked for."""
    if scene.task != "counting":
        return []
    nouns = dict.fromkeys(wanted.name for wanted in scene.include)
    if any(unwanted.name in nouns for unwanted in scene.exclude):
        return []
    return [ExpectedObject(noun, asked_for(scene, noun) + 1) for noun in nouns]


def _excluded(found: Found, unwanted: ExpectedObject, scene: Scene) -> str | None:
    boxes = [box for box in found.get(unwanted.name, ()) if unwanted.colour in ("", box.colour)]
    if len(boxes) < unwanted.count:
        return None
    name = f"{unwanted.colour} {unwanted.name}".strip()
    fewer = unwanted.count - 1
    exact = not unwanted.colour and fewer == asked_for(scene, unwanted.name)
    wish = "none" if not fewer else f"exactly {fewer}" if exact else f"at most {fewer}"
    return f"{name}: {wish} expected, {len(boxes)} found"


def _colours(boxes: Sequence[Box]) -> str:
    """The colours of boxes in words, such as "1 red and 2 blue"."""
    counts: dict[str, int] = {}
    for box in boxes:
        counts[box.colour or "of no colour"] = counts.get(box.colour or "of no colour", 0) + 1
    return " and ".join(f"{count} {colour}" for colour, count in counts.items())
