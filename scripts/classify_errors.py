"""Class every error of the evaluated experiments, and count them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import srsly
import typer
from rich.progress import track

from medner.command_line import ROOT, good, new_app, note, step
from medner.data.labels import load_scheme
from medner.data.overlap import form_key, load_generic_nouns
from medner.evaluation.error_analysis import analyse_run
from medner.evaluation.predictions import prediction_files
from medner.evaluation.results import read_run
from medner.exceptions import InputError
from medner.files import new_folder
from medner.names import Folder, check_name
from medner.outputs import write_output
from medner.study import load_study

app = new_app()


@app.command(epilog="Example: python scripts/classify_errors.py exp1 exp3")
@step
def main(
    experiments: Annotated[list[str] | None, typer.Argument(help="Experiments; none: all that are evaluated.")] = None,
    metrics: Annotated[Path, typer.Option(help="Folder that holds the experiments' metrics.")] = ROOT / "metrics",
    corpus: Annotated[Path, typer.Option(help="Folder of the corpus step.")] = ROOT / "corpus",
    output: Annotated[str, typer.Option(help="Folder to write, replaced as a whole; empty: METRICS/errors.")] = "",
) -> None:
    """Write metrics/errors/EXPERIMENT.jsonl, one error a line, and EXPERIMENT.json, counts and examples.

    Reads metrics/EXPERIMENT/SUITE.predictions.jsonl; a mention is seen when training holds its form and label.
    """
    study = load_study(ROOT / "configs" / "experiments.yml")
    scheme = load_scheme(ROOT / "configs" / "labels.yml")
    nouns = load_generic_nouns(ROOT / "assets" / "synthetic" / "generic_nouns.yml")
    generic = {lang: frozenset(map(form_key, forms)) for lang, forms in nouns.items()}
    names = [check_name(name) for name in experiments or study.experiments]
    if unknown := [name for name in names if name not in study.experiments]:
        remedy = f"Use some of: {', '.join(study.experiments)}"
        raise InputError(f"no experiment {unknown[0]}", path=ROOT / "configs" / "experiments.yml", remedy=remedy)
    paths = prediction_files(metrics, names, study.suites)
    missing = [name for name in names if name not in paths]
    if not paths or (experiments and missing):
        remedy = f"Evaluate it first: python scripts/evaluate.py {missing[0]}"
        raise InputError(f"no predictions of {', '.join(missing)}", path=metrics, remedy=remedy)
    with new_folder(Path(output) if output else metrics / Folder.ERRORS, sign="*.jsonl") as folder:
        for name, own in track(paths.items(), description="Classing errors", transient=True):
            lines, result = analyse_run(read_run(metrics / name), own, corpus, scheme, generic)
            srsly.write_jsonl(folder / f"{name}.jsonl", lines)
            write_output(folder / f"{name}.json", result)
            good(f"{name}: {len(lines):,} errors")
    if missing:
        note(f"Not evaluated, left out: {', '.join(missing)}")


if __name__ == "__main__":
    app()
