"""What questions to a service cost: a limit beforehand, a count meanwhile."""

from dataclasses import dataclass

# What is assumed of a request before the first answer has told better; a picture of 768 px
# and eight questions take about so much.
_INPUT_TOKENS, _OUTPUT_TOKENS = 1_500, 60
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """What a service takes, in dollars per million tokens."""

    input: float
    output: float


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent at most; None: no limit of this kind.

    Attributes:
        requests: Requests, those that are tried again too.
        dollars: Money; needs a known price.
    """

    requests: int | None = None
    dollars: float | None = None

    def __post_init__(self) -> None:
        """Refuse what is no limit.

        Raises:
            ValueError: A limit below nothing.
        """
        if any(limit is not None and limit < 0 for limit in (self.requests, self.dollars)):
            raise ValueError("A budget is 0 or more.")


@dataclass(frozen=True, slots=True)
class Estimate:
    """What an analysis would ask at most.

    Attributes:
        requests: One a picture; fewer where answers are kept from earlier.
        dollars: What they would cost; None where the price is not known.
    """

    requests: int
    dollars: float | None


def estimate(pictures: int, price: Price | None) -> Estimate:
    """What asking about so many pictures would cost at most, when nothing must be tried again."""
    dollars = pictures * _dollars(price, _INPUT_TOKENS, _OUTPUT_TOKENS) if price else None
    return Estimate(pictures, dollars)


@dataclass(slots=True)
class Spending:
    """What was spent so far.

    Attributes:
        budget: What may be.
        price: What tokens cost; None: not known.
        requests: Requests made.
        kept: Questions answered from what was kept.
        input_tokens: As the service counts them.
        output_tokens: Likewise.
    """

    budget: Budget = Budget()
    price: Price | None = None
    requests: int = 0
    kept: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def dollars(self) -> float | None:
        """Money spent; None where the price is not known."""
        return _dollars(self.price, self.input_tokens, self.output_tokens) if self.price else None

    def refusal(self) -> str | None:
        """Why no further request may be made; None if one may."""
        limits = self.budget
        if limits.requests is not None and self.requests >= limits.requests:
            return f"The budget of {limits.requests} requests is used up; raise it, and go on."
        if limits.dollars is None:
            return None
        if self.price is None:
            return "A budget in money needs the price of the model; set it, or limit the requests."
        # The next request must fit too, so it is taken to cost what the dearest so far did on average.
        tried = max(self.requests, 1)
        asked = max(_INPUT_TOKENS, self.input_tokens / tried), max(_OUTPUT_TOKENS, self.output_tokens / tried)
        if (self.dollars or 0.0) + _dollars(self.price, *asked) > limits.dollars:
            return f"The budget of ${limits.dollars:.2f} is used up; raise it, and go on."
        return None

    def in_words(self) -> str:
        """The count, for people."""
        money = "" if self.dollars is None else f", ${self.dollars:.4f}"
        kept = f", {self.kept} answers kept from earlier" if self.kept else ""
        tokens = self.input_tokens + self.output_tokens
        return f"{self.requests} requests, {tokens:,} tokens{money}{kept}"


def _dollars(price: Price, asked: float, said: float) -> float:
    return (price.input * asked + price.output * said) / _MILLION
