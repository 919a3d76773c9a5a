"""Is one experiment better than another, or was it luck: of the test sentences, or of the seed?

Everything is computed from counts per document: ``before`` and ``after`` are arrays of shape (runs, documents, 3) with
true positives, false positives and false negatives; document ``j`` of both is the same text, or the same group of texts
of one document, which are alike and so no independent samples (:func:`.predictions.units`). The score is micro-F1 of a
run, averaged over runs ("report distributions", Reimers & Gurevych 2017).

- Luck of the test sentences: paired approximate randomisation over documents (Noreen 1989; Yeh 2000; recommended for F1
  by Dror et al. 2018) and a paired bootstrap interval. A document is swapped, or drawn, with all its runs, since the
  runs of one document are not independent observations. Says nothing of another training.
- Luck of sentences *and* seeds: the means of both experiments vary with both. This is the analysis of a multi-reader
  multi-case study with runs as readers, each of one experiment, and documents as cases (Obuchowski & Rockette 1995;
  Hillis 2007). Two or three runs tell next to nothing of their variance, so that of all experiments measured on the
  suite is pooled, and an experiment with a single run is taken to vary as the others do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from medner.evaluation.results import Run, read_counts
from medner.evaluation.scores import CONFIDENCE, MIN_UNITS, RESAMPLES
from medner.study import Study

PERMUTATIONS = 10_000
TEST_KEYS = ("sha256", "annotated", "documents")  # of a source's test part: what scores depend on
TRAINING_KEYS = ("encoder", "epochs", "config", "overrides")  # of a training, beside its data
_BATCH = 500  # permutations or resamples at once; memory only

Counts3 = NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """``after`` minus ``before`` in F1.

    ``interval`` and ``p`` take account of what ``luck_of`` names: documents and seeds, or documents alone where no
    experiment has several runs. runs: of before, of after.
    """

    difference: float
    interval: tuple[float, float]
    p: float
    luck_of: str
    documents_interval: tuple[float, float]
    documents_p: float
    runs: tuple[int, int]
    documents: int
    f1_before: tuple[float, ...]
    f1_after: tuple[float, ...]


@dataclass(frozen=True)
class Spread:
    """How far runs of one experiment lie apart on a suite, pooled over experiments.

    variance: of F1 between runs, with ``freedom`` degrees of freedom; documents: the part of it that chance in the
    documents' answers accounts for, were all trainings equally good.
    """

    variance: float
    documents: float
    freedom: int


def _parts(counts: Counts3) -> Counts3:
    """Numerator and denominator of F1: 2 TP and 2 TP + FP + FN, in the last axis."""
    tp, fp, fn = np.moveaxis(counts, -1, 0)
    return np.stack([2 * tp, 2 * tp + fp + fn], axis=-1)


def _ratio(parts: Counts3) -> Counts3:
    """F1 of summed parts; 0 where there is nothing to find and nothing was found."""
    return np.asarray(parts[..., 0] / np.maximum(parts[..., 1], 1))


def f1_by_run(counts: Counts3) -> Counts3:
    """Micro-F1 of every run; counts: (runs, documents, 3)."""
    return _ratio(_parts(counts).sum(axis=1))


def _difference(before: Counts3, after: Counts3) -> Counts3:
    """Difference of mean F1; the summed parts have shape (…, runs, 2)."""
    return np.asarray((_ratio(after) - _ratio(before)).mean(axis=-1))


def randomisation_p(before: Counts3, after: Counts3, *, permutations: int = PERMUTATIONS, seed: int = 0) -> float:
    """Two-sided p of paired approximate randomisation over documents.

    Under the null hypothesis the two experiments' answers to a document may be exchanged. p is the share of random
    exchanges with at least the observed difference, the observed one included (Noreen 1989), so never 0.
    """
    left, right = _parts(before), _parts(after)
    total_left, total_right = left.sum(axis=1), right.sum(axis=1)
    observed = abs(float(_difference(total_left, total_right)))
    differs = (left != right).any(axis=(0, 2))  # exchanging equal answers changes nothing
    change = (right - left)[:, differs].swapaxes(0, 1)  # documents × runs × 2
    flat = change.reshape(len(change), 2 * len(left))
    rng = np.random.default_rng(seed)
    reached = 0
    for start in range(0, permutations, _BATCH):
        swapped = rng.random((min(_BATCH, permutations - start), len(flat))) < 0.5
        moved = (swapped.astype(np.float64) @ flat).reshape(len(swapped), *change.shape[1:])
        reached += int((abs(_difference(total_left + moved, total_right - moved)) >= observed - 1e-12).sum())
    return (reached + 1) / (permutations + 1)


def bootstrap_interval(
    before: Counts3, after: Counts3, *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float]:
    """Paired percentile bootstrap interval of the difference over documents (Efron & Tibshirani 1993)."""
    documents = before.shape[1]
    both = np.stack([_parts(before), _parts(after)])  # 2 × runs × documents × 2
    flat = np.moveaxis(both, 2, 0).reshape(documents, -1)

    def difference(drawn: NDArray[np.int64], axis: int = -1) -> Counts3:
        # How often each document was drawn, so that the sums of all resamples are one matrix product.
        rows = drawn.reshape(-1, documents)
        numbered = rows + documents * np.arange(len(rows))[:, None]
        weights = np.bincount(numbered.ravel(), minlength=rows.size).reshape(rows.shape)
        sums = (weights @ flat).reshape(*drawn.shape[:-1], *both.shape[:2], 2)
        return _difference(sums[..., 0, :, :], sums[..., 1, :, :])

    result = stats.bootstrap(
        (np.arange(documents),), difference, vectorized=True, n_resamples=resamples, confidence_level=CONFIDENCE,
        method="percentile", batch=_BATCH, rng=np.random.default_rng(seed),
    )  # fmt: skip
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def spread(tables: Iterable[Counts3]) -> Spread | None:
    """The spread of runs, from the counts of every experiment; None where none has several runs that find anything."""
    several = [t for t in tables if len(t) > 1 and t.shape[1] > 1 and t[..., 0].any()]
    if not several:
        return None
    freedom = [len(table) - 1 for table in several]
    of_documents = []
    for table in several:
        influence = _influence(table)
        covariance = influence @ influence.T * table.shape[1] / (table.shape[1] - 1)
        shared = covariance[~np.eye(len(table), dtype=bool)].mean()
        of_documents.append(covariance.diagonal().mean() - shared)
    return Spread(
        variance=float(np.average([f1_by_run(table).var(ddof=1) for table in several], weights=freedom)),
        documents=max(0.0, float(np.average(of_documents, weights=freedom))),
        freedom=sum(freedom),
    )


def runs_and_documents(before: Counts3, after: Counts3, runs: Spread) -> tuple[tuple[float, float], float]:
    """Interval and two-sided p of the difference when both runs and documents are random samples.

    The variance of the difference of means has two parts. What the documents account for comes from their influence on
    mean F1 (delta method). Of it, the share that differs from run to run gives way to the runs' own variance where that
    is larger: the pooled one, or that of these two experiments if they vary more than others; it is never taken to be
    less than documents alone make it, as it often is by chance. What finds nothing at all does not vary. t with
    Satterthwaite's degrees of freedom, as Hillis (2007) has them, from those of the runs and of the documents.
    Raises ValueError below two documents.
    """
    documents = before.shape[1]
    if documents < 2:
        raise ValueError(f"{documents} documents")
    varying = [table for table in (before, after) if table[..., 0].any()]
    inverse = sum(1 / len(table) for table in varying)
    these = sum((f1_by_run(t).var(ddof=1) if len(t) > 1 else runs.variance) / len(t) for t in varying)
    own = max(runs.variance * inverse, runs.documents * inverse, float(these))
    influence = _influence(after).mean(axis=0) - _influence(before).mean(axis=0)
    over_documents = float(influence @ influence) * documents / (documents - 1)
    shared = max(0.0, over_documents - runs.documents * inverse)
    mean = float(f1_by_run(after).mean() - f1_by_run(before).mean())
    error = float(np.sqrt(own + shared))
    if error == 0:  # a difference that no document and no run varies
        return (mean, mean), float(mean == 0)
    t = stats.t((own + shared) ** 2 / (own**2 / runs.freedom + shared**2 / (documents - 1)))
    reach = float(t.ppf((1 + CONFIDENCE) / 2)) * error
    return (mean - reach, mean + reach), float(2 * t.sf(abs(mean) / error))


def _influence(counts: Counts3) -> Counts3:
    """How much each document moves each run's F1, to first order: (2 TP − F1 · (2 TP + FP + FN)) / total."""
    parts = _parts(counts)
    total = parts.sum(axis=1)
    return np.asarray((parts[..., 0] - _ratio(total)[:, None] * parts[..., 1]) / np.maximum(total[:, 1:], 1))


def compare(
    before: Counts3,
    after: Counts3,
    runs: Spread | None = None,
    *,
    paired: tuple[Counts3, Counts3] | None = None,
    seed: int = 0,
) -> Comparison:
    """Compare two experiments; without the ``runs``' spread only the documents' share of luck can be told.

    paired: the runs of both with the same seeds, for what is said of documents alone; by default all.
    Raises ValueError if the arrays' shapes do not fit or there are fewer than two documents.
    """
    left, right = paired or (before, after)
    if left.shape != right.shape or before.shape[1:] != after.shape[1:] or before.ndim != 3 or before.shape[1] < 2:
        raise ValueError(f"shapes {before.shape} and {after.shape}, paired {left.shape} and {right.shape}")
    over_documents = bootstrap_interval(left, right, seed=seed), randomisation_p(left, right, seed=seed)
    if runs is None:
        before, after = left, right
    interval, p = runs_and_documents(before, after, runs) if runs else over_documents
    f1_before, f1_after = f1_by_run(before), f1_by_run(after)
    return Comparison(
        difference=float(f1_after.mean() - f1_before.mean()),
        interval=interval,
        p=p,
        luck_of="documents and seeds" if runs else "documents",
        documents_interval=over_documents[0],
        documents_p=over_documents[1],
        runs=(len(before), len(after)),
        documents=before.shape[1],
        f1_before=tuple(map(float, f1_before)),
        f1_after=tuple(map(float, f1_after)),
    )


def holm(ps: Sequence[float]) -> list[float]:
    """p-values adjusted for making all these tests at once (Holm 1979), in the order given."""
    adjusted = [0.0] * len(ps)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[index]))
        adjusted[index] = highest
    return adjusted


def comparable_pairs(
    runs: Mapping[str, Sequence[Run]], study: Study
) -> tuple[dict[str, list[tuple[str, str]]], dict[tuple[str, str], str]]:
    """The study's comparisons whose experiments are evaluated and comparable, by family, and why others are not.

    Two experiments may differ in what they train on. They must agree in the labels' meaning, in what the sources are
    that both train on, in the test data and, where both have the same kind of model, in encoder, epochs and config.
    """
    found: dict[str, list[tuple[str, str]]] = {}
    unlike = {}
    for family, pairs in study.comparisons.items():
        for before, after in pairs:
            if not {before, after} <= set(runs):
                continue
            if differing := _differing(runs[before][0], runs[after][0]):
                unlike[before, after] = f"they differ in {', '.join(differing)}"
            else:
                found.setdefault(family, []).append((before, after))
    return found, unlike


def _differing(one: Run, other: Run) -> list[str]:
    left, right = (run.scores["provenance"] for run in (one, other))
    keys = TRAINING_KEYS if _same_kind(one, other) and _kind(one) and _kind(other) else ()
    return [*(key for key in keys if left.get(key) != right.get(key)), *data_differing(one, other)]


def data_differing(one: Run, other: Run) -> list[str]:
    """Why two runs cannot be compared whatever trained them: what they mean by a label, a source, a suite."""
    left, right = (run.scores["provenance"] for run in (one, other))
    sources = [
        f"what {name} is"
        for name in left["sources"].keys() & right["sources"].keys()
        if left["sources"][name] != right["sources"][name]
    ]
    tests = [
        f"the test texts of {name}"
        for name in one.scores["test"].keys() & other.scores["test"].keys()
        if any(one.scores["test"][name].get(key) != other.scores["test"][name].get(key) for key in TEST_KEYS)
    ]
    suites = [
        f"the sources of {name}"
        for name in one.scores["suites"].keys() & other.scores["suites"].keys()
        if one.scores["suites"][name]["sources"].keys() != other.scores["suites"][name]["sources"].keys()
    ]
    persons = ["persons"] if left["persons"] != right["persons"] else []
    return [*persons, *sorted(sources), *sorted(tests), *sorted(suites)]


def compare_experiments(
    runs: Mapping[str, Sequence[Run]], wanted: Mapping[str, Sequence[tuple[str, str]]], suite: str, *, seed: int = 0
) -> Iterator[dict[str, Any]]:
    """All comparisons of one suite, for JSON; what was not measured on it is left out.

    wanted: the pairs of each family (:func:`comparable_pairs`). All runs of both experiments are compared. Where no
    experiment has several, and for what is said of texts alone, it is the runs of the seeds that both have, or the
    first of each. A suite of fewer than ``MIN_UNITS`` independent texts has no comparison. ``p_holm`` is p adjusted
    within the family. Raises InputError from :func:`medner.evaluation.results.read_counts`.
    """
    tables: dict[str, dict[int, Counts3]] = {}
    for name, own in runs.items():
        for run in own:
            if suite in run.scores["suites"]:
                tables.setdefault(name, {})[run.seed] = read_counts(run, suite)
    whole = {name: np.stack(list(own.values())) for name, own in tables.items()}
    if not whole or next(iter(whole.values())).shape[1] < MIN_UNITS:
        return
    runs_apart = spread(whole.values())
    for family, pairs in wanted.items():
        made = []
        for before, after in pairs:
            if not {before, after} <= set(tables):
                continue
            left, right = tables[before], tables[after]
            seeds = [(number, number) for number in sorted(left.keys() & right.keys())] or [(min(left), min(right))]
            paired = np.stack([left[one] for one, _ in seeds]), np.stack([right[other] for _, other in seeds])
            made.append((before, after, compare(whole[before], whole[after], runs_apart, paired=paired, seed=seed)))
        for (before, after, result), p_holm in zip(made, holm([found.p for *_, found in made]), strict=True):
            yield _as_dict(suite, family, before, after, result, p_holm)


def basis(runs: Sequence[Run]) -> dict[str, Any]:
    """What the comparisons of an experiment rest on: its training, its seeds and its test parts, for JSON."""
    first = runs[0].scores
    tests = {source: {key: about.get(key) for key in TEST_KEYS} for source, about in first["test"].items()}
    return {"provenance": {**first["provenance"], "seed": None}, "seeds": [run.seed for run in runs], "test": tests}


def current(significance: Mapping[str, Any], runs: Mapping[str, Sequence[Run]]) -> list[dict[str, Any]]:
    """The comparisons of ``significance.json`` whose experiments are still those that have been evaluated."""

    def same(name: str) -> bool:
        return name in runs and significance.get("experiments", {}).get(name) == basis(runs[name])

    return [one for one in significance["comparisons"] if same(one["before"]) and same(one["after"])]


def _same_kind(one: Run, other: Run) -> bool:
    return len({kind for kind in (_kind(one), _kind(other)) if kind}) < 2


def _kind(run: Run) -> str:
    """Of the pipeline; empty for what trains on nothing."""
    about = run.scores["provenance"]
    return ("transformer" if about["encoder"]["parameters"] else "CNN") if about["sources"] else ""


def _as_dict(suite: str, name: str, before: str, after: str, result: Comparison, p_holm: float) -> dict[str, Any]:
    low, high = result.interval
    p = f"p {'= ' * (result.p >= 0.001)}{p_text(result.p)} (Holm: {p_text(p_holm)})"
    sentence = (
        f"{after} − {before} = {signed(result.difference)} [{signed(low)}, {signed(high)}], {p}, "
        f"{runs_text(result.runs)}, {result.documents:,} texts or documents"
    )
    f1 = {before: result.f1_before, after: result.f1_after}
    return {
        "suite": suite,
        "family": name,
        "before": before,
        "after": after,
        "difference": round(result.difference, 6),
        "interval": [round(bound, 6) for bound in result.interval],
        "p": round(result.p, 6),
        "p_holm": round(p_holm, 6),
        "luck_of": result.luck_of,
        "over_documents_only": {
            "interval": [round(bound, 6) for bound in result.documents_interval],
            "p": round(result.documents_p, 6),
        },
        "runs": list(result.runs),
        "documents": result.documents,
        "f1": {name: [round(value, 6) for value in values] for name, values in f1.items()},
        "sentence": sentence,
    }


def runs_text(runs: Sequence[int]) -> str:
    """How many runs were compared: ``3 runs each``, or ``3 and 1 runs``, those of ``after`` first, as its name is."""
    before, after = runs
    if before != after:
        return f"{after} and {before} runs"
    return f"{after} runs each" if after > 1 else "1 run each"


def signed(value: float) -> str:
    """A difference of F1, with sign and three decimals."""
    return f"{value:+.3f}".replace("-", "−")


def p_text(p: float) -> str:
    """A p-value for a table: ``0.012``, or ``< 0.001``."""
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"
