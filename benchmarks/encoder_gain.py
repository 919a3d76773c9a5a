"""What an encoder brings: the same experiment trained from it and from another (or from none), difference in F1.

`significance` compares experiments of one encoder; this compares the runs of two metrics folders, made in two copies of
the project, say, one with `--vars.encoder untrained`. Interval and p are over test texts and seeds, as there, the
spread of seeds being that of all runs in both folders. p is not adjusted.

Example: python benchmarks/encoder_gain.py ../untrained/metrics metrics exp1 exp3 exp3-cnn:exp3
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from medner.evaluation.significance import Counts3, compare, data_differing, f1_by_run, p_text, signed, spread

from medner.evaluation.results import Run, load_runs, read_counts
from medner.evaluation.scores import MIN_UNITS
from medner.study import load_study

ROOT = Path(__file__).resolve().parent.parent


def tables(runs: Mapping[str, Sequence[Run]], suite: str) -> dict[str, Counts3]:
    """Counts of every run and independent text, (runs, texts, 3), of the experiments evaluated on the suite."""
    return {
        name: np.stack([read_counts(run, suite) for run in own])
        for name, own in runs.items()
        if all(suite in run.scores["suites"] for run in own)
    }


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
        apart = spread([*olds.values(), *(news.values() if news is not olds else ())])
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
