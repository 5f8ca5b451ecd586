"""Worked examples of the metrics that ask an answerer or a detector, on pictures drawn here."""

from collections.abc import Mapping

from explorer.ui.example_drawings import Case, Drawing, Example, Shape

_PAIR = "two red circles on a white background"
_PAIR_ASKED = "asked for: two red circles"
_TWO = Drawing(
    (Shape("circle", "red", 36, 64, 22), Shape("circle", "red", 92, 64, 22)),
    prompt=_PAIR,
    caption=_PAIR_ASKED,
)
_ONE = Drawing((Shape("circle", "red"),), prompt=_PAIR, caption=_PAIR_ASKED)
_BLUE_ONES = Drawing(
    (Shape("circle", "blue", 36, 64, 22), Shape("circle", "blue", 92, 64, 22)),
    prompt=_PAIR,
    caption=_PAIR_ASKED,
)
_NONE = Drawing((), prompt=_PAIR, caption=_PAIR_ASKED)
_LEFT_OF = "a red circle to the left of a blue square on a white background"
_BESIDE = Drawing(
    (Shape("circle", "red", 34, 64, 22), Shape("square", "blue", 94, 64, 20)),
    prompt=_LEFT_OF,
    caption="asked for: circle left of square",
)
_SWAPPED = Drawing(
    (Shape("circle", "red", 94, 64, 22), Shape("square", "blue", 34, 64, 20)),
    prompt=_LEFT_OF,
    caption="asked for: circle left of square",
)

QUESTION_EXAMPLES: Mapping[str, Example] = {
    "tifa": Example(
        (
            Case("Two red circles, as asked", (_TWO,), 1.0),
            Case("One of them", (_ONE,), 0.8),
            Case("Nothing at all", (_NONE,), 0.4),
        ),
        lesson="Five questions: are there circles, how many, in which colour, on which background, and, to "
        "see whether the answerer always says yes, are they yellow. One circle misses the count: 4 of 5. "
        "Of the empty picture two answers are right: the background, and that nothing is yellow.",
    ),
    "dsg": Example(
        (
            Case("Two red circles, as asked", (_TWO,), 1.0),
            Case("Blue ones", (_BLUE_ONES,), 0.8),
            Case("Nothing at all", (_NONE,), 0.2),
        ),
        lesson="The same five questions as for TIFA, which gives the empty picture 0.4. Here the question "
        "about yellow circles depends on the one whether there are circles; there are none, so its lucky "
        "right answer is taken back: 1 of 5.",
    ),
    "soft_tifa": Example(
        (
            Case("Two red circles, as asked", (_TWO,), 0.9956),
            Case("One of them", (_ONE,), 0.2794),
            Case("Blue ones", (_BLUE_ONES,), 0.1662),
        ),
        (
            "Chance that the answerer gives the expected answer: 0.9, 0.8, 0.4.",
            "Arithmetic mean (skills): (0.9 + 0.8 + 0.4) / 3 = 0.70. "
            "Geometric mean (whole prompt): (0.9 x 0.8 x 0.4) to the power 1/3 = 0.66.",
        ),
        "TIFA gives both faulty pictures 0.8. The geometric mean falls far when one part of the prompt is "
        "surely missed, and the farther the surer.",
    ),
    "vqa_score": Example(
        (
            Case("Two red circles, as asked", (_TWO,), 0.9783),
            Case("One of them", (_ONE,), 0.7633),
            Case("Blue ones", (_BLUE_ONES,), 0.0009),
        ),
        (
            'The answerer\'s first word is "yes" with weight 2.0 and "no" with weight 0.5: '
            "P(yes) = exp(2.0) / (exp(2.0) + exp(0.5)) = 7.39 / (7.39 + 1.65) = 0.82.",
        ),
        "One question: does this image show two red circles on a white background? The small answerer is "
        "strict about colours and lenient about counts, and one number does not say which part was missed.",
    ),
    "geneval": Example(
        (
            Case("A red circle to the left of a blue square, as asked", (_BESIDE,), 1.0),
            Case("The other way round", (_SWAPPED,), 0.0),
            Case("Two red circles were asked for", (_ONE,), 0.0),
        ),
        (
            "Left of: the circle's centre is at x = 34, the square's at x = 94, 44 and 40 wide.",
            "94 - 34 = 60, less 0.1 x (44 + 40) = 51.6. 51.6 / 60 = 0.86, over 0.5: left of it.",
        ),
        "All or nothing: things, counts, colours and places must all be right.",
    ),
    "geneval_overall": Example(
        by_hand=(
            "Right prompts by task: single object 9 of 10, two objects 6 of 10, counting 2 of 5, colours 8 "
            "of 10.",
            "Mean of the tasks: (0.9 + 0.6 + 0.4 + 0.8) / 4 = 0.675. Not 25 of 35 = 0.714.",
        ),
        lesson="Each task weighs the same, however many prompts it has.",
    ),
}
