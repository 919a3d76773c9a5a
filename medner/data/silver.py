"""Silver corpora: real text that others publish, labelled by a language model.

The repository does not contain the text. A sentence is identified by its place in its source and by a hash.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from medner.data.overlap import NearDuplicates, Overlap
from medner.data.records import Entity, Record, Tally, check_entities
from medner.data.tokenizer import blank
from medner.exceptions import InputError
from medner.files import read_text, sha256
from medner.outputs import Output
from medner.settings import Expression, Settings, describe, describe_line

# The texts of a source by the id of their record: none if it is not at hand, None if there is no such source.
Texts = Callable[[str], Mapping[str, str] | None]

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

    source: a corpus with a train part, or a text file of ``configs/downloads.yml``. take: how many. of_record: how
    many of one record (a paragraph, an abstract) at most. match: a regular expression that the sentence must contain;
    records: one that the record's id must contain.
    """

    source: str
    take: Annotated[int, Field(gt=0)]
    of_record: Annotated[int, Field(gt=0)] = 1
    match: Expression = ""
    records: Expression = ""


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


class SilverSentence(Place):
    """A line of ``assets/silver/<lang>.jsonl``: a sentence's place and its entities, with offsets in the sentence."""

    entities: tuple[Entity, ...]


class SilverCost(Output):
    """``assets/silver/<lang>.cost.json``: how the labels were made, and what all answers cost, rejected ones included.

    usd: None if the model has no price.
    """

    model: str
    prompt: str
    sentences: int
    input_tokens: int
    output_tokens: int
    usd: float | None


def split_sentences(text: str) -> list[tuple[int, int]]:
    """Start and end of the sentences of a text, by rule: a mark, white space, then a capital letter or a digit."""
    ends = [match.start() for match in _BREAK.finditer(text) if not _ABBREVIATED.search(text[: match.start()])]
    spans = []
    for start, end in itertools.pairwise([0, *ends, len(text)]):
        piece = text[start:end]
        first = start + len(piece) - len(piece.lstrip())
        spans.append((first, first + len(piece.strip())))
    return [(start, end) for start, end in spans if start < end]


def sample(sampling: Sampling, lang: str, texts: Texts, held_out: Overlap) -> Iterator[tuple[Place, str]]:
    """Sentences to label, with their places, in a seeded order that mixes the sources.

    held_out: the sentences of all dev and test parts. No sentence is drawn that is one of them, exactly or nearly, and
    none of a record that holds most of one. No two sentences are near-duplicates (:class:`NearDuplicates`). Raises
    InputError for a language without groups, and for a group that finds fewer sentences than it asks for.
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
        own = [item for item in (texts(group.source) or {}).items() if re.search(group.records, item[0])]
        found = 0
        for record, text in rng.sample(own, len(own)):
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


def places_path(textfile: Path) -> Path:
    """Where the places of the sentences of a text file are."""
    return textfile.with_name(textfile.name + ".places.jsonl")


def read_places(textfile: Path) -> list[tuple[int, Place]]:
    """The places of the sentences of a text file, with the number of their line.

    Raises InputError for a file that :func:`sample`'s script has not written.
    """
    path = places_path(textfile)
    lines = [line for line in read_text(path).split("\n") if line]
    try:
        return [(n, Place.model_validate_json(line)) for n, line in enumerate(lines, start=1)]
    except ValidationError as error:
        raise InputError(describe(error), path=path, remedy="Draw the sentences again") from None


def stand_off(places: Mapping[str, Place], labelled: Iterable[Record], path: Path) -> list[SilverSentence]:
    """The sentences that have labels, without their text.

    places: by the id of the record that has the labels; path: of the labels, for messages. Raises InputError for a
    record whose text is not that of its place.
    """
    found = {record.id: record for record in labelled}
    for name, record in found.items():
        if name not in places or places[name].sha256 != sha256(record.text.encode()):
            remedy = "Label the sentences of this draw"
            raise InputError("has another text than the draw", path=path, place=f"record {name}", remedy=remedy)
    return [
        SilverSentence(**place.model_dump(), entities=found[name].entities)
        for name, place in places.items()
        if name in found
    ]


def read_silver(path: Path) -> list[tuple[int, SilverSentence]]:
    """The lines of a stand-off file with their numbers; blank lines are ignored.

    Raises InputError, naming the line, for anything but a sentence with flat entities inside it, and for a sentence
    that an earlier line has.
    """
    found: list[tuple[int, SilverSentence]] = []
    seen: dict[object, int] = {}
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            sentence = SilverSentence.model_validate_json(line)
        except ValidationError as error:
            what = describe_line(error)
            raise InputError(what, path=path, place=f"line {number}", remedy="Correct or remove the line") from None
        for key in ((sentence.source, sentence.record, sentence.start, sentence.end), sentence.sha256):
            if seen.setdefault(key, number) != number:
                what = f"labels the sentence of line {seen[key]} again"
                raise InputError(what, path=path, place=f"line {number}", remedy="Keep one of the two")
        length = sentence.end - sentence.start
        check_entities(Record("", "", "·" * length, sentence.entities), path, f"line {number}")
        found.append((number, sentence))
    if not found:
        raise InputError("contains no sentences", path=path, remedy="Restore it")
    return found


def thinned(record: Record, kept: float) -> Record:
    """The record with a share of its mentions. The draw depends on the record and on nothing else.

    A mention that a smaller share keeps, a larger one keeps as well.
    """
    draws = random.Random(record.id)  # noqa: S311
    return replace(record, entities=tuple(entity for entity in record.entities if draws.random() < kept))


def join(path: Path, lang: str, texts: Texts, tally: Tally) -> Iterator[Record]:
    """The sentences of a stand-off file whose text is at hand, as records.

    A sentence whose text is missing, or is not the text that was labelled, is left out and counted as absent. Raises
    InputError as :func:`read_silver` does, and for a source that does not exist, each with the line.
    """
    at_hand: dict[str, Mapping[str, str]] = {}
    for number, sentence in read_silver(path):
        place = f"line {number}"
        if sentence.source not in at_hand:
            if (found := texts(sentence.source)) is None:
                remedy = "Correct it, or add it to configs/downloads.yml"
                raise InputError(f"unknown source {sentence.source!r}", path=path, place=place, remedy=remedy)
            at_hand[sentence.source] = found
        text = at_hand[sentence.source].get(sentence.record, "")[sentence.start : sentence.end]
        if sha256(text.encode()) != sentence.sha256:
            tally.absent.append(f"{path.name}, {place}")
            continue
        name = f"{sentence.source}:{sentence.record}:{sentence.start}"
        yield check_entities(Record(name, lang, text, sentence.entities), path, place)
