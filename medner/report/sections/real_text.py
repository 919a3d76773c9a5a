"""Real medical text: written by people, annotated by others."""

from __future__ import annotations

from collections.abc import Sequence

from medner.report.blocks import Block, Missing, Paragraph, Section
from medner.report.cells import command, main_run_text, small_suite_warnings
from medner.report.inputs import Inputs
from medner.report.sections.matching import matching, matching_figure
from medner.report.sections.steps import scores_table, steps_figure
from medner.report.summary import annotated_labels

TITLE = "Real medical text"


def section(inputs: Inputs) -> Section | Missing:
    """The scores of the steps on real text, and what is hard there."""
    suites, run = inputs.real_suites, main_run_text(inputs)
    scored = inputs.scored_by(inputs.shown, suites)
    skipped = {suite: inputs.skipped.get(suite, "not evaluated") for suite in suites if suite not in scored}
    if not scored:
        reasons = "; ".join(f"{suite}: {reason}" for suite, reason in skipped.items())
        remedy = f"{reasons or 'configs/experiments.yml has no suite of real text'}. With the data: {command('all')}"
        return Missing(TITLE, remedy)
    labels = annotated_labels(inputs.results, scored)
    alone = f"Only {labels.pop()} counts." if len(labels) == 1 else "A suite counts only the labels that it annotates."
    table = scores_table(inputs, suites, f"F1 of {run}, its interval, precision (P) and recall (R)", skipped)
    figure = steps_figure(inputs, scored, f"F1 of {run} on real medical text, on one scale")
    shown = {suite: [inputs.shown[-1], *inputs.references(suite)] for suite in scored}
    reading, values = matching(inputs, shown)
    hard = matching_figure(inputs, scored, values)
    text = Paragraph(f"People wrote this text, and others annotated it by guidelines of their own. {alone}")
    notes: list[Block] = [Paragraph(f"Skipped: {suite} ({reason}).", "warning") for suite, reason in skipped.items()]
    blocks = [text, *notes, *small_suite_warnings(inputs, scored), figure, table, reading, hard]
    slides: list[tuple[str, Sequence[Block]]] = [
        (TITLE, [*notes, figure]),
        (f"{TITLE}: what is hard", [hard, reading]),
    ]
    return Section("real", TITLE, blocks, slides)
