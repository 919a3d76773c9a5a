"""The study's steps on text like that of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from medner.evaluation.statistics import CONFIDENCE
from medner.report import figures
from medner.report.blocks import Block, Figure, Fold, Missing, Panel, Paragraph, Section
from medner.report.cells import command, count_cell, f1_cell, main_run_text
from medner.report.inputs import Inputs
from medner.report.sections.matching import matching
from medner.tables import Cell, Row, Table

TITLE = "News and synthetic text"


def section(inputs: Inputs) -> Section | Missing:
    """What each step trains on, and its scores on the headline suites."""
    suites, steps, run = inputs.headline_suites, inputs.steps, main_run_text(inputs)
    if not suites or not steps:
        return Missing(TITLE, f"no step of the study is evaluated; {command('all')}")
    reading = Paragraph(
        "F1 is micro-averaged over mentions with the exact span and label. A suite counts only the labels that it "
        f"annotates. Values with an interval ({CONFIDENCE:.0%}, bootstrap over test texts) are of {run} of each "
        "experiment: the interval covers sampling variance, not seed variance. Differences with a p are over all runs."
    )
    training = _training_table(inputs)
    figure = steps_figure(inputs, suites, f"F1 of {run} with its interval, step by step, on one scale")
    table = scores_table(inputs, suites, f"F1 of {run}, its interval, precision (P) and recall (R)")
    by_label = Fold("By label", [_label_table(inputs, suites)])
    blocks: list[Block] = [
        reading, training, figure, table, *matching(inputs, {suite: inputs.shown[-1:] for suite in suites}), by_label
    ]  # fmt: skip
    return Section("steps", TITLE, blocks, [("From step to step, on news and synthetic text", [figure, reading])])


def _training_table(inputs: Inputs) -> Table:
    rows: list[Row] = []
    for name in inputs.steps:
        about = inputs.results[name].provenance
        sources = " + ".join(inputs.study.experiments[name].sources)
        rows.append([name, sources, count_cell(about.documents), count_cell(about.epochs), str(about.seed)])
    columns = ["experiment", "sources", "sentences", "epochs", "seed"]
    return Table(columns, rows, text=(0, 1), caption="What the main run of each step trains on")


def steps_figure(inputs: Inputs, suites: Sequence[str], caption: str) -> Figure:
    """F1 of every step, and of the recommended pipeline, with its interval; a panel for each suite."""
    steps = inputs.shown
    values = {
        suite: [(step, score.f1, score.f1_interval) for step in steps if (score := inputs.score(step, suite))]
        for suite in suites
    }
    top = figures.nice_top(high for own in values.values() for _, f1, interval in own for high in interval or [f1])
    panels = [
        Panel(suite, figures.steps(f"{caption} {suite}", own, top), f"F1 on {suite}: {_said(own)}.")
        for suite, own in values.items()
    ]
    rows: list[Row] = [[suite, *(f1_cell(inputs.score(step, suite)) for step in steps)] for suite in values]
    data = Table(["suite", *steps], rows, caption=f"F1 of {main_run_text(inputs)} with its interval")
    return Figure(caption, panels, data)


def _said(values: Sequence[tuple[str, float, tuple[float, float] | None]]) -> str:
    return ", ".join(
        f"{step} {f1:.3f}" + (f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else "")
        for step, f1, interval in values
    )


def scores_table(
    inputs: Inputs, suites: Sequence[str], caption: str, skipped: Mapping[str, str] | None = None
) -> Table:
    """The same with precision and recall, a row for each suite. skipped: why suites have none."""
    rows: list[Row] = []
    for suite in suites:
        scores = [inputs.score(step, suite) for step in inputs.shown]
        support = next((score.support for score in scores if score), None)
        name = Cell(suite, "" if any(scores) else f"skipped: {(skipped or {}).get(suite, 'not evaluated')}")
        rows.append([name, count_cell(support), *(f1_cell(score, rates=True) for score in scores)])
    return Table(["suite", "mentions", *inputs.shown], rows, caption=caption)


def _label_table(inputs: Inputs, suites: Sequence[str]) -> Table:
    rows: list[Row] = []
    for suite in suites:
        scores = [inputs.score(step, suite) for step in inputs.shown]
        for label in inputs.scheme.labels:
            own = [score.labels.get(label) if score else None for score in scores]
            if any(own):
                support = next(score.support for score in own if score)
                rows.append([suite, label, count_cell(support), *(f1_cell(score) for score in own)])
    columns = ["suite", "label", "mentions", *inputs.shown]
    return Table(columns, rows, text=(0, 1), caption=f"F1 of {main_run_text(inputs)} by label")
