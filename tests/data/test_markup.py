"""Inline markup: parsing and rendering are inverse, everything else is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medner.data.markup import MarkupError, holds_tag, parse, render
from medner.data.records import Entity
from medner.generation.config import LABELS


@st.composite
def texts_with_entities(draw: st.DrawFn) -> tuple[str, tuple[Entity, ...]]:
    """A text, and entities in order that do not overlap."""
    text = draw(st.text(st.sampled_from("ab ăș<>/&M.\n"), min_size=1, max_size=40).filter(lambda t: not holds_tag(t)))
    cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=8)))
    pairs = zip(cuts[::2], cuts[1::2], strict=False)
    return text, tuple(Entity(start, end, draw(st.sampled_from(LABELS))) for start, end in pairs)


@given(texts_with_entities())
def test_rendered_text_parses_to_the_same(given: tuple[str, tuple[Entity, ...]]) -> None:
    assert parse(render(*given), LABELS) == given


@given(st.lists(st.sampled_from(["<MEDICAL>", "</MEDICAL>", "<ORG>", "</ORG>", "<b>", "<", ">", "/", "MEDICAL", "a "])))
def test_parsed_markup_renders_to_the_same(pieces: list[str]) -> None:
    marked = "".join(pieces)
    try:
        text, entities = parse(marked, LABELS)
    except MarkupError:
        return
    assert render(text, entities) == marked


@pytest.mark.parametrize(
    ("marked", "reason"),
    [
        ("Are <MEDICAL>astm", "unclosed tag"),
        ("Are astm</MEDICAL>.", "unclosed tag"),
        ("Are <MEDICAL>astm</ORG>.", "unclosed tag"),
        ("<ORG>Spitalul <LOC>Arad</LOC></ORG>", "nested tag"),
        ("<MEDICAL>astm <MEDICAL>sever</MEDICAL></MEDICAL>", "nested tag"),
        ("Are <medical>astm</medical>.", "unknown tag"),
        ("Are <DISEASE>astm</DISEASE>.", "unknown tag"),
        ("Are <b>astm</b>.", "unknown tag"),
        ("Are <MEDICAL >astm</MEDICAL>.", "unknown tag"),
        ("Are <>astm.", "unknown tag"),
        ("<MED<ORG>X</ORG>ICAL>", "unknown tag"),
        ("Are <MEDICAL></MEDICAL>astm.", "empty tag"),
    ],
)
def test_malformed_markup_is_refused_with_a_reason(marked: str, reason: str) -> None:
    with pytest.raises(MarkupError) as error:
        parse(marked, LABELS)
    assert error.value.reason == reason


def test_comparison_signs_are_text() -> None:
    text, entities = parse("HbA1c < 7 %, p <0,001, eGFR > 60: fără <MEDICAL>DZ</MEDICAL>", LABELS)
    assert text == "HbA1c < 7 %, p <0,001, eGFR > 60: fără DZ"
    assert entities == (Entity(39, 41, "MEDICAL"),)
