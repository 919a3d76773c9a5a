"""Pipelines as the command line names them: by experiment, by folder, or by the name of an installed package."""

from __future__ import annotations

from pathlib import Path

from medner.command_line import ROOT
from medner.model.provenance import META


def find_pipeline(model: str, training: Path = ROOT / "training") -> Path | None:
    """The folder that an experiment's name or a path stands for; None if there is none."""
    candidates = (Path(model), Path(model) / "model-best", training / model / "model-best")
    return next((folder for folder in candidates if (folder / META).is_file()), None)
