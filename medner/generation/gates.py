"""The checks that a sentence must pass before it is accepted. Every refusal has a reason that can be counted."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

from py3langid.langid import MODEL_FILE, LanguageIdentifier
from spacy.language import Language as Pipeline

from medner.data.markup import holds_tag
from medner.data.overlap import INVISIBLE, NearDuplicates, form_key
from medner.data.records import Entity, Record
from medner.data.tokenizer import blank, reference_doc
from medner.exceptions import InputError
from medner.generation.config import Entry, Language, Rules

_PARTNERS = {"(": ")", "[": "]", "«": "»", "„": "”“", "“": "”", ")": "(", "]": "[", "»": "«", "”": "„“"}
_EDGES = frozenset(",;:!?…'’‘\"-–—/|*•<>=")
# A full stop that belongs to its word: S.U.A., Popescu I., genunchi stg.
_ABBREVIATED = re.compile(r"(?:\.\w+|(?:^|[\s.-])(?:\w|[^\W\d_A-ZȘȚÂÎĂ]{2,3}))\.$")
_WORD = re.compile(r"\w")
_STRANGE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")  # Unicode categories that no sentence holds
LONGEST = 2_000  # characters of a sentence; the committed ones have up to 400
_TYPEWRITER = str.maketrans("’‘ʼ`", "''''")


class Refusal(NamedTuple):
    """Why a sentence is not accepted: a reason to count, and what in particular."""

    reason: str
    detail: str


@cache
def _identifier() -> LanguageIdentifier:
    identifier: LanguageIdentifier = LanguageIdentifier.from_model_file(MODEL_FILE)
    return identifier


def check_language_code(language: Language) -> None:
    """Raises InputError if the language identification does not know the language."""
    if language.code not in _identifier().labels:
        known = ", ".join(sorted(_identifier().labels))
        what = f"the language identification does not know language {language.code!r}"
        raise InputError(what, remedy=f"Use one of the ISO 639 codes {known}")


class Gates:
    """All gates for one language. ``check`` judges a record; ``accept`` has later records compared with it.

    Raises InputError for a language that the language identification does not know, for a pool entry that every
    sentence would be refused for, and for a pool entry of several splits.
    """

    def __init__(self, language: Language, pools: Iterable[Entry]) -> None:
        check_language_code(language)
        self._language = language
        self._nlp: Pipeline = blank()
        self._seen = NearDuplicates()
        self._splits: dict[tuple[str, str], str] = {}
        for entry in pools:
            path = language.pools / f"{entry.label.lower()}.tsv"
            alone = Record("", language.code, entry.form, (Entity(0, len(entry.form), entry.label),))
            refusals = itertools.chain(_strange(entry.form), span_refusals(alone, alone.entities[0], language.rules))
            if refusal := next(refusals, None):
                what = f"{entry.form!r} is refused by the gates ({refusal.reason}: {refusal.detail})"
                raise InputError(what, path=path, remedy="Correct or remove it")
            if entry.label != "LOC":  # places may be the same in every split
                other = self._splits.setdefault((entry.label, form_key(entry.form)), entry.split)
                if other != entry.split:
                    what = f"{entry.form!r} is in the pools of {' and '.join(sorted((other, entry.split)))}"
                    raise InputError(what, path=path, remedy="Keep it in one: splits share no forms")

    def accept(self, record: Record) -> None:
        """Compare later sentences with this one."""
        self._seen.add(record.text)

    def check(self, record: Record, split: str, asked: Iterable[tuple[str, str]] = ()) -> Refusal | None:
        """Why the record is refused for a split, or None.

        asked: (label, form) of the pool entries that were asked for; they must not stand in the sentence unmarked.
        """
        return next(self._refusals(record, split, asked), None)

    def _refusals(self, record: Record, split: str, asked: Iterable[tuple[str, str]]) -> Iterator[Refusal]:
        yield from _text_refusals(record.text)
        for entity in record.entities:
            yield from span_refusals(record, entity, self._language.rules)
        yield from _unmarked(record, asked)
        _, off = reference_doc(self._nlp, record)
        for number in off:
            yield Refusal("off token boundaries", record.surface(record.entities[number]))
        for entity in record.entities:
            form = record.surface(entity)
            if split != (owner := self._splits.get((entity.label, form_key(form)), split)):
                yield Refusal("entry of another split", f"{form} ({owner})")
        language, _ = _identifier().classify(record.text)
        if language != self._language.code:
            yield Refusal("language", str(language))
        if double := self._seen.find(record.text):
            yield Refusal("near-duplicate", double)


def _strange(text: str) -> Iterator[Refusal]:
    """Control and invisible characters."""
    strange = [c for c in text if c == "\ufffd" or INVISIBLE.match(c) or unicodedata.category(c) in _STRANGE]
    if strange:
        yield Refusal("control character", " ".join(f"U+{ord(c):04X}" for c in strange[:3]))


def _text_refusals(text: str) -> Iterator[Refusal]:
    if len(text) > LONGEST:
        yield Refusal("too long", f"{len(text)} characters")
    yield from _strange(text)
    if not any(c.isalpha() for c in text):
        yield Refusal("no words", text)
    if text != text.strip() or "  " in text:
        yield Refusal("white space", "at an end of the sentence, or doubled")
    if holds_tag(text):
        yield Refusal("unknown tag", text)


def span_refusals(record: Record, entity: Entity, rules: Rules) -> Iterator[Refusal]:
    """Breaches of the guidelines by one span, as far as rules can tell."""
    form = record.surface(entity)
    if form != form.strip():
        yield Refusal("white space at span edge", repr(form))
    words = re.findall(r"\w+", form.lower())
    titles = {part for title in rules.titles for part in re.findall(r"\w+", title.lower())}
    if entity.label == "PERSON" and set(words) <= titles:
        yield Refusal("title without name", form)
    if not any(c.isalnum() for c in form) or _punctuation_at_edge(form):
        yield Refusal("punctuation at span edge", form)
    if article := _leading_article(form, entity.label, rules.articles):
        yield Refusal("article in span", f"{article} in {form}")
    if form.lower() in {generic.lower() for generic in rules.not_entities.get(entity.label, ())}:  # type: ignore[call-overload]
        yield Refusal("not an entity", form)


def _punctuation_at_edge(form: str) -> bool:
    first, last = form[0], form[-1]
    if first in _EDGES or last in _EDGES or first == "." or (last == "." and not _ABBREVIATED.search(form)):
        return True
    # A bracket or quotation mark at an edge needs its partner inside.
    return any(
        not set(_PARTNERS[mark]) & set(form[1:-1] + other)
        for mark, other in ((first, last), (last, first))
        if mark in _PARTNERS
    )


def _leading_article(form: str, label: str, articles: Iterable[str]) -> str | None:
    """The article that a span starts with. A name may start with one in upper case (Le Havre); a condition may not."""
    plain = form.translate(_TYPEWRITER)
    if label == "MEDICAL":
        plain = plain.lower()
    for article in articles:
        elided = article.endswith("'")
        if plain.startswith(article if elided else f"{article} "):
            return article
    return None


def _unmarked(record: Record, asked: Iterable[tuple[str, str]]) -> Iterator[Refusal]:
    """Forms that stand in the text unmarked, although they are marked elsewhere in it or were asked for."""
    wanted = {(entity.label, record.surface(entity)) for entity in record.entities} | set(asked)
    for _, form in sorted(wanted):
        for start, end in _occurrences(form, record.text):
            if not any(e.start < end and start < e.end for e in record.entities):
                yield Refusal("unmarked mention", form)


def _occurrences(form: str, text: str) -> Iterator[tuple[int, int]]:
    """Where a form stands in a text, not as a part of a longer word. An expression would be compiled for every form."""
    start = text.find(form)
    while start >= 0:
        end = start + len(form)
        whole = not any(_WORD.match(text, at) for at in (start - 1, end) if at >= 0)
        if whole:
            yield start, end
        start = text.find(form, end if whole else start + 1)
