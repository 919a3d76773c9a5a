"""Training runs: what they take from corpus and encoder, how they run, and what a trained pipeline says of itself."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import spacy
import torch
from spacy.cli.train import train as spacy_train
from spacy.training import Corpus
from spacy.util import load_config
from thinc.api import Config

from medner.data.docbins import parse_docbin
from medner.data.manifests import read_training_manifest
from medner.exceptions import InputError
from medner.files import new_folder, read_bytes, sha256
from medner.model.arithmetic import cpu_arithmetic, mixed_precision
from medner.model.bio import FACTORY
from medner.model.configs import config_sha256, load_training_config, model_config
from medner.model.curve import CURVE, read_log
from medner.model.duration import LOGGER
from medner.model.encoder import check_export, load_encoder, read_manifest
from medner.model.provenance import EncoderInfo, Provenance, stamp
from medner.model.temperature import calibrate
from medner.outputs import write_output

# In the place of an encoder's manifest where a config trains without one.
NO_ENCODER = EncoderInfo(
    name="none, spaCy's CNN",
    revision=f"spaCy {version('spacy')}",
    untrained=False,
    parameters=0,
    vocabulary=0,
    sha256="",
)
PACKAGES = ("spacy", "spacy-transformers", "transformers", "tokenizers", "thinc", "torch", "numpy")
WARM_UP = 0.1  # share of all steps
M_MMAP_THRESHOLD, LARGE = -3, 8 << 20  # glibc's mallopt parameter (malloc.h), and bytes
SHAPES = 32  # whose products oneDNN keeps
EVALUATIONS = 5  # at least so many per training, and at least one per epoch


def schedule(documents: int, batch_size: int, epochs: int) -> dict[str, float]:
    """Overrides of the config for a corpus of ``documents`` and a number of passes over it.

    The learning rate falls to zero at the very last step. The last evaluation comes at the end: spaCy evaluates at
    step 0 and at multiples of ``eval_frequency``, so the number of steps must be nearly such a multiple.
    """
    steps = math.ceil(documents / batch_size) * epochs
    return {
        "training.max_epochs": epochs,
        "training.optimizer.learn_rate.total_steps": steps,
        "training.optimizer.learn_rate.warmup_steps": max(1, round(steps * WARM_UP)),
        "training.eval_frequency": max(1, (steps - 1) // max(EVALUATIONS, epochs)),
    }


def overrides(config: Config, encoder: EncoderInfo, documents: int, *, epochs: int | None, seed: int) -> dict[str, Any]:
    """All overrides of a training config: schedule, seed, and the learning rates that the encoder asks for.

    documents: of the training corpus. epochs: None takes the encoder's number, else the config's.
    """
    training = config["training"]
    chosen = schedule(documents, training["batcher"]["size"], epochs or encoder.epochs or training["max_epochs"])
    if encoder.learning_rate:
        chosen["training.optimizer.learn_rate.initial_rate"] = encoder.learning_rate
    if encoder.head_rate and "head_rate" in training["optimizer"]:
        chosen["training.optimizer.head_rate"] = encoder.head_rate
    return {"system.seed": seed, **chosen}


@dataclass(frozen=True)
class Training:
    """A training run that is ready to start.

    config: the model's config. log: where spaCy's logger writes. overrides: what the run sets in the config. folder: of
    the encoder; None without one. words: of the training corpus.
    """

    config: Path
    log: str
    overrides: Mapping[str, Any]
    provenance: Provenance
    encoder: EncoderInfo
    folder: Path | None
    words: int


def prepare(
    root: Path, experiment: str, *, epochs: int | None, seed: int, extra: Mapping[str, Any] | None = None
) -> Training:
    """What a training run of an experiment will do, and the provenance that its pipelines will carry.

    root: the project folder. extra: overrides of the config that come last (SPACY_CONFIG_OVERRIDES). Two runs with
    equal provenance differ at most in what they are made with (:func:`made_with`).
    Raises InputError for an unknown experiment, and where config, encoder or corpus are missing or damaged.
    """
    path = model_config(root, experiment)
    config = load_training_config(path, experiment)
    own = config.interpolate()["paths"]
    about_corpus = read_training_manifest(root / "corpus" / experiment)
    extra = dict(extra or {})
    encoder, folder = NO_ENCODER, None
    if "encoder" in own:
        folder = root / extra.get("paths.encoder", own["encoder"])
        encoder = read_manifest(folder)
        check_export(folder)
    paths = {part: root / extra.get(f"paths.{part}", own[part]) for part in ("train", "dev")}
    data = {part: read_bytes(path) for part, path in paths.items()}
    docs = parse_docbin(data["train"], paths["train"])
    chosen = {
        "paths.experiment": experiment,
        **overrides(config, encoder, len(docs), epochs=epochs, seed=seed),
        **extra,
    }
    about = Provenance(
        experiment=experiment,
        encoder=encoder,
        sources=about_corpus.sources,
        persons=about_corpus.persons,
        seed=seed,
        epochs=chosen["training.max_epochs"],
        documents=len(docs),
        corpus={part: sha256(content) for part, content in data.items()},
        config=config_sha256(config),
        overrides={key: value for key, value in extra.items() if key != "paths.log"},
    )
    log = extra.get("paths.log", own["log"])
    return Training(path, log, chosen, about, encoder, folder, words=sum(map(len, docs.tokens)))


def train(root: Path, training: Training, target: Path, *, gpu: int) -> None:
    """Train into ``target``/{model-best,model-last}, with the run's provenance in each and its curve beside them.

    root: the project folder. gpu: its number, -1 for the CPU. The log goes where the config says; if ``target`` is not
    the experiment's own folder, it goes beside ``target``. Raises InputError for a config that spaCy refuses, for an
    encoder as :func:`load_encoder`, and if another process is writing ``target``.
    """
    log = Path(training.log)
    if target != root / "training" / training.provenance.experiment and "paths.log" not in training.overrides:
        log = target.with_name(f"{target.name}.jsonl")
        log = log.relative_to(root) if log.is_relative_to(root) else log
    overrides = {"training.logger.@loggers": LOGGER, **training.overrides, "paths.log": str(log)}
    arithmetic = mixed_precision() if gpu < 0 else contextlib.nullcontext()
    # The config's paths are relative to the project, and stay so in the saved pipeline.
    with contextlib.chdir(root), new_folder(target, sign="model-*") as folder, arithmetic:
        if training.folder:
            load_encoder(training.folder)
        log.unlink(missing_ok=True)  # spaCy's logger does not replace it
        try:
            spacy_train(training.config, folder, use_gpu=gpu, overrides=overrides)
        except ValueError as error:
            # spaCy's numbered ones, thinc's of a setting that is no number, and ours say what is wrong with the config.
            if not str(error).startswith(("[E", "Invalid schedule", FACTORY)):
                raise
            what = f"spaCy cannot train with it: {' '.join(str(error).split())}"
            remedy = "Compare it with configs/transformer.cfg in the repository"
            raise InputError(what, path=training.config, remedy=remedy) from None
        for pipeline in sorted(folder.glob("model-*")):
            _calibrate(pipeline)
            stamp(pipeline, training.provenance.model_copy(update={"made_with": made_with(training.encoder, gpu=gpu)}))
        write_output(folder / CURVE, read_log(log))


def _calibrate(pipeline: Path) -> None:
    """Fit the confidences of a saved pipeline to the dev data that its config names, if it gives any."""
    components = load_config(pipeline / "config.cfg")["components"].values()
    if any(component["factory"] == FACTORY for component in components):
        nlp = spacy.load(pipeline)
        calibrate(nlp, list(Corpus(nlp.config.interpolate()["paths"]["dev"])(nlp)))
        nlp.to_disk(pipeline)


def made_with(encoder: EncoderInfo, *, gpu: int) -> dict[str, str]:
    """What a training's scores depend on besides its settings: arithmetic, threads of the CPU, packages by version.

    Threads count because a sum of floating-point numbers depends on its order.
    """
    arithmetic = cpu_arithmetic() if gpu < 0 and encoder.parameters else "fp32"
    versions = {name: version(name) for name in PACKAGES}
    threads = {"threads": str(torch.get_num_threads())} if gpu < 0 else {}
    return {"arithmetic": arithmetic, **threads, "Python": platform.python_version(), **versions}


def give_memory_back() -> None:
    """Have the C library return large freed blocks to the system at once, and oneDNN keep little.

    glibc keeps freed blocks of up to 32 MB, and cannot use one again for a block of the same size, which must be
    aligned. With the compact encoder, whose embeddings have a gradient of 16 MB, the process grew by that much with
    every step, up to 13 GB. Smaller blocks are kept: fetching every megabyte from the system again takes time
    (``benchmarks/training.py``). Does nothing without glibc.

    oneDNN, which multiplies bf16, keeps what it has made for each shape of its operands: 1,024 shapes by default, and
    batches of text have all shapes. After 200 steps that was 0.5 GB, and saved no measurable time. Call this before
    any matrix product.
    """
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(SHAPES))
    mallopt = getattr(ctypes.CDLL(None) if os.name == "posix" else None, "mallopt", None)
    if mallopt:
        mallopt(M_MMAP_THRESHOLD, LARGE)
