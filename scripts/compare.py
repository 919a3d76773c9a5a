"""Test the differences between experiments that the study asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from medner.command_line import ROOT, good, new_app, note, note_left_out, step
from medner.evaluation.comparisons import FILE, comparable_pairs, compare_suite, significance
from medner.evaluation.results import load_runs
from medner.exceptions import InputError
from medner.files import write_text
from medner.outputs import write_output
from medner.report.summary import significance_text
from medner.report.wording import sentence
from medner.study import load_study

app = new_app()


@app.command(epilog="Example: python scripts/compare.py --metrics metrics --seed 0")
@step
def main(
    metrics: Annotated[Path, typer.Option(help="Folder that holds the experiments' metrics.")] = ROOT / "metrics",
    seed: Annotated[int, typer.Option(help="Seed of permutations and resamples.")] = 0,
) -> None:
    """Write metrics/significance.json and significance.md from the saved counts of metrics/ and metrics/seeds/.

    The pairs are those of ``comparisons`` in configs/experiments.yml, as far as both experiments are evaluated.
    """
    study = load_study(ROOT / "configs" / "experiments.yml")
    runs, left_out = load_runs(metrics, study.experiments)
    note_left_out(left_out)
    wanted, unlike = comparable_pairs(runs, study)
    for (before, after), differing in unlike.items():
        note(f"{after} is not compared with {before}: they differ in {', '.join(differing)}")
    comparisons = [
        comparison
        for suite in track(study.suites, description="Comparing", transient=True)
        for comparison in compare_suite(runs, wanted, suite, seed=seed)
    ]
    if not comparisons:
        raise InputError("no two experiments to compare", path=metrics, remedy="Evaluate two experiments first")
    write_output(metrics / FILE, significance(runs, comparisons, seed))
    text = significance_text(comparisons, {name: found[0].scores for name, found in runs.items()})
    write_text(metrics / "significance.md", text)
    for one in comparisons:
        typer.echo(f"{one.suite}: {sentence(one)}")
    good(f"Wrote {metrics / 'significance.md'}")


if __name__ == "__main__":
    app()
