"""Entities of many texts, with any saved pipeline."""

from __future__ import annotations

from collections.abc import Sequence

from spacy.language import Language
from spacy.tokens import Doc

from medner.annotation.entities import Entity

SCORED = "entities"  # key of doc.spans where a component leaves entities with their probabilities


def annotate_texts(nlp: Language, texts: Sequence[str]) -> list[list[Entity]]:
    """The entities of every text, sorted by start."""
    return [entities_of(doc) for doc in nlp.pipe(texts)]


def entities_of(doc: Doc) -> list[Entity]:
    """The entities of a document, with their confidence where the pipeline gave one."""
    group = doc.spans.get(SCORED)
    scores = {} if group is None else group.attrs.get("scores", ())
    known = {} if group is None else {(s.start, s.end, s.label): float(p) for s, p in zip(group, scores, strict=False)}
    return [Entity(e.start_char, e.end_char, e.label_, e.text, known.get((e.start, e.end, e.label))) for e in doc.ents]
