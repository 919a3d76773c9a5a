"""Further runs of an experiment, each trained and evaluated unless that has been done: what seeds and curves share."""

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
from steps import ROOT, epochs_or_none, good, note

from medner.data.manifests import read_manifest
from medner.evaluation.results import COUNTS, SCORES, Run, read_run, settings
from medner.exceptions import InputError
from medner.model.prediction import describe_tests
from medner.model.training import prepare, provenance


def whole_numbers(seeds: str) -> list[int]:
    """The option --seeds. Raises InputError for anything but whole numbers between commas."""
    try:
        return list(dict.fromkeys(int(seed) for seed in seeds.split(",")))
    except ValueError:
        what = f"--seeds is {seeds!r}"
        raise InputError(what, remedy="Give whole numbers separated by commas, as in 0,1,2") from None


def run(
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

    paths: [paths] of the config that differ. keep: leave the trained pipelines, which are large.
    Raises InputError where a step fails.
    """
    extra = {**parse_config_overrides([]), **{f"paths.{key}": value for key, value in (paths or {}).items()}}
    expected = prepare(ROOT, experiment, epochs=epochs_or_none(epochs), seed=seed, extra=extra).provenance
    corpus = ROOT / "corpus"
    tests = describe_tests(corpus, read_manifest(corpus))
    for folder in (*elsewhere, metrics):
        if (found := _evaluated(folder, expected, tests)) is not None:
            good(f"{title}: evaluated before")
            return found
    note(f"{title}: running")
    if not (training / "model-best").is_dir() or settings(provenance(training / "model-best")) != expected:
        options = ("--seed", seed, "--epochs", epochs, "--gpu", gpu, "--output", training)
        _call("train", experiment, *options, overrides=extra)
    _call("evaluate", experiment, "--model", training / "model-best", "--output", metrics, "--gpu", gpu)
    if not keep:
        shutil.rmtree(training)
    return read_run(metrics)


def _evaluated(folder: Path, expected: object, tests: object) -> Run | None:
    if not all((folder / name).is_file() for name in (SCORES, COUNTS)):
        return None
    found = read_run(folder)
    return found if (settings(found.scores["provenance"]), found.scores["test"]) == (expected, tests) else None


def as_arguments(overrides: Mapping[str, Any]) -> str:
    """Overrides of a config as spaCy parses them: SPACY_CONFIG_OVERRIDES, whose values other than texts are JSON."""
    texts = {key: value if isinstance(value, str) else srsly.json_dumps(value) for key, value in overrides.items()}
    return " ".join(f"--{key} {shlex.quote(text)}" for key, text in texts.items())


def _call(name: str, *arguments: object, overrides: Mapping[str, Any] | None = None) -> None:
    """Run another step in a process of its own, which gives all memory back; its messages go to the terminal."""
    command = [sys.executable, str(ROOT / "scripts" / f"{name}.py"), *map(str, arguments)]
    environment = {**os.environ, "SPACY_CONFIG_OVERRIDES": as_arguments(overrides or {})}
    if subprocess.run(command, check=False, env=environment).returncode:  # noqa: S603 - our own script
        raise InputError(f"the {name} step failed", remedy="See its message above; the same command continues")
