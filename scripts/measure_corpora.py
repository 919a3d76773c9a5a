"""Measure the synthetic corpora against the floors of configs/quality.yml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from medner.command_line import ROOT, good, new_app, note, step
from medner.data.labels import load_scheme
from medner.data.quality import FIGURES, QualityReport, load_floors, measure
from medner.data.records import Record
from medner.data.sources import SPLITS, synthetic_part
from medner.exceptions import InputError
from medner.outputs import write_output

app = new_app()


@app.command(epilog="Example: python scripts/measure_corpora.py --corpora assets/synthetic")
@step
def main(
    corpora: Annotated[Path, typer.Option(help="Folder with one folder of JSONL files per language.")] = ROOT
    / "assets"
    / "synthetic",
    output: Annotated[Path, typer.Option(help="JSON file to write.")] = ROOT / "metrics" / "corpora.json",
) -> None:
    """Write metrics/corpora.json: diversity, repetition, consistency; exit with 1 where a required floor is missed."""
    floors = load_floors(ROOT / "configs" / "quality.yml")
    scheme = load_scheme(ROOT / "configs" / "labels.yml")
    files = {folder.name: sorted(folder.glob("*.jsonl")) for folder in sorted(corpora.glob("*/"))}
    records: dict[str, list[Record]] = {
        lang: [record for path in own for record in synthetic_part(path, scheme, lang).records]
        for lang, own in files.items()
    }
    if not records:
        raise InputError("holds no corpus", path=corpora, remedy="It needs one folder of JSONL files per language")
    if empty := [lang for lang, own in records.items() if not own]:
        remedy = "Put its JSONL files there, or remove the folder"
        raise InputError("holds no sentence", path=corpora / empty[0], remedy=remedy)
    for lang, own in files.items():
        if lacking := [f"{split}.jsonl" for split in SPLITS if split not in {path.stem for path in own}]:
            note(f"{lang}: the corpus step cannot use it without {', '.join(lacking)}.")
    figures: QualityReport = {}
    for lang, sentences in track(records.items(), description="Measuring", transient=True):
        others = [own for other, own in records.items() if other != lang]
        figures[lang] = measure(sentences, lang, floors.unlabelled_allowed.get(lang, ()), others)
    write_output(output, figures)

    typer.echo("| figure | " + " | ".join(figures) + " | floor |\n| --- |" + " ---: |" * len(figures) + " --- |")
    for name in FIGURES:
        low, high = floors.minimum.get(name), floors.maximum.get(name)
        floor = f"≥ {low:,}" if low is not None else f"≤ {high:,}" if high is not None else ""
        typer.echo(f"| {name} | " + " | ".join(f"{getattr(own, name):,}" for own in figures.values()) + f" | {floor} |")
    missed = {lang: f"{lang}: {'; '.join(faults)}" for lang in figures if (faults := floors.missed(figures[lang]))}
    for lang, what in missed.items():
        if lang not in floors.required:
            note(what)
    if failed := [what for lang, what in missed.items() if lang in floors.required]:
        raise InputError("; ".join(failed), path=corpora, remedy=f"See the examples in {output}")
    kept = ", ".join(lang for lang in figures if lang not in missed)
    good(f"Every floor is kept by {kept or 'none'}; wrote {output}")


if __name__ == "__main__":
    app()
