"""SiMoNERo: CoNLL-U with the entity in MISC, ``BioNERLabel=B-DISO`` (Barbu Mititelu & Mitrofan 2020)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import conllu

from medner.data.readers.tags import without_orphans
from medner.data.readers.treebank import sentences
from medner.data.records import Entity, Record, Tally, from_bio, unique_ids
from medner.files import read_text

LABEL = "BioNERLabel"


def read_simonero(path: Path, tally: Tally) -> Iterator[Record]:
    """Sentences of one file of the treebank (plain or ``.gz``), with its labels; a word without one is O.

    Raises InputError naming the sentence for malformed rows, invalid tags and words that do not make up ``# text``.
    """

    def convert(sentence: conllu.TokenList) -> tuple[str, list[Entity]]:
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
        return body, entities

    return unique_ids(sentences(read_text(path), path, tally, convert), path)
