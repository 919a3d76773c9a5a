"""The evaluations of a training on its dev data."""

from __future__ import annotations

from pathlib import Path

import srsly
from pydantic import BaseModel, Field

from medner.exceptions import InputError
from medner.files import read_text

CURVE = "curve.json"  # beside the pipelines of a training, and copied beside its metrics
DEV_SCORES = {"p": "ents_p", "r": "ents_r", "f1": "ents_f"}


class Evaluation(BaseModel):
    """An evaluation on the dev data during training: P, R and F1 (0 to 1), and the losses since the last one.

    epoch: from 0. losses: by component.
    """

    epoch: int
    step: int
    p: float
    r: float
    f1: float
    losses: dict[str, float]


class TrainingCurve(BaseModel):
    """``curve.json``: all evaluations, and the one whose weights are in model-best."""

    evaluations: list[Evaluation] = Field(min_length=1)
    best: Evaluation


def read_log(path: Path) -> TrainingCurve:
    """The curve of a training run from the file of spaCy's ``ConsoleLogger.v3``.

    Of equal evaluations the last is the best, as spaCy chooses. Raises InputError if the file is damaged or empty.
    """
    evaluations = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = srsly.json_loads(line)
            scores = {name: row["scores"][key] / 100 for name, key in DEV_SCORES.items()}
            evaluations.append(Evaluation(epoch=row["epoch"], step=row["step"], **scores, losses=row["losses"]))
        except (ValueError, KeyError, TypeError) as error:  # ValidationError is a ValueError
            what = f"not an evaluation of spaCy's logger ({' '.join(str(error).split())})"
            raise InputError(what, path=path, place=f"line {number}", remedy="Train again") from None
    if not evaluations:
        raise InputError("holds no evaluation", path=path, remedy="Train again")
    return TrainingCurve(evaluations=evaluations, best=max(reversed(evaluations), key=lambda one: one.f1))
