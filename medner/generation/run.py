"""Asks and judges until nothing is missing, the budget is used up or the server is of no use."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from medner.data.records import Record
from medner.exceptions import InputError
from medner.generation.client import Client, Fault, Reply, request_body
from medner.generation.config import Price
from medner.generation.ledger import Answer, Budget, Ledger, Reject
from medner.generation.planning import Task

ATTEMPTS = 6  # of one request, the first included
FIRST_WAIT = 0.5  # seconds before the second attempt; doubled each time
LONGEST_WAIT = 120.0  # seconds; if the server asks for a longer wait, the run ends
UNFIT = 3  # attempts of one request that find no server that speaks the protocol, before the run ends
LOST = 3  # requests in a row that fail in all their attempts, before the run ends
BARREN = 3  # rounds without one accepted sentence, before the run ends
_OVERHEAD = 64  # tokens that a server adds around messages and schema, at most
_CHARACTERS_PER_TOKEN = 3  # of prompts, roughly; for estimates only
_TYPICAL = 0.4  # length of a typical answer relative to the limit, roughly; for estimates only


class Work(Protocol):
    """What generating and annotating do differently."""

    prompt: str  # version, for the answers file

    def tasks(self, ledger: Ledger) -> Sequence[Task]:
        """What is still to be asked, once everything on disk is judged."""

    def request_id(self, task: Task) -> str:
        """The id of a request, for rejects of it as a whole."""

    def task(self, data: dict[str, Any]) -> Task:
        """A task from its JSON form in the ledger."""

    def messages(self, task: Task) -> tuple[str, str]:
        """System and user message."""

    def max_tokens(self, task: Task) -> int:
        """The limit on the answer, in tokens."""

    def judge(self, answer: Answer, judged: set[str]) -> Iterator[Record | Reject]:
        """Verdicts on what is not judged yet, in order; each must be kept before the next is asked for."""


@dataclass
class Model:
    """A model, its sampling and its price (None: unknown).

    overrun: output tokens of the longest answer so far, relative to the limit that it was asked with; at least 1.
    Servers that ignore the limit exceed 1; worst cases then follow what was seen.
    """

    name: str
    price: Price | None
    temperature: float | None
    seed: int
    overrun: float = 1.0

    def cost(self, input_tokens: int, output_tokens: int, *, batch: bool = False) -> float | None:
        """USD, or None."""
        return None if self.price is None else self.price.cost(input_tokens, output_tokens, batch=batch)

    def body(self, work: Work, task: Task) -> dict[str, Any]:
        """The request for a task."""
        return request_body(
            self.name,
            work.messages(task),
            max_tokens=work.max_tokens(task),
            temperature=self.temperature,
            seed=self.seed + task.number,  # equal task numbers and seeds give equal requests
        )

    def worst_tokens(self, body: dict[str, Any]) -> tuple[int, int]:
        """Upper bounds of input and output tokens: no token of a byte-level vocabulary is shorter than a byte."""
        size = len(str([body["messages"], body["response_format"]]).encode())
        return size + _OVERHEAD, math.ceil(body["max_completion_tokens"] * self.overrun)

    def typical_tokens(self, body: dict[str, Any]) -> tuple[int, int]:
        """A rough estimate of input and output tokens."""
        characters = sum(len(message["content"]) for message in body["messages"])
        return characters // _CHARACTERS_PER_TOKEN + _OVERHEAD, int(body["max_completion_tokens"] * _TYPICAL)

    def worst_cost(self, body: dict[str, Any], *, batch: bool = False) -> float:
        """The most that a request can cost, in USD; 0 without a price (with a budget, a price is required)."""
        return self.cost(*self.worst_tokens(body), batch=batch) or 0.0

    def learn(self, work: Work, answer: Answer) -> None:
        """Raise ``overrun`` if an answer is longer than any before."""
        if not answer.fault and answer.model == self.name:
            limit = work.max_tokens(work.task(answer.task))
            self.overrun = max(self.overrun, answer.output_tokens / limit)


def answer_of(
    work: Work, task: Task, model: Model, reply: Reply | Fault, *, batch: bool = False, attempt: int = 0
) -> Answer:
    """The line of the answers file for a reply, or for a fault that may be billed.

    If the server does not report the tokens, they are set to the worst case.
    """
    fault = ""
    tokens = reply.tokens or model.worst_tokens(model.body(work, task))
    if isinstance(reply, Fault):
        fault, reply = reply.reason, Reply(content="", refusal="", finish="", tokens=None)
    return Answer(
        number=task.number,
        task=task.model_dump(mode="json"),
        model=model.name,
        prompt=work.prompt,
        content=reply.content,
        refusal=reply.refusal,
        finish=reply.finish,
        fault=fault,
        input_tokens=tokens[0],
        output_tokens=tokens[1],
        cost=model.cost(*tokens, batch=batch),
        batch=batch,
        attempt=attempt,
    )


def failed(work: Work, task: Task, fault: Fault) -> Reject:
    """The reject for a request without an answer. One that may be answered later gets an id of its own."""
    name = work.request_id(task) + ("" if fault.final else "-request")
    return Reject(id=name, number=task.number, reason=fault.reason, detail=fault.detail)


def judge(work: Work, ledger: Ledger, answers: Sequence[Answer]) -> None:
    """Judge what is not judged yet, and keep every verdict."""
    for answer in answers:
        if answer.fault:
            continue
        for verdict in work.judge(answer, ledger.judged):
            if isinstance(verdict, Record):
                ledger.accept(verdict)
            else:
                ledger.reject(verdict)


class Run:
    """Asks and judges until nothing is missing, the budget is used up or the server is of no use.

    concurrency: requests at the same time. limit: USD for the output over all runs. on_change is called after every
    request. The run never abandons a request under way, since it is paid for.
    """

    def __init__(
        self,
        work: Work,
        ledger: Ledger,
        client: Client,
        model: Model,
        *,
        concurrency: int,
        limit: float | None,
        on_change: Callable[[], None],
    ) -> None:
        self._work, self._ledger, self._client, self._model = work, ledger, client, model
        self._concurrency, self._on_change = concurrency, on_change
        self._budget = Budget(limit, ledger.spent())
        self._exhausted = False
        self._answered = False
        self._lost = 0  # requests in a row without an answer
        self._quiet_until = 0.0  # the loop's clock; a server's Retry-After holds for all requests
        self._errors: list[Exception] = []
        self._ended = asyncio.Event()

    async def to_the_end(self) -> bool:
        """False if the budget ended it.

        Raises InputError if the server accepts no request or answers none, if a file cannot be written, and after
        ``BARREN`` rounds without an accepted sentence.
        """
        barren = 0
        while not self._exhausted and (tasks := self._work.tasks(self._ledger)):
            if barren == BARREN:
                common = ", ".join(f"{reason} ({n})" for reason, n in self._ledger.reasons.most_common(3))
                remedy = "Read the rejects file, change the model or the prompts, and run the command again"
                raise InputError(f"nothing was accepted in {BARREN} rounds; rejects: {common}", remedy=remedy)
            accepted = len(self._ledger.records)
            waiting = list(reversed(tasks))
            try:
                await asyncio.gather(*(self._worker(waiting) for _ in range(min(self._concurrency, len(tasks)))))
            finally:
                self._ledger.charge_interrupted()  # by Ctrl-C
            if self._errors:
                raise self._errors[0]
            barren = 0 if len(self._ledger.records) > accepted else barren + 1
        return not self._exhausted

    async def _worker(self, waiting: list[Task]) -> None:
        while waiting and not self._errors and not self._exhausted:
            try:
                await self._ask(waiting.pop())
            except Exception as error:  # whatever it is, the other workers finish their requests: they are paid for
                self._errors.append(error)
                self._ended.set()
            self._on_change()

    async def _ask(self, task: Task) -> None:
        """Ask for one task, in up to ``ATTEMPTS`` attempts, and judge the answer."""
        outcome: Reply | Fault | None = None
        for number in range(1, ATTEMPTS + 1):
            await self._pause(self._quiet_until - asyncio.get_running_loop().time())
            if self._errors or self._exhausted:
                return
            worst = self._model.worst_cost(self._model.body(self._work, task))
            if not await self._budget.reserve(worst):
                self._exhausted = True
                return
            charged: Answer | None = None
            try:
                outcome, charged = await self._attempt(task)
            finally:
                await self._budget.settle(worst, (charged.cost or 0.0) if charged else 0.0)
            if isinstance(outcome, Reply):
                assert charged is not None
                self._answered, self._lost = True, 0
                judge(self._work, self._ledger, [charged])
                return
            self._check(outcome, number)
            if outcome.final:
                break
            if outcome.wait is not None:
                self._quiet_until = max(self._quiet_until, asyncio.get_running_loop().time() + outcome.wait)
            elif number < ATTEMPTS:
                await self._pause(FIRST_WAIT * 2 ** (number - 1))
        assert isinstance(outcome, Fault)
        self._ledger.reject(failed(self._work, task, outcome))
        self._lost = 0 if outcome.final else self._lost + 1
        if self._lost >= LOST * (self._concurrency if self._answered else 1):
            raise self._useless(f"{self._lost} requests in a row failed", outcome)

    async def _attempt(self, task: Task) -> tuple[Reply | Fault, Answer | None]:
        """What came of one attempt, and the answer that is charged for, on disk."""
        work, ledger, model = self._work, self._ledger, self._model
        attempt = ledger.ask(answer_of(work, task, model, Fault("interrupted")))
        await ledger.paid_on_disk()
        outcome = await self._client.ask(model.body(work, task))
        if isinstance(outcome, Fault) and not outcome.paid:
            ledger.release(attempt)
            return outcome, None
        answer = answer_of(work, task, model, outcome, attempt=attempt)
        ledger.keep(answer)
        model.learn(work, answer)
        await ledger.paid_on_disk()
        return outcome, answer

    def _check(self, fault: Fault, attempts: int) -> None:
        """Raises InputError if no further attempt can help, or none for a long time."""
        if fault.stop:
            raise fault.stop
        if fault.wait is not None and fault.wait > LONGEST_WAIT:
            what = f"the server asks to wait {fault.wait:.0f} s ({fault.reason})"
            raise InputError(what, remedy="Run the command again after that time: it continues")
        if fault.unfit and not self._answered and attempts == UNFIT:
            raise self._useless(f"{attempts} attempts failed", fault)

    def _useless(self, what: str, fault: Fault) -> InputError:
        told = f"{fault.reason}: {fault.detail}" if fault.detail else fault.reason
        remedy = "Check --base-url and the server, and run the command again: it continues"
        return InputError(f"{what} at {self._client.address} ({told})", remedy=remedy)

    async def _pause(self, seconds: float) -> None:
        """Wait, but not longer than the run lasts."""
        if seconds > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), seconds)
