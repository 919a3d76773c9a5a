"""What a training run takes from its corpus and its encoder, and what a trained pipeline says about itself."""

from __future__ import annotations

import ctypes
import math
import os
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import srsly
import torch
from spacy.util import load_config
from thinc.api import Config

from medner.data.build import docbin
from medner.exceptions import InputError
from medner.files import read_bytes, read_json, read_text, sha256, write_text
from medner.model.arithmetic import cpu_type
from medner.model.encoder import Manifest, read_manifest
from medner.model.weights import WEIGHTS

# In the place of an encoder's manifest where a config trains without one.
NO_ENCODER = Manifest(
    "none, spaCy's CNN", f"spaCy {version('spacy')}", untrained=False, parameters=0, vocabulary=0, sha256=""
)
PROVENANCE = "medner"  # key in a pipeline's meta.json
CURVE = "curve.json"  # dev scores and losses of a training, beside its pipelines and its metrics
DEV_SCORES = {"p": "ents_p", "r": "ents_r", "f1": "ents_f"}
PACKAGES = ("spacy", "spacy-transformers", "transformers", "tokenizers", "thinc", "torch", "numpy")
WARM_UP = 0.1  # share of all steps
M_MMAP_THRESHOLD, LARGE = -3, 8 << 20  # glibc's mallopt parameter (malloc.h), and bytes
SHAPES = 32  # whose products oneDNN keeps
EVALUATIONS = 5  # at least so many per training, and at least one per epoch


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
        config["paths"]["train"], config["paths"]["dev"], config["paths"]["log"]
        config["training"]["batcher"]["size"], config["training"]["max_epochs"]
    except (KeyError, ValueError) as error:
        what = f"is no training config ({' '.join(str(error).split())})"
        raise InputError(what, path=path, remedy="Compare it with configs/exp1.cfg in the repository") from None
    return config


def overrides(config: Config, encoder: Manifest, documents: int, *, epochs: int | None, seed: int) -> dict[str, Any]:
    """All overrides of a training config: schedule, seed, and the learning rate that the encoder asks for.

    documents: size of the training corpus. epochs: None takes the encoder's wish, else the config's number.
    """
    training = config["training"]
    chosen = schedule(documents, training["batcher"]["size"], epochs or encoder.epochs or training["max_epochs"])
    if encoder.learning_rate:
        chosen["training.optimizer.learn_rate.initial_rate"] = encoder.learning_rate
    return {"system.seed": seed, **chosen}


def config_sha256(config: Config) -> str:
    """Identity of what a config says, its comments and paths apart: what is read there has a SHA-256 of its own."""
    said = {section: values for section, values in config.items() if section != "paths"}
    return sha256(srsly.json_dumps(said, sort_keys=True).encode())


@dataclass(frozen=True)
class Training:
    """A training run that is ready to start."""

    config: Path
    log: str
    overrides: Mapping[str, Any]
    provenance: Mapping[str, Any]
    encoder: Manifest


def prepare(
    root: Path, experiment: str, *, epochs: int | None, seed: int, extra: Mapping[str, Any] | None = None
) -> Training:
    """What a training run of ``configs/<experiment>.cfg`` will do, and the provenance that its pipelines will carry.

    root: the project folder. extra: overrides of the config that come last (SPACY_CONFIG_OVERRIDES). Two runs with
    equal provenance differ in what they are made with at most (:func:`made_with`).
    Raises InputError for an unknown experiment, a config that reads another's data, and where encoder or corpus are
    missing.
    """
    path = root / "configs" / f"{experiment}.cfg"
    config = load_training_config(path)
    own = {part: f"corpus/{experiment}/{part}.spacy" for part in ("train", "dev")}
    own["log"] = f"training/logs/{experiment}.jsonl"
    for key, value in own.items():
        if config["paths"][key] != value:
            what = f"[paths] {key} is {config['paths'][key]!r}, another experiment's"
            raise InputError(what, path=path, remedy=f"Set it to {value!r}")
    manifest = root / "corpus" / experiment / "manifest.json"
    about_corpus = read_json(manifest)
    said = about_corpus.keys() if isinstance(about_corpus, dict) else set()
    if not ("missing" in said or {"sources", "persons"} <= said):
        raise InputError("is not what the corpus step writes", path=manifest, remedy="Run it again")
    if "missing" in about_corpus:
        remedy = "Give a mirror that holds it (MEDNER_MIRROR), then run the fetch step with --force and the corpus step"
        raise InputError(f"{experiment} cannot be trained: {about_corpus['missing']}", remedy=remedy)
    encoder = NO_ENCODER
    if "encoder" in config["paths"]:
        encoder = read_manifest(folder := root / config["paths"]["encoder"])
        if not (folder / WEIGHTS).is_file():
            raise InputError("no such file", path=folder / WEIGHTS, remedy="Run the encoder step")
    extra = dict(extra or {})
    paths = {part: root / extra.get(f"paths.{part}", config["paths"][part]) for part in ("train", "dev")}
    data = {part: read_bytes(path) for part, path in paths.items()}
    documents = len(docbin(data["train"], paths["train"]))
    chosen = overrides(config, encoder, documents, epochs=epochs, seed=seed) | extra
    about = {
        "experiment": experiment,
        "encoder": asdict(encoder),
        "sources": about_corpus["sources"],
        "persons": about_corpus["persons"],
        "seed": seed,
        "epochs": chosen["training.max_epochs"],
        "documents": documents,
        "corpus": {part: sha256(content) for part, content in data.items()},
        "config": config_sha256(config),
        "overrides": {key: value for key, value in extra.items() if key != "paths.log"},
    }
    return Training(path, config["paths"]["log"], chosen, about, encoder)


def made_with(encoder: Manifest, *, gpu: int) -> dict[str, str]:
    """What else than settings a training's scores depend on: its arithmetic, and packages by version."""
    on_cpu = "bf16" if encoder.parameters and cpu_type() == torch.bfloat16 else "fp32"
    versions = {name: version(name) for name in PACKAGES}
    return {"arithmetic": "fp32" if gpu >= 0 else on_cpu, "Python": platform.python_version(), **versions}


def give_memory_back() -> None:
    """Have the C library return large freed blocks to the system at once, and oneDNN keep little.

    glibc keeps freed blocks of up to 32 MB for later, and cannot use a kept one for the next block of the same size,
    which must be aligned: with the compact encoder, whose embeddings have a gradient of 16 MB, the process grew by
    that with every step, up to 13 GB. Smaller blocks are kept, since fetching every megabyte anew from the system
    takes time (``benchmarks/training.py``). Does nothing where there is no glibc.

    oneDNN, which multiplies bf16, keeps what it has made for each shape of its operands: 1,024 of them by default, and
    batches of text have all shapes. After 200 steps that was 0.5 GB, and saved no measurable time. To be called before
    any product.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(SHAPES))
    mallopt = getattr(ctypes.CDLL(None) if os.name == "posix" else None, "mallopt", None)
    if mallopt:
        mallopt(M_MMAP_THRESHOLD, LARGE)


def stamp(pipeline: Path, provenance: Mapping[str, Any]) -> None:
    """Write a pipeline's provenance (encoder, data, seed, …) into its ``meta.json``."""
    meta = read_json(pipeline / "meta.json")
    write_text(pipeline / "meta.json", srsly.json_dumps({**meta, PROVENANCE: dict(provenance)}, indent=2) + "\n")


def provenance(pipeline: Path) -> dict[str, Any]:
    """The provenance of a pipeline folder. Raises InputError for a pipeline that the train step did not make."""
    path = pipeline / "meta.json"
    try:
        return dict(srsly.json_loads(read_text(path))[PROVENANCE])
    except (KeyError, ValueError):
        raise InputError("says nothing of encoder and data", path=path, remedy="Train it with the train step") from None


def curve(log: Path) -> dict[str, Any]:
    """The evaluations of a training run on its dev data, from the file of spaCy's ``ConsoleLogger.v3``.

    ``evaluations`` has epoch, step, dev P, R, F1 (0 to 1) and the losses since the last one, by component; ``best`` is
    the evaluation whose weights are in model-best (of equal ones the last, as spaCy chooses), None if there is none.
    Raises InputError if the file is damaged.
    """
    evaluations = []
    for number, line in enumerate(read_text(log).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = srsly.json_loads(line)
            scores = {name: row["scores"][key] / 100 for name, key in DEV_SCORES.items()}
            evaluations.append({"epoch": row["epoch"], "step": row["step"], **scores, "losses": dict(row["losses"])})
        except (ValueError, KeyError, TypeError) as error:
            what = f"is no evaluation of spaCy's logger ({error})"
            raise InputError(what, path=log, place=f"line {number}", remedy="Train again") from None
    best = max(reversed(evaluations), key=lambda evaluation: evaluation["f1"], default=None)
    return {"evaluations": evaluations, "best": best}
