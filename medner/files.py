"""Reading what users give and writing what they keep: whole or not at all."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import os
import shutil
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Any

import srsly

from medner.exceptions import InputError

# RuntimeError: encrypted, or packed in a way that Python does not know
LARGEST = 512 * 2**20  # bytes that a file may have once it is unpacked: more is a mistake, or meant to fill the memory
# the others: damaged, in a place where zipfile does not look
BROKEN_ZIP = (
    zipfile.BadZipFile, OSError, zlib.error, RuntimeError, ValueError, LookupError, ArithmeticError, EOFError,
    struct.error, lzma.LZMAError,
)  # fmt: skip


def read_bytes(path: Path) -> bytes:
    """Content of a file, unpacked when its name ends in ``.gz``. Raises InputError if it cannot be read."""
    try:
        if path.exists() and not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():  # reading a pipe may not end
            raise InputError("is not a file", path=path, remedy="Give a file") from None
        if path.suffix != ".gz":
            return path.read_bytes()
        with gzip.open(path) as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise _too_large(path)
        return data
    except FileNotFoundError:
        raise InputError("no such file", path=path, remedy="Check the path, or run the step that makes it") from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"cannot be read ({error})", path=path, remedy="Check the file and its permissions") from None


def _too_large(path: Path | str) -> InputError:
    what = f"holds more than {LARGEST // 2**20:,} MiB once it is unpacked"
    return InputError(what, path=path, remedy="Split it, or check where it is from")


def decode(data: bytes, path: Path | str) -> str:
    """UTF-8 text without byte-order mark and with LF line ends. Raises InputError on other encodings and on NUL."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError("not UTF-8", path=path, place=f"line {line}", remedy="Save the file as UTF-8") from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise InputError(
            "contains a NUL character", path=path, place=f"line {line}", remedy="Remove it; the file may be damaged"
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_text(path: Path) -> str:
    """``decode(read_bytes(path))``."""
    return decode(read_bytes(path), path)


def read_json(path: Path) -> Any:
    """What a step wrote as JSON. Raises InputError if it cannot be read or is none."""
    try:
        return srsly.json_loads(read_text(path))
    except ValueError as error:
        raise InputError(f"is damaged ({error})", path=path, remedy="Run the step that makes it again") from None


def read_members(path: Path, patterns: Collection[str] = ("*",)) -> dict[str, bytes]:
    """Name and content of the files in a folder, a zip or a tar archive (names relative, with ``/``), by name.

    patterns: of the files to read, as :meth:`pathlib.PurePath.match` takes them; others are not unpacked. Nothing is
    unpacked to disk. Raises InputError if it cannot be read, or holds more than ``LARGEST`` bytes of such files.
    """
    if path.is_dir():
        files = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if file.is_file()}
        return {name: read_bytes(file) for name, file in sorted(files.items()) if _wanted(name, patterns)}
    return unpacked(read_bytes(path), path, patterns)


def _wanted(name: str, patterns: Collection[str]) -> bool:
    return any(PurePosixPath(name).match(pattern) for pattern in patterns)


def unpacked(data: bytes, path: Path | str, patterns: Collection[str] = ("*",)) -> dict[str, bytes]:
    """Files in a zip or tar archive, as :func:`read_members`. Raises InputError for anything else."""
    members: dict[str, bytes] = {}
    left = LARGEST

    def take(file: IO[bytes]) -> bytes:
        nonlocal left
        content = file.read(left + 1)
        left -= len(content)
        if left < 0:
            raise _too_large(path)
        return content

    try:
        if zipfile.is_zipfile(io.BytesIO(data)):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                for info in archive.infolist():
                    if not info.is_dir() and _wanted(info.filename, patterns):
                        with archive.open(info) as packed_file:
                            members[info.filename] = take(packed_file)
        else:
            with tarfile.open(fileobj=io.BytesIO(data)) as tar:
                for member in tar:
                    if tar.offset > LARGEST + len(data):  # what is skipped is unpacked as well
                        raise _too_large(path)
                    name = member.name.removeprefix("./")
                    if _wanted(name, patterns) and (inside := tar.extractfile(member)):  # None for folders
                        members[name] = take(inside)
    except (*BROKEN_ZIP, tarfile.TarError) as error:
        what = f"not a readable zip or tar archive ({' '.join(str(error).split())})"
        raise InputError(what, path=path, remedy="Replace it; it may be damaged") from None
    return dict(sorted(members.items()))


def packed(members: Mapping[str, bytes]) -> bytes:
    """A zip of the files, the same bytes whenever the files are the same."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(members.items()):
            archive.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)  # ZipInfo: a date that never changes
    return buffer.getvalue()


def members_sha256(members: Mapping[str, bytes]) -> str:
    """One checksum of many files: SHA-256 over a line ``<SHA-256 of the file>  <name>`` each, sorted by name."""
    return sha256("".join(f"{sha256(data)}  {name}\n" for name, data in sorted(members.items())).encode())


def sha256(data: bytes) -> str:
    """Hexadecimal SHA-256 of the data."""
    return hashlib.sha256(data).hexdigest()


def git_blob_id(data: bytes) -> str:
    """The id git gives a file with this content (SHA-1 over ``blob <length>\\0<content>``)."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write into one clear message."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # no refusal of the system: libraries raise it for other things too
            raise
        reason = error.strerror or str(error)
        raise InputError(
            f"cannot be written ({reason})",
            path=path,
            remedy="Check permissions and free space, then run the step again",
        ) from None


def write_bytes(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Write a file whole or not at all: to a temporary file beside it, which is then renamed over it.

    durable: wait until the disk has it, for what a power cut must not take, such as what was paid for. Raises
    InputError if the folder is read-only or the disk is full; the old file is then untouched.
    """
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        try:
            with open(handle, "wb") as file:
                file.write(data)
                if durable:
                    file.flush()
                    os.fsync(file.fileno())
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(name, 0o666 & ~umask)  # mkstemp makes private files
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def write_text(path: Path, text: str, *, durable: bool = False) -> None:
    """``write_bytes`` for text, as UTF-8 with LF line ends."""
    write_bytes(path, text.encode("utf-8"), durable=durable)


def restore_folder(path: Path) -> None:
    """Where :func:`new_folder` was killed while it put the new folder in the old one's place, put the old one back."""
    old = _aside(path)
    if old.is_dir():
        if path.exists():
            gone = old.with_name(f"{old.name}.tmp")  # half deleted, it must not look like one to put back
            shutil.rmtree(gone, ignore_errors=True)
            os.replace(old, gone)
            shutil.rmtree(gone, ignore_errors=True)
        else:
            os.replace(old, path)


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.old")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def new_folder(path: Path, sign: str, *, durable: bool = False) -> Iterator[Path]:
    """A folder that appears at ``path`` only if the block ends without an exception; it replaces one of its kind.

    sign: a pattern that finds something in every folder of this kind, and hardly in another. durable: wait until the
    disk has it, so that a power cut cannot find the old folder gone and the new one empty. Yields the temporary folder
    to write into. Killed at any moment, the old folder or the new one is there, after :func:`restore_folder` at the
    latest. A link to a folder stays a link, to the new folder. Raises InputError if the folder cannot be written, and
    if there is something else at ``path``, which would be lost.
    """
    path = path.resolve() if path.is_symlink() else path
    with _explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        restore_folder(path)
        if path.exists() and not path.is_dir():
            raise InputError("is a file, not a folder", path=path, remedy="Name another folder")
        if path.is_dir() and any(path.iterdir()) and not any(path.glob(sign)):
            remedy = f"Name an empty or a new folder; one that this step wrote, with {sign}, is replaced as well"
            raise InputError("holds other files, which would be lost", path=path, remedy=remedy)
        for stale in path.parent.glob(f".{path.name}.*.tmp"):  # left by a process that was killed
            shutil.rmtree(stale, ignore_errors=True)
        work = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp"))
    try:
        with _explained(path):
            work.chmod(0o755)
            yield work
            if durable:
                for written in (*work.rglob("*"), work):
                    _sync(written)
            if path.is_dir():
                os.replace(path, _aside(path))
            os.replace(work, path)
            if durable:
                _sync(path.parent)
    finally:
        restore_folder(path)
        shutil.rmtree(work, ignore_errors=True)
