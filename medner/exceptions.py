"""The one exception that bad input raises, so that every step can report it in one line."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any


class InputError(Exception):
    """Something the user gave us is wrong, and the user can put it right.

    The message reads ``<file>, <place>: <what is wrong>. <what to do>``; scripts print it and exit with 1.
    """

    def __init__(self, what: str, *, remedy: str, path: Path | str | None = None, place: str = "") -> None:
        self.what, self.remedy, self.place = what, remedy, place
        self.path = None if path is None else str(path)
        where = ", ".join(part for part in (self.path, place) if part)
        super().__init__(f"{where}: {what}. {remedy}." if where else f"{what}. {remedy}.")

    def __reduce__(self) -> tuple[Any, ...]:
        """For another process: pickle knows no arguments by name."""
        return partial(InputError, remedy=self.remedy, path=self.path, place=self.place), (self.what,)
