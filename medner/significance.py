"""Is one experiment better than another, or was it luck: of the test sentences, or of the seed?

Everything is computed from counts per document: ``before`` and ``after`` are arrays of shape (runs, documents, 3) with
true positives, false positives and false negatives; run ``i`` of both has the same seed, document ``j`` is the same
text, or the same group of texts of one document, which are alike and so no independent samples
(:func:`medner.predictions.units`). The score is micro-F1 of a run, averaged over runs ("report distributions", Reimers
& Gurevych 2017).

- Luck of the test sentences: paired approximate randomisation over documents (Noreen 1989; Yeh 2000; recommended for F1
  by Dror et al. 2018) and a paired bootstrap interval. A document is swapped, or drawn, with all its runs, since the
  runs of one document are not independent observations. Says nothing of another training.
- Luck of sentences *and* seeds: the runs' differences vary with both. This is the analysis of a multi-reader multi-case
  study with runs as readers and documents as cases: the error of Obuchowski & Rockette (1995) with the degrees of
  freedom of Hillis (2007). Needs two runs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from medner.exceptions import InputError
from medner.predictions import SUFFIX, read_predictions
from medner.results import Run
from medner.scoring import CONFIDENCE, MIN_UNITS, RESAMPLES, unit_counts

PERMUTATIONS = 10_000
TEST_KEYS = ("sha256", "annotated", "documents")  # of a source's test part: what scores depend on
REFERENCES = ("gold", "gold-fr")  # experiments with real annotation, against which all others are held
_BATCH = 500  # permutations or resamples at once; memory only

Counts3 = NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """``after`` minus ``before`` in F1.

    ``interval`` and ``p`` take account of what ``luck_of`` names: documents and seeds, or with one run documents alone.
    """

    difference: float
    interval: tuple[float, float]
    p: float
    luck_of: str
    documents_interval: tuple[float, float]
    documents_p: float
    runs: int
    documents: int
    f1_before: tuple[float, ...]
    f1_after: tuple[float, ...]


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


def runs_and_documents(before: Counts3, after: Counts3) -> tuple[tuple[float, float], float]:
    """Interval and two-sided p of the difference when both runs and documents are random samples.

    With the runs' differences d_i: Var(mean d) = S²/n + Cov(d_i, d_j), where S² is their sample variance, which holds
    what is particular to a run, and the covariance is what they share because they answer the same documents. It is
    taken from the documents' influence on each run's F1 (delta method). The same influence says how far documents alone
    let the runs differ: S² is not taken to be less, as it often is by chance with two or three runs. t with Hillis's
    degrees of freedom, to which the documents' are added here, since there may be few of them too.
    Raises ValueError below two runs or two documents.
    """
    runs, documents = before.shape[:2]
    if runs < 2 or documents < 2:
        raise ValueError(f"{runs} runs and {documents} documents")
    differences = f1_by_run(after) - f1_by_run(before)
    mean = float(differences.mean())
    influence = _influence(after) - _influence(before)
    covariance = influence @ influence.T * documents / (documents - 1)
    shared = max(0.0, float(covariance[~np.eye(runs, dtype=bool)].mean()))
    observed = float(differences.var(ddof=1)) / runs
    least = (float(covariance.diagonal().mean()) - shared) / runs
    own, of_own = (observed, runs - 1) if observed > least else (max(0.0, least), documents - 1)
    error = float(np.sqrt(own + shared))
    if error == 0:  # equal runs, or a difference that no document and no run varies
        return (mean, mean), float(mean == 0)
    t = stats.t((own + shared) ** 2 / (own**2 / of_own + shared**2 / (documents - 1)))
    reach = float(t.ppf((1 + CONFIDENCE) / 2)) * error
    return (mean - reach, mean + reach), float(2 * t.sf(abs(mean) / error))


def _influence(counts: Counts3) -> Counts3:
    """How much each document moves each run's F1, to first order: (2 TP − F1 · (2 TP + FP + FN)) / total."""
    parts = _parts(counts)
    total = parts.sum(axis=1)
    return np.asarray((parts[..., 0] - _ratio(total)[:, None] * parts[..., 1]) / np.maximum(total[:, 1:], 1))


def compare(before: Counts3, after: Counts3, *, seed: int = 0) -> Comparison:
    """Compare two experiments; with one run each only the documents' share of luck can be told.

    Raises ValueError if the arrays' shapes differ or there are fewer than two documents.
    """
    if before.shape != after.shape or before.ndim != 3 or before.shape[1] < 2:
        raise ValueError(f"shapes {before.shape} and {after.shape}")
    runs, documents = before.shape[:2]
    f1_before, f1_after = f1_by_run(before), f1_by_run(after)
    over_documents = bootstrap_interval(before, after, seed=seed), randomisation_p(before, after, seed=seed)
    interval, p = runs_and_documents(before, after) if runs > 1 else over_documents
    return Comparison(
        difference=float((f1_after - f1_before).mean()),
        interval=interval,
        p=p,
        luck_of="documents and seeds" if runs > 1 else "documents",
        documents_interval=over_documents[0],
        documents_p=over_documents[1],
        runs=runs,
        documents=documents,
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


def pairs(experiments: Mapping[str, Collection[str]]) -> list[tuple[str, str]]:
    """Which experiments to compare, as (before, after), in the plan's order.

    experiments: the training sources of each. Compared are those where one trains on all that the other does and more
    (what do the added sources bring?), thus all with what trains on nothing, and all with the references, ``gold`` and
    ``gold-fr``.
    """
    nested = [
        (before, after)
        for after, more in experiments.items()
        for before, less in experiments.items()
        if set(less) < set(more)
    ]
    against = [(reference, name) for reference in REFERENCES if reference in experiments for name in experiments]
    return nested + [
        (reference, name)
        for reference, name in against
        if name not in REFERENCES and not {(reference, name), (name, reference)} & set(nested)
    ]


def comparable_pairs(
    runs: Mapping[str, Sequence[Run]], wanted: Iterable[tuple[str, str]]
) -> tuple[list[tuple[str, str]], dict[tuple[str, str], str]]:
    """The wanted pairs that have been evaluated and can be compared, and for the others why they cannot.

    Two experiments differ in what they train on: not in encoder, epochs, what the sources are that both train on, or
    the test data. A transformer and a CNN are passed over without a word, being no such pair by intention. What trains
    on nothing has neither encoder nor epochs, and is comparable with all.
    """
    found, unlike = [], {}
    for before, after in wanted:
        if not {before, after} <= set(runs):
            continue
        left, right = runs[before][0], runs[after][0]
        if len({kind for kind in (_kind(left), _kind(right)) if kind}) > 1:
            continue
        if differing := _differing(left, right):
            unlike[before, after] = f"they differ in {', '.join(differing)}"
        else:
            found.append((before, after))
    return found, unlike


def _differing(one: Run, other: Run) -> list[str]:
    left, right = (run.scores["provenance"] for run in (one, other))
    about_training = ("encoder", "epochs") if _kind(one) and _kind(other) else ()
    keys = [key for key in (*about_training, "persons") if left[key] != right[key]]
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
    return [*keys, *sorted(sources), *sorted(tests)]


def compare_experiments(
    runs: Mapping[str, Sequence[Run]], wanted: Sequence[tuple[str, str]], suite: str, *, seed: int = 0
) -> Iterator[dict[str, Any]]:
    """All comparisons of one suite, for JSON, each after it is made; what was not measured on it is passed over.

    wanted: of :func:`comparable_pairs`. Runs are paired by seed; seeds that only one of two experiments has are left
    out of that comparison; what trains on nothing has no seed, and is held against each of the other's. A suite of
    fewer than ``MIN_UNITS`` independent texts has no comparison. p is adjusted for all comparisons of the suite at once
    (Holm), as ``p_holm``.
    Raises InputError from the predictions files, and where they hold other texts than scores.json says.
    """
    tables: dict[str, dict[int, Counts3]] = {}
    texts: dict[str, list[tuple[Any, ...]]] = {}
    for name in dict.fromkeys(name for pair in wanted for name in pair):
        for run in runs[name]:
            if suite not in run.scores["suites"]:
                continue
            predictions = read_predictions(run.folder / f"{suite}{SUFFIX}")
            tables.setdefault(name, {})[run.seed] = np.array(unit_counts(predictions, run.scores["test"]), dtype=float)
            held = [(one.source, one.id, one.text, one.gold) for one in predictions]
            if held != texts.setdefault(name, held):
                _other_texts(run, suite)
    made = []
    for before, after in wanted:
        if not {before, after} <= set(tables):
            continue
        own = {name: tables[name] for name in (before, after)}
        for name, other in ((before, after), (after, before)):
            if not _kind(runs[name][0]):
                own[name] = dict.fromkeys(own[other], next(iter(own[name].values())))
        seeds = sorted(own[before].keys() & own[after].keys())
        if not seeds or len(own[before][seeds[0]]) < MIN_UNITS:
            continue
        if texts[before] != texts[after]:
            _other_texts(runs[after][0], suite)
        left, right = (np.stack([own[name][number] for number in seeds]) for name in (before, after))
        made.append((before, after, seeds, compare(left, right, seed=seed)))
    for (before, after, seeds, result), p_holm in zip(made, holm([result.p for *_, result in made]), strict=True):
        yield _as_dict(suite, before, after, seeds, result, p_holm)


def _other_texts(run: Run, suite: str) -> NoReturn:
    what = f"was not measured on the same texts of {suite} as the runs before it"
    raise InputError(what, path=run.folder, remedy="Evaluate all experiments on the same corpus")


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


def _kind(run: Run) -> str:
    """Of the pipeline; empty for what trains on nothing."""
    about = run.scores["provenance"]
    return ("transformer" if about["encoder"]["parameters"] else "CNN") if about["sources"] else ""


def _as_dict(
    suite: str, before: str, after: str, seeds: Sequence[int], result: Comparison, p_holm: float
) -> dict[str, Any]:
    low, high = result.interval
    p = f"p {'= ' * (result.p >= 0.001)}{p_text(result.p)} (Holm: {p_text(p_holm)})"
    sentence = (
        f"{after} − {before} = {signed(result.difference)} [{signed(low)}, {signed(high)}], {p}, "
        f"{len(seeds)} seed{'s' * (len(seeds) > 1)}, {result.documents:,} texts or documents"
    )
    f1 = {before: result.f1_before, after: result.f1_after}
    return {
        "suite": suite,
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
        "seeds": list(seeds),
        "documents": result.documents,
        "f1": {name: [round(value, 6) for value in values] for name, values in f1.items()},
        "sentence": sentence,
    }


def signed(value: float) -> str:
    """A difference of F1, with sign and three decimals."""
    return f"{value:+.3f}".replace("-", "−")


def p_text(p: float) -> str:
    """A p-value for a table: ``0.012``, or ``< 0.001``."""
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"
