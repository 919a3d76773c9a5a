"""Settings from YAML files: one loader, one base class, one way to say what is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from medner.exceptions import InputError
from medner.files import read_text


class Settings(BaseModel):
    """Settings from a file: unknown keys are refused, since they are misspelt ones."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _within(path: str) -> str:
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise ValueError("must be a path below the folder, without ..")
    return path


def _is_expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"not a regular expression ({error})") from None
    return text


Expression = Annotated[str, AfterValidator(_is_expression)]  # a regular expression
Inside = Annotated[str, AfterValidator(_within)]  # a path below some folder


class _Loader(yaml.SafeLoader):
    """Without aliases: nested ones make a small file grow without bounds. Without keys twice: the last would win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        lines: dict[Any, int] = {}
        for key, _ in node.value:
            name, line = key.value, key.start_mark.line + 1
            if name in lines:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {name} of line {lines[name]} is there again in line {line}: join the two"
                )
            lines[name] = line
        return super().construct_mapping(node, deep)

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases such as *name are not read", mark)
        return super().compose_node(parent, index)


_S = TypeVar("_S", bound=BaseModel)


def load_settings(
    path: Path, model: type[_S], *, section: str = "", changes: Mapping[str, Any] | None = None, remedy: str = ""
) -> _S:
    """Read a YAML file into a model.

    section: the top-level key to read, instead of the whole file. changes: values that replace those of the file, as
    command-line options do. remedy: what to do about a fault, where "Correct it" says too little.
    Raises InputError, naming the file and the key, if it is not valid YAML or does not fit the model.
    """
    remedy = remedy or f"Correct it; configs/{path.name} of the repository is an example"
    try:
        raw = yaml.load(read_text(path), _Loader)  # noqa: S506 - a SafeLoader
    except RecursionError:
        raise InputError("not valid YAML (nested too deeply)", path=path, remedy=remedy) from None
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise InputError(f"not valid YAML ({' '.join(str(error).split())})", path=path, remedy=remedy) from None
    if section:
        if not isinstance(raw, Mapping) or section not in raw:
            raise InputError(f"the key {section} is missing", path=path, remedy=remedy)
        raw = raw[section]
    if changes and isinstance(raw, Mapping):
        raw = {**raw, **changes}
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        what, place = first_fault(error)
        if place and place[0] in (changes or {}):
            raise InputError(what, place=f"--{place[0]}", remedy="Correct the option") from None
        where = ".".join(map(str, (section, *place) if section else place))
        raise InputError(what, path=path, place=where, remedy=remedy) from None


def describe(error: ValidationError) -> str:
    """:func:`first_fault` in one clause, such as ``entities.0.start: missing``."""
    what, place = first_fault(error)
    return f"{'.'.join(map(str, place))}: {what}" if place else what


def describe_line(error: ValidationError) -> str:
    """:func:`describe` for a line of JSON that the message names: without pydantic's own line, which is always 1."""
    return describe(error).replace(" at line 1 column ", " at column ")


def first_fault(error: ValidationError) -> tuple[str, tuple[int | str, ...]]:
    """What is wrong with settings, in words, and where.

    A misspelt key comes first: the key that is missing because of it needs no message of its own.
    """
    first = min(error.errors(include_url=False), key=lambda found: found["type"] != "extra_forbidden")
    what = {"extra_forbidden": "unknown key", "missing": "missing"}.get(first["type"])
    return what or first["msg"].removeprefix("Value error, "), first["loc"]
