"""Silver corpora: real text that others publish, labelled by a language model.

The project holds no text of others. A sentence is named by its place in its source and by a hash.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from medner.data.overlap import NearDuplicates, Overlap
from medner.data.readers.monero import read_monero
from medner.data.readers.quaero import read_quaero
from medner.data.records import Record, Tally, normalised
from medner.data.tokenizer import blank
from medner.exceptions import InputError
from medner.files import read_text, sha256
from medner.settings import Settings

Files = Mapping[str, Path]  # by name of the download

# A full stop after these, or after a single capital letter, ends no sentence.
_ABBREVIATED = re.compile(
    r"\b(?:[A-ZÀ-ÖØ-ÞĂÎȘȚŒ]|(?i:dr|pr|prof|mme|mlle|mr|st|ste|cf|fig|tab|art|alin|nr|str|jud|etc|ex|env|vs|conf|dl|dna|al|"
    r"p|pp|no))\.$"
)
_BREAK = re.compile(r"(?<=[.!?…])[\"»”)]*\s+(?=[\"«„(–-]?\s?[A-ZÀ-ÖØ-ÞĂÎȘȚŒ0-9])")
_WHOLE = re.compile(r"[\w\"«„(–-].*[.!?…:;)\"»”\w%]", re.DOTALL)
_LETTERS = 0.6  # least share of letters in what is not white space: tables and formulas have less


class Group(Settings):
    """Sentences to draw from one source.

    source: a corpus of :data:`CORPORA`, or a text file of ``configs/downloads.yml``. take: how many. of_record: how
    many of one record (a paragraph, an abstract) at most. match: a regular expression that the sentence must contain;
    records: one that the record's id must contain.
    """

    source: str
    take: Annotated[int, Field(gt=0)]
    of_record: Annotated[int, Field(gt=0)] = 1
    match: str = ""
    records: str = ""

    @field_validator("match", "records")
    @classmethod
    def _is_expression(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"not a regular expression ({error})") from None
        return value


class Sampling(Settings):
    """``configs/silver.yml``. tokens: fewest and most of a sentence. languages: the groups of each, drawn in order."""

    seed: int
    tokens: tuple[int, int]
    languages: Mapping[str, tuple[Group, ...]]


class Place(Settings):
    """Where a sentence stands: ``text[start:end]`` of a record of a source, and the SHA-256 of it in UTF-8."""

    source: str
    record: str
    start: int
    end: int
    sha256: str


def _monero(files: Files) -> Iterator[Record]:
    names = sorted(name for name in files if name.startswith("monero-"))
    return itertools.chain.from_iterable(read_monero(files[name], Tally()) for name in names)


# Corpora whose text is read by their own reader; their labels are not used.
CORPORA: Mapping[str, tuple[tuple[str, ...], Callable[[Files], Iterable[Record]]]] = {
    "monero": (("monero-cardiology", "monero-diabetes", "monero-endocrinology"), _monero),
    "quaero-emea": (("quaero",), lambda files: read_quaero(files["quaero"], "train", "EMEA", Tally())),
    "quaero-medline": (("quaero",), lambda files: read_quaero(files["quaero"], "train", "MEDLINE", Tally())),
}


def downloads_of(source: str) -> tuple[str, ...]:
    """The entries of ``configs/downloads.yml`` that a source needs."""
    return CORPORA[source][0] if source in CORPORA else (source,)


def read_texts(source: str, lang: str, files: Files) -> dict[str, str]:
    """The texts of a source by the id of their record; that of a text file's line is its number, from 1."""
    if source in CORPORA:
        return {record.id: record.text for record in CORPORA[source][1](files)}
    lines = enumerate(read_text(files[source]).split("\n"), start=1)
    return {str(n): normalised(Record(str(n), lang, line), Tally()).text for n, line in lines if line.strip()}


def split_sentences(text: str) -> list[tuple[int, int]]:
    """Start and end of the sentences of a text, by rule: a mark, white space, then a capital letter or a digit."""
    ends = [match.start() for match in _BREAK.finditer(text) if not _ABBREVIATED.search(text[: match.start()])]
    spans = []
    for start, end in itertools.pairwise([0, *ends, len(text)]):
        piece = text[start:end]
        first = start + len(piece) - len(piece.lstrip())
        spans.append((first, first + len(piece.strip())))
    return [(start, end) for start, end in spans if start < end]


def sample(sampling: Sampling, lang: str, files: Files, held_out: Overlap) -> Iterator[tuple[Place, str]]:
    """Sentences to label, with their places, in a seeded order that mixes the sources.

    held_out: the sentences of all dev and test parts. A record that holds one of them, exactly or nearly, gives no
    sentence. No two sentences are near-duplicates (:class:`NearDuplicates`). Raises InputError for a language without
    groups, and for a group that finds fewer sentences than it asks for.
    """
    if lang not in sampling.languages:
        remedy = f"Use one of {', '.join(sampling.languages)}, or add groups"
        raise InputError(f"no groups for {lang!r}", path="configs/silver.yml", remedy=remedy)
    rng = random.Random(sampling.seed)  # noqa: S311
    tokenizer, drawn, chosen = blank().tokenizer, NearDuplicates(), list[tuple[Place, str]]()

    def fits(sentence: str, group: Group) -> bool:
        fewest, most = sampling.tokens
        letters = sum(map(str.isalpha, sentence)) / max(1, sum(not c.isspace() for c in sentence))
        return (
            bool(re.search(group.match, sentence))
            and bool(_WHOLE.fullmatch(sentence))
            and letters >= _LETTERS
            and fewest <= len(tokenizer(sentence)) <= most
            and not held_out.find(sentence)
            and not drawn.find(sentence)
        )

    for group in sampling.languages[lang]:
        texts = [item for item in read_texts(group.source, lang, files).items() if re.search(group.records, item[0])]
        found = 0
        for record, text in rng.sample(texts, len(texts)):
            spans = split_sentences(text)
            if found == group.take:
                break
            if held_out.find(text):
                continue
            of_record = 0
            for start, end in rng.sample(spans, len(spans)):
                sentence = text[start:end]
                if of_record < group.of_record and found < group.take and fits(sentence, group):
                    drawn.add(sentence)
                    place = Place(
                        source=group.source, record=record, start=start, end=end, sha256=sha256(sentence.encode())
                    )
                    chosen.append((place, sentence))
                    of_record, found = of_record + 1, found + 1
        if found < group.take:
            what = f"{group.source} holds {found:,} sentences that fit, not {group.take:,}"
            raise InputError(what, path="configs/silver.yml", place=lang, remedy="Ask for fewer")
    rng.shuffle(chosen)
    yield from chosen
