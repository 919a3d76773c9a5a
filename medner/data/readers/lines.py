"""Documents of several lines: what readers of whole texts give, line by line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from medner.data.records import Entity, Record, Tally, check_entities, normalised


class Document(NamedTuple):
    """A text of any length with its mentions, whose offsets are characters of it. place: what messages call it."""

    name: str
    text: str
    entities: tuple[Entity, ...]
    place: str


def by_line(
    text: str, entities: Sequence[Entity], prefix: str, lang: str, tally: Tally, path: Path | str, place: str
) -> Iterator[Record]:
    """One record for each line of a text that is not blank, without white space around it.

    The id is ``prefix`` and the line's number. Mentions may nest. Those across a line break are left out and counted;
    white space at their edges is trimmed and counted. Raises InputError for an empty span, naming ``path``, ``place``
    and the line.
    """
    spans = []
    for start, end, label in entities:
        surface = text[start:end]
        if "\n" in surface.strip():
            tally.quirks[f"across lines {label}"] += 1
            continue
        if surface != surface.strip():
            tally.quirks[f"white space trimmed {label}"] += 1
        first = start + len(surface) - len(surface.lstrip())
        spans.append(Entity(first, first + len(surface.strip()), label))
    spans.sort()
    offset = position = 0
    for number, line in enumerate(text.split("\n"), start=1):
        begin, end = offset + len(line) - len(line.lstrip()), offset + len(line.rstrip())
        offset += len(line) + 1
        inside = []
        while position < len(spans) and spans[position].start < offset:
            entity = spans[position]
            position += 1
            if begin <= entity.start and entity.end <= end:
                inside.append(Entity(entity.start - begin, entity.end - begin, entity.label))
        if line.strip():
            record = Record(id=f"{prefix}{number}", lang=lang, text=line.strip(), entities=tuple(inside))
            yield check_entities(normalised(record, tally), path, f"{place}line {number}", flat=False)
