"""Convert all sources to DocBin files: corpus/<source>, corpus/<experiment>, corpus/<suite>."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import srsly
import typer
from rich.progress import track
from spacy.tokens import DocBin
from steps import ROOT, good, new_app, note, step

from medner.data.build import Statistics, convert, statistics_table, write_corpus
from medner.data.labels import load_scheme
from medner.data.sources import medical_splits, missing_sources, ronec_splits, synthetic_splits
from medner.data.tokenizer import blank
from medner.exceptions import InputError
from medner.files import new_folder, read_bytes, read_text, sha256, write_text
from medner.study import load_study, reasons

app = new_app()


@app.command(epilog="Example: python scripts/convert.py --persons all")
@step
def main(
    output: Annotated[Path, typer.Option(help="Folder to write (replaced as a whole).")] = ROOT / "corpus",
    persons: Annotated[str, typer.Option(help="named or all; empty: as configs/labels.yml says.")] = "",
    root: Annotated[Path, typer.Option(help="Project folder that the assets are read from.")] = ROOT,
) -> None:
    """Convert every corpus at hand to DocBin files with statistics and a manifest; name what is skipped."""
    whole = load_study(ROOT / "configs" / "experiments.yml")
    scheme = load_scheme(ROOT / "configs" / "labels.yml", persons or None)
    fetched = root / "assets" / "fetched"
    manifest_path = fetched / "manifest.json"
    try:
        found = srsly.json_loads(read_text(manifest_path))
        ronec, files = found["ronec"], found["files"]
    except (ValueError, KeyError, TypeError):
        raise InputError("is no manifest of the fetch step", path=manifest_path, remedy="Run the fetch step") from None
    missing = missing_sources(whole, files)
    study = whole.without(missing)

    nlp = blank()
    parts: dict[tuple[str, str], DocBin] = {}
    statistics: dict[str, dict[str, Statistics]] = {}
    notes: dict[str, str] = {}
    paths = {name: root / about["path"] for name, about in files.items()}
    medical = medical_splits(study, [name for name, about in study.sources.items() if about.files], paths, scheme)
    for source, about in track(study.sources.items(), description="Converting", transient=True):
        if source in medical:
            splits, notes[source] = medical[source], about.note
        elif about.labels == "synthetic":
            splits = synthetic_splits(root / "assets" / "synthetic" / about.lang, scheme, about.lang)
            notes[source] = about.note or "synthetic, written by a language model"
        else:
            splits = ronec_splits(ronec["variant"], fetched, root / "assets" / "sample", scheme)
            notes[source] = ronec["note"]
        annotated = scheme.corpus(about.labels).annotated
        converted = {split: convert(nlp, part, source, annotated) for split, part in splits.items()}
        parts |= {(source, split): docbin for split, (docbin, _) in converted.items()}
        statistics[source] = {split: stats for split, (_, stats) in converted.items()}

    table = statistics_table(statistics, scheme.labels)
    abouts = {
        source: {"note": notes[source], "stand_in": about.labels == "ronec" and ronec["variant"] != "v2"}
        for source, about in study.sources.items()
    }
    skipped = reasons(whole.suites, missing)
    manifest = {
        "sources": {
            source: {
                **abouts[source],
                "annotated": sorted(scheme.corpus(about.labels).annotated),
                "documents": about.documents or False,
                "splits": {split: stats.as_dict() for split, stats in statistics[source].items()},
            }
            for source, about in study.sources.items()
        },
        "persons": scheme.persons,
        "experiments": {name: list(experiment.sources) for name, experiment in study.trained.items()},
        "suites": {name: list(suite.sources) for name, suite in study.suites.items()},
        "skipped": skipped,
    }
    with new_folder(output, sign="manifest.json") as folder:
        write_corpus(folder, study, parts)
        manifest["sha256"] = {
            str(path.relative_to(folder)): sha256(read_bytes(path)) for path in sorted(folder.rglob("*.spacy"))
        }
        write_text(folder / "manifest.json", srsly.json_dumps(manifest, indent=2) + "\n")
        write_text(folder / "statistics.md", table)
        # What a training run needs to know, beside its data: it must not run again because some suite has come.
        for name, experiment in study.trained.items():
            about_training = {
                "sources": {source: abouts[source] for source in experiment.sources},
                "persons": scheme.persons,
            }
            write_text(folder / name / "manifest.json", srsly.json_dumps(about_training, indent=2) + "\n")
        for name, reason in reasons(whole.experiments, missing).items():
            write_text(folder / name / "manifest.json", srsly.json_dumps({"missing": reason}, indent=2) + "\n")
    typer.echo(table)
    for suite, reason in skipped.items():
        note(f"Suite {suite} is skipped: {reason}.")
    for name, reason in reasons(whole.experiments, missing).items():
        note(f"Experiment {name} cannot be trained: {reason}.")
    if ronec["variant"] != "v2":
        note(f"ronec: {ronec['note']}.")
    good(f"Wrote {output}")


if __name__ == "__main__":
    app()
