"""Train one experiment: `spacy train` with the steps, learning rate and seed that its corpus and encoder call for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from spacy.cli._util import parse_config_overrides

from medner.command_line import EPOCHS_HELP, GPU_HELP, ROOT, epochs_or_none, good, new_app, note, step
from medner.model.arithmetic import choose_processor
from medner.model.duration import slow_on_cpu
from medner.model.encoder import read_manifest
from medner.model.training import give_memory_back, prepare, train

app = new_app()


@app.command(epilog="Example: python scripts/train.py exp1 --epochs 20 --seed 1 --gpu 0")
@step
def main(
    experiment: Annotated[str, typer.Argument(help="Experiment of configs/experiments.yml, which names its model.")],
    epochs: Annotated[str, typer.Option(help=EPOCHS_HELP)] = "auto",
    seed: Annotated[int, typer.Option(help="Seed of everything random in training.")] = 0,
    gpu: Annotated[int, typer.Option(help=GPU_HELP)] = -1,
    output: Annotated[str, typer.Option(help="Folder to write, with its log beside it; empty: training/NAME.")] = "",
) -> None:
    """Train EXPERIMENT with its model's config into training/EXPERIMENT/{model-best,model-last}.

    SPACY_CONFIG_OVERRIDES is honoured, e.g. SPACY_CONFIG_OVERRIDES="--training.max_steps=1" for a smoke run.
    MEDNER_ARITHMETIC=bf16 or fp32 sets the number format on a CPU, which is otherwise the faster one.
    """
    give_memory_back()
    training = prepare(ROOT, experiment, epochs=epochs_or_none(epochs), seed=seed, extra=parse_config_overrides([]))
    choose_processor(gpu)
    about = training.provenance
    if training.encoder.untrained:
        note(f"Encoder: {training.encoder.title}. Its scores are a floor, not a result.")
    compact = read_manifest(ROOT / "assets" / "encoder")
    if gpu < 0 and (warning := slow_on_cpu(training.encoder, compact, words=training.words, epochs=about.epochs)):
        note(warning)
    train(ROOT, training, Path(output).absolute() if output else ROOT / "training" / experiment, gpu=gpu)
    good(f"Trained {experiment} on {about.documents:,} sentences")


if __name__ == "__main__":
    app()
