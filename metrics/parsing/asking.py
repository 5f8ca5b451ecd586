"""A description of a prompt -> the questions about a picture of it."""

from collections.abc import Iterable
from zlib import crc32

from metrics.parsing.controls import Control, controls, wrong_colours
from metrics.parsing.description import Action, Description, Relation, Thing
from metrics.parsing.nouns import MOST_DRAWN, SHAPES
from metrics.parsing.wording import Names, existence, indefinite, is_are
from metrics.questions import YES_NO, Question, Skill

_COLOUR_CHOICES = 4
_MOST_QUESTIONS = 60


def ask(found: Description) -> list[Question]:
    """The questions about a picture of what was described.

    What must be there comes first, then what it is like, then how it lies; then come as many
    questions with the answer "no" as there are with "yes", as far as there are good ones. Each
    question knows which must be right for it to make sense.
    """
    return _Asker(found).questions()


def _order(words: Iterable[str], salt: str) -> list[str]:
    """Words in an order that is as good as drawn by lot, and always the same."""
    return sorted(words, key=lambda word: crc32(f"{salt} {word}".encode()))


class _Asker:
    def __init__(self, found: Description) -> None:
        self._found = found
        self._names = Names(found.things)
        self._questions: list[Question] = []
        self._known: dict[str, str] = {}
        """Id by text: the same is not asked twice."""
        self._there: dict[int, str] = {}
        """Id of the question whether a thing is there."""

    def questions(self) -> list[Question]:
        for thing in self._found.things:
            self._exists(thing)
        for thing in self._found.things:
            self._counted(thing)
            self._coloured(thing)
            self._described(thing)
        self._background()
        for relation in self._found.relations:
            self._related(relation)
        for action in self._found.actions:
            self._acted(action)
        self._rest()
        for absent in self._found.absent:
            self._add(existence(absent, absent.name), "object", expected="no")
        self._controls()
        return self._questions[:_MOST_QUESTIONS]

    def _add(
        self,
        text: str,
        skill: Skill,
        parents: Iterable[str] = (),
        expected: str = "yes",
        choices: tuple[str, ...] = YES_NO,
    ) -> str:
        if text not in self._known:
            name = f"q{len(self._questions) + 1}"
            above = tuple(dict.fromkeys(parent for parent in parents if parent))
            self._questions.append(Question(name, text, expected, skill, choices, above))
            self._known[text] = name
        return self._known[text]

    def _parents(self, *things: Thing) -> list[str]:
        return [self._there.get(id(thing), "") for thing in things]

    def _exists(self, thing: Thing) -> None:
        skill: Skill = "background" if thing.kind == "place" else "object"
        one = next(other for other in self._found.things if other.name == thing.name)
        first = self._add(existence(one, thing.name), skill)
        label = self._names.label(thing)
        self._there[id(thing)] = first
        if label and label != thing.name:
            kind: Skill = "colour" if thing.colours else "size" if thing.sizes else "attribute"
            self._there[id(thing)] = self._add(existence(thing, label), kind, [first])

    def _counted(self, thing: Thing) -> None:
        if thing.count is None or not self._names.told(thing):
            return
        name = self._names.label(thing)
        # The drawn world has four alike at most, and its network knows no other number.
        drawn = thing.name in SHAPES and thing.count <= MOST_DRAWN
        most = MOST_DRAWN if drawn else max(5, thing.count + 3)
        choices = tuple(str(number) for number in range(max(0, thing.count - 6), most + 1))
        many = existence(Thing(name, plural=True), name).removeprefix("Are there any ").rstrip("?")
        self._add(f"How many {many} are there?", "count", self._parents(thing), str(thing.count), choices)

    def _coloured(self, thing: Thing) -> None:
        if not thing.colours or self._names.label(thing) != thing.name:
            return
        the, parents = self._names.the(thing), self._parents(thing)
        if len(thing.colours) > 1:
            for colour in thing.colours:
                self._add(f"{is_are(thing)} {the} {colour}?", "colour", parents)
            return
        others = [c for other in self._found.things if other is not thing for c in other.colours]
        choices = self._colour_choices(thing.colours[0], others, thing.name)
        text = f"What color {is_are(thing).lower()} {the}?"
        self._add(text, "colour", parents, thing.colours[0], choices)

    @staticmethod
    def _colour_choices(right: str, near: list[str], salt: str) -> tuple[str, ...]:
        wrong = wrong_colours([right], near, salt)[: _COLOUR_CHOICES - 1]
        return tuple(_order([right, *wrong], salt))

    def _described(self, thing: Thing) -> None:
        if not self._names.told(thing):
            return
        start, parents = f"{is_are(thing)} {self._names.the(thing)}", self._parents(thing)
        marks = self._names.label(thing).split() if self._names.label(thing) != thing.name else []
        for size in thing.sizes:
            if size not in marks:
                self._add(f"{start} {size}?", "size", parents)
        for material in thing.materials:
            self._add(f"{start} made of {material}?", "material", parents)
        for attribute in thing.attributes:
            if attribute not in marks:
                self._add(f"{start} {attribute}?", "attribute", parents)
        for position in thing.positions:
            self._add(f"{start} {position}?", "spatial", parents)

    def _background(self) -> None:
        colours = self._found.backgrounds
        if len(colours) == 1:
            choices = self._colour_choices(colours[0], [], "background")
            self._add("What color is the background?", "background", (), colours[0], choices)
        for colour in colours if len(colours) > 1 else ():
            self._add(f"Is the background {colour}?", "background")

    def _related(self, relation: Relation) -> None:
        things = (relation.subject, *relation.objects)
        if self._names.told(*things):
            what = " and ".join(self._names.the(thing) for thing in relation.objects)
            text = f"{is_are(relation.subject)} {self._names.the(relation.subject)} {relation.word} {what}?"
            self._add(text, "spatial", self._parents(*things))

    def _acted(self, action: Action) -> None:
        things = (action.subject, *([action.target] if action.target else []))
        if not self._names.told(*things):
            return
        words = f"{is_are(action.subject)} {self._names.the(action.subject)} {action.verb}"
        if action.target:
            words += f" {indefinite(action.target, self._names.label(action.target))}"
        self._add(f"{words}?", "activity", self._parents(*things))

    def _rest(self) -> None:
        for writing in self._found.writings:
            bearer = writing.bearer
            if bearer and self._names.told(bearer):
                verb = "Do" if bearer.plural else "Does"
                text = f'{verb} {self._names.the(bearer)} say "{writing.text}"?'
                self._add(text, "text", self._parents(bearer))
            elif writing.text:
                self._add(f'Does this image show the text "{writing.text}"?', "text")
        for style in self._found.styles:
            self._add(f"Is this image {style}?", "style")
        for light in self._found.lights:
            self._add(f"Is it {light} in this image?", "style")
        for setting in self._found.settings:
            self._add(f"Is this scene {setting}?", "background")

    def _controls(self) -> None:
        binary = [question for question in self._questions if question.choices == YES_NO]
        lacking = sum(1 if question.expected == "yes" else -1 for question in binary)
        room = _MOST_QUESTIONS - len(self._questions)
        for control in controls(self._found, self._names):
            if lacking <= 0 or room <= 0:
                return
            if control.text not in self._known:
                self._ask_control(control)
                lacking, room = lacking - 1, room - 1

    def _ask_control(self, control: Control) -> None:
        self._add(control.text, control.skill, self._parents(*control.about), expected="no")
