"""Train one experiment: `spacy train` with the steps, learning rate and seed that corpus and encoder call for."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import srsly
import typer
from spacy.cli._util import parse_config_overrides
from spacy.cli.train import train
from steps import ROOT, choose_processor, epochs_or_none, good, new_app, note, step

from medner.exceptions import InputError
from medner.files import new_folder, write_text
from medner.model.arithmetic import mixed_precision
from medner.model.training import CURVE, curve, give_memory_back, made_with, prepare, stamp

app = new_app()


@app.command(epilog="Example: python scripts/train.py exp1 --epochs 20 --seed 1 --gpu 0")
@step
def main(
    experiment: Annotated[
        str, typer.Argument(help="Experiment of configs/experiments.yml; its config is configs/NAME.cfg.")
    ],
    epochs: Annotated[
        str, typer.Option(help="Passes over the corpus; auto: what the encoder asks for, else the config.")
    ] = "auto",
    seed: Annotated[int, typer.Option(help="Seed of everything random in training.")] = 0,
    gpu: Annotated[int, typer.Option(help="GPU number; -1 for the CPU.")] = -1,
    output: Annotated[str, typer.Option(help="Folder to write, with its log beside it; empty: training/NAME.")] = "",
) -> None:
    """Train configs/EXPERIMENT.cfg into training/EXPERIMENT/{model-best,model-last}.

    SPACY_CONFIG_OVERRIDES is honoured, e.g. SPACY_CONFIG_OVERRIDES="--training.max_steps=1" for a smoke run.
    """
    training = prepare(ROOT, experiment, epochs=epochs_or_none(epochs), seed=seed, extra=parse_config_overrides([]))
    if training.encoder.untrained:
        note(f"Encoder: {training.encoder.title}. Scores will be a floor, no result.")
    choose_processor(gpu)
    give_memory_back()
    target = Path(output).absolute() if output else ROOT / "training" / experiment
    chosen = dict(training.overrides)
    if output:  # beside it; the log of training/NAME stays
        log = target.with_name(f"{target.name}.jsonl")
        chosen.setdefault("paths.log", str(log.relative_to(ROOT) if log.is_relative_to(ROOT) else log))
    arithmetic = mixed_precision() if gpu < 0 else contextlib.nullcontext()
    # The config's paths are relative to the project, and so they stay in the saved pipeline.
    with contextlib.chdir(ROOT), new_folder(target, sign="model-*") as folder, arithmetic:
        log = Path(chosen.get("paths.log", training.log))
        log.unlink(missing_ok=True)  # spaCy's logger would not write over it
        try:
            train(training.config, folder, use_gpu=gpu, overrides=chosen)
        except ValueError as error:
            # spaCy's numbered ones, and thinc's of a setting that is no number, say what is wrong with config or data.
            if not str(error).startswith(("[E", "Invalid schedule")):
                raise
            what = f"spaCy cannot train with it: {' '.join(str(error).split())}"
            raise InputError(what, path=training.config, remedy="Compare it with configs/exp1.cfg") from None
        for pipeline in sorted(folder.glob("model-*")):
            stamp(pipeline, {**training.provenance, "made_with": made_with(training.encoder, gpu=gpu)})
        write_text(folder / CURVE, srsly.json_dumps(curve(log), indent=2) + "\n")
    good(f"Trained {experiment} on {training.provenance['documents']:,} sentences")


if __name__ == "__main__":
    app()
