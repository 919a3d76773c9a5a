"""Evaluate one experiment on every test suite with `spacy evaluate`, and count over what each suite annotates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from medner.command_line import GPU_HELP, ROOT, good, new_app, note_missing, show, step
from medner.evaluation.pipelines import evaluate
from medner.evaluation.results import run_table
from medner.model.arithmetic import choose_processor
from medner.names import Folder, check_name

app = new_app()


@app.command(epilog="Example: python scripts/evaluate.py exp1 --gpu 0")
@step
def main(
    experiment: Annotated[str, typer.Argument(help="Experiment whose training/NAME/model-best is evaluated.")],
    gpu: Annotated[int, typer.Option(help=GPU_HELP)] = -1,
    model: Annotated[str, typer.Option(help="Folder of a pipeline to evaluate; empty: training/NAME/model-best.")] = "",
    output: Annotated[str, typer.Option(help="Folder to write; empty: metrics/NAME, or metrics/own/FILE/NAME.")] = "",
    test: Annotated[
        Path | None, typer.Option(help="A DocBin file of your own (.spacy) to evaluate on, instead of the test suites.")
    ] = None,
    corpus: Annotated[Path, typer.Option(help="Folder of the corpus step.")] = ROOT / "corpus",
) -> None:
    """Write metrics/EXPERIMENT/SUITE.json (what `spacy evaluate` writes), SUITE.predictions.jsonl and scores.json.

    `spacy evaluate` counts a MEDICAL prediction on RONEC, which has no MEDICAL, as wrong; scores.json does not count
    it.
    """
    name = check_name(experiment)
    choose_processor(gpu)
    scores = evaluate(
        Path(model) if model else ROOT / "training" / name / "model-best",
        ROOT,
        corpus,
        Path(output) if output else ROOT / "metrics" / (f"{Folder.OWN}/{test.stem}" if test else "") / name,
        test=test,
        progress=lambda found, name, total: track(found, description=name, total=total, transient=True),
    )
    note_missing("Skipped suites", scores.skipped)
    show(run_table(scores))
    good(f"Evaluated {experiment} on {', '.join(scores.suites)}")


if __name__ == "__main__":
    app()
