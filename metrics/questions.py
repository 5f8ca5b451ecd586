"""What is asked about a picture: questions with expected answers, and scenes with expected objects.

Plain data. `questions_for` and `scene_for` say where they come from: the suite, a language
model, or the offline parser.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

YES_NO = ("yes", "no")

Skill = Literal[
    "object",
    "count",
    "colour",
    "attribute",
    "material",
    "size",
    "spatial",
    "background",
    "activity",
    "text",
    "style",
    "other",
]


@dataclass(frozen=True, slots=True)
class Question:
    """One question about a picture.

    Attributes:
        id: Unique among the questions of a prompt, such as "q1".
        text: What is asked.
        expected: The right answer: one of `choices`.
        skill: What it tests.
        choices: The answers that are taken; ("yes", "no") unless told.
        parents: Ids of the questions that must be right for this one to make sense.
    """

    id: str
    text: str
    expected: str = "yes"
    skill: Skill = "object"
    choices: tuple[str, ...] = YES_NO
    parents: tuple[str, ...] = ()

    @property
    def control(self) -> bool:
        """Whether the right answer is no: it catches who always says yes."""
        return self.choices == YES_NO and self.expected == "no"

    def to_dict(self) -> dict[str, Any]:
        """JSON-plain form, as stored in suites."""
        return {**asdict(self), "choices": list(self.choices), "parents": list(self.parents)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The question that `to_dict` wrote."""
        known = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        for name in ("choices", "parents"):
            if name in known:
                known[name] = tuple(known[name])
        return cls(**known)


Relation = Literal["left of", "right of", "above", "below"]


@dataclass(frozen=True, slots=True)
class ExpectedObject:
    """An object that must be on the picture, as GenEval's metadata has it.

    Attributes:
        name: The class, in the singular.
        count: Exactly so many where the task is counting, else at least so many.
        colour: One of the ten named colours; "" when it does not matter.
        relation: Where it stands to the object at index `target` of `Scene.include`.
        target: Index of that object.
    """

    name: str
    count: int = 1
    colour: str = ""
    relation: Relation | None = None
    target: int | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """What a detector must find for a prompt to be drawn rightly.

    Attributes:
        task: "single_object", "two_object", "counting", "colors", "position" or "color_attr".
        include: Objects that must be there.
        exclude: Objects of which fewer than `count` may be there.
    """

    task: str
    include: tuple[ExpectedObject, ...]
    exclude: tuple[ExpectedObject, ...] = ()
