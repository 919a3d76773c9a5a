"""Evaluate one experiment on every test suite with `spacy evaluate`, and count over what each suite annotates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import spacy
import srsly
import typer
from rich.progress import track
from spacy.cli.evaluate import evaluate
from spacy.tokens import DocBin
from steps import ROOT, good, new_app, note, step

from medner.exceptions import InputError
from medner.files import new_folder, read_bytes, read_text, write_bytes, write_text
from medner.scoring import SuiteScore, count
from medner.training import provenance

app = new_app()


@app.command(epilog="Example: python scripts/evaluate.py exp1 --gpu 0")
@step
def main(
    experiment: Annotated[str, typer.Argument(help="Experiment whose training/NAME/model-best is evaluated.")],
    gpu: Annotated[int, typer.Option(help="GPU number; -1 for the CPU.")] = -1,
    model: Annotated[str, typer.Option(help="Pipeline to evaluate; empty: training/NAME/model-best.")] = "",
    output: Annotated[str, typer.Option(help="Folder to write; empty: metrics/NAME.")] = "",
    corpus: Annotated[Path, typer.Option(help="Folder of the corpus step.")] = ROOT / "corpus",
) -> None:
    """Write metrics/EXPERIMENT/SUITE.json (what `spacy evaluate` says) and scores.json (counts, intervals).

    `spacy evaluate` holds a MEDICAL prediction on RONEC, which has no MEDICAL, against a model; scores.json does not.
    """
    pipeline = Path(model) if model else ROOT / "training" / experiment / "model-best"
    if not pipeline.is_dir():
        raise InputError(
            "no such pipeline", path=pipeline, remedy=f"Train it first: spacy project run train-{experiment}"
        )
    manifest = srsly.json_loads(read_text(corpus / "manifest.json"))
    about = provenance(pipeline)
    with new_folder(Path(output) if output else ROOT / "metrics" / experiment) as folder:
        for suite in manifest["suites"]:
            evaluate(
                str(pipeline), corpus / suite / "test.spacy", output=folder / f"{suite}.json", use_gpu=gpu, silent=False
            )

        nlp = spacy.load(pipeline)
        scores = {suite: SuiteScore() for suite in manifest["suites"]}
        for source in sorted({source for sources in manifest["suites"].values() for source in sources}):
            gold = list(DocBin().from_bytes(read_bytes(corpus / source / "test.spacy")).get_docs(nlp.vocab))
            annotated = manifest["sources"][source]["annotated"]
            predictions = DocBin()
            found = track(nlp.pipe(doc.text for doc in gold), description=source, total=len(gold), transient=True)
            for g, p in zip(gold, found, strict=True):
                predictions.add(p)
                counts = count(g, p, annotated)
                for suite, sources in manifest["suites"].items():
                    if source in sources:
                        scores[suite].add(counts)
            write_bytes(folder / f"{source}.predictions.spacy", predictions.to_bytes())
        result = {
            "provenance": about,
            "test": {
                name: {key: source[key] for key in ("note", "stand_in")}
                for name, source in manifest["sources"].items()
                if "test" in source["splits"]
            },
            "skipped": manifest["skipped"],
            "suites": {suite: score.as_dict(about["seed"]) for suite, score in scores.items()},
        }
        write_text(folder / "scores.json", srsly.json_dumps(result, indent=2) + "\n")
    for suite, reason in manifest["skipped"].items():
        note(f"Suite {suite} is skipped: {reason}.")
    good(f"Evaluated {experiment} on {', '.join(scores)}")


if __name__ == "__main__":
    app()
