"""Train and evaluate experiments with several seeds, so that the variance between seeds is known."""

from __future__ import annotations

from typing import Annotated

import typer

from medner.command_line import EPOCHS_HELP, GPU_HELP, RAY_HELP, ROOT, good, new_app, step, whole_numbers
from medner.evaluation.runs import Wanted, run_all
from medner.names import Folder

app = new_app()


@app.command(epilog="Example: python scripts/seeds.py exp1 exp2 exp3 --seeds 0,1,2,3,4 --gpu 0")
@step
def main(
    experiments: Annotated[list[str], typer.Argument(help="Experiments of configs/experiments.yml.")],
    seeds: Annotated[str, typer.Option(help="Seeds, separated by commas.")] = "0,1,2,3,4",
    epochs: Annotated[str, typer.Option(help=EPOCHS_HELP)] = "auto",
    gpu: Annotated[int, typer.Option(help=GPU_HELP)] = -1,
    keep_models: Annotated[
        bool, typer.Option("--keep-models", help="Keep training/seeds/SEED/NAME after its evaluation.")
    ] = False,
    ray: Annotated[str, typer.Option(help=RAY_HELP)] = "",
) -> None:
    """Write metrics/seeds/SEED/EXPERIMENT for every seed, with the train and evaluate steps.

    Runs that are there already, with the same encoder, corpora and epochs, are not made again; metrics/EXPERIMENT
    counts as the run of its own seed. Stopped at any moment, the same command continues.
    """
    pairs = [(seed, experiment) for seed in whole_numbers(seeds) for experiment in experiments]
    wanted = [
        Wanted(
            f"{experiment}, seed {seed} ({number} of {len(pairs)})",
            experiment,
            seed=seed,
            epochs=epochs,
            gpu=gpu,
            training=ROOT / "training" / Folder.SEEDS / str(seed) / experiment,
            metrics=ROOT / "metrics" / Folder.SEEDS / str(seed) / experiment,
            elsewhere=(ROOT / "metrics" / experiment,),
            keep=keep_models,
        )
        for number, (seed, experiment) in enumerate(pairs, start=1)
    ]
    for _ in run_all(ROOT, wanted, ray=ray):
        pass
    good(f"{', '.join(experiments)}: seeds {seeds} are evaluated")


if __name__ == "__main__":
    app()
