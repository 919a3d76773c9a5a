"""Confidences, and texts that occur several times."""

from __future__ import annotations

import numpy as np
import pytest
import spacy
from spacy.language import Language
from spacy.tokens import Doc, Span, SpanGroup

import medner
from medner.annotation.engine import about, annotate_texts
from medner.annotation.entities import Entity
from medner.annotation.run import is_wanted
from medner.exceptions import InputError
from medner.model.bio import SPANS

READ: list[str] = []


@Language.component("scored_for_tests", assigns=["doc.ents", "doc.spans"])
def scored(doc: Doc) -> Doc:
    READ.append(doc.text)
    spans = [Span(doc, 1, 2, label="LOC"), Span(doc, 0, 1, label="PERSON")]
    doc.set_ents(spans)
    doc.spans[SPANS] = SpanGroup(doc, name=SPANS, attrs={"scores": np.array([0.25, 0.75], "f")}, spans=spans)
    return doc


def test_confidences_belong_to_their_entities_and_texts_are_read_once() -> None:
    nlp = spacy.blank("xx")
    nlp.add_pipe("scored_for_tests")
    READ.clear()
    first, second, third = annotate_texts(nlp, ["la Arad", "la Arad", "din Cluj"])
    assert first == second == [Entity(0, 2, "PERSON", "la", 0.75), Entity(3, 7, "LOC", "Arad", 0.25)]
    assert third[1].text == "Cluj"
    assert sorted(READ) == ["din Cluj", "la Arad"]
    assert [is_wanted(entity, (), 0.5) for entity in first] == [True, False]
    assert [is_wanted(entity, ("LOC",), 0.0) for entity in first] == [False, True]


def test_bio_pipelines_are_known_to_give_a_confidence() -> None:
    nlp = spacy.blank("xx")
    nlp.add_pipe("medner_bio").add_label("MEDICAL")  # type: ignore[attr-defined]
    assert about(nlp) == (("MEDICAL",), True)
    assert about(spacy.blank("xx")) == ((), False)


def test_a_pipeline_that_is_not_there_is_named_as_the_commands_name_it() -> None:
    with pytest.raises(InputError, match="no-such: no such pipeline. Give a trained experiment"):
        medner.load("no-such")
