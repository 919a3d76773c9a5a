"""Train and evaluate experiments, each unless that is done already."""

from __future__ import annotations

from typing import Annotated

import typer

from medner.command_line import EPOCHS_HELP, GPU_HELP, ROOT, good, new_app, step
from medner.evaluation.runs import Wanted, run

app = new_app()


@app.command(epilog="Example: python scripts/run_experiments.py only-ro only-fr --seed 1 --gpu 0")
@step
def main(
    experiments: Annotated[list[str], typer.Argument(help="Experiments of configs/experiments.yml.")],
    seed: Annotated[int, typer.Option(help="Seed of everything random in training.")] = 0,
    epochs: Annotated[str, typer.Option(help=EPOCHS_HELP)] = "auto",
    gpu: Annotated[int, typer.Option(help=GPU_HELP)] = -1,
) -> None:
    """Write training/EXPERIMENT and metrics/EXPERIMENT with the train and evaluate steps, in the order given.

    Runs that are there already, with the same encoder, corpora, seed and epochs, are not made again. Stopped at any
    moment, the same command continues.
    """
    for number, experiment in enumerate(experiments, start=1):
        wanted = Wanted(
            f"{experiment} ({number} of {len(experiments)})",
            experiment,
            seed=seed,
            epochs=epochs,
            gpu=gpu,
            training=ROOT / "training" / experiment,
            metrics=ROOT / "metrics" / experiment,
            keep=True,
        )
        run(ROOT, wanted)
    good(f"{', '.join(experiments)}: trained and evaluated")


if __name__ == "__main__":
    app()
