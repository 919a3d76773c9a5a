"""The answer: the study's questions in plain English, the scores in one table, and the differences behind them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from medner.evaluation.statistics import CONFIDENCE
from medner.report.answer import ALPHA, Finding, answer
from medner.report.blocks import Answers, Block, Fold, Items, Paragraph, Section
from medner.report.cells import EMPTY
from medner.report.inputs import Inputs
from medner.report.recommendation import chosen, dev_table, threshold_table
from medner.report.replies import Reply, replies, trains_on
from medner.report.summary import headline_table
from medner.report.wording import p_text, points, runs_text
from medner.tables import Cell, Table

READING = (
    f"Differences are in points: one point is 0.01 F1. Brackets hold {CONFIDENCE:.0%} intervals. A difference is "
    f"significant if its interval excludes zero and its p, adjusted for the number of comparisons (Holm), is below "
    f"{ALPHA}. Suites of few independent texts have no interval, and are left out of the answers."
)
ONE_RUN = " Each experiment has one run, so intervals cover other texts, but not other trainings."
ON_A_SLIDE = 4  # answers


def section(inputs: Inputs) -> Section:
    """The answer."""
    found, answers = answer(inputs), replies(inputs)
    first = [one for one in answers if not one.further]
    caveats: list[Block] = [Paragraph(text, "warning") for text in found.caveats]
    untrained = any(result.provenance.encoder.untrained for result in inputs.results.values())
    lead: list[Block] = [_block(first, evidence=False)] if first else [Paragraph(found.summary, "lead")]
    blocks = [*caveats, *lead] if untrained or not first else [*lead, *caveats]
    seeds = not inputs.comparisons or any(one.over_seeds for one in inputs.comparisons)
    reading, table = Paragraph(READING + ("" if seeds else ONE_RUN), "note"), headline_table(inputs.runs, inputs.study)
    trained = Paragraph(trains_on(inputs, table.columns[1:]), "note")
    blocks += [table, trained, reading]
    if answers:
        blocks.append(Fold("The answers in full, and further questions", [_block(answers, evidence=True)]))
    blocks += _development(inputs)
    if found.findings:
        steps: list[Block] = [Items(found.statements), findings_table(found.findings)]
        blocks.append(Fold("Step by step, and what the repeated study claims", steps))
    return Section("answer", "The answer", blocks, _slides(first, found.summary, caveats, [table, trained]))


def _block(answers: Sequence[Reply], *, evidence: bool) -> Answers:
    return Answers([(one.question, one.short, one.evidence if evidence else ()) for one in answers])


def _slides(
    first: Sequence[Reply], summary: str, caveats: Sequence[Block], scores: Sequence[Block]
) -> list[tuple[str, Sequence[Block]]]:
    title, parts = "The answer", [first[at : at + ON_A_SLIDE] for at in range(0, len(first), ON_A_SLIDE)]
    if not parts:
        return [(title, [*caveats, Paragraph(summary)]), ("All scores", scores)]
    slides: list[tuple[str, Sequence[Block]]] = [(title, [_block(part, evidence=False)]) for part in parts]
    slides[-1] = (title, [*slides[-1][1], *caveats])
    return [*slides, ("All scores", scores)]


def _development(inputs: Inputs) -> list[Block]:
    """The dev scores that decide which pipeline is recommended, and its thresholds."""
    name = chosen(inputs)
    if name is None:
        return []
    thresholds = [threshold_table(inputs.dev[name])] if inputs.dev[name].thresholds else []
    title = f"Dev scores, which decide the recommendation; thresholds of {name}"
    return [Fold(title, [dev_table(inputs.dev), *thresholds])]


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
