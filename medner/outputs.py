"""JSON files that steps write and later steps read: one pydantic model a file, written and read by these functions."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import srsly
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from medner.exceptions import InputError
from medner.files import read_text, write_text
from medner.settings import describe


class Output(BaseModel):
    """What a step writes, or a part of it. Keys that a later version adds are ignored."""

    model_config = ConfigDict(frozen=True)


_T = TypeVar("_T")


def write_output(path: Path, content: object, *, exclude_none: bool = False) -> None:
    """Write models, or lists and dicts of models, as JSON. Raises InputError where it cannot be written."""
    write_text(path, _json(to_jsonable_python(content, exclude_none=exclude_none)) + "\n")


def _json(value: Any, indent: str = "\n") -> str:
    """Indented JSON in which what holds no further list or dict stands on one line: a score, a row of numbers."""
    inner = list(value.values()) if isinstance(value, dict) else value
    if not isinstance(inner, list) or not any(isinstance(one, (dict, list)) for one in inner):
        line: str = srsly.json_dumps(value)
        return line
    deeper = f"{indent}  "
    parts = [_json(one, deeper) for one in inner]
    if isinstance(value, dict):
        parts = [f"{srsly.json_dumps(key)}:{part}" for key, part in zip(value, parts, strict=True)]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return f"{opening}{deeper}{f',{deeper}'.join(parts)}{indent}{closing}"


def read_output(path: Path, shape: type[_T], step: str) -> _T:
    """Read what ``step`` wrote: a model, or a list or dict of models such as ``dict[str, Leakage]``.

    Raises InputError, naming the key at fault, if the file is missing or is not what the step writes.
    """
    if not path.is_file():
        raise InputError("no such file", path=path, remedy=f"Run the {step} step first")
    try:
        return TypeAdapter(shape).validate_json(read_text(path), strict=True)
    except ValidationError as error:
        what = f"not what the {step} step writes ({describe(error)})"
        raise InputError(what, path=path, remedy=f"Run the {step} step again") from None
