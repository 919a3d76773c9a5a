"""Measure what a pipeline loses on text as hospitals have it: F1 of every suite under every perturbation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from medner.command_line import ROOT, good, new_app, show, step
from medner.evaluation.robustness import measure_corpus, robustness_table
from medner.model.inference import speed_up
from medner.model.loading import load_pipeline
from medner.model.pipelines import pipeline_folder
from medner.model.provenance import read_provenance
from medner.names import Folder
from medner.outputs import write_output

app = new_app()


@app.command(epilog="Example: python scripts/measure_robustness.py exp3 --only med-ro,e3c")
@step
def main(
    model: Annotated[str, typer.Argument(help="Trained experiment, or folder of a pipeline.")],
    corpus: Annotated[Path, typer.Option(help="Folder of the corpus step.")] = ROOT / "corpus",
    output: Annotated[Path, typer.Option(help="Folder for EXPERIMENT.json, which the report reads.")] = (
        ROOT / "metrics" / Folder.ROBUSTNESS
    ),
    sentences: Annotated[int, typer.Option(min=1, help="Sentences to take from each test part, at most.")] = 300,
    only: Annotated[str, typer.Option(help="Sources, separated by commas; empty: all that have a test part.")] = "",
) -> None:
    """Print F1 of each test part under each perturbation, and write it to EXPERIMENT.json."""
    folder = pipeline_folder(model)
    nlp, provenance = speed_up(load_pipeline(folder)), read_provenance(folder)
    experiment = provenance.experiment
    found = measure_corpus(
        nlp,
        provenance,
        corpus,
        sentences,
        only.split(",") if only else None,
        lambda names, source: track(names, description=source, transient=True),
    )
    show(robustness_table(experiment, found))
    written = output / f"{experiment}.json"
    write_output(written, found)
    good(f"Wrote {written}")


if __name__ == "__main__":
    app()
