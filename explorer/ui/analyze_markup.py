"""What was chosen to be analyzed, what it costs, and what is kept, as HTML. Pure functions."""

from collections.abc import Sequence
from html import escape

from explorer.answering import asks
from explorer.bundle_reader import Bundle
from explorer.estimates import about
from explorer.imports.foreign import label
from explorer.inventory import Inventory
from explorer.selections import Kept
from explorer.ui.markup import count, facts_list
from explorer.ui.metric_cards import Situation, seconds
from metrics import MetricCard

SHOWN = 8
NO_RUN = (
    "Nothing to analyze yet. Draw pictures in the Generate tab, choose a folder of pictures above, "
    "or take in a results bundle below."
)
NO_CHOICE = "Choose a run above."
NO_SCORES = "This run has no scores yet. Tick metrics and press Score."
SEVERAL = "Several runs are chosen. Press Score, or Put together to look at what they have."
FOLDER = "Press Look to see which models and pictures are in the folder; then Score."


def inventory_view(found: Inventory) -> str:
    """Counts as tiles, and what makes the pictures hard to compare."""
    low, high = found.seeds
    seeds = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    tiles = [
        (f"{found.pictures:,}", "picture" if found.pictures == 1 else "pictures"),
        (f"{len(found.models):,}", "model" if len(found.models) == 1 else "models"),
        (f"{found.prompts:,}", "prompt" if found.prompts == 1 else "prompts"),
        (seeds if found.prompts else "?", "seed a prompt" if seeds == "1" else "seeds a prompt"),
        (f"{found.blank:,}", "blank"),
    ]
    shown = "".join(f"<li><b>{escape(value)}</b> {name}</li>" for value, name in tiles)
    notes = "".join(f"<li>{escape(text)}</li>" for text in found.warnings())
    notes = f'<div class="x-notices"><b>Before you compare</b><ul>{notes}</ul></div>' if notes else ""
    return f'<ul class="x-tiles x-counts">{shown}</ul>{notes}'


def estimate_view(chosen: Sequence[MetricCard], situation: Situation) -> str:
    """What the ticked metrics cost together."""
    if not chosen:
        return '<p class="x-quiet">Tick at least one metric.</p>'
    parts = [count(len(chosen), "metric")]
    taken = seconds(chosen, situation)
    if not situation.pictures:
        pass
    elif taken is None and situation.service and all(_timed(card, situation) for card in chosen):
        parts.append("as fast as the service answers")
    elif taken is None:
        parts.append(f"not timed here yet for all of them, {count(situation.pictures, 'picture')}")
    elif taken == 0:
        parts.append("all scored already: takes moments")
    else:
        parts.append(f"about {about(taken)}")
    return f'<p class="x-quiet">{escape("; ".join(parts))}</p>'


def _timed(card: MetricCard, situation: Situation) -> bool:
    """Whether it is known how long a metric takes, or only the service decides."""
    return asks(card.id) or seconds([card], situation) is not None


def kept_view(kept: Kept) -> str:
    """What scoring left behind, and what clearing it means."""
    size = kept.features_bytes / 1e6
    shown = f"{size:,.0f} MB" if size >= 1 or not size else "less than 1 MB"
    return (
        f"<p>{count(kept.scores, 'score')}. Kept features: <b>{shown}</b>; "
        "clearing them costs time, not results.</p>"
        '<p class="x-quiet">Features are what networks saw in pictures. With them, a picture added to a '
        "group costs one pass instead of the whole group.</p>"
    )


def bundle_view(bundle: Bundle) -> str:
    """What is in a bundle that was read and found sound."""
    models: dict[str, int] = {}
    for record in bundle.records:
        models[record.recipe.model] = models.get(record.recipe.model, 0) + 1
    prompts = len({record.recipe.prompt for record in bundle.records if record.recipe.prompt})
    of = f"of {count(prompts, 'prompt')}" if prompts else "of unknown prompts"
    metrics = ", ".join(dict.fromkeys(f"{row.metric} ({row.tier})" for row in bundle.scores)) or "none"
    names = [f"{label(name)} ({number:,})" for name, number in models.items()]
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    facts = [
        ("Pictures", f"{len(bundle.records):,} {of}"),
        ("Models", ", ".join(names[:SHOWN]) + more),
        ("Scores", f"{len(bundle.scores):,}: {metrics}"),
        ("Made by", label(bundle.manifest.program)),
    ]
    if bundle.manifest.pictures:
        told = "Checked: every picture is the one that was scored. Nothing is taken before you press Import."
    else:
        told = "It holds no pictures, so it can be read but not imported. Ask for it with its pictures."
    title = label(bundle.manifest.title) or "Results without a title"
    return (
        f'<div data-bundle="preview"><h3>{escape(title)}</h3>{facts_list(facts)}'
        f'<p class="x-quiet">{told}</p></div>'
    )
