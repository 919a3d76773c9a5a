"""Train and evaluate experiments with further seeds, so that the spread over seeds is known."""

from __future__ import annotations

from typing import Annotated

import typer
from running import run, whole_numbers
from steps import ROOT, good, new_app, step

from medner.evaluation.results import SEEDS

app = new_app()


@app.command(epilog="Example: python scripts/seeds.py exp1 exp2 exp3 --seeds 0,1,2,3,4 --gpu 0")
@step
def main(
    experiments: Annotated[list[str], typer.Argument(help="Experiments of configs/experiments.yml.")],
    seeds: Annotated[str, typer.Option(help="Seeds, separated by commas.")] = "0,1,2,3,4",
    epochs: Annotated[str, typer.Option(help="As for the train step.")] = "auto",
    gpu: Annotated[int, typer.Option(help="GPU number; -1 for the CPU.")] = -1,
    keep_models: Annotated[
        bool, typer.Option("--keep-models", help="Keep training/seeds/SEED/NAME after its evaluation.")
    ] = False,
) -> None:
    """Write metrics/seeds/SEED/EXPERIMENT for every seed, with the train and evaluate steps.

    What is there and fits encoder, corpora and epochs is not made again; metrics/EXPERIMENT counts as the run of its
    own seed. Stopped at any moment, the same command continues.
    """
    wanted = [(seed, experiment) for seed in whole_numbers(seeds) for experiment in experiments]
    for number, (seed, experiment) in enumerate(wanted, start=1):
        run(
            f"{experiment}, seed {seed} ({number} of {len(wanted)})",
            experiment,
            seed=seed,
            epochs=epochs,
            gpu=gpu,
            training=ROOT / "training" / SEEDS / str(seed) / experiment,
            metrics=ROOT / "metrics" / SEEDS / str(seed) / experiment,
            elsewhere=[ROOT / "metrics" / experiment],
            keep=keep_models,
        )
    good(f"{', '.join(experiments)}: seeds {seeds} are evaluated")


if __name__ == "__main__":
    app()
