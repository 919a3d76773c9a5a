"""What README and docs/results.md quote of the results: a table and lists, each between comments of its own.

All of it is made from committed metrics, so that no number in these documents is written by hand.
"""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter
from pathlib import Path

import numpy as np

from medner.evaluation.learning_curves import CurveRow
from medner.evaluation.statistics import resampled_interval
from medner.report.exchange import curves
from medner.report.inputs import Inputs
from medner.report.replies import replies
from medner.report.summary import headline_table, insert
from medner.tables import markdown_text

WIDTH = 100  # characters of a line, as in the README


def quote(document: str, inputs: Inputs, metrics: str, path: Path) -> str:
    """The document, which is at ``path``, with all that it has a place for, as ``<!-- answers of METRICS: start -->``.

    headline: the table of mean F1. answers: the first questions, answered in short. evidence: all questions, answered
    in full. advice: what to train on with sentences of one's own. Raises InputError if it has a place for none of them.
    """
    short, full = replies(inputs, in_words=False), replies(inputs)
    parts = {
        "headline": headline_table(inputs.runs, inputs.study).markdown().partition("\n\n")[2],
        "answers": _items((one.question, one.short, ()) for one in short if not one.further),
        "evidence": _items((one.question, one.short, one.evidence) for one in full),
        "advice": _items(_advice(inputs)),
    }
    asked = [part for part in parts if f"<!-- {part} of {metrics}: start -->" in document]
    for part in asked or ["headline"]:
        document = insert(document, f"{part} of {metrics}", parts[part], path)
    return document


def _items(items: Iterable[tuple[str, str, Iterable[str]]]) -> str:
    lines = []
    for title, text, evidence in items:
        lines += _wrapped("- ", f"**{markdown_text(title)}** {markdown_text(text)}")
        for one in evidence:
            lines += _wrapped("  - ", markdown_text(one))
    return "\n".join(lines)


def _wrapped(bullet: str, text: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=bullet, subsequent_indent=" " * len(bullet), break_on_hyphens=False,
        break_long_words=False,
    )  # fmt: skip


def _advice(inputs: Inputs) -> Iterator[tuple[str, str, Iterable[str]]]:
    """Whether the best other mix does better than numbers of real sentences, on the first suite.

    That is the most sentences with which it does, then the fewest with which it does not.
    """
    if not inputs.study.curves or not inputs.learning:
        return
    suite, reference = next(iter(inputs.study.curves.suites.items()))
    measured = curves(inputs.learning, suite)
    human = set(inputs.study.curves.suites.values())
    others = {mix: line[-1] for mix, line in measured.items() if mix not in human}
    if reference not in measured or not others:
        return
    best = max(others, key=lambda mix: others[mix].mean)
    theirs = others[best].sentences
    name = inputs.study.curves.mixes[best]
    what = f", the {theirs:,} added by `{name}` {others[best].mean:.2f}"
    verdicts = {1: "train on yours", -1: f"train `{name}`", 0: "no clear difference"}
    signs = [
        (_ahead(inputs.learning, suite, (reference, point.sentences), (best, theirs)), point)
        for point in measured[reference][1:]
    ]
    for sign, own in itertools.groupby(signs, key=itemgetter(0)):
        points = [point for _, point in own]
        point = points[0] if sign > 0 else points[-1]
        title = f"{'Up to ' if len(points) > 1 and sign <= 0 else ''}{point.sentences:,} sentences: {verdicts[sign]}."
        yield title, f"{point.sentences:,} gold ones give {point.mean:.2f}{what}.", ()
        what = ""
        if sign > 0:
            return


def _ahead(rows: Sequence[CurveRow], suite: str, one: tuple[str, int], other: tuple[str, int]) -> int:
    """1 or -1 where the one point of the curves is ahead of the other or behind it, else 0.

    That is by the interval of their difference over resampled texts, or by F1 where a suite has too few texts.
    """
    found = {point: [r for r in rows if r.suite == suite and (r.mix, r.sentences) == point] for point in (one, other)}
    own, others = ([np.atleast_1d(row.resampled or row.f1) for row in found[point]] for point in (one, other))
    difference = np.mean(own, axis=0) - np.mean(others, axis=0)
    low, high = resampled_interval([difference])
    return int(low > 0) - int(high < 0)
