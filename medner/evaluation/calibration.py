"""Calibration of confidences: how far they agree with precision, and what a threshold on them gives.

All functions take ``confidence``, the probability of each entity that was found, and ``right``, whether gold has it
with the same span and label.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from medner.data.overlap import form_key
from medner.data.records import Entity
from medner.evaluation.predictions import Prediction
from medner.evaluation.scores import DECIMALS, TestSource
from medner.outputs import Output

FILE = "calibration.json"
BINS = 15  # as in Guo et al. (2017)
POINTS = 101  # of a precision-recall curve, as files have it
PRECISIONS = (0.8, 0.9)

Floats = NDArray[np.float64]
_Model = TypeVar("_Model", bound=Output)


class Bin(Output):
    """Entities with a confidence above ``low`` and at most ``high``: how many, their mean confidence, the share right.

    Without entities, ``confidence`` and ``precision`` are None.
    """

    low: float
    high: float
    entities: int
    confidence: float | None
    precision: float | None


class Threshold(Output):
    """What keeping entities of at least this confidence gives: their precision, and recall of all gold entities."""

    threshold: float
    precision: float
    recall: float


class Calibration(Output):
    """How well the confidences of some entities agree with precision.

    entities: how many were found. gold: how many there are to find. ece, brier: None without entities. thresholds: by
    precision, the lowest threshold that gives it; None if there is none.
    """

    entities: int
    gold: int
    ece: float | None
    brier: float | None
    thresholds: dict[str, Threshold | None]


class SuiteCalibration(Calibration):
    """The calibration of a suite: of all entities, of those with seen and unseen surface forms, and by label."""

    bins: list[Bin]
    curve: list[Threshold]
    seen: Calibration
    unseen: Calibration
    labels: dict[str, Calibration] = Field(default={})


def reliability(confidence: ArrayLike, right: ArrayLike, bins: int = BINS) -> list[Bin]:
    """Bins of equal width from 0 to 1, for a reliability diagram. Confidence 0 is in the first."""
    confidence, right = _arrays(confidence, right)
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    found = []
    for number in range(bins):
        inside = place == number
        means = (float(confidence[inside].mean()), float(right[inside].mean())) if inside.any() else (None, None)
        low, high = float(edges[number]), float(edges[number + 1])
        found.append(Bin(low=low, high=high, entities=int(inside.sum()), confidence=means[0], precision=means[1]))
    return found


def expected_calibration_error(confidence: ArrayLike, right: ArrayLike, bins: int = BINS) -> float:
    """Mean difference of confidence and precision over bins, weighted by entities (Guo et al. 2017); 0 to 1.

    NaN if there are no entities.
    """
    filled = [one for one in reliability(confidence, right, bins) if one.confidence is not None]
    distances = [abs((one.confidence or 0) - (one.precision or 0)) for one in filled]
    return float(np.average(distances, weights=[one.entities for one in filled])) if filled else float("nan")


def brier_score(confidence: ArrayLike, right: ArrayLike) -> float:
    """Mean squared difference between confidence and 1 (right) or 0 (Brier 1950). NaN if there are no entities."""
    confidence, right = _arrays(confidence, right)
    return float(np.mean((confidence - right) ** 2)) if len(confidence) else float("nan")


def precision_recall(confidence: ArrayLike, right: ArrayLike, gold: int) -> list[Threshold]:
    """Precision and recall at every confidence that occurs, from the highest down.

    gold: the number of gold entities, found or not. If it is 0, recall is 0.
    """
    confidence, right = _arrays(confidence, right)
    order = np.argsort(-confidence, kind="stable")
    confidence, correct = confidence[order], np.cumsum(right[order])
    last = np.flatnonzero(np.append(confidence[1:] != confidence[:-1], True)[: len(confidence)])  # of equal ones
    return [
        Threshold(
            threshold=float(confidence[n]),
            precision=float(correct[n] / (n + 1)),
            recall=float(correct[n] / gold) if gold else 0.0,
        )
        for n in last
    ]


def threshold_for_precision(curve: Sequence[Threshold], precision: float) -> Threshold | None:
    """The lowest threshold that gives at least this precision, and so the highest recall. None if no threshold does."""
    return min((one for one in curve if one.precision >= precision), key=lambda one: one.threshold, default=None)


def calibration(
    predictions: Sequence[Prediction], tests: Mapping[str, TestSource], seen: Collection[tuple[str, str]]
) -> SuiteCalibration | None:
    """The confidences of a suite, over the labels that its sources annotate; None if a prediction has none.

    tests, seen: as for :func:`medner.evaluation.scores.score_suite`.
    """
    if any(one.confidence is None for one in predictions):
        return None

    def is_seen(one: Prediction, entity: Entity) -> bool:
        return (entity.label, form_key(one.surface(entity))) in seen

    def of(kept: Callable[[Prediction, Entity], bool]) -> tuple[list[float], list[bool], int]:
        confidence, right, gold = [], [], 0
        for one in predictions:
            annotated = tests[one.source].annotated
            wanted = {entity for entity in one.gold if entity.label in annotated and kept(one, entity)}
            gold += len(wanted)
            for entity, value in zip(one.predicted, one.confidence or (), strict=True):
                if entity.label in annotated and kept(one, entity):
                    confidence.append(value)
                    right.append(entity in wanted)
        return confidence, right, gold

    labels = sorted({label for one in predictions for label in tests[one.source].annotated})
    confidence, right, gold = of(lambda one, entity: True)
    curve = precision_recall(confidence, right, gold)
    places = np.unique(np.linspace(0, len(curve) - 1, min(POINTS, len(curve))).round().astype(int))
    return SuiteCalibration(
        **_summary(confidence, right, gold),
        bins=[_rounded(one) for one in reliability(confidence, right)],
        curve=[_rounded(curve[place]) for place in places],
        seen=Calibration(**_summary(*of(is_seen))),
        unseen=Calibration(**_summary(*of(lambda one, entity: not is_seen(one, entity)))),
        labels={label: Calibration(**_summary(*of(partial(_has_label, label)))) for label in labels},
    )


def _has_label(label: str, _: Prediction, entity: Entity) -> bool:
    return entity.label == label


def _summary(confidence: Sequence[float], right: Sequence[bool], gold: int) -> dict[str, Any]:
    curve = precision_recall(confidence, right, gold)
    wanted = {str(precision): threshold_for_precision(curve, precision) for precision in PRECISIONS}
    return {
        "entities": len(confidence),
        "gold": gold,
        "ece": round(expected_calibration_error(confidence, right), DECIMALS) if confidence else None,
        "brier": round(brier_score(confidence, right), DECIMALS) if confidence else None,
        "thresholds": {precision: found and _rounded(found) for precision, found in wanted.items()},
    }


def _rounded(one: _Model) -> _Model:
    """The model with its numbers rounded, as files have them."""
    return one.model_copy(update={k: round(v, DECIMALS) for k, v in one if isinstance(v, float)})


def _arrays(confidence: ArrayLike, right: ArrayLike) -> tuple[Floats, Floats]:
    values: tuple[Any, Any] = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.float64)
    return values
