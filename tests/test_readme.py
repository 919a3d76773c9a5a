"""The documents say what is so: tables, numbers in lists, commands, links."""

from __future__ import annotations

import re
import shutil
import statistics
from functools import cache
from pathlib import Path

import pytest
import srsly
import yaml
from compare import app as compare
from conftest import ROOT
from summarise import app as summarise
from typer.testing import CliRunner
from weasel.cli.document import project_document
from write_card import app as write_card
from write_headline import app as write_headline

import medner
from medner.evaluation.comparisons import Comparison, Significance
from medner.evaluation.results import Run, load_runs
from medner.evaluation.robustness import Robustness
from medner.outputs import read_output
from medner.study import load_study

REFERENCE = ROOT / "metrics" / "reference"
STUDY = load_study(ROOT / "configs" / "experiments.yml")
RESULTS = ROOT / "docs" / "results.md"
NAMES = sorted(path.name for path in REFERENCE.iterdir() if path.is_dir())
IN_RESULTS = [name for name in NAMES if f"results of ../metrics/reference/{name}: start" in RESULTS.read_text()]
PARTS = re.compile(r"<!-- (?:headline|answers|evidence|advice) of (\S+): start -->")
QUOTED = [(path, name) for path in (ROOT / "README.md", RESULTS) for name in sorted({*PARTS.findall(path.read_text())})]
DOCUMENTS = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/*.md"))]


@pytest.mark.parametrize("name", IN_RESULTS)
def test_tables_of_the_results_come_from_the_committed_metrics(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(RESULTS.parent)
    copy = Path(shutil.copy(RESULTS, tmp_path))
    done = CliRunner().invoke(summarise, ["--metrics", f"../metrics/reference/{name}", "--insert-into", str(copy)])
    assert done.exit_code == 0, done.stderr
    assert copy.read_text() == RESULTS.read_text()


@pytest.mark.parametrize(("document", "reference"), QUOTED)
def test_scores_and_answers_that_are_quoted_come_from_the_committed_metrics(
    document: Path, reference: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(document.parent)
    name = document.name
    copy = Path(shutil.copy(name, tmp_path))
    done = CliRunner().invoke(write_headline, [reference, str(copy)])
    assert done.exit_code == 0, done.stderr
    assert copy.read_text() == Path(name).read_text()


def test_the_model_card_comes_from_the_committed_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    again = tmp_path / "model-card.md"
    done = CliRunner().invoke(write_card, ["metrics/reference/mirror", str(again)])
    assert done.exit_code == 0, done.stderr
    assert again.read_text() == (ROOT / "docs" / "model-card.md").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_summaries_come_from_the_committed_metrics(name: str, tmp_path: Path) -> None:
    again = shutil.copytree(REFERENCE / name, tmp_path / name)
    (again / "summary.md").unlink()
    assert CliRunner().invoke(summarise, ["--metrics", str(again)]).exit_code == 0
    assert (again / "summary.md").read_text() == (REFERENCE / name / "summary.md").read_text()


def test_comparisons_can_be_recomputed_from_committed_counts(tmp_path: Path) -> None:
    """Without the texts, which are not the project's to publish."""
    again = shutil.copytree(REFERENCE / "offline", tmp_path / "offline")
    (again / "significance.json").unlink()
    assert CliRunner().invoke(compare, ["--metrics", str(again)]).exit_code == 0
    found = [read_output(folder / "significance.json", Significance, "") for folder in (again, REFERENCE / "offline")]
    assert found[0] == found[1]


CARD = (ROOT / "assets" / "encoder" / "README.md").read_text()


@pytest.mark.parametrize("row", re.findall(r"^\| `exp\d[^|]*\| \d+ \| \d+ \|.*$", CARD, re.MULTILINE))
def test_scores_in_the_encoders_card_are_those_of_the_committed_metrics(row: str) -> None:
    title, epochs, number, *scores = (cell.strip() for cell in row.strip("|").split("|"))
    runs = runs_of("random-weights" if "random weights" in title else "mirror")[title.split("`")[1]]
    assert (int(epochs), int(number)) == (runs[0].scores.provenance.epochs, len(runs))
    suites = [suite for group in ("headline", "real", "names") for suite in STUDY.group(group)]  # as in its header
    means = [statistics.mean(run.scores.suites[suite].f1 for run in runs) for suite in suites]
    assert scores == [f"{mean:.3f}".lstrip("0") for mean in means]


def test_every_other_reference_is_in_the_encoders_card() -> None:
    for name in set(NAMES) - set(IN_RESULTS):
        assert f"](../../metrics/reference/{name}/summary.md)" in CARD


# --- Numbers in lists -------------------------------------------------------------------------------------------------
# A list item with numbers ends in a comment that names the values which it quotes: `<!-- values: f1 exp2 simonero; … -->`.


@cache
def runs_of(name: str = "mirror") -> dict[str, list[Run]]:
    return load_runs(REFERENCE / name, STUDY.experiments)[0]


@cache
def comparisons() -> list[Comparison]:
    rows = srsly.read_json(REFERENCE / "mirror" / "significance.json")["comparisons"]
    return [Comparison.model_validate(row) for row in rows]


def f1(experiment: str, suite: str, reference: str = "mirror") -> list[float]:
    """Mean F1 over runs."""
    return [statistics.mean(run.scores.suites[suite].f1 for run in runs_of(reference)[experiment])]


def difference(after: str, before: str, suite: str) -> list[float]:
    """Difference and interval."""
    key = (after, before, suite)
    one = next(one for one in comparisons() if (one.after, one.before, one.suite) == key)
    return [one.difference, *one.interval]


def kind(experiment: str, suite: str, group: str, reference: str = "mirror") -> list[float]:
    """Mean F1 over runs by a way of matching (``strict``, ``type``, ``type:LABEL``), or of ``seen`` or ``unseen``."""
    suites = [srsly.read_json(run.folder / "scores.json")["suites"][suite] for run in runs_of(reference)[experiment]]
    way, _, label = group.partition(":")
    if way in ("seen", "unseen"):
        return [statistics.mean(one[way]["f1"] for one in suites)]
    matched = [one["matching"]["labels"][label] if label else one["matching"] for one in suites]
    return [statistics.mean(one[way]["f1"] for one in matched)]


def change(experiment: str, perturbation: str) -> list[float]:
    """Mean change of F1 by a perturbation over four suites, in points, and the sentences of each; ``_`` is a space."""
    found = read_output(REFERENCE / "mirror" / "robustness" / f"{experiment}.json", Robustness, "")
    suites = ("med-ro", "med-fr", "simonero", "e3c")
    changes = (found.change(suite, perturbation.replace("_", " ")) for suite in suites)
    return [100 * statistics.mean(changes), found.sentences]


def ece(experiment: str, suite: str) -> list[float]:
    """Expected calibration error of the main run."""
    return [srsly.read_json(REFERENCE / "mirror" / experiment / "calibration.json")[suite]["ece"]]


VALUES = {function.__name__: function for function in (f1, difference, kind, change, ece)}
# Decimals, percentages, and whole numbers of three digits or more, outside of names.
NUMBER = re.compile(r"(?<![\w.,])[+−]?(?:\d[\d,]*\.\d+|\d+(?= %| to \d+ %)|\d[\d,]*\d{2})(?![\w])")
ITEM = re.compile(r"^- .*?(?=^\S|^$|\Z)", re.MULTILINE | re.DOTALL)


def items(document: str) -> list[str]:
    """The list items of a document that name the values which they quote."""
    return [item for item in ITEM.findall(document) if "<!-- values:" in item]


def quoted(item: str) -> list[str]:
    text = re.sub(r"<!--.*?-->|`[^`]*`|\]\([^)]*\)", "", item, flags=re.DOTALL)
    return NUMBER.findall(text)


def named(item: str) -> list[float]:
    [names] = re.findall(r"<!-- values: (.*?) -->", item, re.DOTALL)
    return [value for name in names.split(";") for value in VALUES[name.split()[0]](*name.split()[1:])]


def is_shown(number: str, value: float) -> bool:
    """Whether a number is the value, as it would be rounded; a sign that is written has to be right."""
    digits = number.lstrip("+−").replace(",", "")
    if number[0] in "+−" and (number[0] == "−") != (value < 0):
        return False
    decimals = len(digits.partition(".")[2])
    return digits in {f"{abs(value):.{decimals}f}", f"{100 * abs(value):.0f}"}


def test_numbers_are_found_and_checked() -> None:
    item = "- `exp2` has 0.53 (+0.003 [−0.020, +0.026]), 64 to 76 % of 1,147 and 230.\n"
    assert quoted(item) == ["0.53", "+0.003", "−0.020", "+0.026", "64", "76", "1,147", "230"]
    assert is_shown("0.53", 0.527)
    assert is_shown("−0.020", -0.0201)
    assert not is_shown("+0.020", -0.0201)
    assert is_shown("64", 0.6449)
    assert is_shown("1,147", 1147)
    assert not is_shown("0.54", 0.527)


def test_numbers_in_lists_come_from_the_committed_metrics() -> None:
    found = items(RESULTS.read_text())
    assert len(found) > 3
    for item in found:
        values = named(item)
        wrong = [number for number in quoted(item) if not any(is_shown(number, value) for value in values)]
        assert not wrong, item


def test_the_readme_quotes_nothing_else() -> None:
    """The numbers among its results that no step wrote are those of the repeated study."""
    section = (ROOT / "README.md").read_text().partition("## Results\n")[2].partition("\n## ")[0]
    by_hand = re.sub(r"<!-- (\w+) of .*? start -->.*?<!-- \1 of .*? end -->", "", section, flags=re.DOTALL)
    assert len(by_hand) < len(section) / 2
    assert {float(number) for number in quoted(by_hand)} <= {*STUDY.claims.values(), 95}


def test_sizes_of_suites_in_the_data_document() -> None:
    """Of those that exp3 was evaluated on."""
    data = (ROOT / "docs" / "data.md").read_text()
    for suite in STUDY.group("real"):
        score = runs_of()["exp3"][0].scores.suites[suite]
        assert f"| `{suite}` | {score.documents:,} | {score.support:,} |" in data


# --- Commands and links -----------------------------------------------------------------------------------------------


def test_the_commands_are_those_of_project_yml(tmp_path: Path) -> None:
    """As `make readme` writes them."""
    shutil.copy(ROOT / "project.yml", tmp_path)
    before = (ROOT / "docs" / "commands.md").read_text()
    after = tmp_path / "commands.md"
    after.write_text(before)
    project_document(tmp_path, after, no_emoji=True)
    assert after.read_text().replace("(project.yml)", "(../project.yml)") == before


@pytest.mark.parametrize("document", DOCUMENTS)
def test_scripts_and_workflows_that_are_named_exist(document: str) -> None:
    text = (ROOT / document).read_text()
    for path in re.findall(r"\b(?:scripts|benchmarks|configs|medner)/[\w/.-]+\.(?:py|yml|cfg)\b", text):
        assert (ROOT / path).is_file(), path
    project = srsly.read_yaml(ROOT / "project.yml")
    runnable = {*project["workflows"], *(command["name"] for command in project["commands"])}
    assert set(re.findall(r"spacy project run ([\w-]+)", text)) <= runnable


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_and_sections_that_are_linked_exist(document: str) -> None:
    for link in re.findall(r"\]\(([^):]+)\)", (ROOT / document).read_text()):
        file, _, section = link.partition("#")
        target = (ROOT / document).parent / file if file else ROOT / document
        assert target.exists(), link
        titles = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE) if section else []
        anchors = [re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles]
        assert section in ["", *anchors], link


def test_the_readme_is_short() -> None:
    """A stranger reads it in ten minutes."""
    lines = (ROOT / "README.md").read_text().splitlines()
    assert len(lines) <= 180
    assert max(map(len, lines)) <= 100
    assert sum(len(line.split()) for line in lines) <= 1500


def test_citation_and_changelog_are_of_this_version() -> None:
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == medner.__version__
    newest = (ROOT / "CHANGELOG.md").read_text().split("\n## ")[1]
    assert newest.startswith(f"{medner.__version__} (")
