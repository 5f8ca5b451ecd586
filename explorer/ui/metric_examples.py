"""A worked example for every metric: small pictures with computed numbers, or the formula by hand.

A new metric needs one entry here; a test fails until it has it. The numbers of `cases` were
computed by the bundled networks, and the test computes them again. `by_hand` is arithmetic
of the formula on made-up inputs, and the page says so.
"""

from collections.abc import Mapping

from explorer.ui.example_drawings import Case, Drawing, Example, Shape
from explorer.ui.question_examples import QUESTION_EXAMPLES

RED, BLUE = "a red circle on a white background", "a blue square on a white background"


def _circle(x: int = 64, y: int = 64, *, seed: int = 0, radius: int = 28, caption: str = "") -> Drawing:
    return Drawing((Shape("circle", "red", x, y, radius),), prompt=RED, seed=seed, caption=caption)


def _square(x: int = 64, y: int = 64, *, seed: int = 0, background: str = "white") -> Drawing:
    return Drawing((Shape("square", "blue", x, y),), background, BLUE, seed)


_COPIES = tuple(_circle(seed=seed) for seed in range(4))
_PLACES = ((34, 36), (94, 40), (40, 92), (90, 90))
_MOVED = tuple(_circle(x, y, seed=seed) for seed, (x, y) in enumerate(_PLACES))
_OTHERS = (
    _circle(seed=0),
    Drawing((Shape("square", "blue", 40, 40),), "beige", RED, 1),
    Drawing((Shape("circle", "yellow", 64, 64, 44),), "navy", RED, 2),
    Drawing((Shape("square", "green", 90, 80, 20), Shape("square", "green", 36, 60, 20)), "black", RED, 3),
)
_WRONG = Drawing((Shape("square", "blue"),), prompt=RED, caption="asked for: a red circle")
_MIX = (_circle(seed=0), _circle(34, 36, seed=1), _square(seed=0), _square(34, 36, seed=1))
_ONE_LOOK = (
    _circle(seed=0),
    _circle(34, 36, seed=1),
    Drawing((Shape("circle", "red"),), prompt=BLUE, seed=0),
    Drawing((Shape("circle", "red", 34, 36),), prompt=BLUE, seed=1),
)
_CONSENSUS = tuple(
    Drawing((Shape("circle", "red", x, y),), prompt=RED, model=model, caption=f"model {model}")
    for model, x, y in (("A", 64, 64), ("B", 34, 36), ("C", 50, 60))
)
_DISSENT = Drawing((Shape("square", "blue"),), prompt=RED, model="A", caption="model A")
_PIECES = Drawing(
    (
        Shape("circle", "red", 40, 40, 20),
        Shape("circle", "red", 92, 88, 14),
        Shape("circle", "red", 96, 36, 8),
        Shape("circle", "red", 30, 96, 8),
    ),
    prompt=RED,
    caption="four objects",
)

EXAMPLES: Mapping[str, Example] = {
    "clip_score": Example(
        (
            Case("What was asked for", (_circle(caption="asked for: a red circle"),), 76.66),
            Case("Something else", (_WRONG,), 37.26),
        ),
        lesson="The same prompt, two pictures: the one that shows it scores higher. The value of one picture "
        "means little; the difference between models on the same prompts does.",
    ),
    "lpips_diversity": Example(
        (
            Case("Four copies", _COPIES, 0.0),
            Case("The same thing, moved", _MOVED, 0.4553),
            Case("Four different pictures", _OTHERS, 0.5725),
        ),
        lesson="Mean over the six pairs of four seeds. The third row is the most varied, and it is wrong: "
        "three of its pictures do not show the prompt. That is why variety is read beside adherence.",
    ),
    "ms_ssim_diversity": Example(
        (
            Case("Four copies", _COPIES, 0.0),
            Case("The same thing, moved", _MOVED, 0.411),
            Case("Four different pictures", _OTHERS, 0.7089),
        ),
        lesson="Compares structure pixel by pixel, so moving the same circle already counts as different.",
    ),
    "cross_prompt_diversity": Example(
        (
            Case("Two prompts, two seeds each", _MIX, 0.2621),
            Case("One look for both prompts", _ONE_LOOK, 0.0),
        ),
        lesson="Pictures of different prompts at the same seed are compared. A model that draws the circle "
        "whatever it is asked for gets 0, though its seeds differ.",
    ),
    "vendi_prompt": Example(
        (
            Case("Four copies", _COPIES, 1.0),
            Case("The same thing, moved", _MOVED, 1.474),
            Case("Four different pictures", _OTHERS, 3.346),
        ),
        lesson="Read it as a number of pictures: four copies are one picture, four unlike ones at most four.",
    ),
    "vendi": Example(
        (
            Case("One look for both prompts", _ONE_LOOK, 1.326),
            Case("Two prompts, two looks", _MIX, 2.209),
        ),
        lesson="Over all pictures of a model: how many truly different ones they amount to.",
    ),
    "reference_similarity": Example(
        (
            Case("The same", (_circle(),), 1.0, _circle(caption="reference")),
            Case("Moved", (_circle(34, 36),), 0.6021, _circle(caption="reference")),
            Case("Another thing", (_square(background="navy"),), 0.5986, _circle(caption="reference")),
        ),
        lesson="1 is the reference itself. To the small bundled network the right circle moved aside is "
        "about as "
        "far from it as a blue square on navy: likeness is not correctness.",
    ),
    "reference_ssim": Example(
        (
            Case("The same", (_circle(),), 1.0, _circle(caption="reference")),
            Case("Moved", (_circle(34, 36),), 0.8252, _circle(caption="reference")),
            Case("Another thing in its place", (_square(),), 0.8613, _circle(caption="reference")),
        ),
        lesson="A blue square in the right place is closer, pixel by pixel, than the right circle moved "
        "aside.",
    ),
    "pickscore": Example(
        by_hand=(
            "The network gives picture and prompt a cosine, and multiplies it by its trained scale, about "
            "100.",
            "Picture A, cosine 0.215: 100 x 0.215 = 21.5. Picture B, cosine 0.209: 100 x 0.209 = 20.9.",
            "Chance that people pick A over B: 1 / (1 + exp(20.9 - 21.5)) = 1 / (1 + 0.549) = 0.646.",
        ),
        lesson="Numbers lie around 20 and differ little; a difference of 1 is a choice of 73 in 100.",
    ),
    "hpsv2": Example(
        by_hand=(
            "100 x the cosine of picture and prompt.",
            "Picture A, cosine 0.284: 28.4. Picture B, cosine 0.271: 27.1. A is liked better by 1.3.",
        ),
        lesson="Only pictures of the same prompt are compared; the mean over prompts follows the suite.",
    ),
    "aesthetic": Example(
        by_hand=(
            "The picture becomes 768 numbers of length 1; the predictor is one weighted sum of them, plus "
            "a constant.",
            "With two numbers in place of 768: weights 4 and -2, constant 5. Picture (0.8, 0.6): "
            "4 x 0.8 - 2 x 0.6 + 5 = 7.0. Picture (0.6, 0.8): 4 x 0.6 - 2 x 0.8 + 5 = 5.8.",
        ),
        lesson="It never reads the prompt: a beautiful picture of the wrong thing scores as high.",
    ),
    **QUESTION_EXAMPLES,
    "semantic_match": Example(
        (
            Case("Moved", (_circle(34, 36),), 0.9185, _circle(caption="reference")),
            Case("Another thing", (_WRONG,), 0.0632, _circle(caption="reference")),
        ),
        lesson="What is on the picture counts, not where: the moved circle is nearly the reference, the "
        "square "
        "is not. Of several references the best one counts.",
    ),
    "semantic_consensus": Example(
        (
            Case("Like what the others drew", _CONSENSUS, 0.9684),
            Case("Unlike what the others drew", (_DISSENT, *_CONSENSUS[1:]), 0.0636),
        ),
        lesson="The first picture is judged by the pictures of the other models for the same prompt. It "
        "says who "
        "differs from the others, not who is right.",
    ),
    "semantic_text": Example(
        by_hand=(
            "Picture and prompt become 2,048 numbers of length 1 each; the value is the sum of their "
            "products.",
            "With two numbers in place of 2,048: prompt (0.6, 0.8). Picture A (0.8, 0.6): "
            "0.6 x 0.8 + 0.8 x 0.6 = 0.96. Picture B (1.0, 0.0): 0.6 x 1.0 + 0.8 x 0.0 = 0.6.",
        ),
        lesson="Picture A is nearer to the words. Half of a picture's numbers tell of it as a whole, half "
        "are the mean over its places.",
    ),
    "deep_diversity": Example(
        (
            Case("Four copies", _COPIES, 0.0),
            Case("The same thing, moved", _MOVED, 1.162),
            Case("Four different pictures", _OTHERS, 1.245),
        ),
        lesson="Compares what a deep network sees at each place, so moving the circle counts nearly as "
        "much as "
        "drawing something else. Read it beside adherence.",
    ),
    "vendi_dino_prompt": Example(
        (
            Case("Four copies", _COPIES, 1.0),
            Case("The same thing, moved", _MOVED, 1.395),
            Case("Four different pictures", _OTHERS, 3.750),
        ),
        lesson="Read it as a number of pictures: four copies are one, four unlike ones nearly four.",
    ),
    "vendi_dino": Example(
        (
            Case("One look for both prompts", _ONE_LOOK, 1.186),
            Case("Two prompts, two looks", _MIX, 2.277),
        ),
        lesson="Over all pictures of a model: how many truly different ones they amount to.",
    ),
    "object_integrity": Example(
        (
            Case("A whole circle", (_circle(caption="one object"),), 0.1507),
            Case("The same area in pieces", (_PIECES,), 0.1573),
        ),
        (
            "Attention over four patches: 0.7, 0.1, 0.1, 0.1. Entropy: 0.94 of at most 1.39, so the "
            "concentration is 1 - 0.94 / 1.39 = 0.32.",
            "A tenth of the attention lies in the ring just outside the object: 0.32 x (1 - 0.1) = 0.29.",
        ),
        "The small bundled network does not tell the two apart: flat shapes are no bodies. Use a larger "
        "one, and "
        "look at the pictures.",
    ),
    "batch_quality": Example(
        by_hand=(
            "KID compares all pairs within the folder, within the reference, and across, by the kernel "
            "(x . y / d + 1) cubed.",
            "Mean within the folder 3.2, within the reference 3.4, across 3.1: 3.2 + 3.4 - 2 x 3.1 = 0.4.",
            "A folder drawn from the reference itself comes out near 0, sometimes a little below.",
        ),
        lesson="Lower is more natural. It speaks of a whole folder, never of one picture.",
    ),
}
