"""Does one text occur in another corpus? Sentence overlap, exact and near."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from medner.records import CEDILLA_TO_COMMA

NGRAM = 6  # words; long enough that a shared one is no coincidence
NEAR = 0.5  # share of the shorter sentence's n-grams that makes two sentences near-duplicates

_WORD = re.compile(r"\w+")


def normalise(text: str) -> tuple[str, ...]:
    """The words of a text without case, punctuation, spacing and the cedilla/comma difference."""
    return tuple(_WORD.findall(text.translate(CEDILLA_TO_COMMA).lower()))


def _ngrams(words: tuple[str, ...]) -> set[tuple[str, ...]]:
    return {words[i : i + NGRAM] for i in range(len(words) - NGRAM + 1)}


class Overlap:
    """Sentences of a held-out corpus, against which others are checked.

    ``find`` says whether a text occurs there: ``"exact"`` when it has the same letters and digits (spacing and
    punctuation apart), ``"near"`` when it and *one* held-out sentence share at least half of the word 6-grams of the
    shorter of the two (so that a sentence swallowed whole by a longer one is found as well), else None.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._exact: set[str] = set()
        self._where: dict[tuple[str, ...], set[int]] = {}
        self._size: list[int] = []
        for number, text in enumerate(texts):
            words = normalise(text)
            self._exact.add("".join(words))
            ngrams = _ngrams(words)
            self._size.append(len(ngrams))
            for ngram in ngrams:
                self._where.setdefault(ngram, set()).add(number)

    def find(self, text: str) -> str | None:
        """``"exact"``, ``"near"`` or None, for one text."""
        words = normalise(text)
        if "".join(words) in self._exact:
            return "exact"
        ngrams = _ngrams(words)
        shared = Counter(number for ngram in ngrams for number in self._where.get(ngram, ()))
        near = any(count >= NEAR * min(len(ngrams), self._size[number]) for number, count in shared.items())
        return "near" if near else None
