"""The scores on other real text with names of persons, organisations and places."""

from __future__ import annotations

from medner.report.blocks import Missing, Paragraph, Section
from medner.report.cells import command, f1_cell, main_run_text
from medner.report.inputs import Inputs
from medner.tables import Row, Table

TITLE = "Names in other real text"


def section(inputs: Inputs) -> Section | Missing:
    """F1 of every experiment, in all and by label."""
    suites = inputs.name_suites
    if not suites:
        return Missing(TITLE, f"with a mirror that holds the corpora: {command('all')}")
    columns = [(suite, label) for suite in suites for label in _labels(inputs, suite)]
    rows: list[Row] = []
    for name in inputs.results:
        if any(inputs.score(name, suite) for suite in suites):
            cells = []
            for suite, label in columns:
                score = inputs.score(name, suite)
                cells.append(f1_cell((score.labels.get(label) if label else score) if score else None))
            rows.append([name, *cells])
    caption = f"F1 of {main_run_text(inputs)}, with its interval, and by label"
    header = ["experiment", *(f"{suite} {label}".strip() for suite, label in columns)]
    text = Paragraph("This text is not medical. It shows what becomes of names, in a language that has no news here.")
    return Section("names", TITLE, [text, Table(header, rows, caption=caption)])


def _labels(inputs: Inputs, suite: str) -> list[str]:
    """No label for the whole suite, then every label of it."""
    scores = [score for name in inputs.results if (score := inputs.score(name, suite))]
    return ["", *sorted({label for score in scores for label in score.labels})]
