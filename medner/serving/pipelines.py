"""The pipelines that are served: loaded, with names that differ and with what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from spacy.language import Language

from medner.annotation import engine
from medner.annotation.entities import Entity
from medner.annotation.inputs import Document
from medner.annotation.run import annotate_documents
from medner.model.provenance import provenance_in
from medner.serving.api import PipelineInfo, Served


def load(models: Sequence[str]) -> list[Served]:
    """Pipelines, by experiment, folder or package name. Raises InputError where one cannot be loaded."""
    found: dict[str, Served] = {}
    for model in models:
        nlp = engine.load(model)
        name = _name(nlp, model)
        number = 2
        while name in found:
            name, number = f"{_name(nlp, model)} ({number})", number + 1
        found[name] = served(nlp, name)
    return list(found.values())


def served(nlp: Language, name: str) -> Served:
    """A pipeline with what is known of it."""
    provenance, about = provenance_in(nlp.meta), engine.about(nlp)
    info = PipelineInfo(
        name=name,
        labels=list(about.labels),
        has_confidence=about.confidence,
        trained_on={source: origin.note for source, origin in provenance.sources.items()} if provenance else {},
    )
    return Served(info, partial(_annotate, nlp))


def _annotate(nlp: Language, texts: Sequence[str]) -> list[list[Entity]]:
    """The entities of every text, found in its passages as ``medner annotate`` does: none runs across lines."""
    documents = (Document("", text) for text in texts)
    find = partial(map, partial(engine.annotate_texts, nlp))
    return [entities for _, entities in annotate_documents(documents, find)]


def _name(nlp: Language, model: str) -> str:
    provenance = provenance_in(nlp.meta)
    return provenance.experiment if provenance else Path(model).name
