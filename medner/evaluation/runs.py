"""Further runs of experiments: each is trained and evaluated unless a run with its provenance is there already.

Two things decide in this project whether work is done, and no command is decided by both. Weasel's ``project.lock``
decides for commands that always make the same thing: it has one entry per command name, with checksums of the files
that the command reads and writes. It cannot decide for a command that makes many runs, which differ in experiment, seed
or training data: its entry would hold the last ones alone. These commands are marked ``no_skip`` in project.yml, and
this module decides by what every run carries with it: its provenance (config, corpora, encoder, seed, epochs,
overrides) and the SHA-256 of its test files, both in ``scores.json``. Stopped at any moment, the same command goes on.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from spacy.cli._util import parse_config_overrides

from medner.cluster import explained, start_ray
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

OVERRIDES = "SPACY_CONFIG_OVERRIDES"  # spaCy's environment variable for settings of a config


@dataclass(frozen=True)
class Wanted:
    """A run to have: trained into ``training`` and evaluated into ``metrics``.

    epochs: as the option --epochs. elsewhere: folders of metrics that may hold the same run already. train: the
    training file in the project folder, where it is not the experiment's own. keep: do not delete the trained
    pipelines, which are large.
    """

    title: str
    experiment: str
    seed: int
    epochs: str
    gpu: int
    training: Path
    metrics: Path
    elsewhere: tuple[Path, ...] = ()
    train: str | None = None
    keep: bool = False


def wanted_point(root: Path, title: str, study: Study, point: Point, *, epochs: str, gpu: int) -> Wanted:
    """The run of a point of a learning curve; its training file is written.

    A point that is a whole experiment shares its run with the train, evaluate and seeds steps.
    """
    corpus, metrics = root / "corpus", root / "metrics"
    seed_run = metrics / Folder.SEEDS / str(point.seed) / point.experiment
    return Wanted(
        title,
        point.experiment,
        seed=point.seed,
        epochs=epochs,
        gpu=gpu,
        training=root / "training" / point.path,
        metrics=metrics / point.path if point.own else seed_run,
        elsewhere=() if point.own else (metrics / point.experiment,),
        train=str(write_part(study, corpus, point).relative_to(root)) if point.own else None,
    )


def run(root: Path, wanted: Wanted, *, captured: bool = False) -> Run:
    """Train and evaluate, unless the same run is there already.

    root: the project folder. captured: the steps' messages do not go to the terminal; that of a step that fails is part
    of the InputError. Raises InputError if the run cannot be prepared or a step fails.
    """
    extra = {**parse_config_overrides([]), **({"paths.train": wanted.train} if wanted.train else {})}
    epochs, seed, training = wanted.epochs, wanted.seed, wanted.training
    prepared = prepare(root, wanted.experiment, epochs=epochs_or_none(epochs), seed=seed, extra=extra)
    expected = prepared.provenance.settings
    corpus = root / "corpus"
    manifest = read_manifest(corpus)
    tests = describe_tests(corpus, manifest)
    suites = {suite: set(sources) for suite, sources in manifest.suites.items()}
    for folder in (*wanted.elsewhere, wanted.metrics):
        if (found := _evaluated(folder, (expected, tests, suites))) is not None:
            good(f"{wanted.title}: evaluated before")
            return found
    note(f"{wanted.title}: running")
    call = partial(_call, root, wanted.experiment, wanted.gpu, captured)
    best = training / "model-best"
    if not best.is_dir() or read_provenance(best).settings != expected:
        call("train", "--seed", seed, "--epochs", epochs, "--output", training, overrides=extra)
    call("evaluate", "--model", best, "--output", wanted.metrics)
    if not wanted.keep:
        shutil.rmtree(training)
    return read_run(wanted.metrics)


def run_all(root: Path, wanted: Sequence[Wanted], *, ray: str = "") -> Iterator[tuple[Wanted, Run]]:
    """Every run with what was wanted, as soon as it is there.

    ray: empty to make them here, one after the other, up to the first that fails; else the address of Ray
    (:func:`medner.cluster.start_ray`), with one task for each run and one core or GPU for each task. There a run that
    fails is named, and the others go on. Raises InputError if one has failed.
    """
    if not ray:
        for one in wanted:
            yield one, run(root, one)
        return
    failed = []
    for one, result in _on_ray(root, wanted, ray):
        try:
            found = result()
        except InputError as error:
            note(f"{one.title}: {error}")
            failed.append(one.title)
        else:
            good(f"{one.title}: evaluated")
            yield one, found
    if failed:
        what = f"{len(failed)} of {len(wanted)} runs failed: {'; '.join(failed)}"
        raise InputError(what, remedy="See their messages above; the same command continues")


def _on_ray(root: Path, wanted: Sequence[Wanted], address: str) -> Iterator[tuple[Wanted, Callable[[], Run]]]:
    """Every run when its task has ended, with what returns it or raises the task's InputError."""
    ray = start_ray(address)
    here = {VARIABLE: cpu_arithmetic(), OVERRIDES: os.environ.get(OVERRIDES, "")}
    tasks: dict[Path, Any] = {}
    waiting: dict[Any, list[Wanted]] = {}
    for one in wanted:
        if one.metrics not in tasks:
            task = ray.remote(num_cpus=1, num_gpus=int(one.gpu >= 0))(_run_task)
            tasks[one.metrics] = task.remote(root, one, here)
        waiting.setdefault(tasks[one.metrics], []).append(one)  # two points of curves may be the same run
    while waiting:
        (task,), _ = ray.wait(list(waiting))
        for one in waiting.pop(task):
            yield one, partial(_result, ray, task)


def _run_task(root: Path, wanted: Wanted, environment: Mapping[str, str]) -> Run:
    os.environ.update(environment)
    gpu = min(wanted.gpu, 0)  # a task sees its own GPU alone, as number 0
    return run(root, replace(wanted, gpu=gpu), captured=True)


def _result(ray: Any, task: Any) -> Run:
    try:
        return ray.get(task)  # type: ignore[no-any-return]
    except ray.exceptions.RayError as error:
        raise explained(error) from None


def _evaluated(folder: Path, wanted: tuple[object, ...]) -> Run | None:
    """The run in a folder, if it has the settings, test sources and suites that are wanted."""
    if not all((folder / name).is_file() for name in (SCORES, COUNTS)):
        return None
    found = read_run(folder)
    scores = found.scores
    return found if (scores.provenance.settings, scores.test, scores.composition) == wanted else None


def as_arguments(overrides: Mapping[str, Any]) -> str:
    """Overrides of a config as spaCy parses SPACY_CONFIG_OVERRIDES: strings as they are, other values as JSON."""
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in overrides.items()}
    return " ".join(f"--{key} {shlex.quote(text)}" for key, text in texts.items())


def _call(
    root: Path,
    experiment: str,
    gpu: int,
    captured: bool,
    name: str,
    *arguments: object,
    overrides: Mapping[str, Any] | None = None,
) -> None:
    """Run another step in its own process, which gives all memory back; its messages go to the terminal.

    captured: keep them for the InputError. The arithmetic is this process's, so that all runs of one command share it.
    """
    script = root / "scripts" / f"{name}.py"
    command = [str(part) for part in (sys.executable, script, experiment, *arguments, "--gpu", gpu)]
    environment = {**os.environ, OVERRIDES: as_arguments(overrides or {}), VARIABLE: cpu_arithmetic()}
    done = subprocess.run(command, check=False, env=environment, capture_output=captured, text=True)  # noqa: S603 - our own script
    if done.returncode and captured:
        last = (done.stderr or done.stdout).strip().split("\n")[-1]
        raise InputError(f"the {name} step failed ({last})", remedy="The same command continues")
    if done.returncode:
        raise InputError(f"the {name} step failed", remedy="See its message above; the same command continues")
