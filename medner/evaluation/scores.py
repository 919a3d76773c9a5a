"""Scores with counts: precision, recall and F1 over the labels that a test suite annotates, with intervals."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
from nervaluate import Evaluator
from nervaluate.entities import EvaluationResult
from numpy.typing import NDArray
from scipy import stats

from medner.data.overlap import form_key
from medner.data.records import Entity
from medner.evaluation.predictions import Prediction, units

RESAMPLES = 2000
MIN_UNITS = 10  # independent texts; of fewer no interval and no p can be told
CONFIDENCE = 0.95
# Bins of text length, in the model's tokens.
LENGTHS = {
    "1-10": range(1, 11),
    "11-20": range(11, 21),
    "21-30": range(21, 31),
    "31-50": range(31, 51),
    "51+": range(51, sys.maxsize),
}
MATCHING = {"strict": "strict", "exact": "exact", "partial": "partial", "type": "ent_type"}  # ours -> nervaluate's


class Counts(NamedTuple):
    """True positives, false positives, false negatives; an entity is right if span and label are."""

    tp: int = 0
    fp: int = 0
    fn: int = 0

    @property
    def precision(self) -> float:
        """TP / (TP + FP); 0 where nothing was predicted."""
        return self.tp / (self.tp + self.fp) if self.tp else 0.0

    @property
    def recall(self) -> float:
        """TP / (TP + FN); 0 where nothing was to be found."""
        return self.tp / (self.tp + self.fn) if self.tp else 0.0

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN)."""
        return 2 * self.tp / (2 * self.tp + self.fp + self.fn) if self.tp else 0.0

    def plus(self, other: Counts) -> Counts:
        """Sum of two counts."""
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)


def annotated_only(one: Prediction, annotated: Collection[str]) -> Prediction:
    """The prediction without mentions of labels that its source does not annotate: they count neither way."""
    gold, predicted = (tuple(e for e in spans if e.label in annotated) for spans in (one.gold, one.predicted))
    return replace(one, gold=gold, predicted=predicted)


def count(
    one: Prediction, annotated: Iterable[str], kept: Callable[[Entity], bool] = lambda entity: True
) -> dict[str, Counts]:
    """Counts by label for one text, by character spans; labels that are not ``annotated`` count neither way.

    kept: which gold and predicted mentions to count, all by default. It must depend on nothing but span and label, so
    that a prediction and the gold mention that it hits are kept together.
    """
    annotated = frozenset(annotated)
    gold, predicted = ({e for e in spans if e.label in annotated and kept(e)} for spans in (one.gold, one.predicted))
    tp, fp, fn = (Counter(e.label for e in part) for part in (gold & predicted, predicted - gold, gold - predicted))
    return {label: Counts(tp[label], fp[label], fn[label]) for label in sorted(annotated)}


def score_suite(
    predictions: Sequence[Prediction],
    tests: Mapping[str, Mapping[str, Any]],
    seen: Collection[tuple[str, str]],
    seed: int,
) -> dict[str, Any]:
    """All scores of one suite, for JSON. Every group of counts has P, R, F1, TP, FP, FN and support.

    tests: what :func:`medner.model.prediction.describe_tests` says of each source: the labels that it annotates, and
    whether its texts belong to documents. seen: :func:`medner.data.overlap.mention_keys` of the model's training data.
    seed: of the bootstrap.

    Micro-averaged and by label (``labels``), F1 with its interval over ``units`` independent texts; by source
    (``sources``); by length of the text in the model's tokens (``length``); under nervaluate's four ways of matching
    (``matching``); and for mentions whose form and label occur in training (``seen``) and all others (``unseen``). A
    gold mention and a prediction are told apart by the same rule, each by its own form: recall is that of the seen
    (unseen) gold mentions, precision that of the predictions with a seen (unseen) form, and the counts of the two add
    up to the whole.
    """

    def counts(one: Prediction, which: bool | None = None) -> dict[str, Counts]:
        def kept(entity: Entity) -> bool:
            return which is None or ((entity.label, form_key(one.surface(entity))) in seen) is which

        return count(one, tests[one.source]["annotated"], kept)

    documents = [(one, counts(one)) for one in predictions]
    by_unit = unit_counts(predictions, tests)
    return {
        **_group(counted for _, counted in documents),
        "f1_interval": f1_interval(by_unit, seed),
        "units": len(by_unit),
        "confidence": CONFIDENCE,
        "documents": len(documents),
        "sources": {
            source: _part(counted for one, counted in documents if one.source == source)
            for source in sorted({one.source for one in predictions})
        },
        "length": {
            name: _part(counted for one, counted in documents if len(one.tokens) in tokens)
            for name, tokens in LENGTHS.items()
        },
        "seen": _group(counts(one, True) for one in predictions),
        "unseen": _group(counts(one, False) for one in predictions),
        "matching": matching(annotated_only(one, tests[one.source]["annotated"]) for one in predictions),
    }


def _group(documents: Iterable[Mapping[str, Counts]]) -> dict[str, Any]:
    summed: dict[str, Counts] = {}
    for counts in documents:
        for label, value in counts.items():
            summed[label] = summed.get(label, Counts()).plus(value)
    return {**_plain(total(summed.values())), "labels": {k: _plain(v) for k, v in sorted(summed.items())}}


def _part(documents: Iterable[Mapping[str, Counts]]) -> dict[str, Any]:
    documents = list(documents)
    return {**_group(documents), "documents": len(documents)}


def matching(predictions: Iterable[Prediction]) -> dict[str, Any]:
    """Counts under the four ways of matching of SemEval-2013 task 9.1, by nervaluate, for JSON.

    strict: span and label. exact: span, whatever the label. partial: overlap, whatever the label, worth half where the
    span differs. type: overlap and label. The mentions must be of annotated labels only. Offsets go to nervaluate in
    characters with inclusive ends, as it wants them; two mentions overlap from 1 % of the gold mention (its default).

    nervaluate gives every prediction one gold mention, from left to right. For ``type`` over all labels at once, a
    prediction with the wrong label can thereby take the gold mention that a later one has right (version 1.2.1), so
    that the whole has fewer hits than its labels; ``type`` is therefore summed over the labels here, and a wrong label
    counts as one spurious and one missed mention.
    """
    texts = [(one.gold, one.predicted) for one in predictions]
    labels = sorted({e.label for spans in texts for part in spans for e in part})
    pairs = [
        [[{"label": e.label, "start": e.start, "end": e.end - 1} for e in sorted(part)] for part in t] for t in texts
    ]
    found = Evaluator([g for g, _ in pairs], [p for _, p in pairs], tags=labels, loader="dict").evaluate()
    by_label = {
        label: {ours: _matches([found["entities"][label][theirs]]) for ours, theirs in MATCHING.items()}
        for label in labels
    }
    overall = {
        ours: _matches(
            [found["entities"][label][theirs] for label in labels] if ours == "type" else [found["overall"][theirs]]
        )
        for ours, theirs in MATCHING.items()
    }
    return {"nervaluate": version("nervaluate"), **overall, "labels": by_label}


def _matches(results: Sequence[EvaluationResult]) -> dict[str, Any]:
    kinds = ("correct", "incorrect", "partial", "missed", "spurious")
    n = {kind: sum(getattr(result, kind) for result in results) for kind in kinds}
    hits, both = n["correct"] + n["partial"] / 2, n["correct"] + n["incorrect"] + n["partial"]
    predicted, gold = both + n["spurious"], both + n["missed"]
    rates = {
        "p": hits / predicted if predicted else 0.0,
        "r": hits / gold if gold else 0.0,
        "f1": 2 * hits / (predicted + gold) if hits else 0.0,
    }
    return {**{key: round(value, 6) for key, value in rates.items()}, **n}


def total(counts: Iterable[Counts]) -> Counts:
    """Sum of many counts."""
    return Counts(*(sum(column) for column in zip(*counts, strict=True))) if (counts := list(counts)) else Counts()


def _plain(counts: Counts) -> dict[str, Any]:
    rates = {"p": counts.precision, "r": counts.recall, "f1": counts.f1}
    return {**{k: round(v, 6) for k, v in rates.items()}, **counts._asdict(), "support": counts.tp + counts.fn}


def unit_counts(predictions: Iterable[Prediction], tests: Mapping[str, Mapping[str, Any]]) -> list[Counts]:
    """Counts of every independent text (:func:`.predictions.units`), over the labels that are annotated."""
    return [
        total(counts for one in unit for counts in count(one, tests[one.source]["annotated"]).values())
        for unit in units(predictions, tests)
    ]


def f1_interval(by_unit: Sequence[Counts], seed: int) -> list[float] | None:
    """95 % percentile bootstrap interval of micro-F1 over independent texts (Efron & Tibshirani 1993).

    None below ``MIN_UNITS``, and where nothing was found rightly, since no resample would differ. It says how far F1
    would move on another sample of texts of this kind, not with another seed of training.
    """
    table = np.array(by_unit, dtype=np.float64)  # units × (tp, fp, fn)
    if len(table) < MIN_UNITS or not table[:, 0].any():
        return None

    def f1(
        tp: NDArray[np.float64], fp: NDArray[np.float64], fn: NDArray[np.float64], axis: int = -1
    ) -> NDArray[np.float64]:
        hits = 2 * tp.sum(axis)
        return np.asarray(hits / np.maximum(hits + fp.sum(axis) + fn.sum(axis), 1))

    result = stats.bootstrap(
        tuple(table.T), f1, paired=True, n_resamples=RESAMPLES, confidence_level=CONFIDENCE,
        method="percentile", batch=200, rng=np.random.default_rng(seed),
    )  # fmt: skip
    return [round(float(bound), 6) for bound in result.confidence_interval]


def scores_table(experiments: Mapping[str, Mapping[str, Any]], suites: Iterable[str]) -> str:
    """A Markdown table: a row per experiment, P / R / F1 [interval] per suite."""
    suites = [suite for suite in suites if any(suite in scores for scores in experiments.values())]
    lines = ["| experiment | " + " | ".join(suites) + " |", "| --- |" + " --- |" * len(suites)]
    for name, scores in experiments.items():
        lines.append(f"| {name} | " + " | ".join(_cell(scores.get(suite)) for suite in suites) + " |")
    return "\n".join(lines) + "\n"


def _cell(score: Mapping[str, Any] | None) -> str:
    if score is None:
        return "–"
    interval = score["f1_interval"]
    spread = f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else ""
    return f"{score['p']:.3f} / {score['r']:.3f} / **{score['f1']:.3f}**{spread}"
