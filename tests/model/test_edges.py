from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc, Span

from medner.data.tokenizer import blank
from medner.model.edges import edge_patterns

NLP = blank()
RULER = NLP.add_pipe("attribute_ruler")
RULER.add_patterns(edge_patterns())  # type: ignore[attr-defined]
WORDS = ["a", "b", "\n", " ", "\u200b", "\ufeff\u200e", "x\u200b"]


def trimmed(words: list[str], start: int, end: int) -> list[tuple[int, int, str]]:
    doc = Doc(NLP.vocab, words=words)
    doc.set_ents([Span(doc, start, end, label="ORG")])
    return [(ent.start, ent.end, ent.label_) for ent in RULER(doc).ents]


@pytest.mark.parametrize(
    ("words", "span", "expected"),
    [
        ("a|\n|b", (0, 3), (0, 3)),
        ("a|\n|b", (0, 2), (0, 1)),
        ("a|\n", (0, 2), (0, 1)),
        ("a|\u200b|\n|b", (0, 3), (0, 1)),
        ("a|\u200b|\n|b", (0, 4), (0, 4)),
        ("\u200b|a|b", (0, 2), (1, 2)),
        ("\u200b|\n|a|b", (0, 4), (2, 4)),
        ("a|x\u200b", (0, 2), (0, 2)),
    ],
)
def test_entities_are_trimmed(words: str, span: tuple[int, int], expected: tuple[int, int]) -> None:
    assert trimmed(words.split("|"), *span) == [(*expected, "ORG")]


def test_an_entity_of_nothing_is_none() -> None:
    assert trimmed(["a", "\n", "\u200b"], 1, 3) == trimmed(["\u200b", "a"], 0, 1) == []


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=7), st.data())
def test_no_entity_has_an_edge_that_cannot_be_seen(words: list[str], data: st.DataObject) -> None:
    """At most two such tokens before the first word: ``ner`` begins no entity with white space."""
    start = data.draw(st.integers(0, len(words) - 1))
    end = data.draw(st.integers(start + 1, len(words)))
    bare = [number for number in range(start, end) if words[number] in ("a", "b", "x\u200b")]
    if not bare or bare[0] - start <= 3:
        assert trimmed(words, start, end) == ([(bare[0], bare[-1] + 1, "ORG")] if bare else [])
