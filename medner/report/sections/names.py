"""The scores on other real text with names of persons, organisations and places."""

from __future__ import annotations

from medner.report.blocks import Missing, Paragraph, Section
from medner.report.cells import command, f1_cell, main_run_text
from medner.report.inputs import Inputs
from medner.tables import Row, Table

TITLE = "Names in other real text"


def section(inputs: Inputs) -> Section | Missing:
    """F1 of every experiment, in all and by label; a table for each suite."""
    if not inputs.name_suites:
        return Missing(TITLE, f"with a mirror that holds the corpora: {command('all')}")
    text = Paragraph("This text is not medical. It shows what becomes of names, in a language that has no news here.")
    return Section("names", TITLE, [text, *(_table(inputs, suite) for suite in inputs.name_suites)])


def _table(inputs: Inputs, suite: str) -> Table:
    scores = {name: score for name in inputs.results if (score := inputs.score(name, suite))}
    labels = sorted({label for score in scores.values() for label in score.labels})
    rows: list[Row] = [
        [name, f1_cell(own), *(f1_cell(own.labels.get(label)) for label in labels)] for name, own in scores.items()
    ]
    caption = f"F1 of {main_run_text(inputs)} on {suite}, with its interval, and by label"
    return Table(["experiment", "all", *labels], rows, caption=caption)
