"""Say which differences between experiments are more than luck."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import srsly
import typer
from rich.progress import track
from steps import ROOT, good, new_app, note, note_left_out, step

from medner.evaluation.results import load_runs
from medner.evaluation.scores import CONFIDENCE, RESAMPLES
from medner.evaluation.significance import PERMUTATIONS, basis, comparable_pairs, compare_experiments
from medner.exceptions import InputError
from medner.files import write_text
from medner.report.summary import significance_text
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
    runs, stale = load_runs(metrics, study.experiments)
    note_left_out(stale)
    wanted, unlike = comparable_pairs(runs, study)
    for (before, after), why in unlike.items():
        note(f"{after} is not compared with {before}: {why}")
    comparisons = [
        comparison
        for suite in track(study.suites, description="Comparing", transient=True)
        for comparison in compare_experiments(runs, wanted, suite, seed=seed)
    ]
    if not comparisons:
        raise InputError("holds no two experiments to compare", path=metrics, remedy="Evaluate two experiments first")
    result = {
        "confidence": CONFIDENCE,
        "permutations": PERMUTATIONS,
        "resamples": RESAMPLES,
        "seed": seed,
        "experiments": {name: basis(found) for name, found in runs.items()},
        "comparisons": comparisons,
    }
    write_text(metrics / "significance.json", srsly.json_dumps(result, indent=2) + "\n")
    text = significance_text(comparisons, {name: found[0].scores for name, found in runs.items()})
    write_text(metrics / "significance.md", text)
    for comparison in comparisons:
        typer.echo(f"{comparison['suite']}: {comparison['sentence']}")
    good(f"Wrote {metrics / 'significance.md'}")


if __name__ == "__main__":
    app()
