"""Synthetic sentences: JSON Lines of ``{"id", "lang", "text", "entities": [{"start", "end", "label"}], "meta"}``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medner.data.records import Entity, Record, Tally, check_entities, normalised, unique_ids
from medner.exceptions import InputError
from medner.files import read_text


def read_synthetic(path: Path, tally: Tally) -> Iterator[Record]:
    """Records of one JSONL file (plain or ``.gz``); blank lines are passed over.

    Raises InputError naming the line for broken JSON, missing fields, duplicate ids and impossible spans.
    """
    return parse_synthetic(read_text(path), path, tally)


def parse_synthetic(text: str, path: Path, tally: Tally) -> Iterator[Record]:
    """``read_synthetic`` for the content of a file; ``path`` is what messages name."""
    lines = text.split("\n")  # not splitlines(): a text may hold U+2028
    if not any(line.strip() for line in lines):
        raise InputError("holds no records", path=path, remedy="Write one JSON record a line")
    numbered = ((n, line) for n, line in enumerate(lines, start=1) if line.strip())
    return unique_ids(((_record(line, path, f"line {n}", tally), f"line {n}") for n, line in numbered), path)


def _record(line: str, path: Path, place: str, tally: Tally) -> Record:
    try:
        item: Any = json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(
            f"broken JSON ({error.msg})", path=path, place=place, remedy="Repair or remove the line"
        ) from None
    try:
        json.dumps(item, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        what = f"holds half of a surrogate pair ({error.object[error.start]!r}), which is no character"
        raise InputError(what, path=path, place=place, remedy="Replace it") from None
    try:
        entities = tuple(Entity(int(e["start"]), int(e["end"]), str(e["label"])) for e in item["entities"])
        record = Record(
            id=str(item["id"]),
            lang=str(item["lang"]),
            text=item["text"],
            entities=entities,
            meta=item.get("meta") or {},
        )
        if not isinstance(record.text, str) or not record.text.strip() or not isinstance(record.meta, dict):
            raise ValueError
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError):
        raise InputError(
            "a record needs id, lang, text and entities with start, end and label",
            path=path,
            place=place,
            remedy="Complete the record or remove it",
        ) from None
    return check_entities(normalised(record, tally), path, place)
