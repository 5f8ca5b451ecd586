"""Answerers behind an API: one request a picture, within a budget, and nothing asked twice."""

import hashlib
import logging
import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import SecretStr

from metrics.answerers.answer_file import AnswerFile, answer_key
from metrics.answerers.base import Answer, AnswererSource
from metrics.answerers.service import Reply, Service, ServiceError
from metrics.answerers.spending import Spending
from metrics.answerers.wording import VERSION, read_reply, request_text
from metrics.base import BackboneCard
from metrics.errors import Interrupted, MissingKey, NoReply
from metrics.questions import Question

if TYPE_CHECKING:
    from PIL.Image import Image

logger = logging.getLogger(__name__)

# Pictures are sent with their longer side at most so long: services see no more of them.
SENT_PIXELS = 768
_QUALITY = 92
_TRIES = 5
_FIRST_WAIT_SECONDS = 1.0
# A service that wants a longer pause has closed for today.
_LONGEST_WAIT_SECONDS = 120.0
_LOOK_SECONDS = 0.05
_LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Session:
    """What questions in one analysis share, apart from the model.

    Attributes:
        key: The service's key; None: there is none.
        answers: Where answers are kept.
        spending: Counts, and knows the limits.
        per_minute: Most requests a minute.
        timeout: Seconds to wait for a reply.
        stop: Asked while waiting; True ends it.
        tell: Told after every request.
        first_wait: Seconds before the first second try; doubled with every further one.
    """

    key: SecretStr | None
    answers: AnswerFile
    spending: Spending
    per_minute: float = 30.0
    timeout: float = 60.0
    stop: Callable[[], bool] = lambda: False
    tell: Callable[[Spending], None] = lambda spending: None
    first_wait: float = _FIRST_WAIT_SECONDS


@dataclass(frozen=True)
class RemoteSource(AnswererSource):
    """Where an answerer behind an API comes from.

    Attributes:
        model: The model's id at the service.
        url: Address of the service.
        session: What the questions share; no part of what identifies it.
    """

    model: str
    url: str
    session: Session = field(repr=False, compare=False)

    @property
    @abstractmethod
    def kind(self) -> str:
        """Name of the kind of service."""

    @property
    @abstractmethod
    def needs_key(self) -> bool:
        """Whether it answers nobody without a key."""

    @abstractmethod
    def service(self) -> Service:
        """The way to talk to it."""

    @property
    def gives_probabilities(self) -> bool:
        """Services say words, not how sure they are."""
        return False

    @property
    def card(self) -> BackboneCard:
        """Its card: nothing is downloaded, its size is its owner's affair."""
        return BackboneCard(f"{self.kind}:{self.model}", self.revision, 0, 0, "the service's terms")

    @property
    def revision(self) -> str:
        """The model's id and the host that serves it: more cannot be known of it."""
        return f"{self.model}@{urlsplit(self.url).netloc.rpartition('@')[2]}"

    @property
    def preprocessing(self) -> str:
        """Size of the pictures sent, and the wording of the request."""
        return f"jpeg-{SENT_PIXELS}-{_QUALITY}:{VERSION}"

    def load(self, device: str) -> "RemoteAnswerer":
        """Check the key and the address; nothing is asked yet.

        Raises:
            MissingKey: There is no key, or it would go over the open network.
        """
        parts = urlsplit(self.url)
        key = self.session.key.get_secret_value().strip() if self.session.key else ""
        if not key and self.needs_key:
            raise MissingKey(f"{self.card.id} needs a key; set it in the environment, or give it for now.")
        if key and parts.scheme != "https" and parts.hostname not in _LOCAL:
            raise MissingKey(f"The key is sent over https only, not to {parts.hostname}; change the address.")
        if not (key.isascii() and key.isprintable()):
            raise MissingKey("The key has signs that no key has; paste it again.")
        return RemoteAnswerer(self, self.service())


@dataclass(frozen=True, slots=True)
class Sent:
    """A picture as it is sent.

    Attributes:
        content: JPEG.
        hash: SHA-256 of its pixels before.
        answers: Given so far; metrics that ask the same share them.
    """

    content: bytes
    hash: str
    answers: dict[str, Answer] = field(default_factory=dict)


class RemoteAnswerer:
    """Asks a service, patiently and within a budget."""

    gives_probabilities = False
    view = f"jpeg-{SENT_PIXELS}-{_QUALITY}"

    def __init__(self, source: RemoteSource, service: Service) -> None:
        """Talk to a service; nothing is asked yet."""
        self._source = source
        self._session = source.session
        self._service = service
        self._closed: str | None = None
        self._next = 0.0

    def prepare(self, image: "Image") -> Sent:
        """An RGB image as it is sent."""
        digest = hashlib.sha256(f"{image.size}".encode())
        digest.update(image.tobytes())
        small = image.copy()
        small.thumbnail((SENT_PIXELS, SENT_PIXELS))
        buffer = BytesIO()
        small.save(buffer, "JPEG", quality=_QUALITY, subsampling=0)
        return Sent(buffer.getvalue(), digest.hexdigest())

    def encode(self, prepared: Sequence[Sent]) -> Sequence[Sent]:
        """The same: the service does not keep what it saw."""
        return prepared

    def answer(self, features: Sequence[Sent], questions: Sequence[Sequence[Question]]) -> list[list[Answer]]:
        """For each picture one answer for each question; all that is new of a picture in one request.

        Raises:
            Interrupted: The session was told to stop; what was answered is kept.
        """
        return [self._about(sent, own) for sent, own in zip(features, questions, strict=True)]

    def _about(self, sent: Sent, questions: Sequence[Question]) -> list[Answer]:
        keys = [answer_key(sent.hash, question, self._source.revision) for question in questions]
        new: dict[str, Question] = {}
        for key, question in zip(keys, questions, strict=True):
            if key in sent.answers:
                continue
            said = self._session.answers.get(key)
            if said is None:
                new.setdefault(key, question)
            else:
                self._session.spending.kept += 1
                sent.answers[key] = Answer(said, raw=said)
        if new:
            found = dict(zip(new, self._ask(sent, list(new.values())), strict=True))
            sent.answers.update(found)
            self._session.answers.put_many({key: a.text for key, a in found.items() if a.text is not None})
        return [sent.answers[key] for key in keys]

    def say(self, text: str) -> str:
        """The reply to a text without a picture; never kept.

        Raises:
            NoReply: There is none; says why.
            Interrupted: The session was told to stop.
        """
        return self._heard(lambda: self._service.say(text))

    def _ask(self, sent: Sent, questions: Sequence[Question]) -> list[Answer]:
        text = request_text(questions)
        try:
            reply = self._heard(lambda: self._service.ask(sent.content, text))
        except NoReply as error:
            return [Answer(None, str(error))] * len(questions)
        return read_reply(reply, questions)

    def _heard(self, send: Callable[[], Reply]) -> str:
        """What the service replied, without the key.

        Raises:
            NoReply: Nothing, or it would not.
        """
        try:
            reply = self._reply(send)
        except ServiceError as error:
            reason = self._masked(str(error))
            if error.fatal:
                self._closed = reason
            raise NoReply(reason, final=error.fatal) from None
        if reply.refusal is not None:
            raise NoReply(self._masked(reply.refusal))
        return self._masked(reply.text)

    def _reply(self, send: Callable[[], Reply]) -> Reply:
        """A reply, after several tries if need be.

        Raises:
            ServiceError: There is none.
        """
        wait = self._session.first_wait
        for left in reversed(range(_TRIES)):
            self._refuse_if_closed()
            self._pause(self._next - time.monotonic())
            self._next = time.monotonic() + 60.0 / self._session.per_minute
            self._session.spending.requests += 1
            try:
                reply = send()
            except ServiceError as error:
                self._session.tell(self._session.spending)
                asked = wait if error.wait is None else error.wait
                if not error.again or not left or asked > _LONGEST_WAIT_SECONDS:
                    raise
                logger.warning("%s; trying again in %.1f s", self._masked(str(error)), asked)
                self._pause(asked)
                wait *= 2
                continue
            self._session.spending.input_tokens += reply.input_tokens
            self._session.spending.output_tokens += reply.output_tokens
            self._session.tell(self._session.spending)
            return reply
        raise AssertionError("the last try raises")

    def _refuse_if_closed(self) -> None:
        reason = self._closed or self._session.spending.refusal()
        if reason:
            raise ServiceError(reason, fatal=True)

    def _pause(self, seconds: float) -> None:
        """Wait, and look all the while whether to stop."""
        until = time.monotonic() + seconds
        while True:
            if self._session.stop():
                raise Interrupted
            left = until - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, _LOOK_SECONDS))

    def _masked(self, text: str) -> str:
        """A text without the key, should a service repeat it."""
        key = self._session.key.get_secret_value().strip() if self._session.key else ""
        return text.replace(key, "***") if key else text
