"""Write the README's result table from committed metrics."""

from __future__ import annotations

from pathlib import Path
from statistics import mean
from typing import Annotated

import typer

from medner.command_line import ROOT, good, new_app, step
from medner.evaluation.results import some_runs
from medner.files import read_text, write_text
from medner.report.summary import insert
from medner.study import load_study
from medner.tables import Row, Table

app = new_app()


@app.command(epilog="Example: python scripts/write_headline.py metrics/reference/ronec-v1 README.md")
@step
def main(
    metrics: Annotated[Path, typer.Argument(help="Folder that holds the experiments' metrics.")],
    document: Annotated[Path, typer.Argument(help="Markdown file with a place for the table.")],
) -> None:
    """Put mean F1 of the study's steps and references on real medical text into DOCUMENT."""
    study = load_study(ROOT / "configs" / "experiments.yml")
    runs, _ = some_runs(metrics, study.experiments)
    suites = study.group("real")
    shown = {*study.steps, *(name for suite in suites for name in study.suites[suite].references)}
    rows: list[Row] = [
        [name, f"{len(own)}", *(f"{mean(run.scores.suites[suite].f1 for run in own):.3f}" for suite in suites)]
        for name, own in runs.items()
        if name in shown
    ]
    table = Table(["experiment", "runs", *suites], rows)
    text = insert(read_text(document), f"headline of {metrics.as_posix()}", table.markdown(), document)
    write_text(document, text)
    good(f"Wrote the table into {document}")


if __name__ == "__main__":
    app()
