"""Measure the synthetic corpora against the thresholds in configs/quality.yml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from medner.command_line import ROOT, good, new_app, note, show, step
from medner.data.labels import load_scheme
from medner.data.quality import figures_table, load_thresholds, measure, missing_splits, read_corpora
from medner.exceptions import InputError
from medner.outputs import write_output

app = new_app()
CORPORA = ROOT / "assets" / "synthetic"


@app.command(epilog="Example: python scripts/measure_corpora.py --corpora assets/synthetic")
@step
def main(
    corpora: Annotated[Path, typer.Option(help="Folder with one folder of JSONL files a language.")] = CORPORA,
    output: Annotated[Path, typer.Option(help="JSON file to write.")] = ROOT / "metrics" / "corpora.json",
) -> None:
    """Measure diversity, repetition and consistency of the synthetic corpora, and write metrics/corpora.json.

    The exit code is 1 if a corpus misses a threshold that configs/quality.yml requires of its language.
    """
    thresholds = load_thresholds(ROOT / "configs" / "quality.yml")
    records = read_corpora(corpora, load_scheme(ROOT / "configs" / "labels.yml"))
    for lang, files in missing_splits(corpora).items():
        note(f"{lang}: the corpus step needs {', '.join(files)} as well.")
    report = {
        lang: measure(records, lang, thresholds.unlabelled_allowed.get(lang, ()))
        for lang in track(records, description="Measuring", transient=True)
    }
    write_output(output, report)
    show(figures_table(report, thresholds))
    missed = {lang: "; ".join(faults) for lang, figures in report.items() if (faults := thresholds.missed(figures))}
    for lang, what in missed.items():
        if lang not in thresholds.required:
            note(f"{lang}: {what}")
    if failed := [f"{lang}: {what}" for lang, what in missed.items() if lang in thresholds.required]:
        raise InputError("; ".join(failed), path=corpora, remedy=f"See the examples in {output}")
    met = ", ".join(lang for lang in report if lang not in missed)
    good(f"Corpora that meet every threshold: {met or 'none'}; wrote {output}")


if __name__ == "__main__":
    app()
