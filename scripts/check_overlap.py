"""Prove that no training corpus gives its test suites away."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from medner.command_line import ROOT, good, new_app, note, step
from medner.data.docbins import read_docbin
from medner.data.leakage import LeakageReport, find_leakage, shared_forms
from medner.data.manifests import read_manifest
from medner.data.overlap import Overlap, load_generic_nouns
from medner.data.tokenizer import blank
from medner.exceptions import InputError
from medner.outputs import write_output
from medner.study import load_study

LABELS = ("MEDICAL", "PERSON", "ORG")
app = new_app()


@app.command(epilog="Example: python scripts/check_overlap.py corpus/exp3/train.spacy corpus/med-ro/test.spacy")
@step
def main(
    train: Annotated[str, typer.Argument(help="DocBin of training data; none: every experiment's train and dev.")] = "",
    test: Annotated[str, typer.Argument(help="DocBin of test data; none: every source's test split.")] = "",
    output: Annotated[
        str, typer.Option(help="JSON file to write; empty: metrics/leakage.json, of two files named none.")
    ] = "",
    corpus: Annotated[Path, typer.Option(help="Folder of the corpus step.")] = ROOT / "corpus",
) -> None:
    """Look for test sentences and test surface forms in training data; exit with 1 if there are any that must not be.

    A test sentence in training data always fails, exact or near; in dev data, which choose the best epoch, it is
    reported (RONEC's own valid split holds eight). A shared form fails where both sides are the same synthetic corpus,
    whose splits are made without shared forms (generic nouns apart); elsewhere the share is reported.
    """
    if bool(train) != bool(test):
        raise InputError("one file alone cannot be compared", remedy="Give training and test data, or neither")
    study = load_study(ROOT / "configs" / "experiments.yml")
    generic = load_generic_nouns(ROOT / "assets" / "synthetic" / "generic_nouns.yml")
    exempt = [form for forms in generic.values() for form in forms]
    nlp = blank()
    read = functools.cache(lambda path: read_docbin(path, nlp))
    last_overlap = functools.lru_cache(maxsize=1)(lambda path: Overlap(record.text for record in read(path)))
    if test:
        pairs = [(Path(train), Path(test))]
    else:
        manifest = read_manifest(corpus)
        pairs = [
            (corpus / name / f"{split}.spacy", corpus / source / "test.spacy")
            for name in manifest.experiments
            for split in ("train", "dev")
            for source, about in manifest.sources.items()
            if "test" in about.splits
        ]
        for suite, reason in manifest.skipped.items():
            note(f"Suite {suite} is skipped: {reason}.")
    found: LeakageReport = {}
    faults = []
    typer.echo("| training | test | sentences | " + " | ".join(f"{label} forms seen" for label in LABELS) + " |")
    typer.echo("| --- | --- | ---: |" + " ---: |" * len(LABELS))
    for left, right in track(pairs, description="Comparing", transient=True):
        seen, held_out = read(left), read(right)
        leak = find_leakage(seen, held_out, LABELS, exempt, last_overlap(left))
        names = [str(path.relative_to(corpus)) if path.is_relative_to(corpus) else str(path) for path in (left, right)]
        found[" > ".join(names)] = leak
        cells = [f"{leak.seen[label]:.1%}" if label in leak.seen else "–" for label in LABELS]
        typer.echo(f"| {names[0]} | {names[1]} | {len(leak.sentences)} | " + " | ".join(cells) + " |")
        sources = {record.meta["source"] for record in held_out}
        synthetic = all(source in study.sources and study.sources[source].labels == "synthetic" for source in sources)
        if leak.sentences and (synthetic or left.stem != "dev"):
            faults.append(f"{names[0]} holds {len(leak.sentences)} sentences of {names[1]}")
        if synthetic:
            own = [record for record in seen if record.meta["source"] in sources]
            if count := sum(map(len, shared_forms(own, held_out, LABELS, exempt).values())):
                faults.append(f"{names[0]} holds {count} surface forms of {names[1]}")
    written = Path(output) if output else None if test else ROOT / "metrics" / "leakage.json"
    if written:
        write_output(written, found)
    if faults:
        raise InputError(
            "; ".join(faults),
            path=written,
            remedy="Take them out of the training data; the file of --output lists them. Generic nouns may stay in all "
            "splits: name them in assets/synthetic/generic_nouns.yml",
        )
    good("No test sentence and no synthetic test form in training" + (f"; wrote {written}" if written else ""))


if __name__ == "__main__":
    app()
