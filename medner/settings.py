"""Settings from YAML files: what all of them have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError


class Settings(BaseModel):
    """Settings from a file: no unknown keys, so that a misspelt one is told."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def first_fault(error: ValidationError) -> tuple[str, tuple[int | str, ...]]:
    """What is wrong with settings, in words, and where.

    A misspelt key comes first: what is missing because of it explains itself.
    """
    first = min(error.errors(include_url=False), key=lambda found: found["type"] != "extra_forbidden")
    return {"extra_forbidden": "is no setting", "missing": "is missing"}.get(first["type"], first["msg"]), first["loc"]
