"""What the steps wrote, read for the report; what is not there is None."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from medner.data.labels import Scheme
from medner.evaluation.results import SCORES, Run, load_runs, main_scores
from medner.evaluation.scores import MIN_UNITS
from medner.evaluation.significance import current
from medner.exceptions import InputError
from medner.files import read_json, read_text
from medner.report import shapes
from medner.study import Study


@dataclass(frozen=True)
class Inputs:
    """Everything that the report is made of.

    runs: all of them, by seed. results: the scores of the main runs; results, curves, errors: by experiment, in the
    plan's order. comparisons: those of the significance step that are of these results. manifest: of the corpus that
    the results are of. workflows: the commands of each, from ``project.yml``.
    """

    study: Study
    scheme: Scheme
    runs: Mapping[str, Sequence[Run]]
    results: Mapping[str, Mapping[str, Any]]
    curves: Mapping[str, Mapping[str, Any]]
    errors: Mapping[str, Mapping[str, Any]]
    comparisons: Sequence[Mapping[str, Any]]
    learning: Sequence[Mapping[str, Any]] | None
    quality: Mapping[str, Mapping[str, Any]] | None
    leakage: Mapping[str, Mapping[str, Any]] | None
    manifest: Mapping[str, Any] | None
    workflows: Mapping[str, Sequence[str]]

    @property
    def ladder(self) -> list[str]:
        """The evaluated steps of the plan's ladder."""
        return [name for name in self.study.steps if name in self.results]

    @property
    def others(self) -> list[str]:
        """Evaluated experiments that are no step of the ladder."""
        return [name for name in self.results if name not in self.ladder]

    @property
    def real_suites(self) -> list[str]:
        """Suites of real medical text: all their sources annotate MEDICAL, and none is synthetic."""
        return self.study.group("real")

    @property
    def headline_suites(self) -> list[str]:
        """The other suites, as far as any experiment was scored on them."""
        return [
            suite
            for suite in self.study.group("headline")
            if any(suite in result["suites"] for result in self.results.values())
        ]

    @property
    def skipped(self) -> Mapping[str, str]:
        """Why suites were skipped, as far as any experiment's evaluation said it."""
        return {suite: why for result in self.results.values() for suite, why in result.get("skipped", {}).items()}

    @property
    def few(self) -> dict[str, int]:
        """Suites with too few independent texts for an interval, and how many they have."""
        found = {suite: own["units"] for result in self.results.values() for suite, own in result["suites"].items()}
        return {suite: units for suite, units in found.items() if units < MIN_UNITS}

    def marks(self, suite: str) -> list[str]:
        """What a suite of real text can be held against: real annotation of its language, and no training at all."""
        return [name for name in self.study.suites[suite].references if name in self.results]

    def score(self, experiment: str, suite: str) -> Mapping[str, Any] | None:
        """The scores of an experiment on a suite, None if it was not evaluated on it."""
        found: Mapping[str, Any] | None = self.results[experiment]["suites"].get(suite)
        return found


def read_inputs(metrics: Path, corpus: Path, study: Study, scheme: Scheme, project: Path) -> Inputs:
    """Read all that is there. Raises InputError if no experiment is evaluated or a file is damaged."""
    runs, _ = load_runs(metrics, study.experiments)
    for run in (run for found in runs.values() for run in found):
        shapes.check(run.scores, shapes.Scores, run.folder / SCORES, "evaluate")
    results = main_scores(runs, metrics)
    significance = _read(metrics / "significance.json", shapes.Significance, "significance")
    manifest = _read(corpus / "manifest.json", shapes.Manifest, "corpus")
    try:
        workflows = dict(yaml.safe_load(read_text(project))["workflows"])
    except (yaml.YAMLError, KeyError, TypeError, ValueError):
        raise InputError("is no project file", path=project, remedy="It needs workflows") from None
    learning = _read(metrics / "curves.json", shapes.Learning, "curves")
    curves = {name: _read(metrics / name / "curve.json", shapes.Curve, "evaluate") for name in results}
    errors = {name: _read(metrics / "errors" / f"{name}.json", shapes.Errors, "errors") for name in results}
    return Inputs(
        study=study,
        scheme=scheme,
        runs=runs,
        results=results,
        curves={name: found for name, found in curves.items() if found},
        errors={name: own for name, own in errors.items() if own and own["suites"].keys() & study.suites.keys()},
        comparisons=current(significance, runs) if significance else [],
        learning=learning if learning and _starts_at(learning, study, runs) else None,
        quality=_read(metrics / "corpora.json", shapes.Quality, "quality"),
        leakage=_read(metrics / "leakage.json", shapes.Leakage, "leakage"),
        manifest=manifest if manifest and _describes(manifest, results) else None,
        workflows=workflows,
    )


def _describes(manifest: Mapping[str, Any], results: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether this is the corpus that the results are of, and not what is at hand now."""
    notes = {(name, about["note"]) for result in results.values() for name, about in result["test"].items()}
    return all(manifest["sources"].get(name, {}).get("note") == note for name, note in notes)


def _starts_at(learning: Sequence[Mapping[str, Any]], study: Study, runs: Mapping[str, Sequence[Run]]) -> bool:
    """Whether the learning curves, whose first points are runs of their base, are of the runs at hand."""
    base = {run.seed: run.scores["suites"] for run in runs.get(study.curves.base, ())} if study.curves else {}
    return all(
        row["f1"] == base[row["seed"]][row["suite"]]["f1"]
        for row in learning
        if row["sentences"] == 0 and row["suite"] in base.get(row["seed"], {})
    )


def _read(path: Path, shape: Any, step: str) -> Any:
    """What the step wrote, None if it is not there."""
    if not path.is_file():
        return None
    data = read_json(path)
    shapes.check(data, shape, path, step)
    return data
