"""How texts and mentions of two corpora are compared: sentences exactly and nearly, surface forms by their key."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from pydantic import RootModel

from medner.data.records import CEDILLA_TO_COMMA, Record, without_marks
from medner.settings import load_settings

NGRAM = 6  # words; so long that two sentences rarely share one by chance
NEAR = 0.5  # threshold: share of the shorter sentence's n-grams that the other has

NEAR_DUPLICATE = 0.6  # threshold: Jaccard index of the two sets of character 5-grams
_GRAM = 5
_BITS = 2048  # for the grams of a sentence, about 130
STEM_FROM = 5  # letters; words of this length or more lose their last two, roughly article and inflection

_WORD = re.compile(r"\w+")
# Unicode's Default_Ignorable_Code_Point: characters that are not displayed, such as U+200B and U+00AD.
INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def comparable(text: str) -> str:
    """The text as comparisons see it: composed (NFC), with comma-below letters, without invisible characters."""
    return unicodedata.normalize("NFC", INVISIBLE.sub("", text)).translate(CEDILLA_TO_COMMA)


def normalise(text: str) -> tuple[str, ...]:
    """The words of a text without case, punctuation, spacing and what :func:`comparable` takes away."""
    return tuple(_WORD.findall(comparable(text).lower()))


def _ngrams(words: tuple[str, ...]) -> set[tuple[str, ...]]:
    return {words[i : i + NGRAM] for i in range(len(words) - NGRAM + 1)}


class Overlap:
    """Sentences of one corpus, with which sentences of another are compared.

    ``find`` returns ``"exact"`` for a text that has the same letters and digits as a sentence, whatever the spacing and
    punctuation. It returns ``"near"`` if the text and *one* sentence share at least half of the word 6-grams of the
    shorter of the two, so that a sentence that is part of a longer one is found as well.
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


class NearDuplicates:
    """Sentences with which others are compared by their sets of character 5-grams, without case.

    Few sentences have to be compared. If all sets of grams are sorted in one order, two of them with a Jaccard index of
    at least J share one of their first n - ceil(J n) + 1 grams, n being the size of each (prefix filtering: Chaudhuri,
    Ganti & Kaushik, ICDE 2006; Bayardo, Ma & Srikant, WWW 2007). Sorted by frequency, these are rare. Among 500, 2,000,
    8,000 and 32,000 sentences made of 1,147, a search takes 0.3, 0.5, 0.9 and 2.9 ms (``benchmarks/generation.py``).
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._texts: list[str] = []
        self._compared: list[str] = []  # the texts as _letters has them
        self._sizes: list[int] = []
        self._bits: list[int] = []
        self._frequency: Counter[str] = Counter()
        self._order: dict[str, int] = {}  # places of the grams, by their frequency when the index was made
        self._where: dict[str, list[int]] = {}  # the texts that a gram is one of the first of
        for text in texts:
            self.add(text)

    def add(self, text: str) -> None:
        """Add a sentence to compare later ones with."""
        letters = _letters(text)
        grams = _grams(letters)
        self._texts.append(text)
        self._compared.append(letters)
        self._sizes.append(len(grams))
        self._bits.append(_bits(grams))
        self._frequency.update(grams)
        count = len(self._texts)
        if count & (count - 1):
            self._index(count - 1, grams)
        else:  # a power of 2: make the index anew, since frequencies have changed
            rising = sorted(self._frequency, key=self._frequency.__getitem__)
            self._order, self._where = {gram: place for place, gram in enumerate(rising)}, {}
            for number, other in enumerate(self._compared):
                self._index(number, _grams(other))

    def _index(self, number: int, grams: set[str]) -> None:
        for gram in self._first(grams):
            self._where.setdefault(gram, []).append(number)

    def _first(self, grams: set[str]) -> list[str]:
        known = grams & self._order.keys()
        count = len(grams) - math.ceil(NEAR_DUPLICATE * len(grams)) + 1
        return [*sorted(grams - known), *sorted(known, key=self._order.__getitem__)][:count]

    def find(self, text: str) -> str | None:
        """The first added text whose Jaccard index with this one is at least ``NEAR_DUPLICATE``, else None."""
        grams = _grams(_letters(text))
        bits = _bits(grams)
        for number in sorted({number for gram in self._first(grams) for number in self._where.get(gram, ())}):
            size = self._sizes[number]
            least = NEAR_DUPLICATE * (len(grams) + size) / (1 + NEAR_DUPLICATE)  # grams to share
            # A bit that only one has stands for a gram that only one has.
            if len(grams) - (bits & ~self._bits[number]).bit_count() >= least - 1e-9:
                shared = sum(map(self._compared[number].__contains__, grams))
                if shared >= NEAR_DUPLICATE * (len(grams) + size - shared):
                    return self._texts[number]
        return None


def _letters(text: str) -> str:
    """What :class:`NearDuplicates` compares, and at least one gram of it."""
    return " ".join(comparable(text).lower().split()).ljust(_GRAM, "\0")


def _grams(letters: str) -> set[str]:
    return {letters[i : i + _GRAM] for i in range(len(letters) - _GRAM + 1)}


def _bits(grams: set[str]) -> int:
    """A number with a bit for every gram, the same for two grams now and then."""
    bits = 0
    for gram in grams:
        bits |= 1 << hash(gram) % _BITS
    return bits


@lru_cache(maxsize=2**16)
def form_key(form: str) -> str:
    """A key that surface forms share if they differ in case, diacritics and, roughly, article and inflection alone.

    Words of five letters or more lose their last two, so that ``hipertensiunea arterială`` and ``Hipertensiunii
    arteriale`` have the same key. The heuristic errs on the side of too many matches.
    """
    bare = without_marks(INVISIBLE.sub("", form).lower())
    return " ".join(word[:-2] if len(word) >= STEM_FROM else word for word in _WORD.findall(bare))


class _GenericNouns(RootModel[dict[str, tuple[str, ...]]]):
    pass


def load_generic_nouns(path: Path) -> dict[str, tuple[str, ...]]:
    """``assets/synthetic/generic_nouns.yml``: forms by language. Raises InputError for a malformed file."""
    return load_settings(path, _GenericNouns, remedy="Write `ro: [boală, …]`").root


def mention_keys(records: Iterable[Record]) -> set[tuple[str, str]]:
    """Label and :func:`form_key` of every mention; of training records, the mentions that the model has seen."""
    return {(e.label, form_key(r.surface(e))) for r in records for e in r.entities}
