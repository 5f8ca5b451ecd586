"""What is told about who answers questions, as HTML. Pure functions."""

from html import escape

from explorer.answering import Answering, address_variable, key_variable
from metrics import BackboneCard

SENT = "One request a picture: a JPEG of at most 768 pixels a side, with its questions."


def named(name: str, card: BackboneCard) -> str:
    """A model to choose, with what it costs to have it."""
    return f"{name} ({card.download_mb:,} MB, {card.licence})"


def of_service(answering: Answering, answerer: str, estimate: str) -> str:
    """What asking a service means: what is sent, where, with which key, at what price."""
    key = key_variable(answerer)
    if answering.has_key(answerer):
        known = "A key is set in the environment; one typed here goes before it."
    else:
        known = f"No key is set in the environment ({key})."
    price = ""
    if not answering.priced:
        price = "What it costs is not known; EXPLORER_ANSWER_PRICE sets the price."
    where = (
        f"It is asked at {answering.address(answerer)}; only the setting "
        f"{address_variable(answerer)} changes that."
    )
    lines = [estimate, price, SENT, where, known]
    return f'<ul class="x-told">{"".join(f"<li>{escape(line)}</li>" for line in lines if line)}</ul>'
