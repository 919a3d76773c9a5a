"""Put the encoder into training/encoder, once, so that no later step needs a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medner.command_line import MIRROR_HELP, ROOT, good, mirror_or_none, new_app, note, step
from medner.model.encoder import load_pinned, prepare

app = new_app()


@app.command(epilog="Example: python scripts/prepare_encoder.py --mirror /data/mirror --strict")
@step
def main(
    name: Annotated[
        str,
        typer.Option(
            help="Encoder on the model hub; empty: the one in configs/encoder.yml; the embedded encoder's name, or "
            "`untrained` for the embedded encoder with random weights."
        ),
    ] = "",
    mirror: Annotated[str, typer.Option(envvar="MEDNER_MIRROR", help=MIRROR_HELP)] = "",
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail where the embedded encoder would take its place.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of random weights.")] = 0,
    output: Annotated[Path, typer.Option(help="Folder to write (replaced as a whole).")] = ROOT
    / "training"
    / "encoder",
) -> None:
    """Fetch the encoder from a mirror or the model hub.

    If neither has the one in configs/encoder.yml, the embedded compact encoder takes its place. Another that was asked
    for is never replaced.
    """
    pinned = load_pinned(ROOT / "configs" / "encoder.yml", name)
    embedded = ROOT / "assets" / "encoder"
    manifest = prepare(output, pinned, embedded, mirror=mirror_or_none(mirror), strict=strict, seed=seed)
    if manifest.untrained:
        note(f"{manifest.title}: its scores are a floor, not a result.")
    elif manifest.embedded and manifest.name != pinned.name:
        note(f"{pinned.name} is out of reach: the embedded compact encoder {manifest.name} replaces it.")
    good(f"Wrote {output}: {manifest.title}, {manifest.parameters:,} parameters, {manifest.vocabulary:,} word-pieces")


if __name__ == "__main__":
    app()
