"""Fetch public corpora from a mirror folder or the network, and verify them by checksum."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Mapping, Set
from pathlib import Path, PurePosixPath
from typing import Annotated
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, Discriminator, RootModel, Tag

from medner.data.manifests import FetchedFile, FetchManifest, RonecVersion
from medner.exceptions import InputError
from medner.files import (
    git_blob_id,
    members_sha256,
    packed,
    read_bytes,
    read_members,
    unpacked,
    write_bytes,
)
from medner.settings import Inside, Settings, load_settings

PROBE_SECONDS = 4.0  # a host that does not answer within it is out of reach
READ_SECONDS = 10.0  # longest wait for the next piece of a download
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz")
# Why a file or corpus is not available, by the outcome of fetching it.
ABSENT = {
    "missing": "neither present, nor in a mirror, nor on the network",
    "changed": "what its site offers is not the pinned content",
}


class _Pinned(Settings):
    """What an entry of ``configs/downloads.yml`` needs.

    name: its key in the file. asset: where it goes. url: where it comes from; empty if only a mirror can have it.
    mirror: where it lies in a mirror folder.
    """

    name: str = ""
    asset: Inside
    url: str = ""
    mirror: Inside
    licence: str


class Download(_Pinned):
    """One public file. git_blob: the git blob id that its content must have."""

    git_blob: str


class Collection(_Pinned):
    """A corpus of many small files, kept in one zip.

    url: an archive or, with ``/`` at its end, the folder from which the files are fetched one by one. mirror: a folder
    with the files or archives of them. sha256: :func:`medner.files.members_sha256` of the files. folders: patterns of
    the names of the files, by folder; other files, and the folders around these, are ignored.
    """

    sha256: str
    folders: Mapping[str, tuple[str, ...]]

    @property
    def patterns(self) -> list[str]:
        """Of the names of the files, with their folders."""
        return [f"{folder}/{pattern}" for folder, patterns in self.folders.items() for pattern in patterns]

    def select(self, members: Mapping[str, bytes]) -> dict[str, bytes]:
        """The files that belong to the corpus, under their names in it."""
        patterns = self.patterns
        depth = {pattern: pattern.count("/") + 1 for pattern in patterns}
        chosen = {}
        for name, data in members.items():
            path = PurePosixPath(name)
            if found := next((pattern for pattern in patterns if path.match(pattern)), None):
                chosen["/".join(path.parts[-depth[found] :])] = data
        return chosen


def _kind(entry: object) -> str:
    return "collection" if isinstance(entry, Mapping) and "folders" in entry else "file"


_Entry = Annotated[Annotated[Download, Tag("file")] | Annotated[Collection, Tag("collection")], Discriminator(_kind)]


class _Downloads(RootModel[dict[str, _Entry]]):
    pass


class _Asset(BaseModel):
    dest: str
    url: str = ""


class _Assets(RootModel[list[_Asset]]):
    pass


def load_downloads(downloads: Path, project: Path) -> list[Download | Collection]:
    """The entries of ``configs/downloads.yml``, with the URLs of the assets in ``project.yml``.

    Raises InputError for a malformed file or an entry whose asset ``project.yml`` does not list.
    """
    urls = {asset.dest: asset.url for asset in load_settings(project, _Assets, section="assets").root}
    entries = load_settings(downloads, _Downloads).root
    for name, entry in entries.items():
        if entry.asset not in urls:
            what = f"{entry.asset} is not an asset of {project.name}"
            raise InputError(what, path=downloads, place=f"{name}.asset", remedy="Add it to the assets there")
    return [
        entry.model_copy(update={"name": name, "url": entry.url or urls[entry.asset]})
        for name, entry in entries.items()
    ]


def reachable(url: str, seconds: float = PROBE_SECONDS) -> bool:
    """Whether a URL answers within the time given, however long name resolution takes."""
    answered = threading.Event()

    def probe() -> None:
        with contextlib.suppress(httpx.HTTPError, httpx.InvalidURL):
            httpx.head(url, timeout=seconds)
            answered.set()  # an error status is an answer too

    # A daemon thread, since name resolution cannot be interrupted.
    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    thread.join(seconds)
    return answered.is_set()


def host(url: str) -> str:
    """Scheme and host of a URL, for :func:`reachable`."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/"


def mirrored(mirror: Path | None, name: str) -> Path | None:
    """The file of a mirror folder, plain or packed (``.gz``, ``.xz``), or None.

    Raises InputError if the folder does not exist.
    """
    if mirror is None:
        return None
    return next(
        (path for path in (mirror / (name + packing) for packing in ("", ".gz", ".xz")) if path.is_file()), None
    )


def fetch(item: Download | Collection, root: Path, mirror: Path | None, is_reachable: Callable[[str], bool]) -> str:
    """Fetch a file or collection into ``root`` with :func:`fetch_file` or :func:`fetch_collection`."""
    if isinstance(item, Collection):
        return fetch_collection(item, root, mirror, is_reachable)
    return fetch_file(item, root, mirror, is_reachable)


def fetch_collection(corpus: Collection, root: Path, mirror: Path | None, is_reachable: Callable[[str], bool]) -> str:
    """Write a corpus of many files as one zip under ``root``, verified, and return where it came from.

    Returns ``"present"``, ``"mirror"``, ``"network"``, ``"missing"``, or ``"changed"`` if its site offers other content
    than the pinned one; then nothing is written, and the study runs without it. Raises InputError for other content in
    the mirror.
    """
    target = root / corpus.asset
    if target.is_file():
        with contextlib.suppress(InputError):  # a damaged file is fetched again
            if _keep(corpus, corpus.select(read_members(target, corpus.patterns)), target):
                return "present"
    if mirror is not None and (found := corpus.select(_mirrored_members(mirror, corpus))):
        if not _keep(corpus, found, target):
            raise InputError(
                f"wrong checksum of the {len(found):,} files: {members_sha256(found)}, expected {corpus.sha256}",
                path=mirror / corpus.mirror,
                remedy=f"Put all {corpus.name} files there unchanged, or remove them",
            )
        return "mirror"
    if not corpus.url or not is_reachable(host(corpus.url)):
        return "missing"
    try:
        with httpx.Client(timeout=READ_SECONDS, follow_redirects=True) as client:
            if corpus.url.endswith("/"):
                names = [f"{folder}/{name}" for folder, files in corpus.folders.items() for name in files]
                found = {name: client.get(corpus.url + name).raise_for_status().content for name in names}
            else:
                found = unpacked(client.get(corpus.url).raise_for_status().content, corpus.url, corpus.patterns)
    except (httpx.HTTPError, httpx.InvalidURL):
        return "missing"
    except InputError:  # not an archive, but an error page, for example
        return "changed"
    return "network" if _keep(corpus, corpus.select(found), target) else "changed"


def _keep(corpus: Collection, files: Mapping[str, bytes], target: Path) -> bool:
    """Write the files unless they are there already; False if they are not the pinned ones."""
    if members_sha256(files) != corpus.sha256:
        return False
    data = packed(files)
    if not target.is_file() or target.read_bytes() != data:
        write_bytes(target, data)
    return True


def _mirrored_members(mirror: Path, corpus: Collection) -> dict[str, bytes]:
    """The corpus's files in a folder of the mirror and in archives there, or in a zip that has the folder's name."""
    folder, wanted = mirror / corpus.mirror, corpus.patterns
    if not folder.is_dir():
        archive = mirror / f"{corpus.mirror}.zip"
        return read_members(archive, wanted) if archive.is_file() else {}
    members: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*")):
        if path.name.endswith(ARCHIVES):
            members |= read_members(path, wanted)
        elif path.is_file() and any(path.match(pattern) for pattern in wanted):
            members[path.relative_to(mirror).as_posix()] = read_bytes(path)
    return members


def fetch_file(download: Download, root: Path, mirror: Path | None, is_reachable: Callable[[str], bool]) -> str:
    """Write one file under ``root``, verified, and return where it came from.

    Returns ``"present"``, ``"mirror"``, ``"network"`` or ``"missing"``. A file that is there with the right content is
    kept. Raises InputError, and writes nothing, for a wrong checksum in the mirror or from the network.
    """
    target = root / download.asset
    if target.is_file() and git_blob_id(read_bytes(target)) == download.git_blob:
        return "present"
    if source := mirrored(mirror, download.mirror):
        write_bytes(target, verified(read_bytes(source), download, source))
        return "mirror"
    if not download.url or not is_reachable(host(download.url)):
        return "missing"
    try:
        data = httpx.get(download.url, timeout=READ_SECONDS, follow_redirects=True).raise_for_status().content
    except (httpx.HTTPError, httpx.InvalidURL):
        return "missing"
    write_bytes(target, verified(data, download, download.url))
    return "network"


def verified(data: bytes, download: Download, source: Path | str) -> bytes:
    """The data. Raises InputError if their git blob id is not the pinned one."""
    if (found := git_blob_id(data)) != download.git_blob:
        raise InputError(
            f"wrong checksum: git blob {found}, expected {download.git_blob}",
            path=source,
            remedy=f"Replace it with the {download.name} file of the pinned commit",
        )
    return data


def fetch_manifest(downloads: Iterable[Download | Collection], outcomes: Mapping[str, str]) -> FetchManifest:
    """The manifest of the fetch step; outcomes: what :func:`fetch` returned, by name.

    It does not distinguish the outcomes of available files: their content is the same, so later steps need not run
    again.
    """
    files = {}
    for item in downloads:
        reason = ABSENT.get(outcomes[item.name])
        files[item.name] = FetchedFile(
            path=item.asset,
            git_blob=item.git_blob if isinstance(item, Download) else None,
            sha256=item.sha256 if isinstance(item, Collection) else None,
            licence=item.licence,
            available=reason is None,
            reason=reason,
        )
    return FetchManifest(ronec=ronec_version({name for name, file in files.items() if file.available}), files=files)


def ronec_version(available: Set[str]) -> RonecVersion:
    """The version of RONEC that the available downloads allow."""
    tests = {"ronec-valid", "ronec-test"} <= available
    if tests and "ronec-train" in available:
        return RonecVersion(variant="v2", note="RONEC v2")
    if tests and "ronec-v1" in available:
        note = "RONEC v1, without v2's valid and test sentences, trains (v2 train is out of reach); v2 tests"
        return RonecVersion(variant="v1", note=note)
    note = "SAMPLE in RONEC's format, RONEC being out of reach: its scores say nothing about RONEC"
    return RonecVersion(variant="sample", note=note)
