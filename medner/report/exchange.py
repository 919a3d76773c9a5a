"""Learning curves, and what synthetic sentences are worth in real annotated ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import isotonic_regression

from medner.evaluation.scores import CONFIDENCE


class Point(NamedTuple):
    """One size of a learning curve: mean F1 and its standard deviation over the seeds, None of one."""

    sentences: int
    mean: float
    sd: float | None
    seeds: int


@dataclass(frozen=True)
class Worth:
    """Real annotated sentences that give the F1 of ``sentences`` of a mix: the mean over seeds, and its interval.

    The interval is over test texts and, of several, seeds; None of a suite with too few independent texts. ``below``
    and ``beyond`` count the seeds whose F1 lies outside of what the reference curve covers; for those its ends stand
    in, so that the figures are bounds. reference: the mix of real annotation.
    """

    suite: str
    mix: str
    sentences: int
    mean: float
    interval: tuple[float, float] | None
    reference: str
    seeds: int
    below: int
    beyond: int
    largest: int


def curves(rows: Iterable[Mapping[str, Any]], suite: str) -> dict[str, list[Point]]:
    """The points of each mix, by size."""
    values: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row["suite"] == suite:
            values[row["mix"]][row["sentences"]].append(row["f1"])
    return {
        mix: [
            Point(size, float(np.mean(f1)), float(np.std(f1, ddof=1)) if len(f1) > 1 else None, len(f1))
            for size, f1 in sorted(sizes.items())
        ]
        for mix, sizes in values.items()
    }


def exchange_rates(rows: Sequence[Mapping[str, Any]], suite: str) -> list[Worth]:
    """For every size of every synthetic mix: how many real sentences give the same F1, seed by seed.

    A seed's F1 is read off the same seed's curve of the suite's reference, a mix of real annotation: F1 over sentences,
    made monotone (isotonic regression, as more annotation does not make a model worse but for noise) and, since such
    curves bend, linear in the logarithm of the number of sentences (from the first measured size on). A seed whose
    reference curve is not whole yet does not count. The interval is a percentile bootstrap: every reading again on the
    same resampled texts (``resampled``), seeds drawn anew.
    """
    table: dict[tuple[str, int], dict[int, Mapping[str, Any]]] = defaultdict(dict)
    references = {row["reference"] for row in rows}
    real = ""
    for row in rows:
        if row["suite"] == suite:
            table[row["mix"], row["seed"]][row["sentences"]] = row
            real = row["reference"]
    whole = max((len(points) for (mix, _), points in table.items() if mix == real), default=0)
    largest = max((size for (mix, _), points in table.items() if mix == real for size in points), default=0)
    found: dict[tuple[str, int], list[_Reading]] = defaultdict(list)
    for (mix, seed), points in sorted(table.items()):
        reference = table.get((real, seed))
        if mix in references or not reference or len(reference) < max(2, whole):
            continue
        for size, point in points.items():
            if size:
                found[mix, size].append(_reading(point, [reference[size] for size in sorted(reference)]))
    return [
        Worth(
            suite, mix, size, float(np.mean([one.sentences for one in own])), _interval(own), real, len(own),
            sum(one.below for one in own), sum(one.beyond for one in own), largest,
        )
        for (mix, size), own in sorted(found.items())
    ]  # fmt: skip


class _Reading(NamedTuple):
    """What one seed's point is worth, and on each resample of the texts."""

    sentences: float
    below: bool
    beyond: bool
    resampled: list[float] | None


def _reading(point: Mapping[str, Any], reference: Sequence[Mapping[str, Any]]) -> _Reading:
    sizes = [row["sentences"] for row in reference]
    measured = [row["f1"] for row in reference]
    resampled = None
    if all(row["resampled"] for row in (point, *reference)):
        drawn = zip(point["resampled"], *(row["resampled"] for row in reference), strict=True)
        resampled = [_read_off(f1, sizes, heights) for f1, *heights in drawn]
    lowest = isotonic_regression(measured).x[0]
    f1 = point["f1"]
    return _Reading(_read_off(f1, sizes, measured), f1 < lowest, f1 > max(measured), resampled)


def _interval(readings: Sequence[_Reading]) -> tuple[float, float] | None:
    if any(one.resampled is None for one in readings):
        return None
    worth = np.array([one.resampled for one in readings])  # seeds × resamples
    drawn = np.random.default_rng(0).integers(len(worth), size=worth.shape)
    means = np.take_along_axis(worth, drawn, axis=0).mean(axis=0)
    low, high = np.percentile(means, [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)])
    return float(low), float(high)


def _read_off(f1: float, sizes: Sequence[int], measured: Sequence[float]) -> float:
    """The least number of sentences at which the monotone curve reaches f1, or its highest point where f1 is above."""
    heights = isotonic_regression(measured).x
    f1 = min(f1, heights[-1])
    if f1 <= heights[0]:
        return float(sizes[0])
    for (left, low), (right, high) in zip(
        zip(sizes, heights, strict=True), zip(sizes[1:], heights[1:], strict=True), strict=False
    ):
        if f1 <= high:
            share = (f1 - low) / (high - low)
            return float(left * (right / left) ** share if left else right * share)
    return float(sizes[-1])


def worth_sentence(worth: Worth) -> str:
    """One line of the exchange rate in words, with its bounds."""
    start = f"On {worth.suite}, {worth.sentences:,} synthetic sentences ({worth.mix})"
    if worth.below == worth.seeds:
        return f"{start} are worth no real annotated sentence: F1 is below that of the curve's start."
    if worth.beyond == worth.seeds:
        most = f"{worth.largest:,} real annotated sentences ({worth.reference})"
        return f"{start} are worth more than the {most} that were measured."
    if worth.below and worth.beyond:
        return (
            f"{start} are worth nothing that these seeds agree on: F1 is below the curve's start with {worth.below} "
            f"and beyond its end with {worth.beyond} of {worth.seeds}."
        )
    note = ""
    if worth.below or worth.beyond:
        outside, bound = worth.below + worth.beyond, "an upper" if worth.below else "a lower"
        note = f"; {outside} of {worth.seeds} seeds lie outside of the curve, so this is {bound} bound"
    luck = f"over test texts and {worth.seeds} seeds" if worth.seeds > 1 else "over test texts; one seed"
    spread = "; its uncertainty, which is large, is not known"
    if worth.interval:
        low, high = worth.interval
        most = f"{high:,.0f}{' or more' * (high >= worth.largest)}"
        spread = f" [{low:,.0f}, {most}] ({CONFIDENCE:.0%}, {luck})"
    return f"{start} are worth about {worth.mean:,.0f} real annotated ones ({worth.reference}){spread}{note}."
