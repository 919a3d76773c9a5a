"""Test text in training data: which is a fault, and which is reported."""

from __future__ import annotations

from pathlib import Path

import check_overlap as step
import pytest
from conftest import ROOT
from spacy.tokens import DocBin
from typer.testing import CliRunner

from medner.data.build import convert
from medner.data.leakage import LeakageReport, all_pairs, compare, joined_files, leakage_table
from medner.data.manifests import CorpusManifest
from medner.data.records import Entity, Part, Record, Tally
from medner.data.tokenizer import blank
from medner.files import sha256
from medner.outputs import read_output


def record(name: str, text: str, *forms: str) -> Record:
    return Record(name, "ro", text, tuple(Entity(text.index(f), text.index(f) + len(f), "MEDICAL") for f in forms))


RECORDS = [
    record("1", "Pacientul are febră și tuse de trei zile.", "febră", "tuse"),
    record("2", "Fără febră, fără frisoane la internare.", "frisoane"),
    record("3", "Pacientul are febră și tuse de patru zile.", "febră", "tuse"),
    record("4", "A fost chemat Ion Pop la Spitalul Arad."),
]


def docbin(path: Path, records: list[Record], source: str) -> str:
    path.write_bytes(convert(blank(), Part(records, Tally()), source)[0].to_bytes())
    return str(path)


def test_leakage_of_sentences_and_forms(tmp_path: Path) -> None:
    pair = tmp_path / "train.spacy", tmp_path / "test.spacy"
    docbin(pair[0], RECORDS[:1], "ronec")
    docbin(pair[1], RECORDS[:2], "ronec")
    leak = next(compare([pair], tmp_path, [])).leakage
    assert leak.sentences == ["1 (exact)"]
    assert leak.forms == {"MEDICAL": ["febră", "tuse"]}
    assert leak.seen == {"MEDICAL": 0.6667}
    assert next(compare([pair], tmp_path, [], exempt=["febra", "tusea"])).leakage.forms == {"MEDICAL": ["tuse"]}


def test_two_files_are_compared(tmp_path: Path) -> None:
    train = docbin(tmp_path / "train.spacy", RECORDS[:1], "med-ro")
    clean = docbin(tmp_path / "clean.spacy", RECORDS[3:], "med-ro")
    leaky = docbin(tmp_path / "leaky.spacy", RECORDS[1:3], "med-ro")
    output = ["--output", str(tmp_path / "leakage.json")]
    assert CliRunner().invoke(step.app, [train, clean, *output]).exit_code == 0
    result = CliRunner().invoke(step.app, [train, leaky, *output])
    assert result.exit_code == 1
    assert f"{train} holds 2 surface forms of {leaky}" in result.output
    alone = CliRunner().invoke(step.app, [train, *output])
    assert alone.exit_code == 1
    assert "one file alone cannot be compared. Give training and test data, or neither." in alone.output
    (tmp_path / "no.spacy").write_bytes(b"no DocBin")
    broken = CliRunner().invoke(step.app, [str(tmp_path / "no.spacy"), clean, *output])
    assert broken.exit_code == 1
    assert "not a DocBin (" in broken.output


def test_comparing_two_files_keeps_the_report_of_the_study(tmp_path: Path) -> None:
    train, clean = (
        docbin(tmp_path / f"{n}.spacy", part, "med-ro") for n, part in enumerate((RECORDS[:1], RECORDS[3:]))
    )
    kept = ROOT / "metrics" / "leakage.json"
    before = kept.read_bytes() if kept.is_file() else None
    assert CliRunner().invoke(step.app, [train, clean]).exit_code == 0
    assert (kept.read_bytes() if kept.is_file() else None) == before


@pytest.mark.parametrize(
    ("split", "source", "test_source", "fault"),
    [
        (
            "train",
            "med-ro",
            "med-ro",
            "train.spacy holds 1 sentences of test.spacy; train.spacy holds 2 surface forms of test.spacy",
        ),
        ("train", "ronec", "med-ro", "train.spacy holds 1 sentences of test.spacy"),
        ("train", "monero", "simonero", "train.spacy holds 1 sentences of test.spacy"),
        ("dev", "monero", "simonero", ""),  # dev data only choose the best epoch
        ("dev", "ronec", "med-ro", "dev.spacy holds 1 sentences of test.spacy"),
    ],
)
def test_faults(tmp_path: Path, split: str, source: str, test_source: str, fault: str) -> None:
    docbin(tmp_path / f"{split}.spacy", RECORDS[:1], source)
    docbin(tmp_path / "test.spacy", RECORDS[:1], test_source)
    (found,) = compare([(tmp_path / f"{split}.spacy", tmp_path / "test.spacy")], tmp_path, ["med-ro", "med-fr"])
    assert found.name == f"{split}.spacy > test.spacy"
    assert found.leakage.sentences == ["1 (exact)"]
    assert "; ".join(found.faults) == fault


def test_every_training_file_is_compared_with_every_test_file(tmp_path: Path) -> None:
    about = {"note": "n", "stand_in": False, "annotated": ["MEDICAL"], "documents": False}
    counts = {"sentences": 1, "tokens": 9, "cedillas": 0, "overlapping": 0}
    part = counts | {name: {} for name in ("entities", "off_boundaries", "dropped", "quirks")}
    manifest = CorpusManifest.model_validate(
        {
            "sources": {"a": about | {"splits": {"train": part, "test": part}}, "b": about | {"splits": {"train": part}}},
            "persons": "named", "experiments": {"exp": ["a", "b"]}, "suites": {}, "skipped": {}, "sha256": {},
        }
    )  # fmt: skip
    assert all_pairs(tmp_path, manifest) == [
        (tmp_path / "exp" / f"{split}.spacy", tmp_path / "a" / "test.spacy") for split in ("train", "dev")
    ]


def test_a_file_that_was_joined_from_others_gives_what_they_give(tmp_path: Path) -> None:
    """Until it is changed: then it is read itself."""
    for folder in ("exp", "ronec", "med-ro"):
        (tmp_path / folder).mkdir()
    for source, records in (("ronec", RECORDS[2:3]), ("med-ro", [RECORDS[0], RECORDS[3]])):
        for split in ("train", "dev"):
            docbin(tmp_path / source / f"{split}.spacy", records, source)
    docbin(tmp_path / "med-ro" / "test.spacy", RECORDS[:2], "med-ro")
    for split in ("train", "dev"):
        whole = DocBin(store_user_data=True)
        for source in ("ronec", "med-ro"):
            whole.merge(DocBin(store_user_data=True).from_disk(tmp_path / source / f"{split}.spacy"))
        whole.to_disk(tmp_path / "exp" / f"{split}.spacy")
    files = {path.relative_to(tmp_path).as_posix(): path for path in tmp_path.glob("*/*.spacy")}
    manifest = CorpusManifest(
        sources={}, persons="named", experiments={"exp": ["ronec", "med-ro"]}, suites={}, skipped={},
        sha256={name: sha256(path.read_bytes()) for name, path in files.items()},
    )  # fmt: skip
    joined = joined_files(tmp_path, manifest)
    assert joined[files["exp/train.spacy"]] == [files["ronec/train.spacy"], files["med-ro/train.spacy"]]
    pairs = [(files["exp/train.spacy"], files["med-ro/test.spacy"])]
    (whole_file,) = compare(pairs, tmp_path, ["med-ro"])
    assert whole_file.leakage.sentences == ["1 (exact)"]
    assert list(compare(pairs, tmp_path, ["med-ro"], joined=joined)) == [whole_file]
    docbin(files["exp/train.spacy"], RECORDS[3:], "ronec")
    assert list(joined_files(tmp_path, manifest)) == [files["exp/dev.spacy"]]


def test_the_report_and_its_table(tmp_path: Path) -> None:
    docbin(tmp_path / "train.spacy", RECORDS[:1], "monero")
    docbin(tmp_path / "test.spacy", RECORDS[1:2], "simonero")
    output = tmp_path / "leakage.json"
    files = [str(tmp_path / "train.spacy"), str(tmp_path / "test.spacy")]
    options = ["--output", str(output), "--corpus", str(tmp_path)]
    result = CliRunner().invoke(step.app, [*files, *options])
    assert result.exit_code == 0, result.output
    report = read_output(output, LeakageReport, "leakage")
    assert list(report) == ["train.spacy > test.spacy"]
    assert leakage_table(report).markdown() in result.output
    assert "| train.spacy | test.spacy | 0 | 0.0% | – | – |" in result.output
