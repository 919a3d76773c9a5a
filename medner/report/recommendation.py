"""Which pipeline is recommended, and the dev scores that decide it."""

from __future__ import annotations

from collections.abc import Mapping

from medner.evaluation.calibration import PRECISIONS, Threshold
from medner.evaluation.dev import DevScores, ranked
from medner.evaluation.statistics import CONFIDENCE
from medner.report.inputs import Inputs
from medner.tables import Cell, Row, Table

RULE = "It has the highest F1 on common dev text, of {} pipelines without human annotation of medical text"


def chosen(inputs: Inputs) -> str | None:
    """The recommended pipeline if it has dev scores, else the best that has; None where none has."""
    order = ranked(inputs.dev)
    wanted = inputs.study.recommended.pipeline if inputs.study.recommended else ""
    return wanted if wanted in order else next(iter(order), None)


def recommendation(inputs: Inputs) -> str | None:
    """The recommendation with its reason, in a sentence or two; None without dev scores."""
    name, order = chosen(inputs), ranked(inputs.dev)
    if name is None:
        return None
    if order[0] != name:
        return (
            f"{name} {_f1(inputs.dev[name])}, as configs/experiments.yml says. On the common dev text, {order[0]} is "
            f"ahead: {_f1(inputs.dev[order[0]])}."
        )
    if len(order) == 1:
        return f"{name} {_f1(inputs.dev[name])}, the only one with dev scores: nothing was compared."
    next_best = f"; next: {order[1]} {_f1(inputs.dev[order[1]])}"
    return f"{name}. {RULE.format(len(order))}: {_f1(inputs.dev[name])}{next_best}."


def _f1(one: DevScores) -> str:
    bounds = " [{:.3f}, {:.3f}]".format(*one.f1_interval) if one.f1_interval else ""
    return f"{one.score.f1:.3f}{bounds}"


def dev_table(scores: Mapping[str, DevScores]) -> Table:
    """F1 on dev text, the best pipeline first."""
    order = ranked(scores)
    parts = list(scores[order[0]].parts)
    rows: list[Row] = []
    for name in order:
        one = scores[name]
        bounds = "[{:.3f}, {:.3f}]".format(*one.f1_interval) if one.f1_interval else ""
        by_part = (f"{one.sources[part].f1:.3f}" for part in parts)
        rows.append([name, Cell(f"{one.score.f1:.3f}", bounds, strong=True), *by_part])
    caption = f"F1 on the dev text that the candidates share, {CONFIDENCE:.0%} interval over texts, and by source"
    return Table(["experiment", "all", *parts], rows, caption=caption)


def threshold_table(one: DevScores) -> Table:
    """By label, the lowest confidence at which precision reaches a value on dev text, with the recall that is left."""

    def cell(found: Threshold | None) -> str | Cell:
        return Cell(f"{found.threshold:.2f}", f"R {found.recall:.2f}") if found else "none"

    rows: list[Row] = [
        [label, *(cell(found.get(str(precision))) for precision in PRECISIONS)]
        for label, found in one.thresholds.items()
    ]
    caption = "Lowest confidence at which precision reaches a value on dev text, by label, with the recall that is left"
    return Table(["label", *(f"P ≥ {precision}" for precision in PRECISIONS)], rows, caption=caption)
