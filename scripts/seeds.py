"""Train and evaluate experiments with further seeds, so that the spread over seeds is known."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import srsly
import typer
from spacy.cli._util import parse_config_overrides
from steps import ROOT, epochs_or_none, good, new_app, note, step

from medner.evaluation import describe_tests
from medner.exceptions import InputError
from medner.files import read_text
from medner.results import SEEDS, read_run
from medner.training import prepare, provenance

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
    try:
        numbers = list(dict.fromkeys(int(seed) for seed in seeds.split(",")))
    except ValueError:
        raise InputError(
            f"--seeds is {seeds!r}", remedy="Give whole numbers separated by commas, as in 0,1,2"
        ) from None
    corpus = ROOT / "corpus"
    tests = describe_tests(corpus, srsly.json_loads(read_text(corpus / "manifest.json")))
    extra = parse_config_overrides([])
    wanted = [(seed, experiment) for seed in numbers for experiment in experiments]
    for number, (seed, experiment) in enumerate(wanted, start=1):
        title = f"{experiment}, seed {seed} ({number} of {len(wanted)})"
        expected = prepare(ROOT, experiment, epochs=epochs_or_none(epochs), seed=seed, extra=extra).provenance
        metrics = ROOT / "metrics" / SEEDS / str(seed) / experiment
        if any(_evaluated(folder, expected, tests) for folder in (ROOT / "metrics" / experiment, metrics)):
            good(f"{title}: evaluated before")
            continue
        note(f"{title}: running")
        training = ROOT / "training" / SEEDS / str(seed) / experiment
        if not _trained(training / "model-best", expected):
            _call("train", experiment, "--seed", seed, "--epochs", epochs, "--gpu", gpu, "--output", training)
        _call("evaluate", experiment, "--model", training / "model-best", "--output", metrics, "--gpu", gpu)
        if not keep_models:
            shutil.rmtree(training)
    good(f"{', '.join(experiments)}: seeds {', '.join(map(str, numbers))} are evaluated")


def _evaluated(folder: Path, expected: object, tests: object) -> bool:
    if not (folder / "scores.json").is_file():
        return False
    scores = read_run(folder).scores
    return bool(scores["provenance"] == expected and scores["test"] == tests)


def _trained(pipeline: Path, expected: object) -> bool:
    return pipeline.is_dir() and provenance(pipeline) == expected


def _call(name: str, *arguments: object) -> None:
    """Run another step in a process of its own, which gives all memory back; its messages go to the terminal."""
    command = [sys.executable, str(ROOT / "scripts" / f"{name}.py"), *map(str, arguments)]
    if subprocess.run(command, check=False).returncode:  # noqa: S603 - our own script
        raise InputError(f"the {name} step failed", remedy="See its message above; the same command continues")


if __name__ == "__main__":
    app()
