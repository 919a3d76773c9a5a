from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made import provenance, source_under_test

from medner.data.overlap import form_key
from medner.data.records import Entity
from medner.evaluation.calibration import (
    Bin,
    Calibration,
    SuiteCalibration,
    Threshold,
    brier_score,
    calibration,
    expected_calibration_error,
    precision_recall,
    reliability,
    threshold_for_precision,
)
from medner.evaluation.predictions import Prediction
from medner.evaluation.results import write_run
from medner.outputs import read_output

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
    assert reliability([0.8], [True], bins=2)[0] == Bin(low=0.0, high=0.5, entities=0, confidence=None, precision=None)


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
    curve = precision_recall(CONFIDENCE, RIGHT, gold=5)
    assert [one.threshold for one in curve] == [0.95, 0.9, 0.6, 0.4]
    assert [one.precision for one in curve] == pytest.approx([1.0, 2 / 3, 0.75, 0.5])
    assert [one.recall for one in curve] == pytest.approx([0.2, 0.4, 0.6, 0.6])
    assert precision_recall([], [], gold=5) == []
    assert precision_recall([0.5], [False], gold=0) == [Threshold(threshold=0.5, precision=0.0, recall=0.0)]


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


def prediction(text: str, gold: list[Entity], predicted: dict[Entity, float] | None, source: str = "s") -> Prediction:
    found = tuple(predicted or ())
    confidence = None if predicted is None else tuple(predicted.values())
    return Prediction(text, source, "ro", text, tuple(gold), found, (), confidence)


def test_a_suite_counts_only_what_its_sources_annotate() -> None:
    """One of two mentions is found; its surface form is known from training. PERSON is not annotated."""
    right, missed, person = Entity(0, 3, "MEDICAL"), Entity(7, 12, "MEDICAL"), Entity(4, 6, "PERSON")
    one = prediction("HTA la tuse", [right, missed], {right: 0.9, person: 0.8})
    found = calibration([one], {"s": source_under_test()}, {("MEDICAL", form_key("HTA"))})
    assert found is not None
    assert (found.entities, found.gold, found.ece, found.brier) == (1, 2, 0.1, pytest.approx(0.01))
    assert found.thresholds["0.9"] == Threshold(threshold=0.9, precision=1.0, recall=0.5)
    assert (found.seen.entities, found.seen.gold) == (1, 1)
    assert (found.unseen.entities, found.unseen.gold, found.unseen.ece) == (0, 1, None)
    assert found.unseen.thresholds == {"0.8": None, "0.9": None}
    assert found.labels == {"MEDICAL": Calibration(**{name: getattr(found, name) for name in Calibration.model_fields})}


def test_a_label_has_thresholds_of_its_own() -> None:
    hta, ana = Entity(0, 3, "MEDICAL"), Entity(4, 7, "PERSON")
    tests = {"s": source_under_test(("MEDICAL", "PERSON", "ORG"))}
    found = calibration([prediction("HTA Ana", [hta], {hta: 0.6, ana: 0.7})], tests, set())
    assert found is not None
    assert found.labels["MEDICAL"].thresholds["0.9"] == Threshold(threshold=0.6, precision=1.0, recall=1.0)
    assert found.labels["PERSON"].thresholds["0.9"] is None
    assert (found.labels["ORG"].entities, found.labels["ORG"].gold) == (0, 0)


def test_a_suite_without_confidences_has_no_calibration(tmp_path: Path) -> None:
    """And its run no calibration.json, which a run with confidences has."""
    entity = Entity(0, 3, "MEDICAL")
    tests = {"s": source_under_test()}
    for name, predicted in (("without", None), ("with", {entity: 0.7})):
        made = [prediction("HTA", [entity], predicted)]
        (tmp_path / name).mkdir()
        write_run(tmp_path / name, provenance(), tests, {}, {"suite": made}, set())
        assert (calibration(made, tests, set()) is None) is (predicted is None)
        assert (tmp_path / name / "calibration.json").is_file() is (predicted is not None)
    read = read_output(tmp_path / "with" / "calibration.json", dict[str, SuiteCalibration], "evaluate")
    assert read == {"suite": calibration(made, tests, set())}
