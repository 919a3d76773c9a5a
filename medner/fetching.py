"""Getting public corpora: from where they already are, from a mirror folder, from the network; verified each time."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import yaml

from medner.exceptions import InputError
from medner.files import git_blob_id, read_bytes, read_text, write_bytes

PROBE_SECONDS = 4.0  # a host that has not answered by then counts as out of reach
READ_SECONDS = 10.0  # longest wait for the next piece of a download


@dataclass(frozen=True)
class Download:
    """One public file: where it goes, where it may come from, and the git blob id that its content must have."""

    name: str
    asset: str
    url: str
    mirror: str
    git_blob: str
    licence: str

    @property
    def host(self) -> str:
        """Scheme and host of the URL: what is asked whether it answers."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}/"


def load_downloads(downloads: Path, project: Path) -> list[Download]:
    """The entries of ``configs/downloads.yml``, with the URLs of the assets in ``project.yml``.

    Raises InputError for a malformed file or an entry whose asset ``project.yml`` does not list.
    """
    try:
        urls = {asset["dest"]: asset["url"] for asset in yaml.safe_load(read_text(project))["assets"]}
        entries: Any = yaml.safe_load(read_text(downloads))
        return [Download(name=name, url=urls[entry["asset"]], **entry) for name, entry in entries.items()]
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        what = f"does not fit {project} ({' '.join(str(error).split())})"
        raise InputError(what, path=downloads, remedy="Every download needs an asset with a url") from None


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


def mirrored(mirror: Path | None, name: str) -> Path | None:
    """The file of a mirror folder, plain or with ``.gz``, or None. Raises InputError if there is no such folder."""
    if mirror is None:
        return None
    if not mirror.is_dir():
        raise InputError("no such folder", path=mirror, remedy="Correct --mirror or MEDNER_MIRROR, or leave it out")
    return next((path for path in (mirror / name, mirror / f"{name}.gz") if path.is_file()), None)


def fetch(download: Download, root: Path, mirror: Path | None, is_reachable: Callable[[str], bool]) -> str:
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
    if not is_reachable(download.host):
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
    have = {name for name, origin in origins.items() if origin != "missing"}
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
