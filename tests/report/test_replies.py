"""The answers in plain English, the recommended pipeline, and what documents quote of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import made
import pytest
from made_report import STUDY, compared, comparison, curve_rows, least, read, report_md, scores

from medner.data.records import Entity
from medner.evaluation.dev import DevScores, ranked, scored
from medner.evaluation.predictions import Prediction
from medner.names import Folder
from medner.outputs import write_output
from medner.report.exchange import real_worth
from medner.report.inputs import Inputs
from medner.report.quotes import quote
from medner.report.replies import replies
from medner.study import Curves, Question, Recommended

PARTS = ("ronec", "med-ro", "med-fr")
STEP = Question(ask="Does it help?", pairs=(("one", "two"), ("one", "three")))


@pytest.fixture
def metrics(tmp_path: Path) -> Path:
    return least(tmp_path)


def asked(metrics: Path, *questions: Question, **changed: Any) -> Inputs:
    return read(metrics, STUDY.model_copy(update={"questions": questions, **changed}))


@pytest.mark.parametrize(
    ("low", "high", "answer"),
    [
        (0.01, 0.03, "Yes: two is ahead of one on real, by 2.0 [1.0, 3.0]."),
        (-0.03, -0.01, "No: two is behind one on real, by 2.0 [1.0, 3.0]."),
        (-0.01, 0.03, "Not measurably: no significant difference between two and one on real (+1.0 [−1.0, +3.0])."),
    ],
)
def test_an_answer_says_what_the_interval_shows(metrics: Path, low: float, high: float, answer: str) -> None:
    compared(metrics, [comparison("real", "one", "two", low, high, 0.01)])
    (reply,) = replies(asked(metrics, STEP), in_words=False)
    assert reply.short == answer
    assert report_md(metrics).count("Does it help?") == 0  # the made-up study asks nothing


def test_an_answer_gives_the_range_over_suites_and_what_is_not_significant(metrics: Path) -> None:
    suites = {"real": (0.01, 0.03), "gone": (0.1, 0.2), "med-ro": (0.02, 0.06), "combined": (-0.01, 0.02)}
    compared(metrics, [comparison(suite, "one", "two", *ends, 0.01) for suite, ends in suites.items()])
    question = STEP.model_copy(update={"suites": tuple(suites)})
    (reply,) = replies(asked(metrics, question))
    assert reply.short == (
        "Yes: two is ahead of one on 3 of 4 suites, by 2.0 [1.0, 3.0] (real) to 15.0 [10.0, 20.0] (gone). "
        "No significant difference on combined (+0.5 [−1.0, +2.0])."
    )
    assert "combined +0.5 [−1.0, +2.0] (not significant)" in reply.evidence[0]
    gains_and_losses = [comparison(s, "one", "two", *e, 0.01) for s, e in {**suites, "gone": (-0.2, -0.1)}.items()]
    compared(metrics, gains_and_losses)
    (reply,) = replies(asked(metrics, question))
    assert reply.short.startswith("It depends: two is ahead of one on 2 of 4 suites")
    assert "and behind it on 1 of 4 suites, by 15.0 [10.0, 20.0] (gone)" in reply.short


@pytest.mark.parametrize(
    ("words", "low", "high", "answer"),
    [
        (("Yes", "No", "Not measurably"), 0.01, 0.03, "On some text: two is ahead"),
        (("Yes", "No", "Not measurably"), -0.03, -0.01, "No: two is behind"),
        (("No", "Yes", "Not measurably"), 0.01, 0.03, "No: two is ahead"),
        (("No", "Yes", "Not measurably"), -0.03, -0.01, "On some text: two is behind"),
        (("Less", "More", "No clear difference"), -0.03, -0.01, "More on some text: two is behind"),
    ],
)
def test_a_difference_on_few_suites_answers_what_was_asked(
    metrics: Path, words: tuple[str, str, str], low: float, high: float, answer: str
) -> None:
    suites = {"real": (low, high), "gone": (-0.01, 0.02), "med-ro": (-0.01, 0.01)}
    compared(metrics, [comparison(suite, "one", "two", *ends, 0.01) for suite, ends in suites.items()])
    (reply,) = replies(asked(metrics, STEP.model_copy(update={"suites": tuple(suites), "words": words})))
    assert reply.short.startswith(answer)


def test_mixes_of_unequal_size_answer_only_without_learning_curves(tmp_path: Path) -> None:
    for name, sentences in (("one", 100), ("two", 1_300), ("three", 6_100)):
        made.run(tmp_path, scores(name, 0.4, documents=sentences))
    compared(tmp_path, [comparison("real", "two", "three", 0.01, 0.03, 0.01)])
    question = Question(
        ask="Write or label?", pairs=(("two", "three"),), also="equal cost", words=("Label", "Write", "-")
    )
    curves = Curves(base="one", sizes=(100,), mixes={"ro": "two"}, suites={})
    (reply,) = replies(asked(tmp_path, question, curves=curves), in_words=False)
    assert reply.short == (
        "Label: three is ahead of two on real, by 2.0 [1.0, 3.0]. "
        "Neither cost nor number is equal: three adds 6,000 sentences to one, two 1,200."
    )

    values = {"ro": {0: 0.42, 1200: 0.45}, "silver": {0: 0.42, 1200: 0.35, 6000: 0.55}}
    rows = [
        row.model_copy(update={"tokens": (100.0 * row.sentences, 10.0 * row.sentences)})
        for mix, own in values.items()
        for row in curve_rows(mix, own, noise=(0.0, 0.0), suite="real")
    ]
    write_output(tmp_path / "curves.json", rows)
    mixes = {"ro": "two", "silver": "three"}
    curves = Curves(base="one", sizes=(100,), mixes=mixes, suites={}, budgets=(("ro", "silver"),))
    (reply,) = replies(asked(tmp_path, question, curves=curves), in_words=False)
    assert reply.short == (
        "Write: with 1,200 sentences each (one seed), three is behind two on real, by 10.0 [10.0, 10.0]."
    )
    assert "three − two: real +2.0 [+1.0, +3.0]." in reply.evidence


def test_comparisons_of_scores_that_have_changed_do_not_count(metrics: Path) -> None:
    compared(metrics, [comparison("real", "one", "two", 0.01, 0.03, 0.01)])
    assert replies(asked(metrics, STEP))
    made.run(metrics, scores("two", 0.2))
    assert not replies(asked(metrics, STEP))


def test_without_real_text_answers_are_of_held_out_text_and_say_so(metrics: Path) -> None:
    compared(metrics, [comparison(suite, "one", "two", 0.01, 0.03, 0.01) for suite in ("med-ro", "combined")])
    (reply,) = replies(asked(metrics, STEP))
    assert reply.short == "Yes: two is ahead of one on med-ro, by 2.0 [1.0, 3.0]."


def test_a_question_whose_runs_are_missing_is_left_out(metrics: Path) -> None:
    compared(metrics, [comparison("real", "one", "two", 0.01, 0.03, 0.01)])
    others = [Question(ask="And that?", pairs=(("ablation", "two"),)), Question(ask="Which?", also="recommended")]
    others += [Question(ask="At what price?", also="price"), Question(ask="Worth?", also="real sentences")]
    assert [one.question for one in replies(asked(metrics, *others, STEP))] == ["Does it help?"]


def test_what_real_sentences_are_worth_in_those_of_another_mix() -> None:
    rows = [*curve_rows("gold", {0: 0.1, 100: 0.3, 300: 0.5}), *curve_rows("ro", {0: 0.1, 1000: 0.5})]
    (worth,) = real_worth(rows, "s", 100)
    assert (worth.mix, worth.reference, worth.mean) == ("gold", "ro", pytest.approx(500))
    assert real_worth(rows, "s", 77) == []


@pytest.mark.parametrize(("other", "said"), [("two", ["and so do 200 synthetic ones (two)."]), ("annotated", [])])
def test_gold_sentences_are_worth_synthetic_or_silver_ones(metrics: Path, other: str, said: list[str]) -> None:
    curves = Curves(base="one", sizes=(100,), mixes={"gold": "annotated", "other": other}, suites={"real": "gold"})
    rows = [
        *curve_rows("gold", {0: 0.32, 100: 0.4, 300: 0.5}, suite="real"),
        *curve_rows("other", {0: 0.32, 200: 0.4, 400: 0.45}, suite="real"),
    ]
    write_output(metrics / "curves.json", rows)
    found = replies(asked(metrics, Question(ask="Worth?", also="real sentences"), curves=curves))
    assert [one.short.rpartition(", ")[2] for one in found] == said


# --- the recommended pipeline -----------------------------------------------------------------------------------------


def dev(experiment: str, right: int, of: int = 10) -> DevScores:
    """Scores of a pipeline that finds ``right`` of the mentions, with a confidence of .9, and one wrong one, with .5."""
    gold = (Entity(0, 3, "MEDICAL"),)
    wrong = Prediction("w", "ronec", "ro", "HTA gută", (), (Entity(4, 8, "MEDICAL"),), (), (0.5,))
    found = [
        Prediction(str(n), "ronec", "ro", "HTA", gold, gold if n < right else (), (), (0.9,) if n < right else ())
        for n in range(of)
    ]
    parts = {"ronec": made.source_under_test(sha256="a")}
    return scored([*found, wrong], parts, scores(experiment, 0.3).provenance)


def test_thresholds_are_chosen_on_dev_text_by_label() -> None:
    one = dev("two", 4)
    assert one.score.counts == (4, 1, 6)
    at = one.thresholds["MEDICAL"]["0.9"]
    assert at is not None
    assert (at.threshold, at.precision, at.recall) == (0.9, 1.0, 0.4)
    eight = one.thresholds["MEDICAL"]["0.8"]
    assert eight is not None
    assert (eight.threshold, eight.precision) == (0.5, 0.8)


def test_the_pipeline_with_the_highest_f1_on_dev_text_is_recommended(metrics: Path) -> None:
    compared(metrics, [comparison("real", "one", "two", 0.01, 0.03, 0.01)])
    for name, right in {"one": 3, "two": 8, "three": 5}.items():
        write_output(metrics / Folder.DEV / f"{name}.json", dev(name, right))
    which = Question(ask="Which?", also="recommended")
    wanted = {"recommended": Recommended(pipeline="two", dev=PARTS)}
    inputs = asked(metrics, which, **wanted)
    assert ranked(inputs.dev) == ["two", "three", "one"]
    (reply,) = replies(inputs)
    assert reply.short.startswith("two. It has the highest F1 on common dev text")
    assert "next: three" in reply.short
    (reply,) = replies(asked(metrics, which, recommended=Recommended(pipeline="three", dev=PARTS)))
    assert "On the common dev text, two is ahead" in reply.short


def test_dev_scores_of_another_run_do_not_count(metrics: Path) -> None:
    wanted = {"recommended": Recommended(pipeline="two", dev=PARTS)}
    write_output(metrics / Folder.DEV / "two.json", dev("two", 8))
    (reply,) = replies(asked(metrics, Question(ask="Which?", also="recommended"), **wanted))
    assert reply.short.startswith("two 0.842")
    assert reply.short.endswith("the only one with dev scores: nothing was compared.")
    assert list(asked(metrics, recommended=Recommended(pipeline="one", dev=("ronec",))).dev) == []
    made.run(metrics, scores("two", 0.3, seed=5))
    assert list(asked(metrics, **wanted).dev) == []


def test_pipelines_that_read_other_dev_text_are_not_ranked() -> None:
    other = dev("one", 9).model_copy(update={"parts": {"x": made.source_under_test(sha256="b")}})
    assert ranked({"two": dev("two", 2), "one": other, "three": dev("three", 3)}) == ["three", "two"]


# --- documents --------------------------------------------------------------------------------------------------------


def test_a_document_quotes_what_it_has_a_place_for(metrics: Path) -> None:
    compared(metrics, [comparison("real", "one", "two", 0.01, 0.03, 0.01)])
    parts = ("headline", "answers", "evidence", "advice")
    document = "".join(f"<!-- {part} of m: start -->\n<!-- {part} of m: end -->\n" for part in parts)
    write_output(
        metrics / "curves.json",
        [*curve_rows("gold", {0: 0.1, 100: 0.3, 300: 0.5}), *curve_rows("ro", {0: 0.1, 1000: 0.4})],
    )
    curves = Curves(base="one", sizes=(100,), mixes={"gold": "annotated", "ro": "two"}, suites={"real": "gold"})
    inputs = asked(metrics, STEP, curves=curves)
    inputs = Inputs(**{**vars(inputs), "learning": [r.model_copy(update={"suite": "real"}) for r in inputs.learning]})
    text = quote(document, inputs, "m", Path("README.md"))
    assert "| real | 0.320 | 0.370 | 0.420 |" in text
    assert text.count("- **Does it help?** Yes: two is ahead") == 2
    assert "  - two − one: real +2.0 [+1.0, +3.0]." in text
    assert "- **100 sentences: train `two`.** 100 gold ones give 0.30," in text
    assert "- **300 sentences: train on yours.**" in text
    assert max(map(len, text.splitlines())) <= 100
    more = [*curve_rows("gold", {0: 0.1, 50: 0.2, 100: 0.3, 300: 0.5}), *curve_rows("ro", {0: 0.1, 1000: 0.4})]
    inputs = Inputs(**{**vars(inputs), "learning": [row.model_copy(update={"suite": "real"}) for row in more]})
    text = quote(document, inputs, "m", Path("README.md"))
    assert "- **Up to 100 sentences: train `two`.** 100 gold ones give 0.30," in text
    assert "50 sentences:" not in text
    unclear = [*curve_rows("gold", {0: 0.1, 100: 0.3}, noise=(-0.2, 0.2)), *curve_rows("ro", {9: 0.4}, noise=(0, 0))]
    inputs = Inputs(**{**vars(inputs), "learning": [row.model_copy(update={"suite": "real"}) for row in unclear]})
    assert "- **100 sentences: no clear difference.**" in quote(document, inputs, "m", Path("README.md"))
