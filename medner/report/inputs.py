"""What the steps wrote, read for the report. Whatever is missing is None or empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import RootModel

from medner.data.labels import Scheme
from medner.data.leakage import LeakageReport
from medner.data.manifests import MANIFEST, CorpusManifest
from medner.data.quality import QualityReport
from medner.evaluation.calibration import FILE as CALIBRATION
from medner.evaluation.calibration import SuiteCalibration
from medner.evaluation.comparisons import FILE, Comparison, Significance
from medner.evaluation.dev import DevScores
from medner.evaluation.error_analysis import Errors
from medner.evaluation.learning_curves import CurveRow
from medner.evaluation.results import Run, Scores, main_run, some_runs
from medner.evaluation.robustness import Robustness
from medner.evaluation.scores import SuiteScore
from medner.evaluation.statistics import MIN_UNITS
from medner.generation.config import Price, known_price, load_prices
from medner.model.curve import CURVE, TrainingCurve
from medner.names import Folder
from medner.outputs import read_output
from medner.settings import load_settings
from medner.study import Study

_T = TypeVar("_T")


class Workflows(RootModel[dict[str, list[str]]]):
    """The commands of each workflow of ``project.yml``."""


@dataclass(frozen=True)
class Inputs:
    """Everything that the report is made of.

    runs: all runs of each experiment, by seed. results: the scores of the main runs. results, curves, errors, dev and
    calibration are by experiment, in the study's order; calibration, of pipelines that give confidences, is by suite as
    well. robustness: of the experiments for which it was measured, with any seed. comparisons: those that were made of
    these runs. learning: the rows of the learning curves. price: of what a language model reads and writes, if the
    study names one. manifest: of the corpus that the runs were tested on. workflows: the commands of each. left_out:
    folders of runs that are not like their experiment's main run.
    """

    study: Study
    scheme: Scheme
    runs: Mapping[str, Sequence[Run]]
    results: Mapping[str, Scores]
    curves: Mapping[str, TrainingCurve]
    errors: Mapping[str, Errors]
    calibration: Mapping[str, Mapping[str, SuiteCalibration]]
    dev: Mapping[str, DevScores]
    robustness: Mapping[str, Robustness]
    comparisons: Sequence[Comparison]
    learning: Sequence[CurveRow]
    price: Price | None
    quality: QualityReport | None
    leakage: LeakageReport | None
    manifest: CorpusManifest | None
    workflows: Mapping[str, Sequence[str]]
    left_out: Sequence[Path]

    @property
    def steps(self) -> list[str]:
        """The evaluated steps of the study."""
        return [name for name in self.study.steps if name in self.results]

    @property
    def shown(self) -> list[str]:
        """The evaluated steps, and after them the recommended pipeline if it is none of them."""
        recommended = self.study.recommended.pipeline if self.study.recommended else ""
        return [*self.steps, *(name for name in self.results if name == recommended and name not in self.steps)]

    @property
    def others(self) -> list[str]:
        """The evaluated experiments that are not steps."""
        return [name for name in self.results if name not in self.steps]

    @property
    def real_suites(self) -> list[str]:
        """The suites of real medical text."""
        return self.study.group("real")

    @property
    def headline_suites(self) -> list[str]:
        """The suites of text like that of training on which any experiment was scored."""
        return self.scored_by(list(self.results), self.study.group("headline"))

    @property
    def name_suites(self) -> list[str]:
        """The suites of other real text with names on which any experiment was scored."""
        return self.scored_by(list(self.results), self.study.group("names"))

    @property
    def skipped(self) -> dict[str, str]:
        """Why suites were skipped, by suite."""
        return {suite: why for result in self.results.values() for suite, why in result.skipped.items()}

    @property
    def small_suites(self) -> dict[str, int]:
        """The suites with too few independent texts for an interval, and how many they have."""
        units = {suite: own.units for result in self.results.values() for suite, own in result.suites.items()}
        return {suite: found for suite, found in units.items() if found < MIN_UNITS}

    def references(self, suite: str) -> list[str]:
        """The evaluated experiments that the study shows beside its last step on a suite."""
        return [name for name in self.study.suites[suite].references if name in self.results]

    def score(self, experiment: str, suite: str) -> SuiteScore | None:
        """The scores of an experiment's main run on a suite; None if it was not evaluated on it."""
        return self.results[experiment].suites.get(suite)

    def scored_by(self, experiments: Sequence[str], suites: Sequence[str]) -> list[str]:
        """The suites on which any of the experiments was scored."""
        return [suite for suite in suites if any(self.score(name, suite) for name in experiments)]


def read_inputs(metrics: Path, corpus: Path, study: Study, scheme: Scheme, project: Path) -> Inputs:
    """Read all that is there. Raises InputError if no experiment is evaluated or a file is damaged."""
    runs, left_out = some_runs(metrics, study.experiments)
    results = {name: main_run(found, metrics).scores for name, found in runs.items()}
    curves = {name: _read(metrics / name / CURVE, TrainingCurve, "evaluate") for name in results}
    errors = {name: _read(metrics / Folder.ERRORS / f"{name}.json", Errors, "errors") for name in results}
    by_suite = dict[str, SuiteCalibration]
    calibration = {name: _read(metrics / name / CALIBRATION, by_suite, "evaluate") for name in results}
    dev = {name: _read(metrics / Folder.DEV / f"{name}.json", DevScores, "score-dev") for name in results}
    robustness = {
        name: _read(metrics / Folder.ROBUSTNESS / f"{name}.json", Robustness, "robustness") for name in results
    }
    significance = _read(metrics / FILE, Significance, "significance")
    learning = _read(metrics / "curves.json", list[CurveRow], "curves") or []
    manifest = _read(corpus / MANIFEST, CorpusManifest, "corpus")
    remedy = "Correct it; project.yml of the repository is an example"
    return Inputs(
        study=study,
        scheme=scheme,
        runs=runs,
        results=results,
        curves={name: found for name, found in curves.items() if found},
        errors={
            name: found
            for name, found in errors.items()
            if found and found.suites.keys() & study.suites.keys() and _is_of_run(found, results[name])
        },
        calibration={name: found for name, found in calibration.items() if found},
        dev={
            name: found
            for name, found in dev.items()
            if found and name in study.candidates and _is_of_run(found, results[name])
        },
        robustness={
            name: found
            for name, found in robustness.items()
            if found and any(_is_of_run(found, run.scores) for run in runs[name])
        },
        comparisons=significance.current(runs) if significance else [],
        learning=learning if _is_of_runs(learning, study, runs) else [],
        price=_price(study, project.parent / "configs" / "generation" / "prices.yml"),
        quality=_read(metrics / "corpora.json", QualityReport, "quality"),
        leakage=_read(metrics / "leakage.json", LeakageReport, "leakage"),
        manifest=manifest if manifest and _is_of_results(manifest, results) else None,
        workflows=load_settings(project, Workflows, section="workflows", remedy=remedy).root,
        left_out=left_out,
    )


def _price(study: Study, path: Path) -> Price | None:
    return known_price(study.curves.model, load_prices(path), path) if study.curves and study.curves.model else None


def _read(path: Path, shape: type[_T], step: str) -> _T | None:
    return read_output(path, shape, step) if path.is_file() else None


def _is_of_results(manifest: CorpusManifest, results: Mapping[str, Scores]) -> bool:
    """Whether the corpus is the one that the runs were tested on: its sources have the same notes."""
    return all(
        name in manifest.sources and manifest.sources[name].note == tested.note
        for result in results.values()
        for name, tested in result.test.items()
    )


def _is_of_run(found: DevScores | Errors | Robustness, scores: Scores) -> bool:
    """Whether what was found is of the pipeline that was tested."""
    return found.provenance.settings == scores.provenance.settings


def _is_of_runs(learning: Sequence[CurveRow], study: Study, runs: Mapping[str, Sequence[Run]]) -> bool:
    """Whether the learning curves are of the runs at hand, which are their first points."""
    if not study.curves:
        return True
    base = {run.seed: run.scores.suites for run in runs.get(study.curves.base, ())}
    return bool(base) and all(
        row.f1 == base[row.seed][row.suite].f1
        for row in learning
        if row.sentences == 0 and row.suite in base.get(row.seed, {})
    )
