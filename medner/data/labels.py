"""The label scheme: how each corpus maps onto PERSON, ORG, LOC and MEDICAL, and which persons count."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import ValidationInfo, field_validator

from medner.data.records import Entity, Record, Tally
from medner.exceptions import InputError
from medner.settings import Settings, load_settings

# A word with its inner hyphens and apostrophes, initials with their full stops, or one punctuation mark.
_TOKEN = re.compile(r"(?:[^\W\d_]\.-?)+(?=\s|$|[^\w.])|[^\W_]+(?:[-'’][^\W_]+)*|[^\w\s]")
_AFTER_BREAK = re.compile(r"(?:^|[.!?…:;”“„\"«»(\[*•–—]|\s-)\s*$|[^\W\d_]$")
_JOINT = re.compile("[-'’]")
_ABBREVIATED = 3  # letters; after a longer word, a full stop ends the sentence
_SUFFIX = 3  # letters; enough to tell -rii, -ele, -tul from the ends of names


class CorpusLabels(Settings):
    """What one corpus annotates.

    map: the project's label for each of the corpus's own. drop: labels that the project does not use.
    nominal_persons: whether its persons include nouns and pronouns.
    """

    map: Mapping[str, str]
    drop: frozenset[str] = frozenset()
    nominal_persons: bool = False

    @property
    def annotated(self) -> frozenset[str]:
        """The project's labels that this corpus annotates: only they count when it is a test suite."""
        return frozenset(self.map.values())


class Scheme(Settings):
    """``configs/labels.yml``.

    persons: ``named`` keeps mentions with a proper name, ``all`` keeps a corpus's own. titles, particles: words that
    belong to a name. corpora: by the name that sources use.
    """

    labels: tuple[str, ...]
    persons: Literal["named", "all"]
    titles: frozenset[str]
    particles: frozenset[str]
    corpora: Mapping[str, CorpusLabels]

    @field_validator("corpora")
    @classmethod
    def _maps_onto_labels(cls, corpora: Mapping[str, CorpusLabels], info: ValidationInfo) -> Mapping[str, CorpusLabels]:
        for name, corpus in corpora.items():
            if unknown := sorted(corpus.annotated - set(info.data.get("labels", corpus.annotated))):
                raise ValueError(f"{name} maps onto unknown labels: {', '.join(unknown)}")
        return corpora

    def corpus(self, name: str | CorpusLabels) -> CorpusLabels:
        """The labels of one corpus, by its name or as a source states them.

        Raises InputError if the scheme does not know the name, or the labels that they map onto.
        """
        if isinstance(name, CorpusLabels):
            if unknown := [f"{own} to {to}" for own, to in name.map.items() if to not in self.labels]:
                what = f"map leads to unknown labels: {', '.join(unknown)}"
                remedy = f"Use {', '.join(self.labels)}"
                raise InputError(what, path="configs/experiments.yml", place="labels", remedy=remedy)
            return name
        if name not in self.corpora:
            what = f"corpus {name!r} has no labels"
            raise InputError(what, path="configs/labels.yml", place="corpora", remedy="Add its map and drop")
        return self.corpora[name]


def load_scheme(path: Path, persons: str = "") -> Scheme:
    """Read the scheme; ``persons`` replaces the file's choice. Raises InputError for a malformed scheme."""
    return load_settings(path, Scheme, changes={"persons": persons} if persons else None)


class NameLexicon:
    """Tells proper names from common nouns among RONEC's person mentions.

    A capitalised word is a name unless it is a common word: one that occurs more often in lower case than capitalised
    within a sentence. At the start of a sentence or quotation every word is capitalised. A word there that the training
    data do not contain is judged by its last letters: whether they end more lower-case or more capitalised words of
    person mentions. All counts come from :meth:`learn`, that is, from training data.
    """

    def __init__(self, titles: Iterable[str], particles: Iterable[str]) -> None:
        self._titles, self._particles = frozenset(titles), frozenset(particles)
        self._lower: Counter[str] = Counter()
        self._capital: Counter[str] = Counter()
        self._noun: Counter[str] = Counter()
        self._noun_suffix: Counter[str] = Counter()
        self._name_suffix: Counter[str] = Counter()

    def learn(self, records: Iterable[Record], person: str = "PERSON") -> NameLexicon:
        """Count words of training records (their text, and their mentions labelled ``person``); returns self."""
        for record in records:
            for match in _TOKEN.finditer(record.text):
                self._count(match, record.text, self._lower, self._capital)
            for entity in record.entities:
                if entity.label == person:
                    for match in _TOKEN.finditer(record.text, entity.start, entity.end):
                        self._count(match, record.text, self._noun_suffix, self._name_suffix, suffix=True)
                        if match[0][0].islower():
                            self._noun[match[0]] += 1
        return self

    @staticmethod
    def _count(
        match: re.Match[str], text: str, lower: Counter[str], capital: Counter[str], suffix: bool = False
    ) -> None:
        word = match[0]
        key = word.lower()[-_SUFFIX:] if suffix else word.lower()
        if word[0].islower():
            lower[key] += 1
        elif word[0].isupper() and not _AFTER_BREAK.search(text, 0, match.start()):
            capital[key] += 1

    def _is_name(self, match: re.Match[str], text: str) -> bool:
        word = match[0]
        if not word[0].isupper():
            return False
        key = word.lower()
        lower, capital = self._lower[key], self._capital[key]
        if lower or capital:
            return capital >= lower
        if not _AFTER_BREAK.search(text, 0, match.start()):
            return True
        return self._name_suffix[key[-_SUFFIX:]] >= self._noun_suffix[key[-_SUFFIX:]]

    def _may_begin_name(self, word: str) -> bool:
        """Whether a capitalised word right before a name belongs to it: Speranța Cliseriu, not Președintele Iliescu."""
        key = word.lower()
        if len(word) > 1 and word[1] == ".":  # initials
            return True
        if self._noun[key]:
            return False
        known = self._lower[key] or self._capital[key]
        return bool(known) or self._name_suffix[key[-_SUFFIX:]] >= self._noun_suffix[key[-_SUFFIX:]]

    def _belongs(self, word: str, before: str) -> bool:
        """Whether a word after the first of a name extends the name (particles and hyphens only join its words)."""
        if word == ".":
            return before[0].isupper() and len(before) <= _ABBREVIATED  # Leonard Nicol S., Gr. Benetato
        if before == "-" and word in ("lea", "a"):  # al II -lea, a II -a
            return True
        return word[0].isupper() or (word != word.lower() and _JOINT.split(word)[0] in self._particles)  # al-Sadr

    def trim(self, text: str, entity: Entity) -> Entity | None:
        """The mention trimmed to its first name and the titles before it; None if it contains no name."""
        tokens = list(_TOKEN.finditer(text, entity.start, entity.end))
        words = [token[0] for token in tokens]
        title = [word.lower().rstrip(".") in self._titles for word in words]
        first = next((i for i, t in enumerate(tokens) if not title[i] and self._is_name(t, text)), None)
        if first is None:
            return None
        start = first
        while (
            start and words[start - 1][0].isupper() and not title[start - 1] and self._may_begin_name(words[start - 1])
        ):
            start -= 1
        while start and (title[start - 1] or (words[start - 1] == "." and start > 1 and title[start - 2])):
            start -= 1
        last = first
        for i in range(first + 1, len(words)):
            if self._belongs(words[i], words[i - 1]):
                last = i
            elif words[i] != "-" and words[i] not in self._particles:
                break
        return entity._replace(start=tokens[start].start(), end=tokens[last].end())


def map_record(
    record: Record, corpus: CorpusLabels, tally: Tally, *, path: Path | str, lexicon: NameLexicon | None = None
) -> Record:
    """The record with the project's labels; dropped mentions are counted by label in ``tally.dropped``.

    With a ``lexicon``, mentions that map to PERSON are trimmed to their names, or dropped if they contain none.
    Raises InputError for a label that the scheme does not know.
    """
    entities = []
    for entity in record.entities:
        if entity.label in corpus.drop:
            tally.dropped[entity.label] += 1
            continue
        if entity.label not in corpus.map:
            known = ", ".join(sorted({*corpus.map, *corpus.drop}))
            raise InputError(
                f"unknown label {entity.label!r}",
                path=path,
                place=f"record {record.id}",
                remedy=f"Known labels are {known}. Add it to `map` or `drop` of the source's labels: in its entry in "
                "configs/experiments.yml, else in configs/labels.yml",
            )
        mapped: Entity | None = entity._replace(label=corpus.map[entity.label])
        if mapped is not None and mapped.label == "PERSON" and lexicon is not None:
            mapped = lexicon.trim(record.text, mapped)
        if mapped is None:
            tally.dropped["PERSON without a name"] += 1
        else:
            entities.append(mapped)
    return replace(record, entities=tuple(entities))
