"""Sources that are there, sources that are missing, and what must not train."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import convert as step
import pytest
import srsly
from conftest import GOLDEN, ROOT
from typer.testing import CliRunner

from medner.data.build import corpus_files
from medner.data.docbins import read_docbin
from medner.data.labels import load_scheme
from medner.data.manifests import FetchedFile
from medner.data.overlap import Overlap
from medner.data.sources import medical_splits, missing_sources, ronec_splits
from medner.data.tokenizer import blank
from medner.exceptions import InputError
from medner.files import packed
from medner.study import Experiment, Source, Study, load_study, reasons

PLAN = load_study(ROOT / "configs" / "experiments.yml")
SCHEME = load_scheme(ROOT / "configs" / "labels.yml")
ABSENT = "neither present, nor in a mirror, nor on the network"


def row(number: int, form: str, tag: str) -> str:
    return f"{number}\t{form}\t_\t_\t_\t_\t0\t_\t_\t{'_' if tag == 'O' else f'BioNERLabel={tag}'}\n"


def conllu(sentences: list[str]) -> str:
    return "".join(
        f"# sent_id = dev-{n}\n# text = {text}\n"
        + "".join(row(i, word, "B-DISO" if word == "astm" else "O") for i, word in enumerate(text.split(), start=1))
        + "\n"
        for n, text in enumerate(sentences)
    )


def columns(sentences: list[str]) -> str:
    return "".join(
        "".join(f"{word}\t_\t{'B-DISO' if word == 'astm' else 'O'}\t_\n" for word in text.split()) + "\n"
        for text in sentences
    )


TEST = [f"Pacienta numărul {n} are astm și tușește de {n} luni fără niciun tratament" for n in range(5)]
TRAIN = [f"Bolnavul din salonul {n} are astm" for n in range(40)]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """SiMoNERo, a MoNERo that holds some of its sentences, and a QUAERO whose train and dev share a line."""
    near = TEST[1] + " sau ajutor"
    texts = {
        "simonero-dev": conllu(TEST),
        "monero-cardiology": columns([*TRAIN[:20], TEST[0]]),
        "monero-diabetes": columns([*TRAIN[20:], near]),
        "monero-endocrinology": columns(["Alt pacient cu astm", "Alt pacient cu astm"]),
    }
    paths = {name: tmp_path / f"{name}.txt" for name in texts}
    for name, text in texts.items():
        paths[name].write_text(text)
    members = {}
    for part, genre, text in [
        ("train", "EMEA", " Asthme ou toux . \n Ne prenez pas ce médicament . \n"),
        ("dev", "EMEA", " Ne prenez pas ce médicament . \n"),
        ("train", "MEDLINE", "Asthme.\n"),
        ("dev", "MEDLINE", "Asthme ou toux. \n"),
    ]:
        mention = f"T1\tDISO {text.index('Asthme')} {text.index('Asthme') + 6}\tAsthme\n" if "Asthme" in text else ""
        members |= {f"{part}/{genre}/1.txt": text.encode(), f"{part}/{genre}/1.ann": mention.encode()}
    paths["quaero"] = tmp_path / "quaero.zip"
    paths["quaero"].write_bytes(packed(members))
    return paths


def test_no_test_sentence_trains(files: dict[str, Path]) -> None:
    parts = medical_splits(PLAN, ["simonero", "monero", "quaero-emea", "quaero-medline"], files, SCHEME)
    assert {source: list(splits) for source, splits in parts.items()} == {
        "simonero": ["test"],
        "monero": ["train", "dev"],
        "quaero-emea": ["train", "dev", "test"],
        "quaero-medline": ["train", "dev", "test"],
    }
    monero = parts["monero"]
    held_out = Overlap(TEST)
    assert all(not held_out.find(record.text) for part in monero.values() for record in part.records)
    assert monero["train"].tally.overlapping == 2  # one exact, one near
    assert len(monero["train"].records) + len(monero["dev"].records) + monero["dev"].tally.overlapping == 42
    assert len(monero["dev"].records) + monero["dev"].tally.overlapping == 4  # a tenth
    assert {entity.label for part in monero.values() for r in part.records for entity in r.entities} == {"MEDICAL"}
    # EMEA's first line is a MEDLINE test title, its second an EMEA test line.
    assert [record.text for record in parts["quaero-emea"]["train"].records] == []
    assert parts["quaero-emea"]["train"].tally.overlapping == 2


def test_ronec_trains_on_no_sentence_of_its_own_valid_and_test(tmp_path: Path) -> None:
    """In no version: v2's parts share sentences too."""
    for split in ("train", "valid", "test"):
        shutil.copy(ROOT / "assets" / "sample" / f"{split}.json", tmp_path)
    parts = {split: json.loads((tmp_path / f"{split}.json").read_text()) for split in ("train", "valid", "test")}
    own = len(parts["train"])
    (tmp_path / "train.json").write_text(json.dumps([*parts["train"], parts["valid"][0], parts["test"][0]]))
    found = ronec_splits("sample", tmp_path, tmp_path, SCHEME)
    assert (len(found["train"].records), found["train"].tally.overlapping) == (own, 2)


def test_the_dev_part_is_the_same_every_time(files: dict[str, Path]) -> None:
    first, again = (medical_splits(PLAN, ["simonero", "monero"], files, SCHEME)["monero"]["dev"] for _ in range(2))
    assert first.records == again.records
    assert first.records


def test_a_source_without_a_reader_is_told(files: dict[str, Path]) -> None:
    cardio = Source(labels="monero", lang="ro", files=("simonero-dev",), note="n")
    study = Study(sources={"cardio": cardio}, experiments={}, suites={})
    with pytest.raises(InputError, match="source 'cardio' has no reader. Known ones are simonero, monero, "):
        medical_splits(study, ["cardio"], files, SCHEME)


def test_monero_does_not_train_without_simonero() -> None:
    names = ("monero-cardiology", "monero-diabetes", "monero-endocrinology", "simonero-dev")
    files = {name: FetchedFile(path=f"{name}.txt", licence="MIT", available=True) for name in names}
    files["simonero-dev"] = FetchedFile(path="dev.conllu", licence="MIT", available=False, reason=ABSENT)
    missing = missing_sources(PLAN, files)
    assert missing["monero"] == missing["simonero"] == f"simonero-dev is {ABSENT}"
    assert missing["e3c"] == "e3c is unknown to the fetch step (configs/downloads.yml)"
    assert set(PLAN.without(missing).suites) == {"ronec", "med-ro", "med-fr", "combined"}
    assert reasons(PLAN.experiments, missing) == {"gold": missing["monero"], "gold-fr": missing["quaero-emea"]}


def test_an_experiment_on_an_evaluation_corpus_is_refused() -> None:
    """E3C has no train part: it is for evaluation only."""
    mix = Experiment(model="cnn", sources=("e3c",))
    study = Study(sources={"e3c": PLAN.sources["e3c"]}, experiments={"mix": mix}, suites={})
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


def test_suites_without_data_are_skipped_and_marked(root: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(step.app, ["--root", str(root), "--output", str(tmp_path / "corpus")])
    assert result.exit_code == 0, result.output
    assert f"⚠ Suite quaero-emea is skipped: quaero is {ABSENT}." in result.output
    assert f"⚠ Experiment gold-fr cannot be trained: quaero is {ABSENT}." in result.output
    manifest = srsly.read_json(tmp_path / "corpus" / "manifest.json")
    assert manifest["skipped"] == {
        "simonero": "simonero-dev is unknown to the fetch step (configs/downloads.yml)",
        "quaero-emea": f"quaero is {ABSENT}",
        "quaero-medline": f"quaero is {ABSENT}",
        "mantra": "mantra is unknown to the fetch step (configs/downloads.yml)",
    }
    assert list(manifest["suites"]) == ["ronec", "med-ro", "med-fr", "combined", "e3c"]
    assert list(manifest["experiments"]) == [
        "exp1",
        "exp2",
        "exp3",
        "exp1-cnn",
        "exp3-cnn",
        "only-ro",
        "only-fr",
        "ronec-fr",
    ]
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


def test_what_is_no_manifest_of_the_fetch_step(root: Path, tmp_path: Path) -> None:
    path = root / "assets" / "fetched" / "manifest.json"
    path.write_text("[]")
    result = CliRunner().invoke(step.app, ["--root", str(root), "--output", str(tmp_path / "corpus")])
    assert result.exit_code == 1
    assert (
        f"{path}: not what the fetch step writes (Input should be an object). Run the fetch step again."
        in result.output
    )


def test_what_a_training_run_reads(root: Path, tmp_path: Path) -> None:
    """Its own folder alone, so that a suite that comes later does not make it run again."""
    CliRunner().invoke(step.app, ["--root", str(root), "--output", str(tmp_path / "corpus")])
    assert srsly.read_json(tmp_path / "corpus" / "only-ro" / "manifest.json") == {
        "sources": {"med-ro": {"note": "synthetic, written by a language model", "stand_in": False}},
        "persons": "named",
    }
    assert srsly.read_json(tmp_path / "corpus" / "gold-fr" / "manifest.json") == {"missing": f"quaero is {ABSENT}"}
    assert not (tmp_path / "corpus" / "gold-fr" / "train.spacy").exists()
