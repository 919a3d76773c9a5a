"""Requests that wait are annotated together: a batch costs little more than one of its texts."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from medner.annotation.entities import Entity

Annotate = Callable[[Sequence[str]], list[list[Entity]]]  # the entities of every text
Annotations = dict[str, list[list[Entity]]]  # by pipeline
REQUEST = 100_000  # most characters of a request, all texts together, unless --max-characters is given
BATCH = 100_000  # most characters of a batch, which has one request at least
WAITING = 2_000_000  # most characters of all requests that are not answered yet

log = logging.getLogger(__name__)


class BusyError(Exception):
    """More text is waiting than the server takes on."""


class FailedError(Exception):
    """A pipeline failed on these texts."""


@dataclass
class _Request:
    texts: Sequence[str]
    pipelines: Sequence[str]
    answer: asyncio.Future[Annotations] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def characters(self) -> int:
        return sum(map(len, self.texts))


class Batcher:
    """Annotates the texts of concurrent requests, one batch at a time, on a thread beside the event loop.

    The first request starts at once. Those that come while it runs form the next batch, so waiting adds nothing to the
    time of a request that is alone.
    """

    def __init__(self, pipelines: Mapping[str, Annotate]) -> None:
        self._pipelines = pipelines
        self._queue: deque[_Request] = deque()
        self._characters = 0
        self._worker: asyncio.Task[None] | None = None

    async def annotate(self, texts: Sequence[str], pipelines: Sequence[str]) -> Annotations:
        """The entities of every text, by pipeline. Raises BusyError and FailedError."""
        request = _Request(texts, pipelines)
        if self._characters and self._characters + request.characters > WAITING:
            raise BusyError
        self._characters += request.characters
        self._queue.append(request)
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        try:
            return await request.answer
        finally:
            self._characters -= request.characters

    async def _work(self) -> None:
        try:
            while self._queue:
                batch = self._next()
                answers = await asyncio.to_thread(self._answers, batch)
                for request, answer in zip(batch, answers, strict=True):
                    if request.answer.done():  # given up by the client
                        continue
                    if answer is None:
                        request.answer.set_exception(FailedError())
                    else:
                        request.answer.set_result(answer)
        finally:
            self._worker = None

    def _next(self) -> list[_Request]:
        batch = [self._queue.popleft()]
        size = batch[0].characters
        while self._queue and size + self._queue[0].characters <= BATCH:
            batch.append(self._queue.popleft())
            size += batch[-1].characters
        return [request for request in batch if not request.answer.done()]

    def _answers(self, batch: Sequence[_Request]) -> Iterable[Annotations | None]:
        """The answer to every request; None where a pipeline fails on it. The others are still answered."""
        try:
            return self._together(batch)
        except Exception as error:
            if len(batch) > 1:
                return [answer for request in batch for answer in self._answers([request])]
            log_failure("A pipeline", error)
            return [None]

    def _together(self, batch: Sequence[_Request]) -> list[Annotations]:
        answers: list[Annotations] = [{} for _ in batch]
        for name, annotate in self._pipelines.items():
            asking = [number for number, request in enumerate(batch) if name in request.pipelines]
            texts = [text for number in asking for text in batch[number].texts]
            found = iter(annotate(texts) if texts else [])
            for number in asking:
                answers[number][name] = [next(found) for _ in batch[number].texts]
        return answers


def log_failure(what: str, error: Exception) -> None:
    """Log that something failed, and where, without the exception's message: that can quote the text."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    log.error("%s failed: %s in %s, line %s", what, type(error).__name__, place.filename, place.lineno)
