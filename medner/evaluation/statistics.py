"""Statistics of differences in F1 between experiments: pure functions over arrays of counts.

``counts`` has shape (runs, texts, 3): true positives, false positives and false negatives of every training run on
every independent text. Text ``j`` is the same in all arrays of a suite. A text stands for all texts of one document
where documents are known, since these are alike (:func:`medner.evaluation.predictions.units`). The score is micro-F1 of
a run, averaged over runs (Reimers & Gurevych 2017). docs/methods.md derives what is done here.

There are two sources of variance:

- **Sampling variance**: other test texts would give another score. Paired approximate randomisation (Noreen 1989; Yeh
  2000; recommended for F1 by Dror et al. 2018) and a paired bootstrap over texts. A text is swapped or drawn with all
  its runs, since the runs of one text are not independent observations.
- **Seed variance**: another seed would give another pipeline. With several runs, both variances count
  (:func:`obuchowski_rockette`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

CONFIDENCE = 0.95
RESAMPLES = 2000
PERMUTATIONS = 10_000
MIN_UNITS = 10  # fewer independent texts bear neither an interval nor a p
_BATCH = 500  # permutations or resamples at once; it bounds memory and changes no result

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SeedVariance:
    """Variance of F1 between the runs of one experiment, pooled over experiments.

    variance: between runs, with ``freedom`` degrees of freedom. sampling: the part of it that sampling of texts alone
    accounts for, if all runs were equally good.
    """

    variance: float
    sampling: float
    freedom: int


def f1_by_run(counts: Array) -> Array:
    """Micro-F1 of every run. counts: (runs, texts, 3)."""
    return _ratio(_parts(counts).sum(axis=1))


def _parts(counts: Array) -> Array:
    """Numerator and denominator of F1, 2 TP and 2 TP + FP + FN, in the last axis."""
    tp, fp, fn = np.moveaxis(counts, -1, 0)
    return np.stack([2 * tp, 2 * tp + fp + fn], axis=-1)


def _ratio(parts: Array) -> Array:
    """F1 of summed parts; 0 where there is nothing to find and nothing was found."""
    return np.asarray(parts[..., 0] / np.maximum(parts[..., 1], 1))


def _difference(before: Array, after: Array) -> Array:
    """Difference of mean F1 from summed parts of shape (…, runs, 2)."""
    return np.asarray((_ratio(after) - _ratio(before)).mean(axis=-1))


def f1_interval(counts: Array, seed: int) -> tuple[float, float] | None:
    """Percentile bootstrap interval of one run's micro-F1 over texts (Efron & Tibshirani 1993).

    counts: (texts, 3). None below ``MIN_UNITS`` texts and where nothing was found correctly, since all resamples would
    then be equal. It holds sampling variance alone.
    """
    if len(counts) < MIN_UNITS or not counts[:, 0].any():
        return None

    def f1(tp: Array, fp: Array, fn: Array, axis: int = -1) -> Array:
        hits = 2 * tp.sum(axis)
        return np.asarray(hits / np.maximum(hits + fp.sum(axis) + fn.sum(axis), 1))

    result = stats.bootstrap(
        tuple(counts.T), f1, paired=True, n_resamples=RESAMPLES, confidence_level=CONFIDENCE,
        method="percentile", batch=200, rng=np.random.default_rng(seed),
    )  # fmt: skip
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def randomisation_p(before: Array, after: Array, *, permutations: int = PERMUTATIONS, seed: int = 0) -> float:
    """Two-sided p of paired approximate randomisation over texts (Noreen 1989; Yeh 2000).

    Under the null hypothesis the two experiments' answers to a text may be exchanged. p is the share of random
    exchanges that reach the observed difference, the observed one included, so it is never 0.
    """
    left, right = _parts(before), _parts(after)
    total_left, total_right = left.sum(axis=1), right.sum(axis=1)
    observed = abs(float(_difference(total_left, total_right)))
    differs = (left != right).any(axis=(0, 2))  # exchanging equal answers changes nothing
    change = (right - left)[:, differs].swapaxes(0, 1)  # texts × runs × 2
    flat = change.reshape(len(change), 2 * len(left))
    rng = np.random.default_rng(seed)
    reached = 0
    for start in range(0, permutations, _BATCH):
        swapped = rng.random((min(_BATCH, permutations - start), len(flat))) < 0.5
        moved = (swapped.astype(np.float64) @ flat).reshape(len(swapped), *change.shape[1:])
        reached += int((abs(_difference(total_left + moved, total_right - moved)) >= observed - 1e-12).sum())
    return (reached + 1) / (permutations + 1)


def resampled_interval(resampled: ArrayLike) -> tuple[float, float]:
    """Percentile interval of a mean over seeds, from its values on resampled texts, of shape (seeds, resamples).

    The seeds are drawn again as well; the same resamples belong to all of them.
    """
    values = np.asarray(resampled, dtype=float)
    drawn = np.random.default_rng(0).integers(len(values), size=values.shape)
    means = np.take_along_axis(values, drawn, axis=0).mean(axis=0)
    low, high = np.percentile(means, [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)])
    return float(low), float(high)


def bootstrap_interval(
    before: Array, after: Array, *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Paired percentile bootstrap interval of the difference over texts (Efron & Tibshirani 1993)."""
    texts = before.shape[1]
    both = np.stack([_parts(before), _parts(after)])  # 2 × runs × texts × 2
    flat = np.moveaxis(both, 2, 0).reshape(texts, -1)

    def difference(drawn: NDArray[np.int64], axis: int = -1) -> Array:
        # How often each text was drawn, so that the sums of all resamples are one matrix product.
        rows = drawn.reshape(-1, texts)
        numbered = rows + texts * np.arange(len(rows))[:, None]
        weights = np.bincount(numbered.ravel(), minlength=rows.size).reshape(rows.shape)
        sums = (weights @ flat).reshape(*drawn.shape[:-1], *both.shape[:2], 2)
        return _difference(sums[..., 0, :, :], sums[..., 1, :, :])

    result = stats.bootstrap(
        (np.arange(texts),), difference, vectorized=True, n_resamples=resamples, confidence_level=CONFIDENCE,
        method="percentile", batch=_BATCH, rng=np.random.default_rng(seed),
    )  # fmt: skip
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def seed_variance(experiments: Iterable[Array]) -> SeedVariance | None:
    """Seed variance on a suite, pooled over all experiments that have several runs and find anything.

    Two or three runs estimate a variance with one or two degrees of freedom; pooling is what makes it usable (Hillis
    2007). None where no experiment has several runs.
    """
    several = [t for t in experiments if len(t) > 1 and t.shape[1] > 1 and t[..., 0].any()]
    if not several:
        return None
    freedom = [len(table) - 1 for table in several]
    sampling = []
    for table in several:
        influence = _influence(table)
        covariance = influence @ influence.T * table.shape[1] / (table.shape[1] - 1)
        shared = covariance[~np.eye(len(table), dtype=bool)].mean()
        sampling.append(covariance.diagonal().mean() - shared)
    return SeedVariance(
        variance=float(np.average([f1_by_run(table).var(ddof=1) for table in several], weights=freedom)),
        sampling=max(0.0, float(np.average(sampling, weights=freedom))),
        freedom=sum(freedom),
    )


def obuchowski_rockette(before: Array, after: Array, seeds: SeedVariance) -> tuple[tuple[float, float], float]:
    """Interval and two-sided p of the difference when runs and texts are both random samples.

    The analysis of a multi-reader multi-case study (Obuchowski & Rockette 1995) with runs as readers, each of one
    experiment, and texts as cases; degrees of freedom by Satterthwaite's rule as in Hillis (2007). The variance of the
    difference of means has two parts. The sampling variance that all runs share comes from the texts' influence on
    mean F1 (delta method). The runs' own part is the largest of three estimates: the pooled seed variance, what
    sampling alone makes of it, and the variance of these two experiments. An experiment that finds nothing does not
    vary. Raises ValueError below two texts.
    """
    texts = before.shape[1]
    if texts < 2:
        raise ValueError(f"{texts} texts")
    varying = [table for table in (before, after) if table[..., 0].any()]
    inverse = sum(1 / len(table) for table in varying)
    these = sum((f1_by_run(t).var(ddof=1) if len(t) > 1 else seeds.variance) / len(t) for t in varying)
    own = max(seeds.variance * inverse, seeds.sampling * inverse, float(these))
    influence = _influence(after).mean(axis=0) - _influence(before).mean(axis=0)
    over_texts = float(influence @ influence) * texts / (texts - 1)
    shared = max(0.0, over_texts - seeds.sampling * inverse)
    mean = float(f1_by_run(after).mean() - f1_by_run(before).mean())
    error = float(np.sqrt(own + shared))
    if error == 0:  # neither texts nor runs vary
        return (mean, mean), float(mean == 0)
    t = stats.t((own + shared) ** 2 / (own**2 / seeds.freedom + shared**2 / (texts - 1)))
    reach = float(t.ppf((1 + CONFIDENCE) / 2)) * error
    return (mean - reach, mean + reach), float(2 * t.sf(abs(mean) / error))


def _influence(counts: Array) -> Array:
    """How much each text moves each run's F1, to first order: (2 TP − F1 · (2 TP + FP + FN)) / total."""
    parts = _parts(counts)
    total = parts.sum(axis=1)
    return np.asarray((parts[..., 0] - _ratio(total)[:, None] * parts[..., 1]) / np.maximum(total[:, 1:], 1))


def holm(ps: Sequence[float]) -> list[float]:
    """p-values adjusted for making all these tests at once (Holm 1979), in the order given."""
    adjusted = [0.0] * len(ps)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[index]))
        adjusted[index] = highest
    return adjusted
