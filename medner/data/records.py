"""The record that every reader yields: a text and its entities as character spans."""

from __future__ import annotations

import itertools
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from medner.exceptions import InputError

# Romanian is written with comma-below letters; many keyboards and old fonts give the cedilla ones.
CEDILLA_TO_COMMA = str.maketrans("şţŞŢ", "șțȘȚ")


class Entity(NamedTuple):
    """One mention: ``text[start:end]`` (characters, end exclusive) carries ``label``."""

    start: int
    end: int
    label: str


@dataclass(frozen=True)
class Record:
    """One sentence or short text with its entities, in the order of their start."""

    id: str
    lang: str
    text: str
    entities: tuple[Entity, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)

    def surface(self, entity: Entity) -> str:
        """The surface form of one of the record's entities."""
        return self.text[entity.start : entity.end]

    def as_dict(self) -> dict[str, Any]:
        """For a line of a synthetic corpus, see :mod:`medner.data.readers.synthetic`."""
        entities = [entity._asdict() for entity in self.entities]
        return {"id": self.id, "lang": self.lang, "text": self.text, "entities": entities, "meta": dict(self.meta)}


@dataclass
class Tally:
    """What reading and conversion changed or left out, in counts; absent: the places of labels without their text."""

    cedillas: int = 0
    overlapping: int = 0
    absent: list[str] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    # Mentions that flat, continuous spans cannot hold, by kind and label: "discontinuous DISO", "nested MEDICAL".
    quirks: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Part:
    """One split of one source with the project's labels, and the tally of its reading."""

    records: list[Record]
    tally: Tally


def check_entities(record: Record, path: Path | str, place: str, *, flat: bool = True, trimmed: bool = True) -> Record:
    """The record with its entities sorted. Raises InputError on an invalid span.

    Invalid are spans that are empty or out of range. If ``trimmed``, so are spans that start or end in white space,
    which only a model may predict. If ``flat``, so are two spans that nest or cross; elsewhere :func:`longest` removes
    one of them, once it is known which labels are used. A text with half of a surrogate pair is refused as well.
    """

    def refuse(entity: Entity, what: str, remedy: str) -> InputError:
        span = f"span {entity.start}-{entity.end} ({entity.label})"
        return InputError(f"{span} {what}", path=path, place=place, remedy=remedy)

    if half := next((letter for letter in record.text if "\ud800" <= letter <= "\udfff"), None):
        what = f"the text has half of a surrogate pair (U+{ord(half):04X}), which is no character"
        raise InputError(what, path=path, place=place, remedy="Write the text as UTF-8 again")
    entities = tuple(sorted(record.entities))
    for entity in entities:
        if not 0 <= entity.start < entity.end <= len(record.text):
            length = len(record.text)
            raise refuse(entity, f"is empty or out of range (the text has {length} characters)", "Correct the offsets")
        form = record.surface(entity)
        if trimmed and form != form.strip():
            raise refuse(entity, f"starts or ends in white space ({form!r})", "Shorten the span")
    for left, right in itertools.pairwise(entities):
        if flat and right.start < left.end:
            kind = "lies inside" if right.end <= left.end else "crosses"
            raise refuse(right, f"{kind} span {left.start}-{left.end} ({left.label})", "Keep the longest span only")
    return replace(record, entities=entities)


def longest(record: Record, tally: Tally) -> Record:
    """The record with flat entities: of two that overlap, the longer one stays, or the earlier of the same length.

    Removed entities are counted as ``nested`` (inside the other), ``same span`` or ``crossing``, with their label.
    """
    kept: list[Entity] = []
    for entity in sorted(record.entities, key=lambda e: (e.start - e.end, e.start)):
        other = next((e for e in kept if e.start < entity.end and entity.start < e.end), None)
        if other is None:
            kept.append(entity)
            continue
        inside = other.start <= entity.start and entity.end <= other.end
        kind = "same span" if other[:2] == entity[:2] else "nested" if inside else "crossing"
        tally.quirks[f"{kind} {entity.label}"] += 1
    return replace(record, entities=tuple(sorted(kept)))


def without_marks(text: str) -> str:
    """The text decomposed (NFD) and without combining marks, so that letters with diacritics become plain ones."""
    return "".join(letter for letter in unicodedata.normalize("NFD", text) if not unicodedata.combining(letter))


def normalised(record: Record, tally: Tally) -> Record:
    """A Romanian record with comma-below ș/ț for cedilla ş/ţ; offsets stay, replaced characters are counted.

    In other languages ş is a letter of its own, as in Turkish.
    """
    if record.lang != "ro":
        return record
    text = record.text.translate(CEDILLA_TO_COMMA)
    tally.cedillas += sum(old != new for old, new in zip(record.text, text, strict=True))
    return record if text == record.text else replace(record, text=text)


def unique_ids(records: Iterable[tuple[Record, str]], path: Path | str) -> Iterator[Record]:
    """The records, which come with their places. Raises InputError at the second record with the same id."""
    seen: dict[str, str] = {}
    for record, place in records:
        if record.id in seen:
            raise InputError(
                f"id {record.id!r} was already used at {seen[record.id]}",
                path=path,
                place=place,
                remedy="Give every record a unique id",
            )
        seen[record.id] = place
        yield record


def bio_spans(tags: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """Spans (first token, token after the last, label) of a BIO2 tag sequence.

    Raises ValueError naming the token (from 1) for a tag that is not BIO2 and for an I- without a B- before it.
    """
    start, label = 0, ""
    for number, tag in enumerate(tags):
        prefix, _, name = tag.partition("-")
        if tag != "O" and (prefix not in ("B", "I") or not name):
            raise ValueError(f"token {number + 1}: {tag!r} is not a BIO tag")
        if prefix == "I" and name != label:
            raise ValueError(f"token {number + 1}: {tag!r} without a B-{name} before it")
        if prefix != "I":
            if label:
                yield start, number, label
            start, label = number, name
    if label:
        yield start, len(tags), label


def from_bio(tokens: Sequence[str], tags: Sequence[str], space_after: Sequence[bool]) -> tuple[str, list[Entity]]:
    """Running text and character entities of a tokenised sentence; no space follows the last token.

    tokens, tags, space_after: one entry for each token. Raises ValueError if their lengths differ, if a token is
    empty or holds only white space, or if the tags are not a BIO2 sequence.
    """
    if not len(tokens) == len(tags) == len(space_after):
        raise ValueError(f"{len(tokens)} tokens, {len(tags)} tags and {len(space_after)} space_after values")
    pieces: list[str] = []
    offsets: list[int] = []
    position = 0
    for number, (token, space) in enumerate(zip(tokens, space_after, strict=True), start=1):
        if not token.strip():
            raise ValueError(f"token {number} is empty")
        offsets.append(position)
        piece = token + (" " if space and number < len(tokens) else "")
        pieces.append(piece)
        position += len(piece)
    entities = [
        Entity(offsets[first], offsets[end - 1] + len(tokens[end - 1]), label) for first, end, label in bio_spans(tags)
    ]
    return "".join(pieces), entities
