"""Getting public corpora: from where they already are, from a mirror folder, from the network; verified each time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import httpx
import yaml

from medner.exceptions import InputError
from medner.files import (
    git_blob_id,
    members_sha256,
    packed,
    read_bytes,
    read_members,
    read_text,
    unpacked,
    write_bytes,
)

PROBE_SECONDS = 4.0  # a host that has not answered by then counts as out of reach
READ_SECONDS = 10.0  # longest wait for the next piece of a download
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz")
# What a file or corpus that is not there is called, and why it is not.
ABSENT = {
    "missing": "neither present, nor in a mirror, nor on the network",
    "changed": "what its site offers is not the pinned content",
}


@dataclass(frozen=True)
class Download:
    """One public file: where it goes, where it may come from, and the git blob id that its content must have.

    Without a url (a corpus that is published in another form only) a mirror must have it.
    """

    name: str
    asset: str
    url: str
    mirror: str
    git_blob: str
    licence: str

    @property
    def checksum(self) -> dict[str, str]:
        """For the manifest: what the content was checked against."""
        return {"git_blob": self.git_blob}


@dataclass(frozen=True)
class Collection:
    """A corpus of many small files, kept in one zip; ``sha256`` is :func:`medner.files.members_sha256` of them.

    folders: the files that belong to it, as patterns, by the folder that they are in; whatever else an archive holds,
    and the folders around these, is left aside. mirror: a folder that holds the files or archives of them. url: an
    archive, or with ``/`` at its end the folder that the files lie in, each of them named.
    """

    name: str
    asset: str
    url: str
    mirror: str
    sha256: str
    licence: str
    folders: Mapping[str, tuple[str, ...]]

    @property
    def checksum(self) -> dict[str, str]:
        """For the manifest: what the content was checked against."""
        return {"sha256": self.sha256}

    def select(self, members: Mapping[str, bytes]) -> dict[str, bytes]:
        """Those of the files that belong to the corpus, under their names in it."""
        patterns = [f"{folder}/{pattern}" for folder, patterns in self.folders.items() for pattern in patterns]
        depth = {pattern: pattern.count("/") + 1 for pattern in patterns}
        chosen = {}
        for name, data in members.items():
            path = PurePosixPath(name)
            if found := next((pattern for pattern in patterns if path.match(pattern)), None):
                chosen["/".join(path.parts[-depth[found] :])] = data
        return chosen


def load_downloads(downloads: Path, project: Path) -> list[Download | Collection]:
    """The entries of ``configs/downloads.yml``, with the URLs of the assets in ``project.yml``.

    Raises InputError for a malformed file or an entry whose asset ``project.yml`` does not list.
    """
    try:
        urls = {asset["dest"]: asset.get("url", "") for asset in yaml.safe_load(read_text(project))["assets"]}
        entries: Any = yaml.safe_load(read_text(downloads))
        return [
            Collection(**{"name": name, "url": urls[entry["asset"]], **entry})
            if "folders" in entry
            else Download(name=name, url=urls[entry["asset"]], **entry)
            for name, entry in entries.items()
        ]
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        what = f"does not fit {project} ({' '.join(str(error).split())})"
        raise InputError(what, path=downloads, remedy="Every download needs an asset of the same name") from None


def reachable(url: str, seconds: float = PROBE_SECONDS) -> bool:
    """Whether a URL answers at all, within the time given, whatever name resolution does meanwhile."""
    answered = threading.Event()

    def probe() -> None:
        with contextlib.suppress(httpx.HTTPError, httpx.InvalidURL):
            httpx.head(url, timeout=seconds)
            answered.set()  # whatever the answer

    # A daemon thread: looking a name up cannot be interrupted, but need not be waited for.
    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    thread.join(seconds)
    return answered.is_set()


def host(url: str) -> str:
    """Scheme and host of a URL: what is asked whether it answers."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}/"


def mirrored(mirror: Path | None, name: str) -> Path | None:
    """The file of a mirror folder, plain or with ``.gz``, or None. Raises InputError if there is no such folder."""
    if mirror is None:
        return None
    _refuse_absent(mirror)
    return next((path for path in (mirror / name, mirror / f"{name}.gz") if path.is_file()), None)


def _refuse_absent(mirror: Path) -> None:
    if not mirror.is_dir():
        raise InputError("no such folder", path=mirror, remedy="Correct --mirror or MEDNER_MIRROR, or leave it out")


def fetch(item: Download | Collection, root: Path, mirror: Path | None, is_reachable: Callable[[str], bool]) -> str:
    """Put a file or collection in its place under ``root``: :func:`fetch_file` or :func:`fetch_collection`."""
    if isinstance(item, Collection):
        return fetch_collection(item, root, mirror, is_reachable)
    return fetch_file(item, root, mirror, is_reachable)


def fetch_collection(corpus: Collection, root: Path, mirror: Path | None, is_reachable: Callable[[str], bool]) -> str:
    """Put a corpus of many files in its place under ``root``, as one zip, verified, and say where it came from.

    Returns ``"present"``, ``"mirror"``, ``"network"``, ``"missing"``, or ``"changed"`` where its site offers other
    content than the pinned: then nothing is written, and the study goes on without it. Raises InputError for other
    content in the mirror.
    """
    target = root / corpus.asset
    if target.is_file():
        with contextlib.suppress(InputError):  # a damaged file is fetched again
            if _keep(corpus, corpus.select(read_members(target)), target):
                return "present"
    if mirror is not None and (found := corpus.select(_mirrored_members(mirror, corpus.mirror))):
        if not _keep(corpus, found, target):
            raise InputError(
                f"checksum of the {len(found):,} files differs: {members_sha256(found)}, expected {corpus.sha256}",
                path=mirror / corpus.mirror,
                remedy=f"Put the {corpus.name} files there whole and unchanged, or take them out",
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
                found = unpacked(client.get(corpus.url).raise_for_status().content, corpus.url)
    except (httpx.HTTPError, httpx.InvalidURL):
        return "missing"
    except InputError:  # no archive: an error page, say
        return "changed"
    return "network" if _keep(corpus, corpus.select(found), target) else "changed"


def _keep(corpus: Collection, files: Mapping[str, bytes], target: Path) -> bool:
    """Write the files, if they are the pinned ones and not there already."""
    if members_sha256(files) != corpus.sha256:
        return False
    data = packed(files)
    if not target.is_file() or target.read_bytes() != data:
        write_bytes(target, data)
    return True


def _mirrored_members(mirror: Path, name: str) -> dict[str, bytes]:
    """All files of a folder of the mirror, and those inside the archives in it; or of a zip of the folder's name."""
    _refuse_absent(mirror)
    folder = mirror / name
    if not folder.is_dir():
        archive = mirror / f"{name}.zip"
        return read_members(archive) if archive.is_file() else {}
    members: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*")):
        if path.name.endswith(ARCHIVES):
            members |= read_members(path)
        elif path.is_file():
            members[path.relative_to(mirror).as_posix()] = read_bytes(path)
    return members


def fetch_file(download: Download, root: Path, mirror: Path | None, is_reachable: Callable[[str], bool]) -> str:
    """Put one file in its place under ``root``, verified, and say where it came from.

    Returns ``"present"``, ``"mirror"``, ``"network"`` or ``"missing"``. A file already in place with the right content
    stays. Raises InputError for a wrong checksum in the mirror or from the network: nothing is written then.
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
    """The data, if their git blob id is the pinned one. Raises InputError otherwise."""
    if (found := git_blob_id(data)) != download.git_blob:
        raise InputError(
            f"checksum differs: git blob {found}, expected {download.git_blob}",
            path=source,
            remedy=f"Replace it with the {download.name} file of the pinned commit",
        )
    return data


def ronec_variant(origins: Mapping[str, str]) -> tuple[str, str]:
    """Which RONEC the files at hand allow, and what to say about it.

    ``"v2"`` (the real thing), ``"v1"`` (v1 trains, v2 valid and test measure) or ``"sample"`` (the committed one).
    """
    have = {name for name, origin in origins.items() if origin not in ABSENT}
    if {"ronec-train", "ronec-valid", "ronec-test"} <= have:
        return "v2", "RONEC v2"
    if {"ronec-v1", "ronec-valid", "ronec-test"} <= have:
        return (
            "v1",
            "RONEC v1, without v2's valid and test sentences, trains (v2 train is out of reach); v2 tests",
        )
    return (
        "sample",
        "SAMPLE in RONEC's format, RONEC being out of reach: its scores say nothing about RONEC",
    )
