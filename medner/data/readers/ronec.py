"""RONEC v2: a JSON list of tokenised sentences (Dumitrescu & Avram 2020, arXiv 1909.01247)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medner.data.records import Record, Tally, check_entities, from_bio, normalised, unique_ids
from medner.exceptions import InputError
from medner.files import read_text

FIELDS = ("tokens", "ner_tags", "space_after")


def read_ronec(path: Path, tally: Tally) -> Iterator[Record]:
    """Sentences of one RONEC v2 file (plain or ``.gz``), with RONEC's labels.

    Raises InputError naming the sentence for broken JSON, missing or unequal fields, empty tokens and bad tags.
    """
    try:
        items = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(
            f"broken JSON ({error.msg})", path=path, place=f"line {error.lineno}", remedy="Fetch or repair the file"
        ) from None
    if not isinstance(items, list) or not items:
        raise InputError("holds no sentences", path=path, remedy="A RONEC file is a JSON list of sentences")
    return unique_ids(
        ((_record(item, path, f"sentence {n}", tally), f"sentence {n}") for n, item in enumerate(items, start=1)), path
    )


def _record(item: Any, path: Path, place: str, tally: Tally) -> Record:
    if not isinstance(item, dict) or "id" not in item or not all(isinstance(item.get(f), list) for f in FIELDS):
        what = f"a sentence needs an id and the lists {', '.join(FIELDS)}"
        raise InputError(what, path=path, place=place, remedy="Complete the sentence or remove it")
    place = f"{place} (id {item['id']})"
    try:
        text, entities = from_bio(*(item[field] for field in FIELDS))
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(str(error), path=path, place=place, remedy="Correct the sentence or remove it") from None
    record = Record(id=str(item["id"]), lang="ro", text=text, entities=tuple(entities))
    return check_entities(normalised(record, tally), path, place)
