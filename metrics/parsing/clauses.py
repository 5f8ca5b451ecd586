"""What a clause is about, and how the things it names are connected."""

from dataclasses import replace

from metrics.parsing.description import Action, Description, Relation, Thing
from metrics.parsing.nouns import ANIMALS, CLOTHES, PARTS, PEOPLE
from metrics.parsing.phrases import Phrase
from metrics.parsing.relations import ASKED_RELATIONS
from metrics.parsing.verbs import TRANSITIVE_CLOTHES, WEATHER
from metrics.parsing.words import words

MOST_THINGS = 24
"""A prompt that names more is not asked about the rest: nobody could draw it."""
LIMBS = words("leg foot knee paw hoof")


def is_animate(thing: Thing) -> bool:
    """Whether it is somebody, or an animal."""
    return thing.name.rpartition(" ")[2] in PEOPLE | ANIMALS


def place(thing: Thing, position: str) -> None:
    """Note where on the picture a thing is."""
    if position not in thing.positions:
        thing.positions.append(position)


class Clause:
    """The clause being read: whom it is about, and what waits for its second half.

    Attributes:
        found: What the prompt says so far.
        topic: Whom the sentence before was about.
        subjects: Whom this clause is about.
        last: The thing named last.
        relation: A relation whose object is still to come; "".
        verb: A verb whose object is still to come; "".
        joined: Whether "and" stands right before.
        accessory: Whether "with" or the like stands right before.
        related: Whether something was said of the subjects already.
        position: A place on the picture whose thing is still to come; "".
        unsure: Whether "or" stands right before.
        written: Whether a quoted text waits to hear what it stands on.
    """

    def __init__(self, found: Description, topic: list[Thing]) -> None:
        """Begin: nobody is spoken of yet."""
        self.found = found
        self.topic = topic
        self.subjects: list[Thing] = []
        self.last: Thing | None = None
        self.relation = self.verb = self.position = ""
        self.joined = self.accessory = self.related = self.unsure = self.written = False
        self._between: list[Thing] = []
        self._doers: list[Thing] = []
        self._chain: tuple[str, list[Thing]] = ("", [])

    @property
    def about(self) -> list[Thing]:
        """Whom a verb or an "is" is about."""
        return self.subjects or self.topic

    def nothing_waits(self) -> None:
        """What is still to come does not come any more."""
        self.relation = self.verb = ""
        self.joined = self.accessory = False

    def leads_to(self, relation: str) -> None:
        """A relation stands here; its object is to come."""
        self.relation, self._between = relation, []
        self.verb, self.joined = "", False

    def does(self, verb: str, to_something: bool) -> None:
        """Somebody does something.

        Args:
            verb: The -ing form.
            to_something: Whether a thing follows that it is done to.
        """
        if verb in WEATHER:
            self.found.lights.append(verb)
            return
        doers = self.subjects or self.topic
        if self.last and self.last not in doers and is_animate(self.last):
            doers = [self.last]
        self.relation, self.joined, self.accessory = "", False, False
        self.related = True
        if to_something:
            # Of several the nearest one: "a man and a woman holding an umbrella".
            self.verb, self._doers = verb, list(doers[-1:])
        elif verb not in TRANSITIVE_CLOTHES:
            self.found.actions += [Action(thing, verb) for thing in doers]

    def drop_last(self) -> None:
        """One of two things, and nobody knows which: neither is asked for."""
        self.unsure = True
        if self.last:
            self.found.drop(self.last)
            self.subjects = [thing for thing in self.subjects if thing is not self.last]
            self.last = None

    def meet(self, phrase: Phrase) -> None:
        """A thing is named: connect it with what was said before it."""
        thing = self._register(phrase)
        if thing is None:
            return
        if self.position:
            place(thing, self.position)
            self.position = ""
        if self.relation:
            self._relate(thing)
        elif self.verb:
            self.found.actions += [Action(doer, self.verb, thing) for doer in self._doers]
            self._chain = (self.verb, self._doers)
            self.verb = ""
        elif self.accessory:
            pass
        elif self.joined and not self.related:
            self.subjects.append(thing)
        elif self.joined and self._chain[0] in TRANSITIVE_CLOTHES:
            verb, doers = self._chain
            self.found.actions += [Action(doer, verb, thing) for doer in doers]
        elif self.subjects and not phrase.determined and phrase.head in PARTS | CLOTHES:
            self.related = True  # a tag such as "blue eyes" is about whom the tags before are about
        else:
            self.subjects, self.related = [thing], False
        self.joined = self.accessory = False
        self.last = thing

    def _relate(self, thing: Thing) -> None:
        """A thing follows "on", "next to" and the like."""
        word = self.relation
        subjects = [subject for subject in self.subjects if subject is not thing]
        if word == "between" and not self._between and not thing.plural:
            self._between = [thing]
            return  # the second one is still to come
        objects = (*self._between, thing)
        self.relation, self._between = "", []
        self.related = True
        if not subjects:
            self.subjects, self.related = [thing], False
            return
        if self.written and word == "on":
            self.found.writings[-1] = replace(self.found.writings[-1], bearer=thing)
            self.written = False
            return
        self._lie(subjects, word, objects)

    def _lie(self, subjects: list[Thing], word: str, objects: tuple[Thing, ...]) -> None:
        """Note how things lie, or that somebody wears something."""
        thing = objects[-1]
        clothes = thing.name.rpartition(" ")[2] in CLOTHES
        for subject in subjects:
            if word == "in" and clothes and is_animate(subject):
                self.found.actions.append(Action(subject, "wearing", thing))
            elif thing.name in LIMBS and word == "on":
                continue  # "standing on one leg"
            elif word in ASKED_RELATIONS and not (thing.kind == "place" and word in ("in", "on", "inside")):
                self.found.relations.append(Relation(subject, word, objects))
        self._chain = ("wearing" if word == "in" and clothes else "", subjects)

    def _register(self, phrase: Phrase) -> Thing | None:
        """The thing of a phrase, or the one it names again."""
        thing = phrase.thing
        if thing is None or len(self.found.things) >= MOST_THINGS:
            return None
        if phrase.definite:
            for known in reversed(self.found.things):
                fits = not thing.colours or not known.colours or set(thing.colours) & set(known.colours)
                if known.name == thing.name and fits:
                    known.take(thing)
                    self.found.actions += [Action(known, verb) for verb in phrase.actions]
                    return known
        self.found.things.append(thing)
        self.found.actions += [Action(thing, verb) for verb in phrase.actions]
        return thing
