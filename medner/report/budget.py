"""F1 of two mixes of training data at equal cost, and with equally many sentences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medner.evaluation.learning_curves import CurveRow
from medner.evaluation.statistics import CONFIDENCE, resampled_interval
from medner.generation.config import Price
from medner.report.exchange import complete
from medner.report.wording import signed

Measure = Callable[[CurveRow], float]  # what is to be equal: cost or size


@dataclass(frozen=True)
class EqualCost:
    """Two mixes at the same cost or size: the sentences of each, mean F1 over seeds, and the difference.

    usd: the most that both curves reach; 0 where they are compared at equal size. interval: of the difference, over
    test texts and, if there are several, over seeds; None if the suite has too few independent texts.
    """

    suite: str
    before: str
    after: str
    usd: float
    sentences: tuple[float, float]
    f1: tuple[float, float]
    interval: tuple[float, float] | None
    seeds: int


def usd(row: CurveRow, price: Price) -> float | None:
    """The cost of a point's sentences through the Batch API; None if people made some of them."""
    return None if row.tokens is None else price.cost(*map(round, row.tokens), batch=True)


def equal_costs(rows: Iterable[CurveRow], pairs: Iterable[tuple[str, str]], price: Price) -> list[EqualCost]:
    """For every suite, what pairs of mixes give at equal cost, where both were measured with the same seeds.

    Seeds whose curve lacks a size are left out. Between measured sizes, F1 is linear in the logarithm of the size, and
    below the first it is linear.
    """
    return _compared(rows, pairs, lambda row: usd(row, price) or 0.0, priced=True)


def equal_sizes(rows: Iterable[CurveRow], pairs: Iterable[tuple[str, str]]) -> list[EqualCost]:
    """The same with equally many sentences of each mix: as many as both curves reach."""
    return _compared(rows, pairs, lambda row: float(row.sentences), priced=False)


def _compared(
    rows: Iterable[CurveRow], pairs: Iterable[tuple[str, str]], measure: Measure, *, priced: bool
) -> list[EqualCost]:
    curves: dict[str, dict[str, dict[int, list[CurveRow]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    for row in sorted(rows, key=lambda row: row.sentences):
        if row.tokens is not None:
            curves[row.suite][row.mix][row.seed].append(row)
    found = []
    for suite, mixes in curves.items():
        for before, after in pairs:
            left, right = complete(mixes[before]), complete(mixes[after])
            if both := [(left[seed], right[seed]) for seed in sorted(left.keys() & right.keys())]:
                found.append(_equal(suite, before, after, both, measure, priced=priced))
    return found


def _equal(
    suite: str,
    before: str,
    after: str,
    both: Sequence[tuple[Sequence[CurveRow], Sequence[CurveRow]]],
    measure: Measure,
    *,
    priced: bool,
) -> EqualCost:
    least = min(measure(curve[-1]) for pair in both for curve in pair)
    last = [curve[-1] for curve in both[0]]
    sentences = [row.sentences * least / (measure(row) or 1.0) for row in last]
    read = [[_read_off(curve, size) for curve, size in zip(pair, sentences, strict=True)] for pair in both]
    left, right = (float(np.mean([pair[side][0] for pair in read])) for side in (0, 1))
    cost, sizes = least if priced else 0.0, (sentences[0], sentences[1])
    return EqualCost(suite, before, after, cost, sizes, (left, right), _interval(read), len(both))


def _interval(read: Sequence[Sequence[NDArray[np.float64]]]) -> tuple[float, float] | None:
    """A percentile bootstrap: the same resampled texts for both mixes, and seeds drawn again."""
    if min(len(values) for pair in read for values in pair) < 2:
        return None
    differences = np.array([after[1:] - before[1:] for before, after in read])  # seeds × resamples
    return resampled_interval(differences)


def _read_off(curve: Sequence[CurveRow], size: float) -> NDArray[np.float64]:
    """F1 at a size, and after it F1 on every resample of the texts."""
    sizes = np.array([row.sentences for row in curve], float)
    first = sizes[sizes > 0][0]

    def scale(at: NDArray[np.float64]) -> NDArray[np.float64]:
        scaled: NDArray[np.float64] = np.where(at < first, at / first - 1, np.log(np.maximum(at, first) / first))
        return scaled

    whole = all(row.resampled for row in curve)
    heights = np.array([[row.f1, *((row.resampled or []) if whole else [])] for row in curve])
    return np.array([np.interp(scale(np.array(size)), scale(sizes), column) for column in heights.T])


def budget_sentence(found: EqualCost) -> str:
    """What to do with the money, in a sentence."""
    first, second = (
        f"{size:,.0f} sentences of {mix} (F1 {f1:.3f})"
        for size, mix, f1 in zip(found.sentences, (found.before, found.after), found.f1, strict=True)
    )
    text = f"On {found.suite}, ${found.usd:.2f} buys {first} or {second}: {signed(found.f1[1] - found.f1[0])}"
    if not found.interval:
        return f"{text}, without an interval."
    low, high = found.interval
    advice = f"buy {found.after}" if low > 0 else f"buy {found.before}" if high < 0 else "no clear difference"
    over = f"test texts and {found.seeds} seeds" if found.seeds > 1 else "test texts, one seed"
    return f"{text} [{signed(low)}, {signed(high)}] ({CONFIDENCE:.0%} interval over {over}): {advice}."
