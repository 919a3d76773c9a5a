"""What a pipeline loses on text as hospitals have it: F1 of every suite under every perturbation, for the report.

Example: python benchmarks/robustness.py training/exp3/model-best
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import spacy
import typer
from rich.progress import Progress

from medner.command_line import ROOT
from medner.data.docbins import read_docbin
from medner.data.manifests import read_manifest
from medner.evaluation.perturbations import CLEAN, NAMES
from medner.evaluation.robustness import FOLDER, Robustness, measure
from medner.model import bio  # noqa: F401 - registers the component
from medner.model.provenance import read_provenance
from medner.outputs import write_output


def main(
    model: Annotated[Path, typer.Argument(help="A trained pipeline.")],
    corpus: Annotated[Path, typer.Option(help="Folder of the corpus step.")] = ROOT / "corpus",
    output: Annotated[Path, typer.Option(help="Folder for EXPERIMENT.json, which the report reads.")] = ROOT
    / "metrics"
    / FOLDER,
    sentences: Annotated[int, typer.Option(min=1, help="At most so many of each suite.")] = 300,
    only: Annotated[str, typer.Option(help="Suites, with commas; empty: all sources that have a test part.")] = "",
) -> None:
    """Print a table, a row per perturbation and a column per suite, and write it as JSON."""
    nlp = spacy.load(model)
    sources = read_manifest(corpus).sources
    files = {name: path for name in sources if (path := corpus / name / "test.spacy").is_file()}
    suites = {name: path for name, path in files.items() if not only or name in only.split(",")}
    results = {}
    with Progress(transient=True) as progress:
        bar = progress.add_task("", total=len(suites) * len(NAMES))
        for name, path in suites.items():
            progress.update(bar, description=name)
            records = read_docbin(path, nlp)[:sentences]
            results[name] = measure(nlp, records, sources[name].annotated, NAMES, lambda _: progress.advance(bar))
    found = Robustness(sentences=sentences, suites=results)
    write_output(output / f"{read_provenance(model).experiment}.json", found)
    print("| perturbation | " + " | ".join(results) + " | white-space edges | unseen |")
    print("| --- |" + " ---: |" * (len(results) + 2))
    for name in NAMES:
        cells = [f"{suite[name].f1:.3f}" for suite in results.values()]
        if name != CLEAN:
            cells = [f"{cell} ({found.change(suite, name):+.3f})" for cell, suite in zip(cells, results, strict=True)]
        edges, unseen = (sum(getattr(suite[name], key) for suite in results.values()) for key in ("edges", "unseen"))
        print(f"| {name} | " + " | ".join(cells) + f" | {edges} | {unseen} |")


if __name__ == "__main__":
    typer.run(main)
