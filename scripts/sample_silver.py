"""Draw real sentences for a language model to label, none of them near any dev or test part."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from medner.command_line import ROOT, good, new_app, step
from medner.data.labels import load_scheme
from medner.data.manifests import read_fetch_manifest
from medner.data.silver import Sampling, places_path, sample
from medner.data.sources import held_out_text, missing_sources, read_sources, silver_texts
from medner.exceptions import InputError
from medner.files import write_text
from medner.settings import load_settings
from medner.study import load_study

app = new_app()


@app.command(epilog="Example: python scripts/sample_silver.py ro out/ro.txt")
@step
def main(
    lang: Annotated[str, typer.Argument(help="Language: an entry of configs/silver.yml, e.g. ro.")],
    output: Annotated[Path, typer.Argument(help="Text file to write, a sentence a line; it must not exist yet.")],
    settings: Annotated[Path, typer.Option(help="What to draw.")] = ROOT / "configs" / "silver.yml",
    root: Annotated[Path, typer.Option(help="Project folder to read the assets from.")] = ROOT,
) -> None:
    """Write sentences for scripts/annotate_llm.py, and their places in their sources to OUTPUT.places.jsonl.

    The fetch step must have found the text (in a mirror). The draw depends on the settings and on the text alone.
    """
    if output.exists():
        raise InputError("already exists", path=output, remedy="Name another file, or remove it")
    fetched = read_fetch_manifest(root / "assets" / "fetched")
    study, scheme = load_study(ROOT / "configs" / "experiments.yml"), load_scheme(ROOT / "configs" / "labels.yml")
    silver = {name: "" for name, about in study.sources.items() if about.silver}
    possible = study.without(missing_sources(study, fetched.files) | silver)
    held_out = held_out_text(read_sources(possible, scheme, root, fetched).values())
    drawn = list(sample(load_settings(settings, Sampling), lang, silver_texts(possible, fetched, root, lang), held_out))
    write_text(output, "".join(f"{sentence}\n" for _, sentence in drawn))
    write_text(places_path(output), "".join(f"{place.model_dump_json()}\n" for place, _ in drawn))
    counts = ", ".join(f"{source} {n:,}" for source, n in Counter(place.source for place, _ in drawn).most_common())
    good(f"{output} holds {len(drawn):,} sentences: {counts}")


if __name__ == "__main__":
    app()
