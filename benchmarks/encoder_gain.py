"""The gain of an encoder: the difference in F1 between an experiment trained from it and from another encoder.

The significance step compares experiments of one encoder. This compares the runs of two metrics folders, for example of
two copies of the project, one of them run with `--vars.encoder untrained`. Interval and p cover test texts and seeds;
the seed variance is pooled over all runs in both folders. p is not adjusted.

Example: python benchmarks/encoder_gain.py ../untrained/metrics metrics exp1 exp3 exp3-cnn:exp3
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from medner.command_line import ROOT
from medner.evaluation.comparisons import compare, counts_by_seed, data_differing
from medner.evaluation.results import Run, load_runs
from medner.evaluation.statistics import MIN_UNITS, Array, f1_by_run, seed_variance
from medner.report.wording import p_text, signed
from medner.study import load_study


def tables(runs: Mapping[str, Sequence[Run]], suite: str) -> dict[str, Array]:
    """Counts of every run and independent text, (runs, texts, 3), of the experiments evaluated on the suite."""
    return {name: np.stack(list(own.values())) for name, own in counts_by_seed(runs, suite).items()}


def main(
    before: Annotated[Path, typer.Argument(help="Metrics folder of the runs that are taken away.")],
    after: Annotated[Path, typer.Argument(help="Metrics folder of the runs that they are taken from.")],
    pairs: Annotated[list[str], typer.Argument(help="Experiments, or BEFORE:AFTER where the names differ.")],
) -> None:
    """Print mean F1 of both, over seeds, and the difference with its interval, by suite."""
    study = load_study(ROOT / "configs" / "experiments.yml")
    lefts, rights = (load_runs(folder, study.experiments)[0] for folder in (before, after))
    named = [(left, right or left) for left, _, right in (pair.partition(":") for pair in pairs)]
    for left, right in named:
        if left not in lefts or right not in rights:
            sys.exit(f"{left} in {before} or {right} in {after} is not evaluated")
        if differing := data_differing(lefts[left][0], rights[right][0]):
            sys.exit(f"{left} in {before} and {right} in {after} differ in {', '.join(differing)}")
    for suite in study.suites:
        olds = tables(lefts, suite)
        news = tables(rights, suite) if after.resolve() != before.resolve() else olds
        apart = seed_variance([*olds.values(), *(news.values() if news is not olds else ())])
        for left, right in named:
            if left not in olds or right not in news:
                continue
            old, new = olds[left], news[right]
            means = f"{f1_by_run(old).mean():.3f} -> {f1_by_run(new).mean():.3f}"
            shown = f"{suite:15} {left:9} {right:9} {len(old)} and {len(new)} runs  {means}"
            if old.shape[1] < MIN_UNITS or not (old[..., 0].any() or new[..., 0].any()):
                print(shown)
                continue
            found = compare(old, new, apart, paired=(old[:1], new[:1]))
            low, high = found.interval
            print(f"{shown}  {signed(found.difference)} [{signed(low)}, {signed(high)}] p {p_text(found.p)}")


if __name__ == "__main__":
    typer.run(main)
