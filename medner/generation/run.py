"""Asking for tasks and judging the answers, until nothing is missing, the budget is used up or nothing helps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from medner.data.records import Record
from medner.exceptions import InputError
from medner.generation.client import Client, Fault, Reply, request_body
from medner.generation.config import Price
from medner.generation.ledger import Answer, Budget, Ledger, Reject
from medner.generation.planning import Task

BARREN = 3  # rounds without one accepted sentence before we give up
_OVERHEAD = 64  # tokens that a server adds around messages and schema, at most
_CHARACTERS_PER_TOKEN = 3  # of prompts, roughly; for estimates only
_TYPICAL = 0.4  # share of the longest answer that answers come to, roughly; for estimates only


class Work(Protocol):
    """What generating and annotating do differently."""

    prompt: str  # version, for the answers file

    def tasks(self, ledger: Ledger) -> Sequence[Task]:
        """What is still to be asked, once everything on disk is judged."""

    def id(self, number: int) -> str:
        """The id of the answer with this number; its records have ids of their own that start with it."""

    def task(self, data: dict[str, Any]) -> Task:
        """A task as it was written down."""

    def messages(self, task: Task) -> tuple[str, str]:
        """System and user message."""

    def max_tokens(self, task: Task) -> int:
        """The longest answer, in tokens."""

    def judge(self, answer: Answer, judged: set[str]) -> Iterator[Record | Reject]:
        """Verdicts on what is not judged yet, in order; each must be kept before the next is asked for."""


@dataclass(frozen=True)
class Model:
    """A model, how it is asked and what it costs (None: not known)."""

    name: str
    price: Price | None
    temperature: float | None
    seed: int

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
            seed=self.seed + task.number,  # the same task number with the same seed is asked in the same way
        )

    def worst_tokens(self, body: dict[str, Any]) -> tuple[int, int]:
        """Upper bounds of input and output tokens: no token of a byte-level vocabulary is shorter than a byte."""
        size = len(str([body["messages"], body["response_format"]]).encode())
        return size + _OVERHEAD, int(body["max_completion_tokens"])

    def typical_tokens(self, body: dict[str, Any]) -> tuple[int, int]:
        """What input and output tokens will come to, roughly."""
        characters = sum(len(message["content"]) for message in body["messages"])
        return characters // _CHARACTERS_PER_TOKEN + _OVERHEAD, int(body["max_completion_tokens"] * _TYPICAL)

    def worst_cost(self, body: dict[str, Any], *, batch: bool = False) -> float:
        """USD that a request can cost at most; 0 where the price is not known (a budget needs it to be)."""
        return self.cost(*self.worst_tokens(body), batch=batch) or 0.0


def answer_of(
    work: Work, task: Task, model: Model, reply: Reply | Fault, *, batch: bool = False, attempt: int = 0
) -> Answer:
    """The line of the answers file for a reply, or for a fault that may be billed.

    Where the server does not tell its tokens, they are taken to be as many as they can be.
    """
    if isinstance(reply, Fault):
        fault, reply = reply.reason, Reply(content="", refusal="", finish="", tokens=None)
    else:
        fault = ""
    tokens = reply.tokens or model.worst_tokens(model.body(work, task))
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


def judge(work: Work, ledger: Ledger, answers: Sequence[Answer]) -> None:
    """Judge what is not judged yet, and keep every verdict."""
    for answer in answers:
        if answer.fault or work.id(answer.number) in ledger.judged:
            continue
        for verdict in work.judge(answer, ledger.judged):
            if isinstance(verdict, Record):
                ledger.accept(verdict)
            else:
                ledger.reject(verdict)


class Run:
    """Asks and judges until nothing is missing, the budget is used up or nothing helps.

    concurrency: requests at the same time. limit: USD for the output over all runs. on_change is called after every
    request. Requests under way are always waited for, since they are paid for.
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
        self._refused: list[InputError] = []

    async def to_the_end(self) -> bool:
        """False when the budget ended it.

        Raises InputError where the server will take no request, where nothing can be written, and after ``BARREN``
        rounds without an accepted sentence.
        """
        barren = 0
        while not self._exhausted and (tasks := self._work.tasks(self._ledger)):
            if barren == BARREN:
                common = ", ".join(f"{reason} ({n})" for reason, n in self._ledger.reasons.most_common(3))
                remedy = "See the rejects file; then change model or prompts and run the command again"
                raise InputError(f"nothing was accepted in {BARREN} rounds; rejects: {common}", remedy=remedy)
            accepted = len(self._ledger.records)
            waiting = list(reversed(tasks))
            try:
                await asyncio.gather(*(self._worker(waiting) for _ in range(min(self._concurrency, len(tasks)))))
            finally:
                self._ledger.charge_interrupted()  # by Ctrl-C
            if self._refused:
                raise self._refused[0]
            barren = 0 if len(self._ledger.records) > accepted else barren + 1
        return not self._exhausted

    async def _worker(self, waiting: list[Task]) -> None:
        while waiting and not self._refused and not self._exhausted:
            try:
                if not await self._ask(waiting.pop()):
                    self._exhausted = True
            except InputError as error:
                self._refused.append(error)
            self._on_change()

    async def _ask(self, task: Task) -> bool:
        """Ask for one task and judge the answer; False when the budget does not allow it."""
        work, ledger, model, budget = self._work, self._ledger, self._model, self._budget
        body = model.body(work, task)
        worst = model.worst_cost(body)
        held = await budget.reserve(worst)
        if not held:
            return False

        attempt = 0

        def begin() -> None:
            nonlocal attempt
            attempt = ledger.ask(answer_of(work, task, model, Fault("interrupted")))

        async def failed(fault: Fault) -> bool:
            """Where it may be billed, count the attempt as paid for, and set the next one's worst case aside."""
            nonlocal held
            if not fault.paid:
                ledger.release(attempt)
                return True
            answer = answer_of(work, task, model, fault, attempt=attempt)
            ledger.keep(answer)
            held = False
            await budget.settle(worst, answer.cost or 0.0)
            held = await budget.reserve(worst)
            return held

        cost = 0.0
        try:
            reply = await self._client.ask(body, begin, failed)
            answer = answer_of(work, task, model, reply, attempt=attempt)
            ledger.keep(answer)
            cost = answer.cost or 0.0
            judge(work, ledger, [answer])
        except Fault as fault:
            name = work.id(task.number) + ("" if fault.final else "-request")  # what is not final is asked again
            ledger.reject(Reject(id=name, number=task.number, reason=fault.reason, detail=fault.detail))
        finally:
            if held:
                await budget.settle(worst, cost)
        return True
