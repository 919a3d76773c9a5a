"""The corpus folder: its files, its manifests, and what is left out of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import convert as step
import pytest
import srsly
from conftest import GOLDEN, ROOT
from typer.testing import CliRunner

from medner.data.build import build_corpus, corpus_files
from medner.data.docbins import read_docbin
from medner.data.labels import load_scheme
from medner.data.manifests import Origin, read_manifest, read_training_manifest
from medner.data.tokenizer import blank
from medner.exceptions import InputError
from medner.files import sha256
from medner.study import Experiment, Study, load_study

STUDY = load_study(ROOT / "configs" / "experiments.yml")
SCHEME = load_scheme(ROOT / "configs" / "labels.yml")
ABSENT = "neither present, nor in a mirror, nor on the network"


def test_an_experiment_on_an_evaluation_corpus_is_refused() -> None:
    """E3C has no train part."""
    mix = Experiment(model="cnn", sources=("e3c",))
    study = Study(sources={"e3c": STUDY.sources["e3c"]}, experiments={"mix": mix}, suites={})
    with pytest.raises(InputError, match="mix needs a train part of e3c, which has none"):
        corpus_files(study, [("e3c", "test")])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project folder whose fetch step found RONEC's sample and E3C."""
    assets = tmp_path / "root" / "assets"
    for lang in ("ro", "fr"):
        (assets / "synthetic" / lang).mkdir(parents=True)
        for split in ("train", "dev", "test"):
            lines = (ROOT / "assets" / "synthetic" / lang / f"{split}.jsonl").read_text().split("\n")
            (assets / "synthetic" / lang / f"{split}.jsonl").write_text("\n".join(lines[:3]))
    (assets / "sample").mkdir()
    for split in ("train", "valid", "test"):
        items = json.loads((ROOT / "assets" / "sample" / f"{split}.json").read_text())[:3]
        (assets / "sample" / f"{split}.json").write_text(json.dumps(items))
    shutil.copytree(GOLDEN / "e3c" / "good", assets / "fetched" / "e3c.zip")  # a folder reads like a zip
    manifest = {
        "ronec": {"variant": "sample", "note": "SAMPLE"},
        "files": {
            "e3c": {"path": "assets/fetched/e3c.zip", "licence": "CC BY-NC", "available": True},
            "quaero": {"path": "assets/fetched/quaero.zip", "licence": "GFDL", "available": False, "reason": ABSENT},
        },
    }
    (assets / "fetched" / "manifest.json").write_text(json.dumps(manifest))
    return tmp_path / "root"


def test_tags_without_a_beginning_are_noticed(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "configs", root / "configs")
    entry = (
        "sources:\n  own: {format: conll, data: own.conll, labels: {map: {DISO: MEDICAL}}, lang: ro, note: mine, "
        "shares: {dev: 0, test: 0}}\n"
    )
    study = root / "configs" / "experiments.yml"
    study.write_text(study.read_text().replace("sources:\n", entry, 1))
    (root / "own.conll").write_text("Are O\nHTA I-DISO\n\nȘi O\nastm B-DISO\nsever I-DISO\n")
    monkeypatch.setattr(step, "ROOT", root)
    result = CliRunner().invoke(step.app, ["--root", str(root), "--output", str(tmp_path / "corpus")])
    assert result.exit_code == 0, result.output
    assert (
        "⚠ own train: mentions that begin with I-, and so count as O: 1. Write B- where a mention starts."
        in result.output
    )


def test_suites_without_data_are_skipped_with_a_reason(root: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(step.app, ["--root", str(root), "--output", str(tmp_path / "corpus")])
    assert result.exit_code == 0, result.output
    suites, experiments = (line for line in result.output.splitlines() if f"(quaero is {ABSENT})" in line)
    assert suites.startswith("⚠ Skipped suites: ")
    assert f"; quaero-emea, quaero-medline (quaero is {ABSENT})" in suites
    assert experiments.startswith("⚠ Experiments that cannot be trained: ")
    assert "gold-fr" in experiments
    manifest = srsly.read_json(tmp_path / "corpus" / "manifest.json")
    echr = [
        f"echr-fr-{split} is unknown to the fetch step (configs/downloads.yml)" for split in ("train", "dev", "test")
    ]
    assert manifest["skipped"] == {
        "echr-fr": "; ".join(echr),
        "wikineural-fr": "wikineural-fr is unknown to the fetch step (configs/downloads.yml)",
        "simonero": "simonero-dev is unknown to the fetch step (configs/downloads.yml)",
        "quaero-emea": f"quaero is {ABSENT}",
        "quaero-medline": f"quaero is {ABSENT}",
        "mantra": "mantra is unknown to the fetch step (configs/downloads.yml)",
    }
    assert list(manifest["suites"]) == ["e3c", "ronec", "med-ro", "med-fr", "combined"]
    lacking = ("gold", "silver", "exp4")
    assert list(manifest["experiments"]) == [name for name in STUDY.trained if not name.startswith(lacking)]
    about = manifest["sources"]["e3c"]
    assert (about["annotated"], about["stand_in"], list(about["splits"])) == (["MEDICAL"], False, ["test"])
    assert about["splits"]["test"]["quirks"] == {
        "across sentences CLINENTITY": 1,
        "discontinuous CLINENTITY": 1,
        "nested MEDICAL": 1,
    }
    records = read_docbin(tmp_path / "corpus" / "e3c" / "test.spacy", blank())
    assert [record.surface(e) for record in records for e in record.entities] == [
        "fébrile",
        "Douleurs pubiennes",
        "masse",
    ]
    statistics = (tmp_path / "corpus" / "statistics.md").read_text()
    assert "| e3c | test | 2 |" in statistics
    assert "- e3c test: across sentences CLINENTITY 1, discontinuous CLINENTITY 1, nested MEDICAL 1" in statistics


def test_a_damaged_manifest_of_the_fetch_step(root: Path, tmp_path: Path) -> None:
    path = root / "assets" / "fetched" / "manifest.json"
    path.write_text("[]")
    result = CliRunner().invoke(step.app, ["--root", str(root), "--output", str(tmp_path / "corpus")])
    assert result.exit_code == 1
    assert (
        f"{path}: not what the fetch step writes (Input should be an object). Run the fetch step again."
        in result.output
    )


def test_each_experiment_has_a_manifest_of_its_own(root: Path, tmp_path: Path) -> None:
    """So that a training need not run again when a suite is added."""
    corpus = build_corpus(STUDY, SCHEME, root, tmp_path / "corpus")
    assert corpus.manifest == read_manifest(tmp_path / "corpus")
    own = read_training_manifest(tmp_path / "corpus" / "only-ro")
    assert own.sources == {"med-ro": Origin(note="synthetic, written by a language model", stand_in=False)}
    assert own.persons == "named"
    with pytest.raises(InputError, match=f"gold-fr cannot be trained: quaero is {ABSENT}. Give a mirror"):
        read_training_manifest(tmp_path / "corpus" / "gold-fr")
    assert corpus.untrainable["gold-fr"] == f"quaero is {ABSENT}"
    assert not (tmp_path / "corpus" / "gold-fr" / "train.spacy").exists()


def test_the_manifest_has_the_checksum_of_every_file(root: Path, tmp_path: Path) -> None:
    checksums = build_corpus(STUDY, SCHEME, root, tmp_path / "corpus").manifest.sha256
    files = (tmp_path / "corpus").rglob("*.spacy")
    assert checksums == {str(p.relative_to(tmp_path / "corpus")): sha256(p.read_bytes()) for p in files}
    assert "combined/test.spacy" in checksums


def test_nothing_is_written_if_a_source_is_damaged(root: Path, tmp_path: Path) -> None:
    (root / "assets" / "synthetic" / "ro" / "dev.jsonl").write_text("{")
    with pytest.raises(InputError, match="dev.jsonl, line 1: Invalid JSON"):
        build_corpus(STUDY, SCHEME, root, tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists()
