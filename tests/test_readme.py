"""The README says what is so."""

from __future__ import annotations

import re
import shutil
import statistics
from pathlib import Path

import pytest
import srsly
from compare import app as significance
from conftest import ROOT
from summarise import app
from typer.testing import CliRunner
from weasel.cli.document import project_document

from medner.evaluation.results import load_runs
from medner.study import load_study

README = (ROOT / "README.md").read_text()
STUDY = load_study(ROOT / "configs" / "experiments.yml")


REFERENCES = sorted(path.name for path in (ROOT / "metrics" / "reference").iterdir())
IN_README = [name for name in REFERENCES if f"results of metrics/reference/{name}: start" in README]


@pytest.mark.parametrize("metrics", IN_README)
def test_results_come_from_the_committed_metrics(metrics: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    copy = tmp_path / "README.md"
    copy.write_text(README)
    done = CliRunner().invoke(app, ["--metrics", f"metrics/reference/{metrics}", "--insert-into", str(copy)])
    assert done.exit_code == 0, done.stderr
    assert copy.read_text() == README
    assert "exp3" in load_runs(ROOT / "metrics" / "reference" / metrics, STUDY.experiments)[0]


@pytest.mark.parametrize("metrics", REFERENCES)
def test_summaries_come_from_the_committed_metrics(metrics: str, tmp_path: Path) -> None:
    reference = ROOT / "metrics" / "reference" / metrics
    again = shutil.copytree(reference, tmp_path / metrics)
    (again / "summary.md").unlink()
    assert CliRunner().invoke(app, ["--metrics", str(again)]).exit_code == 0
    assert (again / "summary.md").read_text() == (reference / "summary.md").read_text()


def test_differences_can_be_computed_anew_from_what_is_committed(tmp_path: Path) -> None:
    """Without the texts, which are not the project's to pass on."""
    reference = ROOT / "metrics" / "reference" / "offline"
    again = shutil.copytree(reference, tmp_path / "offline")
    (again / "significance.json").unlink()
    assert CliRunner().invoke(significance, ["--metrics", str(again)]).exit_code == 0
    assert srsly.read_json(again / "significance.json") == srsly.read_json(reference / "significance.json")


@pytest.mark.parametrize("metrics", sorted(set(REFERENCES) - set(IN_README)))
def test_the_model_card_s_means_are_those_of_the_committed_metrics(metrics: str) -> None:
    """A row of its table for each experiment of the references that compare the encoder with others."""
    card = (ROOT / "assets" / "encoder" / "README.md").read_text()
    assert f"](../../metrics/reference/{metrics}/summary.md)" in card
    for name, runs in load_runs(ROOT / "metrics" / "reference" / metrics, STUDY.experiments)[0].items():
        measured = [suite for suite in STUDY.suites if suite in runs[0].scores.suites]
        found = [[run.scores.suites[suite].f1 for run in runs] for suite in measured]
        means = " | ".join(f"{statistics.mean(values):.3f}".lstrip("0") for values in found if any(values))
        epochs = runs[0].scores.provenance.epochs
        assert re.search(rf"^\| `{name}`.*\| {epochs} \| {len(runs)} \| {re.escape(means)} \|", card, re.MULTILINE)


def test_the_commands_section_is_that_of_project_yml(tmp_path: Path) -> None:
    """As `spacy project document` writes it."""
    (tmp_path / "README.md").write_text(README)
    project_document(ROOT, tmp_path / "README.md", no_emoji=True)
    assert (tmp_path / "README.md").read_text() == README


@pytest.mark.parametrize("path", ["README.md", *(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/*.md"))])
def test_files_and_sections_that_are_linked_exist(path: str) -> None:
    links = re.findall(r"\]\(([^):]+)\)", (ROOT / path).read_text())
    assert links
    for link in links:
        file, _, section = link.partition("#")
        target = (ROOT / path).parent / file if file else ROOT / path
        assert target.exists()
        titles = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE) if section else []
        assert section in ["", *(re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles)]
