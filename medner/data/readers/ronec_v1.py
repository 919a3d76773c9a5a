"""RONEC v1: CoNLL-U Plus with 16 entity classes in its last column, inside a zip."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import conllu

from medner.data.readers.treebank import sentences
from medner.data.records import Entity, Record, Tally, from_bio, unique_ids
from medner.exceptions import InputError
from medner.files import BROKEN_ZIP, LARGEST, decode, read_bytes

MEMBER = "ronec_iob.conllup"
CLASS = "ronec:class"  # the file's own name for its entity column, as conllu spells it


def read_ronec_v1(path: Path, tally: Tally) -> Iterator[Record]:
    """Sentences of RONEC v1, read straight from its zip, with v1's labels.

    Raises InputError naming the sentence for a damaged zip, malformed rows, empty tokens and invalid tags.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(read_bytes(path))) as archive, archive.open(MEMBER) as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise KeyError(f"it has more than {LARGEST:,} bytes")
    except (*BROKEN_ZIP, KeyError) as error:
        raise InputError(f"not a zip with {MEMBER} ({error})", path=path, remedy="Fetch the file again") from None
    text = decode(data, f"{path}!{MEMBER}")
    return unique_ids(sentences(text, path, tally, _convert, prefix="v1-"), path)


def _convert(sentence: conllu.TokenList) -> tuple[str, list[Entity]]:
    return from_bio(
        [row["form"] for row in sentence],
        [row[CLASS] for row in sentence],
        [(row["misc"] or {}).get("SpaceAfter") != "No" for row in sentence],
    )
