"""Questions about drawn scenes, with their true answers.

A question is about a *subject*: objects of a color, of a shape, of both, or of any kind; X stands
for its words below ("red circle", "circle", "red object", "red shape"), N for a number ("two" or
"2"). IMAGE is "the image", "this image", "the picture" or "this picture"; "in IMAGE" may follow
wherever "(in)" stands. Answers are "yes", "no", "0" to "4", a color, a shape or a background.

| skill | wordings |
|---|---|
| object | is there a X (in)? does IMAGE contain a X? does IMAGE show a X? are there any Xs (in)? can you see a X (in)? |
| count | how many Xs are there (in)? how many Xs are in IMAGE? how many Xs does IMAGE show? are there (exactly) N Xs (in)? does IMAGE show N Xs? is there (exactly) one X (in)? |
| color | what color is the X (in)? what color are the Xs (in)? is the X red (in)? are the Xs red (in)? |
| shape | what shape is the X (in)? what shape are the Xs (in)? is the X a star (in)? are the Xs stars (in)? |
| size | is the X small (in)? is there a large X (in)? |
| background | what color is the background (of IMAGE)? what is the background color? is the background white? does IMAGE have a white background? is there a white background? is the X on a white background? |
| place | is the X on the left (of IMAGE)? is there a X on the left (of IMAGE)? and so for right, at the top, at the bottom, in the center |
| relation | is the X left of the Y? is the X to the left of the Y? is there a X left of a Y? and so for right of, above, below |
| caption | does IMAGE show C? is this a picture of C? is this an image of C? where C is a caption of `world.py` |

What is not there makes every yes-or-no question about it a "no". Numbers are exact. Wrong
statements are mostly near misses: one attribute off, or attributes of two objects exchanged.
A place, relation or size is asked for only where the answer is beyond doubt.
"""  # noqa: E501

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from training.askers import IMAGES, SKILLS
from training.subjects import Question
from training.world import BACKGROUNDS, COLORS, SHAPES, Scene, vocabulary

ANSWERS = ("yes", "no", "0", "1", "2", "3", "4", *COLORS, *SHAPES, *BACKGROUNDS)
_WORDING = (
    "is are there does contain show have can you see any how many in exactly what color shape small large "
    "object objects shapes of to the one"
)


def question_words() -> list[str]:
    """Returns every word of questions and answers, sorted."""
    return sorted(set(" ".join([_WORDING, *IMAGES, *ANSWERS, *vocabulary()]).split()))


def ask(rng: random.Random, scene: Scene, skill: str, tries: int = 12) -> Question | None:
    """Asks a question that needs a skill; half of the yes-or-no questions are for a "yes".

    Args:
        rng: Source of chance.
        scene: What the picture shows.
        skill: A name in `SKILLS`.
        tries: How often to try.

    Returns:
        A question with its mark, or None where the skill does not suit the scene.
    """
    wanted = rng.random() < 0.5
    for _ in range(tries):
        question = SKILLS[skill](rng, scene, wanted)
        if question is not None:
            mark = "?" if rng.random() < 0.9 else ""
            return replace(question, text=question.text + mark)
    return None


def ask_several(rng: random.Random, scene: Scene, count: int, weights: Sequence[float]) -> list[Question]:
    """Asks several questions about one picture.

    Args:
        rng: Source of chance.
        scene: What the picture shows.
        count: How many.
        weights: How often each skill is drawn, in the order of `SKILLS`.

    Returns:
        The questions; few are equal.
    """
    asked: list[Question] = []
    while len(asked) < count:
        question = ask(rng, scene, rng.choices(list(SKILLS), weights)[0], tries=4)
        if question is not None:
            asked.append(question)
    return asked
