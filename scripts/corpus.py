"""Convert all sources to DocBin files: corpus/<source>, corpus/<experiment>, corpus/<suite>."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import srsly
import typer
from rich.progress import track
from spacy.tokens import DocBin
from steps import ROOT, good, new_app, note, step

from medner.corpus import SPLITS, Statistics, convert, ronec_splits, statistics_table, synthetic_splits, write_corpus
from medner.exceptions import InputError
from medner.files import new_folder, read_text, write_text
from medner.labels import load_scheme
from medner.plan import load_plan
from medner.tokenization import blank

app = new_app()


@app.command(epilog="Example: python scripts/corpus.py --persons all")
@step
def main(
    output: Annotated[Path, typer.Option(help="Folder to write (replaced as a whole).")] = ROOT / "corpus",
    persons: Annotated[str, typer.Option(help="named or all; empty: as configs/labels.yml says.")] = "",
    root: Annotated[Path, typer.Option(help="Project folder that the assets are read from.")] = ROOT,
) -> None:
    """Convert RONEC and the synthetic sentences to DocBin files with statistics and a manifest."""
    plan = load_plan(ROOT / "configs" / "experiments.yml")
    scheme = load_scheme(ROOT / "configs" / "labels.yml", persons or None)
    fetched = root / "assets" / "fetched"
    manifest_path = fetched / "manifest.json"
    try:
        ronec = srsly.json_loads(read_text(manifest_path))["ronec"]
    except (ValueError, KeyError):
        raise InputError("is no manifest of the fetch step", path=manifest_path, remedy="Run the fetch step") from None

    nlp = blank()
    parts: dict[tuple[str, str], DocBin] = {}
    statistics: dict[str, dict[str, Statistics]] = {}
    for source, about in track(plan.sources.items(), description="Converting", transient=True):
        if about["labels"] == "synthetic":
            splits = synthetic_splits(root / "assets" / "synthetic" / about["lang"], scheme, about["lang"])
        else:
            splits = ronec_splits(ronec["variant"], fetched, root / "assets" / "sample", scheme)
        converted = {split: convert(nlp, splits[split], source) for split in SPLITS}
        parts |= {(source, split): docbin for split, (docbin, _) in converted.items()}
        statistics[source] = {split: stats for split, (_, stats) in converted.items()}

    table = statistics_table(statistics, scheme.labels)
    manifest = {
        "sources": {
            source: {
                "note": ronec["note"] if about["labels"] != "synthetic" else "synthetic, written by a language model",
                "stand_in": about["labels"] != "synthetic" and ronec["variant"] != "v2",
                "annotated": sorted(scheme.corpus(about["labels"]).annotated),
                "splits": {split: stats.as_dict() for split, stats in statistics[source].items()},
            }
            for source, about in plan.sources.items()
        },
        "persons": scheme.persons,
        "experiments": {name: list(sources) for name, sources in plan.experiments.items()},
        "suites": {name: list(sources) for name, sources in plan.suites.items()},
    }
    with new_folder(output) as folder:
        write_corpus(folder, plan, parts)
        write_text(folder / "manifest.json", srsly.json_dumps(manifest, indent=2) + "\n")
        write_text(folder / "statistics.md", table)
    typer.echo(table)
    if ronec["variant"] != "v2":
        note(f"ronec: {ronec['note']}.")
    good(f"Wrote {output}")


if __name__ == "__main__":
    app()
