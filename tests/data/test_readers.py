from __future__ import annotations

import gzip
import shutil
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import convert_marked as marked
import pytest
from conftest import GOLDEN, ROOT
from typer.testing import CliRunner

from medner.data.labels import load_scheme, map_record
from medner.data.readers.ronec import read_ronec
from medner.data.readers.ronec_v1 import read_ronec_v1
from medner.data.readers.synthetic import read_synthetic
from medner.data.records import Entity, Record, Tally
from medner.exceptions import InputError
from medner.files import read_members

RONEC_MESSAGES = {
    "missing": "no such file. Check the path, or run the step that makes it.",
    "empty": "contains no sentences. A RONEC file is a JSON list of sentences.",
    "broken_json": "Invalid JSON: key must be a string at line 3 column 18. Fetch or repair the file.",
    "unequal_lengths": "sentence 1 (id 7): 6 tokens, 6 tags and 2 space_after values. Correct or remove the sentence.",
    "orphan_i": "sentence 2 (id 8): token 5: 'I-GPE' without a B-GPE before it. Correct or remove the sentence.",
    "no_bio": "sentence 1 (id 7): token 1: 'PERSON' is not a BIO tag. Correct or remove the sentence.",
    "empty_token": "sentence 1 (id 7): token 3 is empty. Correct or remove the sentence.",
    "duplicate_id": "sentence 3: id '7' was already used at sentence 1. Give every record a unique id.",
    "missing_field": "sentence 1: ner_tags: missing. Fetch or repair the file.",
    "nul": "line 1: contains a NUL character. Remove it; the file may be damaged.",
    "latin2": "line 1: not UTF-8. Save the file as UTF-8.",
}
SYNTHETIC_MESSAGES = {
    "missing": "no such file. Check the path, or run the step that makes it.",
    "empty": "contains no records. Write one JSON record a line.",
    "broken_json": "line 2: Invalid JSON: EOF while parsing an object at column 18. Correct or remove the line.",
    "out_of_range": "line 1: span 12-99 (MEDICAL) is empty or out of range (the text has 25 characters). Correct the offsets.",
    "empty_span": "line 1: span 12-12 (MEDICAL) is empty or out of range (the text has 25 characters). Correct the offsets.",
    "nested": "line 1: span 12-15 (MEDICAL) lies inside span 0-15 (MEDICAL). Keep the longest span only.",
    "crossing": "line 1: span 12-15 (MEDICAL) crosses span 0-13 (MEDICAL). Keep the longest span only.",
    "white_space_start": "line 1: span 11-15 (MEDICAL) starts or ends in white space (' HTA'). Shorten the span.",
    "white_space_end": "line 1: span 12-16 (MEDICAL) starts or ends in white space ('HTA '). Shorten the span.",
    "duplicate_id": "line 3: id 'a' was already used at line 1. Give every record a unique id.",
    "missing_field": "line 1: entities: missing. Correct or remove the line.",
    "blank_text": "line 1: text: blank. Correct or remove the line.",
}


def message(read: Callable[[Path, Tally], Iterable[Record]], path: Path) -> str:
    """What the reader says of a malformed file, after the file's name."""
    with pytest.raises(InputError) as caught:
        list(read(path, Tally()))
    text = str(caught.value)
    assert text.startswith(str(path))
    return text.removeprefix(str(path)).lstrip(":, ")


@pytest.mark.parametrize("name", RONEC_MESSAGES)
def test_malformed_ronec(name: str) -> None:
    assert message(read_ronec, GOLDEN / "ronec" / f"{name}.json") == RONEC_MESSAGES[name]


@pytest.mark.parametrize("name", SYNTHETIC_MESSAGES)
def test_malformed_synthetic(name: str) -> None:
    assert message(read_synthetic, GOLDEN / "synthetic" / f"{name}.jsonl") == SYNTHETIC_MESSAGES[name]


@pytest.mark.parametrize(
    ("read", "file", "corpus", "expected"),
    [
        (
            read_ronec,
            "ronec/unknown_label.json",
            "ronec",
            "record 7: unknown label 'HUMAN'. Known labels are DATETIME, ",
        ),
        (
            read_synthetic,
            "synthetic/unknown_label.jsonl",
            "synthetic",
            "record a: unknown label 'DRUG'. Known labels are LOC, ",
        ),
    ],
)
def test_unknown_labels_are_refused(
    read: Callable[[Path, Tally], Iterable[Record]], file: str, corpus: str, expected: str
) -> None:
    labels = load_scheme(ROOT / "configs" / "labels.yml").corpus(corpus)
    with pytest.raises(InputError) as caught:
        [map_record(record, labels, Tally(), path=file) for record in read(GOLDEN / file, Tally())]
    assert str(caught.value).startswith(f"{file}, {expected}")
    assert str(caught.value).endswith("else in configs/labels.yml.")


def test_ronec_sentences_and_their_cedillas() -> None:
    tally = Tally()
    first, second = read_ronec(GOLDEN / "ronec" / "good.json", tally)
    assert (first.id, first.text) == ("7", "Dr. Ionescu e la Iași.")
    assert first.entities == (Entity(0, 11, "PERSON"), Entity(17, 21, "GPE"))
    assert second.text == "Timiș și Țara"
    assert tally.cedillas == 3


def test_byte_order_mark_and_crlf_change_nothing() -> None:
    assert [next(iter(read_ronec(GOLDEN / "ronec" / f, Tally()))) for f in ("bom_crlf.json",)] == [
        next(iter(read_ronec(GOLDEN / "ronec" / "good.json", Tally())))
    ]


def test_gzipped_files_give_the_same_records(tmp_path: Path) -> None:
    path = tmp_path / "good.jsonl.gz"
    path.write_bytes(gzip.compress((GOLDEN / "synthetic" / "good.jsonl").read_bytes()))
    assert list(read_synthetic(path, Tally())) == list(read_synthetic(GOLDEN / "synthetic" / "good.jsonl", Tally()))


@pytest.mark.parametrize("end", [b"", b"\xff" * 40])
def test_damaged_gzip_files_are_refused(tmp_path: Path, end: bytes) -> None:
    path = tmp_path / "good.jsonl.gz"
    path.write_bytes(gzip.compress((GOLDEN / "synthetic" / "good.jsonl").read_bytes())[:10] + end)
    assert message(read_synthetic, path).startswith("cannot be read (")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "HTA",
            "\\ud800",
            "line 1: Invalid JSON: unexpected end of hex escape at column 46. Correct or remove the line.",
        ),
        ("{}", "[1]", "line 1: meta: Input should be an object"),
        ("4", "Infinity", "line 1: entities.0.start: Input should be a finite number"),
        ("4", "4.5", "line 1: entities.0.start: Input should be a valid integer"),
    ],
)
def test_invalid_values_in_a_record(tmp_path: Path, old: str, new: str, expected: str) -> None:
    path = tmp_path / "a.jsonl"
    line = '{"id": "a", "lang": "ro", "text": "Are HTA", "entities": [{"start": 4, "end": 7, "label": "MEDICAL"}], "meta": {}}'
    path.write_text(line)
    assert len(list(read_synthetic(path, Tally()))) == 1
    path.write_text(line.replace(old, new, 1))
    assert message(read_synthetic, path).startswith(expected)


@pytest.mark.parametrize(("local", "central", "value"), [(6, 8, 1), (8, 10, 99)])
def test_a_zip_that_is_encrypted_or_uses_unknown_compression(
    tmp_path: Path, local: int, central: int, value: int
) -> None:
    data = bytearray(zipped(tmp_path / "v1.zip", "text").read_bytes())
    data[local] = data[data.rindex(b"PK\x01\x02") + central] = value
    (tmp_path / "v1.zip").write_bytes(data)
    assert message(read_ronec_v1, tmp_path / "v1.zip").startswith("not a zip with ronec_iob.conllup")
    assert message(lambda path, _: read_members(path), tmp_path / "v1.zip").startswith(
        "not a readable zip or tar archive ("
    )


def test_synthetic_cedillas_keep_their_offsets() -> None:
    tally = Tally()
    (record,) = read_synthetic(GOLDEN / "synthetic" / "cedilla.jsonl", tally)
    assert record.surface(record.entities[0]) == "Iași"
    assert tally.cedillas == 3


CONLLUP = (
    "# global.columns = ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC RONEC:CLASS\n"
    "# sent_id = 5\n# text = Ion e la U.E.\n"
    "1\tIon\t_\t_\t_\t_\t0\troot\t_\t_\tB-PERSON\n2\te\t_\t_\t_\t_\t1\tx\t_\t_\tO\n"
    "3\tla\t_\t_\t_\t_\t1\tx\t_\t_\tO\n4\tU.E.\t_\t_\t_\t_\t1\tx\t_\tSpaceAfter=No\t{tag}\n\n"
)


def zipped(path: Path, text: str, member: str = "ronec_iob.conllup") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, text)
    return path


def test_ronec_v1_is_read_from_its_zip(tmp_path: Path) -> None:
    (record,) = read_ronec_v1(zipped(tmp_path / "v1.zip", CONLLUP.format(tag="B-ORGANIZATION")), Tally())
    assert (record.id, record.text) == ("v1-5", "Ion e la U.E.")
    assert record.entities == (Entity(0, 3, "PERSON"), Entity(9, 13, "ORGANIZATION"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            CONLLUP.format(tag="I-ORGANIZATION"),
            "sentence 1 (sent_id 5): token 4: 'I-ORGANIZATION' without a B-ORGANIZATION before it. Fetch or repair the file.",
        ),
        ("", "contains no sentences. Fetch the file again."),
    ],
)
def test_malformed_ronec_v1(tmp_path: Path, text: str, expected: str) -> None:
    assert message(read_ronec_v1, zipped(tmp_path / "v1.zip", text)) == expected


def test_a_file_that_is_not_a_zip(tmp_path: Path) -> None:
    path = tmp_path / "v1.zip"
    shutil.copy(GOLDEN / "ronec" / "good.json", path)
    assert (
        message(read_ronec_v1, path)
        == "not a zip with ronec_iob.conllup (File is not a zip file). Fetch the file again."
    )


def test_convert_marked_writes_a_synthetic_corpus(tmp_path: Path) -> None:
    text = tmp_path / "sentences.txt"
    text.write_text("Ha l’<MEDICAL>asma</MEDICAL>.\n\n<PERSON>Maria Dobre</PERSON> sta bene.\n")
    output = tmp_path / "it" / "train.jsonl"
    done = CliRunner().invoke(marked.app, ["it", str(text), str(output)])
    assert done.exit_code == 0, done.output
    assert "2 sentences with 2 mentions" in done.output
    assert "inside a word" not in done.output
    records = list(read_synthetic(output, Tally()))
    assert [(r.id, r.lang, r.text) for r in records] == [
        ("it-train-0001", "it", "Ha l’asma."),
        ("it-train-0003", "it", "Maria Dobre sta bene."),
    ]
    assert [(r.surface(e), e.label) for r in records for e in r.entities] == [
        ("asma", "MEDICAL"),
        ("Maria Dobre", "PERSON"),
    ]
    again = CliRunner().invoke(marked.app, ["it", str(text), str(output)])
    assert again.exit_code == 1
    assert f"{output}: already exists. Name another file, or remove it." in again.output


def test_convert_marked_refuses_a_language_that_is_no_code(tmp_path: Path) -> None:
    (tmp_path / "sentences.txt").write_text("Sta bene.\n")
    done = CliRunner().invoke(marked.app, ["italiano", str(tmp_path / "sentences.txt"), str(tmp_path / "train.jsonl")])
    assert done.exit_code == 1
    assert "'italiano' is no code of a language. Give one such as it, of ISO 639." in done.output
    assert not (tmp_path / "train.jsonl").exists()


def test_marks_inside_a_word_are_noticed(tmp_path: Path) -> None:
    text = tmp_path / "sentences.txt"
    text.write_text("Ha l’<MEDICAL>asma</MEDICAL>.\nHa <MEDICAL>asm</MEDICAL>a.\n")
    done = CliRunner().invoke(marked.app, ["it", str(text), str(tmp_path / "out.jsonl")])
    assert done.exit_code == 0
    assert "Mentions that start or end inside a word: 1; the first is 'asm' in it-out-0002." in done.output


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Ha <ASMA>asma</ASMA>.", "line 2: unknown tag: <ASMA>. Write <LABEL>mention</LABEL>, without nesting; labels"),
        ("Ha <MEDICAL>asma.", "line 2: unclosed tag: <MEDICAL> is never closed. Write "),
        ("Ha <MEDICAL>asma </MEDICAL>.", "line 2: span 3-8 (MEDICAL) starts or ends in white space ('asma '). Shorten"),
    ],
)
def test_malformed_markup(tmp_path: Path, line: str, message: str) -> None:
    text = tmp_path / "sentences.txt"
    text.write_text(f"Sta bene.\n{line}\n")
    done = CliRunner().invoke(marked.app, ["it", str(text), str(tmp_path / "train.jsonl")])
    assert done.exit_code == 1
    assert f"{text}, {message}" in done.output
    assert not (tmp_path / "train.jsonl").exists()
    text.write_text("\n")
    assert (
        "contains no sentences. Write one sentence a line."
        in CliRunner().invoke(marked.app, ["it", str(text), str(tmp_path / "x.jsonl")]).output
    )
