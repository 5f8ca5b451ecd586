"""Metrics to choose from, as cards; and for each a dialog that explains it. Pure functions.

Everything is made of the metric's card. A new metric needs nothing here.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

from explorer.answering import asks, is_service, needs_probabilities
from explorer.estimates import about
from explorer.types import Tier
from explorer.ui.example_drawings import Case, Drawing, Example, data_address
from explorer.ui.markup import facts_list, number
from explorer.ui.metric_examples import EXAMPLES
from metrics import BackboneCard, MetricCard

GROUPS = {
    "adherence": ("Adherence", "Does the picture show what was asked for?"),
    "variety": ("Variety", "How different are the pictures? Neither good nor bad by itself."),
    "quality": ("Quality", "How good does it look?"),
    "reference": ("Reference", "Is it like a picture that is known to be right?"),
}
QUICK = ("clip_score", "lpips_diversity")
LEVELS = {"image": "a picture", "prompt": "a prompt of a model", "model": "a model"}
_BETTER = {"higher": "higher", "lower": "lower", "neutral": "neither"}
_SMALL, _MIDDLE = 20_000_000, 150_000_000
"""Parameters of a network that is quick anywhere, and of one that is bearable without a GPU."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What the cards are shown for."""

    tier: Tier = "bundled"
    pictures: int = 0
    speeds: Mapping[str, float] = field(default_factory=dict)
    """Seconds a picture took each network here."""
    scored: Mapping[str, int] = field(default_factory=dict)
    """Metric id -> pictures that have a score of this tier already."""
    absent: Collection[str] = ()
    """Ids of networks that would have to be fetched."""
    references: bool = False
    """Whether the pictures have references to be compared with."""
    sets: bool = False
    """Whether there is a set that whole folders can be compared with."""
    answerer: str = ""
    """Who answers questions, as requests name it; "" for the network of the tier."""
    answers: BackboneCard | None = None
    """What is known of that answerer; None for the network of the tier."""

    @property
    def service(self) -> bool:
        """Whether pictures would leave this computer."""
        return is_service(self.answerer)

    def network(self, card: MetricCard) -> BackboneCard | None:
        """What a metric would be computed with; None when it cannot be."""
        if self.answers is not None and asks(card.id):
            return None if self.service and needs_probabilities(card.id) else self.answers
        return card.backbones.get(self.tier)


def offered(card: MetricCard, situation: Situation) -> bool:
    """Whether the tier, or who was chosen to answer, can compute a metric at all."""
    return situation.network(card) is not None


def quick_look(cards: Iterable[MetricCard], situation: Situation) -> list[str]:
    """A first impression: adherence, and variety beside it."""
    return [card.id for card in cards if card.id in QUICK and offered(card, situation)]


def without_download(cards: Iterable[MetricCard], situation: Situation) -> list[str]:
    """Everything that can give values now: nothing to fetch, and what it compares with is there."""
    return [
        card.id
        for card in cards
        if offered(card, situation)
        and not _fetched(card, situation)
        and not _lacks(card, situation)
        and not (situation.service and asks(card.id))
    ]


def seconds(chosen: Iterable[MetricCard], situation: Situation) -> float | None:
    """How long metrics take together, each network once; None when one was never timed here."""
    total = 0.0
    for network, metrics in _by_network(chosen, situation).items():
        left = max((situation.pictures - situation.scored.get(m.id, 0) for m in metrics), default=0)
        if left > 0:
            if network not in situation.speeds:
                return None
            total += left * situation.speeds[network]
    return total


def picker(cards: Sequence[MetricCard], situation: Situation) -> str:
    """Every metric as a card with a tick box, by group."""
    groups = []
    for key, (name, question) in GROUPS.items():
        inside = "".join(_card(card, situation) for card in cards if card.group == key)
        if inside:
            groups.append(
                f'<fieldset class="x-picks"><legend>{name} <small>{question}</small></legend>'
                f"{inside}</fieldset>"
            )
    return "".join(groups)


def _card(card: MetricCard, situation: Situation) -> str:
    able = offered(card, situation)
    name = escape(card.id)
    experimental = '<i class="x-chip">experimental</i>' if card.status == "experimental" else ""
    return (
        f'<div class="x-pick{"" if able else " x-off"}"><label>'
        f'<input type="checkbox" value="{name}"{"" if able else " disabled"}>'
        f"<span><b>{escape(card.name)}</b>{experimental}<span>{escape(card.question)}</span>"
        f"<small>{escape(_facts(card, situation))}</small></span></label>"
        f'<button type="button" class="x-help" data-dialog="metric-{name}" '
        f'aria-label="What {escape(card.name)} means" title="What it means">?</button></div>'
    )


def _facts(card: MetricCard, situation: Situation) -> str:
    """Cost, download and licence under a card, in one line."""
    network = situation.network(card)
    if network is None and situation.service and asks(card.id):
        return "Needs probabilities, which services do not give: choose an answerer on this computer."
    if network is None:
        return f"Not in this tier; there is: {', '.join(card.backbones)}."
    parts = [cost(card, situation)]
    if situation.service and asks(card.id):
        parts.append(f"asks {network.id}, which gets the pictures")
    elif _fetched(card, situation):
        parts.append(f"fetches {network.download_mb:,} MB once, licence {network.licence}")
    elif network.download_mb:
        parts.append(f"already fetched, licence {network.licence}")
    else:
        parts.append("nothing to fetch")
    if lacking := _lacks(card, situation):
        parts.append(lacking)
    return "; ".join(parts)


def cost(card: MetricCard, situation: Situation) -> str:
    """What a metric costs for the chosen pictures: measured here, else by the size of its network."""
    network = situation.network(card) or card.backbones[situation.tier]
    known = situation.scored.get(card.id, 0)
    if situation.pictures and known >= situation.pictures:
        return "scored already"
    if situation.service and asks(card.id):
        return "one request a picture"
    taken = seconds([card], situation)
    if situation.pictures and taken is not None:
        return f"about {about(taken)} for {_these(situation.pictures - known)}"
    if network.parameters <= _SMALL:
        return "quick"
    return "minutes without a GPU" if network.parameters <= _MIDDLE else "slow without a GPU"


def compares_folders(card: MetricCard) -> bool:
    """Whether it compares all pictures of a model with a set of good ones."""
    return "reference set" in card.needs


def _lacks(card: MetricCard, situation: Situation) -> str:
    """What it has to compare with but is not there, in words; "" when nothing."""
    if situation.references:
        return ""
    if compares_folders(card):
        return "" if situation.sets else "needs a reference set"
    return "needs reference pictures" if any("reference" in need for need in card.needs) else ""


def _these(pictures: int) -> str:
    return "this picture" if pictures == 1 else f"these {pictures:,} pictures"


def _fetched(card: MetricCard, situation: Situation) -> bool:
    """Whether something of its network would be fetched; a network may stand on another one."""
    found = situation.network(card)
    network = found.id if found else ""
    return any(part in situation.absent for part in (network, *network.split(" + ")))


def _by_network(chosen: Iterable[MetricCard], situation: Situation) -> dict[str, list[MetricCard]]:
    networks: dict[str, list[MetricCard]] = {}
    for card in chosen:
        network = situation.network(card)
        if network is not None:
            networks.setdefault(network.id, []).append(card)
    return networks


def dialogs(cards: Iterable[MetricCard]) -> str:
    """A closed dialog for each metric; `page.js` opens them."""
    return "".join(dialog(card) for card in cards)


def dialog(card: MetricCard) -> str:
    """Everything there is to know about a metric, with a worked example."""
    name = escape(card.id)
    facts = [
        ("Formula", card.formula),
        ("Range", _range(card.range)),
        ("Better is", _BETTER[card.direction]),
        ("One value for", LEVELS[card.level]),
        ("Reads", ", ".join(card.needs)),
        *((f"Network, {tier}", _backbone(network)) for tier, network in card.backbones.items()),
        ("Source", card.citation),
        ("Status", f"{card.status}, version {card.version}"),
    ]
    weak = "".join(f"<li>{escape(text)}</li>" for text in card.weaknesses)
    return (
        f'<dialog id="metric-{name}" class="x-dialog" aria-labelledby="metric-{name}-name">'
        f'<form method="dialog"><h2 id="metric-{name}-name">{escape(card.name)}</h2>'
        '<button class="x-close" aria-label="Close" title="Close">×</button></form>'
        f'<p class="x-lead">{escape(card.question)}</p>{_example(card, EXAMPLES.get(card.id))}'
        f"<h3>What it gets wrong</h3><ul>{weak}</ul><h3>In detail</h3>{facts_list(facts)}</dialog>"
    )


def _example(card: MetricCard, example: Example | None) -> str:
    if example is None:
        return ""
    rows = "".join(_case(case) for case in example.cases)
    told = "Pictures drawn for this, values computed by the bundled network."
    if len({network.id for network in card.backbones.values()}) > 1:
        told += " Other networks have another scale."
    else:
        told = "Pictures drawn for this, values computed."
    by_hand = "The formula by hand, on made-up numbers."
    if "bundled" not in card.backbones:
        by_hand += " No small network for it comes with the program."
    steps = "".join(f"<li>{escape(text)}</li>" for text in example.by_hand)
    parts = [f'<p class="x-quiet">{told}</p>{rows}'] if rows else []
    parts += [f'<p class="x-quiet">{by_hand}</p><ol>{steps}</ol>'] if steps else []
    return (
        f'<section class="x-example"><h3>An example</h3>{"".join(parts)}'
        f"<p>{escape(example.lesson)}</p></section>"
    )


def _case(case: Case) -> str:
    shown = [*case.pictures, *((case.reference,) if case.reference else ())]
    prompts = dict.fromkeys(picture.prompt for picture in case.pictures)
    pictures = "".join(_picture(picture, several=len(prompts) > 1) for picture in shown)
    return (
        f'<div class="x-case"><b>{escape(case.label)}</b><output>{number(case.value)}</output>'
        f"<div>{pictures}</div></div>"
    )


def _picture(picture: Drawing, *, several: bool) -> str:
    asked = f", {picture.prompt.split(' on ')[0]}" if several else ""
    caption = picture.caption or f"seed {picture.seed}{asked}"
    return (
        f'<figure><img src="{data_address(picture)}" width="96" height="96" alt="{escape(_seen(picture))}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _seen(picture: Drawing) -> str:
    shapes = " and ".join(f"a {shape.color} {shape.kind}" for shape in picture.shapes)
    return f"{shapes or 'nothing'} on {picture.background}"


def _range(limits: tuple[float | None, float | None]) -> str:
    low, high = ("no limit" if limit is None else f"{limit:g}" for limit in limits)
    return f"{low} to {high}"


def _backbone(network: BackboneCard) -> str:
    size = f"{network.parameters / 1e6:,.1f} million parameters" if network.parameters else ""
    fetch = f"{network.download_mb:,} MB to fetch once" if network.download_mb else "nothing to fetch"
    return ", ".join(part for part in (network.id, size, fetch, f"licence {network.licence}") if part)
