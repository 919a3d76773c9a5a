"""The answer claims no more than differences and intervals show."""

from __future__ import annotations

import shutil
from pathlib import Path

import made
import pytest
from made_report import STUDY, change_suite, compared, comparison, least, read, report_md, scores

from medner.evaluation.results import read_run
from medner.evaluation.scores import Counts
from medner.report.answer import Verdict, answer, findings
from medner.report.pages import write_report
from medner.report.wording import points, sentence


@pytest.fixture
def metrics(tmp_path: Path) -> Path:
    return least(tmp_path)


def said(metrics: Path) -> str:
    return " ".join(answer(read(metrics)).statements)


@pytest.mark.parametrize(("value", "shown"), [(0.035, "+3.5"), (-0.0551, "−5.5"), (0.0001, "±0.0"), (0.0, "±0.0")])
def test_points(value: float, shown: str) -> None:
    assert points(value) == shown


def test_a_comparison_in_a_sentence() -> None:
    assert sentence(comparison("real", "one", "two", 0.01, 0.03, 0.0301, runs=(3, 1))) == (
        "two − one = +0.020 [+0.010, +0.030], p = 0.030 (Holm: 0.030), 1 and 3 runs, 90 independent texts"
    )
    one = comparison("real", "one", "two", -0.03, -0.01, 0.0001)
    assert "= −0.020 [−0.030, −0.010], p < 0.001 (Holm: < 0.001), 2 runs each," in sentence(one)


@pytest.mark.parametrize(
    ("low", "high", "p", "verdict"),
    [
        (0.01, 0.03, 0.01, Verdict.GAIN),
        (-0.03, -0.01, 0.01, Verdict.LOSS),
        (-0.01, 0.03, 0.01, Verdict.NONE),
        (0.001, 0.03, 0.2, Verdict.UNADJUSTED),
        (0.0, 0.03, 0.01, Verdict.NONE),
    ],
)
def test_a_verdict_needs_interval_and_adjusted_p(
    metrics: Path, low: float, high: float, p: float, verdict: Verdict
) -> None:
    compared(metrics, [comparison(suite, "one", "two", low, high, p) for suite in ("real", "combined")])
    inputs = read(metrics)
    assert [one.verdict for one in findings(inputs.comparisons)] == [verdict] * 2
    text = said(metrics)
    assert f"two against one, on real medical text: {verdict} on real ({points((low + high) / 2)})." in text
    assert f"the interval {'includes' if low <= 0.035 <= high else 'excludes'} the claimed gain" in text


def test_the_summary_counts_the_suites_of_real_text_and_says_what_each_step_adds(metrics: Path) -> None:
    compared(
        metrics,
        [comparison("real", "one", "two", 0.01, 0.03, 0.01), comparison("real", "two", "three", -0.03, -0.01, 0.01)],
    )
    assert answer(read(metrics)).summary == (
        "On real medical text, two raises F1 over one (real); three lowers F1 from two (real). "
        "one trains on ronec. two adds med-ro (a note). three adds med-fr (a note)."
    )
    for name in ("one", "two", "three"):
        suites = scores(name, 0.3).suites
        made.run(metrics, scores(name, 0.3).model_copy(update={"suites": {**suites, "gone": suites["real"]}}))
    compared(metrics, [comparison(suite, "one", "two", 0.01, 0.03, 0.01) for suite in ("real", "gone")])
    assert (
        "two raises F1 over one on 2 of 2 test suites; three raises F1 over two on 0 of 2"
        in answer(read(metrics)).summary
    )


def test_without_real_text_the_summary_says_so(metrics: Path) -> None:
    for name in ("one", "two", "three"):
        suites = {suite: own for suite, own in scores(name, 0.3).suites.items() if suite != "real"}
        made.run(metrics, scores(name, 0.3).model_copy(update={"suites": suites}))
    summary = answer(read(metrics)).summary
    assert summary.startswith("No real medical text was scored, so nothing can be said about it. On held-out text")
    assert "two does not clearly change F1 from one (combined)" in summary


def test_real_text_without_an_interval_gives_no_answer(metrics: Path) -> None:
    for name in ("one", "two", "three"):
        run = scores(name, 0.3)
        small = run.suites["real"].model_copy(update={"units": 7, "f1_interval": None})
        made.run(metrics, run.model_copy(update={"suites": {**run.suites, "real": small}}))
    found = answer(read(metrics))
    assert found.summary.startswith("Too little real medical text was scored, so nothing can be said about it. On held")
    assert "Too little real medical text was scored. The answers are about held-out text like that of training." in (
        found.caveats
    )


def test_real_text_that_no_step_was_scored_on_is_not_what_the_summary_is_about(metrics: Path) -> None:
    for name in ("one", "two", "three"):
        suites = {suite: own for suite, own in scores(name, 0.3).suites.items() if suite != "real"}
        made.run(metrics, scores(name, 0.3).model_copy(update={"suites": suites}))
    made.run(metrics, scores("annotated", 0.6))
    assert answer(read(metrics)).summary.startswith("No real medical text was scored, so nothing can be said about it.")


def test_the_last_step_is_compared_with_the_references_of_a_suite(metrics: Path) -> None:
    made.run(metrics, scores("annotated", 0.6))
    compared(metrics, [comparison(suite, "annotated", "three", -0.3, -0.1, 0.01) for suite in ("real", "combined")])
    text = said(metrics)
    assert f"three against real annotation (annotated): {Verdict.LOSS} on real (−20.0)." in text
    assert "combined (−20.0" not in text


def test_without_a_test_only_intervals_that_do_not_overlap_show_a_difference(metrics: Path) -> None:
    text = said(metrics)
    assert f"{Verdict.SEPARATE_GAIN} on real (+5.0)" in text
    assert "These intervals do not include seed variance" in text
    made.run(metrics, scores("two", 0.31))
    text = said(metrics)
    assert f"two against one, on real medical text: {Verdict.OVERLAP} on real (+1.0)" in text
    assert "significant" not in text
    change_suite(metrics, "two", "real", f1_interval=None)
    assert f"two against one, on real medical text: {Verdict.NO_INTERVAL} on real (+1.0)" in said(metrics)


def test_steps_that_differ_in_more_than_their_data_are_not_compared(metrics: Path) -> None:
    made.run(metrics, scores("two", 0.6, untrained=True, epochs=9))
    found = answer(read(metrics))
    assert not [one for one in found.findings if "two" in one.pair]
    assert "one and two are not compared: they differ in encoder and epochs. Train one of them again." in found.caveats
    assert "two" not in " ".join(found.statements)


def test_a_suite_without_an_interval_is_not_counted_as_one_without_a_gain(metrics: Path) -> None:
    for name in ("one", "two", "three"):
        run = read_run(metrics / name).scores
        nothing = {"p": 0, "r": 0, "f1": 0, "f1_interval": None} if name == "one" else {}
        second = run.suites["real"].model_copy(update=nothing)
        made.run(metrics, run.model_copy(update={"suites": {**run.suites, "second": second}}))
    suites = {**STUDY.suites, "second": STUDY.suites["real"]}
    summary = answer(read(metrics, STUDY.model_copy(update={"suites": suites}))).summary
    assert "two raises F1 over one on 1 of 1 test suites (1 more: no interval)" in summary
    change_suite(metrics, "one", "real", f1_interval=None)
    assert "there is no interval to compare two with one by" in answer(read(metrics)).summary


def test_untrained_weights_and_stand_ins_are_named_first(metrics: Path) -> None:
    caveats = answer(read(metrics)).caveats
    assert caveats[0] == "ronec is a stand-in: a note."
    assert caveats[1].startswith("one trains on no MEDICAL annotation and finds no MEDICAL mention")
    made.run(metrics, scores("one", 0.3, untrained=True))
    assert "it does not answer the study's question" in answer(read(metrics)).caveats[0]


def test_the_claim_is_also_compared_over_the_labels_that_both_steps_learn(metrics: Path) -> None:
    for name, medical in (("one", 0), ("two", 10)):
        labels = {
            "PERSON": made.score(counts=Counts(5, 0, 5)),
            "MEDICAL": made.score(counts=Counts(medical, 0, 10 - medical)),
        }
        change_suite(metrics, name, "combined", labels=labels)
    text = said(metrics)
    assert "claims +3.5 points for two − one" in text
    assert "On combined, this run has +5.0. Over LOC, ORG and PERSON alone, the difference is ±0.0. In" in text
    assert "In this run, ronec is a stand-in." in text


def test_one_experiment_answers_nothing(metrics: Path) -> None:
    for name in ("two", "three"):
        shutil.rmtree(metrics / name)
    assert "nothing to compare yet" in answer(read(metrics)).summary
    assert write_report(read(metrics), metrics / "report")


def test_a_study_of_single_runs_says_what_its_intervals_leave_out(metrics: Path) -> None:
    text = "intervals cover other texts, but not other trainings"
    for over_seeds in (True, False):
        compared(metrics, [comparison("real", "one", "two", 0.01, 0.03, 0.01, over_seeds=over_seeds)])
        assert (text in report_md(metrics)) is not over_seeds
