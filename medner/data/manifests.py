"""The manifests of the fetch and corpus steps: which files are there, and what the converted corpora hold."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import RootModel

from medner.exceptions import InputError
from medner.outputs import Output, read_output

MANIFEST = "manifest.json"


class RonecVersion(Output):
    """Which RONEC the fetched files allow: v2, v1 with v2's valid and test parts, or the committed sample."""

    variant: Literal["v2", "v1", "sample"]
    note: str


class FetchedFile(Output):
    """One entry of ``configs/downloads.yml`` after the fetch step; reason: why it is not available.

    git_blob, sha256: the checksum that it was checked against, of a file or of a collection of files.
    """

    path: str
    git_blob: str | None = None
    sha256: str | None = None
    licence: str
    available: bool
    reason: str | None = None


class FetchManifest(Output):
    """``assets/fetched/manifest.json``; files: by name of the download."""

    ronec: RonecVersion
    files: dict[str, FetchedFile]


class Origin(Output):
    """Where the text of a source comes from; stand_in: whether it replaces the corpus that the study asks for."""

    note: str
    stand_in: bool


class SplitStatistics(Output):
    """What one split of one source holds after conversion, and what was lost on the way.

    entities, off_boundaries: mentions by label, all of them and those that start or end inside a token. dropped:
    mentions without a place in the label scheme, by the corpus's label. cedillas: letters replaced. overlapping:
    sentences left out because a held-out part has them. absent: labelled sentences left out because their text is not
    at hand or differs; first_absent: the place of the first. quirks: mentions that flat, continuous spans cannot hold.
    """

    sentences: int
    tokens: int
    entities: dict[str, int]
    off_boundaries: dict[str, int]
    dropped: dict[str, int]
    cedillas: int
    overlapping: int
    absent: int = 0
    first_absent: str = ""
    quirks: dict[str, int]


class SourceManifest(Origin):
    """A source. annotated: its labels. documents: the study's expression for the document in an id, False if none."""

    annotated: list[str]
    documents: str | Literal[False]
    splits: dict[str, SplitStatistics]


class CorpusManifest(Output):
    """``corpus/manifest.json``.

    experiments, suites: the sources of each. skipped: suites without data, and why. sha256: of every file, by path.
    """

    sources: dict[str, SourceManifest]
    persons: str
    experiments: dict[str, list[str]]
    suites: dict[str, list[str]]
    skipped: dict[str, str]
    sha256: dict[str, str]


class TrainingManifest(Output):
    """``corpus/<experiment>/manifest.json``: what a training run needs to know about its data."""

    sources: dict[str, Origin]
    persons: str


class MissingManifest(Output):
    """``corpus/<experiment>/manifest.json`` of an experiment without data; missing: why."""

    missing: str


class _ExperimentManifest(RootModel[TrainingManifest | MissingManifest]):
    pass


def read_fetch_manifest(fetched: Path) -> FetchManifest:
    """The manifest of the folder of fetched files. Raises InputError if the fetch step has to run again."""
    return read_output(fetched / MANIFEST, FetchManifest, "fetch")


def read_manifest(corpus: Path) -> CorpusManifest:
    """The manifest of a corpus folder. Raises InputError if the corpus step has to run again."""
    return read_output(corpus / MANIFEST, CorpusManifest, "corpus")


def read_training_manifest(folder: Path) -> TrainingManifest:
    """The manifest of ``corpus/<experiment>``.

    Raises InputError if the corpus step has to run again, or if it found no data for the experiment.
    """
    found = read_output(folder / MANIFEST, _ExperimentManifest, "corpus").root
    if isinstance(found, MissingManifest):
        remedy = "Give a mirror that holds it (MEDNER_MIRROR), then run the fetch step with --force and the corpus step"
        raise InputError(f"{folder.name} cannot be trained: {found.missing}", remedy=remedy)
    return found
