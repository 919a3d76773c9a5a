"""RONEC v2: a JSON list of tokenised sentences (Dumitrescu & Avram 2020, arXiv 1909.01247)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, TypeAdapter, ValidationError

from medner.data.records import Record, Tally, check_entities, from_bio, normalised, unique_ids
from medner.exceptions import InputError
from medner.files import read_text
from medner.settings import first_fault

REMEDY = "Fetch or repair the file"


class _Sentence(BaseModel):
    id: int | str
    tokens: list[str]
    ner_tags: list[str]
    space_after: list[bool]


_SENTENCES = TypeAdapter(list[_Sentence])


def read_ronec(path: Path, tally: Tally) -> Iterator[Record]:
    """Sentences of one RONEC v2 file (plain or ``.gz``), with RONEC's labels.

    Raises InputError for invalid JSON, and naming the sentence for missing, mistyped or unequal fields, empty tokens
    and invalid tags.
    """
    try:
        sentences = _SENTENCES.validate_json(read_text(path))
    except ValidationError as error:
        what, where = first_fault(error)
        place = f"sentence {int(where[0]) + 1}" if where else ""
        field = f"{'.'.join(map(str, where[1:]))}: " if where[1:] else ""
        raise InputError(f"{field}{what}", path=path, place=place, remedy=REMEDY) from None
    if not sentences:
        raise InputError("contains no sentences", path=path, remedy="A RONEC file is a JSON list of sentences")
    numbered = ((f"sentence {number}", sentence) for number, sentence in enumerate(sentences, start=1))
    return unique_ids(((_record(sentence, path, place, tally), place) for place, sentence in numbered), path)


def _record(sentence: _Sentence, path: Path, place: str, tally: Tally) -> Record:
    place = f"{place} (id {sentence.id})"
    try:
        text, entities = from_bio(sentence.tokens, sentence.ner_tags, sentence.space_after)
    except ValueError as error:
        raise InputError(str(error), path=path, place=place, remedy="Correct or remove the sentence") from None
    record = Record(id=str(sentence.id), lang="ro", text=text, entities=tuple(entities))
    return check_entities(normalised(record, tally), path, place)
