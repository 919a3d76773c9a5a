"""All runs of each experiment, and the tests of their differences."""

from __future__ import annotations

import itertools

from medner.report.answer import ALPHA, findings
from medner.report.blocks import Fold, Items, Missing, Paragraph, Section
from medner.report.cells import command, main_run_text, spread_cell
from medner.report.inputs import Inputs
from medner.report.sections.answer import findings_table
from medner.report.wording import sentence
from medner.tables import Cell, Table

SEEDS, SIGNIFICANCE = "Over seeds", "Significance"


def seeds(inputs: Inputs) -> Section | Missing:
    """Mean and standard deviation of F1 over the runs of each experiment."""
    if all(len(runs) == 1 for runs in inputs.runs.values()):
        return Missing(SEEDS, command("seeds"))
    suites = [*inputs.real_suites, *inputs.headline_suites, *inputs.name_suites]
    rows: list[list[Cell]] = []
    for name, runs in inputs.runs.items():
        scores = [run.scores.suites for run in runs]
        values = ([own[suite].f1 for own in scores if suite in own] for suite in suites)
        rows.append([Cell(name, f"{len(runs)} seeds" if len(runs) > 1 else "1 run"), *map(spread_cell, values)])
    caption = "F1 over all runs: mean ± standard deviation over seeds; F1 where there is one run"
    own = main_run_text(inputs)
    text = f"This table is over all runs of each experiment. Tables whose caption says so are of {own} alone."
    table = Table(["experiment", *suites], rows, caption=caption)
    return Section("seeds", SEEDS, [Paragraph(text), table])


def significance(inputs: Inputs) -> Section | Missing:
    """Every comparison that the study asks for; in sentences, those of one step with the next."""
    if not inputs.comparisons:
        return Missing(SIGNIFICANCE, command("significance"))
    families = ", ".join(dict.fromkeys(one.family for one in inputs.comparisons))
    reading = Paragraph(
        "If any experiment has several seeds, interval and p cover sampling variance and seed variance; otherwise they "
        "cover sampling variance alone. A difference is significant if its interval excludes zero and its adjusted p "
        f"is below {ALPHA}. p is adjusted (Holm) for the comparisons of a suite in one family: {families}. "
        "Comparisons that were chosen after first results were known are exploratory (docs/methods.md says which)."
    )
    table, following = findings_table(findings(inputs.comparisons)), list(itertools.pairwise(inputs.steps))
    suites = (*inputs.real_suites, inputs.study.main_suite)
    steps = [one for one in inputs.comparisons if one.suite in suites and (one.before, one.after) in following]
    said = Items([f"{one.suite}: {sentence(one)}" for one in steps or inputs.comparisons])
    return Section("significance", SIGNIFICANCE, [reading, said, Fold("All comparisons", [table])])
