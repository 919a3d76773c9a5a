"""The validation curve of a training: what spaCy's logger wrote, as the report reads it."""

from __future__ import annotations

from pathlib import Path

import srsly
from pydantic import Field

from medner.exceptions import InputError
from medner.files import read_text
from medner.outputs import Output

CURVE = "curve.json"  # beside a training's pipelines, and beside its metrics
DEV_SCORES = {"p": "ents_p", "r": "ents_r", "f1": "ents_f"}


class Evaluation(Output):
    """An evaluation on the dev data. Epochs count from 0, rates go from 0 to 1, losses are by component."""

    epoch: int
    step: int
    p: float
    r: float
    f1: float
    losses: dict[str, float]


class TrainingCurve(Output):
    """``curve.json``. best: the evaluation that model-best has; of equal ones the last, as spaCy chooses."""

    evaluations: list[Evaluation] = Field(min_length=1)
    best: Evaluation


def read_log(log: Path) -> TrainingCurve:
    """The curve of a training, from the file of spaCy's ``ConsoleLogger.v3``. Raises InputError if it is damaged."""
    evaluations = []
    for number, line in enumerate(read_text(log).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = srsly.json_loads(line)
            scores = {name: row["scores"][key] / 100 for name, key in DEV_SCORES.items()}
            evaluations.append(Evaluation(epoch=row["epoch"], step=row["step"], **scores, losses=row["losses"]))
        except (ValueError, KeyError, TypeError) as error:
            what = f"not an evaluation of spaCy's logger ({' '.join(str(error).split())})"
            raise InputError(what, path=log, place=f"line {number}", remedy="Train again") from None
    if not evaluations:
        raise InputError("no evaluation", path=log, remedy="Train again")
    return TrainingCurve(evaluations=evaluations, best=max(reversed(evaluations), key=lambda one: one.f1))
