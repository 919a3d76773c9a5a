"""The one exception that bad input raises, so that every step can report it in one line."""

from __future__ import annotations

from pathlib import Path


class InputError(Exception):
    """Something the user gave us is wrong, and the user can put it right.

    The message reads ``<file>, <place>: <what is wrong>. <what to do>``; scripts print it and exit with 1.
    """

    def __init__(self, what: str, *, remedy: str, path: Path | str | None = None, place: str = "") -> None:
        self.what, self.remedy, self.place = what, remedy, place
        self.path = None if path is None else str(path)
        where = ", ".join(part for part in (self.path, place) if part)
        super().__init__(f"{where}: {what}. {remedy}." if where else f"{what}. {remedy}.")
