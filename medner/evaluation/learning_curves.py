"""Learning curves: training data of every size, and what the runs on them gave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from medner.data.docbins import docs_of, parse_docbin, read_docbin
from medner.data.tokenizer import blank
from medner.evaluation.results import Run, read_counts
from medner.evaluation.statistics import MIN_UNITS, f1_by_run
from medner.exceptions import InputError
from medner.files import read_bytes, write_bytes
from medner.names import Folder
from medner.outputs import Output
from medner.study import Study

RESAMPLES = 500


@dataclass(frozen=True)
class Point:
    """One run of a learning curve.

    experiment: its config; sentences: how many were added to the base; own: a corpus of its own is needed, since
    no experiment of the study trains on just this. tokens: what a language model read and wrote for the sentences; None
    if people made some of them.
    """

    mix: str
    experiment: str
    sentences: int
    seed: int
    own: bool
    tokens: tuple[float, float] | None = None

    @property
    def path(self) -> Path:
        """Where its corpus, its model and its metrics lie, in corpus, training and metrics."""
        return Path(Folder.CURVES) / self.mix / str(self.sentences) / str(self.seed)


def added(study: Study, mix: str) -> tuple[str, ...]:
    """The sources that a mix adds to the base."""
    assert study.curves is not None
    base = study.experiments[study.curves.base].sources
    return tuple(source for source in study.experiments[study.curves.mixes[mix]].sources if source not in base)


def points(study: Study, corpus: Path, seeds: Sequence[int]) -> Iterator[Point]:
    """All runs, the small ones first: none of a mix, each size that is below the whole, and all of it.

    Mixes whose experiment has no corpus are left out. Raises InputError if the study has no curves.
    """
    if study.curves is None:
        raise InputError("has no curves", path="configs/experiments.yml", remedy="Add them, or do without this step")
    for seed in seeds:
        for mix, experiment in study.curves.mixes.items():
            if not (corpus / experiment / "train.spacy").is_file():
                continue
            sizes = {source: len(_docs(corpus / source / "train.spacy")) for source in added(study, mix)}
            whole = sum(sizes.values())
            each = _tokens(study, sizes)
            yield Point(mix, study.curves.base, 0, seed, own=False, tokens=each and (0.0, 0.0))
            for size in (*(size for size in study.curves.sizes if size < whole), whole):
                tokens = each and (size * each[0], size * each[1])
                yield Point(mix, experiment, size, seed, own=size < whole, tokens=tokens)


def _tokens(study: Study, sizes: Mapping[str, int]) -> tuple[float, float] | None:
    """Tokens that a language model read and wrote for a sentence of a mix, whose sources have these sizes."""
    read, written = 0.0, 0.0
    for source, size in sizes.items():
        if (each := study.sources[source].tokens) is None:
            return None
        read, written = read + size * each[0], written + size * each[1]
    whole = sum(sizes.values())
    return read / whole, written / whole


def write_part(study: Study, corpus: Path, point: Point) -> Path:
    """The training file of a point: the base and the first of the mix's sentences, in an order drawn by the seed.

    Every source gives its share, and a smaller size is part of a larger one. Returns the path.
    """
    assert study.curves is not None
    drawn: list[tuple[float, int, Doc]] = []
    for number, source in enumerate(added(study, point.mix)):
        docs = _docs(corpus / source / "train.spacy")
        order = np.random.default_rng(point.seed).permutation(len(docs))
        drawn += [(place / len(docs), number, docs[at]) for place, at in enumerate(order)]
    drawn.sort(key=lambda item: item[:2])
    whole = DocBin(store_user_data=True)
    for source in study.experiments[study.curves.base].sources:
        part = corpus / source / "train.spacy"
        whole.merge(parse_docbin(read_bytes(part), part))
    whole.merge(DocBin(docs=[doc for *_, doc in drawn[: point.sentences]], store_user_data=True))
    path = corpus / point.path / "train.spacy"
    data = whole.to_bytes()
    if not path.is_file() or read_bytes(path) != data:
        write_bytes(path, data)
    return path


def _docs(path: Path) -> list[Doc]:
    read_docbin(path, blank())  # tells what is wrong with the file
    return docs_of(parse_docbin(read_bytes(path), path), Vocab(), path)


class CurveRow(Output):
    """One run of a learning curve on one suite, a row of ``metrics/curves.json``.

    reference: the mix of real annotation that the suite is measured against. resampled: F1 on ``RESAMPLES`` bootstrap
    samples of the suite's independent texts, the same samples for every run; None of a suite with fewer than
    ``MIN_UNITS``. tokens: what a language model read and wrote for the sentences; None if people made some of them.
    """

    mix: str
    sentences: int
    seed: int
    suite: str
    reference: str
    f1: float
    resampled: list[float] | None
    tokens: tuple[float, float] | None = None


def rows(study: Study, runs: Sequence[tuple[Point, Run]]) -> list[CurveRow]:
    """F1 of each run on each suite of the curves. Raises InputError if a run's counts are damaged."""
    assert study.curves is not None
    return [
        CurveRow(
            mix=point.mix,
            sentences=point.sentences,
            seed=point.seed,
            suite=suite,
            reference=reference,
            f1=run.scores.suites[suite].f1,
            resampled=_resampled(run, suite),
            tokens=point.tokens,
        )
        for point, run in runs
        for suite, reference in study.curves.suites.items()
        if suite in run.scores.suites
    ]


def _resampled(run: Run, suite: str) -> list[float] | None:
    counts = read_counts(run, suite)
    if len(counts) < MIN_UNITS:
        return None
    drawn = np.random.default_rng(0).multinomial(len(counts), np.full(len(counts), 1 / len(counts)), RESAMPLES)
    return [round(float(f1), 4) for f1 in f1_by_run(drawn[..., None] * counts)]
