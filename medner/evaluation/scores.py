"""Scores of one test suite: precision, recall and F1 over the labels that its sources annotate, with an interval.

The models here are what the evaluate step writes to ``scores.json``, what the report reads and what tests assert on.
Rates are rounded to six decimals when they are made.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Annotated, NamedTuple, Self

import numpy as np
from nervaluate import Evaluator
from nervaluate.entities import EvaluationResult
from pydantic import Field

from medner.data.manifests import Origin
from medner.data.overlap import form_key
from medner.data.records import Entity
from medner.evaluation.predictions import Prediction, units
from medner.evaluation.statistics import CONFIDENCE, f1_interval
from medner.outputs import Output

# Bins of text length, in the pipeline's tokens.
LENGTHS = {
    "1-10": range(1, 11),
    "11-20": range(11, 21),
    "21-30": range(21, 31),
    "31-50": range(31, 51),
    "51+": range(51, sys.maxsize),
}
DECIMALS = 6


class Counts(NamedTuple):
    """True positives, false positives, false negatives. An entity is correct if its span and its label are."""

    tp: int = 0
    fp: int = 0
    fn: int = 0

    @property
    def precision(self) -> float:
        """TP / (TP + FP); 0 where nothing was predicted."""
        return self.tp / (self.tp + self.fp) if self.tp else 0.0

    @property
    def recall(self) -> float:
        """TP / (TP + FN); 0 where there is nothing to find."""
        return self.tp / (self.tp + self.fn) if self.tp else 0.0

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN)."""
        return 2 * self.tp / (2 * self.tp + self.fp + self.fn) if self.tp else 0.0

    def plus(self, other: Counts) -> Counts:
        """Sum of two counts."""
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)


def total(counts: Iterable[Counts]) -> Counts:
    """Sum of many counts."""
    return Counts(*(sum(column) for column in zip(*counts, strict=True))) if (counts := list(counts)) else Counts()


Rate = Annotated[float, Field(ge=0, le=1)]
Number = Annotated[int, Field(ge=0)]


class Score(Output):
    """Precision, recall, F1 and their counts; support is the number of gold mentions."""

    p: Rate
    r: Rate
    f1: Rate
    tp: Number
    fp: Number
    fn: Number
    support: Number

    @staticmethod
    def rates(counts: Counts) -> dict[str, float | int]:
        """The fields of a score."""
        rates = {"p": counts.precision, "r": counts.recall, "f1": counts.f1}
        rounded = {name: round(rate, DECIMALS) for name, rate in rates.items()}
        return {**rounded, **counts._asdict(), "support": counts.tp + counts.fn}

    @property
    def counts(self) -> Counts:
        """The counts behind the rates."""
        return Counts(self.tp, self.fp, self.fn)


class GroupScore(Score):
    """The score of a group of mentions, micro-averaged, and by label."""

    labels: dict[str, Score]

    @classmethod
    def of(cls, texts: Iterable[Mapping[str, Counts]], **more: object) -> Self:
        """The score of counts by text and label. more: the further fields of a subclass."""
        summed: dict[str, Counts] = {}
        for counts in texts:
            for label, value in counts.items():
                summed[label] = summed.get(label, Counts()).plus(value)
        labels = {label: Score.rates(value) for label, value in sorted(summed.items())}
        return cls.model_validate({**Score.rates(total(summed.values())), "labels": labels, **more})


class PartScore(GroupScore):
    """The score of a part of a suite's texts."""

    documents: int


class MatchScore(Output):
    """Rates and counts of one way of matching, as nervaluate counts them."""

    p: float
    r: float
    f1: float
    correct: int
    incorrect: int
    partial: int
    missed: int
    spurious: int

    @classmethod
    def of(cls, results: Sequence[EvaluationResult]) -> Self:
        """The sum of nervaluate's results. A partial match is worth half."""
        kinds = ("correct", "incorrect", "partial", "missed", "spurious")
        n = {kind: sum(getattr(result, kind) for result in results) for kind in kinds}
        hits, both = n["correct"] + n["partial"] / 2, n["correct"] + n["incorrect"] + n["partial"]
        predicted, gold = both + n["spurious"], both + n["missed"]
        return cls(
            p=round(hits / predicted, DECIMALS) if predicted else 0.0,
            r=round(hits / gold, DECIMALS) if gold else 0.0,
            f1=round(2 * hits / (predicted + gold), DECIMALS) if hits else 0.0,
            **n,
        )


class Ways(Output):
    """The four ways of matching of SemEval-2013 task 9.1.

    strict: span and label. exact: span, whatever the label. partial: overlap, whatever the label, worth half where the
    span differs. type: overlap and label.
    """

    strict: MatchScore
    exact: MatchScore
    partial: MatchScore
    type: MatchScore


class Matching(Ways):
    """All four ways over a suite, and by label. nervaluate: its version."""

    nervaluate: str
    labels: dict[str, Ways]


class SuiteScore(GroupScore):
    """All scores of one suite.

    f1_interval: bootstrap interval over ``units`` independent texts, None where they bear none. documents: texts.
    sources, length: parts of the suite by source, and by length of the text in the pipeline's tokens. seen, unseen:
    mentions whose surface form and label occur in the training data, and all others. Their counts add up to the whole:
    recall is that of the seen (unseen) gold mentions, precision that of the predictions with a seen (unseen) form.
    """

    f1_interval: tuple[float, float] | None
    units: int
    confidence: float
    documents: int
    sources: dict[str, PartScore]
    length: dict[str, PartScore]
    seen: GroupScore
    unseen: GroupScore
    matching: Matching


class TestSource(Origin):
    """The test part of a source.

    annotated: the labels that it annotates. documents: a regular expression for the part of an id that names its
    document, or False where every text stands alone. sha256: of its test file.
    """

    __test__ = False  # not a test, whatever pytest makes of its name

    annotated: tuple[str, ...]
    documents: str | bool = False
    sha256: str = ""


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
    predictions: Sequence[Prediction], tests: Mapping[str, TestSource], seen: Collection[tuple[str, str]], seed: int
) -> SuiteScore:
    """All scores of one suite.

    seen: :func:`medner.data.overlap.mention_keys` of the training data. seed: of the bootstrap.
    """

    def counts(one: Prediction, which: bool | None = None) -> dict[str, Counts]:
        def kept(entity: Entity) -> bool:
            return which is None or ((entity.label, form_key(one.surface(entity))) in seen) is which

        return count(one, tests[one.source].annotated, kept)

    def part(texts: Iterable[Mapping[str, Counts]]) -> PartScore:
        texts = list(texts)
        return PartScore.of(texts, documents=len(texts))

    texts = [(one, counts(one)) for one in predictions]
    by_unit = unit_counts(predictions, tests)
    interval = f1_interval(np.array(by_unit, dtype=np.float64), seed)
    return SuiteScore.of(
        (counted for _, counted in texts),
        f1_interval=interval and tuple(round(bound, DECIMALS) for bound in interval),
        units=len(by_unit),
        confidence=CONFIDENCE,
        documents=len(texts),
        sources={
            source: part(counted for one, counted in texts if one.source == source)
            for source in sorted({one.source for one in predictions})
        },
        length={
            name: part(counted for one, counted in texts if len(one.tokens) in tokens)
            for name, tokens in LENGTHS.items()
        },
        seen=GroupScore.of(counts(one, True) for one in predictions),
        unseen=GroupScore.of(counts(one, False) for one in predictions),
        matching=matching(annotated_only(one, tests[one.source].annotated) for one in predictions),
    )


def matching(predictions: Iterable[Prediction]) -> Matching:
    """Counts under the four ways of matching, by nervaluate.

    The mentions must be of annotated labels only. Offsets go to nervaluate in characters with inclusive ends, as it
    expects them; two mentions overlap from 1 % of the gold mention (its default).

    nervaluate pairs predictions with gold mentions from left to right. For ``type`` over all labels at once, a
    prediction with the wrong label can take the gold mention that a later one has right (version 1.2.1), so that the
    whole has fewer hits than its labels. ``type`` is therefore summed over the labels here: a wrong label counts as one
    spurious and one missed mention.
    """
    texts = [(one.gold, one.predicted) for one in predictions]
    labels = sorted({e.label for spans in texts for part in spans for e in part})
    pairs = [
        [[{"label": e.label, "start": e.start, "end": e.end - 1} for e in sorted(part)] for part in t] for t in texts
    ]
    found = Evaluator([g for g, _ in pairs], [p for _, p in pairs], tags=labels, loader="dict").evaluate()
    by_label, overall = found["entities"], found["overall"]

    def ways(results: Mapping[str, EvaluationResult]) -> dict[str, list[EvaluationResult]]:
        return {way: [results[way]] for way in ("strict", "exact", "partial")} | {"type": [results["ent_type"]]}

    whole = ways(overall) | {"type": [by_label[label]["ent_type"] for label in labels]}
    return Matching(
        nervaluate=version("nervaluate"),
        **{way: MatchScore.of(results) for way, results in whole.items()},
        labels={
            label: Ways(**{way: MatchScore.of(results) for way, results in ways(by_label[label]).items()})
            for label in labels
        },
    )


def unit_counts(predictions: Iterable[Prediction], tests: Mapping[str, TestSource]) -> list[Counts]:
    """Counts of every independent text (:func:`.predictions.units`), over the labels that are annotated."""
    documents = {source: about.documents for source, about in tests.items()}
    return [
        total(counts for one in unit for counts in count(one, tests[one.source].annotated).values())
        for unit in units(predictions, documents)
    ]
