"""The readers of real medical corpora: what they yield, what they count, and what they refuse."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from conftest import GOLDEN
from hypothesis import given
from hypothesis import strategies as st
from test_readers import message

from medner.data.readers.e3c import read_e3c
from medner.data.readers.mantra import read_mantra
from medner.data.readers.monero import read_monero, space_after
from medner.data.readers.quaero import read_quaero
from medner.data.readers.simonero import read_simonero
from medner.data.readers.tags import without_orphans
from medner.data.records import Entity, Record, Tally, bio_spans, from_bio, longest

Read = Callable[[Path, Tally], Iterable[Record]]


def emea(path: Path, tally: Tally) -> Iterable[Record]:
    return read_quaero(path, "train", "EMEA", tally)


def forms(record: Record, label: str) -> list[str]:
    return [record.surface(entity) for entity in record.entities if entity.label == label]


MESSAGES: list[tuple[Read, str, str]] = [
    (read_simonero, "simonero/missing.conllu", "no such file. Check the path, or run the step that makes it."),
    (read_simonero, "simonero/empty.conllu", "contains no sentences. Fetch the file again."),
    (
        read_simonero,
        "simonero/columns.conllu",
        "sentence 1 (sent_id dev-1): word 1 has not ten columns. Fetch or repair the file.",
    ),
    (
        read_simonero,
        "simonero/no_bio.conllu",
        "sentence 1 (sent_id dev-1): token 1: 'amod' is not a BIO tag. Fetch or repair the file.",
    ),
    (
        read_simonero,
        "simonero/other_text.conllu",
        "sentence 1 (sent_id dev-1): the words make up 'Are HTA.', not '# text = Are astm.'. Fetch or repair the file.",
    ),
    (
        read_simonero,
        "simonero/duplicate_id.conllu",
        "sentence 2 (sent_id dev-1): id 'dev-1' was already used at sentence 1 (sent_id dev-1). "
        "Give every record a unique id.",
    ),
    (read_monero, "monero/empty.txt", "contains no sentences. Fetch the file again."),
    (
        read_monero,
        "monero/columns.txt",
        "line 2: a line needs a token, lemma, tag and part of speech between tabs, not 'HTA\\tHTA\\tB-DISO'. "
        "Fetch or repair the file.",
    ),
    (
        read_monero,
        "monero/empty_token.txt",
        "line 2: a line needs a token, lemma, tag and part of speech between tabs, not '\\tHTA\\tB-DISO\\tX'. "
        "Fetch or repair the file.",
    ),
    (
        read_monero,
        "monero/no_bio.txt",
        "sentence 2 (line 3): token 1: 'DISO' is not a BIO tag. Fetch or repair the file.",
    ),
    (
        emea,
        "brat/no_ann",
        "!train/EMEA/1.txt: 1.ann is missing. Every text needs annotations.",
    ),
    (
        emea,
        "brat/malformed",
        "!train/EMEA/1.ann, line 1: not a text-bound annotation (id, label with offsets, surface, with tabs between): "
        "'T1\\tDISO 4\\tsyndrome'. Fetch or repair the file.",
    ),
    (
        emea,
        "brat/surface",
        "!train/EMEA/1.ann, line 2: offsets 1 3 hold 'Un', not 'Une'. Fetch or repair the file.",
    ),
    (emea, "brat/no_texts", "no texts in train/EMEA/. Run the fetch step again."),
    (
        read_mantra,
        "brat/mantra_no_group",
        "!French/EMEA/01_d1.u1.ann, line 1: T1 has no AnnotatorNotes with a semantic group. Fetch or repair the file.",
    ),
    (read_e3c, "e3c/no_documents", "contains no XMI documents. Run the fetch step again."),
    (
        read_e3c,
        "e3c/no_text",
        "!layer1/FR1.xml: not a UIMA CAS with a text, sentences and mentions (no Sofa). Fetch or repair the file.",
    ),
    (
        read_e3c,
        "e3c/range",
        "!layer1/FR1.xml: not a UIMA CAS with a text, sentences and mentions (CLINENTITY 10-999 is out of range). "
        "Fetch or repair the file.",
    ),
    (
        read_e3c,
        "e3c/no_tag.txt",
        "line 2: a line needs a token and O, B-ety or I-ety, not 'sèche'. Fetch or repair the file.",
    ),
    (
        read_e3c,
        "e3c/label.txt",
        "line 1: a line needs a token and O, B-ety or I-ety, not 'Toux B-toux'. Fetch or repair the file.",
    ),
    (
        read_e3c,
        "e3c/inside.txt",
        "sentence 1 (to line 2): token 2: 'I-CLINENTITY' without a B-CLINENTITY before it. Fetch or repair the file.",
    ),
    (read_e3c, "e3c/empty.txt", "contains no sentences. Fetch or repair the file."),
    (read_e3c, "e3c/doctype", "!layer1/FR1.xml: contains a document type definition. Fetch or repair the file."),
]


@pytest.mark.parametrize(("read", "file", "expected"), MESSAGES, ids=[file for _, file, _ in MESSAGES])
def test_malformed_files(read: Read, file: str, expected: str) -> None:
    assert message(read, GOLDEN / file) == expected


def test_broken_xml_is_refused() -> None:
    assert message(read_e3c, GOLDEN / "e3c" / "broken").startswith("!layer1/FR1.xml: not a UIMA CAS")


def test_simonero() -> None:
    tally = Tally()
    first, second = read_simonero(GOLDEN / "simonero" / "good.conllu", tally)
    assert (first.id, first.lang, first.text) == ("dev-1", "ro", "Are HTA (ușoară) și diabet zaharat tip 2.")
    assert forms(first, "DISO") == ["HTA", "diabet zaharat tip 2"]
    assert forms(second, "CHEM") == ["insulină"]
    assert dict(tally.quirks) == {"I- without B- DISO": 1}


def test_monero() -> None:
    tally = Tally()
    first, second = read_monero(GOLDEN / "monero" / "good.txt", tally)
    assert (first.id, first.text) == ("good-1", "Are HTA (ușoară), s-a agravat la 30-40%.")
    assert forms(first, "DISO") == ["HTA"]
    assert second.text == "Macro- și micro-albuminurie/proteinurie."
    assert forms(second, "DISO") == ["albuminurie", "proteinurie"]
    assert dict(tally.quirks) == {"I- without B- DISO": 1}


@pytest.mark.parametrize(
    "text",
    [
        "„ HTA ” ; TA : 150 / 90 ( mmHg ) !|„HTA”; TA: 150/90 (mmHg)!",
        "într- o lună , - ul și -ului|într-o lună, - ul și-ului",
        "la 2 - 3 ani , risc - beneficiu|la 2-3 ani, risc - beneficiu",
        "studiile 26 , 27 și 0.5 % din 15 pacienți|studiile 26,27 și 0.5% din 15 pacienți",
        "[ vezi [ 3 ] ]|[vezi [3]]",
    ],
)
def test_spaces_are_restored(text: str) -> None:
    tokens, expected = text.split("|")
    words = tokens.split(" ")
    assert from_bio(words, ["O"] * len(words), space_after(words))[0] == expected


TOKEN = st.one_of(
    st.sampled_from(["(", ")", ",", ".", "-", "/", "%", "s-", "-ului", "„", "”", "și", "12", "0,5"]),
    st.text("abcșț1-.", min_size=1, max_size=4),
)


@given(st.lists(TOKEN, min_size=1, max_size=12), st.data())
def test_detokenising_changes_only_spaces(tokens: list[str], data: st.DataObject) -> None:
    """Every token stays, in order, and so does every entity; the rules never write two spaces."""
    tags = without_orphans(
        data.draw(
            st.lists(st.sampled_from(["O", "B-DISO", "I-DISO", "I-CHEM"]), min_size=len(tokens), max_size=len(tokens))
        ),
        Tally(),
    )
    text, entities = from_bio(tokens, tags, space_after(tokens))
    assert text.replace(" ", "") == "".join(tokens)
    assert "  " not in text
    spans = list(bio_spans(tags))
    assert [text[e.start : e.end].replace(" ", "") for e in entities] == ["".join(tokens[s:e]) for s, e, _ in spans]


@pytest.mark.parametrize(
    ("tags", "clean", "count"),
    [
        ("O I-A I-A", "O O O", 1),
        ("B-A O I-A", "B-A O O", 1),
        ("B-A I-B I-A", "B-A O O", 2),
        ("B-A I-A B-A", "B-A I-A B-A", 0),
        ("I-A O I-A", "O O O", 2),
    ],
)
def test_orphan_tags(tags: str, clean: str, count: int) -> None:
    tally = Tally()
    assert without_orphans(tags.split(), tally) == clean.split()
    assert tally.quirks.total() == count


@given(st.lists(st.sampled_from(["O", "B-A", "I-A", "B-B", "I-B"])))
def test_without_orphans_every_sequence_is_bio(tags: list[str]) -> None:
    clean = without_orphans(tags, Tally())
    assert [new for old, new in zip(tags, clean, strict=True) if new not in (old, "O")] == []
    assert sum(tag.startswith("B-") for tag in tags) == len(list(bio_spans(clean)))


def test_brat_nested_discontinuous_and_trimmed() -> None:
    tally = Tally()
    first, second = emea(GOLDEN / "brat" / "good", tally)
    assert (first.id, first.lang) == ("EMEA-1-1", "fr")
    assert first.text == "Un syndrome de l ’ intestin irritable ."
    assert forms(first, "DISO") == ["syndrome", "syndrome de l ’ intestin irritable"]
    assert forms(second, "DISO") == ["crampes", "crampes abdominales"]
    assert dict(tally.quirks) == {"discontinuous DISO": 1, "white space trimmed DISO": 1}
    assert [forms(longest(record, tally), "DISO") for record in (first, second)] == [
        ["syndrome de l ’ intestin irritable"],
        ["crampes abdominales"],
    ]
    assert tally.quirks["nested DISO"] == 2
    assert tally.quirks["nested ANAT"] == 1


def test_archives_and_folders_give_the_same_records(tmp_path: Path) -> None:
    path = tmp_path / "quaero.tar.xz"
    with tarfile.open(path, "w:xz") as archive:
        archive.add(GOLDEN / "brat" / "good", "somewhere/inside")
    assert list(emea(path, Tally())) == list(emea(GOLDEN / "brat" / "good", Tally()))


def test_a_file_that_is_not_an_archive(tmp_path: Path) -> None:
    path = tmp_path / "quaero.zip"
    path.write_bytes(b"PK\x03\x04 no zip")
    assert message(emea, path).startswith("not a readable zip or tar archive (")
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("train/EMEA/1.txt"), io.BytesIO())
    assert message(emea, path) == "!train/EMEA/1.txt: 1.ann is missing. Every text needs annotations."


def test_mantra_takes_the_semantic_group() -> None:
    tally = Tally()
    records = list(read_mantra(GOLDEN / "brat" / "mantra", tally))
    assert [record.id for record in records] == [f"{g}-01_d1.u1-1" for g in ("EMEA", "Medline_EN_FR", "Patents")]
    assert forms(records[0], "LIVB") == ["virus de l’hépatite B"]
    assert forms(records[0], "DISO") == ["hépatite", "hépatite"]
    assert forms(records[0], "OBJC") == ["B"]
    assert forms(longest(records[0], tally), "DISO") == ["hépatite"]
    assert tally.quirks["same span DISO"] == 1


def test_e3c_counts_utf_16_units() -> None:
    """UIMA is Java: a character beyond the basic plane counts two."""
    tally = Tally()
    first, second = read_e3c(GOLDEN / "e3c" / "good", tally)
    assert (first.id, first.lang, first.text) == ("FR1-1", "fr", "Patient 🙂 fébrile.")
    assert (forms(first, "ACTOR"), forms(first, "CLINENTITY")) == (["Patient"], ["fébrile"])
    assert forms(second, "CLINENTITY") == ["Douleurs", "Douleurs pubiennes", "masse"]
    assert dict(tally.quirks) == {"discontinuous CLINENTITY": 1, "across sentences CLINENTITY": 1}


def test_e3c_one_token_a_line() -> None:
    """The spacing is put back, and labels have the names that the XMI files give them."""
    first, second = read_e3c(GOLDEN / "e3c" / "good.txt", Tally())
    assert (first.id, first.text) == ("good-1", "L'homme (55 ans) a une toux sèche-nocturne, fébrile.")
    assert forms(first, "CLINENTITY") == ["toux sèche", "fébrile"]
    assert (second.text, forms(second, "CLINENTITY")) == ("Pas d'œdème.", ["œdème"])


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 8), st.sampled_from("AB"))))
def test_the_longest_entities_stay_and_others_are_counted(spans: list[tuple[int, int, str]]) -> None:
    record = Record("x", "ro", "x" * 30, tuple(Entity(s, s + n, label) for s, n, label in spans))
    tally = Tally()
    flat = longest(record, tally)
    assert all(a.end <= b.start for a, b in zip(flat.entities, flat.entities[1:], strict=False))
    assert len(flat.entities) + tally.quirks.total() == len(spans)
    if spans:
        assert max(n for _, n, _ in spans) == max(e.end - e.start for e in flat.entities)
