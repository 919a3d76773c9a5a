"""A made-up study, and the files that a report of it is made of."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import made
import srsly
from conftest import ROOT

from medner.data.labels import CorpusLabels, Scheme, load_scheme
from medner.data.leakage import Leakage
from medner.data.manifests import CorpusManifest, SourceManifest, SplitStatistics
from medner.data.overlap import form_key
from medner.data.quality import CorpusFigures, Examples
from medner.data.records import Entity
from medner.evaluation.calibration import SuiteCalibration, calibration
from medner.evaluation.comparisons import Basis, Comparison, Significance, TextsOnly
from medner.evaluation.error_analysis import Errors, Knowledge, analyse, choose_examples
from medner.evaluation.learning_curves import CurveRow
from medner.evaluation.predictions import Prediction
from medner.evaluation.results import Scores, load_runs, read_run
from medner.evaluation.robustness import Perturbed, Robustness
from medner.evaluation.scores import SuiteScore
from medner.model.curve import Evaluation, TrainingCurve
from medner.outputs import write_output
from medner.report.inputs import Inputs, read_inputs
from medner.report.pages import write_report
from medner.study import Study

SCHEME = load_scheme(ROOT / "configs" / "labels.yml")
_REAL = {"labels": "real", "lang": "ro", "files": ["f"], "note": "real text"}
STUDY = Study.model_validate(
    {
        "sources": {
            "ronec": {"labels": "ronec", "lang": "ro"},
            "med-ro": {"labels": "synthetic", "lang": "ro"},
            "med-fr": {"labels": "synthetic", "lang": "fr"},
            "real": _REAL,
            "gone": _REAL,
        },
        "experiments": {
            "one": {"model": "m", "sources": ["ronec"]},
            "two": {"model": "m", "sources": ["ronec", "med-ro"]},
            "three": {"model": "m", "sources": ["ronec", "med-ro", "med-fr"]},
            "ablation": {"model": "m", "sources": ["med-ro"]},
            "annotated": {"model": "m", "sources": ["ronec", "real"]},
            "asked": {},
        },
        "steps": ["one", "two", "three"],
        "claims": {"one": 0.79, "two": 0.825, "three": 0.845},
        "main_suite": "combined",
        "suites": {
            "med-ro": {"sources": ["med-ro"], "group": "headline"},
            "combined": {"sources": ["ronec", "med-ro", "med-fr"], "group": "headline"},
            "real": {"sources": ["real"], "group": "real", "references": ["annotated", "asked"]},
            "gone": {"sources": ["gone"], "group": "real", "references": ["annotated"]},
        },
    }
)
STEPS = list(STUDY.steps)


@functools.cache
def scheme() -> Scheme:
    """The project's labels, and a real corpus that annotates MEDICAL alone."""
    real = CorpusLabels(map={"DISO": "MEDICAL"}, drop=frozenset())
    return SCHEME.model_copy(update={"corpora": {**SCHEME.corpora, "real": real}})


def suite_score(f1: float, **changed: Any) -> SuiteScore:
    """A suite with other scores for exact, partial and type matches, and for seen and unseen mentions."""
    fields = {"seen": made.group_score(f1 + 0.3, support=34), "unseen": made.group_score(f1 - 0.1, support=1200)}
    return made.suite_score(f1, support=1234, **{"partial": f1 + 0.05, "type": f1 + 0.11, **fields, **changed})


def scores(experiment: str, f1: float, *, untrained: bool = False, note: str = "a note", **about: Any) -> Scores:
    """A run of the study whose F1 rises by 0.01 from suite to suite. about: fields of its provenance."""
    kinds = {"ronec": "ronec", "med-ro": "synthetic", "med-fr": "synthetic", "real": "real"}
    stand_in = {"ronec": True}
    sources = {name: made.source(note, stand_in=stand_in.get(name, False)) for name in kinds}
    return made.scores(
        experiment,
        {
            suite: suite_score(f1 + 0.01 * n, sources=STUDY.suites[suite].sources)
            for n, suite in enumerate(("med-ro", "combined", "real"))
        },
        test={
            name: made.source_under_test(scheme().corpus(kind).annotated, note, stand_in=name in stand_in)
            for name, kind in kinds.items()
        },
        skipped={"gone": note},
        encoder=made.encoder(untrained=untrained),
        sources={name: sources[name] for name in STUDY.experiments[experiment].sources},
        **about,
    )


def change_suite(metrics: Path, experiment: str, suite: str, **fields: Any) -> None:
    """Replace fields of a suite's scores in a run that was written."""
    run = read_run(metrics / experiment).scores
    changed = run.suites[suite].model_copy(update=fields)
    made.run(metrics, run.model_copy(update={"suites": {**run.suites, suite: changed}}))


def comparison(suite: str, before: str, after: str, low: float, high: float, p: float, **changed: Any) -> Comparison:
    """A comparison over texts and seeds."""
    middle = (low + high) / 2
    fields = {
        "suite": suite,
        "family": "steps",
        "before": before,
        "after": after,
        "difference": middle,
        "interval": (low, high),
        "p": p,
        "p_holm": p,
        "over_seeds": True,
        "texts_only": TextsOnly(interval=(low, high), p=p),
        "runs": (2, 2),
        "texts": 90,
        "f1_before": (0.3, 0.3),
        "f1_after": (0.3 + middle,) * 2,
    }
    return Comparison(**{**fields, **changed})


def compared(metrics: Path, comparisons: Sequence[Comparison]) -> None:
    """What the significance step wrote of the experiments as they are now."""
    runs, _ = load_runs(metrics, STUDY.experiments)
    basis = {name: Basis.of(found) for name, found in runs.items()}
    made_with = {"confidence": 0.95, "permutations": 1, "resamples": 1, "seed": 0}

    def f1(name: str, suite: str) -> tuple[float, ...]:
        return tuple(run.scores.suites[suite].f1 for run in runs.get(name, ()) if suite in run.scores.suites)

    rows = [
        one.model_copy(update={"f1_before": f1(one.before, one.suite), "f1_after": f1(one.after, one.suite)})
        for one in comparisons
    ]
    found = Significance(**made_with, experiments=basis, comparisons=rows)
    write_output(metrics / "significance.json", found)


def predictions(text: str) -> list[Prediction]:
    """A wrong boundary, a missed mention and a spurious one."""
    end = len(text)
    gold, predicted = (Entity(0, end, "MEDICAL"),), (Entity(0, end - 1, "MEDICAL"),)
    return [
        Prediction("1", "med-ro", "ro", text, gold, predicted, ((0, end),)),
        Prediction("2", "med-ro", "ro", text, gold, (), ((0, end),)),
        Prediction(text, "med-ro", "ro", text, (), gold, ((0, end),)),
    ]


def calibrated() -> SuiteCalibration:
    """Confidences of a suite: two mentions of a known form, one right; one of an unknown form, missed."""
    text, known = "HTA HTA gută", {("MEDICAL", form_key("HTA"))}
    right, wrong, missed = (Entity(start, end, "MEDICAL") for start, end in ((0, 3), (4, 7), (8, 12)))
    one = Prediction("1", "s", "ro", text, (right, missed), (right, wrong), (), (0.875, 0.625))
    found = calibration([one], {"s": made.source_under_test()}, known)
    assert found is not None
    return found


def robustness(
    suite: str, name: str = "capitals", *, experiment: str, note: str = "a note", seed: int = 0
) -> Robustness:
    """A suite on which one perturbation costs .5."""
    found = {"clean": Perturbed(f1=0.75, edges=0, unseen=0), name: Perturbed(f1=0.25, edges=2, unseen=1)}
    about = scores(experiment, 0.4, note=note, seed=seed).provenance
    return Robustness(provenance=about, sentences=10, suites={suite: found})


def curve_rows(
    mix: str, values: dict[int, float], seed: int = 0, noise: Sequence[float] = (), suite: str = "s"
) -> list[CurveRow]:
    """A learning curve by size. noise: by how much F1 differs on each resample of the texts."""
    about = {"mix": mix, "seed": seed, "suite": suite, "reference": "gold"}
    return [
        CurveRow(**about, sentences=size, f1=f1, resampled=[f1 + one for one in noise] or None)
        for size, f1 in values.items()
    ]


def least(folder: Path) -> Path:
    """The least that a report is made of: the scores of the steps. Returns the folder of the metrics."""
    for number, name in enumerate(STEPS):
        made.run(folder / "metrics", scores(name, 0.3 + 0.05 * number))
    return folder / "metrics"


def everything(folder: Path, text: str) -> Path:
    """All inputs, with ``text`` wherever a corpus, a model or a user has a say. Returns the folder of the metrics."""
    metrics = folder / "metrics"
    evaluations = [
        Evaluation(epoch=n - 1, step=n * 10, p=0, r=0, f1=n / 10, losses={"ner": 900.0 / n}) for n in range(1, 5)
    ]
    for name in STUDY.experiments:
        made.run(metrics, scores(name, 0.4, note=text))
        write_output(metrics / name / "curve.json", TrainingCurve(evaluations=evaluations, best=evaluations[-1]))
    made.run(metrics, scores("one", 0.44, note=text, seed=1), main=False)
    suites, annotated = {"med-ro": predictions(text)}, {"med-ro": ["MEDICAL"]}
    lines, counts = analyse(suites, annotated, ["MEDICAL"], Knowledge())
    about = scores("three", 0.4, note=text).provenance
    first, *others = choose_examples(suites, lines, annotated)
    first = first.model_copy(update={"gold": [Entity(0, 3, text)]})
    write_output(metrics / "errors" / "three.json", Errors(provenance=about, suites=counts, examples=[first, *others]))
    write_output(metrics / "three" / "calibration.json", {text: calibrated(), "real": calibrated()})
    write_output(metrics / "robustness" / "three.json", robustness(text, text, experiment="three", note=text))
    rows = [comparison(suite, "one", "two", 0.01, 0.03, 0.01) for suite in ("real", "combined")]
    compared(metrics, [*rows, comparison(text, "one", "three", 0, 1, 0.5, family=text)])
    learning = [
        row
        for mix, slope in (("gold", 2), (text, 1))
        for seed in (0, 1)
        for row in curve_rows(mix, {size: 0.1 + slope * size / 1000 for size in (0, 100, 300)}, seed, suite=text)
    ]
    write_output(metrics / "curves.json", learning)
    leakage = {f"{text} > b": Leakage(sentences=[text], seen={"ORG": 0.5}, forms={})}
    write_output(metrics / "leakage.json", leakage)
    write_output(metrics / "corpora.json", {text: _figures(text)})
    part = SplitStatistics(
        sentences=4, tokens=40, entities={"LOC": 3}, off_boundaries={}, dropped={text: 7}, cedillas=0, overlapping=0,
        quirks={},
    )  # fmt: skip
    sources = {
        source: SourceManifest(note=text, stand_in=True, annotated=["LOC"], documents=False, splits={"train": part})
        for source in (text, "ronec", "med-ro", "med-fr", "real")
    }
    manifest = CorpusManifest(
        sources=sources, persons="named", experiments={}, suites={}, skipped={"gone": text}, sha256={}
    )
    write_output(folder / "corpus" / "manifest.json", manifest)
    return metrics


def _figures(text: str) -> CorpusFigures:
    examples = Examples(
        top_opening_bigram=text, top_medical_form=text, near_duplicates=[], unlabelled=[], off_tokens=[],
        other_language=[], parallel=[],
    )  # fmt: skip
    zero: dict[str, Any] = dict.fromkeys(CorpusFigures.model_fields, 0)
    return CorpusFigures(**{**zero, "sentences": 5, "entities": {}, "examples": examples})


def read(metrics: Path, study: Study = STUDY) -> Inputs:
    """The inputs of the report."""
    return read_inputs(metrics, metrics.parent / "corpus", study, scheme(), ROOT / "project.yml")


def report_md(metrics: Path) -> str:
    """The report's Markdown."""
    write_report(read(metrics), metrics / "report")
    return (metrics / "report" / "report.md").read_text()


def page(metrics: Path) -> str:
    """The report's page."""
    write_report(read(metrics), metrics / "report")
    return (metrics / "report" / "index.html").read_text()


def edit_json(path: Path, edit: Any) -> None:
    """Rewrite a JSON file by ``edit``, which returns the new content."""
    srsly.write_json(path, edit(srsly.read_json(path)))
