"""Put the encoder into training/encoder, once, so that no later step touches a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from steps import MIRROR_HELP, ROOT, folder_or_none, good, new_app, note, step

from medner.model.encoder import load_settings, prepare

app = new_app()


@app.command(epilog="Example: python scripts/prepare_encoder.py --mirror /data/mirror --strict")
@step
def main(
    name: Annotated[
        str,
        typer.Option(
            help="Encoder on the model hub; empty: the one configs/encoder.yml pins; the embedded one's name, or "
            "`untrained` for the embedded one with random weights."
        ),
    ] = "",
    mirror: Annotated[str, typer.Option(envvar="MEDNER_MIRROR", help=MIRROR_HELP)] = "",
    strict: Annotated[bool, typer.Option("--strict", help="Fail where the embedded encoder would step in.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of random weights, where they are wanted.")] = 0,
    output: Annotated[Path, typer.Option(help="Folder to write (replaced as a whole).")] = ROOT
    / "training"
    / "encoder",
) -> None:
    """Fetch the pinned encoder from a mirror or the model hub; where neither has it, take the embedded compact one."""
    settings = load_settings(ROOT / "configs" / "encoder.yml", name or None)
    embedded = ROOT / "assets" / "encoder"
    manifest = prepare(output, settings, embedded, mirror=folder_or_none(mirror), strict=strict, seed=seed)
    if manifest.untrained:
        note(f"{manifest.title}: scores made with it are a floor, no result.")
    elif manifest.embedded and manifest.name != settings["name"]:
        note(f"{settings['name']} is out of reach: the embedded compact encoder {manifest.name} takes its place.")
    good(f"Wrote {output}: {manifest.title}, {manifest.parameters:,} parameters, {manifest.vocabulary:,} word-pieces")


if __name__ == "__main__":
    app()
