"""Whether confidences are what they say: pure functions over the entities that a pipeline has found.

All functions take ``confidence``, the probability of each entity that was found, and ``right``, whether gold has it
with the same span and label.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medner.outputs import Output

BINS = 15  # as in Guo et al. (2017)

CALIBRATION = "calibration.json"  # in the metrics of an experiment

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Bin:
    """Entities of a confidence above ``low`` and at most ``high``: how many, their mean confidence, the share right.

    Without entities, ``confidence`` and ``precision`` are None.
    """

    low: float
    high: float
    entities: int
    confidence: float | None
    precision: float | None


@dataclass(frozen=True)
class Threshold:
    """What keeping entities of at least this confidence gives: their precision, and recall of all gold entities."""

    threshold: float
    precision: float
    recall: float


class LabelThreshold(Output):
    """The lowest threshold at which a label's precision is at least ``at_least``, with what it gives."""

    at_least: float
    threshold: float
    precision: float
    recall: float


class Calibration(Output):
    """``calibration.json``: thresholds by label, and the text that they were measured on."""

    measured_on: str
    labels: dict[str, tuple[LabelThreshold, ...]]


def reliability(confidence: ArrayLike, right: ArrayLike, bins: int = BINS) -> list[Bin]:
    """Bins of equal width from 0 to 1, for a reliability diagram. Confidence 0 is in the first."""
    confidence, right = _arrays(confidence, right)
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    found = []
    for number in range(bins):
        inside = place == number
        means = (float(confidence[inside].mean()), float(right[inside].mean())) if inside.any() else (None, None)
        found.append(Bin(float(edges[number]), float(edges[number + 1]), int(inside.sum()), *means))
    return found


def expected_calibration_error(confidence: ArrayLike, right: ArrayLike, bins: int = BINS) -> float:
    """Mean distance of confidence and precision, by bin, weighted by the bins' entities (Guo et al. 2017); 0 to 1.

    Not a number without entities.
    """
    filled = [one for one in reliability(confidence, right, bins) if one.confidence is not None]
    distances = [abs((one.confidence or 0) - (one.precision or 0)) for one in filled]
    return float(np.average(distances, weights=[one.entities for one in filled])) if filled else float("nan")


def brier_score(confidence: ArrayLike, right: ArrayLike) -> float:
    """Mean squared distance of confidence and what is right, 0 or 1 (Brier 1950). Not a number without entities."""
    confidence, right = _arrays(confidence, right)
    return float(np.mean((confidence - right) ** 2)) if len(confidence) else float("nan")


def precision_recall(confidence: ArrayLike, right: ArrayLike, gold: int) -> list[Threshold]:
    """Precision and recall at every confidence that occurs, from the highest down.

    gold: number of gold entities, those that were not found among them; without any, recall is 0.
    """
    confidence, right = _arrays(confidence, right)
    order = np.argsort(-confidence, kind="stable")
    confidence, correct = confidence[order], np.cumsum(right[order])
    last = np.flatnonzero(np.append(confidence[1:] != confidence[:-1], True)[: len(confidence)])  # of equal ones
    return [
        Threshold(float(confidence[n]), float(correct[n] / (n + 1)), float(correct[n] / gold) if gold else 0.0)
        for n in last
    ]


def threshold_for_precision(curve: list[Threshold], precision: float) -> Threshold | None:
    """The lowest threshold that gives at least this precision, so the one of the highest recall; None without one."""
    return min((one for one in curve if one.precision >= precision), key=lambda one: one.threshold, default=None)


def _arrays(confidence: ArrayLike, right: ArrayLike) -> tuple[Floats, Floats]:
    values: tuple[Any, Any] = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.float64)
    return values
