"""The pipelines that are served: loaded, with names that differ and with what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import spacy
from spacy.language import Language

from medner.annotation.engine import annotate_texts
from medner.command_line import ROOT
from medner.exceptions import InputError
from medner.model.provenance import META, provenance_in
from medner.serving.api import PipelineInfo, Served


def load(models: Sequence[str]) -> list[Served]:
    """Pipelines by experiment, folder or package name. Raises InputError where one cannot be loaded."""
    found: dict[str, Served] = {}
    for model in models:
        nlp = load_pipeline(model)
        name = _name(nlp, model)
        number = 2
        while name in found:
            name, number = f"{_name(nlp, model)} ({number})", number + 1
        found[name] = served(nlp, name)
    return list(found.values())


def load_pipeline(model: str) -> Language:
    """A pipeline by experiment (its ``training/NAME/model-best``), folder or package name. Raises InputError."""
    folder = find_pipeline(model)
    try:
        return spacy.load(folder or model)
    except (OSError, ValueError) as error:
        what = f"cannot be loaded ({str(error).splitlines()[0]})"
        remedy = "Give an experiment that is trained, a pipeline's folder, or the name of an installed package"
        raise InputError(what, path=folder or model, remedy=remedy) from None


def find_pipeline(model: str, training: Path = ROOT / "training") -> Path | None:
    """The folder that an experiment's name or a path stands for; None if there is none."""
    candidates = (Path(model), Path(model) / "model-best", training / model / "model-best")
    return next((folder for folder in candidates if (folder / META).is_file()), None)


def served(nlp: Language, name: str) -> Served:
    """A pipeline with what is known of it."""
    provenance = provenance_in(nlp.meta)
    finders = [pipe for pipe in nlp.pipe_names if "doc.ents" in nlp.get_pipe_meta(pipe).assigns]
    info = PipelineInfo(
        name=name,
        labels=sorted({label for pipe in finders for label in nlp.pipe_labels[pipe]}),
        has_confidence=any(nlp.get_pipe_meta(pipe).factory == "medner_bio" for pipe in finders),
        trained_on={source: origin.note for source, origin in provenance.sources.items()} if provenance else {},
    )
    return Served(info, partial(annotate_texts, nlp))


def _name(nlp: Language, model: str) -> str:
    provenance = provenance_in(nlp.meta)
    return provenance.experiment if provenance else Path(model).name
