"""Names of sources, experiments and suites: they become folders under corpus/, training/ and metrics/."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from medner.exceptions import InputError
from medner.settings import describe

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=64)]
Language = Annotated[str, Field(pattern="^[a-z]{2,3}$")]  # a code of ISO 639


class Folder(StrEnum):
    """Folders under corpus/, training/ and metrics/ that are not an experiment's: names that no experiment may have."""

    CURVES = "curves"
    DEV = "dev"
    ENCODER = "encoder"
    ERRORS = "errors"
    LOGS = "logs"
    OWN = "own"
    PRETRAINING = "pretraining"
    REFERENCE = "reference"
    REPORT = "report"
    ROBUSTNESS = "robustness"
    SEEDS = "seeds"


def check_language(code: str) -> str:
    """The code, if it may be a language's. Raises InputError for others, as `italiano`."""
    try:
        return TypeAdapter(Language).validate_python(code)
    except ValidationError:
        raise InputError(f"{code[:100]!r} is no code of a language", remedy="Give one such as it, of ISO 639") from None


def check_name(name: str) -> str:
    """The name, if it may be an experiment's, and so a folder's. Raises InputError for others, as `exp1/../exp1`."""
    try:
        return TypeAdapter(Name).validate_python(name)
    except ValidationError as error:
        what = f"{name[:100]!r} is not a name ({describe(error)})"
        raise InputError(what, remedy="Give the name of an experiment in configs/experiments.yml") from None
