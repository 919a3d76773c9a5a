"""What annotation tools export: JSON Lines of Prodigy, doccano and this project, and the JSON of Label Studio.

Prodigy writes ``spans`` (and ``answer``), doccano ``label`` or ``entities`` with ``start_offset`` and ``end_offset``,
this project ``entities``. Label Studio's full export has tasks with ``annotations``, its short one (JSON-MIN) ``text``
and ``label``. Only what a person accepted counts: texts that were skipped or not looked at are left out and counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import AliasChoices, BaseModel, Field, TypeAdapter, ValidationError, model_validator

from medner.data.offsets import READINGS, translation
from medner.data.readers.lines import Document
from medner.data.records import Entity, Tally
from medner.exceptions import InputError
from medner.files import read_text
from medner.settings import describe, describe_line, first_fault

REMEDY = "Correct or remove the line"
_UTF16 = next(iter(READINGS))


class _Span(BaseModel):
    start: int = Field(validation_alias=AliasChoices("start", "start_offset"))
    end: int = Field(validation_alias=AliasChoices("end", "end_offset"))
    label: str = Field(validation_alias=AliasChoices("label", "type"))

    @model_validator(mode="before")
    @classmethod
    def _as_fields(cls, value: Any) -> Any:
        """Doccano's ``[0, 4, "DISEASE"]``."""
        if isinstance(value, list) and len(value) == 3:
            return dict(zip(("start", "end", "label"), value, strict=True))
        return value


class _Row(BaseModel):
    id: str | int | None = None
    text: str = Field(validation_alias=AliasChoices("text", "data"))
    entities: list[_Span] | None = Field(None, validation_alias=AliasChoices("entities", "spans", "label", "labels"))
    answer: str = "accept"


def read_jsonl(path: Path, tally: Tally) -> Iterator[Document]:
    """Documents of a JSONL file (plain or ``.gz``). Raises InputError naming a line that is not one."""
    count = 0
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        count += 1
        place = f"line {number}"
        try:
            row = _Row.model_validate_json(line)
        except ValidationError as error:
            raise InputError(describe_line(error), path=path, place=place, remedy=REMEDY) from None
        if row.answer != "accept":
            tally.quirks["text not accepted"] += 1
            continue
        if row.entities is None:
            raise InputError("has none of entities, spans, label, labels", path=path, place=place, remedy=REMEDY)
        spans = tuple(Entity(span.start, span.end, span.label) for span in row.entities)
        yield Document(str(number if row.id is None else row.id), row.text, spans, place)
    if not count:
        raise InputError("contains no records", path=path, remedy="Write one JSON record a line")


class _Value(BaseModel):
    start: int
    end: int
    labels: list[str] = []
    text: str | None = None


class _Result(BaseModel):
    value: dict[str, Any] = {}  # a relation has none
    type: str = "labels"


class _Annotation(BaseModel):
    result: list[_Result]
    was_cancelled: bool = False


class _Task(BaseModel):
    id: str | int | None = None
    data: dict[str, Any] | None = None
    annotations: list[_Annotation] | None = None
    text: str | None = None
    label: list[_Value] | None = None


_TASKS = TypeAdapter(list[_Task])
_VALUES = TypeAdapter(list[_Value])


def read_label_studio(path: Path, tally: Tally) -> Iterator[Document]:
    """Documents of a JSON export of Label Studio (full or JSON-MIN). Of several annotations, the last one counts.

    Offsets in UTF-16 units, as a browser counts, are translated where a region's own text tells them from characters.
    Raises InputError naming the task for a region whose text is not at its offsets, and for anything else.
    """
    try:
        tasks = _TASKS.validate_json(read_text(path))
    except ValidationError as error:
        what, where = first_fault(error)
        place = f"task {int(where[0]) + 1}" if where and isinstance(where[0], int) else ""
        field = f"{'.'.join(map(str, where[1:]))}: " if where[1:] else ""
        raise InputError(f"{field}{what}", path=path, place=place, remedy="Export it again as JSON") from None
    if not tasks:
        raise InputError("contains no tasks", path=path, remedy="Export it again as JSON")
    for number, task in enumerate(tasks, start=1):
        place = f"task {number}"
        text = task.text if task.data is None else task.data.get("text")
        if not isinstance(text, str):
            raise InputError("has no text", path=path, place=place, remedy="Name the field of the text `text`")
        if task.annotations is None and task.label is not None:
            values = task.label
        else:
            done = [one for one in task.annotations or [] if not one.was_cancelled]
            if not done:
                tally.quirks["text not annotated"] += 1
                continue
            try:
                values = _VALUES.validate_python([r.value for r in done[-1].result if r.type == "labels"])
            except ValidationError as error:
                what = f"a region: {describe(error)}"
                raise InputError(what, path=path, place=place, remedy="Export it again as JSON") from None
        spans = tuple(_entity(text, value, label, path, place) for value in values for label in value.labels[:1])
        yield Document(str(number if task.id is None else task.id), text, spans, place)


def _entity(text: str, value: _Value, label: str, path: Path, place: str) -> Entity:
    def same(start: int, end: int) -> bool:
        # the tool writes \\n for a line break in a region's text
        return value.text is None or text[start:end].strip() == value.text.replace("\\n", "\n").strip()

    if same(value.start, value.end):
        return Entity(value.start, value.end, label)
    at = translation(text, _UTF16)
    start, end = at.get(value.start, 0), at.get(value.end, 0)
    if start < end and same(start, end):
        return Entity(start, end, label)
    held = text[max(value.start, 0) : max(value.end, 0)]
    what = f"region {value.start}-{value.end} holds {held[:40]!r}, not {str(value.text)[:40]!r}"
    raise InputError(what, path=path, place=place, remedy="Import the text unchanged, and export it again as JSON")
