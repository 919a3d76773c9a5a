"""The report: what it says, that hostile text stays text, and, in a real browser, that it looks right."""

from __future__ import annotations

import base64
import dataclasses
import functools
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import srsly
from conftest import ROOT
from typer.testing import CliRunner

from medner.data.labels import load_scheme
from medner.data.records import Entity
from medner.evaluation.error_analysis import Knowledge, analyse, choose_examples
from medner.evaluation.predictions import Prediction
from medner.evaluation.results import load_runs
from medner.evaluation.scores import Counts, f1_interval
from medner.evaluation.significance import basis
from medner.exceptions import InputError
from medner.report.answer import GAIN, LOSS, NOTHING, UNSURE, answer, measured, points
from medner.report.content import mark
from medner.report.exchange import curves, exchange_rates, worth_sentence
from medner.report.inputs import Inputs, read_inputs
from medner.report.pages import markdown, write_report
from medner.study import Curves, Study, load_study

SCRIPT, IMAGE = "<script>alert(1)</script>", '"><img src=x onerror=alert(2)>'
HOSTILE = f"{SCRIPT} {IMAGE} {{{{ 7 * 7 }}}} $x_1$ |*`"
SCHEME = load_scheme(ROOT / "configs" / "labels.yml")
PLAN = Study(
    sources={
        "ronec": {"labels": "ronec", "lang": "ro"},
        "med-ro": {"labels": "synthetic", "lang": "ro"},
        "med-fr": {"labels": "synthetic", "lang": "fr"},
        "real": {"labels": "real", "lang": "ro"},
        "gone": {"labels": "real", "lang": "ro"},
    },
    experiments={
        "exp1": ("ronec",),
        "exp2": ("ronec", "med-ro"),
        "exp3": ("ronec", "med-ro", "med-fr"),
        "only-ro": ("med-ro",),
        "gold": ("ronec", "real"),
        "llm": (),
    },
    suites={
        "med-ro": ("med-ro",),
        "combined": ("ronec", "med-ro", "med-fr"),
        "real": ("real",),
        "gone": ("gone",),
    },
)


@functools.cache
def scheme() -> Any:
    """The project's labels, and a real corpus that annotates MEDICAL alone."""
    corpora = {**SCHEME.corpora, "real": SCHEME.corpora["synthetic"].__class__({"DISO": "MEDICAL"}, frozenset(), False)}
    return SCHEME.__class__(**{**vars(SCHEME), "corpora": corpora})


def score(f1: float) -> dict[str, Any]:
    plain = {"p": f1, "r": f1, "f1": f1, "tp": 1, "fp": 1, "fn": 1, "support": 1234}
    return {
        **plain, "f1_interval": [f1 - 0.02, f1 + 0.02], "documents": 90, "units": 90, "labels": {"MEDICAL": plain},
        "seen": {**plain, "f1": f1 + 0.3, "support": 34}, "unseen": {**plain, "f1": f1 - 0.1, "support": 1200},
        "matching": {"exact": {"f1": f1}, "partial": {"f1": f1 + 0.05}, "type": {"f1": f1 + 0.11}},
    }  # fmt: skip


def scores(experiment: str, f1: float, *, untrained: bool = False, note: str = "a note") -> dict[str, Any]:
    encoder = {
        "name": "tiny",
        "revision": "1",
        "untrained": untrained,
        "parameters": 10,
        "vocabulary": 5,
        "sha256": "ab" * 32,
    }
    sources = {
        s: {"note": note, "stand_in": s == "ronec", "annotated": sorted(scheme().corpus(kind).annotated)}
        for s, kind in (("ronec", "ronec"), ("med-ro", "synthetic"), ("med-fr", "synthetic"), ("real", "real"))
    }
    return {
        "provenance": {
            "experiment": experiment, "encoder": encoder, "persons": "named",
            "sources": {s: sources[s] for s in PLAN.experiments[experiment]},
            "seed": 0, "epochs": 3, "documents": 1000,
        },
        "test": sources,
        "skipped": {"gone": note},
        "suites": {suite: score(f1 + 0.01 * n) for n, suite in enumerate(("med-ro", "combined", "real"))},
    }  # fmt: skip


def comparison(suite: str, before: str, after: str, low: float, high: float, p: float) -> dict[str, Any]:
    middle = (low + high) / 2
    return {
        "suite": suite, "before": before, "after": after, "difference": middle, "interval": [low, high], "p": p,
        "p_holm": p, "runs": [2, 2], "luck_of": "documents and seeds", "documents": 9,
        "sentence": f"{after} − {before} = {middle:+.3f} [{low:+.3f}, {high:+.3f}], p = {p:.3f}",
    }  # fmt: skip


def compared(metrics: Path, comparisons: list[dict[str, Any]]) -> None:
    """What the significance step wrote of the experiments as they are now."""
    runs, _ = load_runs(metrics, [path.parent.name for path in metrics.glob("*/scores.json")])
    about = {name: basis(found) for name, found in runs.items()}
    srsly.write_json(metrics / "significance.json", {"experiments": about, "comparisons": comparisons})


def predictions(text: str) -> list[Prediction]:
    end = len(text)
    gold, predicted = (Entity(0, end, "MEDICAL"),), (Entity(0, end - 1, "MEDICAL"),)
    return [
        Prediction("1", "med-ro", "ro", text, gold, predicted, ((0, end),)),
        Prediction("2", "med-ro", "ro", text, gold, (), ((0, end),)),
        Prediction(text, "med-ro", "ro", text, (), gold, ((0, end),)),
    ]


@pytest.fixture
def metrics(tmp_path: Path) -> Path:
    """The least that a report is made of: the ladder's scores."""
    for number, name in enumerate(("exp1", "exp2", "exp3")):
        (tmp_path / "metrics" / name).mkdir(parents=True)
        srsly.write_json(tmp_path / "metrics" / name / "scores.json", scores(name, 0.3 + 0.05 * number))
    return tmp_path / "metrics"


def everything(folder: Path, text: str) -> Path:
    """Add all other inputs, with ``text`` wherever a corpus, a model or a user has a say."""
    metrics = folder / "metrics"
    for name in PLAN.experiments:
        (metrics / name).mkdir(parents=True, exist_ok=True)
        srsly.write_json(metrics / name / "scores.json", scores(name, 0.4, note=text))
        evaluations = [
            {"epoch": n - 1, "step": n * 10, "f1": n / 10, "losses": {"ner": 900.0 / n}} for n in range(1, 5)
        ]
        srsly.write_json(metrics / name / "curve.json", {"evaluations": evaluations, "best": evaluations[-1]})
    (metrics / "seeds" / "1" / "exp1").mkdir(parents=True)
    second = scores("exp1", 0.44, note=text)
    second["provenance"]["seed"] = 1
    srsly.write_json(metrics / "seeds" / "1" / "exp1" / "scores.json", second)
    suites = {"med-ro": predictions(text)}
    lines, counts = analyse(suites, {"med-ro": ["MEDICAL"]}, ["MEDICAL"], Knowledge())
    found = {"suites": counts, "examples": choose_examples(suites, lines, {"med-ro": ["MEDICAL"]})}
    found["examples"][0]["gold"] = [[0, 3, text]]
    (metrics / "errors").mkdir()
    srsly.write_json(metrics / "errors" / "exp3.json", found)
    rows = [comparison(s, "exp1", "exp2", 0.01, 0.03, 0.01) for s in ("real", "combined")]
    compared(metrics, [*rows, comparison(text, "exp1", "exp3", 0, 1, 0.5)])
    learning = [
        {
            "mix": mix,
            "sentences": size,
            "seed": seed,
            "suite": text,
            "reference": "gold",
            "f1": 0.1 + size / 1000 * (2 if mix == "gold" else 1),
            "resampled": None,
        }
        for mix in ("gold", text)
        for size in (0, 100, 300)
        for seed in (0, 1)
    ]
    srsly.write_json(metrics / "curves.json", learning)
    srsly.write_json(
        metrics / "leakage.json", {f"{text} > b": {"sentences": [text], "seen": {"ORG": 0.5}, "forms": {}}}
    )
    srsly.write_json(metrics / "corpora.json", {text: {"sentences": 5, "entities": {}, "examples": {}}})
    part = {
        "sentences": 4,
        "tokens": 40,
        "entities": {"LOC": 3},
        "off_boundaries": {},
        "dropped": {text: 7},
        "overlapping": 0,
    }
    sources = {
        source: {"note": text, "stand_in": True, "annotated": ["LOC"], "splits": {"train": part}}
        for source in (text, "ronec", "med-ro", "med-fr", "real")
    }
    (folder / "corpus").mkdir()
    srsly.write_json(folder / "corpus" / "manifest.json", {"sources": sources, "skipped": {"gone": text}})
    return metrics


def read(metrics: Path) -> Inputs:
    return read_inputs(metrics, metrics.parent / "corpus", PLAN, scheme(), ROOT / "project.yml")


# --- what it says -----------------------------------------------------------------------------------------------------


def test_what_is_missing_is_left_out_and_said(metrics: Path) -> None:
    missing = write_report(read(metrics), metrics / "report")
    commands = {part.title: re.findall(r"spacy project run ([\w-]+)", part.remedy) for part in missing}
    assert commands == {
        "Over seeds": ["seeds"],
        "Significance": ["significance"],
        "Ablations": ["ablations"],
        "Validation curves": ["evaluate-exp1"],
        "Learning curves and exchange rate": ["curves"],
        "Error analysis": ["errors"],
        "Data card": ["corpus"],
        "Leakage": ["leakage"],
    }
    for name in ("index.html", "report.md", "slides.html"):
        text = (metrics / "report" / name).read_text()
        assert "spacy project run leakage" in text
        assert "0.300" in text


def test_a_full_report_lacks_nothing_and_is_the_same_twice(metrics: Path) -> None:
    everything(metrics.parent, "o boală")
    assert write_report(read(metrics), metrics / "report") == []
    first = {path.name: path.read_bytes() for path in (metrics / "report").iterdir()}
    write_report(read(metrics), metrics / "report")
    assert {path.name: path.read_bytes() for path in (metrics / "report").iterdir()} == first
    assert len(first["index.html"]) < 2_000_000
    markdown_text = first["report.md"].decode()
    for title in re.findall(r"<h2[^>]*>(.*?)</h2>", first["index.html"].decode()):
        assert f"## {title}" in markdown_text
    assert "gone" in markdown_text
    assert re.search(r"^\| real \| 1,234 \| \*\*0\.420\*\* ", markdown_text, re.MULTILINE)


def test_no_network(metrics: Path) -> None:
    everything(metrics.parent, "http://example.org/x.png")
    write_report(read(metrics), metrics / "report")
    for name in ("index.html", "slides.html"):
        page = (metrics / "report" / name).read_text()
        assert not re.findall(r"""(?:src|href|srcset|action)\s*=\s*["'](?!#)""", page)
        assert not re.findall(r"url\((?!#)", page)
        assert not re.search(r"@import|<link|<iframe|<object|<embed|<base", page)
        assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page


def test_the_command(metrics: Path) -> None:
    from write_report import app

    result = CliRunner().invoke(
        app, ["--metrics", str(metrics), "--corpus", str(metrics.parent)], catch_exceptions=False
    )
    assert result.exit_code == 0
    assert "Left out: Error analysis: spacy project run errors" in result.stdout
    assert (metrics / "report" / "slides.html").is_file()


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("leakage.json", "{", "is damaged"),
        ("leakage.json", '{"a > b": {"seen": {}}}', "is not what the leakage step writes (a > b.sentences: Field required)"),
        ("leakage.json", "[]", "is not what the leakage step writes"),
        ("exp1/curve.json", "{}", "is not what the evaluate step writes (evaluations: Field required)"),
        ("exp1/curve.json", '{"evaluations": [], "best": null}', "is not what the evaluate step writes"),
        ("curves.json", '[{"mix": "ro"}]', "is not what the curves step writes (0.sentences: Field required)"),
        ("curves.json", '{"mix": "ro"}', "is not what the curves step writes"),
        ("significance.json", '{"comparisons": []}', "is not what the significance step writes"),
        ("errors/exp3.json", '{"suites": {}}', "is not what the errors step writes (examples: Field required)"),
        ("corpora.json", '{"ro": 5}', "is not what the quality step writes"),
        ("manifest.json", '{"sources": {"ronec": {}}}', "is not what the corpus step writes"),
        ("exp1/scores.json", '{"provenance": {"seed": 0}, "test": {}, "suites": {}}', "is not what the evaluate step"),
    ],
)  # fmt: skip
def test_what_no_step_wrote_is_one_message_and_writes_nothing(
    metrics: Path, file: str, content: str, said: str
) -> None:
    from write_report import app

    (metrics / file).parent.mkdir(exist_ok=True)
    (metrics / file).write_text(content)
    result = CliRunner().invoke(app, ["--metrics", str(metrics), "--corpus", str(metrics)], catch_exceptions=False)
    assert result.exit_code == 1
    assert f"{metrics / file}: {said}" in " ".join(result.stderr.split("\n"))
    assert result.stderr.count("\n") == 1
    assert not (metrics / "report").exists()


def test_errors_of_the_wrong_shape_are_told(metrics: Path) -> None:
    everything(metrics.parent, "x")
    path = metrics / "errors" / "exp3.json"
    whole = srsly.read_json(path)
    own = whole["suites"]["med-ro"]
    for broken in (
        {**own, "kinds": {"missed": own["kinds"]["missed"]}},
        {**own, "confusion": {**own["confusion"], "own_tokens": [[1]]}},
    ):
        srsly.write_json(path, {**whole, "suites": {"med-ro": broken}})
        with pytest.raises(InputError, match="exp3.json: is not what the errors step writes"):
            read(metrics)


def report_md(metrics: Path) -> str:
    """Its Markdown, without the backslashes that keep brackets plain."""
    write_report(read(metrics), metrics / "report")
    return (metrics / "report" / "report.md").read_text().replace("\\", "")


def test_real_text_says_where_f1_is_lost(metrics: Path) -> None:
    everything(metrics.parent, "x")
    for kind, f1 in (("seen", 0.0), ("unseen", 0.42)):
        llm = srsly.read_json(metrics / "llm" / "scores.json")
        llm["suites"]["real"][kind].update(f1=f1, support=0 if kind == "seen" else 1234)
        srsly.write_json(metrics / "llm" / "scores.json", llm)
    text = report_md(metrics)
    assert "What type has more is lost on boundaries alone, with exp3 +11.0 points (real)." in text
    assert "unseen ones do not: the difference in F1 is +40.0 points (real) with exp3" in text
    assert "| suite | experiment | F1 | partial | type | seen | unseen |" in text  # of one label, exact is F1
    assert "| real | exp3 | **0.420** | 0.470 | 0.530 | 0.720 (34) | 0.320 (1,200) |" in text
    assert "| real | gold | **0.420** |" in text  # real annotation of the suite's language
    assert "| real | llm | **0.420** | 0.470 | 0.530 | – (0) | 0.420 (1,234) |" in text
    assert "| real | only-ro | **0.420** | 0.470" not in text
    assert "| med-ro | exp3 | **0.400** | 0.450 | 0.510 |" in text
    own = srsly.read_json(metrics / "exp3" / "scores.json")
    own["suites"]["combined"]["labels"]["LOC"] = own["suites"]["combined"]["labels"]["MEDICAL"]
    srsly.write_json(metrics / "exp3" / "scores.json", own)
    assert "| combined | exp3 | **0.410** | 0.410 | 0.460 | 0.520 |" in report_md(metrics)


def test_what_a_model_could_not_know_is_not_drawn(metrics: Path) -> None:
    report_md(metrics)
    page = (metrics / "report" / "index.html").read_text()
    assert "Whether its form is known: F1 of exp3 on real from 0.320 to 0.720." in page
    own = srsly.read_json(metrics / "exp3" / "scores.json")
    own["suites"]["real"]["seen"].update(f1=0.0, support=0)
    srsly.write_json(metrics / "exp3" / "scores.json", own)
    report_md(metrics)
    page = (metrics / "report" / "index.html").read_text()
    assert "Where a mention begins and ends: F1 of exp3 on real from 0.420 to 0.530." in page
    assert "Whether its form is known: F1" not in page
    del own["suites"]["real"]
    srsly.write_json(metrics / "exp3" / "scores.json", own)
    assert "with exp3" not in report_md(metrics).split("## Real medical text")[1]


def test_all_runs_are_in_the_table_over_seeds_and_captions_say_which_run_others_show(metrics: Path) -> None:
    everything(metrics.parent, "x")
    (metrics / "significance.json").unlink()  # mean and spread need no test
    text = report_md(metrics)
    assert "| exp1 2 seeds | **0.420** ± 0.028 | **0.430** ± 0.028 | **0.440** ± 0.028 | – |" in text
    assert "| llm 1 run | **0.400** | **0.410** | **0.420** | – |" in text
    assert "F1 of the main run (seed 0), its interval" in text
    assert "F1 of the main run (seed 0) on MEDICAL" in text


def test_few_texts_are_told_wherever_they_count(metrics: Path) -> None:
    everything(metrics.parent, "real")
    assert "independent texts" not in report_md(metrics)
    for path in metrics.glob("*/scores.json"):
        own = srsly.read_json(path)
        own["suites"]["real"].update(units=3, f1_interval=None)
        srsly.write_json(path, own)
    parts = re.split(r"^## ", report_md(metrics), flags=re.MULTILINE)
    warned = [part.split("\n")[0] for part in parts if "real has 3 independent texts, fewer than the 10" in part]
    assert warned == ["Real medical text", "Learning curves and exchange rate"]


def test_epochs_count_from_one(metrics: Path) -> None:
    everything(metrics.parent, "x")
    assert "| exp1 | 4 | 40 | **0.400** |" in report_md(metrics)
    assert "in epoch 4 (step 40)" in (metrics / "report" / "index.html").read_text()


def test_a_learning_curve_says_how_many_seeds_its_points_have(metrics: Path) -> None:
    everything(metrics.parent, "real")
    text = report_md(metrics)
    page = (metrics / "report" / "index.html").read_text()
    assert "mean and standard deviation over 2 seeds" in page
    assert "linear in the logarithm of the size" in text
    learning = srsly.read_json(metrics / "curves.json")
    srsly.write_json(metrics / "curves.json", [row for row in learning if row["seed"] == 0 or row["mix"] == "gold"])
    assert re.search(r"^\| real \| real \| 100 \| 0.200 \| – \| 1 \|$", report_md(metrics), re.MULTILINE)
    assert "over 1 to 2 seeds, as the numbers say" in (metrics / "report" / "index.html").read_text()
    srsly.write_json(metrics / "curves.json", [row for row in learning if row["seed"] == 0])
    write_report(read(metrics), metrics / "report")
    assert "number of sentences added, one seed" in (metrics / "report" / "index.html").read_text()


def test_versions_are_of_the_runs_where_these_have_them_and_of_the_report(metrics: Path) -> None:
    text = report_md(metrics)
    assert "Report written with" in text
    assert "Runs made with" not in text
    for name, version in (("exp1", "1.0"), ("exp2", "1.0"), ("exp3", "2.0")):
        own = srsly.read_json(metrics / name / "scores.json")
        own["provenance"]["made_with"] = {"torch": version}
        srsly.write_json(metrics / name / "scores.json", own)
    text = report_md(metrics)
    assert "| torch | 1.0 | exp1, exp2 |" in text
    assert "| torch | 2.0 | exp3 |" in text


def test_a_long_table_takes_several_slides_and_loses_no_row(metrics: Path) -> None:
    compared(metrics, [comparison(f"suite{n}", "exp1", "exp3", 0.01, 0.03, 0.01) for n in range(30)])
    write_report(read(metrics), metrics / "report")
    slides = (metrics / "report" / "slides.html").read_text()
    assert [f"Is it more than luck? ({n} of 3)" in slides for n in (1, 2, 3, 4)] == [True, True, True, False]
    assert all(f">suite{n}<" in slides for n in range(30))


def test_no_evaluated_experiment(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no evaluated experiment"):
        read(tmp_path)


@pytest.mark.parametrize(("value", "shown"), [(0.035, "+3.5"), (-0.0551, "−5.5"), (0.0001, "±0.0"), (0.0, "±0.0")])
def test_points(value: float, shown: str) -> None:
    assert points(value) == shown


@pytest.mark.parametrize(
    ("low", "high", "p", "verdict"),
    [
        (0.01, 0.03, 0.01, GAIN),
        (-0.03, -0.01, 0.01, LOSS),
        (-0.01, 0.03, 0.01, NOTHING),
        (0.001, 0.03, 0.2, UNSURE),
        (0.0, 0.03, 0.01, NOTHING),
    ],
)
def test_verdicts_claim_no_more_than_interval_and_p(
    metrics: Path, low: float, high: float, p: float, verdict: str
) -> None:
    rows = [comparison("real", "exp1", "exp2", low, high, p), comparison("combined", "exp1", "exp2", low, high, p)]
    compared(metrics, rows)
    inputs = read(metrics)
    assert [d.verdict for d in measured(inputs)] == [verdict] * 2
    text = answer(inputs).paragraph
    assert (
        f"On real medical text, exp2, which adds med-ro to exp1: {verdict} on real ({points((low + high) / 2)} points)"
        in text
    )
    holds = low <= 0.035 <= high
    assert f"an interval that {'holds' if holds else 'does not hold'} the claim" in text


def test_the_last_step_is_held_against_real_annotation_of_the_language(metrics: Path) -> None:
    (metrics / "gold").mkdir()
    srsly.write_json(metrics / "gold" / "scores.json", scores("gold", 0.6))
    rows = [comparison(suite, "gold", "exp3", -0.3, -0.1, 0.01) for suite in ("real", "combined")]
    compared(metrics, rows)
    text = answer(read(metrics)).paragraph
    assert f"Against real annotation (gold), exp3 has {LOSS} on real (−20.0 points)." in text


def test_without_a_test_only_intervals_that_lie_apart_are_told(metrics: Path) -> None:
    text = answer(read(metrics)).paragraph
    assert "a gain beyond the intervals of these runs on real (+5.0 points)" in text
    assert "These are single trainings" in text
    srsly.write_json(metrics / "exp2" / "scores.json", scores("exp2", 0.31))
    text = answer(read(metrics)).paragraph
    assert (
        "exp2, which adds med-ro to exp1: no difference beyond the intervals of these runs on real (+1.0 points)"
        in text
    )
    assert "measurable gain" not in text
    few = scores("exp2", 0.31)
    few["suites"]["real"]["f1_interval"] = None
    srsly.write_json(metrics / "exp2" / "scores.json", few)
    assert "to exp1: a difference that bears no interval on real (+1.0 points)" in answer(read(metrics)).paragraph


def test_untrained_weights_and_stand_ins_come_first(metrics: Path) -> None:
    caveats = answer(read(metrics)).caveats
    assert caveats[0] == "ronec is a stand-in: a note."
    assert caveats[1].startswith("Nothing that exp1 trains on annotates MEDICAL, so it finds none")
    srsly.write_json(metrics / "exp1" / "scores.json", scores("exp1", 0.3, untrained=True))
    assert "does not answer its question" in answer(read(metrics)).caveats[0]


def test_the_claim_is_also_set_beside_the_labels_that_both_learn(metrics: Path) -> None:
    for name, medical in (("exp1", 0), ("exp2", 10)):
        own = srsly.read_json(metrics / name / "scores.json")
        (label,) = own["suites"]["combined"]["labels"].values()
        own["suites"]["combined"]["labels"] = {
            "PERSON": {**label, "tp": 5, "fp": 0, "fn": 5},
            "MEDICAL": {**label, "tp": medical, "fp": 0, "fn": 10 - medical},
        }
        srsly.write_json(metrics / name / "scores.json", own)
    text = answer(read(metrics)).paragraph
    assert "this run has +5.0 (±0.0 over LOC, ORG and PERSON alone)" in text


def test_comparisons_and_data_card_of_other_runs_are_left_out(metrics: Path) -> None:
    everything(metrics.parent, "x")
    assert read(metrics).comparisons
    for name in ("exp2", "exp3"):
        srsly.write_json(metrics / name / "scores.json", scores(name, 0.4, untrained=True, note="another corpus"))
    inputs = read(metrics)
    assert (list(inputs.comparisons), inputs.manifest) == ([], None)
    assert {part.title for part in write_report(inputs, metrics / "report")} == {"Significance", "Data card"}


def test_learning_curves_of_other_runs_are_left_out(metrics: Path) -> None:
    everything(metrics.parent, "x")
    study = dataclasses.replace(PLAN, curves=Curves(base="exp1", mixes={"gold": "exp2"}, sizes=(100,), suites={}))
    run = srsly.read_json(metrics / "exp1" / "scores.json")
    row = {"mix": "gold", "sentences": 0, "seed": 0, "suite": "real", "reference": "gold", "resampled": None}
    for f1, kept in ((run["suites"]["real"]["f1"], True), (0.123, False)):
        srsly.write_json(metrics / "curves.json", [{**row, "f1": f1}])
        found = read_inputs(metrics, metrics.parent / "corpus", study, scheme(), ROOT / "project.yml")
        assert bool(found.learning) == kept


def test_one_experiment_answers_nothing(metrics: Path) -> None:
    for name in ("exp2", "exp3"):
        shutil.rmtree(metrics / name)
    assert "nothing to compare yet" in answer(read(metrics)).paragraph
    assert write_report(read(metrics), metrics / "report")


def test_the_ladder_is_what_builds_on_the_step_before(metrics: Path) -> None:
    everything(metrics.parent, "x")
    inputs = read(metrics)
    assert inputs.ladder == ["exp1", "exp2", "exp3"]
    assert inputs.others == ["only-ro", "gold", "llm"]
    assert inputs.real_suites == ["real", "gone"]
    write_report(inputs, metrics / "report")
    assert (
        "llm: the labels of a language model that was given the guidelines"
        in (metrics / "report" / "report.md").read_text()
    )


# --- exchange rate ----------------------------------------------------------------------------------------------------


def rows(mix: str, values: dict[int, float], seed: int = 0, noise: Sequence[float] = ()) -> list[dict[str, Any]]:
    """noise: how much F1 differs on each resample of the texts, for all rows alike."""
    about = {"mix": mix, "seed": seed, "suite": "s", "reference": "gold"}
    resampled = {n: [f1 + one for one in noise] or None for n, f1 in values.items()}
    return [{**about, "sentences": n, "f1": f1, "resampled": resampled[n]} for n, f1 in values.items()]


def test_the_exchange_rate_is_read_off_the_curve_of_real_annotation() -> None:
    gold = rows("gold", {0: 0.1, 100: 0.3, 300: 0.5})
    (worth,) = exchange_rates([*gold, *rows("ro", {0: 0.1, 1000: 0.2})], "s")
    assert (worth.sentences, worth.mean, worth.seeds) == (1000, pytest.approx(50), 1)
    assert (
        "worth about 50 real annotated ones (gold); its uncertainty, which is large, is not known."
        in worth_sentence(worth)
    )
    (below,) = exchange_rates([*gold, *rows("ro", {1000: 0.05})], "s")
    assert "worth no real annotated sentence" in worth_sentence(below)
    (beyond,) = exchange_rates([*gold, *rows("ro", {1000: 0.6})], "s")
    assert "worth more than the 300 real annotated sentences (gold)" in worth_sentence(beyond)
    assert exchange_rates(rows("ro", {1000: 0.6}), "s") == []


def test_the_exchange_rate_over_seeds_and_a_curve_that_dips() -> None:
    gold = [row for seed in (0, 1) for row in rows("gold", {0: 0.1, 100: 0.3, 200: 0.2, 300: 0.4}, seed)]
    (worth,) = exchange_rates([*gold, *rows("ro", {10: 0.175}, 0), *rows("ro", {10: 0.325}, 1)], "s")
    assert (worth.mean, worth.seeds) == (pytest.approx((50 + (200 * 300) ** 0.5) / 2), 2)
    falling = rows("gold", {0: 0.0, 100: 0.5, 300: 0.4})  # pooled to .45, but 100 sentences gave more than .47
    (reached,) = exchange_rates([*falling, *rows("ro", {200: 0.47})], "s")
    assert (reached.mean, reached.beyond) == (pytest.approx(100), 0)
    third = rows("gold", {0: 0.1}, 2)  # its curve is not whole: it does not count
    assert exchange_rates([*gold, *third, *rows("ro", {10: 0.9}, 2)], "s") == []
    (split,) = exchange_rates([*gold, *rows("ro", {10: 0.05}, 0), *rows("ro", {10: 0.9}, 1)], "s")
    assert "nothing that these seeds agree on" in worth_sentence(split)
    (bound,) = exchange_rates([*gold, *rows("ro", {10: 0.175}, 0), *rows("ro", {10: 0.9}, 1)], "s")
    assert "1 of 2 seeds lie outside of the curve, so this is a lower bound" in worth_sentence(bound)
    assert curves(rows("ro", {10: 0.1}), "s")["ro"] == [(10, pytest.approx(0.1), None, 1)]
    (point,) = curves([*rows("ro", {10: 0.1}, 0), *rows("ro", {10: 0.3}, 1)], "s")["ro"]
    assert (point.mean, point.seeds) == (pytest.approx(0.2), 2)


def test_the_exchange_rate_has_an_interval_over_texts_and_seeds() -> None:
    shared = [n / 1000 for n in range(-10, 11)]  # texts that move all curves alike move no exchange rate
    gold = {0: 0.1, 100: 0.3, 300: 0.5}
    (worth,) = exchange_rates([*rows("gold", gold, 0, shared), *rows("ro", {1000: 0.2}, 0, shared)], "s")
    assert worth.interval == (pytest.approx(50), pytest.approx(50))
    still, moved = [0.0] * 101, [n / 1000 for n in range(-50, 51)]
    (worth,) = exchange_rates([*rows("gold", gold, 0, still), *rows("ro", {1000: 0.2}, 0, moved)], "s")
    assert worth.interval == (pytest.approx(100 * (0.2 - 0.0475 - 0.1) / 0.2), pytest.approx(100 * 0.1475 / 0.2))
    assert "about 50 real annotated ones (gold) [26, 74] (95%, over test texts; one seed)." in worth_sentence(worth)
    both = [row for seed in (0, 1) for row in rows("gold", gold, seed, still)]
    (worth,) = exchange_rates([*both, *rows("ro", {9: 0.2}, 0, still), *rows("ro", {9: 0.5}, 1, still)], "s")
    assert worth.interval == (pytest.approx(50), pytest.approx(300))
    assert (
        "about 175 real annotated ones (gold) [50, 300 or more] (95%, over test texts and 2 seeds)."
        in worth_sentence(worth)
    )


# --- hostile text -----------------------------------------------------------------------------------------------------


def test_displacy_markup_is_escaped() -> None:
    drawn = str(mark(HOSTILE, [(0, len(SCRIPT), IMAGE)]))
    assert "<script" not in drawn
    assert "<img" not in drawn
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in drawn


def test_markdown_has_no_markup_from_text(metrics: Path) -> None:
    assert markdown("a|b *c* <i> [x](y)") == r"a\|b \*c\* &lt;i&gt; \[x\](y)"
    assert markdown("`spacy project run all` and `<b>`") == r"`spacy project run all` and \`&lt;b&gt;\`"
    everything(metrics.parent, HOSTILE)
    write_report(read(metrics), metrics / "report")
    text = (metrics / "report" / "report.md").read_text()
    assert "<script" not in text
    assert "<img" not in text
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(widths) == 1, table


# --- in a browser -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium, with no driver fetched from anywhere."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip("no Chromium with chromedriver is installed: the report's look is not checked")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)) as chrome:
        chrome.set_page_load_timeout(120)
        yield chrome


@pytest.fixture(scope="module")
def hostile_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A full report in which every text is hostile."""
    metrics = everything(tmp_path_factory.mktemp("hostile"), HOSTILE)
    write_report(read(metrics), metrics / "report")
    return metrics / "report"


@pytest.fixture(scope="module")
def ordinary_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A full report of the made-up study."""
    metrics = everything(tmp_path_factory.mktemp("ordinary"), "o boală")
    write_report(read(metrics), metrics / "report")
    return metrics / "report"


def reference(name: str, output: Path) -> Path:
    study = load_study(ROOT / "configs" / "experiments.yml")
    metrics = ROOT / "metrics" / "reference" / name
    write_report(read_inputs(metrics, output / "no corpus", study, SCHEME, ROOT / "project.yml"), output / "report")
    return output / "report"


@pytest.fixture(scope="module")
def real_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a real study, in its size."""
    return reference("ronec-v1", tmp_path_factory.mktemp("real"))


def show(browser: Any, page: Path, width: int, *, height: int = 800, media: str = "", dark: bool = False) -> None:
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    scheme_ = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": scheme_})
    browser.get(page.as_uri())
    browser.execute_script("document.querySelectorAll('details').forEach((fold) => (fold.open = true))")


@pytest.mark.parametrize("made", ["hostile_report", "real_report"])
@pytest.mark.parametrize("name", ["index.html", "slides.html"])
@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_overflows(browser: Any, request: pytest.FixtureRequest, made: str, name: str, width: int) -> None:
    show(browser, request.getfixturevalue(made) / name, width)
    assert browser.execute_script("return innerWidth") == width
    assert browser.execute_script("return document.scrollingElement.scrollWidth") <= width
    # What is wider than the page scrolls in a container of its own.
    outside = browser.execute_script(
        "return [...document.querySelectorAll('body *')].filter((e) => !e.closest('.table, svg')"
        " && e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML.slice(0, 200))"
    )
    assert outside == []


@pytest.mark.parametrize("name", ["index.html", "slides.html"])
def test_text_stays_text(browser: Any, hostile_report: Path, name: str) -> None:
    show(browser, hostile_report / name, 1280)
    assert browser.execute_script("return document.images.length") == 0
    scripts = browser.execute_script("return [...document.scripts].map((s) => s.textContent)")
    assert len(scripts) == (1 if name == "slides.html" else 0)
    assert not any("alert" in script for script in scripts)
    assert SCRIPT in browser.execute_script("return document.body.textContent")
    assert IMAGE in browser.execute_script("return document.body.textContent")
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_every_figure_has_words(browser: Any, hostile_report: Path) -> None:
    show(browser, hostile_report / "index.html", 1280)
    unnamed = browser.execute_script(
        "return [...document.querySelectorAll('svg')].filter((svg) => !svg.closest('[role=img]')?.getAttribute('aria-label')"
        "?.trim()).length"
    )
    assert unnamed == 0
    assert browser.execute_script("return document.querySelectorAll('svg').length") >= 8
    without_numbers = "return [...document.querySelectorAll('figure')].filter((f) => !f.querySelector('table')).length"
    assert browser.execute_script(without_numbers) == 0
    ids = browser.execute_script("return [...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))
    anchors = browser.execute_script("return [...document.querySelectorAll('nav a')].map((a) => a.hash.slice(1))")
    assert anchors
    assert set(anchors) <= set(ids)


def test_dark_mode_reaches_the_plots(browser: Any, hostile_report: Path) -> None:
    colours = {}
    for dark in (False, True):
        show(browser, hostile_report / "index.html", 1280, dark=dark)
        colours[dark] = browser.execute_script(
            "const text = document.querySelector('.panel svg text');"
            "return [getComputedStyle(document.body).backgroundColor, getComputedStyle(text).fill]"
        )
    assert colours[False][0] == "rgb(255, 255, 255)"
    assert all(light != dark for light, dark in zip(colours[False], colours[True], strict=True))


def test_slides_turn_with_the_keyboard_and_print_one_a_page(browser: Any, hostile_report: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    page = hostile_report / "slides.html"
    show(browser, page, 1280, height=720)
    slides = browser.execute_script("return document.querySelectorAll('.slide').length")
    focused = "return [...document.querySelectorAll('.slide')].indexOf(document.activeElement)"
    body = browser.find_element(By.TAG_NAME, "body")
    seen = []
    for key in (Keys.HOME, Keys.ARROW_RIGHT, Keys.PAGE_DOWN, Keys.ARROW_LEFT, Keys.END, Keys.ARROW_RIGHT):
        body.send_keys(key)
        seen.append(browser.execute_script(focused))
    assert seen == [0, 1, 2, 1, slides - 1, slides - 1]
    assert 8 <= slides <= 18
    pdf = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"])
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == slides


@pytest.mark.parametrize("made", ["ordinary_report", "real_report"])
def test_print_cuts_nothing_off(browser: Any, request: pytest.FixtureRequest, made: str) -> None:
    """Printed, nothing scrolls: what does not fit on its slide or beside the margin of A4 is lost."""
    folder = request.getfixturevalue(made)
    show(browser, folder / "slides.html", 1280, height=720, media="print")
    cut = browser.execute_script(
        "return [...document.querySelectorAll('.slide, .slide .table')].filter((e) => e.scrollHeight > e.clientHeight + 1"
        " || e.scrollWidth > e.clientWidth + 1).map((e) => `${e.ariaLabel}: ${e.scrollWidth} × ${e.scrollHeight}`)"
    )
    assert cut == []
    assert browser.execute_script("return document.querySelector('.slide').clientHeight") == 720
    show(browser, folder / "index.html", 687, media="print")  # 210 mm less two margins of 14, at 96 pixels an inch
    wide = browser.execute_script(
        "return [...document.querySelectorAll('.table')].filter((e) => e.scrollWidth > e.clientWidth + 1)"
        ".map((e) => `${e.ariaLabel}: ${e.scrollWidth}`)"
    )
    assert wide == []
    assert browser.execute_script("return document.scrollingElement.scrollWidth") <= 687


def test_intervals_of_the_made_up_scores_are_of_the_kind_that_scoring_makes() -> None:
    interval = f1_interval([Counts(2, 1, 1)] * 5 + [Counts(0, 1, 1)] * 5, 0)
    assert interval is not None
    assert len(interval) == len(score(0.5)["f1_interval"])
