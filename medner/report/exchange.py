"""Learning curves, and what synthetic sentences are worth in real annotated ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
from scipy.optimize import isotonic_regression

from medner.evaluation.learning_curves import CurveRow
from medner.evaluation.statistics import CONFIDENCE, resampled_interval

_Curve = TypeVar("_Curve", bound=Sized)


class Point(NamedTuple):
    """One size of a learning curve: mean F1 and its standard deviation over seeds (None if there is one seed)."""

    sentences: int
    mean: float
    sd: float | None
    seeds: int


@dataclass(frozen=True)
class Worth:
    """How many real annotated sentences give the F1 that ``sentences`` of a mix give: the mean over seeds.

    reference: the mix of real annotation; smallest and largest: the fewest and the most sentences of it that were
    measured, without none. interval: over test texts and, if there are several, over seeds; None if the suite has too
    few independent texts. below, beyond: how many seeds have an F1 below or above what the reference curve covers. The
    end of the curve stands in for these, so that mean and interval are bounds.
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
    smallest: int
    largest: int


def curves(rows: Iterable[CurveRow], suite: str) -> dict[str, list[Point]]:
    """The points of each mix, by size."""
    values: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row.suite == suite:
            values[row.mix][row.sentences].append(row.f1)
    return {
        mix: [
            Point(size, float(np.mean(f1)), float(np.std(f1, ddof=1)) if len(f1) > 1 else None, len(f1))
            for size, f1 in sorted(sizes.items())
        ]
        for mix, sizes in values.items()
    }


def exchange_rates(rows: Sequence[CurveRow], suite: str) -> list[Worth]:
    """For every size of every synthetic mix: how many real sentences give the same F1, seed by seed.

    A seed's F1 is read off the same seed's curve of the suite's reference, a mix of real annotation. That curve is F1
    over sentences, made monotone by isotonic regression, since more annotation lowers F1 by noise alone. From
    the first measured size on, it is linear in the logarithm of the number of sentences, since such curves flatten.
    Seeds whose reference curve lacks a size are left out. The interval is a percentile bootstrap: every reading is
    repeated on the same resampled texts (``resampled``), and the seeds are drawn again.
    """
    points: dict[tuple[str, int], dict[int, CurveRow]] = defaultdict(dict)
    reference = ""
    for row in rows:
        if row.suite == suite:
            points[row.mix, row.seed][row.sentences] = row
            reference = row.reference
    curves_of_reference = {seed: own for (mix, seed), own in points.items() if mix == reference}
    usable = complete(curves_of_reference)
    measured = [size for own in curves_of_reference.values() for size in own if size]
    references = {row.reference for row in rows}
    found: dict[tuple[str, int], list[_Reading]] = defaultdict(list)
    for (mix, seed), own in sorted(points.items()):
        if mix in references or seed not in usable:
            continue
        curve = usable[seed]
        for size, row in own.items():
            if size:
                found[mix, size].append(_reading(row, [curve[size] for size in sorted(curve)]))
    return [_worth(suite, mix, size, reference, own, measured) for (mix, size), own in sorted(found.items())]


def real_worth(rows: Sequence[CurveRow], suite: str, size: int) -> list[Worth]:
    """The other way round: how many sentences of each other mix give the F1 of ``size`` real ones, seed by seed.

    In the result, ``mix`` is the mix of real annotation, and ``reference`` the one that is read off.
    """
    own = [row for row in rows if row.suite == suite]
    real = {row.seed: row for row in own if row.mix == row.reference and row.sentences == size}
    human = {row.reference for row in rows}
    found = []
    for mix in dict.fromkeys(row.mix for row in own if row.mix not in human):
        curves_of_mix: dict[int, dict[int, CurveRow]] = defaultdict(dict)
        for row in own:
            if row.mix == mix and row.seed in real:
                curves_of_mix[row.seed][row.sentences] = row
        readings = [
            _reading(real[seed], [curve[at] for at in sorted(curve)])
            for seed, curve in sorted(complete(curves_of_mix).items())
        ]
        if readings:
            measured = [size for curve in curves_of_mix.values() for size in curve if size]
            found.append(_worth(suite, next(iter(real.values())).mix, size, mix, readings, measured))
    return found


def complete(curves: Mapping[int, _Curve]) -> dict[int, _Curve]:
    """The curves with every size that was measured, two or more, by seed: between the ends of others F1 is unknown."""
    most = max(map(len, curves.values()), default=0)
    return {seed: curve for seed, curve in curves.items() if len(curve) == most} if most > 1 else {}


class _Reading(NamedTuple):
    """What one seed's point is worth, and what it is worth on each resample of the texts."""

    sentences: float
    below: bool
    beyond: bool
    resampled: list[float] | None


def _worth(
    suite: str, mix: str, sentences: int, reference: str, readings: Sequence[_Reading], measured: Sequence[int]
) -> Worth:
    """What the readings of all seeds say. measured: the sizes of the reference, none apart."""
    return Worth(
        suite=suite,
        mix=mix,
        sentences=sentences,
        mean=float(np.mean([one.sentences for one in readings])),
        interval=_interval(readings),
        reference=reference,
        seeds=len(readings),
        below=sum(one.below for one in readings),
        beyond=sum(one.beyond for one in readings),
        smallest=min(measured),
        largest=max(measured),
    )


def _reading(point: CurveRow, reference: Sequence[CurveRow]) -> _Reading:
    sizes = [row.sentences for row in reference]
    measured = [row.f1 for row in reference]
    samples = [row.resampled for row in (point, *reference) if row.resampled]
    resampled = None
    if len(samples) == 1 + len(reference):
        resampled = [_read_off(f1, sizes, heights) for f1, *heights in zip(*samples, strict=True)]
    lowest = isotonic_regression(measured).x[0]
    return _Reading(_read_off(point.f1, sizes, measured), point.f1 < lowest, point.f1 > max(measured), resampled)


def _interval(readings: Sequence[_Reading]) -> tuple[float, float] | None:
    resampled = [one.resampled for one in readings if one.resampled is not None]
    return resampled_interval(resampled) if len(resampled) == len(readings) else None


def _read_off(f1: float, sizes: Sequence[int], measured: Sequence[float]) -> float:
    """The fewest sentences at which the monotone curve reaches f1, or its highest point if f1 is above it."""
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
    """The exchange rate in a sentence, with its bounds."""
    start = f"On {worth.suite}, {worth.sentences:,} added sentences ({worth.mix})"
    if worth.below == worth.seeds:
        return f"{start} are worth no real annotation: F1 is below the start of the curve ({worth.reference})."
    if worth.beyond == worth.seeds:
        most = f"{worth.largest:,} real annotated sentences ({worth.reference})"
        return f"{start} are worth more than the {most} that were measured."
    if worth.below and worth.beyond:
        return (
            f"{start} have no clear worth, since the seeds disagree: F1 is below the start of the curve "
            f"({worth.reference}) for {worth.below} and above its end for {worth.beyond} of {worth.seeds} seeds."
        )
    if worth.interval:
        low, high = worth.interval
        most = f"{high:,.0f} or more" if high >= worth.largest else f"{high:,.0f}"
        over = f"test texts and {worth.seeds} seeds" if worth.seeds > 1 else "test texts, one seed"
        spread = f" [{low:,.0f}, {most}] ({CONFIDENCE:.0%} interval over {over})"
    else:
        spread = "; there are too few independent texts for an interval, and the uncertainty is large"
    text = f"{start} are worth about {worth.mean:,.0f} real annotated sentences ({worth.reference}){spread}."
    if outside := worth.below + worth.beyond:
        bound = "an upper" if worth.below else "a lower"
        text += f" F1 of {outside} of {worth.seeds} seeds is outside the curve, so this is {bound} bound."
    return text
