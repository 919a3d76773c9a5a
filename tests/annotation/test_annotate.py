"""`medner annotate` from the outside: what goes in, what comes out, what is said of bad input."""

from __future__ import annotations

import csv
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import spacy
from conftest import ROOT
from spacy.tokens import DocBin
from typer.testing import CliRunner, Result

from medner.cli import app

NOTE = "Pacienta Maria Dobre (Arad) are diabet zaharat.\r\nDr. Arad, diabet\r\nzaharat.\n"


def annotate(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["annotate", *map(str, arguments), "--processes", "1"])


def found(rules: Path, output: Path, *arguments: object) -> list[dict[str, Any]]:
    done = annotate(*arguments, "--model", rules, "--output", output)
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in output.read_text(encoding="utf-8").split("\n") if line]


def surfaces(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [(entity["label"], entity["text"]) for entity in document["entities"]]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out" / "found.jsonl"


@pytest.fixture
def note(tmp_path: Path) -> Path:
    path = tmp_path / "notes" / "a.txt"
    path.parent.mkdir()
    path.write_bytes(NOTE.encode("utf-8-sig"))
    return path


def test_a_note_keeps_its_text_and_no_mention_runs_across_its_lines(rules: Path, note: Path, output: Path) -> None:
    (document,) = found(rules, output, note)
    assert document["id"] == str(note)
    assert document["text"] == NOTE
    assert surfaces(document) == [
        ("PERSON", "Maria Dobre"), ("LOC", "Arad"), ("MEDICAL", "diabet zaharat"), ("LOC", "Arad"),
    ]  # fmt: skip
    for entity in document["entities"]:
        assert NOTE[entity["start"] : entity["end"]] == entity["text"]
        assert entity["confidence"] is None
    assert sorted(path.name for path in output.parent.iterdir()) == ["found.jsonl"]


def test_folders_lines_gzip_and_standard_input(rules: Path, note: Path, output: Path) -> None:
    (note.parent / ".hidden.txt").write_text("Arad")
    (note.parent / "readme.md").write_text("Arad")
    (note.parent / "b.jsonl.gz").write_bytes(gzip.compress(b'{"text": "Arad", "id": 7, "ward": "B"}\n\n'))
    first, second = found(rules, output, note.parent)
    assert first["id"] == str(note)
    assert (second["id"], second["ward"], surfaces(second)) == ("7", "B", [("LOC", "Arad")])

    lines = found(rules, output, note, "--lines")
    assert [line["id"] for line in lines] == [f"{note}:{number}" for number in (1, 2, 3)]
    assert lines[1]["text"] == "Dr. Arad, diabet"

    given = CliRunner().invoke(
        app, ["annotate", "-", "--model", str(rules), "--output", str(output), "--processes", "1"], input="în Arad"
    )
    assert given.exit_code == 0, given.output
    assert surfaces(json.loads(output.read_text())) == [("LOC", "Arad")]


def test_tables_docbins_and_other_keys(rules: Path, tmp_path: Path, output: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text('id;notă\n1;"din Arad;\nasthme"\n2;nimic\n', encoding="utf-8")
    one, two = found(rules, output, table, "--column", "notă")
    assert (one["id"], surfaces(one), two["entities"]) == ("1", [("LOC", "Arad"), ("MEDICAL", "asthme")], [])
    assert one["text"] == "din Arad;\nasthme"

    nlp = spacy.blank("xx")
    DocBin(docs=[nlp("la Arad")]).to_disk(tmp_path / "d.spacy")
    (document,) = found(rules, output, tmp_path / "d.spacy")
    assert surfaces(document) == [("LOC", "Arad")]

    (tmp_path / "k.jsonl").write_text('{"note": "Arad", "entities": [], "year": 2024}')
    (document,) = found(rules, output, tmp_path / "k.jsonl", "--field", "note", "--no-text")
    assert "text" not in document
    assert document["year"] == 2024


@pytest.mark.parametrize("codec", ["cp1250", "utf-16"])
def test_other_encodings_are_guessed(rules: Path, tmp_path: Path, output: Path, codec: str) -> None:
    text = "Pacientă din Arad, în vârstă de 54 de ani, cu dureri în piept şi ameţeală, fără febră. " * 5
    path = tmp_path / "old.txt"
    path.write_bytes(text.encode(codec))
    (document,) = found(rules, output, path, "--encoding", "auto")
    assert document["text"] == text
    done = annotate(path, "--model", rules, "--output", output)
    assert done.exit_code == 1
    assert "old.txt, line 1: not UTF-8" in done.stderr


def test_labels_and_limit(rules: Path, note: Path, output: Path) -> None:
    documents = found(rules, output, note, "--lines", "--limit", "2", "--labels", "LOC")
    assert [surfaces(one) for one in documents] == [[("LOC", "Arad")], [("LOC", "Arad")]]


def without_strings() -> bytes:
    damaged = DocBin(docs=[spacy.blank("xx")("la Arad")])
    damaged.strings.clear()
    return damaged.to_bytes()


BAD = [
    (["x.txt"], {}, "x.txt: no such file"),
    (["x.pdf"], {"x.pdf": b"?"}, "names no known format"),
    (["f"], {"f/x.pdf": b"?"}, "holds no file to annotate"),
    (["x.jsonl"], {"x.jsonl": b'{"text": "a"}\n{"text": }\n'}, "x.jsonl, line 2: not JSON"),
    (["x.jsonl"], {"x.jsonl": b'{"txt": "a"}\n'}, "x.jsonl, line 1: has no text under the key 'text'. Name the key"),
    (["x.jsonl"], {"x.jsonl": b'["a"]\n'}, "line 1: has no text under the key 'text'. Write one JSON object a line"),
    (["x.jsonl"], {"x.jsonl": b'{"text": "\\ud83d"}\n'}, "line 1: contains half a character"),
    (["x.txt"], {"x.txt": b"a\0b"}, "x.txt: contains a NUL character"),
    (["x.txt"], {"x.txt": b"a\n\xffb"}, "x.txt, line 2: not UTF-8"),
    (["x.csv"], {"x.csv": b"a,b\n1,2\n"}, "x.csv, line 1: has no column 'text'. Name it with --column (here: a, b)"),
    (["x.csv"], {"x.csv": b"id,text\n1,a\n2,b,c\n"}, "x.csv, line 3: has 3 cells, the header 2"),
    (["x.csv"], {"x.csv": b'id,text\n1,"a\n'}, "x.csv, line 2: not CSV"),
    (["x.csv"], {"x.csv": b"id,text\r1,a\r"}, "x.csv, line 1: not CSV"),
    (["x.csv"], {"x.csv": b"Maria Dobre,HTA de 3 ani\n"}, "--column; the first line must have the names of the columns"),
    (["x.csv"], {"x.csv": b"id,text\n1,\xe3\n"}, "x.csv, line 2: not UTF-8"),
    (["x.jsonl"], {"x.jsonl": b'{"text": "a", "id": "\\ud83d"}\n'}, "line 1: contains half a character"),
    (["x.jsonl"], {"x.jsonl": b'{"text": "a", "name": "\\ud83d"}\n'}, "line 1: contains half a character"),
    (["/dev/null"], {}, "/dev/null: is not a file, and cannot be read twice"),
    (["-", "-"], {}, "standard input is given twice"),
    (["x.txt", "--encoding", "hex"], {"x.txt": b"a"}, "--encoding is 'hex'"),
    (["x.txt", "--no-text", "--to", "html"], {"x.txt": b"a"}, "--no-text does not go with html"),
    (["x.txt.gz"], {"x.txt.gz": b"no gzip"}, "x.txt.gz: cannot be read"),
    (["x.spacy"], {"x.spacy": b"?"}, "x.spacy: not a DocBin"),
    (["x.spacy"], {"x.spacy": without_strings()}, "x.spacy: not a DocBin"),
    (["x.jsonl"], {"x.jsonl": b"\n"}, "the input has no document"),
    (["x.txt", "--encoding", "klingon"], {"x.txt": b"a"}, "--encoding is 'klingon'"),
    (["x.txt", "--from", "pdf"], {"x.txt": b"a"}, "'pdf' is not a known format"),
    (["x.txt", "--labels", "LOC,CITY"], {"x.txt": b"a"}, "does not find CITY. It finds LOC, MEDICAL, PERSON"),
    (["x.txt", "--min-confidence", "0.5"], {"x.txt": b"a"}, "the pipeline gives no confidence"),
    (["x.jsonl", "--ray", "local", "--resume"], {"x.jsonl": b"{}"}, "--ray does not go with --resume"),
    (["x.txt", "--model", "none/such"], {"x.txt": b"a"}, "none/such: no such pipeline"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "files", "message"), BAD)
def test_bad_input_is_one_message_and_leaves_nothing(
    rules: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    files: dict[str, bytes],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, data in files.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(data)
    model = [] if "--model" in arguments else ["--model", rules]
    done = annotate(*arguments, *model, "--output", "found.jsonl")
    assert done.exit_code == 1, done.output
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.glob("found*"))


def test_skipping_what_is_bad(rules: Path, tmp_path: Path, output: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"text": "Arad"}\n{"text": "secret"\n{"text": "asthme"}\n')
    assert [surfaces(one) for one in found(rules, output, path, "--skip-bad")] == [
        [("LOC", "Arad")],
        [("MEDICAL", "asthme")],
    ]
    report = output.with_name("found.jsonl.skipped.txt").read_text()
    assert report.startswith(f"{path}, line 2: not JSON")
    assert "secret" not in report

    path.write_text("{")
    done = annotate(path, "--model", rules, "--output", tmp_path / "none.jsonl", "--skip-bad")
    assert done.exit_code == 1
    assert "no document could be read" in done.stderr
    assert not (tmp_path / "none.jsonl").exists()


def test_a_bad_row_of_a_table_is_skipped_and_those_after_it_are_read(rules: Path, tmp_path: Path, output: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b'id,text\n1,Arad\n2,"d\xe3\nf"\n3,asthme\n')
    assert [one["id"] for one in found(rules, output, path, "--skip-bad")] == ["1", "3"]
    assert output.with_name("found.jsonl.skipped.txt").read_text().startswith(f"{path}, line 3: not UTF-8")


def test_a_byte_order_mark_is_no_character(rules: Path, tmp_path: Path, output: Path) -> None:
    path = tmp_path / "x.txt"
    path.write_bytes("Arad".encode("utf-16"))
    (document,) = found(rules, output, path, "--encoding", "utf-16-le")
    assert (document["text"], document["entities"][0]["start"]) == ("Arad", 0)


def test_keys_that_the_output_needs_are_kept_under_other_names(rules: Path, tmp_path: Path, output: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"text": "short", "note": "Arad", "entities": ["old"], "label": 1}')
    (document,) = found(rules, output, tmp_path / "x.jsonl", "--field", "note")
    assert document["text"] == "Arad"
    assert (document["input_text"], document["input_entities"], document["label"]) == ("short", ["old"], 1)


def test_a_run_does_not_read_what_the_run_before_it_wrote(rules: Path, note: Path) -> None:
    (note.parent / "bad.jsonl").write_text("{")
    for name in ("brat", "found.jsonl", "found.jsonl"):
        done = annotate(note.parent, "--model", rules, "--output", note.parent / name, "--skip-bad")
        assert f"{name}: 1 document," in done.stdout
        if name == "brat":
            shutil.rmtree(note.parent / name)
            (note.parent / "brat.skipped.txt").unlink()


def test_the_output_never_replaces_the_input(rules: Path, tmp_path: Path) -> None:
    table, folder = tmp_path / "notes.csv", tmp_path / "brat"
    table.write_text("text\nArad\n")
    assert annotate(table, "--model", rules, "--output", folder).exit_code == 0
    for given, output in ((table, table), (folder, folder), (next(folder.glob("*.txt")), folder)):
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        done = annotate(given, "--model", rules, "--output", output)
        assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
        assert "is an input, and the output would replace it. Name another output." in done.stderr
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_folder_of_annotations_is_not_replaced(rules: Path, note: Path, tmp_path: Path) -> None:
    assert annotate(note, "--model", rules, "--output", tmp_path / "brat").exit_code == 0
    corrected = next((tmp_path / "brat").glob("*.ann"))
    corrected.write_text("T1\tLOC 0 1\tP\n")
    done = annotate(note, "--model", rules, "--output", tmp_path / "brat")
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "is not empty, and its files would be lost. Name a new folder." in done.stderr
    assert corrected.read_text() == "T1\tLOC 0 1\tP\n"


@pytest.mark.parametrize("start", [b"%PDF-1.4\n1 0 obj", b"PK\x03\x04 docx", b"{\\rtf1 note}", b"\xd0\xcf\x11\xe0 doc"])
@pytest.mark.parametrize("encoding", ["utf-8", "auto"])
def test_files_that_are_no_plain_text(start: bytes, encoding: str, rules: Path, note: Path, output: Path) -> None:
    note.write_bytes(start)
    done = annotate(note, "--model", rules, "--output", output, "--encoding", encoding)
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "not plain text. Extract its text first." in done.stderr
    assert not output.exists()


def test_empty_documents_are_counted_before_the_work(rules: Path, note: Path, output: Path) -> None:
    (note.parent / "b.txt").touch()
    (note.parent / "c.txt").write_text(" \n")
    done = annotate(note.parent, "--model", rules, "--output", output)
    assert done.exit_code == 0
    assert f"2 of 3 documents are empty; the first is {note.parent}/b.txt" in done.stdout + done.stderr


def test_ids_that_look_alike_are_files_of_their_own(rules: Path, tmp_path: Path) -> None:
    lines = [json.dumps({"id": id, "text": text}) for id, text in (("12", "one"), ("12-3", "two"), ("12", "three"))]
    (tmp_path / "x.jsonl").write_text("\n".join(lines))
    assert annotate(tmp_path / "x.jsonl", "--model", rules, "--output", tmp_path / "brat").exit_code == 0
    assert sorted(path.read_text() for path in (tmp_path / "brat").glob("*.txt")) == ["one", "three", "two"]


def test_an_output_that_cannot_be_written_is_refused_before_the_work(rules: Path, note: Path, tmp_path: Path) -> None:
    for name, message in (
        ("late", "is not empty, and its files would be lost"),
        ("late.jsonl", "is a folder, not a file"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.doc").touch()
        done = annotate(note, "--model", rules, "--output", tmp_path / name)
        assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
        assert message in done.stderr
        assert not list(tmp_path.glob("*.unfinished"))


def interrupted(rules: Path, texts: Path, output: Path) -> None:
    """A run of two documents that is stopped when both are done."""
    texts.write_text('{"text": "1 Arad"}\n{"text": "2 Arad"}\n')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("medner.annotation.run._finish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        annotate(texts, "--model", rules, "--output", output)
    assert output.with_name(f"{output.name}.unfinished").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ('{"text": "0 Arad"}\n{"text": "1 Arad"}\n{"text": "2 Arad"}\n', "document 1 has changed, moved or is missing"),
        ('{"text": "1 Arad"}\n', "document 2 has changed, moved or is missing"),
    ],
)
def test_resuming_with_other_input_is_refused(
    rules: Path, tmp_path: Path, output: Path, change: str, message: str
) -> None:
    texts = tmp_path / "texts.jsonl"
    interrupted(rules, texts, output)
    texts.write_text(change)
    done = annotate(texts, "--model", rules, "--output", output, "--resume")
    assert done.exit_code == 1
    assert message in done.stderr


def test_resuming_with_a_limit_below_what_is_done_is_refused(rules: Path, tmp_path: Path, output: Path) -> None:
    texts = tmp_path / "texts.jsonl"
    interrupted(rules, texts, output)
    done = annotate(texts, "--model", rules, "--output", output, "--resume", "--limit", "1")
    assert done.exit_code == 1
    assert "has 2 documents already, more than --limit. Give --limit 2 or more, or delete this file." in done.stderr


def test_resuming_with_a_pipeline_that_was_trained_again_is_refused(rules: Path, tmp_path: Path, output: Path) -> None:
    pipeline = tmp_path / "pipeline"
    shutil.copytree(rules, pipeline)
    texts = tmp_path / "texts.jsonl"
    interrupted(pipeline, texts, output)
    meta = pipeline / "meta.json"
    meta.write_text(meta.read_text() + "\n")
    done = annotate(texts, "--model", pipeline, "--output", output, "--resume")
    assert "was started with another value of pipeline" in done.stderr


def test_a_damaged_journal_is_named(rules: Path, note: Path, output: Path) -> None:
    output.parent.mkdir()
    for damage in ("garbage\n", "[]\n"):
        journal = output.with_name("found.jsonl.unfinished")
        journal.write_text(damage)
        done = annotate(note, "--model", rules, "--output", output, "--resume")
        assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
        assert "found.jsonl.unfinished: is damaged. Delete it and start again" in done.stderr
        journal.unlink()


def written(rules: Path, tmp_path: Path, name: str, text: str, *arguments: object) -> Path:
    (tmp_path / "n.txt").write_text(text, encoding="utf-8")
    done = annotate(tmp_path / "n.txt", "--model", rules, "--output", tmp_path / name, *arguments)
    assert done.exit_code == 0, done.output
    assert "1 document, 1 LOC, 1 MEDICAL" in done.stdout
    return tmp_path / name


TEXT = "<b>Arad</b>\n  asthme. 😀\n"


def test_every_output_format(rules: Path, tmp_path: Path) -> None:
    id = str(tmp_path / "n.txt")
    rows = list(csv.reader(written(rules, tmp_path, "o.csv", TEXT).open()))
    assert rows[0] == ["id", "start", "end", "label", "text", "confidence"]
    assert rows[1:] == [[id, "3", "7", "LOC", "Arad", ""], [id, "14", "20", "MEDICAL", "asthme", ""]]

    folder = written(rules, tmp_path, "brat", TEXT)
    (ann,) = folder.glob("*.ann")
    assert ann.read_text() == "T1\tLOC 3 7\tArad\nT2\tMEDICAL 14 20\tasthme\n"
    assert ann.with_suffix(".txt").read_text() == TEXT
    assert (folder / "annotation.conf").read_text().startswith("[entities]\nLOC\nMEDICAL\n\n[relations]\n")

    conll = written(rules, tmp_path, "o.conll", TEXT).read_text()
    assert "\nArad\tB-LOC\n" in conll
    assert "\n\nasthme\tB-MEDICAL\n.\tO\n😀\tO\n\n" in conll

    (doc,) = (
        DocBin(store_user_data=True)
        .from_disk(written(rules, tmp_path, "o.spacy", TEXT))
        .get_docs(spacy.blank("xx").vocab)
    )
    assert doc.text == TEXT
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("Arad", "LOC"), ("asthme", "MEDICAL")]

    (task,) = json.loads(written(rules, tmp_path, "o.json", TEXT).read_text())
    assert task["data"]["text"] == TEXT
    assert task["predictions"][0]["result"][0]["value"] == {"start": 3, "end": 7, "text": "Arad", "labels": ["LOC"]}

    line = written(rules, tmp_path, "o.jsonl", TEXT, "--to", "doccano").read_text()
    assert json.loads(line)["label"] == [[3, 7, "LOC"], [14, 20, "MEDICAL"]]

    page = written(rules, tmp_path, "o.html", TEXT).read_text()
    assert "<b>" not in page
    assert "&lt;b&gt;" in page


def test_mentions_across_lines_of_wrapped_text(rules: Path, tmp_path: Path) -> None:
    text = "Din Arad, diabet\nzaharat.\n\nStabil.\n"
    file = written(rules, tmp_path, "o.jsonl", text, "--wrapped")
    (document,) = [json.loads(line) for line in file.read_text().splitlines()]
    assert document["text"] == text
    start, end = document["entities"][1]["start"], document["entities"][1]["end"]
    assert text[start:end] == "diabet\nzaharat"
    assert document["entities"][1]["text"] == "diabet zaharat"

    (ann,) = written(rules, tmp_path, "brat", text, "--wrapped").glob("*.ann")
    assert ann.read_text().endswith(f"\nT2\tMEDICAL {start} {start + 6};{end - 7} {end}\tdiabet zaharat\n")

    conll = written(rules, tmp_path, "o.conll", text, "--wrapped").read_text()
    assert "\ndiabet\tB-MEDICAL\nzaharat\tI-MEDICAL\n.\tO\n\nStabil" in conll

    docbin = DocBin(store_user_data=True).from_disk(written(rules, tmp_path, "o.spacy", text, "--wrapped"))
    (doc,) = docbin.get_docs(spacy.blank("xx").vocab)
    assert [ent.text for ent in doc.ents] == ["Arad", text[start:end]]


def test_lines_that_look_wrapped_are_noticed(rules: Path, note: Path, output: Path) -> None:
    for text, options, expected in (
        ("Are diabet\nzaharat și\nastm.\n", [], True),
        ("Are diabet\nzaharat și\nastm.\n", ["--wrapped"], False),
        ("Are HTA.\nAre astm.\n- gripă\n", [], False),
    ):
        note.write_text(text)
        done = annotate(note, "--model", rules, "--output", output, *options)
        assert ("look wrapped at a fixed width" in done.stdout + done.stderr) is expected


def test_unknown_formats_are_named(rules: Path, note: Path, tmp_path: Path) -> None:
    done = annotate(note, "--model", rules, "--output", tmp_path / "o.docx")
    assert done.exit_code == 1
    assert "Give one with --to: jsonl, csv" in done.stderr


DOCUMENTS = 1000


def test_a_killed_run_continues_with_no_document_twice_and_none_lost(rules: Path, tmp_path: Path) -> None:
    texts = tmp_path / "texts.jsonl"
    with texts.open("w") as file:
        for number in range(DOCUMENTS):
            file.write(json.dumps({"id": number, "text": f"{number} din Arad. " + "Are asthme. " * 5}) + "\n")
    output = tmp_path / "found.jsonl"
    arguments = [str(texts), "--model", str(rules), "--output", str(output)]
    code = "import medner.annotation.run as run; run.CHUNK = 4000; from medner.cli import app; app()"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", code, "annotate", *arguments, "--processes", "2"],
        env=environment,
        stdout=subprocess.PIPE,
    )
    journal = tmp_path / "found.jsonl.unfinished"
    while process.poll() is None and not (journal.exists() and journal.stat().st_size > 10_000):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not output.exists()
    with journal.open("ab") as file:
        file.write('{"id":"torn","text":"ă'.encode()[:-1])

    again = annotate(*arguments)
    assert again.exit_code == 1
    assert "holds an unfinished run" in again.stderr
    other = annotate(*arguments, "--resume", "--labels", "LOC")
    assert "was started with another value of labels" in other.stderr
    done = annotate(*arguments, "--resume")
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in output.read_text().split("\n") if line]
    assert [line["id"] for line in lines] == [str(number) for number in range(DOCUMENTS)]
    assert all(len(line["entities"]) == 6 for line in lines)
    assert not journal.exists()


@pytest.mark.parametrize(
    "code",
    [
        "from medner.cli import app; app(['--help'], standalone_mode=False)",
        # What the parent of worker processes does.
        "import medner.annotation.command; from medner.model.pipelines import named_pipeline; named_pipeline('.')",
    ],
)
def test_what_needs_neither_torch_nor_spacy_loads_neither(code: str) -> None:
    code = f"import sys; {code}; assert not {{'torch', 'spacy'}} & set(sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, capture_output=True)
