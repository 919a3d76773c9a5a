"""Passages and offsets: whatever the text, an entity's offsets give its text in the original."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medner.annotation.entities import Entity
from medner.annotation.inputs import Document
from medner.annotation.passages import LONGEST, passages
from medner.annotation.run import annotate_documents

PIECES = st.sampled_from(
    ["Arad", "Dr. ", "are HTA. ", "\r\n", "\n", "\u2028", " ", "\t", "ş", "a\u0306", "😀", "«", "?", "x" * 1200]
)
TEXTS = st.lists(PIECES | st.characters(codec="utf-8"), max_size=12).map("".join)


@given(TEXTS)
def test_passages_lose_nothing_but_white_space(text: str) -> None:
    position = 0
    for start, passage in passages(text):
        assert text[start : start + len(passage)] == passage
        assert not text[position:start].strip()
        assert len(passage) <= LONGEST
        assert len(passage.splitlines()) == 1
        position = start + len(passage)
    assert not text[position:].strip()


@pytest.mark.parametrize(
    ("line", "sentences"),
    [
        ("Dr. Popescu vine. Pacienta pleacă.", ["Dr. Popescu vine.", "Pacienta pleacă."]),
        ("Nr. Dosar 5. M. Petit, prof. Ionescu, S.U.A. Ieri", ["Nr. Dosar 5. M. Petit, prof. Ionescu, S.U.A. Ieri"]),
        ("Febră? Nu! «Bine.» Elle va", ["Febră?", "Nu!", "«Bine.»", "Elle va"]),
        ("Are 7.5 mg. și apoi", ["Are 7.5 mg. și apoi"]),
    ],
)
def test_sentences_end_where_that_is_sure(line: str, sentences: list[str]) -> None:
    assert [text for _, text in passages(line)] == sentences


@given(TEXTS)
def test_wrapped_passages_lose_nothing_but_white_space(text: str) -> None:
    position = 0
    for start, passage in passages(text, wrapped=True):
        assert passage.split() == text[start : start + len(passage)].split()
        assert not text[position:start].strip()
        assert len(passage.splitlines()) == 1
        position = start + len(passage)
    assert not text[position:].strip()


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("Are insuficiență\nrenală. Este\r\n  stabilă.", ["Are insuficiență renală.", "Este    stabilă."]),
        ("Diagnostic\n\nHTA", ["Diagnostic", "HTA"]),
        ("Are:\n- HTA\n- astm\n1. gripă", ["Are:", "- HTA", "- astm", "1. gripă"]),
    ],
)
def test_line_breaks_of_wrapped_text(text: str, read: list[str]) -> None:
    assert [passage for _, passage in passages(text, wrapped=True)] == read


@pytest.mark.parametrize("line", ["." * 200_000, "!" * 100_000 + " " * 100_000 + "x"])
def test_rows_of_marks_are_read_once(line: str) -> None:
    assert "".join(text for _, text in passages(line)) == "".join(line.split(" "))


def letters(texts: list[str]) -> list[list[Entity]]:
    return [[Entity(m.start(), m.end(), "X", m[0]) for m in re.finditer("Ara?d?|ş|HTA", text)] for text in texts]


@given(st.lists(TEXTS, max_size=5), st.integers(0, 3))
def test_offsets_give_the_text_in_the_original(texts: list[str], ahead: int) -> None:
    def find(chunks: object) -> object:
        waiting: list[list[str]] = []
        for chunk in chunks:  # type: ignore[attr-defined]
            waiting.append(chunk)
            if len(waiting) > ahead:
                yield letters(waiting.pop(0))
        yield from map(letters, waiting)

    documents = [Document(str(number), text) for number, text in enumerate(texts)]
    done = list(annotate_documents(documents, find))  # type: ignore[arg-type]
    assert [document for document, _ in done] == documents
    for text, (_, entities) in zip(texts, done, strict=True):
        assert [e.text for e in entities] == re.findall("Ara?d?|ş|HTA", text)
        assert all(text[e.start : e.end] == e.text for e in entities)
