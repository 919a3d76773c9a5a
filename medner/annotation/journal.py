"""What is annotated so far, in a file beside the output, so that a run that was killed continues where it was.

One JSON line a document, in the order of the input. A line counts once its line feed is there. The journal becomes the
output and is then deleted; it is the only other file that holds text of the input.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from medner.annotation.entities import Entity
from medner.exceptions import InputError

BLOCK = 1 << 20  # bytes


@dataclass(frozen=True)
class Annotated:
    """A document with its entities; or one that could not be read, and why.

    text: None where it is not kept. mark: of the document that was read (:func:`medner.annotation.run.mark_of`).
    """

    id: str
    text: str | None
    extra: Mapping[str, Any]
    entities: tuple[Entity, ...]
    fault: str = ""
    mark: str = ""


class Journal:
    """The journal of one output. settings: what must be the same when the run continues."""

    def __init__(self, output: Path, settings: Mapping[str, Any]) -> None:
        self.path, self.settings = journal_of(output), dict(settings)
        self._file: IO[bytes] | None = None

    def open(self, *, resume: bool) -> list[str]:
        """Start, or continue after what is there; returns the marks of the documents that are done, in order.

        Raises InputError if a run is unfinished and is not to be continued, was started with other settings, or goes
        on in another process.
        """
        if self.path.exists() and not resume:
            remedy = "Add --resume to continue it, or delete the file"
            raise InputError("holds an unfinished run", path=self.path, remedy=remedy)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab+", buffering=0)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError("another run is writing it", path=self.path, remedy="Wait for its end") from None
        except OSError as error:
            what = f"cannot be written beside the output ({error.strerror or error})"
            raise InputError(what, path=self.path, remedy="Check the output's folder and its permissions") from None
        self._drop_torn_line(self._file)
        if not self._file.tell():
            self._write({"settings": self.settings})
        return [one.mark for one in self.read()]

    def _unwritable(self, error: OSError) -> InputError:
        what = f"cannot be written ({error.strerror or error})"
        return InputError(what, path=self.path, remedy="Check permissions and free space, then add --resume")

    @staticmethod
    def _drop_torn_line(file: IO[bytes]) -> None:
        end = file.seek(0, 2)
        while end:
            start = max(0, end - BLOCK)
            file.seek(start)
            if found := file.read(end - start).rfind(b"\n") + 1:
                end = start + found
                break
            end = start
        file.truncate(end)
        file.seek(0, 2)

    def _write(self, data: Mapping[str, Any]) -> None:
        assert self._file is not None
        line = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        try:
            while line:  # a full disk takes a part
                line = line[self._file.write(line) :]
        except OSError as error:
            raise self._unwritable(error) from None

    def add(self, one: Annotated) -> None:
        """Keep a document. Raises InputError where it cannot be written."""
        self._write(vars(one))

    def read(self) -> Iterator[Annotated]:
        """What is kept, in order. Raises InputError for settings other than these, and for a damaged journal."""
        try:
            yield from self._read()
        except (ValueError, TypeError, AttributeError, KeyError):
            raise InputError("is damaged", path=self.path, remedy="Delete it and start again") from None

    def _read(self) -> Iterator[Annotated]:
        with self.path.open(encoding="utf-8", newline="\n") as file:
            was = json.loads(next(file, ""))["settings"]
            if differing := [key for key, value in self.settings.items() if was.get(key) != value]:
                what = f"was started with another value of {', '.join(differing)}"
                raise InputError(what, path=self.path, remedy="Give the same options, or delete the file")
            for line in file:
                data = json.loads(line)
                data["entities"] = tuple(Entity(*entity) for entity in data["entities"])
                yield Annotated(**data)

    def close(self) -> None:
        """Close the file, which stays."""
        if self._file is not None:
            self._file.close()


def journal_of(output: Path) -> Path:
    """The journal's path."""
    return output.with_name(f"{output.name}.unfinished")
