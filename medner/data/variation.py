"""Ways in which a text varies without saying anything else: spaces, capitals, spelling, encoding, layout.

Primitives of two users: training text is varied (:mod:`medner.model.augment`), and so are test sentences, to measure
what a pipeline loses (:mod:`medner.evaluation.perturbations`). Each has rates of its own.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from medner.data.records import Entity, Record

# Windows-1250, which has the Romanian letters, read as Latin-1.
MISREAD = str.maketrans("ăĂșȘțȚşŞţŢ", "ãÃºªþÞºªþÞ")
MARKS = "‘’“”„–—…«»°"  # what word processors write, beyond ASCII
KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
BESIDE = {key: row[max(0, at - 1) : at] + row[at + 1 : at + 2] for row in KEYS for at, key in enumerate(row)}


@dataclass
class Letters:
    """A text to vary: what stands in the place of each of its characters, and what is inserted between them.

    text: as it was. cells: one string a character. gaps: what is inserted before each character, and after the last.
    """

    text: str
    cells: list[str]
    gaps: list[str]
    entities: tuple[Entity, ...]

    @classmethod
    def of(cls, record: Record) -> Letters:
        """A record's text, unchanged."""
        return cls(record.text, list(record.text), [""] * (len(record.text) + 1), record.entities)

    def spaces(self) -> list[int]:
        """The places of single spaces."""
        return [at for at, letter in enumerate(self.text) if letter == " "]

    def words(self, entities: Iterable[Entity] | None = None) -> list[range]:
        """The words, or those of the mentions given."""
        parts = [(0, len(self.text))] if entities is None else [(e.start, e.end) for e in entities]
        found = []
        for start, end in parts:
            first = start
            for at in range(start, end + 1):
                if at == end or self.text[at].isspace():
                    if at > first:
                        found.append(range(first, at))
                    first = at + 1
        return found

    def each(self, places: Iterable[int], change: Callable[[str], str]) -> None:
        """Change the characters at the places."""
        for at in places:
            self.cells[at] = change(self.cells[at])

    def record(self, base: Record) -> Record:
        """The varied text with its entities, as a record like ``base``. What is inserted lies outside of mentions
        unless it is between two of their characters."""
        starts, ends, pieces, length = [], [0], [], 0
        for gap, cell in zip(self.gaps, [*self.cells, ""], strict=True):
            starts.append(length + len(gap))
            length += len(gap) + len(cell)
            ends.append(length)
            pieces += [gap, cell]
        entities = tuple(Entity(starts[e.start], ends[e.end], e.label) for e in self.entities)
        return Record(base.id, base.lang, "".join(pieces), entities, base.meta)


Vary = Callable[[Letters, random.Random], None]


def some(places: Sequence[int], rate: float, rng: random.Random) -> list[int]:
    """Each place with probability ``rate``."""
    return [at for at in places if rng.random() < rate]


def odd_spaces(rate: float, kinds: Sequence[str]) -> Vary:
    """A share of the spaces becomes one of ``kinds``."""

    def vary(letters: Letters, rng: random.Random) -> None:
        for at in some(letters.spaces(), rate, rng):
            letters.cells[at] = rng.choice(kinds)

    return vary


def odd_space_in_mentions(kinds: Sequence[str]) -> Vary:
    """One space of every mention of several words becomes one of ``kinds``."""

    def vary(letters: Letters, rng: random.Random) -> None:
        for entity in letters.entities:
            inside = [at for at in letters.spaces() if entity.start <= at < entity.end]
            if inside:
                letters.cells[rng.choice(inside)] = rng.choice(kinds)

    return vary


def wrapped(columns: int, line_break: str) -> Vary:
    """Lines of at most so many columns, where words allow."""

    def vary(letters: Letters, rng: random.Random) -> None:
        line = 0
        for word in letters.words():
            if word.stop - line > columns and word.start > line:
                letters.cells[word.start - 1] = line_break
                line = word.start

    return vary


def mentions_in_capitals(labels: Sequence[str], rate: float = 1.0) -> Vary:
    """A share of the mentions with these labels, in capitals."""

    def vary(letters: Letters, rng: random.Random) -> None:
        for entity in letters.entities:
            if entity.label in labels and rng.random() < rate:
                letters.each(range(entity.start, entity.end), str.upper)

    return vary


def heading_in_capitals(words: int) -> Vary:
    """The first words in capitals, as a heading."""

    def vary(letters: Letters, rng: random.Random) -> None:
        for word in letters.words()[:words]:
            letters.each(word, str.upper)

    return vary


def decomposed(text: str) -> str:
    """Letters with diacritics as two characters (NFD)."""
    return unicodedata.normalize("NFD", text)


def misread(text: str) -> str:
    """Windows-1250 read as Latin-1: the Romanian letters that differ."""
    return text.translate(MISREAD)


def misread_utf8(text: str) -> str:
    """UTF-8 read as Windows-1252, and as Latin-1 where that has no character."""
    return "".join(bytes([b]).decode("cp1252", "ignore") or chr(b) for b in text.encode())


def each(change: Callable[[str], str]) -> Vary:
    """All characters changed, such as to capitals (``str.upper``)."""

    def vary(letters: Letters, rng: random.Random) -> None:
        letters.each(range(len(letters.cells)), change)

    return vary


def typing_errors(rate: float) -> Vary:
    """A share of the letters is left out, doubled, swapped with the next, or replaced by a key beside it."""

    def vary(letters: Letters, rng: random.Random) -> None:
        inner = [at for word in letters.words() if len(word) > 3 for at in word if letters.text[at].isalpha()]
        for at in some(inner, rate, rng):
            kind, cell = rng.randrange(4), letters.cells[at]
            if kind == 0:
                letters.cells[at] = ""
            elif kind == 1:
                letters.cells[at] = cell * 2
            elif kind == 2 and at + 1 in inner:
                letters.cells[at], letters.cells[at + 1] = letters.cells[at + 1], cell
            elif near := BESIDE.get(cell.lower()):
                letters.cells[at] = rng.choice(near)

    return vary


def inserted(characters: Sequence[str], rate: float, *, inside: bool) -> Vary:
    """Characters that cannot be seen: inside a share of the words, or before and after."""

    def vary(letters: Letters, rng: random.Random) -> None:
        for word in letters.words():
            if rng.random() < rate:
                if inside and len(word) > 5:
                    letters.gaps[rng.randrange(word.start + 2, word.stop - 2)] = rng.choice(characters)
                elif not inside:
                    letters.gaps[rng.choice((word.start, word.stop))] = rng.choice(characters)

    return vary


def framed(before: Sequence[str], after: Sequence[str] = ("",)) -> Vary:
    """Something before and after the text: bullets, numbers, leaders, line breaks."""

    def vary(letters: Letters, rng: random.Random) -> None:
        letters.gaps[0] = rng.choice(before) + letters.gaps[0]
        letters.gaps[-1] += rng.choice(after)

    return vary


def varied(record: Record, ways: Iterable[Vary], rng: random.Random) -> Record:
    """The record after all ways, one after the other."""
    letters = Letters.of(record)
    for vary in ways:
        vary(letters, rng)
    return letters.record(record)


def joined(records: Sequence[Record], separators: Sequence[str]) -> Record:
    """One record of several. separators: what stands between them, one fewer than records."""
    text, entities = "", []
    for record, separator in zip(records, ["", *separators], strict=True):
        text += separator
        entities += [Entity(e.start + len(text), e.end + len(text), e.label) for e in record.entities]
        text += record.text
    first = records[0]
    return Record(first.id, first.lang, text, tuple(entities), first.meta)
