"""RONEC v1: CoNLL-U Plus with 16 entity classes in its last column, inside a zip."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import conllu

from medner.exceptions import InputError
from medner.files import decode, read_bytes
from medner.records import Record, Tally, check_entities, from_bio, normalised, unique_ids

MEMBER = "ronec_iob.conllup"
CLASS = "ronec:class"  # the file's own name for its entity column, as conllu spells it


def read_ronec_v1(path: Path, tally: Tally) -> Iterator[Record]:
    """Sentences of RONEC v1, read straight from its zip, with v1's labels.

    Raises InputError naming the sentence for a damaged zip, malformed rows, empty tokens and bad tags.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(read_bytes(path))) as archive:
            text = decode(archive.read(MEMBER), f"{path}!{MEMBER}")
    except (zipfile.BadZipFile, KeyError) as error:
        raise InputError(f"is no zip with {MEMBER} ({error})", path=path, remedy="Fetch the file again") from None
    return unique_ids(_records(text, path, tally), path)


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
            body, entities = from_bio(
                [row["form"] for row in sentence],
                [row[CLASS] for row in sentence],
                [(row["misc"] or {}).get("SpaceAfter") != "No" for row in sentence],
            )
        except (conllu.exceptions.ParseException, ValueError, KeyError) as error:
            raise InputError(str(error), path=path, place=place, remedy="Fetch or repair the file") from None
        record = Record(id=f"v1-{sentence_id}", lang="ro", text=body, entities=tuple(entities))
        yield check_entities(normalised(record, tally), path, place), place
    if not number:
        raise InputError("holds no sentences", path=path, remedy="Fetch the file again")
