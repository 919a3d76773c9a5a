from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medner.data import variation as v
from medner.data.records import Entity, Record, without_marks
from medner.evaluation.perturbations import JOINED, NAMES, perturbed

TEXT = "Pacienta Ana Șerban, cu hipertensiune arterială și diabet, e la Spitalul Județean Arad."
RECORD = Record(
    "1", "ro", TEXT, (Entity(9, 19, "PERSON"), Entity(24, 47, "MEDICAL"), Entity(64, 86, "ORG")), {"source": "s"}
)


def forms(record: Record) -> list[str]:
    return [record.surface(entity) for entity in record.entities]


def vary(*ways: v.Vary, seed: int = 0) -> Record:
    return v.varied(RECORD, ways, random.Random(seed))


@pytest.mark.parametrize("name", NAMES)
def test_perturbed_text_keeps_its_mentions(name: str) -> None:
    records = [RECORD] * 3
    changed = perturbed(records, name)
    assert changed == perturbed(records, name)
    assert [e.label for r in changed for e in r.entities] == [e.label for r in records for e in r.entities]
    for form in (form for record in changed for form in forms(record)):
        assert form.strip() == form != ""


def test_clean_text_stays() -> None:
    assert perturbed([RECORD], "clean") == [RECORD]


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        (v.odd_space_in_mentions(["\xa0"]), "hipertensiune\xa0arterială"),
        (v.wrapped(38, "\r\n"), "hipertensiune\r\narterială"),
        (v.each(str.upper), "HIPERTENSIUNE ARTERIALĂ"),
        (v.each(without_marks), "hipertensiune arteriala"),
        (v.each(v.misread), "hipertensiune arterialã"),
        (v.each(v.misread_utf8), "hipertensiune arterialÄƒ"),
        (v.each(v.decomposed), "hipertensiune arteriala\u0306"),
        (v.framed(["\uf0b7 "]), "hipertensiune arterială"),
    ],
)
def test_ways(way: v.Vary, expected: str) -> None:
    assert forms(vary(way))[1] == expected


def test_names_and_headings_in_capitals() -> None:
    assert vary(v.mentions_in_capitals(["PERSON"])).text == TEXT.replace("Ana Șerban", "ANA ȘERBAN")
    assert vary(v.heading_in_capitals(2)).text == TEXT.replace("Pacienta Ana", "PACIENTA ANA")


def test_what_cannot_be_seen_lies_outside_of_mentions_or_between_their_characters() -> None:
    found = vary(v.inserted(["\u200b"], 1.0, inside=False))
    assert "\u200b" in found.text
    assert all(not form.startswith("\u200b") and not form.endswith("\u200b") for form in forms(found))
    assert "\u00ad" in forms(vary(v.inserted(["\u00ad"], 1.0, inside=True)))[1]


def test_joined_sentences() -> None:
    both = v.joined([RECORD, RECORD], ["\n"])
    assert both.text == f"{TEXT}\n{TEXT}"
    assert forms(both) == forms(RECORD) * 2
    assert len(perturbed([RECORD] * 25, next(iter(JOINED)))) == 3


@given(st.text(max_size=30), st.lists(st.sampled_from(["", "x", "  "]), min_size=31, max_size=31), st.randoms())
def test_offsets_follow_every_change(text: str, inserted: Sequence[str], rng: random.Random) -> None:
    cuts = sorted(rng.sample(range(len(text) + 1), min(4, len(text) + 1) // 2 * 2))
    spans = tuple(Entity(start, end, "ORG") for start, end in zip(cuts[::2], cuts[1::2], strict=True))
    letters = v.Letters.of(Record("1", "ro", text, spans))
    letters.each(range(len(text)), lambda cell: rng.choice((cell, cell * 2)))
    letters.gaps[: len(text) + 1] = inserted[: len(text) + 1]
    found = letters.record(Record("1", "ro", text, spans))
    for before, after in zip(spans, found.entities, strict=True):
        inside = letters.gaps[before.start + 1 : before.end]
        expected = [
            cell + gap for cell, gap in zip(letters.cells[before.start : before.end], [*inside, ""], strict=True)
        ]
        assert found.surface(after) == "".join(expected)
