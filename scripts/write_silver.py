"""Write a language model's labels as a silver corpus: places and labels, without the text."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import srsly
import typer

from medner.command_line import ROOT, good, new_app, note, show, step
from medner.data.labels import load_scheme
from medner.data.manifests import read_fetch_manifest
from medner.data.silver import read_places
from medner.data.sources import gold_records
from medner.evaluation.silver import agreement, agreement_table
from medner.exceptions import InputError
from medner.files import write_text
from medner.generation.annotating import annotation_id, silver_of
from medner.outputs import write_output
from medner.study import load_study

app = new_app()


@app.command(epilog="Example: python scripts/write_silver.py ro out/ro.txt out/ro.jsonl")
@step
def main(
    lang: Annotated[str, typer.Argument(help="Language, e.g. ro.")],
    textfile: Annotated[Path, typer.Argument(help="Text file of scripts/sample_silver.py; its places lie beside it.")],
    labels: Annotated[Path, typer.Argument(help="Output of scripts/annotate_llm.py for it.")],
    output: Annotated[Path, typer.Option(help="Folder to write to.")] = ROOT / "assets" / "silver",
    root: Annotated[Path, typer.Option(help="Project folder to read the assets from.")] = ROOT,
) -> None:
    """Write LANG.jsonl and LANG.cost.json, and print how far the labels agree with gold labels where those exist."""
    if not labels.is_file():
        raise InputError("no such file", path=labels, remedy="Run scripts/annotate_llm.py first")
    places = {annotation_id(lang, n): place for n, place in read_places(textfile)}
    sentences, cost = silver_of(labels, places)
    study, scheme = load_study(ROOT / "configs" / "experiments.yml"), load_scheme(ROOT / "configs" / "labels.yml")
    gold = gold_records(study, scheme, root, read_fetch_manifest(root / "assets" / "fetched"), lang)
    write_text(output / f"{lang}.jsonl", "".join(f"{srsly.json_dumps(s.model_dump())}\n" for s in sentences))
    write_output(output / f"{lang}.cost.json", cost)
    show(agreement_table(agreement(sentences, gold, "MEDICAL")))
    if left := len(places) - len(sentences):
        note(f"{left:,} sentences have no labels. Run scripts/annotate_llm.py again to ask again.")
    good(f"{output / f'{lang}.jsonl'} holds {len(sentences):,} sentences")


if __name__ == "__main__":
    app()
