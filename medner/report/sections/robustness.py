"""What pipelines lose on text as hospitals have it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from medner.evaluation.perturbations import CLEAN
from medner.evaluation.robustness import Perturbed, Robustness
from medner.report import figures
from medner.report.blocks import Figure, Missing, Panel, Paragraph, Section
from medner.report.cells import EMPTY, command
from medner.report.inputs import Inputs
from medner.tables import Cell, Row, Table

TITLE = "Text as hospitals have it"


def section(inputs: Inputs) -> Section | Missing:
    """F1 under every perturbation, with a plot for each suite of the last measured experiment in the study's order."""
    if not inputs.robustness:
        return Missing(TITLE, command("robustness"))
    text = Paragraph(
        "Test sentences are perturbed as the files of hospitals are: the mentions stay, what stands around and in them "
        "changes. White-space edges counts entities that start or end with white space; unseen counts entities that "
        "start or end with a token that the encoder has no word-piece for. Both should be 0."
    )
    name, found = list(inputs.robustness.items())[-1]
    tables = [_table(*one) for one in inputs.robustness.items()]
    most = f"at most {found.sentences:,} sentences of a suite"
    panels = [_panel(name, suite, own) for suite, own in found.suites.items()]
    caption = f"F1 of {name} under each perturbation, {most}; the line is clean text"
    plot = Figure(caption, panels, _table(name, found))
    return Section("robustness", TITLE, [text, *tables, plot], [(TITLE, [replace(plot, panels=panels[:2])])])


def _panel(experiment: str, suite: str, found: Mapping[str, Perturbed]) -> Panel:
    clean = found[CLEAN].f1
    bars = {name: one.f1 for name, one in found.items() if name != CLEAN}
    worst = min(found, key=lambda name: found[name].f1)
    said = f"F1 {clean:.3f} on clean text; lowest under “{worst}”, {found[worst].f1:.3f}."
    return Panel(suite, figures.levels(f"{experiment} {suite}", bars, clean), said)


def _table(experiment: str, found: Robustness) -> Table:
    names = list(dict.fromkeys(name for suite in found.suites.values() for name in suite))
    rows: list[Row] = []
    for name in names:
        own = [suite[name] for suite in found.suites.values() if name in suite]
        counts = (str(sum(one.edges for one in own)), str(sum(one.unseen for one in own)))
        rows.append([name, *(_cell(found, suite, name) for suite in found.suites), *counts])
    header = ["perturbation", *found.suites, "white-space edges", "unseen"]
    return Table(header, rows, text=(0,), caption=f"F1 of {experiment} under each perturbation, and the change")


def _cell(found: Robustness, suite: str, name: str) -> Cell:
    if name not in found.suites[suite]:
        return EMPTY
    change = "" if name == CLEAN else f"{found.change(suite, name):+.3f}".replace("-", "−")
    return Cell(f"{found.suites[suite][name].f1:.3f}", change)
