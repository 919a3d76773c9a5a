"""Put the encoder into training/encoder, once, so that no later step touches a network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from steps import MIRROR_HELP, ROOT, folder_or_none, good, new_app, note, step

from medner.encoder import load_settings, prepare
from medner.readers.ronec import read_ronec
from medner.readers.synthetic import read_synthetic
from medner.records import Tally

app = new_app()


def committed_texts() -> Iterator[str]:
    """The training sentences that the repository holds: what the stand-in's tokenizer may learn from."""
    assets = ROOT / "assets"
    for path in sorted((assets / "synthetic").glob("*/train.jsonl")):
        yield from (record.text for record in read_synthetic(path, Tally()))
    yield from (record.text for record in read_ronec(assets / "sample" / "train.json", Tally()))


@app.command(epilog="Example: python scripts/encoder.py --mirror /data/mirror --strict")
@step
def main(
    name: Annotated[str, typer.Option(help="Encoder on the model hub; empty: the one configs/encoder.yml pins.")] = "",
    mirror: Annotated[str, typer.Option(envvar="MEDNER_MIRROR", help=MIRROR_HELP)] = "",
    strict: Annotated[bool, typer.Option("--strict", help="Fail where the stand-in would have to be used.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the stand-in's random weights.")] = 0,
    output: Annotated[Path, typer.Option(help="Folder to write (replaced as a whole).")] = ROOT
    / "training"
    / "encoder",
) -> None:
    """Fetch the pinned encoder from a mirror or the model hub; where neither has it, build the untrained stand-in."""
    settings = load_settings(ROOT / "configs" / "encoder.yml", name or None)
    manifest = prepare(output, settings, committed_texts(), mirror=folder_or_none(mirror), strict=strict, seed=seed)
    if manifest.untrained:
        note(
            f"{settings['name']} is out of reach: {manifest.name} takes its place, a small BERT with UNTRAINED weights "
            f"({manifest.parameters:,} parameters). Scores made with it are a floor, no result."
        )
    good(f"Wrote {output}: {manifest.title}, {manifest.parameters:,} parameters, {manifest.vocabulary:,} word-pieces")


if __name__ == "__main__":
    app()
