from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT
from made import source
from spacy.cli._util import parse_config_overrides
from spacy.tokens import DocBin

from medner.data.manifests import MANIFEST, CorpusManifest, TrainingManifest
from medner.data.tokenizer import blank
from medner.evaluation.results import SCORES, Scores, write_counts
from medner.evaluation.runs import Wanted, as_arguments, run_all
from medner.exceptions import InputError
from medner.model.training import prepare
from medner.outputs import write_output

EXPERIMENT = "exp1-cnn"

TRAIN = """
import sys
from pathlib import Path
seed, output = (sys.argv[sys.argv.index(option) + 1] for option in ("--seed", "--output"))
with Path("trained.txt").open("a") as file:
    file.write(seed)
if Path("broken").exists() and seed == "2":
    sys.exit("✘ the disk is full")
Path(output, "model-best").mkdir(parents=True)
"""

EVALUATE = """
import shutil, sys
from pathlib import Path
output = Path(sys.argv[sys.argv.index("--output") + 1])
shutil.copytree(Path("scores") / output.name, output)
"""


def test_overrides_survive_the_way_into_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"a.flag": True, "a.none": None, "a.rate": 0.98, "a.steps": 3, "paths.train": "a folder/x.spacy"}
    monkeypatch.setenv("SPACY_CONFIG_OVERRIDES", as_arguments(said))
    assert parse_config_overrides([]) == said


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project folder with a corpus, whose train and evaluate steps take no time."""
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    corpus = tmp_path / "corpus"
    (corpus / EXPERIMENT).mkdir(parents=True)
    for part in ("train", "dev"):
        DocBin(docs=[blank()("Are HTA.")]).to_disk(corpus / EXPERIMENT / f"{part}.spacy")
    about = TrainingManifest(sources={"s": source()}, persons="named")
    write_output(corpus / EXPERIMENT / MANIFEST, about)
    nothing = CorpusManifest(sources={}, persons="named", experiments={}, suites={}, skipped={}, sha256={})
    write_output(corpus / MANIFEST, nothing)
    (tmp_path / "scripts").mkdir()
    steps = {"train": TRAIN, "evaluate": EVALUATE}
    for name, code in steps.items():
        (tmp_path / "scripts" / f"{name}.py").write_text(f"import os\nos.chdir({str(tmp_path)!r})\n{code}")
    for seed in range(3):
        made = prepare(tmp_path, EXPERIMENT, epochs=None, seed=seed).provenance
        write_output(tmp_path / "scores" / str(seed) / SCORES, Scores(provenance=made, test={}, skipped={}, suites={}))
        write_counts(tmp_path / "scores" / str(seed), {})
    return tmp_path


def wanted(root: Path, seed: int, title: str = "") -> Wanted:
    folders = {"training": root / "training" / str(seed), "metrics": root / "metrics" / str(seed)}
    return Wanted(title or f"seed {seed}", EXPERIMENT, seed=seed, epochs="auto", gpu=-1, **folders)


@pytest.fixture
def make(project: Path) -> Callable[..., list[tuple[str, int | None]]]:
    def made(ray: str, *runs: Wanted) -> list[tuple[str, int | None]]:
        return [(one.title, found.scores.provenance.seed) for one, found in run_all(project, runs, ray=ray)]

    return made


def test_runs_are_made_once_and_stop_at_the_first_that_fails(
    project: Path, make: Callable[..., list[tuple[str, int | None]]]
) -> None:
    (project / "broken").touch()
    with pytest.raises(InputError, match="the train step failed"):
        make("", wanted(project, 0), wanted(project, 2), wanted(project, 1))
    (project / "broken").unlink()
    assert make("", *(wanted(project, seed) for seed in range(3))) == [("seed 0", 0), ("seed 1", 1), ("seed 2", 2)]
    assert (project / "trained.txt").read_text() == "0212"
    assert not list((project / "training").iterdir())


def test_on_ray_a_run_that_fails_is_named_and_the_others_go_on(
    project: Path,
    make: Callable[..., list[tuple[str, int | None]]],
    cluster: None,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Two wanted runs that are the same are one task."""
    (project / "broken").touch()
    runs = [wanted(project, 2), wanted(project, 0), wanted(project, 1), wanted(project, 0, "the same")]
    with pytest.raises(InputError, match=r"1 of 4 runs failed: seed 2\. See"):
        make("local", *runs)
    said = capfd.readouterr().out
    assert "⚠ seed 2: the train step failed (✘ the disk is full)" in said
    assert "✔ the same: evaluated" in said
    assert sorted((project / "trained.txt").read_text()) == ["0", "1", "2"]

    (project / "broken").unlink()
    found = make("local", *runs)
    assert sorted(found) == [("seed 0", 0), ("seed 1", 1), ("seed 2", 2), ("the same", 0)]
    assert sorted((project / "trained.txt").read_text()) == ["0", "1", "2", "2"]
