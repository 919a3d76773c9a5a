"""What a training run takes from its corpus and its encoder, and what a trained pipeline says about itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import spacy
import srsly
from spacy.util import load_config
from thinc.api import Config

from medner.encoder import Manifest
from medner.exceptions import InputError
from medner.files import read_text, write_text

PROVENANCE = "medner"  # key in a pipeline's meta.json
WARM_UP = 0.1  # share of all steps
EVALUATIONS = 10  # at least so many per training, and at least one per epoch


def schedule(documents: int, batch_size: int, epochs: int) -> dict[str, float]:
    """Overrides of the config for a corpus of ``documents`` and a number of passes over it.

    The rate falls to zero at the very last step, and the last evaluation comes at the end: spaCy evaluates at step 0
    and at multiples of ``eval_frequency``, so that must go into the number of steps nearly evenly.
    """
    steps = math.ceil(documents / batch_size) * epochs
    return {
        "training.max_epochs": epochs,
        "training.optimizer.learn_rate.total_steps": steps,
        "training.optimizer.learn_rate.warmup_steps": max(1, round(steps * WARM_UP)),
        "training.eval_frequency": max(1, (steps - 1) // max(EVALUATIONS, epochs)),
    }


def load_training_config(path: Path) -> Config:
    """A training config of the project. Raises InputError if there is none or it lacks what the train step needs."""
    if not path.is_file():
        known = ", ".join(sorted(other.stem for other in path.parent.glob("*.cfg")))
        raise InputError("no such experiment", path=path, remedy=f"Use one of: {known}")
    try:
        config = load_config(path)
        config["paths"]["train"], config["paths"]["log"]
        config["training"]["batcher"]["size"], config["training"]["max_epochs"]
    except (KeyError, ValueError) as error:
        what = f"is no training config ({' '.join(str(error).split())})"
        raise InputError(what, path=path, remedy="Compare it with configs/exp1.cfg in the repository") from None
    return config


def overrides(
    config: Config, encoder: Manifest | None, documents: int, *, epochs: int | None, seed: int
) -> dict[str, Any]:
    """All overrides of a training config: schedule, seed, and the learning rate that the encoder asks for.

    encoder: None where the config trains without one. documents: size of the training corpus.
    epochs: None takes the encoder's wish, else the config's number.
    """
    training = config["training"]
    wish = encoder.epochs if encoder else None
    chosen = schedule(documents, training["batcher"]["size"], epochs or wish or training["max_epochs"])
    if encoder and encoder.learning_rate:
        chosen["training.optimizer.learn_rate.initial_rate"] = encoder.learning_rate
    return {"system.seed": seed, **chosen}


def without_encoder(pipeline: Path) -> Manifest:
    """What stands in the encoder's place for a pipeline that was trained from nothing."""
    nlp = spacy.load(pipeline)
    sizes = (
        node.get_param(name).size
        for _, pipe in nlp.pipeline
        for node in pipe.model.walk()  # type: ignore[attr-defined]
        for name in node.param_names
        if node.has_param(name)
    )
    name = f"no encoder, spaCy's {nlp.pipe_names[0]}"
    return Manifest(name, f"spaCy {version('spacy')}", untrained=False, parameters=sum(sizes), vocabulary=0, sha256="")


def stamp(pipeline: Path, provenance: Mapping[str, Any]) -> None:
    """Write a pipeline's provenance (encoder, data, seed, …) into its ``meta.json``."""
    meta = srsly.json_loads(read_text(pipeline / "meta.json"))
    write_text(pipeline / "meta.json", srsly.json_dumps({**meta, PROVENANCE: dict(provenance)}, indent=2) + "\n")


def provenance(pipeline: Path) -> dict[str, Any]:
    """The provenance of a pipeline folder. Raises InputError for a pipeline that the train step did not make."""
    path = pipeline / "meta.json"
    try:
        return dict(srsly.json_loads(read_text(path))[PROVENANCE])
    except (KeyError, ValueError):
        raise InputError("says nothing of encoder and data", path=path, remedy="Train it with the train step") from None
