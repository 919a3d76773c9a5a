"""Writing sentences: from the plan to requests, from answers to records."""

from __future__ import annotations

import dataclasses
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from medner.data.markup import MarkupError, parse
from medner.data.readers.synthetic import read_synthetic
from medner.data.records import Record, Tally, normalised
from medner.exceptions import InputError
from medner.generation.client import Unusable, read_sentences
from medner.generation.config import LABELS, Language, load_pools
from medner.generation.gates import Gates
from medner.generation.ledger import Answer, Ledger, Reject
from medner.generation.planning import Planner, Task, WritingTask, read_task, writing_prompt
from medner.generation.run import Model

ORIGIN = "language model"  # as in the committed corpora
_ENVELOPE = 64  # tokens of the JSON around the sentences


def read_output(path: Path) -> list[Record]:
    """The records of an output, none if there is no such file."""
    return list(read_synthetic(path, Tally())) if path.exists() and path.stat().st_size else []


class Writing:
    """Sentences of one language and split, until the output holds ``size`` records.

    Only pool entries of the split are asked for, and entries of other splits are refused, so that the files of
    different splits share none. records: what the output at ``path`` holds; asked: the tasks of all its requests so
    far. Raises InputError if either is of another language or split.
    """

    def __init__(
        self,
        language: Language,
        records: Iterable[Record],
        path: Path,
        *,
        asked: Iterable[dict[str, Any]] = (),
        size: int,
        split: str,
        seed: int,
    ) -> None:
        self.prompt = language.prompt_version
        self._language, self._size, self._split, self._seed = language, size, split, seed
        self._pools = load_pools(language)
        self._gates = Gates(language, self._pools)
        for record in records:
            if record.lang != language.code:
                what = f"record {record.id!r} is {record.lang!r}, not {language.code!r}"
                raise InputError(what, path=path, remedy="Choose another output")
            self._gates.accept(record)
        for task in asked:
            if task.get("split") != split:
                what = f"request {task.get('number')} was for split {task.get('split')!r}, not {split!r}"
                raise InputError(what, path=path, remedy="Give the same --split, or choose another output")

    def tasks(self, ledger: Ledger) -> Sequence[WritingTask]:
        """Tasks for what is missing."""
        return self.plan(ledger.records, ledger.next_number())

    def plan(self, records: Sequence[Record], first: int) -> Sequence[WritingTask]:
        """Tasks, numbered from ``first``, for what is missing beside these records."""
        planner = Planner(self._language, self._pools, self._split, self._seed)
        planner.count(records)
        return planner.plan(self._size - len(records), first)

    def summary(self, records: Sequence[Record], model: Model, *, batch: bool) -> list[str]:
        """Lines that say what would be asked for beside these records, and at what cost."""
        tasks = self.plan(records, 1)
        lines = [f"{len(records):,} sentences are there; {sum(len(t.briefs) for t in tasks):,} would be asked for"]
        for attribute in ("specialty", "genre", "register", "density"):
            counts: Counter[str] = Counter()
            for task in tasks:
                counts[getattr(task.cell, attribute)] += len(task.briefs)
            lines.append(f"{attribute}: " + ", ".join(f"{value} {count}" for value, count in counts.most_common()))
        bodies = [model.body(self, task) for task in tasks]
        typical = [model.typical_tokens(body) for body in bodies]
        inputs, outputs = sum(t[0] for t in typical), sum(t[1] for t in typical)
        amount = f"{len(tasks):,} requests, about {inputs:,} input and {outputs:,} output tokens"
        cost = model.cost(inputs, outputs, batch=batch)
        if cost is None:
            return [*lines, f"{amount}; the cost is unknown: {model.name} has no price"]
        worst = sum(model.worst_cost(body, batch=batch) for body in bodies)
        bounds = f"about ${cost:.2f}, at most ${worst:.2f} without retries"
        return [*lines, f"{amount}: {bounds}; rejected sentences are asked for again, at further cost"]

    def request_id(self, task: Task) -> str:
        """E.g. ``ro-g000012``; its sentences are ``ro-g000012-1``, ``ro-g000012-2``, …"""
        return f"{self._language.code}-g{task.number:06d}"

    def task(self, data: dict[str, Any]) -> WritingTask:
        """A task from its JSON form in the ledger."""
        return read_task(WritingTask, data)

    def messages(self, task: Task) -> tuple[str, str]:
        """System and user message of a writing task."""
        assert isinstance(task, WritingTask)
        return writing_prompt(self._language, task)

    def max_tokens(self, task: Task) -> int:
        """The limit for its sentences and the JSON around them."""
        assert isinstance(task, WritingTask)
        return self._language.tokens_per_sentence * len(task.briefs) + _ENVELOPE

    def judge(self, answer: Answer, judged: set[str]) -> Iterator[Record | Reject]:
        """A record or a reject for every sentence not judged yet; one reject for an answer without sentences."""
        task = self.task(answer.task)
        name = self.request_id(task)
        if name in judged:
            return
        try:
            sentences = read_sentences(content=answer.content, refusal=answer.refusal, finish=answer.finish)
        except Unusable as error:
            yield Reject(id=name, number=answer.number, reason=error.reason, detail=error.detail)
            return
        for position, marked in enumerate(sentences):
            sentence = f"{name}-{position + 1}"
            if sentence not in judged:
                yield self._verdict(sentence, answer, task, position, marked)

    def _verdict(self, name: str, answer: Answer, task: WritingTask, position: int, marked: str) -> Record | Reject:
        def reject(reason: str, detail: str) -> Reject:
            return Reject(id=name, number=answer.number, reason=reason, detail=detail, sentence=marked)

        if position >= len(task.briefs):
            return reject("not asked for", f"sentence {position + 1} of {len(task.briefs)}")
        try:
            text, entities = parse(unicodedata.normalize("NFC", marked), LABELS)
        except MarkupError as error:
            return reject(error.reason, error.detail)
        meta = {
            **dataclasses.asdict(task.cell),
            "origin": ORIGIN,
            "prompt": answer.prompt,
            "model": answer.model,
            "request": answer.number,
        }
        record = normalised(Record(name, self._language.code, text, entities, meta), Tally())
        if refusal := self._gates.check(record, task.split, task.briefs[position].entities):
            return reject(refusal.reason, refusal.detail)
        self._gates.accept(record)
        return record
