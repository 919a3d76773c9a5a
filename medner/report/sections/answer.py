"""The answer, with its caveats and the differences behind it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from medner.evaluation.statistics import CONFIDENCE
from medner.report.answer import ALPHA, Finding, answer
from medner.report.blocks import Block, Fold, Items, Paragraph, Section
from medner.report.cells import EMPTY
from medner.report.inputs import Inputs
from medner.report.wording import p_text, points, runs_text
from medner.tables import Cell, Table

READING = (
    f"Differences are in points: one point is 0.01 F1. A difference is significant if its {CONFIDENCE:.0%} interval "
    f"excludes zero and its p, adjusted for the number of comparisons (Holm), is below {ALPHA}."
)


def section(inputs: Inputs) -> Section:
    """The answer."""
    found = answer(inputs)
    caveats: list[Block] = [Paragraph(text, "warning") for text in found.caveats]
    blocks: list[Block] = [*caveats, Paragraph(found.summary, "lead")]
    slides: list[tuple[str, Sequence[Block]]] = [("The answer", [*caveats, Paragraph(found.summary)])]
    if found.findings:
        table = Fold("The differences behind it", [findings_table(found.findings)])
        blocks += [Items(found.statements), Paragraph(READING, "note"), table]
        slides.append(("What was found", [Items(found.statements), Paragraph(READING, "note")]))
    return Section("answer", "The answer", blocks, slides)


def findings_table(findings: Iterable[Finding]) -> Table:
    """A row for each difference."""
    return Table(
        ["suite", "difference", "verdict", "points", f"{CONFIDENCE:.0%} interval", "p (Holm)", "runs"],
        [
            [
                one.suite,
                f"{one.after} − {one.before}",
                str(one.verdict),
                Cell(points(one.difference), strong=True),
                _interval(one.comparison.interval) if one.comparison else EMPTY,
                p_text(one.comparison.p_holm) if one.comparison else EMPTY,
                runs_text(one.runs),
            ]
            for one in findings
        ],
        text=(0, 1, 2),
        caption="Differences in mean F1 over all runs, in points; p is adjusted within a family of comparisons",
    )


def _interval(bounds: tuple[float, float]) -> str:
    low, high = map(points, bounds)
    return f"[{low}, {high}]"
