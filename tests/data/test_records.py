from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medner.data.records import CEDILLA_TO_COMMA, Entity, Record, Tally, bio_spans, check_entities, from_bio, normalised
from medner.exceptions import InputError

LABELS = ["PERSON", "ORG", "MEDICAL"]
WORD = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=6)


@st.composite
def sentences(draw: st.DrawFn) -> tuple[list[str], list[str], list[bool]]:
    """Tokens, a valid BIO2 tagging of them, and where spaces follow."""
    spans = draw(st.lists(st.tuples(st.integers(1, 4), st.sampled_from(["O", *LABELS])), min_size=1, max_size=6))
    tags = [t for n, lab in spans for t in (["O"] * n if lab == "O" else [f"B-{lab}"] + [f"I-{lab}"] * (n - 1))]
    tokens = draw(st.lists(WORD, min_size=len(tags), max_size=len(tags)))
    return tokens, tags, draw(st.lists(st.booleans(), min_size=len(tags), max_size=len(tags)))


def tags_of(tokens: list[str], spaces: list[bool], entities: list[Entity]) -> list[str]:
    """The inverse of from_bio."""
    tags, position = [], 0
    for token, space in zip(tokens, spaces, strict=True):
        inside = next((e for e in entities if e.start <= position < e.end), None)
        tags.append("O" if inside is None else f"{'B' if inside.start == position else 'I'}-{inside.label}")
        position += len(token) + space
    return tags


@given(sentences())
def test_bio_and_character_spans_are_equivalent(sentence: tuple[list[str], list[str], list[bool]]) -> None:
    tokens, tags, spaces = sentence
    text, entities = from_bio(tokens, tags, spaces)
    assert text.replace(" ", "") == "".join(tokens).replace(" ", "")
    assert tags_of(tokens, spaces, entities) == tags
    assert check_entities(Record("x", "ro", text, tuple(entities)), "f", "p").entities == tuple(entities)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        (["O", "I-ORG"], "token 2: 'I-ORG' without a B-ORG before it"),
        (["B-PERSON", "I-ORG"], "token 2: 'I-ORG' without a B-ORG before it"),
        (["ORG"], "token 1: 'ORG' is not a BIO tag"),
        (["B-"], "token 1: 'B-' is not a BIO tag"),
        (["X-ORG"], "token 1: 'X-ORG' is not a BIO tag"),
    ],
)
def test_bad_tag_sequences_are_refused(tags: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        list(bio_spans(tags))


def test_adjacent_entities_stay_apart() -> None:
    assert list(bio_spans(["B-ORG", "B-ORG", "I-ORG", "B-LOC"])) == [(0, 1, "ORG"), (1, 3, "ORG"), (3, 4, "LOC")]


@given(st.text(alphabet="aşţŞŢșț x", min_size=1, max_size=20))
def test_cedillas_become_commas_and_are_counted(text: str) -> None:
    tally = Tally()
    record = normalised(Record("x", "ro", text), tally)
    assert len(record.text) == len(text)
    assert not set(record.text) & {chr(c) for c in CEDILLA_TO_COMMA}
    assert tally.cedillas == sum(text.count(chr(c)) for c in CEDILLA_TO_COMMA)


def test_cedillas_of_other_languages_are_kept() -> None:
    record, tally = Record("1", "tr", "şeker hastalığı", ()), Tally()
    assert normalised(record, tally) is record
    assert tally.cedillas == 0


def test_half_of_a_surrogate_pair_is_refused() -> None:
    """JSON can hold it, as an escape; UTF-8 and spaCy cannot."""
    record = Record("1", "ro", "Ana \ud83d are gripă.", (Entity(0, 3, "PERSON"),))
    with pytest.raises(InputError, match=r"x.jsonl, line 3: the text has half of a surrogate pair \(U\+D83D\).* Write"):
        check_entities(record, "x.jsonl", "line 3")
