"""Which answerer an analysis asks: with its key, its budget, and what it said before.

A key comes from the environment or with one analysis, and goes to the server of the settings
only: requests, which also come from other computers, cannot name another one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import SecretStr

import metrics
from explorer.errors import InvalidRequest
from explorer.requests import AnalyzeRequest
from explorer.settings import Settings
from explorer.types import ScoreRow

Spent = Callable[[metrics.Spending], None]


def key_variable(answerer: str) -> str:
    """The environment variable for the key of a service."""
    gemini = metrics.answerer_kind(answerer) == "gemini"
    return "EXPLORER_GOOGLE_KEY" if gemini else "EXPLORER_OPENAI_KEY"


def address_variable(answerer: str) -> str:
    """The environment variable for the address of a service."""
    gemini = metrics.answerer_kind(answerer) == "gemini"
    return "EXPLORER_GEMINI_URL" if gemini else "EXPLORER_OPENAI_URL"


def asks(metric: str) -> bool:
    """Whether a metric asks an answerer about pictures."""
    return isinstance(metrics.create_metric(metric), metrics.AnswerMetric)


def needs_probabilities(metric: str) -> bool:
    """Whether a metric needs to know how sure the answerer is, which services do not tell."""
    found = metrics.create_metric(metric)
    return isinstance(found, metrics.AnswerMetric) and found.soft


def is_service(answerer: str) -> bool:
    """Whether an answerer is behind an API, so that pictures leave this computer."""
    return bool(answerer) and metrics.answerer_kind(answerer) != "local"


def check_answerer(request: AnalyzeRequest) -> None:
    """Refuse an answerer that there is not, and a budget that is none.

    Raises:
        InvalidRequest: Says what there is.
    """
    try:
        if request.answerer:
            metrics.answerer_kind(request.answerer)
        metrics.Budget(request.most_requests, request.most_dollars)
    except (metrics.UnknownAnswerer, ValueError) as error:
        raise InvalidRequest(str(error)) from error


def scores_asked_for(request: AnalyzeRequest, scores: Sequence[ScoreRow]) -> list[ScoreRow]:
    """The scores of the request's metrics, by its answerer where that gave one, else of its tier."""
    weights: str = request.tier
    if request.answerer:
        weights = metrics.counted_as(metrics.answerer_id(request.answerer))
    answered = {score.metric for score in scores if score.tier == weights}
    return [
        score
        for score in scores
        if score.metric in request.metrics
        and score.tier == (weights if score.metric in answered else request.tier)
    ]


@dataclass(frozen=True, slots=True)
class Answering:
    """Finds answerers with the settings of the program."""

    settings: Settings

    def source(
        self,
        request: AnalyzeRequest,
        key: SecretStr | None = None,
        stop: Callable[[], bool] = lambda: False,
        spent: Spent = lambda spending: None,
    ) -> metrics.AnswererSource | None:
        """The chosen answerer; None where the tier's is to be asked.

        Args:
            request: Names it, and what it may cost.
            key: For this analysis only; None takes the one of the settings.
            stop: Asked while a service is waited for.
            spent: Told after every request.

        Raises:
            InvalidRequest: There is no such answerer.
        """
        if not request.answerer:
            return None
        settings = self.settings
        session = metrics.AnsweringSession(
            key=key or self._key(request),
            answers=metrics.AnswerFile(settings.answers),
            spending=metrics.Spending(
                metrics.Budget(request.most_requests, request.most_dollars), self._price
            ),
            per_minute=settings.answers_per_minute,
            stop=stop,
            tell=spent,
        )
        # Without consent a model that is not here is not even looked up.
        hub = settings.hf_endpoint if request.download and not settings.offline else None
        where = metrics.Whereabouts(settings.assets, hub, session, self._url(request))
        try:
            return metrics.find_answerer(request.answerer, where)
        except metrics.UnknownAnswerer as error:
            raise InvalidRequest(str(error)) from error

    def card(self, answerer: str) -> metrics.BackboneCard | None:
        """What is known of an answerer; None for that of the tier.

        Raises:
            InvalidRequest: There is no such answerer.
        """
        source = self.source(AnalyzeRequest(answerer=answerer))
        return source.card if source else None

    def has_key(self, answerer: str) -> bool:
        """Whether the environment has a key for a service."""
        return self._key(AnalyzeRequest(answerer=answerer)) is not None

    def address(self, answerer: str) -> str:
        """Where a service is asked; only the settings say so."""
        return self._url(AnalyzeRequest(answerer=answerer))

    @property
    def priced(self) -> bool:
        """Whether it is known what a service takes."""
        return self._price is not None

    def check_key(self, request: AnalyzeRequest, key: SecretStr | None = None) -> None:
        """Refuse a service that would answer nothing for want of a key, or of a price to stay under.

        Raises:
            InvalidRequest: Says what to set.
        """
        if not is_service(request.answerer) or not any(map(asks, request.metrics)):
            return
        source = self.source(request, key)
        if isinstance(source, metrics.RemoteSource) and source.needs_key and not source.session.key:
            raise InvalidRequest(
                f"{request.answerer} needs a key: give it on the page, or set "
                f"{key_variable(request.answerer)}."
            )
        if request.most_dollars is not None and not self.priced:
            raise InvalidRequest(
                "A limit in dollars needs the price: set EXPLORER_ANSWER_PRICE, or limit the requests."
            )

    def estimate(self, request: AnalyzeRequest, pictures: int) -> str:
        """What an answerer behind an API would be asked at most, in words; "" where none is chosen."""
        if not is_service(request.answerer):
            return ""
        found = metrics.estimate(pictures, self._price)
        money = "" if found.dollars is None else f", about ${found.dollars:.2f}"
        return (
            f"{request.answerer}: at most {found.requests:,} requests{money}; fewer where answers are kept, "
            "more where a request must be tried again."
        )

    @property
    def _price(self) -> metrics.Price | None:
        if not self.settings.answer_price:
            return None
        read, written = self.settings.answer_price.split(",")
        return metrics.Price(float(read), float(written))

    def _key(self, request: AnalyzeRequest) -> SecretStr | None:
        gemini = metrics.answerer_kind(request.answerer) == "gemini"
        return self.settings.google_key if gemini else self.settings.openai_key

    def _url(self, request: AnalyzeRequest) -> str:
        gemini = metrics.answerer_kind(request.answerer) == "gemini"
        return self.settings.gemini_url if gemini else self.settings.openai_url
