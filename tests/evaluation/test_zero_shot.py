"""A language model's labels of a test file, from the server to the scores that tables are made of."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import annotate_llm
import evaluate_llm
import pytest
from click.testing import Result
from conftest import ROOT
from llm_server import KEY, Llm, corpus, serving
from typer.testing import CliRunner

from medner.data.build import convert
from medner.data.readers.synthetic import read_synthetic
from medner.data.records import Part, Tally
from medner.data.tokenizer import blank
from medner.evaluation.predictions import read_predictions
from medner.evaluation.results import load_runs

TEXTS = 5


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A corpus folder with the first texts of med-ro's test part, and suites that need more than that."""
    path = ROOT / "assets" / "synthetic" / "ro" / "test.jsonl"
    tally = Tally()
    docs, _ = convert(blank(), Part(list(islice(read_synthetic(path, tally), TEXTS)), tally), "med-ro")
    (tmp_path / "med-ro").mkdir()
    docs.to_disk(tmp_path / "med-ro" / "test.spacy")
    (tmp_path / "med-fr").mkdir()
    (tmp_path / "med-fr" / "test.spacy").touch()
    about = {
        "note": "n",
        "stand_in": False,
        "annotated": ["LOC", "MEDICAL", "ORG", "PERSON"],
        "documents": False,
        "splits": {},
    }
    manifest = {
        "sources": {"med-ro": about, "med-fr": about},
        "persons": "named",
        "experiments": {},
        "suites": {"med-ro": ["med-ro"], "med-fr": ["med-fr"], "combined": ["med-ro", "med-fr"]},
        "skipped": {"simonero": "out of reach"},
        "sha256": {},
    }
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    return tmp_path


def annotate(llm: Llm, folder: Path, *options: str, model: str = "m") -> Result:
    files = [str(folder / "med-ro" / "test.spacy"), str(folder / "out" / "med-ro.jsonl"), "ro"]
    arguments = [*files, "--base-url", llm.url, "--concurrency", "1", "--model", model, *options]
    return CliRunner().invoke(annotate_llm.app, arguments)


def evaluate(folder: Path) -> Result:
    where = ["--output", str(folder / "metrics" / "llm"), "--corpus", str(folder)]
    return CliRunner().invoke(evaluate_llm.app, [str(folder / "out"), *where])


def test_labels_are_scored_like_a_pipeline(folder: Path) -> None:
    with serving(Llm(corpus(split="test"), ["refusal"])) as llm:
        assert annotate(llm, folder).exit_code == 0
    done = evaluate(folder)
    assert done.exit_code == 0, done.output
    assert f"med-ro: 1 of {TEXTS} texts have no usable answer" in " ".join(done.output.split())
    runs, _ = load_runs(folder / "metrics", ["llm"])
    [run] = runs["llm"]
    assert run.scores.skipped == {
        "simonero": "out of reach",
        "med-fr": "no labels of med-fr",
        "combined": "no labels of med-fr",
    }
    assert run.scores.provenance.encoder.name == "m"
    predictions = read_predictions(folder / "metrics" / "llm" / "med-ro.predictions.jsonl")
    assert [one.predicted == one.gold for one in predictions] == [False, True, True, True, True]
    own = run.scores.suites["med-ro"]
    missed = len(predictions[0].gold)
    assert missed > 0
    assert (own.fn, own.fp, own.tp) == (missed, 0, sum(len(one.gold) for one in predictions) - missed)
    assert own.seen.support == 0


def test_labels_by_batch(folder: Path) -> None:
    with serving(Llm(corpus(split="test"))) as llm:
        llm.job_status = "in_progress"
        first, waiting = annotate(llm, folder, "--batch"), annotate(llm, folder, "--batch")
        assert "Submitted 5 requests" in first.output
        assert "in_progress" in waiting.output
        assert "5 annotated texts" not in waiting.output
        without = annotate(llm, folder)
        assert without.exit_code == 1
        assert "a batch job is not collected yet. Add --batch to collect it" in " ".join(without.output.split())
        llm.job_status = "completed"
        collected = annotate(llm, folder, "--batch")
    assert "5 annotated texts" in collected.output
    assert evaluate(folder).exit_code == 0


def test_a_batch_answers_requests_that_were_cut_off(folder: Path) -> None:
    texts = corpus(split="test")[:TEXTS]
    with serving(Llm([texts[0], *texts], ["cut", "401"])) as llm:
        assert annotate(llm, folder).exit_code == 1
        assert "Submitted 5 requests" in annotate(llm, folder, "--batch").output
        llm.job_status = "completed"
        assert "5 annotated texts" in annotate(llm, folder, "--batch").output


def test_a_model_without_an_answer_is_not_in_the_provenance(folder: Path) -> None:
    texts = corpus(split="test")
    with serving(Llm([texts[0], *texts], ["cut", "401"])) as llm:
        assert annotate(llm, folder, model="mistyped").exit_code == 1
        assert annotate(llm, folder, model="m").exit_code == 0
    done = evaluate(folder)
    assert done.exit_code == 0, done.output
    assert "Evaluated m on med-ro" in done.output


def test_missing_or_foreign_labels_are_refused(folder: Path) -> None:
    nothing = evaluate(folder)
    assert nothing.exit_code == 1
    assert "holds labels for none of med-ro, med-fr. Label a test file first" in " ".join(nothing.output.split())
    with serving(Llm(corpus(split="test"))) as llm:
        assert annotate(llm, folder).exit_code == 0
    output = folder / "out" / "med-ro.jsonl"
    whole = output.read_text()
    output.write_text("".join(whole.splitlines(keepends=True)[1:]))
    lacking = evaluate(folder)
    text = json.loads(whole.split("\n")[0])["text"]
    output.write_text(whole.replace(text, text[::-1]))
    other = evaluate(folder)
    assert (lacking.exit_code, other.exit_code) == (1, 1)
    assert "ro-a000001 is not text 1 of the test file of med-ro" in " ".join(other.output.split())
    assert "has no answer for 1 of 5 texts. Run scripts/annotate_llm.py" in " ".join(lacking.output.split())
    (folder / "manifest.json").write_text("{")
    damaged = evaluate(folder)
    assert damaged.exit_code == 1
    assert "manifest.json: not what the corpus step writes" in " ".join(damaged.output.split())
    assert not (folder / "metrics").exists()


def test_labels_of_two_models_are_refused(folder: Path) -> None:
    with serving(Llm(corpus(split="test"), [""] * 3 + ["401"])) as llm:
        assert annotate(llm, folder).exit_code == 1
        assert annotate(llm, folder, model="another").exit_code == 0
    done = evaluate(folder)
    assert done.exit_code == 1
    assert "labels of several models: another, m. Use one folder for each model" in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("experiments", "options", "message"),
    [
        ("exp1: {model: cnn, sources: [med-ro]}", [], "the study has no zero-shot experiment. Add one without model"),
        ("llm: {}", ["--experiment", "exp9"], "'exp9' is not a zero-shot experiment. Give --experiment, one of llm"),
        ("llm: {}, other: {}", [], "the study has several zero-shot experiments. Give --experiment, one of llm, other"),
    ],
)
def test_the_experiment_is_one_of_the_study(folder: Path, experiments: str, options: list[str], message: str) -> None:
    study = folder / "experiments.yml"
    study.write_text(
        f"sources: {{med-ro: {{labels: synthetic, lang: ro}}}}\nexperiments: {{{experiments}}}\n"
        "suites: {headline: {sources: [med-ro], group: headline}}\n"
    )
    result = CliRunner().invoke(evaluate_llm.app, [str(folder / "out"), "--study", str(study), *options])
    assert result.exit_code == 1
    assert message in " ".join(result.output.split())
