"""Confidences: whether they are what they say, and what a threshold on them gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from medner.evaluation.calibration import PRECISIONS, Calibration, SuiteCalibration, Threshold
from medner.report import figures
from medner.report.blocks import Figure, Missing, Panel, Paragraph, Section
from medner.report.cells import EMPTY, command, main_run_text
from medner.report.inputs import Inputs
from medner.tables import Cell, Row, Table

TITLE = "Confidence"


def section(inputs: Inputs) -> Section | Missing:
    """Calibration of every pipeline that gives confidences; plots of the last one in the study's order."""
    if not inputs.calibration:
        return Missing(TITLE, command("bio"))
    name, shown = list(inputs.calibration.items())[-1]
    text = Paragraph(
        "A pipeline with BIO tags gives every entity a confidence, fitted to its dev data by one temperature. If it "
        "is calibrated, of the entities with confidence .8 four in five are right. ECE is the mean distance of "
        "confidence and precision; the Brier score also rewards telling right from wrong. Both are best at 0. The "
        "thresholds are read off the test texts: take them as a description, not as a promise."
    )
    table = _table(inputs)
    drawn = {suite: one for suite, one in shown.items() if one.entities}
    diagrams = Figure(
        f"Precision by confidence of {name}, {main_run_text(inputs)}; on the diagonal, confidences are what they say. "
        "The size of a dot is its share of the entities",
        [Panel(suite, figures.reliability(f"{name} {suite}", one.bins), _said(one)) for suite, one in drawn.items()],
        _bins(drawn),
    )
    curves = Figure(
        f"Precision and recall of {name} over all thresholds, {main_run_text(inputs)}; the dot keeps every entity",
        [Panel(suite, figures.trade(f"{name} {suite}", one.curve), _traded(one)) for suite, one in drawn.items()],
        _curve(drawn),
    )
    real = [number for number, suite in enumerate(drawn) if suite in inputs.real_suites]
    chosen = [diagrams.panels[number] for number in real] or diagrams.panels
    slides = [(TITLE, [replace(diagrams, panels=chosen)])] if drawn else []
    return Section("confidence", TITLE, [text, table, *([diagrams, curves] if drawn else [])], slides)


def _table(inputs: Inputs) -> Table:
    rows: list[Row] = []
    for name, suites in inputs.calibration.items():
        for suite, one in suites.items():
            numbers = (_number(one.ece), _number(one.brier))
            parts = (one, one.seen, one.unseen)
            limits = (_limit(part, precision) for precision in PRECISIONS for part in parts)
            rows.append([name, suite, f"{one.entities:,}", *numbers, *limits])
    header = ["experiment", "suite", "entities", "ECE", "Brier"]
    header += [f"P ≥ {precision}{part}" for precision in PRECISIONS for part in ("", ", seen", ", unseen")]
    caption = (
        f"Calibration, {main_run_text(inputs)}; and the lowest threshold at which precision reaches a value, with the "
        "recall that is left, of all mentions and of seen and unseen surface forms"
    )
    return Table(header, rows, text=(0, 1), caption=caption)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _limit(part: Calibration, precision: float) -> Cell:
    found: Threshold | None = part.thresholds.get(str(precision))
    return Cell(f"{found.threshold:.2f}", f"R {found.recall:.2f}") if found else EMPTY


def _bins(suites: Mapping[str, SuiteCalibration]) -> Table:
    rows: list[Row] = [
        [suite, f"{one.low:.2f}–{one.high:.2f}", f"{one.entities:,}", _number(one.confidence), _number(one.precision)]
        for suite, found in suites.items()
        for one in found.bins
        if one.entities
    ]
    header = ["suite", "confidence", "entities", "mean confidence", "precision"]
    return Table(header, rows, text=(0, 1), caption="The reliability diagrams in numbers")


def _curve(suites: Mapping[str, SuiteCalibration]) -> Table:
    rows: list[Row] = [
        [suite, f"{one.threshold:.2f}", f"{one.precision:.3f}", f"{one.recall:.3f}"]
        for suite, found in suites.items()
        for one in found.curve[::10]
    ]
    header = ["suite", "threshold", "precision", "recall"]
    return Table(header, rows, text=(0,), caption="Every tenth point of the curves")


def _said(one: SuiteCalibration) -> str:
    return f"Precision by confidence of {one.entities:,} entities: ECE {_number(one.ece)}."


def _traded(one: SuiteCalibration) -> str:
    first, last = one.curve[0], one.curve[-1]
    return (
        f"From recall {first.recall:.2f} at precision {first.precision:.2f} to recall {last.recall:.2f} at precision "
        f"{last.precision:.2f}."
    )
