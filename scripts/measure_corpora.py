"""Measure the synthetic corpora against the floors of configs/quality.yml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import srsly
import typer
from rich.progress import track
from steps import ROOT, good, new_app, note, step

from medner.data.labels import load_scheme
from medner.data.quality import load_floors, measure, parallel_pairs
from medner.data.records import Record
from medner.data.sources import SPLITS, synthetic_part
from medner.exceptions import InputError
from medner.files import write_text

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
    figures: dict[str, dict[str, Any]] = {
        lang: measure(own, lang, floors.unlabelled_allowed.get(lang, ()))
        for lang, own in track(records.items(), description="Measuring", transient=True)
    }
    for lang, sentences in records.items():
        pairs = [pair for other in records if other != lang for pair in parallel_pairs(sentences, records[other])]
        figures[lang]["parallel"] = round(len(pairs) / len(sentences), 4)
        figures[lang]["examples"]["parallel"] = pairs
    write_text(output, srsly.json_dumps(figures, indent=2) + "\n")

    names = [name for name in next(iter(figures.values())) if name not in ("examples", "entities")]
    typer.echo("| figure | " + " | ".join(figures) + " | floor |\n| --- |" + " ---: |" * len(figures) + " --- |")
    for name in names:
        low, high = floors.minimum.get(name), floors.maximum.get(name)
        floor = f"≥ {low:,}" if low is not None else f"≤ {high:,}" if high is not None else ""
        typer.echo(f"| {name} | " + " | ".join(f"{own[name]:,}" for own in figures.values()) + f" | {floor} |")
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
