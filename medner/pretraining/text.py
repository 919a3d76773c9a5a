"""Plain text for pre-training, read line by line from whatever folder the user has."""

from __future__ import annotations

import gzip
import lzma
import unicodedata
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import spacy
from pydantic import Field, model_validator

from medner.data.docbins import read_docbin
from medner.data.overlap import Overlap
from medner.data.records import CEDILLA_TO_COMMA, without_marks
from medner.exceptions import InputError
from medner.settings import Settings

OPENERS: Mapping[str, Callable[[Path, str], Any]] = {".gz": gzip.open, ".xz": lzma.open}
TEXT_SUFFIXES = (".txt", ".txt.gz", ".txt.xz", ".spacy")


class GroupSettings(Settings):
    """A group as a recipe asks for it; ``files`` are paths below a folder and may hold wildcards."""

    name: Annotated[str, Field(pattern="^[^/]+$")]  # its pieces go to a file of this name
    weight: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    files: Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]


Share = Annotated[float, Field(ge=0, le=1)]
DRAWS = 1000  # shares of lines are counted in thousandths


class Variation(Settings):
    """Shares of lines that are read a second time, written as much text is: in capitals, without diacritics, or both.

    An encoder that has met such text copes with it better in what it is fine-tuned for.
    """

    capitals: Share = 0.0
    lower_case: Share = 0.0
    no_diacritics: Share = 0.0
    capitals_no_diacritics: Share = 0.0

    @model_validator(mode="after")
    def _at_most_all(self) -> Variation:
        if self.total > 1:
            raise ValueError(f"the shares add up to {self.total:g}, more than 1")
        return self

    @property
    def total(self) -> float:
        """The share of lines that have a varied copy."""
        return float(sum(share for _, share in self))

    def copy_of(self, line: str) -> str:
        """The varied copy of a line; empty for a line that has none. Depends on nothing but the line."""
        draw = zlib.crc32(line.encode()) % DRAWS
        below = 0.0
        for name, share in self:
            below += share
            if draw < round(DRAWS * below):
                return VARIATIONS[name](line)
        return ""


def without_diacritics(text: str) -> str:
    """The text with plain letters in place of those with diacritics."""
    return unicodedata.normalize("NFC", without_marks(text))


VARIATIONS: Mapping[str, Callable[[str], str]] = {
    "capitals": str.upper,
    "lower_case": str.lower,
    "no_diacritics": without_diacritics,
    "capitals_no_diacritics": lambda line: without_diacritics(line).upper(),
}


@dataclass
class Group:
    """Texts of one language and domain; ``weight`` is its share of what the encoder reads.

    tests: sentences that the encoder must not have read. left_out: lines that :meth:`lines` passed over for that.
    """

    name: str
    weight: float
    files: tuple[Path, ...]
    tests: Overlap | None = None
    varied: Variation | None = None
    left_out: int = 0

    def lines(self) -> Iterator[str]:
        """All lines, an empty one after each file, without those that hold a test sentence, exactly or nearly.

        The varied copies of a file's lines follow the file.
        """
        self.left_out = 0
        for path in self.files:
            for line in lines(path):
                if self._holds_test(line):
                    self.left_out += 1
                else:
                    yield line
            yield ""
            if self.varied and self.varied.total:
                yield from self._copies(path, self.varied)

    def _copies(self, path: Path, varied: Variation) -> Iterator[str]:
        for line in lines(path):
            copy = varied.copy_of(line)
            if copy and not self._holds_test(line):
                yield copy
        yield ""

    def _holds_test(self, line: str) -> bool:
        return bool(line and self.tests and self.tests.find(line))


def find_groups(folders: Sequence[Path], groups: Sequence[GroupSettings] | None) -> list[Group]:
    """The groups asked for with their files, looked for in each folder; without groups, one of all text per folder.

    Raises InputError for a folder that does not exist or contains no text, for a pattern that finds nothing, and for
    two groups of one name, whose word-pieces would go to one file.
    """
    found = _found(folders, groups)
    for name, count in Counter(group.name for group in found).items():
        if count > 1:
            remedy = "Give folders of different names, or a recipe with groups"
            raise InputError(f"{count} groups of text are named {name!r}", remedy=remedy)
    return found


def _found(folders: Sequence[Path], groups: Sequence[GroupSettings] | None) -> list[Group]:
    for folder in folders:
        if not folder.is_dir():
            raise InputError("no such folder", path=folder, remedy="Give folders that hold .txt files")
    if not groups:
        found = {
            folder: sorted(p for p in folder.rglob("*") if p.name.endswith(TEXT_SUFFIXES) and p.is_file())
            for folder in folders
        }
        for folder, files in found.items():
            if not files:
                raise InputError(
                    "contains no text", path=folder, remedy=f"Put UTF-8 files there ({', '.join(TEXT_SUFFIXES)})"
                )
        return [Group(folder.absolute().name, 1.0, tuple(files)) for folder, files in found.items()]

    def files_of(group: GroupSettings) -> Iterator[Path]:
        for pattern in group.files:
            try:
                matches = sorted(path for folder in folders for path in folder.glob(pattern) if path.is_file())
            except (NotImplementedError, ValueError) as error:
                what = f"group {group.name}: {pattern!r} is not a path below a folder ({error})"
                raise InputError(what, remedy="Correct it, or give the folder that holds the file") from None
            if not matches:
                where = ", ".join(map(str, folders))
                raise InputError(
                    f"group {group.name}: no file {pattern} in {where}",
                    remedy="Give the folder that holds it too, or take the line out of the configuration",
                )
            yield from matches

    return [Group(group.name, group.weight, tuple(files_of(group))) for group in groups]


def lines(path: Path) -> Iterator[str]:
    """Lines of a text file (plain, ``.gz`` or ``.xz``), or the texts of a DocBin; comma-below for cedilla ş/ţ.

    Streams, but for a DocBin; an empty line marks the end of a document and is passed on. Raises InputError naming the
    line where the file is not UTF-8.
    """
    if path.suffix == ".spacy":  # one packed block, which spaCy can only read whole
        yield from (record.text for record in read_docbin(path, spacy.blank("xx")))
        return
    number = 0
    try:
        with OPENERS.get(path.suffix, open)(path, "rb") as file:
            for number, raw in enumerate(file, start=1):
                yield raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n").translate(CEDILLA_TO_COMMA)
    except UnicodeDecodeError:
        raise InputError("not UTF-8", path=path, place=f"line {number}", remedy="Save the file as UTF-8") from None
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        what = f"cannot be read ({error})"
        raise InputError(what, path=path, place=f"after line {number}", remedy="Fetch the file again") from None
