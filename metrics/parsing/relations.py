"""The words for how things lie to one another, and where on a picture they are."""

from metrics.parsing.words import phrases

RELATIONS = {
    "to the left of": "left of",
    "on the left of": "left of",
    "on the left side of": "left of",
    "at the left of": "left of",
    "left of": "left of",
    "to the right of": "right of",
    "on the right of": "right of",
    "on the right side of": "right of",
    "at the right of": "right of",
    "right of": "right of",
    "on top of": "on top of",
    "atop": "on top of",
    "above": "above",
    "over": "above",
    "hovering over": "above",
    "below": "below",
    "beneath": "under",
    "underneath": "under",
    "under": "under",
    "in front of": "in front of",
    "behind": "behind",
    "in back of": "behind",
    "inside of": "inside",
    "inside": "inside",
    "within": "inside",
    "in between": "between",
    "between": "between",
    "next to": "next to",
    "beside": "next to",
    "alongside": "next to",
    "close to": "near",
    "near": "near",
    "on": "on",
    "upon": "on",
    "onto": "on",
    "in": "in",
    "into": "into",
    "at": "at",
    "against": "against",
    "around": "around",
    "among": "among",
    "amid": "among",
    "across from": "across from",
    "outside": "outside",
}
INVERSE = {
    "left of": "right of",
    "right of": "left of",
    "above": "below",
    "below": "above",
    "in front of": "behind",
    "behind": "in front of",
    "on top of": "under",
    "on": "under",
    "under": "on top of",
}
DETECTABLE = {"left of": "left of", "right of": "right of", "above": "above", "below": "below"}
"""Relations that boxes decide, as GenEval has them."""

POSITIONS = {
    "on the left": "on the left",
    "on the left side": "on the left",
    "on the left hand side": "on the left",
    "to the left": "on the left",
    "at the left": "on the left",
    "on the right": "on the right",
    "on the right side": "on the right",
    "on the right hand side": "on the right",
    "to the right": "on the right",
    "at the right": "on the right",
    "at the top": "at the top",
    "at the bottom": "at the bottom",
    "in the center": "in the center",
    "in the centre": "in the center",
    "at the center": "in the center",
    "in the middle": "in the center",
    "in the top left corner": "in the top left corner",
    "in the top right corner": "in the top right corner",
    "in the bottom left corner": "in the bottom left corner",
    "in the bottom right corner": "in the bottom right corner",
    "in the foreground": "in the foreground",
    "in the background": "in the background",
    "in the distance": "in the background",
}
OTHER_POSITION = {
    "on the left": "on the right",
    "on the right": "on the left",
    "at the top": "at the bottom",
    "at the bottom": "at the top",
    "in the center": "at the top",
    "in the top left corner": "in the bottom right corner",
    "in the top right corner": "in the bottom left corner",
    "in the bottom left corner": "in the top right corner",
    "in the bottom right corner": "in the top left corner",
}

ASKED_RELATIONS = phrases(
    "left of, right of, on top of, above, below, under, in front of, behind, inside, between, next to, "
    "near, on, in"
)
"""Relations that a question is made of; the others only lead to another thing."""
