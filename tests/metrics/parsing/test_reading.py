"""What the parser reads in prompts, against what a careful reader finds there."""

import random
import re
from collections.abc import Iterator
from typing import Any

import pytest

from explorer.suites import read_suite
from metrics.parsing import describe, parse_questions, parse_scene
from metrics.parsing.cleaning import MAX_CHARACTERS, clean
from metrics.parsing.description import Description
from metrics.parsing.inflection import gerund, is_plural, plural, singular, with_article
from tests.fakes import PROJECT
from tests.metrics.parsing.reading import PROMPTS, key, mistakes, read

COLOURS = [
    "red",
    "green",
    "blue",
    "yellow",
    "orange",
    "purple",
    "pink",
    "brown",
    "black",
    "white",
    "gray",
    "teal",
]
NOUNS = [
    "dog",
    "bench",
    "fire hydrant",
    "sheep",
    "knife",
    "bus",
    "teddy bear",
    "person",
    "axolotl",
    "wine glass",
]
NUMBERS = {
    2: ("two", "2"),
    3: ("three", "3"),
    4: ("four", "exactly four"),
    7: ("seven", "7"),
    12: ("a dozen", "twelve"),
}
RELATIONS = {
    "left of": ("to the left of", "on the left side of", "left of"),
    "right of": ("to the right of", "on the right of", "right of"),
    "above": ("above", "over"),
    "under": ("under", "beneath", "underneath"),
    "next to": ("next to", "beside"),
    "in front of": ("in front of",),
    "behind": ("behind",),
    "inside": ("inside", "inside of"),
    "on top of": ("on top of", "atop"),
}
OPENINGS = ("", "a photo of ", "A picture of ", "masterpiece, best quality, ")


def entry(prompt: str, things: list[str], **more: Any) -> dict[str, Any]:
    return {"prompt": prompt, "things": things, **more}


def variations() -> Iterator[dict[str, Any]]:
    """Template prompts with their counts, colours, nouns and words varied by lot, always the same."""
    rng = random.Random(7)
    for opening in OPENINGS:
        for noun in NOUNS:
            colour = rng.choice(COLOURS)
            yield entry(f"{opening}{with_article(f'{colour} {noun}')}", [f"{noun}: {colour}"])
            count, forms = rng.choice(list(NUMBERS.items()))
            yield entry(
                f"{opening}{rng.choice(forms)} {colour} {plural(noun)}", [f"{noun}: {count} {colour}"]
            )
            other = rng.choice([name for name in NOUNS if name != noun])
            second = rng.choice([name for name in COLOURS if name != colour])
            both = [f"{noun}: {colour}", f"{other}: {second}"]
            pair = f"{with_article(f'{colour} {noun}')}", f"{with_article(f'{second} {other}')}"
            yield entry(f"{opening}{pair[0]} and {pair[1]}", both)
            relation, words = rng.choice(list(RELATIONS.items()))
            yield entry(
                f"{opening}{pair[0]} {rng.choice(words)} {pair[1]}",
                both,
                relations=[f"{noun} > {relation} > {other}"],
            )
            yield entry(f"{opening}{with_article(noun)} without any {plural(other)}", [noun], absent=[other])
            yield entry(
                f"{opening}{with_article(f'small {colour} wooden {noun}')}", [f"{noun}: small {colour} wood"]
            )


def share_right(entries: list[dict[str, Any]]) -> tuple[float, list[str]]:
    wrong = [f"{each['prompt']}: {found}" for each in entries if (found := mistakes(each))]
    return 1 - len(wrong) / len(entries), wrong


def test_there_are_seventy_prompts() -> None:
    assert len(PROMPTS["template"]) + len(PROMPTS["free"]) >= 70


def test_template_prompts_are_read_rightly() -> None:
    right, wrong = share_right(PROMPTS["template"])
    assert right >= 0.95, wrong


def test_free_prompts_are_read_rightly() -> None:
    right, wrong = share_right(PROMPTS["free"])
    assert right >= 0.8, wrong


def test_variations_of_templates_are_read_rightly() -> None:
    entries = list(variations())
    assert len(entries) >= 150
    right, wrong = share_right(entries)
    assert right >= 0.95, wrong


def words_of(prompt: str) -> set[str]:
    found = re.findall(r"[^\W\d_]+(?:[-'][^\W_]+)*", prompt.lower().replace("_", " "))
    forms = (
        (word, singular(word), singular(word.removesuffix("'s")), word.removesuffix("es")) for word in found
    )
    return {form for some in forms for form in some}


@pytest.mark.parametrize("kind", ["template", "free", "varied"])
def test_no_thing_is_invented(kind: str) -> None:
    entries = list(variations()) if kind == "varied" else PROMPTS[kind]
    for each in entries:
        said = words_of(each["prompt"])
        found = describe(each["prompt"])
        for thing in (*found.things, *found.absent):
            assert set(thing.name.split()) <= said, (each["prompt"], thing.name)
        scene = parse_scene(each["prompt"])
        for clause in (*scene.include, *scene.exclude) if scene else ():
            assert set(clause.name.split()) <= said


def test_every_prompt_of_the_shapes_suite_is_read_fully() -> None:
    for prompt in read_suite(PROJECT / "prompts" / "shapes.yaml").prompts:
        text = prompt.text
        core, _, background = text.removesuffix(" background").partition(" on a ")
        found = read(text)
        assert describe(text).backgrounds == [background], text
        relation = re.search(r" (left of|right of|above|below) ", core)
        place = re.search(r" ((?:on|at|in) the \w+)$", core)
        parts = re.split(
            r" and | (?:left of|right of|above|below) ", core.removesuffix(place[0] if place else "")
        )
        things = []
        for part in parts:
            number, *qualities, noun = part.split()
            count = {"two": 2, "three": 3, "four": 4}.get(number)
            things.append((singular(noun), count, frozenset(qualities)))
        assert found["things"] == sorted(things, key=key), text
        names = [thing[0] for thing in things]
        assert found["relations"] == ([f"{names[0]} > {relation[1]} > {names[1]}"] if relation else []), text
        assert found["at"] == ([f"{names[0]} > {place[1]}"] if place else []), text
        assert len(parse_questions(text)) >= 4


@pytest.mark.parametrize(
    ("prompt", "left"),
    [
        ("(a red car:1.3)", "a red car"),
        ("((fluffy)) [cat] dog++ bird--, sun", "fluffy cat dog bird, sun"),
        ("a <lora:style:0.8> cat", "a , cat"),
        ("a cat BREAK a dog", "a cat , a dog"),
        ("a {red|blue} car", "a car"),
        ("a [cat:dog:0.5] on a mat", "a on a mat"),
        ("saber \\(fate\\), long_hair", "saber , long hair"),
        ("a cat --ar 16:9 --v 6", "a cat"),
        ("a __colour__ car", "a car"),
        ("embedding:bad-hands , a cat", ", a cat"),
    ],
)
def test_syntax_of_programs_is_taken_out(prompt: str, left: str) -> None:
    assert re.sub(r"\s+", " ", clean(prompt).text).strip() == left


def test_quotes_keep_their_case_and_apostrophes() -> None:
    assert clean("a sign that says 'DON'T Panic'").quoted == ("DON'T Panic",)
    assert clean("“Hello”, the dogs' bowl and the cat's toy").quoted == ("Hello",)


def test_the_plain_sentence_of_a_prompt() -> None:
    text = clean('(A sign:1.2) that says "OPEN", <lora:x:1>, on a wall.\n')
    assert text.sentence == 'A sign that says "OPEN", on a wall'


HOSTILE = [
    "",
    " \n\t",
    "," * MAX_CHARACTERS,
    "(" * 2000 + ")" * 2000,
    "[" * 2000 + "|" * 2000,
    "{|" * 2000,
    "a " * 2000,
    "a red " * 700,
    "no " * 1300,
    "and or " * 600,
    "the cat on " * 400,
    "two " * 1000,
    "'" * MAX_CHARACTERS,
    '"' * MAX_CHARACTERS,
    "a cat's " * 500,
    "is " * 1300,
    "left of right of " * 250,
    "99999999999999999999 cats",
    "0 cats and -3 dogs",
    "一只猫坐在桌子上",
    "قطة حمراء",
    "🐱🐶 a cat 🐱",
    "\u0000\u202e\ufeff a \ud800 cat",
    "ﷺ" * 1000,
    "½ cat, ² dogs, ٣ birds",
    "a" * 100_000,
    "x-" * 2000,
    "a cat with a hat " * 230,
    "--" * 2000,
    "<" * 2000 + ">" * 2000,
    "((((a:1.1):1.1):1.1)",
    "\\" * MAX_CHARACTERS,
    "of of of of in in in with with",
    "a group of a group of a group of",
    "half a dozen",
    "exactly",
    "a single",
    "between and between",
]


@pytest.mark.parametrize("prompt", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_prompts_give_something_sound(prompt: str) -> None:
    sound(prompt)


def test_prompts_drawn_by_lot_give_something_sound() -> None:
    rng = random.Random(11)
    pool = " ".join(each["prompt"] for kind in PROMPTS.values() for each in kind).split()
    pool += [
        ",",
        ".",
        "(",
        ")",
        "[",
        "]",
        "|",
        '"',
        "'",
        "\n",
        "🐱",
        "and",
        "or",
        "no",
        "the",
        "on",
        "of",
        "is",
    ]
    for _ in range(300):
        sound(" ".join(rng.choices(pool, k=rng.randint(1, 40))))


def sound(prompt: str) -> Description:
    found = describe(prompt)
    questions = parse_questions(prompt)
    ids = [question.id for question in questions]
    assert len(ids) == len(set(ids)) <= 60
    assert len({question.text for question in questions}) == len(questions)
    for number, question in enumerate(questions):
        assert question.expected in question.choices
        assert len(set(question.choices)) == len(question.choices)
        assert set(question.parents) <= set(ids[:number])
    scene = parse_scene(prompt)
    for clause in (scene.include, scene.exclude) if scene else ():
        for each in clause:
            assert each.target is None or each.target < len(scene.include if scene else ())
    return found


def test_a_long_prompt_takes_steps_in_proportion_to_its_length() -> None:
    """No clock: the calls that one read makes are counted."""
    import sys

    def calls(prompt: str) -> int:
        made = 0

        def count(*_: Any) -> None:
            nonlocal made
            made += 1

        sys.setprofile(count)
        try:
            describe(prompt)
        finally:
            sys.setprofile(None)
        return made

    for text in (
        "a red cat on a mat next to a dog, ",
        "big red old small ",
        "of the left ",
        "a, b and c or ",
    ):
        short, long = calls(text * 20), calls(text * 80)
        assert long < 6 * short, text


def test_singulars() -> None:
    forms = {
        **{"bus": "buses", "knife": "knives", "sheep": "sheep", "shoe": "shoes", "house": "houses"},
        **{"toothbrush": "toothbrushes", "octopus": "octopuses", "cactus": "cacti", "dress": "dresses"},
        **{"tomato": "tomatoes", "cookie": "cookies", "person": "people", "cross": "crosses"},
    }
    assert [singular(many) for many in forms.values()] == list(forms)
    assert [one for one, many in forms.items() if not is_plural(many)] == ["sheep"]


def test_words_that_only_look_like_plurals_stay() -> None:
    for word in [
        "glass",
        "bus",
        "dress",
        "canvas",
        "cactus",
        "grass",
        "lens",
        "tennis",
        "scissors",
        "sunglasses",
    ]:
        assert singular(word) == word


def test_other_forms() -> None:
    assert [gerund(v) for v in ("run", "sit", "lie", "dance", "see", "eat")] == [
        "running",
        "sitting",
        "lying",
        "dancing",
        "seeing",
        "eating",
    ]
    assert [with_article(n) for n in ("umbrella", "unicorn", "apple", "hourglass", "UFO")] == [
        "an umbrella",
        "a unicorn",
        "an apple",
        "an hourglass",
        "a UFO",
    ]
