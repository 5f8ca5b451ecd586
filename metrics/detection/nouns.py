"""The nouns that detectors know, and the other names that people and label lists have for them."""

import re
from collections.abc import Iterable

# The 80 classes of COCO by the names that GenEval's prompts use.
COCO = tuple(
    """person|bicycle|car|motorcycle|airplane|bus|train|truck|boat|traffic light|fire hydrant|stop sign|
parking meter|bench|bird|cat|dog|horse|sheep|cow|elephant|bear|zebra|giraffe|backpack|umbrella|handbag|tie|
suitcase|frisbee|skis|snowboard|sports ball|kite|baseball bat|baseball glove|skateboard|surfboard|
tennis racket|bottle|wine glass|cup|fork|knife|spoon|bowl|banana|apple|sandwich|orange|broccoli|carrot|
hot dog|pizza|donut|cake|chair|couch|potted plant|bed|dining table|toilet|tv|laptop|computer mouse|
tv remote|computer keyboard|cell phone|microwave|oven|toaster|sink|refrigerator|book|clock|vase|scissors|
teddy bear|hair drier|toothbrush""".replace("\n", "").split("|")
)

# Only names of the same thing: a "man" is a person, but not every person is a man.
_SAME = {
    "aeroplane": "airplane",
    "plane": "airplane",
    "bike": "bicycle",
    "motorbike": "motorcycle",
    "ski": "skis",
    "doughnut": "donut",
    "sofa": "couch",
    "pottedplant": "potted plant",
    "diningtable": "dining table",
    "television": "tv",
    "tvmonitor": "tv",
    "tv monitor": "tv",
    "mouse": "computer mouse",
    "remote": "tv remote",
    "remote control": "tv remote",
    "keyboard": "computer keyboard",
    "cellphone": "cell phone",
    "mobile phone": "cell phone",
    "microwave oven": "microwave",
    "fridge": "refrigerator",
    "hair dryer": "hair drier",
    "hairdryer": "hair drier",
    "tennis racquet": "tennis racket",
}
_GAPS = re.compile(r"[\s_-]+")


def canonical(noun: str) -> str:
    """The one name of a noun: lower case, single spaces, and GenEval's word where there are several."""
    plain = _GAPS.sub(" ", noun).strip().casefold()
    return _SAME.get(plain, plain)


def unknown(nouns: Iterable[str], known: Iterable[str]) -> list[str]:
    """Those of the nouns that are not among the known ones, each once."""
    there = {canonical(noun) for noun in known}
    return [noun for noun in dict.fromkeys(nouns) if canonical(noun) not in there]
