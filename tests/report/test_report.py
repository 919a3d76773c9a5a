"""What the report says, and of what."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import made
import pytest
from made_report import (
    STEPS,
    STUDY,
    calibrated,
    change_suite,
    curve_rows,
    edit_json,
    everything,
    least,
    page,
    read,
    report_md,
    robustness,
    scores,
)
from typer.testing import CliRunner

from medner.evaluation.results import read_run
from medner.exceptions import InputError
from medner.outputs import write_output
from medner.report.pages import write_report
from medner.study import Curves


@pytest.fixture
def metrics(tmp_path: Path) -> Path:
    return least(tmp_path)


def test_missing_parts_are_named_with_their_command(metrics: Path) -> None:
    missing = write_report(read(metrics), metrics / "report")
    commands = {part.title: re.findall(r"spacy project run ([\w-]+)", part.remedy) for part in missing}
    assert commands == {
        "Names in other real text": ["all"],
        "Over seeds": ["seeds"],
        "Significance": ["significance"],
        "Ablations": ["ablations"],
        "Confidence": ["bio"],
        "Text as hospitals have it": ["robustness"],
        "Validation curves": ["all"],
        "Learning curves and exchange rate": ["curves"],
        "Error analysis": ["errors"],
        "Data card": ["corpus"],
        "Leakage": ["leakage"],
    }
    for name in ("index.html", "report.md", "slides.html"):
        text = (metrics / "report" / name).read_text()
        assert "spacy project run leakage" in text
        assert "0.300" in text


def test_a_full_report_is_the_same_in_all_formats_and_twice(metrics: Path) -> None:
    everything(metrics.parent, "o boală")
    assert [part.title for part in write_report(read(metrics), metrics / "report")] == ["Names in other real text"]
    first = {path.name: path.read_bytes() for path in (metrics / "report").iterdir()}
    write_report(read(metrics), metrics / "report")
    assert {path.name: path.read_bytes() for path in (metrics / "report").iterdir()} == first
    assert len(first["index.html"]) < 2_000_000
    markdown_text = first["report.md"].decode()
    for title in re.findall(r"<h2[^>]*>(.*?)</h2>", first["index.html"].decode()):
        assert f"## {title}" in markdown_text
    assert "gone" in markdown_text
    assert re.search(r"^\| real \| 1,234 \| \*\*0\.420\*\* ", markdown_text, re.MULTILINE)


def test_pages_load_nothing_from_elsewhere(metrics: Path) -> None:
    everything(metrics.parent, "http://example.org/x.png")
    write_report(read(metrics), metrics / "report")
    for name in ("index.html", "slides.html"):
        text = (metrics / "report" / name).read_text()
        assert not re.findall(r"""(?:src|href|srcset|action)\s*=\s*["'](?!#)""", text)
        assert not re.findall(r"url\((?!#)", text)
        assert not re.search(r"@import|<link|<iframe|<object|<embed|<base", text)
        assert "default-src &#39;none&#39;" in text or "default-src 'none'" in text


def test_the_command(metrics: Path) -> None:
    from write_report import app

    for step in STEPS:  # the command reads the project's own study
        made.run(metrics, scores(step, 0.3).model_copy(update={"provenance": made.provenance("exp1")}))
    result = CliRunner().invoke(
        app, ["--metrics", str(metrics), "--corpus", str(metrics.parent)], catch_exceptions=False
    )
    assert result.exit_code == 0, result.stderr
    assert "Left out: Error analysis: spacy project run errors" in result.stdout
    assert (metrics / "report" / "slides.html").is_file()


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("leakage.json", "{", ": not what the leakage step writes"),
        ("leakage.json", '{"a > b": {"seen": {}}}', ": not what the leakage step writes (a > b.sentences: missing)"),
        ("leakage.json", "[]", ": not what the leakage step writes"),
        ("one/curve.json", "{}", ": not what the evaluate step writes (evaluations: missing)"),
        ("one/curve.json", '{"evaluations": [], "best": null}', ": not what the evaluate step writes (evaluations: "),
        ("curves.json", '[{"mix": "ro"}]', ": not what the curves step writes (0.sentences: missing)"),
        ("curves.json", '{"mix": "ro"}', ": not what the curves step writes"),
        ("significance.json", '{"comparisons": []}', ": not what the significance step writes (confidence: "),
        ("errors/three.json", '{"suites": {}}', ": not what the errors step writes (provenance: missing)"),
        ("corpora.json", '{"ro": 5}', ": not what the quality step writes (ro: "),
        ("manifest.json", '{"sources": {"ronec": {}}}', ": not what the corpus step writes (sources.ronec.note: "),
        ("one/scores.json", '{"provenance": {"seed": 0}, "test": {}, "suites": {}}', ": not what the evaluate step writes (provenance.experiment: "),
    ],
)  # fmt: skip
def test_a_damaged_file_is_named_with_its_place(metrics: Path, file: str, content: str, said: str) -> None:
    path = (metrics.parent / "corpus" if file == "manifest.json" else metrics) / file
    path.parent.mkdir(exist_ok=True)
    path.write_text(content)
    with pytest.raises(InputError, match=re.escape(f"{path}{said}")) as raised:
        read(metrics)
    assert "\n" not in str(raised.value)


def test_the_command_refuses_a_damaged_file_in_one_line_and_writes_nothing(metrics: Path) -> None:
    from write_report import app

    made.run(metrics, made.scores("exp1"))
    (metrics / "leakage.json").write_text("{")
    result = CliRunner().invoke(app, ["--metrics", str(metrics), "--corpus", str(metrics)], catch_exceptions=False)
    assert result.exit_code == 1
    assert f"{metrics / 'leakage.json'}: not what the leakage step writes" in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (metrics / "report").exists()


@pytest.mark.parametrize(
    "broken",
    [
        lambda own: {**own, "kinds": {"missed": own["kinds"]["missed"]}},
        lambda own: {**own, "confusion": {**own["confusion"], "own_tokens": [[1]]}},
    ],
)
def test_counts_of_errors_are_checked(metrics: Path, broken: Any) -> None:
    everything(metrics.parent, "x")
    path = metrics / "errors" / "three.json"
    edit_json(path, lambda whole: {**whole, "suites": {"med-ro": broken(whole["suites"]["med-ro"])}})
    with pytest.raises(InputError, match=r"three.json: not what the errors step writes \(suites.med-ro"):
        read(metrics)


def test_no_evaluated_experiment(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no evaluated experiment"):
        read(tmp_path)


def test_steps_references_and_suites_are_those_of_the_study(metrics: Path) -> None:
    everything(metrics.parent, "x")
    inputs = read(metrics)
    assert inputs.steps == ["one", "two", "three"]
    assert inputs.others == ["ablation", "annotated", "asked"]
    assert inputs.real_suites == ["real", "gone"]
    assert inputs.headline_suites == ["med-ro", "combined"]
    assert inputs.references("real") == ["annotated", "asked"]
    assert "asked: the zero-shot labels of a language model that was given the guidelines" in report_md(metrics)


# --- whose scores, and over what --------------------------------------------------------------------------------------


def test_real_text_shows_where_f1_is_lost(metrics: Path) -> None:
    everything(metrics.parent, "x")
    seen, unseen = made.group_score(0.0, support=0), made.group_score(0.42, support=1234)
    change_suite(metrics, "asked", "real", seen=seen, unseen=unseen)
    text = report_md(metrics)
    assert "The difference is lost on boundaries alone. For three, it is +11.0 points (real)." in text
    assert "unseen mentions do not. For three, the difference in F1 is +40.0 points (real)." in text
    assert "| suite | experiment | F1 | partial | type | seen | unseen |" in text  # of one label, exact is F1
    assert "| real | three | **0.420** | 0.470 | 0.530 | 0.720 (34) | 0.320 (1,200) |" in text
    assert "| real | annotated | **0.420** |" in text  # real annotation of the suite's language
    assert "| real | asked | **0.420** | 0.470 | 0.530 | – (0) | 0.420 (1,234) |" in text
    assert "| real | ablation | **0.420** | 0.470" not in text
    assert "| med-ro | three | **0.400** | 0.450 | 0.510 |" in text
    labels = {label: made.score(0.41) for label in ("LOC", "MEDICAL")}
    change_suite(metrics, "three", "combined", labels=labels)
    assert "| combined | three | **0.410** | 0.410 | 0.460 | 0.520 |" in report_md(metrics)


def test_seen_forms_are_drawn_only_where_there_are_any(metrics: Path) -> None:
    assert "Surface forms: F1 of three on real from 0.320 to 0.720." in page(metrics)
    change_suite(metrics, "three", "real", seen=made.group_score(0.0, support=0))
    text = page(metrics)
    assert "Boundaries: F1 of three on real from 0.420 to 0.530." in text
    assert "Surface forms: F1" not in text
    run = read_run(metrics / "three").scores
    made.run(metrics, run.model_copy(update={"suites": {s: own for s, own in run.suites.items() if s != "real"}}))
    assert "For three" not in report_md(metrics).split("## Real medical text")[1].split("\n## ")[0]


def test_all_runs_are_in_the_table_over_seeds_and_captions_name_the_run_elsewhere(metrics: Path) -> None:
    everything(metrics.parent, "x")
    (metrics / "significance.json").unlink()  # mean and spread need no test
    text = report_md(metrics)
    assert "| one (2 seeds) | **0.440** ± 0.028 | – | **0.420** ± 0.028 | **0.430** ± 0.028 |" in text
    assert "| asked (1 run) | **0.420** | – | **0.400** | **0.410** |" in text
    assert "F1 of the main run (seed 0), its interval" in text


def test_real_text_says_which_labels_count(metrics: Path) -> None:
    assert "by guidelines of their own. Only MEDICAL counts." in report_md(metrics)
    for name in ("one", "two", "three"):
        run = read_run(metrics / name).scores
        both = run.test["real"].model_copy(update={"annotated": ["MEDICAL", "PERSON"]})
        made.run(metrics, run.model_copy(update={"test": {**run.test, "real": both}}))
    assert "by guidelines of their own. A suite counts only the labels that it annotates." in report_md(metrics)


def test_a_suite_of_few_texts_has_a_warning_wherever_it_counts(metrics: Path) -> None:
    everything(metrics.parent, "real")
    assert "an interval needs" not in report_md(metrics)
    for name in STUDY.experiments:
        change_suite(metrics, name, "real", units=3, f1_interval=None)
    parts = re.split(r"^## ", report_md(metrics), flags=re.MULTILINE)
    warned = [part.split("\n")[0] for part in parts if "real has 3 independent texts; an interval needs 10" in part]
    assert warned == ["Real medical text", "Learning curves and exchange rate"]


def test_epochs_count_from_one(metrics: Path) -> None:
    everything(metrics.parent, "x")
    assert "| one | 4 | 40 | **0.400** |" in report_md(metrics)
    assert "in epoch 4 (step 40)" in page(metrics)


def test_a_learning_curve_says_how_many_seeds_its_points_have(metrics: Path) -> None:
    everything(metrics.parent, "real")
    assert "mean and standard deviation over 2 seeds" in page(metrics)
    assert "linear in the logarithm of the size" in report_md(metrics)
    path = metrics / "curves.json"
    edit_json(path, lambda rows: [row for row in rows if row["seed"] == 0 or row["mix"] == "gold"])
    assert re.search(r"^\| real \| real \| 100 \| 0.200 \| – \| 1 \|$", report_md(metrics), re.MULTILINE)
    assert "over 1 to 2 seeds (see the numbers)" in page(metrics)
    edit_json(path, lambda rows: [row for row in rows if row["seed"] == 0])
    assert "number of sentences added, one seed" in page(metrics)


def test_what_has_a_price_is_drawn_against_cost_as_well(metrics: Path) -> None:
    mixes = {"ro": "two", "gold": "annotated"}
    curves = Curves(base="one", sizes=(100,), mixes=mixes, suites={"real": "gold"}, model="claude")
    study = STUDY.model_copy(update={"curves": curves})
    base = read_run(metrics / "one").scores.suites["real"].f1
    rows = [row for mix in mixes for row in curve_rows(mix, {0: base, 100: 0.5, 2000: 0.6}, suite="real")]
    paid = [row.model_copy(update={"tokens": (0.0, 1e4 * row.sentences)}) if row.mix == "ro" else row for row in rows]
    price = read(metrics, study).price
    assert price is not None
    row = f"| real | ro | 2,000 | 0.600 | – | 1 | {price.cost(0, 20_000_000, batch=True):.2f} |"
    for written, drawn in ((rows, False), (paid, True)):
        write_output(metrics / "curves.json", written)
        write_report(read(metrics, study), metrics / "report")
        html, text = ((metrics / "report" / name).read_text() for name in ("index.html", "report.md"))
        assert ("F1 against what the sentences added cost, one seed" in html) == drawn
        assert (row in text) == drawn
        assert len(re.findall(r"^\| real \| gold \| 2,000 \|", text, re.MULTILINE)) == 1


def test_versions_are_those_of_the_runs_and_of_the_report(metrics: Path) -> None:
    text = report_md(metrics)
    assert "Report written with" in text
    assert "Runs made with" not in text
    for name, version in zip(STEPS, ("1.0", "1.0", "2.0"), strict=True):
        made.run(metrics, scores(name, 0.3, made_with={"torch": version}))
    text = report_md(metrics)
    assert "| torch | 1.0 | one, two |" in text
    assert "| torch | 2.0 | three |" in text


# --- what belongs to other runs ---------------------------------------------------------------------------------------


def test_comparisons_and_data_card_of_other_runs_are_left_out(metrics: Path) -> None:
    everything(metrics.parent, "x")
    assert read(metrics).comparisons
    for name in ("two", "three"):
        made.run(metrics, scores(name, 0.4, untrained=True, note="another corpus"))
    inputs = read(metrics)
    assert (list(inputs.comparisons), inputs.manifest) == ([], None)
    titles = {part.title for part in write_report(inputs, metrics / "report")}
    left_out = {"Significance", "Data card", "Error analysis", "Text as hospitals have it"}
    assert titles == left_out | {"Names in other real text"}


def test_learning_curves_of_other_runs_are_left_out(metrics: Path) -> None:
    everything(metrics.parent, "x")
    study = STUDY.model_copy(update={"curves": Curves(base="one", mixes={"gold": "two"}, sizes=(100,), suites={})})
    row = {"mix": "gold", "sentences": 0, "seed": 0, "suite": "real", "reference": "gold", "resampled": None}
    measured = read_run(metrics / "one").scores.suites["real"].f1
    for f1, kept in ((measured, True), (0.123, False)):
        edit_json(metrics / "curves.json", lambda _, f1=f1: [{**row, "f1": f1}])
        assert bool(read(metrics, study).learning) == kept


def test_confidences_are_in_the_report_with_what_thresholds_give(metrics: Path) -> None:
    """Of two entities one is right: at .8 half of all mentions are found, and no unseen form ever reaches it."""
    write_output(metrics / "two" / "calibration.json", {"real": calibrated()})
    report = report_md(metrics)
    row = re.search(r"^\| two \| real \| 2 \|.*$", report, re.MULTILINE)
    assert row is not None
    cells = [cell.strip() for cell in row[0].strip("|").split("|")]
    assert cells[3] == "0.375"  # ECE: .125 and .625, each for one of two entities
    assert cells[5:8] == ["0.88 (R 0.50)", "0.88 (R 1.00)", "–"]


def test_what_perturbations_cost_is_in_the_report(metrics: Path) -> None:
    write_output(metrics / "robustness" / "two.json", robustness("real", experiment="two"))
    assert re.search(r"^\| capitals \| 0\.250 \(−0\.500\) \| 2 \| 1 \|$", report_md(metrics), re.MULTILINE)


def test_perturbations_may_be_measured_on_another_seed_than_the_main_runs(metrics: Path) -> None:
    made.run(metrics, scores("two", 0.4, seed=1), main=False)
    other, unknown = (robustness("real", experiment="two", seed=seed) for seed in (1, 2))
    write_output(metrics / "robustness" / "two.json", other)
    assert "F1 of two (seed 1) under each perturbation" in report_md(metrics)
    write_output(metrics / "robustness" / "two.json", unknown)
    assert "under each perturbation" not in report_md(metrics)


def test_perturbations_of_real_text_come_first(metrics: Path) -> None:
    found = robustness("real", experiment="two")
    suites = {name: found.suites["real"] for name in ("held", "real")}
    write_output(metrics / "robustness" / "two.json", found.model_copy(update={"suites": suites}))
    assert "| perturbation | real | held |" in report_md(metrics)
