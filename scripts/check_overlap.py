"""Check that no training corpus gives its test suites away."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from medner.command_line import ROOT, good, new_app, note_missing, show, step
from medner.data.leakage import all_pairs, compare, joined_files, leakage_table
from medner.data.manifests import read_manifest
from medner.data.overlap import load_generic_nouns
from medner.exceptions import InputError
from medner.outputs import write_output
from medner.study import load_study

NOUNS = "assets/synthetic/generic_nouns.yml"
app = new_app()


@app.command(epilog="Example: python scripts/check_overlap.py corpus/exp3/train.spacy corpus/med-ro/test.spacy")
@step
def main(
    train: Annotated[str, typer.Argument(help="Training DocBin; empty: train and dev of every experiment.")] = "",
    test: Annotated[str, typer.Argument(help="Test DocBin; empty: the test part of every source.")] = "",
    output: Annotated[
        str, typer.Option(help="JSON file to write; empty: metrics/leakage.json, or none for two files.")
    ] = "",
    corpus: Annotated[Path, typer.Option(help="Folder of the corpus step.")] = ROOT / "corpus",
) -> None:
    """Look for test sentences and test surface forms in training data.

    The exit code is 1 if training data hold a test sentence, exactly or nearly, or if the training part of a synthetic
    corpus holds a surface form of its test part (generic nouns apart). What dev data hold, which only choose the best
    epoch, and the share of forms that other training data hold, are reported.
    """
    if bool(train) != bool(test):
        raise InputError("one file alone cannot be compared", remedy="Give training and test data, or neither")
    sources = load_study(ROOT / "configs" / "experiments.yml").sources
    synthetic = [source for source, about in sources.items() if about.synthetic]
    exempt = [form for forms in load_generic_nouns(ROOT / NOUNS).values() for form in forms]
    pairs, joined = [(Path(train), Path(test))], dict[Path, list[Path]]()
    if not test:
        manifest = read_manifest(corpus)
        pairs, joined = all_pairs(corpus, manifest), joined_files(corpus, manifest)
        note_missing("Skipped suites", manifest.skipped)
    found = compare(pairs, corpus, synthetic, exempt, joined)
    comparisons = list(track(found, description="Comparing", total=len(pairs), transient=True))
    report = {one.name: one.leakage for one in comparisons}
    show(leakage_table(report))
    written = Path(output) if output else None if test else ROOT / "metrics" / "leakage.json"
    if written:
        write_output(written, report)
    if faults := [fault for one in comparisons for fault in one.faults]:
        remedy = f"Remove them from the training data (--output lists them); add generic nouns to {NOUNS}"
        raise InputError("; ".join(faults), path=written, remedy=remedy)
    good("No test sentence and no synthetic test form in training" + (f"; wrote {written}" if written else ""))


if __name__ == "__main__":
    app()
