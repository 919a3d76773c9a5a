"""Corpora in common formats: one entry of the study, no Python."""

from __future__ import annotations

import json
import re
import zlib
from pathlib import Path
from typing import Any

import pytest
import spacy
import srsly
from conftest import GOLDEN, ROOT
from spacy.tokens import DocBin

from medner.data.docbins import read_docbin
from medner.data.labels import load_scheme
from medner.data.offsets import check_boundaries
from medner.data.readers.own import read_own
from medner.data.records import Entity, Record, Tally
from medner.data.sources import SPLITS, medical_splits, own_splits
from medner.data.tokenizer import blank
from medner.exceptions import InputError
from medner.study import Source, Study, load_study

SCHEME = load_scheme(ROOT / "configs" / "labels.yml")
OWN = GOLDEN / "own"
LABELS = {"map": {"DISO": "MEDICAL"}}


def source(kind: str, data: Any = "unused", **more: Any) -> Source:
    entry = {"labels": LABELS, "lang": "ro", "format": kind, "data": data, "note": "letters", **more}
    return Source.model_validate(entry)


def read(path: Path, kind: str) -> list[Record]:
    return list(read_own(path, source(kind), Tally()))


def docbin(path: Path, **attributes: Any) -> Path:
    """As another program writes it: no user data of the corpus step."""
    nlp = spacy.blank("ro")
    doc = nlp("Are HTA.\nDiabet zaharat")
    doc.set_ents([doc.char_span(4, 7, "DISO"), doc.char_span(9, 23, "DISO")])
    DocBin(docs=[doc], **attributes).to_disk(path)
    return path


@pytest.mark.parametrize(
    "path",
    [
        "conll/good.conll", "brat/good", "jsonl/prodigy.jsonl", "jsonl/doccano.jsonl", "jsonl/doccano_entities.jsonl",
        "jsonl/synthetic.jsonl", "label-studio/good.json", "label-studio/min.json",
    ],
)  # fmt: skip
def test_every_format_gives_the_mentions(path: str) -> None:
    records = read(OWN / path, path.split("/", maxsplit=1)[0])
    surfaces = [record.surface(entity) for record in records for entity in record.entities]
    assert surfaces[:2] == ["HTA", "diabet zaharat" if "conll" in path else "Diabet zaharat"]
    assert all("\n" not in record.text and "#" in record.id for record in records)


def test_a_docbin_of_another_program(tmp_path: Path) -> None:
    records = read(docbin(tmp_path / "mine.spacy"), "docbin")
    assert [(one.id, one.text, len(one.entities)) for one in records] == [
        ("mine-1#1", "Are HTA.", 1),
        ("mine-1#2", "Diabet zaharat", 1),
    ]


def test_conll_documents_and_spacing() -> None:
    records = read(OWN / "conll" / "good.conll", "conll")
    assert [one.text for one in records] == ["Are HTA, diabet zaharat.", "Tușește", "Astm"]
    assert [one.id.split("#")[0] for one in records] == ["good-line1", "good-line1", "good-line12"]


def test_conll_lines_that_end_in_a_tab(tmp_path: Path) -> None:
    path = tmp_path / "x.conll"
    path.write_text("Are\tO\t\nHTA\tB-DISO\t\n")
    (record,) = read(path, "conll")
    assert [record.surface(entity) for entity in record.entities] == ["HTA"]


def test_conll_u_lines_without_tags_of_their_own_are_named() -> None:
    with pytest.raises(InputError, match=r"range.conll, line 1: is a multiword or empty token of CoNLL-U: '3-4"):
        list(read_own(OWN / "conll" / "range.conll", source("conll", columns={"token": 2, "tag": 3}), Tally()))


MESSAGES = {
    "conll/no_tag.conll": "line 2: has 1 columns",
    "conll/no_iob.conll": "sentence 1 (line 1): token 2: 'DISO' is not a BIO tag",
    "conll/empty_token.conll": "sentence 1 (line 1): token 2 is empty",
    "conll/empty.conll": "contains no sentences",
    "conll/latin2.conll": "line 2: not UTF-8",
    "conll/nul.conll": "line 2: contains a NUL character",
    "conll/missing.conll": "no such file",
    "conll/iob1.conll": "has 1 runs of I- tags without B-, and 0 mentions: it looks like IOB1",
    "brat/no_ann": "a.ann is missing",
    "brat/no_text": "holds no .txt file",
    "brat/no_tab": "line 1: not a text-bound annotation",
    "brat/other_surface": "line 1: offsets 3 6 hold ' HT', not 'HTA'. ",
    "brat/utf16": "line 1: offsets 7 10 hold 'TA.', not 'HTA'; they look counted in UTF-16 units",
    "jsonl/broken.jsonl": "line 2: Invalid JSON",
    "jsonl/no_spans.jsonl": "line 1: has none of entities, spans, label, labels",
    "jsonl/no_text.jsonl": "line 1: text: missing",
    "jsonl/empty.jsonl": "contains no records",
    "jsonl/all_rejected.jsonl": "contains no annotated texts",
    "jsonl/out_of_range.jsonl": "line 1: span 4-70 (DISO) is empty or out of range",
    "jsonl/short_span.jsonl": "line 1: label.0: Input should be an object",
    "jsonl/duplicate_id.jsonl": "line 2: id '1' was already used at line 1",
    "jsonl/deep.jsonl": "line 1: Invalid JSON: recursion limit exceeded",
    "label-studio/broken.json": "Invalid JSON",
    "label-studio/object.json": "Input should be a valid array",
    "label-studio/empty.json": "contains no tasks",
    "label-studio/no_text.json": "task 1: has no text",
    "label-studio/not_annotated.json": "contains no annotated texts",
    "label-studio/no_offsets.json": "task 1: a region: 0.start: missing",
    "label-studio/other_text.json": "task 1: region 3-6 holds ' HT', not 'HTA'",
    "docbin/empty.spacy": "not a DocBin",
    "docbin/no_docbin.spacy": "not a DocBin",
}


@pytest.mark.parametrize("path", MESSAGES)
def test_malformed_files_are_named(path: str) -> None:
    with pytest.raises(InputError) as caught:
        read(OWN / path, path.split("/", maxsplit=1)[0])
    assert str(OWN / path) in str(caught.value)
    assert MESSAGES[path] in str(caught.value)


def test_label_studio_offsets_of_a_browser() -> None:
    (record,) = read(OWN / "label-studio" / "utf16.json", "label-studio")
    assert [record.surface(entity) for entity in record.entities] == ["HTA"]


def rows(change: Any, ends: Any = lambda text: text) -> str:
    lines = []
    for n in range(20):
        text = ends(f"😀 Bilanț {n}\nPacienta are astm, tușește și obosește.")
        start = text.index("astm")
        lines.append(
            {"text": text, "spans": [{"start": change(text, start), "end": change(text, start + 4), "label": "DISO"}]}
        )
    return "".join(srsly.json_dumps(line) + "\n" for line in lines)


@pytest.mark.parametrize(
    ("change", "ends", "kind"),
    [
        (lambda text, at: len(text[:at].encode("utf-16-le")) // 2, lambda text: text, "UTF-16 units"),
        (lambda text, at: len(text[:at].encode()), lambda text: text, "UTF-8 bytes"),
        (lambda text, at: at + text[:at].count("\n"), lambda text: text.replace("😀 ", ""), "CRLF"),
        (lambda text, at: at - text[:at].count("\r"), lambda t: t.replace("😀 ", "").replace("\n", "\r\n"), "LF"),
    ],
)
def test_shifted_offsets_are_named_with_examples(tmp_path: Path, change: Any, ends: Any, kind: str) -> None:
    path = tmp_path / "shifted.jsonl"
    path.write_text(rows(change, ends))
    with pytest.raises(InputError) as caught:
        read(path, "jsonl")
    message = str(caught.value)
    assert "20 of 20 mentions start or end inside a word, such as " in message
    assert f"the offsets look counted in {kind}" in message or f"counted in text with {kind}" in message
    assert message.count("[") == 2


def test_line_ends_move_offsets(tmp_path: Path) -> None:
    path = tmp_path / "crlf.jsonl"
    path.write_text(rows(lambda _, at: at, lambda text: text.replace("\n", "\r\n")))
    assert {r.surface(e) for r in read(path, "jsonl") for e in r.entities} == {"astm"}


def test_shifted_gold_of_any_source_stops_the_corpus_step() -> None:
    text = "Pacientul are astm și tușește."
    right = [Record(str(n), "ro", text, (Entity(14, 18, "MEDICAL"),)) for n in range(98)]
    wrong = [
        Record("x", "ro", text, (Entity(15, 18, "MEDICAL"),)),
        Record("y", "ro", text, (Entity(11, 18, "MEDICAL"),)),
    ]
    check_boundaries(blank(), [*right, *wrong], "s")
    with pytest.raises(InputError, match="source s: 2 of 50 mentions start or end inside a token"):
        check_boundaries(blank(), [*right[:48], *wrong], "s")
    check_boundaries(blank(), [*right[:48], *wrong], "s", limit=0.1)


def many(path: Path) -> Path:
    path.write_text(
        "".join(
            json.dumps({"id": f"d{n}", "text": f"Nota {n}.\nArgument numărul {n} despre astm.", "label": []}) + "\n"
            for n in range(50)
        )
    )
    return path


def test_shares_are_of_documents_and_seeded(tmp_path: Path) -> None:
    path = many(tmp_path / "own.jsonl")
    parts = own_splits(source("jsonl", str(path)), {}, SCHEME.corpus(source("jsonl").labels), Path())
    assert {split: len(part.records) for split, part in parts.items()} == {"train": 70, "dev": 10, "test": 20}
    documents = {split: {one.id.split("#")[0] for one in part.records} for split, part in parts.items()}
    assert not documents["train"] & documents["test"]
    again = own_splits(source("jsonl", str(path)), {}, SCHEME.corpus(source("jsonl").labels), Path())
    assert [again[split].records for split in SPLITS] == [parts[split].records for split in SPLITS]
    other = own_splits(source("jsonl", str(path), shares={"seed": 1}), {}, SCHEME.corpus("synthetic"), Path())
    assert other["test"].records != parts["test"].records


def test_shares_of_too_few_documents(tmp_path: Path) -> None:
    path = tmp_path / "own.conll"
    path.write_text("Are\tO\nHTA\tB-MEDICAL\n")
    message = f"{path}: has too few documents (1) for a dev share of 0.1. Raise shares.dev or set it to 0"
    with pytest.raises(InputError, match=re.escape(message)):
        own_splits(source("conll", str(path)), {}, SCHEME.corpus("synthetic"), Path())


def test_splits_as_files_beside_others(tmp_path: Path) -> None:
    """Training text that is in the own test file is left out, as with any corpus."""
    train = many(tmp_path / "train.jsonl")
    (tmp_path / "test.jsonl").write_text("".join(train.read_text().splitlines(keepends=True)[:5]))
    entry = source("jsonl", {"train": "train.jsonl", "test": "test.jsonl"})
    study = Study(sources={"own": entry}, experiments={}, suites={})
    parts = medical_splits(study, ["own"], {}, SCHEME, tmp_path)["own"]
    assert parts["train"].tally.overlapping >= 10
    assert list(parts) == ["train", "dev", "test"]


def test_labels_that_the_entry_does_not_know() -> None:
    own = source("conll", "good.conll", labels={"map": {"X": "MEDICAL"}})
    with pytest.raises(InputError, match="unknown label 'DISO'"):
        own_splits(own, {}, SCHEME.corpus(own.labels), OWN / "conll")
    with pytest.raises(InputError, match="map leads to unknown labels: X to DISEASE"):
        SCHEME.corpus(source("conll", labels={"map": {"X": "DISEASE"}}).labels)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"data": {}}, "data missing"),
        ({"data": {"all": "a", "test": "b"}}, "either all, or"),
        ({"data": {"train": [], "test": "b"}}, "data: train names no file"),
        ({"note": ""}, "note missing"),
        ({"shares": {"dev": 0.5, "test": 0.5}}, "leave nothing to train on"),
        ({"format": None}, "needs format"),
        ({"format": "xml"}, "Input should be 'conll'"),
    ],
)
def test_an_entry_that_is_not_whole(changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        Source.model_validate({**source("jsonl").model_dump(exclude_unset=True), **changes})


def test_a_second_synthetic_source_says_what_it_needs() -> None:
    study = load_study(ROOT / "configs" / "experiments.yml").model_dump(exclude_unset=True)
    study["sources"]["spital"] = {"labels": "synthetic", "lang": "ro"}
    with pytest.raises(ValueError, match="both are assets/synthetic/ro; for files of your own, add format and data"):
        Study.model_validate(study)
    study["sources"]["spital"] |= {"format": "jsonl", "data": "assets/own/spital.jsonl", "note": "written here"}
    assert Study.model_validate(study).sources["spital"].labels == "synthetic"


def test_a_docbin_that_unpacks_to_gigabytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medner.data.docbins.LARGEST", 2**20)
    (tmp_path / "bomb.spacy").write_bytes(zlib.compress(bytes(2**21)))
    with pytest.raises(InputError, match="unpacked, it has more than"):
        read_docbin(tmp_path / "bomb.spacy", blank())
