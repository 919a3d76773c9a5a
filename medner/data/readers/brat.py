"""brat stand-off: a text and, beside it, lines ``T1<TAB>LABEL 0 5;9 12<TAB>surface`` (brat.nlplab.org)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from medner.data.records import Entity, Record, Tally, check_entities, normalised
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
            raise InputError(what, path=path, place=place, remedy=REMEDY)
        spans = tuple(sorted((start, end) for start, end in fragments))
        found.append(TextBound(match[1], match[2], spans, notes.get(match[1], ""), number))
    return found


def read_brat(
    path: Path, folders: Iterable[str], lang: str, tally: Tally, label: Callable[[TextBound, str], str]
) -> Iterator[Record]:
    """One record for each line of text of the documents in ``folders`` of a folder or archive.

    label: gives the label of an annotation in a file. Entities may nest. Discontinuous entities and those across a line
    break are left out and counted; white space at their edges is trimmed and counted. Raises InputError for a text
    without annotations, for a folder without texts, and from :func:`parse`.
    """
    members = read_members(path)
    for folder in folders:
        names = [name for name in members if PurePosixPath(name).match(f"{folder}/*.txt")]
        if not names:
            raise InputError(f"no texts in {folder}/", path=path, remedy="Run the fetch step again")
        for name in names:
            yield from _document(members, name, path, lang, tally, label)


def _document(
    members: Mapping[str, bytes],
    name: str,
    path: Path,
    lang: str,
    tally: Tally,
    label: Callable[[TextBound, str], str],
) -> Iterator[Record]:
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
        surface = text[start:end]
        if len(annotation.fragments) > 1:
            tally.quirks[f"discontinuous {kind}"] += 1
        elif "\n" in surface.strip():
            tally.quirks[f"across lines {kind}"] += 1
        else:
            if surface != surface.strip():
                tally.quirks[f"white space trimmed {kind}"] += 1
            start += len(surface) - len(surface.lstrip())
            spans.append(Entity(start, start + len(surface.strip()), kind))
    offset = 0
    for number, line in enumerate(text.split("\n"), start=1):
        begin = offset + len(line) - len(line.lstrip())
        end = begin + len(line.strip())
        if line.strip():
            inside = tuple(
                Entity(e.start - begin, e.end - begin, e.label) for e in spans if begin <= e.start and e.end <= end
            )
            folder = PurePosixPath(name).parent.name
            record = Record(id=f"{folder}-{stem}-{number}", lang=lang, text=line.strip(), entities=inside)
            yield check_entities(normalised(record, tally), where, f"text line {number}", flat=False)
        offset += len(line) + 1
