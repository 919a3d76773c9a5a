"""Every experiment, steps or not: what one corpus alone gives, and what real annotation gives."""

from __future__ import annotations

from collections.abc import Sequence

from medner.report.blocks import Missing, Paragraph, Section
from medner.report.cells import command, f1_cell, main_run_text
from medner.report.inputs import Inputs
from medner.tables import Cell, Table

TITLE = "Ablations"


def section(inputs: Inputs) -> Section | Missing:
    """F1 of every experiment on medical text, real and synthetic, and on news; what it trains on."""
    if not inputs.others:
        return Missing(TITLE, command("ablations"))
    text = "What one corpus alone gives, and what real annotation gives."
    if zero_shot := [name for name in inputs.study.zero_shot if name in inputs.results]:
        text += (
            f" {', '.join(zero_shot)}: the zero-shot labels of a language model that was given the guidelines. A text "
            "without a usable answer counts as one without mentions. The model may have seen these texts before."
        )
    groups = [
        ("real medical text", inputs.scored_by(inputs.others, inputs.real_suites)),
        ("text like that of training", inputs.scored_by(inputs.others, inputs.headline_suites)),
    ]
    captions = {f"F1 of {main_run_text(inputs)} on {what}": suites for what, suites in groups if suites}
    tables = [_table(inputs, f"{caption}; below the name: the sources", s) for caption, s in captions.items()]
    return Section("ablations", TITLE, [Paragraph(text), *tables])


def _scored(inputs: Inputs, suites: Sequence[str]) -> list[str]:
    return [name for name in inputs.results if any(inputs.score(name, suite) for suite in suites)]


def _table(inputs: Inputs, caption: str, suites: Sequence[str]) -> Table:
    rows = []
    for name in _scored(inputs, suites):
        sources = "\n+ ".join(inputs.study.experiments[name].sources) or "nothing"
        rows.append([Cell(name, sources), *(f1_cell(inputs.score(name, suite)) for suite in suites)])
    return Table(["experiment", *suites], rows, caption=caption)
