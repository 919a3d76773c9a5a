"""The tables of summary.md, significance.md and the README."""

from __future__ import annotations

from pathlib import Path

import made
import pytest
from made_report import STUDY, comparison, scores

from medner.evaluation.results import Run, run_table
from medner.evaluation.scores import Counts
from medner.exceptions import InputError
from medner.report.summary import (
    differences_table,
    insert,
    origins,
    scores_table,
    seeds_table,
    significance_text,
    summarise,
)


def test_scores_by_experiment_and_suite() -> None:
    run = made.scores("one", {"real": made.suite_score(counts=Counts(1, 1, 0), f1_interval=(0.5, 0.75))})
    assert scores_table({"one": run}, ["real", "gone"]).markdown() == (
        "| experiment | real |\n| --- | ---: |\n| one | **0.667** [0.500, 0.750] P 0.500 R 1.000 |\n"
    )
    assert "| real | 1 | 0.500 | 1.000 | **0.667** | [0.500, 0.750] |" in run_table(run).markdown()
    few = made.scores("one", {"real": made.suite_score(0.5, f1_interval=None)})
    assert "| real | 2 | 0.500 | 0.500 | **0.500** | – |" in run_table(few).markdown()


def test_headline_and_real_suites_have_a_table_each() -> None:
    text = summarise({"one": scores("one", 0.3), "two": scores("two", 0.4)}, STUDY)
    real, headline = text.split("News and synthetic text")
    assert "Real medical text, which annotates MEDICAL alone:\n" in real
    assert "| experiment | real |" in real
    assert "| experiment | med-ro | combined |" in headline
    assert "- one: 1,000 sentences, 3 epochs, seed 0, persons: named\n" in text


def test_a_language_model_is_not_trained() -> None:
    asked = scores("asked", 0.5, unusable={"real": 3, "ronec": 0})
    text = summarise({"asked": asked}, STUDY)
    assert "- Language model: tiny, 1, zero-shot\n" in text
    assert "- asked: not trained; texts without a usable answer, which count as empty: real 3\n" in text


def test_origins_name_the_experiments_that_they_are_true_of() -> None:
    one, two = scores("one", 0.3), scores("two", 0.3, untrained=True, note="another note")
    said = origins({"one": one, "two": two})
    assert said[0] == "- Encoder: tiny, revision 1, 10 parameters (one)"
    assert said[1].startswith("- Encoder: tiny, revision 1, 10 parameters, UNTRAINED weights")
    assert "- ronec: STAND-IN: a note (one)" in said
    assert "- med-ro: another note (two)" in said
    assert "- gone: SKIPPED, a note (one)" in said
    assert "- med-ro: a note" in origins({"one": one})


def test_mean_and_standard_deviation_over_seeds() -> None:
    values = {0: 0.4, 1: 0.5, 2: 0.6}
    runs = [Run(Path(), made.scores("one", {"s": made.suite_score(f1)}, seed=seed)) for seed, f1 in values.items()]
    text = seeds_table({"one": runs, "two": runs[:1]}, ["s", "t"]).markdown()
    assert "| experiment | seeds | s |\n" in text
    assert "| one | 3 | **0.500** ± 0.100 |\n| two | 1 | **0.400** |\n" in text


def test_differences_are_those_of_steps_and_references() -> None:
    shown = [
        comparison("real", "one", "two", 0.01, 0.03, 0.0001),
        comparison("real", "annotated", "three", -0.03, -0.01, 0.0125),
        comparison("combined", "one", "two", 0.01, 0.03, 0.5),
    ]
    others = [comparison("real", "ablation", "two", 0, 1, 0.5), comparison("real", "asked", "annotated", 0, 1, 0.5)]
    table = differences_table([*shown, *others], STUDY)
    assert table
    assert table.markdown().endswith(
        "| suite | two − one | three − annotated |\n| --- | ---: | ---: |\n"
        "| combined | **+0.020** [+0.010, +0.030] 0.500 | – |\n"
        "| real | **+0.020** [+0.010, +0.030] < 0.001 | **−0.020** [−0.030, −0.010] 0.013 |\n"
    )
    assert differences_table(others, STUDY) is None


def test_significance_has_a_table_and_sentences_for_each_suite() -> None:
    one = comparison("real", "one", "two", 0.01, 0.03, 0.0001, family="models")
    text = significance_text([one], {"one": scores("one", 0.3)})
    assert "## real\n" in text
    assert (
        "| two − one | models | +0.020 | [+0.010, +0.030] | < 0.001 | < 0.001 | 2 runs each | 90 | < 0.001 |\n" in text
    )
    assert "\n- two − one = +0.020 [+0.010, +0.030], p < 0.001 (Holm: < 0.001), 2 runs each, 90 independent" in text
    assert "- Encoder: tiny, revision 1, 10 parameters\n" in text


def test_a_table_goes_between_its_comments(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no place for results"):
        insert("# Title\n", "results", "x", tmp_path)
    text = "a\n<!-- results: start -->\nold\n<!-- results: end -->\nb\n"
    assert insert(text, "results", "new", tmp_path) == text.replace("old", "new")
