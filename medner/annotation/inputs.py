"""Reads users' documents one by one, from the formats that they come in, in bounded memory."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import os
import re
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from medner.exceptions import InputError

STDIN = "-"
FORMATS = {".txt": "txt", ".jsonl": "jsonl", ".csv": "csv", ".tsv": "tsv", ".spacy": "docbin"}
AUTO = "auto"
WINDOWS = ("cp1250", "cp1252", "cp1251", "cp1253", "cp1254", "cp1257")  # what old text that is not Unicode is in
SAMPLE = 1 << 20  # bytes that an encoding is guessed from
BINARY = {  # how files begin that hold text in a way of their own
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a zip archive, as .docx and .xlsx are",
    b"{\\rtf": "RTF",
    b"\xd0\xcf\x11\xe0": "an old Office file (.doc, .xls)",
}
LONGEST_CELL = 1 << 30  # characters; Python's default would refuse a long note
COLUMN = re.compile(r"[\w.-]{1,30}")  # what looks like a column's name, and not like the text of a patient

Found = Iterator["Document | InputError"]


@dataclass(frozen=True)
class Document:
    """A text to annotate. id: its own, or the file and line it stands at. extra: the other keys or columns."""

    id: str
    text: str
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Reading:
    """How inputs are read. format: for standard input and unknown suffixes; empty: by suffix, text for standard input.

    lines: a document a line in text files. field, column: where JSONL and tables have the text. encoding: a codec, or
    ``auto``. wrapped: whether line breaks within a paragraph are read as spaces.
    """

    format: str = ""
    lines: bool = False
    field: str = "text"
    column: str = "text"
    encoding: str = "utf-8"
    wrapped: bool = False


def find_files(inputs: Sequence[str], reading: Reading, leave_out: Iterable[Path] = ()) -> list[str]:
    """The files that are meant: those given, and those of a known suffix in folders, sorted.

    leave_out: files and folders that are never found in a folder, such as the output. Raises InputError for what is
    missing, cannot be read twice or is of an unknown format, for a folder that cannot be read, and for what is to be
    left out but was given.
    """
    known = ", ".join(f"{suffix}[.gz]" for suffix in FORMATS)
    left_out = {path.resolve() for path in leave_out}
    files: list[str] = []
    for given in inputs:
        path = Path(given)
        if given != STDIN and not left_out.isdisjoint((path.resolve(), *path.resolve().parents)):
            raise InputError("is an input, and the output would replace it", path=given, remedy="Name another output")
        if given == STDIN or (path.exists() and not path.is_dir()):
            if given != STDIN and not path.is_file():
                raise InputError("is not a file, and cannot be read twice", path=given, remedy="Give - and pipe it in")
            if given == STDIN and STDIN in files:
                raise InputError("standard input is given twice", remedy="Give - once")
            if not _format(given, reading):
                what = "its suffix names no known format"
                raise InputError(what, path=given, remedy=f"Say what it is with --from, or rename it: {known}")
            files.append(given)
        elif path.is_dir():
            inside = [
                file
                for file in _files_below(path)
                if _format(str(file), Reading()) and left_out.isdisjoint((file.resolve(), *file.resolve().parents))
            ]
            if not inside:
                raise InputError("holds no file to annotate", path=path, remedy=f"Files are found by suffix: {known}")
            files += [file.as_posix() for file in inside]
        else:
            raise InputError("no such file", path=given, remedy="Check the path")
    for name in files:
        if not _is_unicode(name):
            remedy = "Rename it, for example with convmv"
            raise InputError("the file's name is not UTF-8", path=ascii(name), remedy=remedy)
    return files


def _files_below(folder: Path) -> list[Path]:
    """The files in a folder and its subfolders, sorted, without hidden ones."""

    def refuse(error: OSError) -> None:
        what = f"the folder cannot be read ({error.strerror})"
        raise InputError(what, path=error.filename, remedy="Check its permissions")

    found = []
    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name) for name in names if not name.startswith(".")]
    return sorted(file for file in found if file.is_file())


def _format(name: str, reading: Reading) -> str:
    if name == STDIN:
        return reading.format or "txt"
    path = Path(name.removesuffix(".gz"))
    return reading.format or FORMATS.get(path.suffix.lower(), "")


def read_documents(files: Iterable[str], reading: Reading) -> Found:
    """Every document, in order; instead of one that is bad, the InputError that says so."""
    for name in files:
        try:
            yield from _READERS[_format(name, reading)](name, reading)
        except InputError as error:  # the rest of the file cannot be read
            yield error
        except (OSError, EOFError, zlib.error) as error:
            yield InputError(f"cannot be read ({error})", path=name, remedy="Check the file and its permissions")


# --- Bytes and lines --------------------------------------------------------------------------------------------------


@contextmanager
def _opened(name: str) -> Iterator[BinaryIO]:
    if name == STDIN:
        yield sys.stdin.buffer
    elif name.endswith(".gz"):
        with gzip.open(name) as packed:
            yield cast(BinaryIO, packed)
    else:
        with open(name, "rb") as file:
            yield file


def _sample(name: str, buffered: io.BufferedReader[Any]) -> bytes:
    if name == STDIN:
        return buffered.peek(SAMPLE)[:SAMPLE]
    with _opened(name) as again:
        return again.read(SAMPLE)


def _codec(sample: bytes, name: str, encoding: str) -> str:
    """The name of the codec. Raises InputError for one that does not exist, and where none fits the sample."""
    if encoding != AUTO:
        try:
            "".encode(encoding)  # which refuses what is no encoding of text, such as hex
            return codecs.lookup(encoding).name
        except (LookupError, UnicodeError):
            remedy = "Give one that Python knows, such as utf-8 or cp1250, or auto"
            raise InputError(f"--encoding is {encoding!r}", remedy=remedy) from None
    with_bom = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
    for mark, codec in with_bom.items():
        if sample.startswith(mark):
            return codec
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)  # which may end inside a character
        return "utf-8"
    except UnicodeDecodeError:
        from charset_normalizer import from_bytes  # noqa: PLC0415 - seldom needed

        best = from_bytes(sample, cp_isolation=[*WINDOWS]).best()
        if best is None:
            remedy = "Give it with --encoding"
            raise InputError("its encoding cannot be guessed", path=name, remedy=remedy) from None
        return best.encoding


class _Line(NamedTuple):
    """A line with its end as it stands there. fault: why it cannot be decoded; the text then has U+FFFD in places."""

    number: int
    text: str
    fault: InputError | None = None


def _lines(name: str, reading: Reading) -> Iterator[_Line]:
    """Every line of a file, without a byte-order mark. Raises InputError where the rest cannot be read."""
    with _opened(name) as raw:
        buffered = io.BufferedReader(cast(io.RawIOBase, raw), SAMPLE)
        start = buffered.peek(8)
        if found := next((what for mark, what in BINARY.items() if start.startswith(mark)), ""):
            raise InputError(f"is {found}, not plain text", path=name, remedy="Extract its text first")
        codec = _codec(_sample(name, buffered) if reading.encoding == AUTO else b"", name, reading.encoding)
        if codec.startswith(("utf-16", "utf-32")):  # a line feed is no byte of its own
            text = io.TextIOWrapper(buffered, codec, newline="\n")
            try:
                for number, row in enumerate(text, start=1):
                    yield _Line(number, row.removeprefix("\ufeff") if number == 1 else row)
            except UnicodeError:
                remedy = "Give its encoding with --encoding"
                raise InputError(f"not {codec.upper()}", path=name, remedy=remedy) from None
            return
        for number, line in enumerate(buffered, start=1):
            fault = None
            try:
                decoded = line.decode(codec)
            except UnicodeError:
                remedy = "Save it as UTF-8, or give its encoding (--encoding auto guesses it)"
                fault = InputError(f"not {codec.upper()}", path=name, place=f"line {number}", remedy=remedy)
                decoded = line.decode(codec, errors="replace")
            yield _Line(number, decoded.removeprefix("\ufeff") if number == 1 else decoded, fault)


def check_document(document: Document, name: str, place: str) -> Document | InputError:
    """The document, or what no pipeline can read in it."""
    if "\0" in document.text:
        remedy = "Remove it; the file may be damaged, or in another encoding"
        return InputError("contains a NUL character", path=name, place=place, remedy=remedy)
    if not _is_unicode(document.text, document.id, json.dumps(document.extra, ensure_ascii=False)):
        remedy = "Write the text again from its source"
        return InputError("contains half a character (a lone surrogate)", path=name, place=place, remedy=remedy)
    return document


def _is_unicode(*texts: str) -> bool:
    """Whether the texts can be written: halves of characters (lone surrogates) cannot."""
    try:
        for text in texts:
            text.encode()
    except UnicodeEncodeError:
        return False
    return True


# --- Formats ----------------------------------------------------------------------------------------------------------


def _read_text(name: str, reading: Reading) -> Found:
    if reading.lines:
        for number, line, fault in _lines(name, reading):
            if fault:
                yield fault
            elif line.strip():
                yield check_document(Document(f"{name}:{number}", line.rstrip("\r\n")), name, f"line {number}")
        return
    parts: list[str] = []
    for _, line, fault in _lines(name, reading):
        if fault:
            raise fault
        parts.append(line)
    yield check_document(Document(name, "".join(parts)), name, "")


def _read_jsonl(name: str, reading: Reading) -> Found:
    for number, line, fault in _lines(name, reading):
        if fault:
            yield fault
        elif line.strip():
            yield _json_document(line, name, number, reading.field)


def _json_document(line: str, name: str, number: int, field: str) -> Document | InputError:
    place = f"line {number}"
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        remedy = "Write one JSON object a line"
        return InputError(f"not JSON ({str(error).split(':')[0]})", path=name, place=place, remedy=remedy)
    if not isinstance(data, dict) or not isinstance(data.get(field), str):
        keys = ", ".join(key for key, value in data.items() if isinstance(value, str)) if isinstance(data, dict) else ""
        remedy = f"Name the key with --field (here: {keys})" if keys else "Write one JSON object a line"
        return InputError(f"has no text under the key {field!r}", path=name, place=place, remedy=remedy)
    extra = {key: value for key, value in data.items() if key != field}
    given = extra.pop("id", None)
    return check_document(
        Document(f"{name}:{number}" if given is None else str(given), data[field], extra), name, place
    )


def _read_table(name: str, reading: Reading) -> Found:
    faults: list[InputError] = []  # of the lines of the row that is read

    def lines() -> Iterator[str]:
        for _, line, fault in _lines(name, reading):
            if fault:
                faults.append(fault)
            yield line

    csv.field_size_limit(LONGEST_CELL)
    source = lines()
    first = next(source, "")
    delimiter = "\t" if _format(name, reading) == "tsv" else ";" if first.count(";") > first.count(",") else ","
    try:
        header = next(csv.reader([first], delimiter=delimiter), [])
    except csv.Error as error:
        remedy = "Save it with line ends that are LF or CRLF"
        raise InputError(f"not CSV ({error})", path=name, place="line 1", remedy=remedy) from None
    if faults:
        raise faults[0]
    if reading.column not in header:
        named = bool(header) and all(map(COLUMN.fullmatch, header))
        here = f" (here: {', '.join(header)})" if named else "; the first line must have the names of the columns"
        remedy = f"Name it with --column{here}"
        raise InputError(f"has no column {reading.column!r}", path=name, place="line 1", remedy=remedy)
    rows = csv.reader(source, delimiter=delimiter, strict=True)
    while True:
        number = rows.line_num + 2  # where the row starts; the header is line 1
        place = f"line {number}"
        faults.clear()
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield InputError(f"not CSV ({error})", path=name, place=place, remedy="Correct its quotes")
            continue
        if faults:
            yield faults[0]
            continue
        if not row:
            continue
        if len(row) != len(header):
            what = f"has {len(row)} cells, the header {len(header)}"
            yield InputError(what, path=name, place=place, remedy="Quote cells that hold the delimiter or a line break")
            continue
        extra: dict[str, Any] = dict(zip(header, row, strict=True))
        text = extra.pop(reading.column)
        yield check_document(Document(extra.pop("id", "") or f"{name}:{number}", text, extra), name, place)


def _read_docbin(name: str, reading: Reading) -> Found:
    import spacy  # noqa: PLC0415 - slow to import

    from medner.data.docbins import docs_of, parse_docbin  # noqa: PLC0415

    with _opened(name) as file:
        data = file.read()
    try:
        docs = docs_of(parse_docbin(data, Path(name)), spacy.blank("xx").vocab, Path(name))
        for number, doc in enumerate(docs, start=1):
            document = Document(str(doc.user_data.get("id", f"{name}:{number}")), doc.text)
            yield check_document(document, name, f"document {number}")
    except InputError as error:
        raise InputError(error.what, path=name, remedy="Give a file that spaCy's DocBin.to_disk wrote") from None


_READERS = {"txt": _read_text, "jsonl": _read_jsonl, "csv": _read_table, "tsv": _read_table, "docbin": _read_docbin}
