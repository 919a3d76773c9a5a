"""SiMoNERo: CoNLL-U with the entity in MISC, ``BioNERLabel=B-DISO`` (Barbu Mititelu & Mitrofan 2020)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import conllu

from medner.exceptions import InputError
from medner.files import read_text
from medner.readers.tags import without_orphans
from medner.records import Record, Tally, check_entities, from_bio, normalised, unique_ids

LABEL = "BioNERLabel"


def read_simonero(path: Path, tally: Tally) -> Iterator[Record]:
    """Sentences of one file of the treebank (plain or ``.gz``), with its labels; a word without one is O.

    Raises InputError naming the sentence for malformed rows, bad tags and words that do not make up ``# text``.
    """
    return unique_ids(_records(read_text(path), path, tally), path)


def _records(text: str, path: Path, tally: Tally) -> Iterator[tuple[Record, str]]:
    number = 0
    rows = conllu.parse_incr(io.StringIO(text))
    while True:
        place = f"sentence {number + 1}"
        try:
            sentence = next(rows, None)
            if sentence is None:
                break
            number += 1
            sentence_id = sentence.metadata.get("sent_id") or str(number)
            place = f"sentence {number} (sent_id {sentence_id})"
            if short := next((row["id"] for row in sentence if "misc" not in row), None):
                raise ValueError(f"word {short} has not ten columns")
            words = [row for row in sentence if isinstance(row["id"], int)]
            misc = [row["misc"] or {} for row in words]
            body, entities = from_bio(
                [row["form"] for row in words],
                without_orphans([m.get(LABEL, "O") for m in misc], tally),
                [m.get("SpaceAfter") != "No" for m in misc],
            )
            if (given := sentence.metadata.get("text", body)) != body:
                raise ValueError(f"the words make up {body!r}, not '# text = {given}'")
        except (conllu.exceptions.ParseException, ValueError, KeyError) as error:
            raise InputError(str(error), path=path, place=place, remedy="Fetch or repair the file") from None
        record = Record(id=sentence_id, lang="ro", text=body, entities=tuple(entities))
        yield check_entities(normalised(record, tally), path, place), place
    if not number:
        raise InputError("holds no sentences", path=path, remedy="Fetch the file again")
