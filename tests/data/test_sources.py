"""Sources that are available, sources that are missing, and text that must not be in training data."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from conftest import ROOT

from medner.data.labels import load_scheme
from medner.data.manifests import FetchedFile
from medner.data.overlap import Overlap
from medner.data.sources import medical_splits, missing_sources, ronec_splits
from medner.exceptions import InputError
from medner.files import packed
from medner.study import Source, Study, load_study, reasons

STUDY = load_study(ROOT / "configs" / "experiments.yml")
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


def test_no_test_sentence_is_in_training_data(files: dict[str, Path]) -> None:
    parts = medical_splits(STUDY, ["simonero", "monero", "quaero-emea", "quaero-medline"], files, SCHEME)
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


def test_ronec_train_holds_no_valid_or_test_sentence(tmp_path: Path) -> None:
    """In every version: the parts of v2 share sentences too."""
    for split in ("train", "valid", "test"):
        shutil.copy(ROOT / "assets" / "sample" / f"{split}.json", tmp_path)
    parts = {split: json.loads((tmp_path / f"{split}.json").read_text()) for split in ("train", "valid", "test")}
    own = len(parts["train"])
    (tmp_path / "train.json").write_text(json.dumps([*parts["train"], parts["valid"][0], parts["test"][0]]))
    found = ronec_splits("sample", tmp_path, tmp_path, SCHEME)
    assert (len(found["train"].records), found["train"].tally.overlapping) == (own, 2)


def test_the_dev_part_is_reproducible(files: dict[str, Path]) -> None:
    first, again = (medical_splits(STUDY, ["simonero", "monero"], files, SCHEME)["monero"]["dev"] for _ in range(2))
    assert first.records == again.records
    assert first.records


def test_a_source_without_a_reader_is_refused(files: dict[str, Path]) -> None:
    cardio = Source(labels="monero", lang="ro", files=("simonero-dev",), note="n")
    study = Study(sources={"cardio": cardio}, experiments={}, suites={})
    with pytest.raises(
        InputError,
        match="source 'cardio' has no reader. Add format and data to its entry, or use one of simonero, monero, ",
    ):
        medical_splits(study, ["cardio"], files, SCHEME)


def test_monero_is_left_out_without_simonero() -> None:
    names = ("monero-cardiology", "monero-diabetes", "monero-endocrinology", "simonero-dev")
    files = {name: FetchedFile(path=f"{name}.txt", licence="MIT", available=True) for name in names}
    files["simonero-dev"] = FetchedFile(path="dev.conllu", licence="MIT", available=False, reason=ABSENT)
    missing = missing_sources(STUDY, files)
    assert missing["monero"] == missing["simonero"] == f"simonero-dev is {ABSENT}"
    assert missing["e3c"] == "e3c is unknown to the fetch step (configs/downloads.yml)"
    assert set(STUDY.without(missing).suites) == {"ronec", "med-ro", "med-fr", "combined"}
    left_out = reasons(STUDY.experiments, missing)
    assert set(left_out) == {name for name in STUDY.trained if name.startswith(("gold", "silver", "exp4"))}
    assert left_out["gold-bio"] == left_out["silver-ro"] == missing["monero"]
    assert left_out["gold-fr-bio"] == missing["quaero-emea"]
