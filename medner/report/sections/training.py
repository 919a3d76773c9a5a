"""How training went: F1 on the dev data and the loss."""

from __future__ import annotations

from medner.model.curve import TrainingCurve
from medner.report import figures
from medner.report.blocks import Figure, Missing, Panel, Section
from medner.report.cells import command, count_cell, main_run_text
from medner.report.inputs import Inputs
from medner.tables import Cell, Row, Table

TITLE = "Validation curves"


def section(inputs: Inputs) -> Section | Missing:
    """The validation curve of every experiment's main run."""
    if not inputs.curves:
        return Missing(TITLE, command("all"))
    panels = []
    rows: list[Row] = []
    for name, curve in inputs.curves.items():
        panels.append(Panel(name, figures.validation(name, curve), f"{name}: {_said(curve)}"))
        rows += [
            [
                name,
                count_cell(one.epoch + 1),
                count_cell(one.step),
                Cell(f"{one.f1:.3f}", strong=one.step == curve.best.step),
                f"{one.losses.get('ner', 0):,.0f}",
            ]
            for one in curve.evaluations
        ]
    caption = f"Evaluations during training, {main_run_text(inputs)}"
    figure = Figure(
        f"F1 on the dev data and the loss since the previous evaluation, {main_run_text(inputs)}; the dot is the model "
        "that was kept. The dev data are those of an experiment's own sources, so heights cannot be compared",
        panels, Table(["experiment", "epoch", "step", "dev F1", "ner loss"], rows, caption=caption),
    )  # fmt: skip
    return Section("validation", TITLE, [figure])


def _said(curve: TrainingCurve) -> str:
    best, evaluations = curve.best, curve.evaluations
    return (
        f"of {len(evaluations)} evaluations, the first has dev F1 {evaluations[0].f1:.3f}, and the best, in epoch "
        f"{best.epoch + 1} (step {best.step:,}), {best.f1:.3f}."
    )
