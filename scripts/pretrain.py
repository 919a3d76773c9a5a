"""Train a compact encoder of one's own on plain text, on a CPU or a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from medner.command_line import ROOT, good, new_app, note, step
from medner.exceptions import InputError
from medner.pretraining.recipe import load_recipe
from medner.pretraining.run import export, prepare_text, pretrain

app = new_app()
SEEDS = 2**32  # one is multiplied with a million, and must stay a 64-bit number


@app.command(epilog="Example: python scripts/pretrain.py ~/text --any-text --steps 20000 --output ~/mirror/my-encoder")
@step
def main(
    text: Annotated[list[Path], typer.Argument(help="Folders of text: UTF-8 .txt, .txt.gz or .txt.xz, or .spacy.")],
    output: Annotated[Path, typer.Option(help="Encoder folder to write.")],
    work: Annotated[Path, typer.Option(help="Folder for word-pieces, checkpoints and log.jsonl.")] = ROOT
    / "training"
    / "pretraining",
    config: Annotated[Path, typer.Option(help="Encoder configuration with a recipe.")] = ROOT
    / "configs"
    / "encoder.yml",
    steps: Annotated[int | None, typer.Option(help="Batches to read, in place of the recipe's.")] = None,
    objective: Annotated[str | None, typer.Option(help="mlm or rtd, in place of the recipe's.")] = None,
    any_text: Annotated[bool, typer.Option("--any-text", help="Read all text found, not the recipe's groups.")] = False,
    tests: Annotated[
        Path, typer.Option(help="Folder of the corpus step: text that holds a sentence of its test parts is not read.")
    ] = ROOT / "corpus",
    start: Annotated[Path | None, typer.Option(help="Encoder folder to go on from (weights and tokenizer).")] = None,
    seed: Annotated[int, typer.Option(help="Seed of weights, batches and masks.")] = 0,
) -> None:
    """Read, tokenise, train, export. Killed at any moment and called again, it goes on from the last checkpoint."""
    if not 0 <= seed < SEEDS:
        raise InputError(f"--seed is {seed}", remedy=f"Give a whole number from 0, below {SEEDS:,}")
    changes: dict[str, Any] = {"steps": steps, "objective": objective}
    changes = {name: value for name, value in changes.items() if value is not None}
    if any_text:
        changes["groups"] = None
    recipe = load_recipe(config, **changes)
    parts = sorted(tests.glob("*/test.spacy"))
    if not parts:
        note(f"No test corpus is in {tests}, so nothing is left out of the text for its sake.")
    prepare_text(work, text, recipe, tests=parts, start=start)
    columns = (
        TextColumn("[progress.description]{task.description}"), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns) as bar:
        task = bar.add_task(recipe.objective, total=recipe.steps)
        for at in pretrain(work, recipe, seed=seed, start=start):
            losses = ", ".join(f"{name} {value:.3f}" for name, value in at.losses.items() if name != "loss")
            bar.update(task, completed=at.step, description=f"{at.speed:,.0f} pieces/s, {losses}")
    size = export(work, recipe, output)
    good(f"{output}: {size / 1e6:.1f} MB after {recipe.steps:,} steps")


if __name__ == "__main__":
    app()
