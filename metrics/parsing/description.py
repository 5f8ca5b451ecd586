"""What a prompt says, as plain data: things, what they are like, how they lie, what they do."""

from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["thing", "mass", "place"]


@dataclass(slots=True, eq=False)
class Thing:
    """A thing, or several alike, that a prompt names.

    Attributes:
        name: In the singular, as the prompt has it: "fire hydrant".
        plural: Whether there are several.
        count: How many, where the prompt tells a number; None: not told.
        kind: "mass" for what is not counted (water), "place" for where it is (forest).
        colours: In their one spelling.
        materials: Such as "wood".
        sizes: Such as "large".
        attributes: Other adjectives one can see.
        positions: Where on the picture: "on the left".
    """

    name: str
    plural: bool = False
    count: int | None = None
    kind: Kind = "thing"
    colours: list[str] = field(default_factory=list)
    materials: list[str] = field(default_factory=list)
    sizes: list[str] = field(default_factory=list)
    attributes: list[str] = field(default_factory=list)
    positions: list[str] = field(default_factory=list)

    def take(self, other: "Thing") -> None:
        """Add what another mention of the same thing says."""
        self.count = self.count or other.count
        for name in ("colours", "materials", "sizes", "attributes", "positions"):
            mine = getattr(self, name)
            mine += [word for word in getattr(other, name) if word not in mine]


@dataclass(frozen=True, slots=True)
class Relation:
    """How things lie: `subject` is `word` `objects[0]` (and `objects[1]` for "between")."""

    subject: Thing
    word: str
    objects: tuple[Thing, ...]


@dataclass(frozen=True, slots=True)
class Action:
    """What somebody does, as an -ing form, and to what."""

    subject: Thing
    verb: str
    target: Thing | None = None


@dataclass(frozen=True, slots=True)
class Writing:
    """Words to be read on the picture, and on what."""

    text: str
    bearer: Thing | None = None


@dataclass(slots=True)
class Description:
    """All that a prompt says, as far as it was understood."""

    things: list[Thing] = field(default_factory=list)
    relations: list[Relation] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    absent: list[Thing] = field(default_factory=list)
    writings: list[Writing] = field(default_factory=list)
    styles: list[str] = field(default_factory=list)
    lights: list[str] = field(default_factory=list)
    settings: list[str] = field(default_factory=list)
    backgrounds: list[str] = field(default_factory=list)
    """Colours of a plain background; usually one."""

    def drop(self, thing: Thing) -> None:
        """Forget a thing and all that was said of it."""
        self.things = [other for other in self.things if other is not thing]
        self.relations = [
            relation
            for relation in self.relations
            if thing is not relation.subject and thing not in relation.objects
        ]
        self.actions = [
            action for action in self.actions if thing is not action.subject and thing is not action.target
        ]
