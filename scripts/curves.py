"""Learning curves on real medical text: F1 by the number of synthetic or real annotated training sentences."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.progress import track

from medner.command_line import EPOCHS_HELP, GPU_HELP, RAY_HELP, ROOT, good, new_app, note, step, whole_numbers
from medner.evaluation.learning_curves import Point, points, rows
from medner.evaluation.results import Run
from medner.evaluation.runs import Wanted, run_all, wanted_point
from medner.exceptions import InputError
from medner.outputs import write_output
from medner.study import load_study

app = new_app()


@app.command(epilog="Example: python scripts/curves.py --seeds 0,1,2 --gpu 0")
@step
def main(
    seeds: Annotated[str, typer.Option(help="Seeds, separated by commas.")] = "0,1,2,3,4",
    epochs: Annotated[str, typer.Option(help=EPOCHS_HELP)] = "auto",
    gpu: Annotated[int, typer.Option(help=GPU_HELP)] = -1,
    ray: Annotated[str, typer.Option(help=RAY_HELP)] = "",
) -> None:
    """Write metrics/curves.json: F1 by mix, number of sentences, seed and suite, with the train and evaluate steps.

    Runs of whole experiments are shared with the train, evaluate and seeds steps. Stopped at any moment, the same
    command continues; curves.json is written again after every run.
    """
    study = load_study(ROOT / "configs" / "experiments.yml")
    wanted = list(points(study, ROOT / "corpus", whole_numbers(seeds)))
    if not wanted:
        raise InputError("no experiment of the curves has a corpus", remedy="Run the corpus step")
    assert study.curves is not None
    for mix, experiment in study.curves.mixes.items():
        if all(point.mix != mix for point in wanted):
            note(f"Curve {mix} is left out: {experiment} has no corpus.")
    asked: dict[Wanted, Point] = {}
    for number, point in enumerate(track(wanted, description="Training files", transient=True), start=1):
        title = f"{point.mix}, {point.sentences:,} sentences, seed {point.seed} ({number} of {len(wanted)})"
        asked[wanted_point(ROOT, title, study, point, epochs=epochs, gpu=gpu)] = point
    done: dict[Point, Run] = {}
    for one, found in run_all(ROOT, list(asked), ray=ray):
        done[asked[one]] = found
        in_order = [(point, done[point]) for point in wanted if point in done]
        write_output(ROOT / "metrics" / "curves.json", rows(study, in_order))
    good(f"Wrote {ROOT / 'metrics' / 'curves.json'}: {len(done)} runs")


if __name__ == "__main__":
    app()
