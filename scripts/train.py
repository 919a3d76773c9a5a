"""Train one experiment: `spacy train` with the steps, learning rate and seed that corpus and encoder call for."""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import srsly
import typer
from spacy.cli._util import parse_config_overrides
from spacy.cli.train import train
from spacy.tokens import DocBin
from steps import ROOT, good, new_app, note, step

from medner.encoder import read_manifest
from medner.exceptions import InputError
from medner.files import new_folder, read_bytes, read_text
from medner.training import load_training_config, overrides, stamp, without_encoder

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
    output: Annotated[str, typer.Option(help="Folder to write; empty: training/NAME.")] = "",
) -> None:
    """Train configs/EXPERIMENT.cfg into training/EXPERIMENT/{model-best,model-last}.

    SPACY_CONFIG_OVERRIDES is honoured, e.g. SPACY_CONFIG_OVERRIDES="--training.max_steps=1" for a smoke run.
    """
    if epochs != "auto" and not (epochs.isdecimal() and int(epochs)):
        raise InputError(f"--epochs is {epochs!r}", remedy="Give a whole number from 1, or auto")
    config_path = ROOT / "configs" / f"{experiment}.cfg"
    config = load_training_config(config_path)
    paths = config["paths"]
    about = srsly.json_loads(read_text(ROOT / "corpus" / experiment / "manifest.json"))
    if "missing" in about:
        remedy = "Give a mirror that holds it (MEDNER_MIRROR), then run the fetch step with --force and the corpus step"
        raise InputError(f"{experiment} cannot be trained: {about['missing']}", remedy=remedy)
    encoder = read_manifest(ROOT / paths["encoder"]) if "encoder" in paths else None
    documents = len(DocBin().from_bytes(read_bytes(ROOT / paths["train"])))
    chosen = overrides(config, encoder, documents, epochs=None if epochs == "auto" else int(epochs), seed=seed)
    chosen |= parse_config_overrides([])
    if encoder and encoder.untrained:
        note(f"Encoder: {encoder.title}. Scores will be a floor, no result.")
    target = Path(output).absolute() if output else ROOT / "training" / experiment
    # The config's paths are relative to the project, and so they stay in the saved pipeline.
    with contextlib.chdir(ROOT), new_folder(target) as folder:
        Path(chosen.get("paths.log", paths["log"])).unlink(missing_ok=True)  # spaCy's logger would not write over it
        train(config_path, folder, use_gpu=gpu, overrides=chosen)
        for pipeline in sorted(folder.glob("model-*")):
            stamp(
                pipeline,
                {
                    "experiment": experiment,
                    "encoder": asdict(encoder or without_encoder(pipeline)),
                    "sources": about["sources"],
                    "persons": about["persons"],
                    "seed": seed,
                    "epochs": chosen["training.max_epochs"],
                    "documents": documents,
                },
            )
    good(f"Trained {experiment} on {documents:,} sentences")


if __name__ == "__main__":
    app()
