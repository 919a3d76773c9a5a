"""Writing sentences: from the plan to requests, from answers to records."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from medner.data.markup import MarkupError, parse
from medner.data.records import Record, Tally, normalised
from medner.exceptions import InputError
from medner.generation.client import Unusable, read_sentences
from medner.generation.config import LABELS, Language, load_pools
from medner.generation.gates import Gates
from medner.generation.ledger import Answer, Ledger, Reject
from medner.generation.planning import Planner, Task, WritingTask, writing_prompt

ORIGIN = "language model"  # as in the committed corpora
_ENVELOPE = 64  # tokens of the JSON around the sentences


class Writing:
    """Sentences of one language and split, until the output holds ``size`` records.

    Only pool entries of the split are asked for, and entries of other splits are refused, so that files written for
    different splits share none. records: what the output holds, at ``path``; asked: the tasks that it was asked for
    with. Raises InputError where either is of another language or split.
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
        """What is missing, planned upon what is there."""
        return self.plan(ledger.records, ledger.next_number())

    def plan(self, records: Sequence[Record], first: int) -> Sequence[WritingTask]:
        """Tasks, numbered from ``first``, for what is missing when these records are there."""
        planner = Planner(self._language, self._pools, self._split, self._seed)
        planner.count(records)
        return planner.plan(self._size - len(records), first)

    def id(self, number: int) -> str:
        """E.g. ``ro-g000012``; its sentences are ``ro-g000012-1``, ``ro-g000012-2``, …"""
        return f"{self._language.code}-g{number:06d}"

    def task(self, data: dict[str, Any]) -> WritingTask:
        """A task as it was written down."""
        return WritingTask.model_validate(data)

    def messages(self, task: Task) -> tuple[str, str]:
        """System and user message of a writing task."""
        assert isinstance(task, WritingTask)
        return writing_prompt(self._language, task)

    def max_tokens(self, task: Task) -> int:
        """As many as its sentences may have."""
        assert isinstance(task, WritingTask)
        return self._language.tokens_per_sentence * len(task.briefs) + _ENVELOPE

    def judge(self, answer: Answer, judged: set[str]) -> Iterator[Record | Reject]:
        """A record or a reject for every sentence not judged yet; one reject for an answer that holds none."""
        name = self.id(answer.number)
        try:
            sentences = read_sentences(content=answer.content, refusal=answer.refusal, finish=answer.finish)
        except Unusable as error:
            yield Reject(id=name, number=answer.number, reason=error.reason, detail=error.detail)
            return
        task = self.task(answer.task)
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
            text, entities = parse(marked, LABELS)
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
