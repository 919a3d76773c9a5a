"""Cells, and other parts that several sections of the report share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import mean, stdev

from medner.evaluation.scores import Score, SuiteScore
from medner.evaluation.statistics import MIN_UNITS
from medner.report.blocks import Block, Paragraph
from medner.report.inputs import Inputs
from medner.tables import Cell

EMPTY = Cell("–")


def f1_cell(score: Score | None, *, rates: bool = False) -> Cell:
    """F1, with its interval if it has one and, if asked for, precision and recall."""
    if score is None:
        return EMPTY
    notes = []
    if isinstance(score, SuiteScore) and score.f1_interval:
        low, high = score.f1_interval
        notes.append(f"[{low:.3f}, {high:.3f}]")
    if rates:
        notes.append(f"P {score.p:.3f}  R {score.r:.3f}")
    return Cell(f"{score.f1:.3f}", "\n".join(notes), strong=True)


def count_cell(number: int | None) -> Cell:
    """A whole number."""
    return EMPTY if number is None else Cell(f"{number:,}")


def spread_cell(values: Sequence[float]) -> Cell:
    """Mean of F1 over runs and, of several, the sample's standard deviation (n − 1)."""
    if not values:
        return EMPTY
    return Cell(f"{mean(values):.3f}", f"± {stdev(values):.3f}" if len(values) > 1 else "", strong=True)


def share(part: int, whole: int) -> str:
    """A share in per cent."""
    return f"{part / whole:.1%}" if whole else "–"


def command(name: str) -> str:
    """The command that makes a part of the report."""
    return f"`spacy project run {name}`"


def main_run_text(inputs: Inputs) -> str:
    """The run whose scores stand for an experiment."""
    seeds = sorted({result.provenance.seed or 0 for result in inputs.results.values()})
    return f"the main run (seed {', '.join(map(str, seeds))})"


def small_suite_warnings(inputs: Inputs, suites: Iterable[str]) -> list[Block]:
    """A warning for each suite that has too few independent texts."""
    return [
        Paragraph(
            f"{suite} has {units} independent texts; an interval needs {MIN_UNITS}. Its scores have no interval, and "
            "their sampling variance may be large.",
            "warning",
        )
        for suite, units in inputs.small_suites.items()
        if suite in suites
    ]
