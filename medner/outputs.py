"""JSON files that steps write and later steps read: one pydantic model a file, written and read by these functions."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

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
    """Write models, or lists and dicts of models, as indented JSON. Raises InputError where it cannot be written."""
    plain = to_jsonable_python(content, exclude_none=exclude_none)
    write_text(path, srsly.json_dumps(plain, indent=2) + "\n")


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
