from __future__ import annotations

from pathlib import Path

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from medner.data.labels import NameLexicon, load_scheme, map_record
from medner.data.records import Entity, Record, Tally
from medner.exceptions import InputError

SCHEME = load_scheme(ROOT / "configs" / "labels.yml")


def record(text: str, *mentions: str, label: str = "PERSON") -> Record:
    """A record whose mentions are found in the text from left to right."""
    entities, position = [], 0
    for mention in mentions:
        start = text.index(mention, position)
        position = start + len(mention)
        entities.append(Entity(start, position, label))
    return Record(text, "ro", text, tuple(entities))


TRAINING = [
    record("Ieri președintele a plecat, iar regizoarea Ana Pop a rămas.", "președintele", "regizoarea Ana Pop"),
    record("Au venit directorul, jurnalistul, fanii și vecinii lui.", "directorul", "jurnalistul", "fanii", "vecinii"),
    record("Alături de Iohannis și de Marin Bucur, el a vorbit.", "Iohannis", "Marin Bucur", "el"),
    record("Speranța e a celor care au speranța; la Cluj e frig.", "celor"),
    record("Acolo erau premierul, ministrul și antrenorul.", "premierul", "ministrul", "antrenorul"),
]
LEXICON = NameLexicon(SCHEME.titles, SCHEME.particles).learn(TRAINING)


@pytest.mark.parametrize(
    ("before", "mention", "kept"),
    [
        # title and name: the title stays
        ("L-a văzut pe ", "dr. Ionescu", "dr. Ionescu"),
        ("L-a văzut pe ", "Prof. univ. dr. Radu Moga", "Prof. univ. dr. Radu Moga"),
        ("", "Dl Constantin Ostaficiuc", "Dl Constantin Ostaficiuc"),
        ("A vorbit ", "domnul ing. Gheorghe Murg", "domnul ing. Gheorghe Murg"),
        # role and name: the role goes
        ("A vorbit ", "regizoarei Mirela Bucur", "Mirela Bucur"),
        ("A vorbit cu ", "premierul Victor Ponta", "Victor Ponta"),
        ("", "Președintele Iohannis", "Iohannis"),
        ("A spus ", "domnul viceprimar Adrian Orza", "Adrian Orza"),
        # name and apposition: the apposition goes
        ("A spus ", "Marcel Bărbuț, CEO", "Marcel Bărbuț"),
        ("A spus ", "James Pettit, ambasadorul", "James Pettit"),
        ("A spus ", "dna Aurelia Junie, șef", "dna Aurelia Junie"),
        # common nouns, in mid-sentence and at its start, known and unknown
        ("A spus ", "președintele", None),
        ("", "Președintele", None),
        ("", "Fanii", None),
        ("„", "Vecinii", None),
        ("", "Redactorul", None),  # unknown, but ends like a noun
        # pronouns
        ("A spus ", "el", None),
        ("", "El", None),
        ("A spus ", "cei", None),
        # names at the start of a sentence
        ("", "Iohannis", "Iohannis"),
        ("A plecat. ", "Mihaela Pop", "Mihaela Pop"),
        ("A văzut-o pe ", "Speranța Cliseriu", "Speranța Cliseriu"),
        # foreign names, particles, initials, ordinals
        ("A spus ", "Milivoje Urošević", "Milivoje Urošević"),
        ("A spus ", "generalului Ewald von Kleist", "Ewald von Kleist"),
        ("A spus ", "Moqtada al-Sadr", "Moqtada al-Sadr"),
        ("A spus ", "Gustave d'Alaux", "Gustave d'Alaux"),
        ("A spus ", "Ștefan cel Mare", "Ștefan cel Mare"),
        ("A spus ", "regele Carol al II-lea", "Carol al II-lea"),
        ("A spus ", "George W. Bush", "George W. Bush"),
        ("A spus ", "prof. Gr. Benetato", "prof. Gr. Benetato"),
        ("A spus ", "A.C. Cuza", "A.C. Cuza"),
    ],
)
def test_named_persons(before: str, mention: str, kept: str | None) -> None:
    text = f"{before}{mention} a plecat."
    span = LEXICON.trim(text, Entity(len(before), len(before) + len(mention), "PERSON"))
    assert (None if span is None else text[span.start : span.end]) == kept


@given(
    st.text(alphabet="aAbBșȚ.,- '’()IV0", max_size=12), st.text(alphabet="aAbBșȚ.,- '’()IV0", min_size=1, max_size=30)
)
def test_a_trimmed_mention_is_a_part_of_the_mention(before: str, mention: str) -> None:
    text = f"{before}{mention} x"
    entity = Entity(len(before), len(before) + len(mention), "PERSON")
    span = LEXICON.trim(text, entity)
    if span is not None:
        assert entity.start <= span.start < span.end <= entity.end
        assert any(c.isupper() for c in text[span.start : span.end])
        assert text[span.start : span.end] == text[span.start : span.end].strip()


def test_mapping_counts_what_it_drops() -> None:
    tally = Tally()
    text = "Ion Pop, directorul, e la Cluj, 3 zile."
    entities = (Entity(0, 7, "PERSON"), Entity(9, 19, "PERSON"), Entity(26, 30, "GPE"), Entity(32, 38, "PERIOD"))
    mapped = map_record(Record("1", "ro", text, entities), SCHEME.corpus("ronec"), tally, path="f", lexicon=LEXICON)
    assert mapped.entities == (Entity(0, 7, "PERSON"), Entity(26, 30, "LOC"))
    assert tally.dropped == {"PERSON without a name": 1, "PERIOD": 1}


def test_without_a_lexicon_all_persons_stay() -> None:
    mapped = map_record(TRAINING[0], SCHEME.corpus("ronec"), Tally(), path="f")
    assert mapped.entities == TRAINING[0].entities


def test_every_ronec_class_is_mapped_or_dropped() -> None:
    v2, v1 = SCHEME.corpus("ronec"), SCHEME.corpus("ronec-v1")
    assert len({*v2.map, *v2.drop}) == 15
    assert len({*v1.map, *v1.drop}) == 16
    assert v2.annotated == v1.annotated == {"PERSON", "ORG", "LOC"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("labels: [", "labels.yml: not valid YAML ("),
        ("labels: [A]\n", "labels.yml, persons: missing"),
        (
            "labels: [A]\npersons: some\ntitles: []\nparticles: []\ncorpora: {}\n",
            "labels.yml, persons: Input should be 'named' or 'all'",
        ),
        (
            "labels: [A]\npersons: all\ntitles: []\nparticles: []\ncorpora: {x: {map: {P: B}, drop: []}}\n",
            "labels.yml, corpora: x maps onto unknown labels: B",
        ),
    ],
)
def test_malformed_schemes(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "labels.yml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_scheme(path)
    assert expected in str(caught.value)


def test_unknown_corpus() -> None:
    with pytest.raises(InputError, match="labels.yml, corpora: corpus 'nonesuch' has no labels. Add its map and drop"):
        SCHEME.corpus("nonesuch")
