"""Offsets that another program counted in other units than characters: noticed, and named."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence

from spacy.language import Language

from medner.data.records import Entity, Record
from medner.data.tokenizer import reference_doc
from medner.exceptions import InputError

LIMIT = 0.02  # share of mentions that may start or end inside a word
FEWEST = 2  # mentions; one alone is a slip of the hand
AROUND = 12  # characters of context in an example

# What one character counts in another reading of the text.
READINGS: Mapping[str, Callable[[str], int]] = {
    "UTF-16 units, in which an emoji counts twice": lambda letter: 1 + (ord(letter) > 0xFFFF),
    "text with CRLF at the end of a line, where this has LF": lambda letter: 1 + (letter == "\n"),
    "text with LF at the end of a line, where this has CRLF": lambda letter: int(letter != "\r"),
    "decomposed letters (NFD), where these are composed": lambda letter: len(unicodedata.normalize("NFD", letter)),
    "composed letters (NFC), where these are decomposed": lambda letter: int(not unicodedata.combining(letter)),
    "UTF-8 bytes": lambda letter: len(letter.encode("utf-8", "surrogatepass")),
}


def translation(text: str, reading: str) -> dict[int, int]:
    """Offsets in a reading of the text, and what they are in characters. Offsets inside a character are missing."""
    width, found, position = READINGS[reading], {0: 0}, 0
    for number, letter in enumerate(text, start=1):
        position += width(letter)
        found[position] = number
    return found


def reading_of(text: str, fragments: Sequence[tuple[int, int]], surface: str) -> str | None:
    """The reading in which the offsets hold the surface form, if there is one."""
    for reading in READINGS:
        at = translation(text, reading)
        if " ".join(text[at.get(start, 0) : at.get(end, 0)] for start, end in fragments) == surface:
            return reading
    return None


def _is_cut(text: str, start: int, end: int) -> bool:
    """Whether a span is empty, out of range, or starts or ends inside a word."""
    if not 0 <= start < end <= len(text):
        return True
    return any(0 < at < len(text) and text[at - 1].isalnum() and text[at].isalnum() for at in (start, end))


def check_offsets(texts: Iterable[tuple[str, Sequence[Entity]]], path: object) -> None:
    """Raises InputError if more than ``LIMIT`` of the mentions start or end inside a word, with what it looks like."""
    found = [(text, entity) for text, entities in texts for entity in entities]
    cut = [(text, entity) for text, entity in found if _is_cut(text, entity.start, entity.end)]
    if len(cut) >= FEWEST and len(cut) > LIMIT * len(found):
        raise _shifted(cut, len(found), str(path), "a word")


def check_boundaries(nlp: Language, records: Sequence[Record], source: str, limit: float = LIMIT) -> None:
    """Raises InputError if more of a source's mentions than ``limit`` start or end inside a token of ``nlp``."""
    total = sum(len(record.entities) for record in records)
    cut = [(record.text, entity) for record, entity in inside_tokens(nlp, records)]
    if len(cut) >= FEWEST and len(cut) > limit * total:
        raise _shifted(cut, total, f"source {source}", "a token")


def inside_tokens(nlp: Language, records: Iterable[Record]) -> list[tuple[Record, Entity]]:
    """The mentions that start or end inside a token of ``nlp``, each with its record."""
    marked = (record for record in records if record.entities)
    return [(record, record.entities[n]) for record in marked for n in reference_doc(nlp, record)[1]]


def _shifted(cut: Sequence[tuple[str, Entity]], total: int, path: str, unit: str) -> InputError:
    examples = ", ".join(_example(text, entity) for text, entity in cut[:2])
    what = f"{len(cut):,} of {total:,} mentions start or end inside {unit}, such as {examples}"
    right = {reading: sum(_fits(text, entity, reading) for text, entity in cut) for reading in READINGS}
    best = max(right, key=lambda reading: right[reading])
    if 2 * right[best] > len(cut):
        what += f"; the offsets look counted in {best}"
        return InputError(what, path=path, remedy="Write them in characters of the text as it stands in the file")
    remedy = "Correct the offsets; if they are right, raise off_boundaries of the source in configs/experiments.yml"
    return InputError(what, path=path, remedy=remedy)


def _fits(text: str, entity: Entity, reading: str) -> bool:
    at = translation(text, reading)
    start, end = at.get(entity.start, -1), at.get(entity.end, -1)
    return (start, end) != (entity.start, entity.end) and not _is_cut(text, start, end)


def _example(text: str, entity: Entity) -> str:
    start, end = (min(max(at, 0), len(text)) for at in (entity.start, entity.end))
    before, after = text[max(0, start - AROUND) : start], text[end : end + AROUND]
    return repr(f"{before}[{text[start:end][: 2 * AROUND]}]{after}")
