"""A corpus in a common format, read as its entry in ``configs/experiments.yml`` says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from medner.data.docbins import read_docbin
from medner.data.offsets import check_offsets
from medner.data.readers import brat, corrected
from medner.data.readers.conll import read_conll
from medner.data.readers.lines import Document, by_line
from medner.data.records import Entity, Record, Tally, check_entities
from medner.data.tokenizer import blank
from medner.exceptions import InputError
from medner.study import Source


def read_own(path: Path, source: Source, tally: Tally) -> Iterator[Record]:
    """Records of one file (or brat folder) of a source with a format, one for each line of its texts.

    Ids are ``<document>#<line>``. Raises InputError from the format's reader, for two documents of one name, for
    offsets that are not counted in characters, and for a file without texts.
    """
    if source.format == "conll":
        columns = source.columns
        yield from read_conll(path, source.lang, columns.token, columns.tag, columns.misc, tally)
        return
    documents = list(_documents(path, source, tally))
    if not any(document.text.strip() for document in documents):
        raise InputError("contains no annotated texts", path=path, remedy="Accept or annotate texts, and export again")
    check_offsets([(document.text, document.entities) for document in documents], path)
    seen: dict[str, str] = {}
    for name, text, entities, place in documents:
        if name in seen:
            what = f"id {name!r} was already used at {seen[name]}"
            raise InputError(what, path=path, place=place, remedy="Give every text a unique id")
        seen[name] = place
        check_entities(Record(name, source.lang, text, entities), path, place, flat=False, trimmed=False)
        prefix = f"{name.replace('#', '-')}#"
        yield from by_line(*_with_lf(text, entities), prefix, source.lang, tally, path, f"{place}, ")


def _with_lf(text: str, entities: tuple[Entity, ...]) -> tuple[str, tuple[Entity, ...]]:
    """The text with LF line ends, and its entities moved to where they are then."""
    if "\r" not in text:
        return text, entities
    moved = tuple(e._replace(start=_lf(text[: e.start]), end=_lf(text[: e.end])) for e in entities)
    return text.replace("\r\n", "\n").replace("\r", "\n"), moved


def _lf(text: str) -> int:
    return len(text) - text.count("\r\n")


def _documents(path: Path, source: Source, tally: Tally) -> Iterator[Document]:
    if source.format == "brat":
        return brat.read_documents(path, tally)
    if source.format == "label-studio":
        return corrected.read_label_studio(path, tally)
    if source.format == "jsonl":
        return corrected.read_jsonl(path, tally)
    return (
        Document(record.id, record.text, record.entities, f"document {number}")
        for number, record in enumerate(read_docbin(path, blank()), start=1)
    )
