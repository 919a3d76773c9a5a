"""Annotating given text: zero-shot labels from the same client, in the same markup."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from medner.data.docbins import read_docbin
from medner.data.markup import MarkupError, holds_tag, parse
from medner.data.records import Record
from medner.data.tokenizer import blank
from medner.exceptions import InputError
from medner.files import read_text
from medner.generation.client import Unusable, read_sentences
from medner.generation.config import LABELS, Language
from medner.generation.ledger import Answer, Ledger, Reject
from medner.generation.planning import Task, system_prompt

_TOKENS_AROUND = 512  # room for the tags and the JSON around the text


class AnnotationTask(Task):
    """One text of a file; its number is the line's."""

    text: str


def annotation_id(lang: str, number: int) -> str:
    """The id of the record of a text by its number, e.g. ``ro-a000012`` for line 12."""
    return f"{lang}-a{number:06d}"


def read_texts(path: Path) -> list[str]:
    """The lines of a text file, empty ones included, or the texts of a DocBin file of the corpus step (``.spacy``).

    Raises InputError if it is neither.
    """
    if path.suffix == ".spacy":
        return [record.text for record in read_docbin(path, blank())]
    return read_text(path).split("\n")


class Annotating:
    """Labels for every text of a file, see :func:`read_texts` (empty ones are passed over).

    A text that holds a tag of its own has no markup: it is rejected unasked. Raises InputError for a file without
    text, for one whose texts are not those that the output was begun with, and for an output of another language.
    """

    def __init__(self, language: Language, path: Path, ledger: Ledger) -> None:
        self.prompt = language.prompt_version
        self._language = language
        texts = {number: text for number, text in enumerate(read_texts(path), start=1) if text.strip()}
        self._tasks = [AnnotationTask(number=number, text=text) for number, text in texts.items()]
        if not self._tasks:
            raise InputError("holds no text", path=path, remedy="Write one text a line")
        prefix = f"{language.code}-a"
        if other := next((name for name in sorted(ledger.judged) if not name.startswith(prefix)), None):
            what = f"holds {other!r}, which is no text annotated in {language.code!r}"
            raise InputError(what, path=ledger.output.path, remedy="Give the same language, or choose another output")
        for answer in ledger.answers:
            if answer.task.get("text") != texts.get(answer.number):
                what = "is not the text that the output was begun with"
                remedy = "Restore it, or choose another output"
                raise InputError(what, path=path, place=f"line {answer.number}", remedy=remedy)
        for task in self._tasks:
            if holds_tag(task.text) and self.id(task.number) not in ledger.judged:
                ledger.reject(
                    Reject(id=self.id(task.number), number=task.number, reason="tag in text", sentence=task.text)
                )

    def tasks(self, ledger: Ledger) -> Sequence[AnnotationTask]:
        """The texts without a verdict."""
        return [task for task in self._tasks if self.id(task.number) not in ledger.judged]

    def id(self, number: int) -> str:
        """:func:`annotation_id` in the language of the texts."""
        return annotation_id(self._language.code, number)

    def task(self, data: dict[str, Any]) -> AnnotationTask:
        """A task as it was written down."""
        return AnnotationTask.model_validate(data)

    def messages(self, task: Task) -> tuple[str, str]:
        """System message, and the text alone: nothing around it could be taken for a part of it."""
        assert isinstance(task, AnnotationTask)
        return system_prompt(self._language, self._language.annotator), task.text

    def max_tokens(self, task: Task) -> int:
        """The text at one byte a token, which is the most it can have, and the tags."""
        assert isinstance(task, AnnotationTask)
        return len(task.text.encode()) + _TOKENS_AROUND

    def judge(self, answer: Answer, judged: set[str]) -> Iterator[Record | Reject]:
        """One record, or one reject where the answer is not the text with tags."""
        name = self.id(answer.number)
        if name in judged:
            return
        given = self.task(answer.task).text
        marked = ""
        try:
            sentences = read_sentences(content=answer.content, refusal=answer.refusal, finish=answer.finish)
            marked = sentences[0]
            text, entities = parse(marked, LABELS)
            if len(sentences) > 1 or text != given:
                raise Unusable("text altered", f"{len(sentences)} sentences" if len(sentences) > 1 else text)
            if blank := [e for e in entities if text[e.start : e.end] != text[e.start : e.end].strip()]:
                raise Unusable("white space at span edge", repr(text[blank[0].start : blank[0].end]))
        except (Unusable, MarkupError) as error:
            yield Reject(id=name, number=answer.number, reason=error.reason, detail=error.detail, sentence=marked)
            return
        meta = {"origin": f"annotated by {answer.model}", "prompt": answer.prompt, "model": answer.model}
        yield Record(name, self._language.code, given, entities, meta | {"request": answer.number})
