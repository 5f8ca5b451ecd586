"""Has a language model behind an API write the questions about prompts that have none.

Each prompt is asked about once, and its set is on the disk before the next one is asked about.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import metrics
from explorer.answering import Answering, check_answerer, is_service, key_variable
from explorer.errors import Cancelled, InvalidRequest
from explorer.events import Event, Failed, Notice, Progress
from explorer.question_files import QuestionFiles
from explorer.requests import AnalyzeRequest
from explorer.settings import Settings
from explorer.types import Prompt, Suite

# A set is a long reply, and a local server may write it slowly.
_REPLY_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class QuestionWriting:
    """Who writes, and within which limits.

    Attributes:
        settings: With the key, the address and the price of the service.
        writer: `gemini[:MODEL]` or `openai:MODEL`.
        budget: Most requests, those that are tried again too; None: no limit.
        again: Whether sets that are stored are written anew.
    """

    settings: Settings
    writer: str
    budget: int | None = None
    again: bool = False

    def write(self, suite: Suite, cancel: threading.Event | None = None) -> Iterator[Event]:
        """Ask about each prompt that lacks questions; a reply that cannot be used is told as `Failed`.

        A prompt whose suite has questions is never asked about: they would come before these.

        Raises:
            InvalidRequest: At once: the writer, its key or its address is unusable; nothing was asked.
            Cancelled: `cancel` was set; what was written stays.
            StorageError: A set cannot be kept.
        """
        source = self._source(cancel)
        try:
            model = source.load("cpu")  # says what is wrong with key and address; asks nothing
        except metrics.MissingKey as error:
            raise InvalidRequest(str(error)) from error
        return self._write(self.lacking(suite), source, model.say)

    def lacking(self, suite: Suite) -> list[Prompt]:
        """The prompts that would be asked about; of equal texts only the first."""
        files = QuestionFiles(self.settings.questions)
        found: dict[str, Prompt] = {}
        for prompt in suite.prompts:
            key = metrics.prompt_key(prompt.text)
            if not prompt.questions and (self.again or files.get(key) is None):
                found.setdefault(key, prompt)
        return list(found.values())

    def _source(self, cancel: threading.Event | None) -> metrics.RemoteSource:
        request = AnalyzeRequest(answerer=self.writer, most_requests=self.budget)
        check_answerer(request)
        if not is_service(self.writer):
            raise InvalidRequest(
                f"{self.writer!r} writes no questions; choose gemini[:MODEL] or openai:MODEL."
            )
        stop = cancel.is_set if cancel is not None else lambda: False
        source = Answering(self.settings).source(request, stop=stop)
        if not isinstance(source, metrics.RemoteSource):
            raise AssertionError(f"{self.writer} is a service")
        if source.needs_key and not source.session.key:
            raise InvalidRequest(f"{self.writer} needs a key: set {key_variable(self.writer)}.")
        return replace(source, session=replace(source.session, timeout=_REPLY_SECONDS))

    def _write(
        self, prompts: Sequence[Prompt], source: metrics.RemoteSource, say: Callable[[str], str]
    ) -> Iterator[Event]:
        files = QuestionFiles(self.settings.questions)
        writer, spending = source.card.id, source.session.spending
        if not prompts:
            yield Notice("Every prompt has questions; nothing is asked.")
            return
        began = time.monotonic()
        for done, prompt in enumerate(prompts):
            left = (time.monotonic() - began) / done * (len(prompts) - done) if done else None
            yield Progress(done, len(prompts), spending.in_words() if done else "", left)
            try:
                metrics.write_questions(prompt.text, say, files, writer, self.again)
            except metrics.Interrupted as error:
                raise Cancelled("Stopped; what was written is kept.") from error
            except metrics.NoReply as error:
                if error.final:
                    yield Failed("", f"{len(prompts) - done} of {len(prompts)} prompts left", str(error))
                    break
                yield Failed("", prompt.id, str(error))
            except metrics.BadReply as error:
                yield Failed("", prompt.id, str(error))
        else:
            yield Progress(len(prompts), len(prompts), spending.in_words())
        yield Notice(f"{writer}: {spending.in_words()}.")
