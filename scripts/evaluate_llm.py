"""Score a language model's labels on the test suites, as a trained pipeline is scored."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medner.command_line import ROOT, good, new_app, note, show, step
from medner.evaluation.results import run_table
from medner.evaluation.zero_shot import evaluate, experiment_name
from medner.study import load_study

app = new_app()


@app.command(epilog="Example: python scripts/evaluate_llm.py out/llm")
@step
def main(
    folder: Annotated[Path, typer.Argument(help="Folder with SOURCE.jsonl, the labels of corpus/SOURCE/test.spacy.")],
    output: Annotated[Path | None, typer.Option(help="Folder to write. Default: metrics/EXPERIMENT.")] = None,
    experiment: Annotated[
        str | None, typer.Option(help="Zero-shot experiment of the study. Default: the only one.")
    ] = None,
    corpus: Annotated[Path, typer.Option(help="Folder of the corpus step.")] = ROOT / "corpus",
    study: Annotated[Path, typer.Option(help="The study.")] = ROOT / "configs" / "experiments.yml",
) -> None:
    """Write scores.json and SUITE.predictions.jsonl from what scripts/annotate_llm.py wrote.

    A suite is skipped if FOLDER lacks labels for one of its sources. A text without a usable answer counts as a text
    without entities. The significance, summary and report steps then show the language model beside the trained
    pipelines.
    """
    name = experiment_name(load_study(study), experiment)
    done = evaluate(folder, output or ROOT / "metrics" / name, corpus, name)
    for source, labels in done.labels.items():
        if labels.unusable:
            note(f"{source}: {labels.unusable:,} of {len(labels.predictions):,} texts have no usable answer.")
    show(run_table(done.scores))
    good(f"Evaluated {done.model} on {', '.join(done.scores.suites)}")


if __name__ == "__main__":
    app()
