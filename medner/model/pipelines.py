"""Pipelines as the command line names them: by experiment, by folder, or by the name of an installed package."""

from __future__ import annotations

from pathlib import Path

import spacy
from spacy.language import Language

from medner.command_line import ROOT
from medner.exceptions import InputError
from medner.model.provenance import META

REMEDY = "Give an experiment that is trained, a pipeline's folder, or the name of an installed package"


def find_pipeline(model: str, training: Path = ROOT / "training") -> Path | None:
    """The folder that an experiment's name or a path stands for; None if there is none."""
    candidates = (Path(model), Path(model) / "model-best", training / model / "model-best")
    return next((folder for folder in candidates if (folder / META).is_file()), None)


def load_named(model: str) -> Language:
    """The pipeline. Raises InputError where there is none or it cannot be loaded."""
    folder = find_pipeline(model)
    try:
        return spacy.load(folder or model)
    except (OSError, ValueError) as error:
        what = f"the pipeline cannot be loaded ({' '.join(str(error).split())[:200]})"
        raise InputError(what, path=folder or model, remedy=REMEDY) from None
