"""brat stand-off: a text and, beside it, lines ``T1<TAB>LABEL 0 5;9 12<TAB>surface`` (brat.nlplab.org)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from medner.data.offsets import reading_of
from medner.data.readers.lines import Document, by_line
from medner.data.records import Entity, Record, Tally
from medner.exceptions import InputError
from medner.files import decode, read_members

_TEXT_BOUND = re.compile(r"(T\d+)\t(\S+) (\d+ \d+(?:;\d+ \d+)*)\t(.*)")
_NOTE = re.compile(r"#\d+\tAnnotatorNotes (T\d+)\t(.*)")
REMEDY = "Fetch or repair the file"


@dataclass(frozen=True)
class TextBound:
    """One text-bound annotation: its type, its fragments (characters, end exclusive) in order, and its note."""

    id: str
    type: str
    fragments: tuple[tuple[int, int], ...]
    note: str
    line: int


def parse(text: str, annotations: str, path: str) -> list[TextBound]:
    """The text-bound annotations of one document; relations, events and attributes are ignored.

    Raises InputError naming the line of the ``.ann`` file for malformed lines and for offsets of another surface.
    """
    lines = [(n, line) for n, line in enumerate(annotations.split("\n"), start=1) if line.strip()]
    notes = {match[1]: match[2] for _, line in lines if (match := _NOTE.fullmatch(line))}
    found = []
    for number, line in lines:
        if not line.startswith("T"):
            continue
        place = f"line {number}"
        if not (match := _TEXT_BOUND.fullmatch(line)):
            what = f"not a text-bound annotation (id, label with offsets, surface, with tabs between): {line[:40]!r}"
            raise InputError(what, path=path, place=place, remedy=REMEDY)
        fragments = [tuple(int(offset) for offset in piece.split()) for piece in match[3].split(";")]
        surface = " ".join(text[start:end] for start, end in fragments)
        if surface != match[4]:
            what = f"offsets {match[3]} hold {surface[:40]!r}, not {match[4][:40]!r}"
            if kind := reading_of(text, [(start, end) for start, end in fragments], match[4]):
                what += f"; they look counted in {kind}"
            raise InputError(what, path=path, place=place, remedy=REMEDY)
        spans = tuple(sorted((start, end) for start, end in fragments))
        found.append(TextBound(match[1], match[2], spans, notes.get(match[1], ""), number))
    return found


def read_documents(path: Path, tally: Tally) -> Iterator[Document]:
    """Every text of a folder or archive, whatever the folders in it, with its continuous mentions.

    Raises InputError if there is none, for one without annotations, and from :func:`parse`.
    """
    members = read_members(path, ("*.txt", "*.ann"))
    names = [name for name in members if name.endswith(".txt")]
    if not names:
        raise InputError("holds no .txt file", path=path, remedy="Give a folder or zip of .txt files with .ann files")
    for name in names:
        text, spans, _ = _document(members, name, path, tally, lambda annotation, _: annotation.type)
        yield Document(name.removesuffix(".txt"), text, tuple(spans), f"text of {name}")


def read_brat(
    path: Path, folders: Iterable[str], lang: str, tally: Tally, label: Callable[[TextBound, str], str]
) -> Iterator[Record]:
    """One record for each line of text of the documents in ``folders`` of a folder or archive.

    label: gives the label of an annotation in a file. Entities may nest. Discontinuous entities and those across a line
    break are left out and counted; white space at their edges is trimmed and counted. Raises InputError for a text
    without annotations, for a folder without texts, and from :func:`parse`.
    """
    members = read_members(path, ("*.txt", "*.ann"))
    for folder in folders:
        names = [name for name in members if PurePosixPath(name).match(f"{folder}/*.txt")]
        if not names:
            raise InputError(f"no texts in {folder}/", path=path, remedy="Run the fetch step again")
        for name in names:
            text, spans, where = _document(members, name, path, tally, label)
            prefix = f"{PurePosixPath(name).parent.name}-{PurePosixPath(name).stem}-"
            yield from by_line(text, spans, prefix, lang, tally, where, "text ")


def _document(
    members: Mapping[str, bytes],
    name: str,
    path: Path,
    tally: Tally,
    label: Callable[[TextBound, str], str],
) -> tuple[str, list[Entity], str]:
    """Text, continuous mentions, and what messages call the annotations, of one document."""
    stem = PurePosixPath(name).stem
    companion = f"{name.removesuffix('.txt')}.ann"
    if companion not in members:
        raise InputError(f"{stem}.ann is missing", path=f"{path}!{name}", remedy="Every text needs annotations")
    text = decode(members[name], f"{path}!{name}")
    where = f"{path}!{companion}"
    spans: list[Entity] = []
    for annotation in parse(text, decode(members[companion], where), where):
        kind = label(annotation, where)
        (start, *_), (*_, end) = annotation.fragments[0], annotation.fragments[-1]
        if len(annotation.fragments) > 1:
            tally.quirks[f"discontinuous {kind}"] += 1
        else:
            spans.append(Entity(start, end, kind))
    return text, spans, where
