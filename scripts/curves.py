"""Learning curves on real medical text: F1 by the number of synthetic or real annotated training sentences."""

from __future__ import annotations

from typing import Annotated

import typer

from medner.command_line import EPOCHS_HELP, GPU_HELP, ROOT, good, new_app, note, step, whole_numbers
from medner.evaluation.learning_curves import points, rows
from medner.evaluation.runs import run_point
from medner.exceptions import InputError
from medner.outputs import write_output
from medner.study import load_study

app = new_app()


@app.command(epilog="Example: python scripts/curves.py --seeds 0,1,2 --gpu 0")
@step
def main(
    seeds: Annotated[str, typer.Option(help="Seeds, separated by commas.")] = "0,1,2,3,4",
    epochs: Annotated[str, typer.Option(help=EPOCHS_HELP)] = "auto",
    gpu: Annotated[int, typer.Option(help=GPU_HELP)] = -1,
) -> None:
    """Write metrics/curves.json: F1 by mix, number of sentences, seed and suite, with the train and evaluate steps.

    Runs of whole experiments are shared with the train, evaluate and seeds steps. Stopped at any moment, the same
    command continues; curves.json is written again after every run.
    """
    study = load_study(ROOT / "configs" / "experiments.yml")
    wanted = list(points(study, ROOT / "corpus", whole_numbers(seeds)))
    if not wanted:
        raise InputError("no experiment of the curves has a corpus", remedy="Run the corpus step")
    assert study.curves is not None
    for mix, experiment in study.curves.mixes.items():
        if all(point.mix != mix for point in wanted):
            note(f"Curve {mix} is left out: {experiment} has no corpus.")
    done = []
    for number, point in enumerate(wanted, start=1):
        title = f"{point.mix}, {point.sentences:,} sentences, seed {point.seed} ({number} of {len(wanted)})"
        done.append((point, run_point(ROOT, title, study, point, epochs=epochs, gpu=gpu)))
        write_output(ROOT / "metrics" / "curves.json", rows(study, done))
    good(f"Wrote {ROOT / 'metrics' / 'curves.json'}: {len(done)} runs")


if __name__ == "__main__":
    app()
