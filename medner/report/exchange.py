"""Learning curves, and what synthetic sentences are worth in real annotated ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import isotonic_regression


class Point(NamedTuple):
    """One size of a learning curve: mean F1 and its standard deviation over the seeds, None of one."""

    sentences: int
    mean: float
    sd: float | None
    seeds: int


@dataclass(frozen=True)
class Worth:
    """Real annotated sentences that give the F1 of ``sentences`` of a mix: the mean over seeds, lowest and highest.

    ``below`` and ``beyond`` count the seeds whose F1 lies outside of what the reference curve covers; for those its
    ends stand in, so that the figures are bounds.
    """

    suite: str
    mix: str
    sentences: int
    mean: float
    low: float
    high: float
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
    reference curve is not whole yet does not count.
    """
    table: dict[tuple[str, int], dict[int, float]] = defaultdict(dict)
    references = {row["reference"] for row in rows}
    real = ""
    for row in rows:
        if row["suite"] == suite:
            table[row["mix"], row["seed"]][row["sentences"]] = row["f1"]
            real = row["reference"]
    found: dict[tuple[str, int], list[tuple[float, int, int]]] = defaultdict(list)
    whole = max((len(points) for (mix, _), points in table.items() if mix == real), default=0)
    largest = max((size for (mix, _), points in table.items() if mix == real for size in points), default=0)
    for (mix, seed), points in sorted(table.items()):
        reference = table.get((real, seed))
        if mix in references or not reference or len(reference) < max(2, whole):
            continue
        sizes = sorted(reference)
        heights = isotonic_regression([reference[size] for size in sizes]).x
        for size, f1 in points.items():
            if size:
                outside = int(f1 < heights[0]), int(f1 > max(reference.values()))
                found[mix, size].append((_read_off(f1, sizes, heights), *outside))
    return [
        Worth(
            suite, mix, size, float(np.mean([w for w, *_ in own])), min(w for w, *_ in own), max(w for w, *_ in own),
            len(own), sum(b for _, b, _ in own), sum(b for *_, b in own), largest,
        )
        for (mix, size), own in sorted(found.items())
    ]  # fmt: skip


def _read_off(f1: float, sizes: Sequence[int], heights: Any) -> float:
    """The least number of sentences at which the curve reaches f1, or its highest point where f1 lies above it."""
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
        return f"{start} are worth more than the {worth.largest:,} real annotated sentences that were measured."
    luck = f"{worth.seeds} seeds; the luck of the test texts comes on top"
    spread = f" (from {worth.low:,.0f} to {worth.high:,.0f} over {luck})" if worth.seeds > 1 else ""
    if worth.below and worth.beyond:
        return (
            f"{start} are worth nothing that these seeds agree on: F1 is below the curve's start with {worth.below} "
            f"and beyond its end with {worth.beyond} of {worth.seeds}."
        )
    note = ""
    if worth.below or worth.beyond:
        outside, bound = worth.below + worth.beyond, "an upper" if worth.below else "a lower"
        note = f"; {outside} of {worth.seeds} seeds lie outside of the curve, so this is {bound} bound"
    alone = "" if worth.seeds > 1 else "; one seed, so its uncertainty, which is large, is not known"
    return f"{start} are worth about {worth.mean:,.0f} real annotated ones{spread}{note}{alone}."
