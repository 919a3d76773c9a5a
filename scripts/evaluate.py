"""Evaluate one experiment on every test suite with `spacy evaluate`, and count over what each suite annotates."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import spacy
import srsly
import typer
from rich.progress import track
from spacy.training import Example

from medner.command_line import GPU_HELP, ROOT, good, new_app, note, show, step
from medner.data.manifests import read_manifest
from medner.evaluation.results import SCORES, write_run
from medner.exceptions import InputError
from medner.files import new_folder, read_text, write_text
from medner.model.curve import CURVE
from medner.model.prediction import (
    as_prediction,
    describe_tests,
    predict,
    read_examples,
    spacy_scores,
    training_mentions,
)
from medner.model.provenance import read_provenance
from medner.model.training import choose_processor
from medner.report.summary import run_table

app = new_app()


@app.command(epilog="Example: python scripts/evaluate.py exp1 --gpu 0")
@step
def main(
    experiment: Annotated[str, typer.Argument(help="Experiment whose training/NAME/model-best is evaluated.")],
    gpu: Annotated[int, typer.Option(help=GPU_HELP)] = -1,
    model: Annotated[str, typer.Option(help="Pipeline to evaluate; empty: training/NAME/model-best.")] = "",
    output: Annotated[str, typer.Option(help="Folder to write; empty: metrics/NAME.")] = "",
    corpus: Annotated[Path, typer.Option(help="Folder of the corpus step.")] = ROOT / "corpus",
) -> None:
    """Write metrics/EXPERIMENT/SUITE.json (what `spacy evaluate` writes), SUITE.predictions.jsonl and scores.json.

    The model reads every text once; all scores are computed from these predictions. `spacy evaluate` holds a MEDICAL
    prediction on RONEC, which has no MEDICAL, against a model; scores.json does not.
    """
    pipeline = Path(model) if model else ROOT / "training" / experiment / "model-best"
    if not pipeline.is_dir():
        raise InputError(
            "no such pipeline", path=pipeline, remedy=f"Train it first: spacy project run train-{experiment}"
        )
    manifest = read_manifest(corpus)
    about, tests = read_provenance(pipeline), describe_tests(corpus, manifest)
    choose_processor(gpu)
    nlp = spacy.load(pipeline)
    seen = training_mentions(nlp, ROOT / nlp.config.interpolate()["paths"]["train"], about)
    examples: dict[str, list[Example]] = {}
    seconds: dict[str, float] = {}
    with new_folder(Path(output) if output else ROOT / "metrics" / experiment, sign=SCORES) as folder:
        for source in tests:
            asked = read_examples(nlp, corpus / source / "test.spacy")
            start = time.perf_counter()
            examples[source] = list(track(predict(nlp, asked), description=source, total=len(asked), transient=True))
            seconds[source] = time.perf_counter() - start
        suites = {}
        for suite, sources in manifest.suites.items():
            found = [example for source in sources for example in examples[source]]
            spacys = spacy_scores(nlp, found, sum(seconds[source] for source in sources))
            write_text(folder / f"{suite}.json", srsly.json_dumps(spacys, indent=2) + "\n")
            suites[suite] = [as_prediction(example) for example in found]
        scores = write_run(folder, about, tests, manifest.skipped, suites, seen)
        if (trained := pipeline.parent / CURVE).is_file():
            write_text(folder / CURVE, read_text(trained))
    for suite, reason in manifest.skipped.items():
        note(f"Suite {suite} is skipped: {reason}.")
    show(run_table(scores))
    good(f"Evaluated {experiment} on {', '.join(scores.suites)}")


if __name__ == "__main__":
    app()
