"""Class every error of the evaluated experiments, and count them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import srsly
import typer
from rich.progress import track

from medner.command_line import ROOT, good, new_app, note, step
from medner.data.labels import load_scheme
from medner.data.manifests import read_manifest
from medner.data.overlap import form_key, load_generic_nouns
from medner.data.tokenizer import blank
from medner.evaluation.error_analysis import Errors, Knowledge, analyse, choose_examples
from medner.evaluation.pipelines import training_mentions
from medner.evaluation.predictions import SUFFIX, read_predictions
from medner.evaluation.results import read_run
from medner.exceptions import InputError
from medner.files import new_folder
from medner.outputs import write_output
from medner.study import load_study

app = new_app()


@app.command(epilog="Example: python scripts/classify_errors.py exp1 exp3")
@step
def main(
    experiments: Annotated[list[str] | None, typer.Argument(help="Experiments; none: all that are evaluated.")] = None,
    metrics: Annotated[Path, typer.Option(help="Folder that holds the experiments' metrics.")] = ROOT / "metrics",
    corpus: Annotated[Path, typer.Option(help="Folder of the corpus step.")] = ROOT / "corpus",
    output: Annotated[str, typer.Option(help="Folder to write (replaced as a whole); empty: METRICS/errors.")] = "",
) -> None:
    """Write metrics/errors/EXPERIMENT.jsonl, one line per error, and EXPERIMENT.json, counts and examples.

    Reads metrics/EXPERIMENT/SUITE.predictions.jsonl; a mention is seen when training holds its form and label.
    """
    study = load_study(ROOT / "configs" / "experiments.yml")
    scheme = load_scheme(ROOT / "configs" / "labels.yml")
    annotated = {name: frozenset(about.annotated) for name, about in read_manifest(corpus).sources.items()}
    nouns = load_generic_nouns(ROOT / "assets" / "synthetic" / "generic_nouns.yml")
    generic = {lang: frozenset(map(form_key, forms)) for lang, forms in nouns.items()}
    paths = {
        name: {suite: path for suite in study.suites if (path := metrics / name / f"{suite}{SUFFIX}").is_file()}
        for name in experiments or study.experiments
    }
    missing = [name for name, own in paths.items() if not own]
    if len(missing) == len(paths) or (experiments and missing):
        remedy = f"Evaluate it first: spacy project run evaluate-{missing[0]}"
        raise InputError(f"no predictions of {', '.join(missing)}", path=metrics, remedy=remedy)
    nlp = blank()
    with new_folder(Path(output) if output else metrics / "errors", sign="*.jsonl") as folder:
        for name, own in track(paths.items(), description="Classing errors", transient=True):
            if not own:
                continue
            about = read_run(metrics / name).scores.provenance
            known = Knowledge(training_mentions(nlp, corpus / name / "train.spacy", about), generic)
            suites = {suite: read_predictions(path) for suite, path in own.items()}
            if strange := {p.source for found in suites.values() for p in found} - set(annotated):
                what = f"knows nothing of {', '.join(sorted(strange))}, which {name} was evaluated on"
                raise InputError(what, path=corpus, remedy="Run the corpus step, then evaluate again")
            errors, counts = analyse(suites, annotated, scheme.labels, known)
            srsly.write_jsonl(folder / f"{name}.jsonl", errors)
            result = Errors(suites=counts, examples=choose_examples(suites, errors, annotated))
            write_output(folder / f"{name}.json", result)
            good(f"{name}: {len(errors):,} errors")
    if missing:
        note(f"Not evaluated, left out: {', '.join(missing)}")


if __name__ == "__main__":
    app()
