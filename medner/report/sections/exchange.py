"""Learning curves, and how many real annotated sentences the synthetic ones are worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from medner.report import figures
from medner.report.blocks import Block, Figure, Items, Missing, Panel, Paragraph, Section
from medner.report.budget import budget_sentence, equal_costs, usd
from medner.report.cells import EMPTY, command, count_cell, small_suite_warnings
from medner.report.exchange import Point, curves, exchange_rates, worth_sentence
from medner.report.inputs import Inputs
from medner.tables import Cell, Row, Table

TITLE = "Learning curves and exchange rate"
_READING = (
    "The exchange rate is read off seed by seed: it is the size at which the curve of real annotation, made monotone, "
    "reaches the same F1. Between measured sizes, the curve is linear in the logarithm of the size. Intervals are "
    "bootstrap intervals over test texts and seeds."
)
_COST = (
    "Cost is what the tokens of the sentences cost through the Batch API, by the study's price table and the ledgers "
    "of writing and of labelling. It is read off the curves like the exchange rate, seed by seed."
)
_Size = tuple[str, str, int]  # suite, mix, sentences


def section(inputs: Inputs) -> Section | Missing:
    """The curves, and the exchange rate of the largest size of each mix."""
    if not inputs.learning:
        return Missing(TITLE, command("curves"))
    suites = list(dict.fromkeys(row.suite for row in inputs.learning))
    price = inputs.price
    costs = {(row.suite, row.mix, row.sentences): usd(row, price) for row in inputs.learning} if price else {}
    measured = {suite: curves(inputs.learning, suite) for suite in suites}
    figure = _figure(measured, {}, figures.SENTENCES, "the number of sentences added")
    by_cost = [_figure(measured, costs, figures.COST, "what the sentences added cost")] if any(costs.values()) else []
    sentences = []
    for suite in suites:
        rates = exchange_rates(inputs.learning, suite)
        largest = {rate.mix: rate.sentences for rate in sorted(rates, key=lambda rate: rate.sentences)}
        sentences += [worth_sentence(rate) for rate in rates if rate.sentences == largest[rate.mix]]
    none = Paragraph("There is no curve of real annotation, and so no exchange rate.", "note")
    rate = Items(sentences) if sentences else none
    reading, small = Paragraph(_READING, "note"), small_suite_warnings(inputs, suites)
    budgets: list[Block] = []
    if price and inputs.study.curves and (same := equal_costs(inputs.learning, inputs.study.curves.budgets, price)):
        budgets = [Items([budget_sentence(one) for one in same]), Paragraph(_COST, "note")]
    slides = [("Learning curves", [figure])]
    return Section("exchange", TITLE, [*small, figure, rate, reading, *by_cost, *budgets], slides)


def _figure(
    by_suite: Mapping[str, Mapping[str, Sequence[Point]]],
    costs: Mapping[_Size, float | None],
    scale: figures.Scale,
    what: str,
) -> Figure:
    """F1 against the number of sentences or, with costs, against their cost; mixes without one are left out."""
    mixes = list(dict.fromkeys(mix for lines in by_suite.values() for mix in lines))
    every = [point for lines in by_suite.values() for line in lines.values() for point in line]
    top = figures.nice_top(point.mean + (point.sd or 0) for point in every)
    panels = []
    rows: list[Row] = []
    drawn: dict[str, None] = {}
    for suite, found in by_suite.items():
        lines: dict[str, list[figures.Place]] = {}
        for mix in mixes:
            own = found.get(mix, [])
            places = [costs[suite, mix, point.sentences] if costs else point.sentences for point in own]
            if known := [(x, point) for x, point in zip(places, own, strict=True) if x is not None]:
                lines[mix] = known
        said = "; ".join(f"{mix} from {line[0][1].mean:.3f} to {line[-1][1].mean:.3f}" for mix, line in lines.items())
        plot = figures.learning(suite, lines, top, scale)
        panels.append(Panel(suite, plot, f"F1 on {suite} against {what}: {said}."))
        drawn |= dict.fromkeys(lines)
        for mix, line in lines.items():
            rows += [[suite, mix, *_point_cells(point), *([f"{x:.2f}"] if costs else [])] for x, point in line]
    columns = ["suite", "mix", "sentences", "F1", "sd", "seeds", *(["USD"] if costs else [])]
    return Figure(
        f"F1 against {what}, {_seeds_text([point.seeds for point in every])}",
        panels,
        Table(columns, rows, text=(0, 1), caption="Learning curves"),
        figures.legend(drawn),
    )


def _point_cells(point: Point) -> list[str | Cell]:
    deviation = EMPTY if point.sd is None else f"{point.sd:.3f}"
    return [count_cell(point.sentences), f"{point.mean:.3f}", deviation, count_cell(point.seeds)]


def _seeds_text(seeds: Sequence[int]) -> str:
    fewest, most = min(seeds), max(seeds)
    if most == 1:
        return "one seed"
    number = f"{fewest} to {most} seeds (see the numbers)" if fewest < most else f"{most} seeds"
    return f"mean and standard deviation over {number}"
