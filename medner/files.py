"""Reading what users give and writing what they keep: whole or not at all."""

from __future__ import annotations

import base64
import ctypes
import errno
import fcntl
import gzip
import hashlib
import io
import lzma
import os
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
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

ATTEMPTS = 100  # to open a file that other processes rename or remove in the same moment


def read_bytes(path: Path) -> bytes:
    """Content of a file, unpacked when its name ends in ``.gz`` or ``.xz``. Raises InputError if it cannot be read."""
    try:
        if path.exists() and not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():  # reading a pipe may not end
            raise InputError("is not a file", path=path, remedy="Give a file") from None
        if path.suffix not in (".gz", ".xz"):
            return path.read_bytes()
        with gzip.open(path) if path.suffix == ".gz" else lzma.open(path) as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise _too_large(path)
        return data
    except FileNotFoundError:
        raise InputError("no such file", path=path, remedy="Check the path, or run the step that makes it") from None
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
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


def source_hash(source: str) -> str:
    """How a content security policy names a script that stands in the page: ``sha256-`` and its checksum in base 64."""
    return f"sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}"


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


def _open_alone(path: Path, *, wait: bool) -> int:
    """A handle of a file that no other process has open so. One that was killed leaves the file, not the lock.

    Raises BlockingIOError if another process has it and this one does not ``wait``.
    """
    for _ in range(ATTEMPTS):
        with suppress(FileNotFoundError):  # another process is just removing it
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, alone = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666), False
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
                alone = os.path.samestat(os.fstat(handle), path.lstat())  # and no other process has just renamed it
                if alone:
                    return handle
            finally:
                if not alone:
                    os.close(handle)
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))


def _hidden(path: Path) -> Path:
    """Where a new file or folder is made. The name tells whose it is, and what a killed process left is found again."""
    return path.with_name(f".{path.name}.tmp")


@contextmanager
def new_file(path: Path, *, durable: bool = False) -> Iterator[IO[bytes]]:
    """A file that appears at ``path``, in place of an old one, only if the block ends without an exception.

    It is written beside its place and then renamed. durable: wait until the disk has it, for what a power cut must not
    take, such as what was paid for. Raises InputError if the folder is read-only or the disk is full; the old file is
    then untouched.
    """
    temporary = _hidden(path)
    with _explained(path), open(_open_alone(temporary, wait=True), "wb") as file:
        try:
            file.truncate()
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def write_bytes(path: Path, data: bytes, *, durable: bool = False) -> None:
    """Write a file whole or not at all, as :func:`new_file` does."""
    with new_file(path, durable=durable) as file:
        file.write(data)


def write_text(path: Path, text: str, *, durable: bool = False) -> None:
    """``write_bytes`` for text, as UTF-8 with LF line ends."""
    write_bytes(path, text.encode("utf-8"), durable=durable)


_LOCK, _NEW, _OLD = "lock", "new", "old"  # in the hidden folder beside the one that is written


def restore_folder(path: Path) -> None:
    """Put the old folder back where :func:`new_folder` was killed between moving it away and moving the new one in.

    Only systems that cannot exchange two folders at once leave such a gap. For readers that would take a missing folder
    for one that was never there.
    """
    if (_hidden(path) / _OLD).is_dir() and not path.exists():
        with _explained(path), _workshop(path):
            pass


@contextmanager
def _workshop(path: Path) -> Iterator[Path]:
    """The hidden folder beside ``path``, for one process at a time; removed at the end with all that is in it.

    Raises InputError if another process has it.
    """
    shop = _hidden(path)
    try:
        lock = _open_alone(shop / _LOCK, wait=False)
    except BlockingIOError:
        raise InputError("another run is writing it", path=path, remedy="Wait for its end, or name another") from None
    try:
        _clear(shop, path)
        yield shop
    finally:
        _clear(shop, path)
        (shop / _LOCK).unlink(missing_ok=True)
        with suppress(OSError):  # not empty: another process has just come
            shop.rmdir()
        os.close(lock)


def _clear(shop: Path, path: Path) -> None:
    """Remove what is left of a new and an old folder; but put the old one back if nothing has taken its place."""
    if (shop / _OLD).is_dir() and not path.exists():
        os.replace(shop / _OLD, path)
    shutil.rmtree(shop / _NEW, ignore_errors=True)
    if (shop / _OLD).is_dir():
        os.replace(shop / _OLD, shop / _NEW)  # half removed, it must not look like one to put back
        shutil.rmtree(shop / _NEW, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Have two folders change places at once. False if the system or the disk cannot: Linux can, on most disks."""
    library = ctypes.CDLL(None)
    if not hasattr(library, "renameat2"):
        return False
    here, exchange = -100, 2  # AT_FDCWD and RENAME_EXCHANGE, from fcntl.h and linux/fs.h
    return bool(library.renameat2(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def check_folder(path: Path, sign: str) -> None:
    """Raises InputError where :func:`new_folder` would put its folder in the place of something else."""
    if path.exists() and not path.is_dir():
        raise InputError("is a file, not a folder", path=path, remedy="Name another folder")
    if path.is_dir() and any(path.iterdir()) and not any(path.glob(sign)):
        remedy = f"Name an empty or a new folder; one that this step wrote, with {sign}, is replaced as well"
        raise InputError("holds other files, which would be lost", path=path, remedy=remedy)


@contextmanager
def new_folder(path: Path, sign: str, *, durable: bool = False) -> Iterator[Path]:
    """A folder that appears at ``path`` only if the block ends without an exception; it replaces one of its kind.

    sign: a pattern that finds something in every folder of this kind, and hardly in another. durable: wait until the
    disk has it, so that a power cut cannot find the old folder gone and the new one empty. Yields the temporary folder
    to write into. Killed at any moment, the old folder or the new one is there (see :func:`restore_folder`). A link to
    a folder stays a link, to the new folder. Raises InputError at once if another process is writing the folder, if it
    cannot be written, and if there is something else at ``path``, which would be lost.
    """
    path = path.resolve()  # a link, and a way through the folder itself (a/../a)
    with _explained(path), _workshop(path) as shop:
        check_folder(path, sign)
        work = shop / _NEW
        work.mkdir()
        yield work
        if durable:
            for written in (*work.rglob("*"), work):
                _sync(written)
        if not path.is_dir():
            os.replace(work, path)
        elif not _exchange(work, path):
            os.replace(path, shop / _OLD)
            os.replace(work, path)
        if durable:
            _sync(path.parent)
