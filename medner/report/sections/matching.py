"""Whole and partial matches, seen and unseen surface forms: what is hard for the last step."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from medner.evaluation.scores import Score, SuiteScore
from medner.report import figures
from medner.report.blocks import Figure, Items, Panel
from medner.report.cells import main_run_text
from medner.report.inputs import Inputs
from medner.report.wording import points
from medner.tables import Cell, Row, Table

_LEGEND = ("whole mention", "any part of it (type)", "unseen form", "seen form")


def matching(inputs: Inputs, shown: Mapping[str, Sequence[str]]) -> tuple[Items, Table]:
    """How to read F1 by way of matching and by seen and unseen surface forms, and its values.

    shown: the experiments of each suite. The text gives the range over the suites for the last step.
    """
    found = [
        (suite, name, score) for suite, names in shown.items() for name in names if (score := inputs.score(name, suite))
    ]
    several = any(len(score.labels) > 1 for *_, score in found)  # with one label, exact is F1
    return _reading(inputs.shown[-1], found, several), _table(inputs, found, several)


def _reading(last: str, found: Sequence[tuple[str, str, SuiteScore]], several: bool) -> Items:
    own = [(suite, score) for suite, name, score in found if name == last]
    boundaries = _range((suite, score.matching.type.f1 - score.f1) for suite, score in own)
    forms = _range((suite, score.seen.f1 - score.unseen.f1) for suite, score in own if _both_forms(score))
    lost = f" For {last}, it is {boundaries}." if boundaries else ""
    gained = f" For {last}, the difference in F1 is {forms}." if forms else ""
    return Items(
        [
            "Boundaries: F1 asks for the whole mention and its label, type for the label on any part of the mention. "
            f"The difference is lost on boundaries alone.{lost} Partial counts a partial match half, whatever its "
            f"label.{' Exact asks for the span alone.' if several else ''}",
            "Surface forms: seen mentions occur, with their label, in the experiment's own training data; unseen "
            f"mentions do not.{gained} What is seen differs between experiments, so compare the two within a row.",
        ]
    )


def _table(inputs: Inputs, found: Sequence[tuple[str, str, SuiteScore]], several: bool) -> Table:
    ways = ["exact", "partial", "type"] if several else ["partial", "type"]
    rows: list[Row] = []
    for suite, name, score in found:
        by_way = [score.matching.exact, score.matching.partial, score.matching.type][-len(ways) :]
        rows.append(
            [
                suite,
                name,
                Cell(f"{score.f1:.3f}", strong=True),
                *(f"{way.f1:.3f}" for way in by_way),
                *(_with_support(part) for part in (score.seen, score.unseen)),
            ]
        )
    caption = (
        f"F1 of {main_run_text(inputs)} by way of matching, and of seen and unseen mentions (their support in brackets)"
    )
    return Table(["suite", "experiment", "F1", *ways, "seen", "unseen"], rows, text=(0, 1), caption=caption)


def _with_support(part: Score) -> str:
    return (f"{part.f1:.3f}" if part.support else "–") + f" ({part.support:,})"


def _both_forms(score: SuiteScore) -> bool:
    return bool(score.seen.support and score.unseen.support)


def _range(values: Iterable[tuple[str, float]]) -> str:
    """The least and the greatest of some differences in F1, in points, with their suites."""
    ends = [f"{points(value)} points ({suite})" for suite, value in sorted(values, key=lambda value: value[1])]
    return " to ".join(dict.fromkeys(ends[:1] + ends[-1:]))


def matching_figure(inputs: Inputs, suites: Iterable[str], data: Table) -> Figure | Table:
    """F1 of the last step from whole mentions to any part, and from unseen to seen forms; the table alone if none."""
    name = inputs.shown[-1]
    scores = {suite: score for suite in suites if (score := inputs.score(name, suite))}
    boundaries = {suite: (score.f1, score.matching.type.f1) for suite, score in scores.items()}
    forms = {suite: (score.unseen.f1, score.seen.f1) for suite, score in scores.items() if _both_forms(score)}
    panels = [
        Panel(title, figures.spans(title, ends, first), _description(f"{title}: F1 of {name}", ends))
        for first, title, ends in ((0, "Boundaries", boundaries), (2, "Surface forms", forms))
        if ends
    ]
    if not panels:
        return data
    legend = [(f"c{n + 1}", f"{figures.SYMBOLS[n]} {_LEGEND[n]}") for n in range(2 * len(panels))]
    caption = f"F1 of {name}, {main_run_text(inputs)}: what boundaries and unseen surface forms cost"
    return Figure(caption, panels, data, legend, shown=True)


def _description(what: str, ends: Mapping[str, tuple[float, float]]) -> str:
    return f"{what} on {', '.join(f'{suite} from {low:.3f} to {high:.3f}' for suite, (low, high) in ends.items())}."
