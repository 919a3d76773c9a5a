"""The evaluated runs that lie under ``metrics/``: one per experiment, and further ones with other seeds."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import srsly
from numpy.typing import NDArray

from medner.evaluation.predictions import SUFFIX, Prediction, write_predictions
from medner.evaluation.scores import Counts, score_suite, unit_counts
from medner.exceptions import InputError
from medner.files import read_json, read_text, write_text

SEEDS = "seeds"  # metrics/seeds/<seed>/<experiment> has what metrics/<experiment> has
SCORES = "scores.json"  # in every folder that the evaluate step wrote
COUNTS = "counts.json"  # beside it, what comparisons need of the predictions: these hold the texts, which are not ours


@dataclass(frozen=True)
class Run:
    """One training of one experiment, evaluated."""

    folder: Path
    scores: Mapping[str, Any]

    @property
    def seed(self) -> int:
        """The seed of the training."""
        return int(self.scores["provenance"]["seed"])

    def comparable(self, other: Run) -> bool:
        """Whether the two differ in their seed alone: same training data, encoder, epochs and test data."""
        ours, theirs = ({**settings(run.scores["provenance"]), "seed": None} for run in (self, other))
        return ours == theirs and self.scores["test"] == other.scores["test"]


def settings(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """What was decided before a training: its provenance without the packages and the arithmetic that it was made with.

    Those move scores as another seed does.
    """
    return {key: value for key, value in provenance.items() if key != "made_with"}


def write_run(
    folder: Path,
    provenance: Mapping[str, Any],
    tests: Mapping[str, Mapping[str, Any]],
    skipped: Mapping[str, str],
    suites: Mapping[str, Sequence[Prediction]],
    seen: Collection[tuple[str, str]],
) -> dict[str, dict[str, Any]]:
    """Score the predictions of every suite, and write them, ``counts.json`` and ``scores.json``; returns the scores.

    provenance: what made the predictions. tests, seen: as :func:`score_suite` takes them. skipped: why
    other suites have none.
    """
    scores = {}
    for suite, predictions in suites.items():
        write_predictions(folder / f"{suite}{SUFFIX}", predictions)
        scores[suite] = score_suite(predictions, tests, seen, provenance["seed"])
    write_counts(folder, {suite: unit_counts(predictions, tests) for suite, predictions in suites.items()})
    result = {"provenance": provenance, "test": tests, "skipped": skipped, "suites": scores}
    write_text(folder / SCORES, srsly.json_dumps(result, indent=2) + "\n")
    return scores


def read_run(folder: Path) -> Run:
    """The run in a folder that the evaluate step wrote. Raises InputError if its scores.json is damaged."""
    path = folder / SCORES
    try:
        scores = srsly.json_loads(read_text(path))
        about = scores["provenance"]
        about["seed"], about["sources"], about["encoder"], scores["test"], scores["suites"]
    except (ValueError, KeyError, TypeError) as error:
        what = f"is not what the evaluate step writes ({error})"
        raise InputError(what, path=path, remedy="Evaluate again") from None
    return Run(folder, scores)


def write_counts(folder: Path, suites: Mapping[str, Sequence[Counts]]) -> None:
    """Write ``counts.json``: by suite, true and false positives and false negatives of every independent text."""
    lines = (f"{json.dumps(suite)}: {json.dumps(found, separators=(',', ':'))}" for suite, found in suites.items())
    write_text(folder / COUNTS, "{\n" + ",\n".join(lines) + "\n}\n")


def read_counts(run: Run, suite: str) -> NDArray[np.float64]:
    """Counts of every independent text of a suite, in its order: shape (texts, 3).

    Raises InputError if counts.json is missing or damaged, or does not add up to what scores.json says.
    """
    path = run.folder / COUNTS
    remedy = "Evaluate again: the file is written by the evaluate step"
    try:
        counts = np.array(read_json(path)[suite], dtype=float).reshape(-1, len(Counts._fields))
    except (KeyError, TypeError, ValueError):
        raise InputError(f"has no counts of {suite}", path=path, remedy=remedy) from None
    said = run.scores["suites"][suite]
    if [len(counts), *counts.sum(axis=0)] != [said.get(name) for name in ("units", *Counts._fields)]:
        raise InputError(f"does not add up to the scores of {suite} in {SCORES}", path=path, remedy=remedy)
    return counts


def main_scores(runs: Mapping[str, Sequence[Run]], metrics: Path) -> dict[str, Mapping[str, Any]]:
    """``scores.json`` of every experiment's main run: ``metrics/<experiment>``, or else that of its first seed.

    runs: of :func:`load_runs`. Raises InputError if there are none.
    """
    if not runs:
        raise InputError("no evaluated experiment", path=metrics, remedy="Run an evaluate step first")
    return {
        name: next((run for run in found if run.folder == metrics / name), found[0]).scores
        for name, found in runs.items()
    }


def load_runs(metrics: Path, experiments: Iterable[str]) -> tuple[dict[str, list[Run]], list[Path]]:
    """The runs of every evaluated experiment by seed, and the folders of runs that were left out.

    Left out is what was made with another encoder, number of epochs or data than the experiment's main run
    (``metrics/<experiment>``; where there is none, its first seed): it would not differ by its seed alone.
    Raises InputError if a scores.json is damaged.
    """
    runs: dict[str, list[Run]] = {}
    stale: list[Path] = []
    for name in experiments:
        further = (metrics / SEEDS).glob(f"*/{name}")
        folders = [metrics / name, *sorted(further, key=lambda folder: (len(folder.parent.name), folder))]
        found = [read_run(folder) for folder in folders if (folder / SCORES).is_file()]
        kept: dict[int, Run] = {}
        for run in found:
            if not run.comparable(found[0]):
                stale.append(run.folder)
            else:
                kept.setdefault(run.seed, run)
        if kept:
            runs[name] = [kept[seed] for seed in sorted(kept)]
    return runs, stale
