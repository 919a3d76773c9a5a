"""Further runs of experiments: each is trained and evaluated unless a run with its provenance is there already.

Two things decide in this project whether work is done, and no command is decided by both. Weasel's ``project.lock``
decides for commands that always make the same thing: it has one entry per command name, with checksums of the files
that the command reads and writes. It cannot decide for a command that makes many runs, which differ in experiment, seed
or training data: its entry would hold the last ones alone. These commands are marked ``no_skip`` in project.yml, and
this module decides by what every run carries with it: its provenance (config, corpora, encoder, seed, epochs,
overrides) and the SHA-256 of its test files, both in ``scores.json``. Stopped at any moment, the same command goes on.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import srsly
from spacy.cli._util import parse_config_overrides

from medner.command_line import epochs_or_none, good, note
from medner.data.manifests import read_manifest
from medner.evaluation.learning_curves import Point, write_part
from medner.evaluation.pipelines import describe_tests
from medner.evaluation.results import COUNTS, SCORES, Run, read_run
from medner.exceptions import InputError
from medner.model.arithmetic import VARIABLE, cpu_arithmetic
from medner.model.provenance import read_provenance
from medner.model.training import prepare
from medner.names import Folder
from medner.study import Study


def run(
    root: Path,
    title: str,
    experiment: str,
    *,
    seed: int,
    epochs: str,
    gpu: int,
    training: Path,
    metrics: Path,
    elsewhere: Sequence[Path] = (),
    paths: Mapping[str, str] | None = None,
    keep: bool = False,
) -> Run:
    """Train into ``training`` and evaluate into ``metrics``, unless that or ``elsewhere`` holds the same run already.

    root: the project folder. epochs: as the option --epochs. paths: [paths] of the config that differ. keep: do not
    delete the trained pipelines, which are large. Raises InputError if the run cannot be prepared or a step fails.
    """
    extra = {**parse_config_overrides([]), **{f"paths.{key}": value for key, value in (paths or {}).items()}}
    prepared = prepare(root, experiment, epochs=epochs_or_none(epochs), seed=seed, extra=extra)
    expected = prepared.provenance.settings
    corpus = root / "corpus"
    tests = describe_tests(corpus, read_manifest(corpus))
    for folder in (*elsewhere, metrics):
        if (found := _evaluated(folder, expected, tests)) is not None:
            good(f"{title}: evaluated before")
            return found
    note(f"{title}: running")
    if not (training / "model-best").is_dir() or read_provenance(training / "model-best").settings != expected:
        options = ("--seed", seed, "--epochs", epochs, "--gpu", gpu, "--output", training)
        _call(root, "train", experiment, *options, overrides=extra)
    _call(root, "evaluate", experiment, "--model", training / "model-best", "--output", metrics, "--gpu", gpu)
    if not keep:
        shutil.rmtree(training)
    return read_run(metrics)


def run_point(root: Path, title: str, study: Study, point: Point, *, epochs: str, gpu: int) -> Run:
    """:func:`run` for a point of a learning curve.

    A point that is a whole experiment shares its run with the train, evaluate and seeds steps.
    """
    corpus, metrics = root / "corpus", root / "metrics"
    seed_run = metrics / Folder.SEEDS / str(point.seed) / point.experiment
    return run(
        root,
        title,
        point.experiment,
        seed=point.seed,
        epochs=epochs,
        gpu=gpu,
        training=root / "training" / point.path,
        metrics=metrics / point.path if point.own else seed_run,
        elsewhere=[] if point.own else [metrics / point.experiment],
        paths={"train": str(write_part(study, corpus, point).relative_to(root))} if point.own else None,
    )


def _evaluated(folder: Path, expected: object, tests: object) -> Run | None:
    if not all((folder / name).is_file() for name in (SCORES, COUNTS)):
        return None
    found = read_run(folder)
    return found if (found.scores.provenance.settings, found.scores.test) == (expected, tests) else None


def as_arguments(overrides: Mapping[str, Any]) -> str:
    """Overrides of a config as spaCy parses SPACY_CONFIG_OVERRIDES: strings as they are, other values as JSON."""
    texts = {key: value if isinstance(value, str) else srsly.json_dumps(value) for key, value in overrides.items()}
    return " ".join(f"--{key} {shlex.quote(text)}" for key, text in texts.items())


def _call(root: Path, name: str, *arguments: object, overrides: Mapping[str, Any] | None = None) -> None:
    """Run another step in its own process, which gives all memory back; its messages go to the terminal.

    The arithmetic is this process's, so that all runs of one command share it.
    """
    command = [sys.executable, str(root / "scripts" / f"{name}.py"), *map(str, arguments)]
    said = {"SPACY_CONFIG_OVERRIDES": as_arguments(overrides or {}), VARIABLE: cpu_arithmetic()}
    if subprocess.run(command, check=False, env={**os.environ, **said}).returncode:  # noqa: S603 - our own script
        raise InputError(f"the {name} step failed", remedy="See its message above; the same command continues")
