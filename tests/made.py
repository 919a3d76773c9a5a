"""Made-up results: the models that the steps write, with values that a test chooses and defaults for the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from medner.data.manifests import Origin
from medner.evaluation.results import SCORES, Run, Scores, write_counts
from medner.evaluation.scores import Counts, GroupScore, Matching, MatchScore, PartScore, Score, SuiteScore, TestSource
from medner.model.provenance import EncoderInfo, Provenance
from medner.outputs import write_output

FEW = Counts(1, 1, 1)


def score(f1: float | None = None, counts: Counts = FEW, support: int | None = None) -> Score:
    """A score with the rates of its counts, or with all three rates as stated."""
    return Score(**_rates(f1, counts, support))


def group_score(
    f1: float | None = None,
    counts: Counts = FEW,
    support: int | None = None,
    labels: Mapping[str, Score] | None = None,
) -> GroupScore:
    """The score of a group of mentions. labels: by default, all of them are MEDICAL."""
    return GroupScore(**_rates(f1, counts, support), labels=labels or {"MEDICAL": score(f1, counts, support)})


def _rates(f1: float | None, counts: Counts, support: int | None) -> dict[str, Any]:
    rates = Score.rates(counts)
    if f1 is not None:
        rates |= {"p": f1, "r": f1, "f1": f1}
    return rates if support is None else {**rates, "support": support}


def suite_score(
    f1: float | None = None,
    counts: Counts = FEW,
    support: int | None = None,
    *,
    sources: Iterable[str] = ("s",),
    units: int = 90,
    **changed: Any,
) -> SuiteScore:
    """The scores of a suite. changed: fields to replace; exact, partial and type are F1 of these ways of matching."""
    whole = group_score(f1, counts, support)
    ways = {way: _match(changed.pop(way, whole.f1)) for way in ("strict", "exact", "partial", "type")}
    part = PartScore(**dict(whole), documents=units)
    fields = {
        **dict(whole),
        "f1_interval": (whole.f1 - 0.02, whole.f1 + 0.02),
        "units": units,
        "confidence": 0.95,
        "documents": units,
        "sources": dict.fromkeys(sources, part),
        "length": {},
        "seen": group_score(f1, counts, support),
        "unseen": group_score(f1, counts, support),
        "matching": Matching(**ways, nervaluate="0", labels={}),
    }
    return SuiteScore(**{**fields, **changed})


def _match(f1: float) -> MatchScore:
    return MatchScore(p=f1, r=f1, f1=f1, correct=1, incorrect=0, partial=0, missed=1, spurious=1)


def source(note: str = "a note", *, stand_in: bool = False) -> Origin:
    """What is said of a source."""
    return Origin(note=note, stand_in=stand_in)


def source_under_test(annotated: Iterable[str] = ("MEDICAL",), note: str = "a note", **more: Any) -> TestSource:
    """The test part of a source."""
    return TestSource(**{"note": note, "stand_in": False, **more}, annotated=tuple(annotated))


def encoder(**changed: Any) -> EncoderInfo:
    """A small trained encoder."""
    fields = {"name": "tiny", "revision": "1", "untrained": False, "parameters": 10, "vocabulary": 5}
    return EncoderInfo(**{**fields, "sha256": "ab" * 32, **changed})


def provenance(experiment: str = "exp1", **changed: Any) -> Provenance:
    """What a run was made with: one source and 1,000 sentences, unless changed."""
    fields = {
        "experiment": experiment,
        "encoder": encoder(),
        "sources": {"r": source()},
        "persons": "named",
        "seed": 0,
        "epochs": 3,
        "documents": 1000,
    }
    return Provenance(**{**fields, **changed})


def scores(
    experiment: str = "exp1",
    suites: Mapping[str, SuiteScore] | None = None,
    *,
    test: Mapping[str, TestSource] | None = None,
    skipped: Mapping[str, str] | None = None,
    **changed: Any,
) -> Scores:
    """``scores.json`` of a run. changed: fields of its provenance."""
    return Scores(
        provenance=provenance(experiment, **changed),
        test=dict(test or {"s": source_under_test()}),
        skipped=dict(skipped or {}),
        suites=dict(suites if suites is not None else {"s": suite_score()}),
    )


def run(metrics: Path, made: Scores, counts: Mapping[str, Iterable[Counts]] | None = None, *, main: bool = True) -> Run:
    """Write a run as the evaluate step does, as the main run of its experiment or below ``seeds``, and return it.

    counts: those of every independent text, by suite, for ``counts.json.gz``.
    """
    about = made.provenance
    folder = metrics / about.experiment if main else metrics / "seeds" / str(about.seed) / about.experiment
    write_output(folder / SCORES, made)
    if counts is not None:
        write_counts(folder, {suite: list(own) for suite, own in counts.items()})
    return Run(folder, made)
