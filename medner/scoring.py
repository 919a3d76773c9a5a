"""Scores with counts: precision, recall and F1 over the labels that a test suite annotates, with intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from spacy.tokens import Doc

RESAMPLES = 2000
CONFIDENCE = 0.95


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


def count(gold: Doc, predicted: Doc, annotated: Iterable[str]) -> dict[str, Counts]:
    """Counts by label for one document, by character spans; labels that are not ``annotated`` count neither way."""
    annotated = frozenset(annotated)
    spans = [
        {(e.start_char, e.end_char, e.label_) for e in doc.ents if e.label_ in annotated} for doc in (gold, predicted)
    ]
    tp, fp, fn = (
        Counter(label for *_, label in part) for part in (spans[0] & spans[1], spans[1] - spans[0], spans[0] - spans[1])
    )
    return {label: Counts(tp[label], fp[label], fn[label]) for label in sorted(annotated)}


@dataclass
class SuiteScore:
    """Counts of one suite, by label and by document."""

    by_label: dict[str, Counts] = field(default_factory=dict)
    by_document: list[Counts] = field(default_factory=list)

    def add(self, counts: Mapping[str, Counts]) -> None:
        """Take in one document."""
        for label, value in counts.items():
            self.by_label[label] = self.by_label.get(label, Counts()).plus(value)
        self.by_document.append(total(counts.values()))

    def as_dict(self, seed: int) -> dict[str, Any]:
        """For JSON: micro-averaged and by label P, R, F1 with counts and support; F1 with its interval."""
        micro = total(self.by_label.values())
        return {
            **_plain(micro),
            "f1_interval": f1_interval(self.by_document, seed),
            "confidence": CONFIDENCE,
            "documents": len(self.by_document),
            "labels": {label: _plain(counts) for label, counts in sorted(self.by_label.items())},
        }


def total(counts: Iterable[Counts]) -> Counts:
    """Sum of many counts."""
    return Counts(*(sum(column) for column in zip(*counts, strict=True))) if (counts := list(counts)) else Counts()


def _plain(counts: Counts) -> dict[str, Any]:
    rates = {"p": counts.precision, "r": counts.recall, "f1": counts.f1}
    return {**{k: round(v, 6) for k, v in rates.items()}, **counts._asdict(), "support": counts.tp + counts.fn}


def f1_interval(by_document: Sequence[Counts], seed: int) -> list[float] | None:
    """95 % percentile bootstrap interval of micro-F1 over documents (Efron & Tibshirani 1993); None below two.

    It says how far F1 would move on another sample of texts of this kind, not with another seed of training.
    """
    table = np.array(by_document, dtype=np.float64)  # documents × (tp, fp, fn)
    if len(table) < 2 or not table.any():
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
