"""Synthetic sentences: JSON Lines of ``{"id", "lang", "text", "entities": [{"start", "end", "label"}], "meta"}``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError, field_validator

from medner.data.records import Entity, Record, Tally, check_entities, normalised, unique_ids
from medner.exceptions import InputError
from medner.files import read_text
from medner.settings import describe_line


def read_synthetic(path: Path, tally: Tally) -> Iterator[Record]:
    """Records of one JSONL file (plain or ``.gz``); blank lines and unknown keys are ignored.

    Raises InputError naming the line for invalid JSON, missing or mistyped fields, duplicate ids and invalid spans.
    """
    return parse_synthetic(read_text(path), path, tally)


def parse_synthetic(text: str, path: Path, tally: Tally) -> Iterator[Record]:
    """``read_synthetic`` for the content of a file; ``path`` is what messages name."""
    lines = text.split("\n")  # not splitlines(): a text may hold U+2028
    if not any(line.strip() for line in lines):
        raise InputError("contains no records", path=path, remedy="Write one JSON record a line")
    numbered = ((n, line) for n, line in enumerate(lines, start=1) if line.strip())
    return unique_ids(((_record(line, path, f"line {n}", tally), f"line {n}") for n, line in numbered), path)


class _Mention(BaseModel):
    start: int
    end: int
    label: str


class _Row(BaseModel):
    id: str | int
    lang: str
    text: str
    entities: list[_Mention]
    meta: dict[str, Any] | None = None

    @field_validator("text")
    @classmethod
    def _is_not_blank(cls, text: str) -> str:
        if not text.strip():
            raise ValueError("blank")
        return text


def _record(line: str, path: Path, place: str, tally: Tally) -> Record:
    try:
        row = _Row.model_validate_json(line)
    except ValidationError as error:
        what = describe_line(error)
        raise InputError(what, path=path, place=place, remedy="Correct or remove the line") from None
    entities = tuple(Entity(mention.start, mention.end, mention.label) for mention in row.entities)
    record = Record(id=str(row.id), lang=row.lang, text=row.text, entities=entities, meta=row.meta or {})
    return check_entities(normalised(record, tally), path, place)
