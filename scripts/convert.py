"""Convert all sources to DocBin files: corpus/<source>, corpus/<experiment>, corpus/<suite>."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from medner.command_line import ROOT, good, new_app, note, note_missing, show, step
from medner.data.build import build_corpus, statistics_table
from medner.data.labels import load_scheme
from medner.data.readers.tags import orphans
from medner.study import load_study

app = new_app()


@app.command(epilog="Example: python scripts/convert.py --persons all")
@step
def main(
    output: Annotated[Path, typer.Option(help="Folder to write; it is replaced as a whole.")] = ROOT / "corpus",
    persons: Annotated[
        str, typer.Option(help="Person mentions to keep, named or all; empty: as configs/labels.yml says.")
    ] = "",
    root: Annotated[Path, typer.Option(help="Project folder to read the assets from.")] = ROOT,
) -> None:
    """Convert every available corpus to DocBin files, and write corpus/manifest.json and corpus/statistics.md.

    Suites and experiments that need a missing corpus are left out, and named with the reason.
    """
    study = load_study(ROOT / "configs" / "experiments.yml")
    scheme = load_scheme(ROOT / "configs" / "labels.yml", persons)
    corpus = build_corpus(
        study, scheme, root, output, lambda sources: track(sources, description="Converting", transient=True)
    )
    show(statistics_table(corpus.manifest, scheme.labels))
    note_missing("Skipped suites", corpus.manifest.skipped)
    note_missing("Experiments that cannot be trained", corpus.untrainable)
    for source, about in corpus.manifest.sources.items():
        if about.stand_in:
            note(f"{source}: {about.note}.")
        for split, part in about.splits.items():
            if (lost := orphans(part.quirks)) and study.sources[source].format:
                what = f"{source} {split}: mentions that begin with I-, and so count as O: {lost:,}"
                note(f"{what}. Write B- where a mention starts.")
            if part.absent:
                what = f"{source}: {part.absent:,} labelled sentences are left out"
                note(f"{what}: their text is not at hand, or differs (the first: {part.first_absent}).")
    good(f"Wrote {output}")


if __name__ == "__main__":
    app()
