"""What is asked about a picture: questions with expected answers, and scenes with expected objects.

Plain data. `question_sources` says where they come from: the suite, a language model, or the
offline parser.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self, get_args

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
SKILLS: tuple[str, ...] = get_args(Skill)


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


def complaint(question: Question, ids: Collection[str]) -> str | None:
    """Why a question cannot be asked as it stands; None if it can.

    Args:
        question: The question.
        ids: The ids of all questions of its prompt.
    """
    if not question.id.strip() or not question.text.strip():
        return "a question needs an 'id' and a 'text'"
    if question.skill not in SKILLS:
        return f"there is no skill {question.skill!r}; choose one of: {', '.join(SKILLS)}"
    if len(question.choices) < 2 or len(set(question.choices)) < len(question.choices):
        return f"question {question.id!r} needs at least two choices, all different"
    if not all(choice.strip() for choice in question.choices):
        return f"question {question.id!r} has an empty choice"
    if question.expected not in question.choices:
        offer = ", ".join(question.choices)
        return f"question {question.id!r} expects {question.expected!r}, none of its choices ({offer})"
    lost = next((parent for parent in question.parents if parent not in ids), None)
    if lost is not None:
        return f"question {question.id!r} has the parent {lost!r}, which is no question of this prompt"
    return f"question {question.id!r} is its own parent" if question.id in question.parents else None


Relation = Literal["left of", "right of", "above", "below"]
RELATIONS: tuple[str, ...] = get_args(Relation)
Task = Literal["single_object", "two_object", "counting", "colors", "position", "color_attr"]
TASKS: tuple[str, ...] = get_args(Task)


@dataclass(frozen=True, slots=True)
class ExpectedObject:
    """An object that must be on the picture, as GenEval's metadata has it.

    Attributes:
        name: The class, in the singular.
        count: Exactly so many where the task is counting, else at least so many.
        colour: A colour word, such as "red"; "" when it does not matter.
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

    def to_dict(self) -> dict[str, Any]:
        """JSON-plain form, as stored in suites; what stands at its default is left out."""
        written = {"task": self.task, "include": [_written(each) for each in self.include]}
        return written | ({"exclude": [_written(each) for each in self.exclude]} if self.exclude else {})

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The scene that `to_dict` wrote; without a task it gets the one it is most like."""
        include, exclude = (
            tuple(ExpectedObject(**each) for each in data.get(part, ())) for part in ("include", "exclude")
        )
        return cls(data.get("task") or task_of(include), include, exclude)


def task_of(include: Sequence[ExpectedObject]) -> Task:
    """The task of GenEval that objects are most like."""
    if any(each.relation for each in include):
        return "position"
    if any(each.count > 1 for each in include):
        return "counting"
    if len(include) > 1:
        return "color_attr" if any(each.colour for each in include) else "two_object"
    return "colors" if include and include[0].colour else "single_object"


def _written(wanted: ExpectedObject) -> dict[str, Any]:
    plain = asdict(ExpectedObject(wanted.name))
    return {name: value for name, value in asdict(wanted).items() if name == "name" or value != plain[name]}
