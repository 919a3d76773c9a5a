"""What the steps wrote, read for the report; what is not there is None."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from medner.exceptions import InputError
from medner.files import read_json, read_text
from medner.labels import Scheme
from medner.plan import Plan
from medner.results import load_runs, main_scores
from medner.significance import current


@dataclass(frozen=True)
class Inputs:
    """Everything that the report is made of.

    results, curves, errors: by experiment, in the plan's order. comparisons: those of the significance step that are of
    these results. manifest: of the corpus that the results are of. workflows: the commands of each, from
    ``project.yml``.
    """

    plan: Plan
    scheme: Scheme
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
        return [name for name in self.plan.ladder if name in self.results]

    @property
    def others(self) -> list[str]:
        """Evaluated experiments that are no step of the ladder."""
        return [name for name in self.results if name not in self.ladder]

    @property
    def real_suites(self) -> list[str]:
        """Suites of real medical text: all their sources annotate MEDICAL, and none is synthetic."""
        names = {suite: [self.plan.sources[s]["labels"] for s in own] for suite, own in self.plan.suites.items()}
        return [
            suite
            for suite, kinds in names.items()
            if all(kind != "synthetic" and "MEDICAL" in self.scheme.corpus(kind).annotated for kind in kinds)
        ]

    @property
    def headline_suites(self) -> list[str]:
        """The other suites, as far as any experiment was scored on them."""
        return [
            suite
            for suite in self.plan.suites
            if suite not in self.real_suites and any(suite in result["suites"] for result in self.results.values())
        ]

    @property
    def skipped(self) -> Mapping[str, str]:
        """Why suites were skipped, as far as any experiment's evaluation said it."""
        return {suite: why for result in self.results.values() for suite, why in result.get("skipped", {}).items()}

    def score(self, experiment: str, suite: str) -> Mapping[str, Any] | None:
        """The scores of an experiment on a suite, None if it was not evaluated on it."""
        found: Mapping[str, Any] | None = self.results[experiment]["suites"].get(suite)
        return found


def read_inputs(metrics: Path, corpus: Path, plan: Plan, scheme: Scheme, project: Path) -> Inputs:
    """Read all that is there. Raises InputError if no experiment is evaluated or a file is damaged."""
    runs, _ = load_runs(metrics, plan.experiments)
    results = main_scores(runs, metrics)
    significance, manifest = _read(metrics / "significance.json"), _read(corpus / "manifest.json")
    try:
        workflows = dict(yaml.safe_load(read_text(project))["workflows"])
    except (yaml.YAMLError, KeyError, TypeError, ValueError):
        raise InputError("is no project file", path=project, remedy="It needs workflows") from None
    per_experiment = {
        "curves": {name: _read(metrics / name / "curve.json") for name in results},
        "errors": {name: _read(metrics / "errors" / f"{name}.json") for name in results},
    }
    return Inputs(
        plan=plan,
        scheme=scheme,
        results=results,
        **{key: {name: found for name, found in own.items() if found} for key, own in per_experiment.items()},
        comparisons=current(significance, runs) if significance else [],
        learning=_read(metrics / "curves.json"),
        quality=_read(metrics / "corpora.json"),
        leakage=_read(metrics / "leakage.json"),
        manifest=manifest if manifest and _describes(manifest, results) else None,
        workflows=workflows,
    )


def _describes(manifest: Mapping[str, Any], results: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether this is the corpus that the results are of, and not what is at hand now."""
    notes = {(name, about["note"]) for result in results.values() for name, about in result["test"].items()}
    return all(manifest["sources"].get(name, {}).get("note") == note for name, note in notes)


def _read(path: Path) -> Any:
    return read_json(path) if path.is_file() else None
