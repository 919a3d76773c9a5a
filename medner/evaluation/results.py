"""The evaluated runs under ``metrics/``: what the evaluate step writes, and how it is read again.

``metrics/<experiment>`` has an experiment's main run; ``metrics/seeds/<seed>/<experiment>`` has runs with other seeds.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from medner.evaluation.calibration import FILE as CALIBRATION
from medner.evaluation.calibration import calibration
from medner.evaluation.predictions import SUFFIX, Prediction, write_predictions
from medner.evaluation.scores import Counts, SuiteScore, TestSource, score_suite, unit_counts
from medner.evaluation.statistics import CONFIDENCE
from medner.exceptions import InputError
from medner.files import read_json, write_bytes
from medner.model.provenance import Provenance
from medner.names import Folder
from medner.outputs import Output, read_output, write_output
from medner.tables import Cell, Row, Table

SCORES = "scores.json"
COUNTS = "counts.json.gz"  # all that comparisons need of the predictions, which hold texts that are not ours to publish


class Scores(Output):
    """``scores.json``: what a run was made with, what it was tested on, and its scores by suite.

    skipped: why other suites have no scores.
    """

    provenance: Provenance
    test: dict[str, TestSource]
    skipped: dict[str, str] = Field(default={})
    suites: dict[str, SuiteScore]

    @property
    def composition(self) -> dict[str, set[str]]:
        """The sources of each suite."""
        return {suite: set(score.sources) for suite, score in self.suites.items()}


def run_table(scores: Scores) -> Table:
    """The scores of one run, a row for each suite."""
    rows: list[Row] = []
    for suite, score in scores.suites.items():
        interval = "[{:.3f}, {:.3f}]".format(*score.f1_interval) if score.f1_interval else "–"
        f1 = Cell(f"{score.f1:.3f}", strong=True)
        rows.append([suite, f"{score.support:,}", f"{score.p:.3f}", f"{score.r:.3f}", f1, interval])
    return Table(["suite", "mentions", "P", "R", "F1", f"{CONFIDENCE:.0%} interval"], rows)


@dataclass(frozen=True)
class Run:
    """One evaluated training of one experiment."""

    folder: Path
    scores: Scores

    @property
    def seed(self) -> int:
        """The seed of the training."""
        return self.scores.provenance.seed or 0

    def comparable(self, other: Run) -> bool:
        """Whether the two differ in their seed alone: same training data, encoder, epochs, test data and suites."""
        ours, theirs = ({**run.scores.provenance.settings, "seed": None} for run in (self, other))
        tested = self.scores.test == other.scores.test and self.scores.composition == other.scores.composition
        return ours == theirs and tested


def write_run(
    folder: Path,
    provenance: Provenance,
    tests: Mapping[str, TestSource],
    skipped: Mapping[str, str],
    suites: Mapping[str, Sequence[Prediction]],
    seen: Collection[tuple[str, str]],
) -> Scores:
    """Score the predictions of every suite; write them with ``counts.json.gz`` and ``scores.json``.

    Where predictions have a confidence, ``calibration.json`` as well.

    tests, seen: as for :func:`score_suite`. skipped: why other suites have no predictions.
    """
    for suite, predictions in suites.items():
        write_predictions(folder / f"{suite}{SUFFIX}", predictions)
    write_counts(folder, {suite: unit_counts(predictions, tests) for suite, predictions in suites.items()})
    scored = {
        suite: score_suite(predictions, tests, seen, provenance.seed or 0) for suite, predictions in suites.items()
    }
    scores = Scores(provenance=provenance, test=dict(tests), skipped=dict(skipped), suites=scored)
    write_output(folder / SCORES, scores)
    calibrated = {suite: calibration(predictions, tests, seen) for suite, predictions in suites.items()}
    if found := {suite: one for suite, one in calibrated.items() if one}:
        write_output(folder / CALIBRATION, found)
    return scores


def read_run(folder: Path) -> Run:
    """The run in a folder that the evaluate step wrote. Raises InputError if its scores.json is damaged."""
    return Run(folder, read_output(folder / SCORES, Scores, "evaluate"))


def write_counts(folder: Path, suites: Mapping[str, Sequence[Counts]]) -> None:
    """Write ``counts.json.gz``: by suite, true and false positives and false negatives of every independent text."""
    lines = (f"{json.dumps(suite)}: {json.dumps(found, separators=(',', ':'))}" for suite, found in suites.items())
    content = "{\n" + ",\n".join(lines) + "\n}\n"
    write_bytes(folder / COUNTS, gzip.compress(content.encode(), mtime=0))  # no date: same counts, same file


def read_counts(run: Run, suite: str) -> NDArray[np.float64]:
    """Counts of every independent text of a suite, in its order: shape (texts, 3).

    Raises InputError if counts.json.gz is missing or damaged, or does not add up to the scores.
    """
    path = run.folder / COUNTS
    remedy = "Run the evaluate step again"
    try:
        counts = np.array(read_json(path)[suite], dtype=float).reshape(-1, len(Counts._fields))
    except (KeyError, TypeError, ValueError):
        raise InputError(f"no counts of suite {suite}", path=path, remedy=remedy) from None
    score = run.scores.suites[suite]
    if (len(counts), *counts.sum(axis=0)) != (score.units, *score.counts):
        what = f"the counts of suite {suite} do not add up to those in {SCORES}"
        raise InputError(what, path=path, remedy=remedy)
    return counts


def main_run(runs: Sequence[Run], metrics: Path) -> Run:
    """The run that stands for an experiment: ``metrics/<experiment>``, or else that of the first seed."""
    return next((run for run in runs if run.folder.parent == metrics), runs[0])


def load_runs(metrics: Path, experiments: Iterable[str]) -> tuple[dict[str, list[Run]], list[Path]]:
    """The runs of every evaluated experiment by seed, and the folders of runs that were left out.

    A run is left out if it was made with another encoder, config, number of epochs or data than its experiment's main
    run: it would not differ by its seed alone. Raises InputError if there is no such folder, and if a scores.json is
    damaged or of another experiment.
    """
    if not metrics.is_dir():
        raise InputError("no such folder", path=metrics, remedy="Check the path, or run an evaluate step first")
    runs: dict[str, list[Run]] = {}
    left_out: list[Path] = []
    for name in experiments:
        further = (metrics / Folder.SEEDS).glob(f"*/{name}")
        folders = [metrics / name, *sorted(further, key=lambda folder: (len(folder.parent.name), folder))]
        found = [read_run(folder) for folder in folders if (folder / SCORES).is_file()]
        kept: dict[int, Run] = {}
        for run in found:
            if (other := run.scores.provenance.experiment) != name:
                remedy = f"Evaluate {name} again, or remove the folder"
                raise InputError(f"is of {other}, not of {name}", path=run.folder / SCORES, remedy=remedy)
            if not run.comparable(found[0]):
                left_out.append(run.folder)
            else:
                kept.setdefault(run.seed, run)
        if kept:
            runs[name] = [kept[seed] for seed in sorted(kept)]
    return runs, left_out


def some_runs(metrics: Path, experiments: Iterable[str]) -> tuple[dict[str, list[Run]], list[Path]]:
    """:func:`load_runs`, but an error if nothing is evaluated. Raises InputError."""
    runs, left_out = load_runs(metrics, experiments)
    if not runs:
        raise InputError("no evaluated experiment", path=metrics, remedy="Run an evaluate step first")
    return runs, left_out
