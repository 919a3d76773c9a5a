from __future__ import annotations

from pathlib import Path

import pytest
from conftest import ROOT
from made import run, scores, suite_score

from medner.evaluation.results import SCORES, load_runs, main_run, read_run, some_runs
from medner.exceptions import InputError
from medner.files import read_json
from medner.outputs import write_output
from medner.study import load_study


def test_runs_are_found_by_seed(tmp_path: Path) -> None:
    for seed in (0, 1, 2):
        run(tmp_path, scores(seed=seed), main=seed == 0)
    run(tmp_path, scores(seed=3, epochs=20), main=False)  # another training than the main run's
    run(tmp_path, scores(seed=4, made_with={"torch": "2"}), main=False)  # packages move scores as a seed does
    runs, left_out = load_runs(tmp_path, ["exp1", "not-evaluated"])
    assert {name: [found.seed for found in own] for name, own in runs.items()} == {"exp1": [0, 1, 2, 4]}
    assert left_out == [tmp_path / "seeds" / "3" / "exp1"]


def test_a_run_with_a_suite_of_other_sources_is_left_out(tmp_path: Path) -> None:
    for seed, sources in enumerate((["s"], ["s", "t"])):
        run(tmp_path, scores(suites={"s": suite_score(sources=sources)}, seed=seed), main=not seed)
    _, left_out = load_runs(tmp_path, ["exp1"])
    assert left_out == [tmp_path / "seeds" / "1" / "exp1"]


def test_a_run_of_another_experiment_is_named(tmp_path: Path) -> None:
    run(tmp_path, scores("exp1"))
    (tmp_path / "exp1").rename(tmp_path / "exp2")
    with pytest.raises(InputError, match=r"exp2/scores.json: is of exp1, not of exp2"):
        load_runs(tmp_path, ["exp2"])


def test_the_first_seed_stands_in_for_a_missing_main_run(tmp_path: Path) -> None:
    for seed in (2, 1):
        run(tmp_path, scores(seed=seed), main=False)
    assert main_run(load_runs(tmp_path, ["exp1"])[0]["exp1"], tmp_path).seed == 1
    run(tmp_path, scores(seed=5))
    assert main_run(load_runs(tmp_path, ["exp1"])[0]["exp1"], tmp_path).seed == 5


def test_nothing_evaluated(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no evaluated experiment. Run an evaluate step first"):
        some_runs(tmp_path, ["exp1"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", r"scores.json: not what the evaluate step writes \(provenance: missing\)\. Run the evaluate step again"),
        ("[]", "scores.json: not what the evaluate step writes"),
        ("{", "scores.json: not what the evaluate step writes"),
    ],
)
def test_damaged_scores(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "exp1").mkdir()
    (tmp_path / "exp1" / SCORES).write_text(text)
    with pytest.raises(InputError, match=message):
        load_runs(tmp_path, ["exp1"])


@pytest.mark.parametrize("reference", sorted((ROOT / "metrics" / "reference").glob("*/")), ids=lambda path: path.name)
def test_reference_results_are_read_and_written_unchanged(reference: Path, tmp_path: Path) -> None:
    runs, left_out = load_runs(reference, load_study(ROOT / "configs" / "experiments.yml").experiments)
    assert runs
    assert not left_out
    for own in runs.values():
        for found in own:
            write_output(tmp_path / SCORES, found.scores)
            written, committed = (read_json(folder / SCORES) for folder in (tmp_path, found.folder))
            assert written["suites"] == committed["suites"]
            assert read_run(tmp_path).scores == found.scores
