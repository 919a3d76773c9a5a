"""Splits a note into what a pipeline reads at once: the sentences of its lines. So no mention runs across lines.

Text that was wrapped at a fixed width is read by paragraphs in place of lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

LONGEST = 1000  # characters: a longer sentence is cut, at white space if there is some

_LINE = re.compile(r"[^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+")
# A line break between two lines of a paragraph: no blank line, and no item of a list after it.
_WRAP = re.compile(r"(?<=\S)[ \t]*\r?\n[ \t]*(?!(?:[-*•–—]|\d+[.)])\s)(?=\S)")
# Possessive, and only from the first mark of a run: a row of dots, as forms have it, is read once.
_END = re.compile(r"(?<![.!?…])([.!?…]++)[\"”»’')\]]*+\s++(?=[\"„“«‘(\[]?[A-ZÀ-ÖØ-ÞĂȘȚŞŢŒŠŽ])")
_LAST_WORD = re.compile(r"[\w.'’-]*$")
# A full stop after one of these, or after up to three letters or digits, ends no sentence: Dr. Popa, nr. 5, M. Petit.
_SHORT = 3
_ABBREVIATIONS = frozenset(("prof", "conf", "asist", "univ", "tratam", "obs", "județ", "mmes", "hosp", "serv", "chir"))


class Passage(NamedTuple):
    """A part of a text that is read at once, and the character it starts at."""

    start: int
    text: str


def passages(text: str, *, wrapped: bool = False) -> Iterator[Passage]:
    """The sentences of every line, without white space around them; what is between them is white space.

    A sentence ends only where that is almost certain, because a mention that is cut in two is lost. wrapped: whether
    line breaks within a paragraph are read as spaces.
    """
    if wrapped:
        text = _WRAP.sub(lambda found: " " * len(found[0]), text)  # as long as before, so offsets stay
    for line in _LINE.finditer(text):
        start = line.start()
        for end in [*_sentence_ends(line[0]), len(line[0])]:
            yield from _short_enough(text, start, line.start() + end)
            start = line.start() + end


def continued(text: str) -> tuple[int, int]:
    """How many line breaks within paragraphs a text has, and how many of them a small letter follows.

    Where many do, the text was probably wrapped at a fixed width.
    """
    followed = [text[found.end()].islower() for found in _WRAP.finditer(text)]
    return len(followed), sum(followed)


def _sentence_ends(line: str) -> Iterator[int]:
    for found in _END.finditer(line):
        before = _LAST_WORD.search(line, max(0, found.start() - 40), found.start())
        word = before[0] if before else ""
        abbreviated = len(word) <= _SHORT or "." in word or word.lower() in _ABBREVIATIONS
        if not (found[1] == "." and abbreviated):
            yield found.end()


def _short_enough(text: str, start: int, end: int) -> Iterator[Passage]:
    while start < end:
        stop = end
        if end - start > LONGEST:
            space = max(text.rfind(mark, start + 1, start + LONGEST) for mark in " \t\xa0")
            stop = space if space > 0 else start + LONGEST
        piece = text[start:stop]
        if stripped := piece.strip():
            yield Passage(start + len(piece) - len(piece.lstrip()), stripped)
        start = stop
