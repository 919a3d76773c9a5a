"""What pipelines lose on text as hospitals have it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from medner.evaluation.perturbations import CLEAN
from medner.evaluation.robustness import Perturbed, Robustness, robustness_table
from medner.report import figures
from medner.report.blocks import Figure, Missing, Panel, Paragraph, Section
from medner.report.cells import command
from medner.report.inputs import Inputs

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
    measured = {name: _real_first(inputs, found) for name, found in inputs.robustness.items()}
    name, found = list(measured.items())[-1]
    tables = [robustness_table(*one) for one in measured.items()]
    most = f"at most {found.sentences:,} sentences of a suite"
    panels = [_panel(name, suite, own) for suite, own in found.suites.items()]
    caption = f"F1 of {name} under each perturbation, {most}; the line is clean text"
    plot = Figure(caption, panels, robustness_table(name, found))
    return Section("robustness", TITLE, [text, *tables, plot], [(TITLE, [replace(plot, panels=panels[:2])])])


def _real_first(inputs: Inputs, found: Robustness) -> Robustness:
    order = sorted(found.suites, key=lambda suite: suite not in inputs.real_suites)
    return found.model_copy(update={"suites": {suite: found.suites[suite] for suite in order}})


def _panel(experiment: str, suite: str, found: Mapping[str, Perturbed]) -> Panel:
    clean = found[CLEAN].f1
    bars = {name: one.f1 for name, one in found.items() if name != CLEAN}
    worst = min(found, key=lambda name: found[name].f1)
    said = f"F1 {clean:.3f} on clean text; lowest under “{worst}”, {found[worst].f1:.3f}."
    return Panel(suite, figures.levels(f"{experiment} {suite}", bars, clean), said)
