"""A wheel installs and loads without medner, and its card says what is known of the pipeline."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from email import message_from_bytes
from importlib.metadata import version
from pathlib import Path

import pytest
import spacy
from conftest import ROOT
from made import group_score, provenance, scores, source_under_test, suite_score
from made_wheel import MADE_WITH, TEXT, train
from thinc.api import Config
from typer.testing import CliRunner, Result

from medner.cli import app
from medner.evaluation.calibration import FILE, Calibration, SuiteCalibration, Threshold
from medner.evaluation.dev import DevScores
from medner.evaluation.results import SCORES
from medner.outputs import write_output
from medner.packaging.card import read_subject, render
from medner.packaging.code import registered_modules, requirements, sources

WHEEL = "xx_medner_ro_fr-1.2.0-py3-none-any.whl"
NAMED = ["--name", "medner_ro_fr", "--version", "1.2.0"]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("training") / "exp2-bio" / "model-best"
    train(folder)
    return folder


@pytest.fixture(scope="module")
def metrics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scores of the run that made the pipeline, and thresholds."""
    folder = tmp_path_factory.mktemp("metrics")
    made = scores(suites={"simonero": suite_score(0.5)}).model_copy(update={"provenance": MADE_WITH})
    write_output(folder / "exp2-bio" / SCORES, made)
    threshold = Threshold(threshold=0.71, precision=0.912, recall=0.404)
    some = Calibration(entities=9, gold=8, ece=0.05, brier=0.1, thresholds={"0.8": threshold, "0.9": None})
    calibration = SuiteCalibration(**dict(some), bins=[], curve=[], seen=some, unseen=some, labels={"MEDICAL": some})
    write_output(folder / "exp2-bio" / FILE, {"simonero": calibration})
    of_dev = DevScores(
        provenance=MADE_WITH,
        parts={"ronec": source_under_test()},
        score=group_score(0.625),
        f1_interval=(0.5, 0.75),
        sources={"ronec": group_score(0.625)},
        thresholds={"MEDICAL": {"0.8": threshold, "0.9": None}},
    )
    write_output(folder / "dev" / "exp2-bio.json", of_dev)
    return folder


@pytest.fixture(scope="module")
def wheel(pipeline: Path, metrics: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("dist")
    result = run("package", pipeline.parent, *NAMED, "--metrics", metrics, "--output", output)
    assert result.exit_code == 0, result.output
    return output / WHEEL


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pip has installed the wheel, with nothing else."""
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", target, wheel]
    subprocess.run(pip, check=True, timeout=120)
    return target


WITHOUT_MEDNER = """
import importlib.metadata, sys
found = importlib.metadata.distributions
importlib.metadata.distributions = lambda **options: (one for one in found(**options) if one.name != "medner")
sys.modules["medner"] = None  # importing it fails
"""


@pytest.mark.parametrize("start", [WITHOUT_MEDNER, "import medner"], ids=["without medner", "with medner"])
def test_it_installs_and_loads(start: str, pipeline: Path, site: Path) -> None:
    code = f"""{start}
import spacy
nlp = spacy.load("xx_medner_ro_fr")
assert (nlp.meta["name"], nlp.meta["version"]) == ("medner_ro_fr", "1.2.0")
doc = nlp({TEXT!r})
assert [(e.text, e.label_) for e in doc.ents] == [("Ana Pop", "PERSON"), ("diabet", "MEDICAL")], doc.ents
assert all(e._.confidence > 0.5 for e in doc.ents)
import sys
print([module for module in sys.modules if module.startswith("xx_medner_ro_fr.")])
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)])}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert ("xx_medner_ro_fr.bio" in done.stdout) is (start is WITHOUT_MEDNER)


def test_the_sum_is_that_of_the_wheel(wheel: Path) -> None:
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert (wheel.parent / f"{WHEEL}.sha256").read_text() == f"{digest}  {WHEEL}\n"
    assert sorted(path.name for path in wheel.parent.iterdir()) == [WHEEL, f"{WHEEL}.sha256"]


def test_the_same_pipeline_gives_the_same_wheel(pipeline: Path, metrics: Path, wheel: Path, tmp_path: Path) -> None:
    assert run("package", pipeline, *NAMED, "--metrics", metrics, "--output", tmp_path).exit_code == 0
    assert (tmp_path / WHEEL).read_bytes() == wheel.read_bytes()


def test_requirements_are_pinned(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        about = message_from_bytes(archive.read("xx_medner_ro_fr-1.2.0.dist-info/METADATA"))
    pins = [f"{name}=={version(name).partition('+')[0]}" for name in ("spacy", "torch")]
    assert sorted(about.get_all("Requires-Dist") or []) == pins
    assert "PERSON" in about["Summary"]


def test_the_card_says_what_is_known(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        card = archive.read("xx_medner_ro_fr/xx_medner_ro_fr-1.2.0/README.md").decode()
    assert "| ronec | ro | RONEC v1 | MIT |" in card
    assert r"| med-ro | ro | synthetic \| text | CC BY 4.0 |" in card
    assert "| simonero | 2 | 0.500 | 0.500 | **0.500** | [0.480, 0.520] |" in card
    assert "| simonero | 0.500 (2) |" in card
    assert "| simonero | MEDICAL | 0.050 | 0.71 (0.404) | – |" in card
    assert "| exp2-bio | **0.625** [0.500, 0.750] | 0.625 |" in card  # on dev text
    assert "| MEDICAL | 0.71 (R 0.40) | none |" in card
    assert "not for clinical decisions" in card
    assert f"pip install {WHEEL}" in card


def test_scores_of_another_run_are_not_taken(pipeline: Path, tmp_path: Path) -> None:
    other = scores(suites={"simonero": suite_score(0.5)}).model_copy(
        update={"provenance": MADE_WITH.model_copy(update={"seed": 7})}
    )
    write_output(tmp_path / "exp2-bio" / SCORES, other)
    subject = read_subject(pipeline, tmp_path, ROOT)
    card = render(subject, "xx_p", "1.0.0", "xx_p.whl", subject.licence)
    assert "None: the scores at hand are those of another run of this experiment." in card
    assert "No thresholds were measured" in card


def test_a_pipeline_without_record_has_a_card(tmp_path: Path) -> None:
    train(tmp_path / "p", made_with=None)
    subject = read_subject(tmp_path / "p", tmp_path, ROOT)
    card = render(subject, "xx_p", "1.0.0", "xx_p.whl", subject.licence)
    assert "Unknown: the pipeline has no record of its training." in card


def test_stand_ins_and_the_embedded_encoder_s_licence_are_named(tmp_path: Path) -> None:
    origin = MADE_WITH.sources["ronec"].model_copy(update={"stand_in": True})
    encoder = MADE_WITH.encoder.model_copy(update={"embedded": True})
    train(tmp_path / "p", provenance("exp1", sources={"ronec": origin}, encoder=encoder))
    subject = read_subject(tmp_path / "p", tmp_path, ROOT)
    assert subject.licence == "CC BY-SA 4.0"
    assert "**Trained on stand-ins** for ronec" in render(subject, "xx_p", "1.0.0", "xx_p.whl", subject.licence)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no-such-experiment"], "no such pipeline. Give a trained experiment"),
        (["{pipeline}", "--name", "Ro Fr"], "is not a package name"),
        (["{pipeline}", "--version", "../1"], "'../1' is not a version"),
        (["{pipeline}", "--output", "{pipeline}/meta.json"], "cannot be written"),
        (["{damaged}"], "medner.BioTagger.v9"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(pipeline: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    damaged = shutil.copytree(pipeline, tmp_path / "damaged")
    config = damaged / "config.cfg"
    config.write_text(config.read_text().replace("medner.BioTagger.v1", "medner.BioTagger.v9"))
    places = {"pipeline": pipeline, "damaged": damaged}
    output = [] if "--output" in arguments else ["--output", tmp_path / "dist"]
    result = run("package", *(one.format(**places) for one in arguments), *output)
    assert result.exit_code == 1, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("✘")]
    assert len(lines) == 1
    assert message in lines[0]
    assert not (tmp_path / "dist").exists() or not list((tmp_path / "dist").iterdir())


CONFIG = """
[nlp]
lang = "xx"
[nlp.tokenizer]
@tokenizers = "spacy.Tokenizer.v1"
[components]
[components.bio]
factory = "medner_bio"
[components.bio.model]
@architectures = "medner.BioTagger.v1"
[initialize]
[initialize.before_init]
@callbacks = "medner.tokenizer.v1"
"""


def test_code_is_found_by_the_names_in_the_config() -> None:
    spacy.blank("xx")  # makes packages register their factories
    modules = registered_modules(Config().from_str(CONFIG))
    assert {module for module in modules if module.startswith("medner")} == {"medner.model.bio"}
    assert list(sources(modules)) == ["bio.py"]


def test_code_brings_what_it_imports() -> None:
    """Its own imports are relative in the wheel, where files of all rooms stand side by side."""
    code = sources({"medner.model.temperature", "spacy.pipeline"})
    assert list(code) == ["bio.py", "temperature.py"]
    assert "\nfrom .bio import BioRecogniser" in code["temperature.py"]
    assert {one.partition("==")[0] for one in requirements(set(), code)} == {"spacy", "torch", "scipy"}
