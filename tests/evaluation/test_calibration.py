from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medner.evaluation.calibration import (
    Bin,
    Threshold,
    brier_score,
    expected_calibration_error,
    precision_recall,
    reliability,
    threshold_for_precision,
)

CONFIDENCE = [0.95, 0.9, 0.9, 0.6, 0.4, 0.4]
RIGHT = [True, True, False, True, False, False]

found = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.2, 0.5, 0.9, 1.0]) | st.floats(0, 1), st.booleans()), max_size=40
)


def test_bins_of_the_reliability_diagram() -> None:
    low, high = reliability(CONFIDENCE, RIGHT, bins=2)
    assert (low.low, low.high, low.entities, low.precision) == (0.0, 0.5, 2, 0.0)
    assert (high.low, high.high, high.entities, high.precision) == (0.5, 1.0, 4, 0.75)
    assert (low.confidence, high.confidence) == (pytest.approx(0.4), pytest.approx(3.35 / 4))
    assert reliability([0.8], [True], bins=2)[0] == Bin(0.0, 0.5, 0, None, None)


def test_expected_calibration_error() -> None:
    assert expected_calibration_error(CONFIDENCE, RIGHT, bins=2) == pytest.approx((2 * 0.4 + 4 * (3.35 / 4 - 0.75)) / 6)
    assert expected_calibration_error([0.7] * 10, [True] * 7 + [False] * 3) == pytest.approx(0)
    assert expected_calibration_error([1.0] * 10, [False] * 10) == 1.0
    assert math.isnan(expected_calibration_error([], []))


def test_brier_score() -> None:
    assert brier_score([1.0, 0.0], [True, False]) == 0.0
    assert brier_score([0.5, 0.8], [True, False]) == pytest.approx((0.25 + 0.64) / 2)
    assert math.isnan(brier_score([], []))


def test_calibrated_confidences_have_no_error() -> None:
    """And confidences that are too high have one, in both measures."""
    draw = np.random.default_rng(0)
    confidence = draw.uniform(size=20_000)
    right = draw.uniform(size=20_000) < confidence
    assert expected_calibration_error(confidence, right) < 0.015
    assert expected_calibration_error(np.sqrt(confidence), right) > 0.1
    assert brier_score(np.sqrt(confidence), right) > brier_score(confidence, right)


def test_precision_and_recall_by_threshold() -> None:
    """Entities of equal confidence are kept together; five gold entities, of which three were found."""
    assert precision_recall(CONFIDENCE, RIGHT, gold=5) == [
        Threshold(0.95, 1.0, 0.2),
        Threshold(0.9, pytest.approx(2 / 3), 0.4),
        Threshold(0.6, 0.75, pytest.approx(0.6)),
        Threshold(0.4, 0.5, pytest.approx(0.6)),
    ]
    assert precision_recall([], [], gold=5) == []
    assert precision_recall([0.5], [False], gold=0) == [Threshold(0.5, 0.0, 0.0)]


def test_the_threshold_for_a_precision_keeps_as_many_as_it_can() -> None:
    """Precision falls to 2/3 between thresholds of .95 and .6."""
    curve = precision_recall(CONFIDENCE, RIGHT, gold=5)
    reached = {precision: threshold_for_precision(curve, precision) for precision in (0.5, 0.7, 0.9, 1.0)}
    assert {precision: one and one.threshold for precision, one in reached.items()} == {
        0.5: 0.4, 0.7: 0.6, 0.9: 0.95, 1.0: 0.95
    }  # fmt: skip
    assert threshold_for_precision(precision_recall([0.5], [False], gold=1), 0.5) is None


@given(found, st.integers(1, 20))
def test_bins_hold_every_entity_once(drawn: list[tuple[float, bool]], bins: int) -> None:
    confidence, right = [p for p, _ in drawn], [r for _, r in drawn]
    made = reliability(confidence, right, bins)
    assert len(made) == bins
    assert sum(one.entities for one in made) == len(drawn)
    for one in made:
        inside = [p for p in confidence if one.low < p <= one.high or (p == 0 and one.low == 0)]
        assert one.entities == len(inside)


@given(found, st.integers(0, 50))
def test_every_threshold_is_what_counting_gives(drawn: list[tuple[float, bool]], missed: int) -> None:
    gold = sum(r for _, r in drawn) + missed
    curve = precision_recall([p for p, _ in drawn], [r for _, r in drawn], gold)
    assert [one.threshold for one in curve] == sorted({p for p, _ in drawn}, reverse=True)
    for one in curve:
        kept = [r for p, r in drawn if p >= one.threshold]
        assert one.precision == pytest.approx(sum(kept) / len(kept))
        assert one.recall == pytest.approx(sum(kept) / gold if gold else 0)
