"""Annotates documents of any length: their passages, sorted across documents, and the entities put back in place."""

from __future__ import annotations

import itertools
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medner.annotation.entities import About, Arithmetic, Entity
from medner.annotation.inputs import STDIN, Document, Reading, find_files, read_documents
from medner.annotation.journal import Annotated, Journal, journal_of
from medner.annotation.outputs import WITHOUT_TEXT, check_output, output_format, write_documents
from medner.annotation.passages import continued, passages
from medner.annotation.workers import Chunks, Found, cores, start_workers
from medner.exceptions import InputError
from medner.files import read_bytes, sha256, write_text

CHUNK = 100_000  # characters that are annotated together: one to three seconds
DOCUMENT = 100  # what an empty document counts for

Tick = Callable[[Annotated, int], None]  # called with every document and its characters


@dataclass(frozen=True)
class Job:
    """What ``medner annotate`` is asked to do. to: a format; empty: by suffix. labels: to keep; empty: all."""

    inputs: Sequence[str]
    model: str
    output: Path
    reading: Reading = field(default_factory=Reading)
    to: str = ""
    keep_text: bool = True
    labels: Sequence[str] = ()
    min_confidence: float = 0.0
    limit: int | None = None
    resume: bool = False
    skip_bad: bool = False
    arithmetic: Arithmetic = "auto"
    processes: int = 0


@dataclass(frozen=True)
class Size:
    """How much is to be annotated. empty: the ids of documents without text. continued: share of the line breaks within
    paragraphs that a small letter follows.
    """

    documents: int
    characters: int
    empty: Sequence[str]
    continued: float


@dataclass(frozen=True)
class Summary:
    """What was done. skipped: the message of each bad document; entities: number by label."""

    documents: int
    skipped: Sequence[str]
    entities: Mapping[str, int]


@dataclass
class _Waiting:
    """A document whose passages are being annotated."""

    document: Document | InputError
    read: bool = False
    open: int = 0
    entities: list[Entity] = field(default_factory=list)


def annotate_documents(
    documents: Iterable[Document | InputError], find: Callable[[Chunks], Found], *, wrapped: bool = False
) -> Iterator[tuple[Document | InputError, list[Entity]]]:
    """Every document with its entities, in order; what could not be read passes through.

    find: entities of the texts of every chunk, in order; it may read chunks ahead. A chunk has passages of one document
    or of many. What is in memory are the chunks that find has read, and the documents that they belong to. wrapped: as
    for :func:`passages`; the text of an entity then has spaces where the document has line breaks.
    """
    order: deque[_Waiting] = deque()
    places: deque[tuple[_Waiting, int]] = deque()

    def chunks() -> Iterator[list[str]]:
        texts: list[str] = []
        size = 0
        for document in documents:
            waiting = _Waiting(document)
            order.append(waiting)
            size += DOCUMENT
            read = () if isinstance(document, InputError) else passages(document.text, wrapped=wrapped)
            for start, text in read:
                texts.append(text)
                places.append((waiting, start))
                waiting.open += 1
                size += len(text)
                if size >= CHUNK:
                    yield texts
                    texts, size = [], 0
            waiting.read = True
            if size >= CHUNK:
                yield texts
                texts, size = [], 0
        yield texts

    for found in find(chunks()):
        for entities in found:
            waiting, start = places.popleft()
            waiting.open -= 1
            waiting.entities += [e._replace(start=e.start + start, end=e.end + start) for e in entities]
        while order and order[0].read and not order[0].open:
            done = order.popleft()
            yield done.document, done.entities


def run(job: Job, *, count: Callable[[Size], None], tick: Tick) -> Summary:
    """Annotate, and write the output whole or not at all.

    count: called with the size of the input before the work starts, unless it comes from standard input. tick: called
    after every document, also after those that an earlier run has done. Raises InputError for bad input, unless it is
    to be skipped; what is done then stays for a run with ``resume``.
    """
    to = output_format(job.output, job.to)
    if not job.keep_text and to not in ("jsonl", *WITHOUT_TEXT):
        raise InputError(f"--no-text does not go with {to}", remedy="Write JSONL, CSV or TSV")
    files = find_files(job.inputs, job.reading, (job.output, journal_of(job.output), _report_of(job.output)))
    check_output(job.output, to)

    def documents() -> Iterator[Document | InputError]:
        return itertools.islice(read_documents(files, job.reading), job.limit)

    expected = 1
    if STDIN not in files:
        size = _counted(documents(), job.skip_bad)
        count(size)
        expected = max(1, (size.documents * DOCUMENT + size.characters) // CHUNK)
    settings = {
        "inputs": list(job.inputs),
        "model": job.model,
        "pipeline": _pipeline_mark(Path(job.model)),
        "to": to,
        "no-text": not job.keep_text,
        "labels": sorted(job.labels),
        "min-confidence": job.min_confidence,
        "arithmetic": job.arithmetic,
        **vars(job.reading),
    }
    with closing(Journal(job.output, settings)) as journal:
        done = journal.open(resume=job.resume)
        kept = len(done)
        try:
            for one in journal.read():
                tick(one, len(one.text or ""))
            rest = _after(documents(), done, job.limit, journal.path)
            with start_workers(job.model, job.arithmetic, job.processes or cores(), expected) as workers:
                check_wishes(job.model, workers.about, job.labels, job.min_confidence)
                annotated = annotate_documents(rest, workers.find, wrapped=job.reading.wrapped)
                for document, entities in annotated:
                    one = _kept(document, entities, job, to)
                    journal.add(one)
                    kept += 1
                    tick(one, 0 if isinstance(document, InputError) else len(document.text))
        except BaseException:
            if not kept:
                journal.path.unlink()
            raise
        return _finish(job, to, journal)


def _finish(job: Job, to: str, journal: Journal) -> Summary:
    """Make the output, and the list of what was skipped, from the journal."""
    documents, skipped, entities = 0, [], Counter[str]()
    for one in journal.read():
        if one.fault:
            skipped.append(one.fault)
        else:
            documents += 1
            entities.update(entity.label for entity in one.entities)
    if documents:
        write_documents(job.output, to, (one for one in journal.read() if not one.fault))
    report = _report_of(job.output)
    report.unlink(missing_ok=True)
    if skipped:
        write_text(report, "".join(f"{fault}\n" for fault in skipped))
    journal.path.unlink()
    return Summary(documents, skipped, entities)


def _report_of(output: Path) -> Path:
    return output.with_name(f"{output.name}.skipped.txt")


def _pipeline_mark(folder: Path) -> str:
    """What changes when a pipeline is trained again; empty for an installed package."""
    meta = folder / "meta.json"
    return sha256(read_bytes(meta)) if meta.is_file() else ""


def _counted(documents: Iterable[Document | InputError], skip_bad: bool) -> Size:
    """The size of the input. Raises the first InputError, unless bad ones are skipped."""
    number = characters = breaks = continued_ones = 0
    empty: list[str] = []
    for document in documents:
        number += 1
        if isinstance(document, Document):
            characters += len(document.text)
            if not document.text.strip():
                empty.append(document.id)
            found = continued(document.text)
            breaks, continued_ones = breaks + found[0], continued_ones + found[1]
        elif not skip_bad:
            raise document
    if not number:
        raise InputError("the input has no document", remedy="Check the files, and --from")
    return Size(number, characters, empty, continued_ones / breaks if breaks else 0.0)


def _after(
    documents: Iterator[Document | InputError], done: Sequence[str], limit: int | None, path: Path
) -> Iterator[Any]:
    """The documents after those that are done. Raises InputError if the input is another than it was, or cut short."""
    if limit is not None and limit < len(done):
        what = f"has {len(done):,} documents already, more than --limit"
        raise InputError(what, path=path, remedy=f"Give --limit {len(done)} or more, or delete this file")
    for number, mark in enumerate(done, start=1):
        document = next(documents, None)
        if document is None or mark_of(document) != mark:
            what = f"was started with other input: document {number} has changed, moved or is missing"
            raise InputError(what, path=path, remedy="Restore the input, or delete this file")
    return documents


def mark_of(document: Document | InputError) -> str:
    """Tells a document of the input from others: its id and a checksum of its text."""
    if isinstance(document, InputError):
        return str(document)
    return f"{document.id} {zlib.crc32(document.text.encode()):08x}"


def check_wishes(model: str, about: About, labels: Sequence[str], min_confidence: float) -> None:
    """Raises InputError for labels and confidences that the pipeline does not have."""
    if unknown := sorted(set(labels) - set(about.labels)):
        remedy = f"It finds {', '.join(about.labels)}"
        raise InputError(f"the pipeline does not find {', '.join(unknown)}", path=model, remedy=remedy)
    if min_confidence > 0 and not about.confidence:
        what = "the pipeline gives no confidence"
        raise InputError(what, path=model, remedy="Leave out --min-confidence, or use a BIO pipeline (medner_bio)")


def is_wanted(entity: Entity, labels: Sequence[str], min_confidence: float) -> bool:
    """Whether an entity is kept. labels: empty for all."""
    probable = entity.confidence is None or entity.confidence >= min_confidence
    return probable and (not labels or entity.label in labels)


def _kept(document: Document | InputError, entities: Sequence[Entity], job: Job, to: str) -> Annotated:
    if isinstance(document, InputError):
        if not job.skip_bad:
            raise document
        return Annotated("", None, {}, (), fault=str(document), mark=mark_of(document))
    keep_text = job.keep_text and to not in WITHOUT_TEXT
    wanted = tuple(entity for entity in entities if is_wanted(entity, job.labels, job.min_confidence))
    text = document.text if keep_text else None
    return Annotated(document.id, text, document.extra, wanted, mark=mark_of(document))
