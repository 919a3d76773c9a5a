"""The comparisons that the study asks for: which pairs can be compared, and what the statistics say of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from medner.evaluation.results import Run, read_counts
from medner.evaluation.scores import DECIMALS, TestSource
from medner.evaluation.statistics import (
    CONFIDENCE,
    MIN_UNITS,
    PERMUTATIONS,
    RESAMPLES,
    Array,
    SeedVariance,
    bootstrap_interval,
    f1_by_run,
    holm,
    obuchowski_rockette,
    randomisation_p,
    seed_variance,
)
from medner.model.provenance import Provenance
from medner.outputs import Output
from medner.study import Pair, Study

FILE = "significance.json"
TRAINING_KEYS = ("encoder", "epochs", "config", "overrides")  # of a training, beside its data
SAME = 10**-DECIMALS * 2  # F1 values that differ by less were rounded


class TextsOnly(Output):
    """Interval and p over texts alone: they cover sampling variance, but not seed variance."""

    interval: tuple[float, float]
    p: float


class Difference(Output):
    """``after`` minus ``before`` in mean F1 on one suite.

    interval, p: over texts and, with ``over_seeds``, over seeds. texts_only: over texts alone, of the runs whose seeds
    both experiments have. runs: of before and after. texts: independent ones. f1: of every run, by seed.
    """

    difference: float
    interval: tuple[float, float]
    p: float
    over_seeds: bool
    texts_only: TextsOnly
    runs: tuple[int, int]
    texts: int
    f1_before: tuple[float, ...]
    f1_after: tuple[float, ...]


class _Pair(Output):
    suite: str
    family: str
    before: str
    after: str
    p_holm: float


class Comparison(Difference, _Pair):
    """A difference that the study asks for. p_holm: p adjusted for the comparisons of the family on this suite."""


class TestKeys(Output):
    """The properties of a test source that scores depend on."""

    __test__ = False

    sha256: str
    annotated: tuple[str, ...]
    documents: str | bool

    @classmethod
    def of(cls, source: TestSource) -> TestKeys:
        """The keys of a test source."""
        return cls(sha256=source.sha256, annotated=source.annotated, documents=source.documents)


class Basis(Output):
    """What the comparisons of an experiment rest on: its training, its seeds and its test parts."""

    provenance: Provenance
    seeds: tuple[int, ...]
    test: dict[str, TestKeys]

    @classmethod
    def of(cls, runs: Sequence[Run]) -> Basis:
        """The basis of an experiment's runs."""
        scores = runs[0].scores
        return cls(
            provenance=scores.provenance.model_copy(update={"seed": None}),
            seeds=tuple(run.seed for run in runs),
            test={name: TestKeys.of(source) for name, source in scores.test.items()},
        )


class Significance(Output):
    """``significance.json``. seed: of permutations and resamples."""

    confidence: float
    permutations: int
    resamples: int
    seed: int
    experiments: dict[str, Basis]
    comparisons: list[Comparison]

    def current(self, runs: Mapping[str, Sequence[Run]]) -> list[Comparison]:
        """The comparisons whose experiments are still the evaluated ones, with the scores that they have now."""

        def same(name: str, suite: str, values: Sequence[float]) -> bool:
            if name not in runs or self.experiments.get(name) != Basis.of(runs[name]):
                return False
            now = [run.scores.suites[suite].f1 for run in runs[name] if suite in run.scores.suites]
            return all(any(abs(value - f1) < SAME for f1 in now) for value in values)

        return [
            one
            for one in self.comparisons
            if same(one.before, one.suite, one.f1_before) and same(one.after, one.suite, one.f1_after)
        ]


def compare(
    before: Array,
    after: Array,
    seeds: SeedVariance | None = None,
    *,
    paired: tuple[Array, Array] | None = None,
    seed: int = 0,
) -> Difference:
    """Compare the counts of two experiments, each of shape (runs, texts, 3).

    seeds: the suite's seed variance; without it, interval and p are over texts alone. paired: the runs of both with the
    same seeds, for what is said of texts alone; by default all. Raises ValueError if the shapes do not fit or there are
    fewer than two texts.
    """
    left, right = paired or (before, after)
    if left.shape != right.shape or before.shape[1:] != after.shape[1:] or before.ndim != 3 or before.shape[1] < 2:
        raise ValueError(f"shapes {before.shape} and {after.shape}, paired {left.shape} and {right.shape}")
    over_texts = bootstrap_interval(left, right, seed=seed), randomisation_p(left, right, seed=seed)
    if seeds is None:
        before, after = left, right
    interval, p = obuchowski_rockette(before, after, seeds) if seeds else over_texts
    f1_before, f1_after = f1_by_run(before), f1_by_run(after)
    return Difference(
        difference=float(f1_after.mean() - f1_before.mean()),
        interval=interval,
        p=p,
        over_seeds=seeds is not None,
        texts_only=TextsOnly(interval=over_texts[0], p=over_texts[1]),
        runs=(len(before), len(after)),
        texts=before.shape[1],
        f1_before=tuple(map(float, f1_before)),
        f1_after=tuple(map(float, f1_after)),
    )


def _rounded(value: Any) -> Any:
    """The value with all numbers in it rounded, as files have them."""
    if isinstance(value, Mapping):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, tuple):
        return tuple(map(_rounded, value))
    return round(value, DECIMALS) if isinstance(value, float) else value


def comparable_pairs(
    runs: Mapping[str, Sequence[Run]], study: Study
) -> tuple[dict[str, list[Pair]], dict[Pair, list[str]]]:
    """The study's comparisons whose experiments are evaluated and comparable, by family; how the others differ.

    Two experiments may differ in what they train on. They must agree in the meaning of the labels, in the sources that
    both train on and in the test data. With an encoder on both sides, they must agree in the encoder and the epochs;
    with the same model, in the config as well.
    """
    found: dict[str, list[Pair]] = {}
    unlike: dict[Pair, list[str]] = {}
    for family, pairs in study.comparisons.items():
        for before, after in pairs:
            if not {before, after} <= runs.keys():
                continue
            if different := differing(runs, study, (before, after)):
                unlike[before, after] = different
            else:
                found.setdefault(family, []).append((before, after))
    return found, unlike


def differing(runs: Mapping[str, Sequence[Run]], study: Study, pair: Pair) -> list[str]:
    """What rules a comparison of two experiments out; empty where they can be compared."""
    left, right = (runs[name][0] for name in pair)
    models = {study.experiments[name].model for name in pair}
    return [*_training_differing(left, right, same_model=len(models) == 1), *data_differing(left, right)]


def _training_differing(one: Run, other: Run, *, same_model: bool) -> list[str]:
    left, right = one.scores.provenance, other.scores.provenance
    if left.kind != right.kind or not left.kind:
        return []
    keys = TRAINING_KEYS if same_model else tuple(key for key in TRAINING_KEYS if key != "config")
    return [key for key in keys if getattr(left, key) != getattr(right, key)]


def data_differing(one: Run, other: Run) -> list[str]:
    """The differences between the data of two runs that rule a comparison out, whatever the model."""
    left, right = one.scores, other.scores
    shared = left.provenance.sources.keys() & right.provenance.sources.keys()
    sources = [f"source {n}" for n in shared if left.provenance.sources[n] != right.provenance.sources[n]]
    tests = [
        f"test texts of {name}"
        for name in left.test.keys() & right.test.keys()
        if TestKeys.of(left.test[name]) != TestKeys.of(right.test[name])
    ]
    suites = [
        f"sources of suite {name}"
        for name in left.suites.keys() & right.suites.keys()
        if left.suites[name].sources.keys() != right.suites[name].sources.keys()
    ]
    persons = ["persons"] if left.provenance.persons != right.provenance.persons else []
    return [*persons, *sorted(sources), *sorted(tests), *sorted(suites)]


def counts_by_seed(runs: Mapping[str, Sequence[Run]], suite: str) -> dict[str, dict[int, Array]]:
    """Counts, (texts, 3), of every run that was evaluated on a suite, by experiment and seed."""
    tables: dict[str, dict[int, Array]] = {}
    for name, own in runs.items():
        for run in own:
            if suite in run.scores.suites:
                tables.setdefault(name, {})[run.seed] = read_counts(run, suite)
    return tables


def compare_suite(
    runs: Mapping[str, Sequence[Run]], wanted: Mapping[str, Sequence[Pair]], suite: str, *, seed: int = 0
) -> Iterator[Comparison]:
    """All wanted comparisons on one suite; experiments that were not evaluated on it are passed over.

    wanted: the pairs of each family (:func:`comparable_pairs`). All runs of both experiments are compared. If no
    experiment has several runs, and for what is said of texts alone, the runs with seeds that both have are compared,
    or the first run of each. A suite of fewer than ``MIN_UNITS`` independent texts has no comparison. Raises InputError
    from :func:`medner.evaluation.results.read_counts`.
    """
    used = {name for pairs in wanted.values() for pair in pairs for name in pair}
    tables = counts_by_seed({name: own for name, own in runs.items() if name in used}, suite)
    whole = {name: np.stack(list(own.values())) for name, own in tables.items()}
    if not whole or next(iter(whole.values())).shape[1] < MIN_UNITS:
        return
    seeds = seed_variance(whole.values())
    for family, pairs in wanted.items():
        made: list[tuple[str, str, Difference]] = []
        for before, after in pairs:
            if before in tables and after in tables:
                paired = _paired(tables[before], tables[after])
                made.append((before, after, compare(whole[before], whole[after], seeds, paired=paired, seed=seed)))
        adjusted = holm([found.p for *_, found in made])
        for (before, after, found), p_holm in zip(made, adjusted, strict=True):
            about = {"suite": suite, "family": family, "before": before, "after": after, "p_holm": p_holm}
            yield Comparison(**_rounded({**about, **found.model_dump()}))


def _paired(before: Mapping[int, Array], after: Mapping[int, Array]) -> tuple[Array, Array]:
    shared = [(seed, seed) for seed in sorted(before.keys() & after.keys())] or [(min(before), min(after))]
    return np.stack([before[left] for left, _ in shared]), np.stack([after[right] for _, right in shared])


def significance(runs: Mapping[str, Sequence[Run]], comparisons: Sequence[Comparison], seed: int) -> Significance:
    """The content of ``significance.json``."""
    return Significance(
        confidence=CONFIDENCE,
        permutations=PERMUTATIONS,
        resamples=RESAMPLES,
        seed=seed,
        experiments={name: Basis.of(found) for name, found in runs.items()},
        comparisons=list(comparisons),
    )
