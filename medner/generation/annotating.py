"""Annotating given text: zero-shot labels from the same client, in the same markup."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from medner.data.docbins import docs_of, parse_docbin
from medner.data.markup import MarkupError, holds_tag, parse
from medner.data.records import Entity, Record
from medner.data.silver import Place, SilverCost, SilverSentence, stand_off
from medner.data.tokenizer import blank
from medner.exceptions import InputError
from medner.files import read_bytes, read_text
from medner.generation.client import Unusable, read_sentences
from medner.generation.config import LABELS, Language
from medner.generation.ledger import Answer, Ledger, Reject
from medner.generation.planning import Task, read_task, system_prompt

LONGEST = 100_000  # characters of a text; spaCy takes up to 1,000,000
_TOKENS_AROUND = 512  # room for the tags and the JSON around the text


class AnnotationTask(Task):
    """One text of a file; ``line`` is its position, from 1. A text that is asked for again gets another number."""

    line: int
    text: str


def annotation_id(lang: str, line: int) -> str:
    """The id of a text's record, e.g. ``ro-a000012`` for line 12."""
    return f"{lang}-a{line:06d}"


def judged_texts(judged: Iterable[str]) -> set[str]:
    """The ids of the texts with a verdict, from the ids of records and rejects (``ro-a000012-34`` of request 34)."""
    return {"-".join(name.split("-")[:2]) for name in judged if not name.endswith("-request")}


def read_texts(path: Path) -> list[str]:
    """The lines of a text file, empty ones included, or the texts of a DocBin file (``.spacy``).

    Raises InputError if it is neither.
    """
    if path.suffix == ".spacy":
        return [doc.text for doc in docs_of(parse_docbin(read_bytes(path), path), blank().vocab, path)]
    return read_text(path).split("\n")


def silver_of(labels: Path, places: Mapping[str, Place]) -> tuple[list[SilverSentence], SilverCost]:
    """The labels of an output without their text, and what making them cost.

    places: of the sentences, by the id of their record. Raises InputError for an output that more than one model or
    version of the prompt has made, and as :func:`medner.data.silver.stand_off` does.
    """
    with closing(Ledger(labels)) as ledger:
        sentences = stand_off(places, ledger.records, labels)
        made = {(answer.model, answer.prompt) for answer in ledger.answers}
        if len(made) != 1:
            what = f"was made by {len(made)} models or versions of the prompt"
            raise InputError(what, path=labels, remedy="Label the sentences with one model and one version")
        ((model, prompt),) = made
        read, written = ledger.tokens()
        usd = None if ledger.unpriced() else round(ledger.spent(), 4)
    return sentences, SilverCost(
        model=model, prompt=prompt, sentences=len(sentences), input_tokens=read, output_tokens=written, usd=usd
    )


class Annotating:
    """Labels for every text of a file, see :func:`read_texts`; empty texts are skipped.

    A text that holds a tag itself has no markup, and one of more than ``LONGEST`` characters is not sent: both are
    rejected unasked. A text that an earlier call rejected is asked for again, once a call. Raises InputError for a file
    without text, for one whose texts are not those that the output was begun with, and for an output of another
    language.
    """

    def __init__(self, language: Language, path: Path, ledger: Ledger) -> None:
        self.prompt = language.prompt_version
        self._language = language
        self.texts = {line: text for line, text in enumerate(read_texts(path), start=1) if text.strip()}
        if not self.texts:
            raise InputError("holds no text", path=path, remedy="Write one text a line")
        prefix = f"{language.code}-a"
        if other := next((name for name in sorted(ledger.judged) if not name.startswith(prefix)), None):
            what = f"holds {other!r}, which is not a text annotated in {language.code!r}"
            raise InputError(what, path=ledger.output.path, remedy="Give the same language, or choose another output")
        for answer in ledger.answers:
            task = self.task(answer.task)
            if task.text != self.texts.get(task.line):
                what = "is not the text that the output was begun with"
                remedy = "Restore it, or choose another output"
                raise InputError(what, path=path, place=f"line {task.line}", remedy=remedy)
        self._earlier = len(ledger.rejects)
        for line, text in self.texts.items():
            reason = "tag in text" if holds_tag(text) else "text too long" if len(text) > LONGEST else ""
            if reason:
                ledger.reject(Reject(id=self._name(line), number=0, reason=reason, sentence=text[:LONGEST]))

    def _name(self, line: int) -> str:
        return annotation_id(self._language.code, line)

    def tasks(self, ledger: Ledger) -> Sequence[AnnotationTask]:
        """The texts without a record, apart from those that this call has had rejected."""
        done = ledger.judged | judged_texts(reject.id for reject in ledger.rejects[self._earlier :])
        left = [(line, text) for line, text in self.texts.items() if self._name(line) not in done]
        first = ledger.next_number()
        return [AnnotationTask(number=n, line=line, text=text) for n, (line, text) in enumerate(left, start=first)]

    def request_id(self, task: Task) -> str:
        """The id of a request for a text: that of the text, and the request's number."""
        assert isinstance(task, AnnotationTask)
        return f"{self._name(task.line)}-{task.number}"

    def task(self, data: dict[str, Any]) -> AnnotationTask:
        """A task from its JSON form in the ledger."""
        return read_task(AnnotationTask, {"line": data.get("number")} | data)  # earlier versions wrote no line

    def messages(self, task: Task) -> tuple[str, str]:
        """System message, and the text alone: nothing around it can be mistaken for a part of it."""
        assert isinstance(task, AnnotationTask)
        return system_prompt(self._language, self._language.annotator), task.text

    def max_tokens(self, task: Task) -> int:
        """The text at one token a byte, which is the most that it can have, and the tags."""
        assert isinstance(task, AnnotationTask)
        return len(task.text.encode()) + _TOKENS_AROUND

    def judge(self, answer: Answer, judged: set[str]) -> Iterator[Record | Reject]:
        """A record, or a reject if the answer is not the text with tags."""
        task = self.task(answer.task)
        name, request = self._name(task.line), self.request_id(task)
        if name in judged or request in judged:
            return
        marked = ""
        try:
            sentences = read_sentences(content=answer.content, refusal=answer.refusal, finish=answer.finish)
            marked = sentences[0]
            if len(sentences) > 1:
                raise Unusable("text altered", f"{len(sentences)} sentences")
            entities = _on(task.text, *parse(marked, LABELS))
            for start, end, _ in entities:
                if task.text[start:end] != task.text[start:end].strip():
                    raise Unusable("white space at span edge", repr(task.text[start:end]))
        except (Unusable, MarkupError) as error:
            yield Reject(id=request, number=task.number, reason=error.reason, detail=error.detail, sentence=marked)
            return
        meta = {"origin": f"annotated by {answer.model}", "prompt": answer.prompt, "model": answer.model}
        yield Record(name, self._language.code, task.text, entities, meta | {"request": task.number})


def _on(given: str, text: str, entities: tuple[Entity, ...]) -> tuple[Entity, ...]:
    """The entities of an answered text, as spans of the given one.

    The texts may differ in Unicode composition: é may be one character in one and two in the other. Raises Unusable if
    they differ in more.
    """
    if text == given:
        return entities
    if unicodedata.normalize("NFD", text) != unicodedata.normalize("NFD", given):
        raise Unusable("text altered", text)
    places = {decomposed: place for place, decomposed in enumerate(_decomposed(given))}
    own = _decomposed(text)
    try:
        return tuple(Entity(places[own[start]], places[own[end]], label) for start, end, label in entities)
    except KeyError:  # a span ends between a letter and its accent
        raise Unusable("text altered", text) from None


def _decomposed(text: str) -> list[int]:
    """The length in NFD of every prefix of a text."""
    return list(itertools.accumulate((len(unicodedata.normalize("NFD", c)) for c in text), initial=0))
