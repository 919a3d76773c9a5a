"""Train a compact encoder of one's own on plain text, on a CPU or a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

from medner.command_line import ROOT, good, new_app, note, step
from medner.model.training import give_memory_back
from medner.names import Folder
from medner.pretraining.export import Format, export
from medner.pretraining.prepare import prepare_text
from medner.pretraining.recipe import load_recipe
from medner.pretraining.run import pretrain
from medner.pretraining.transplant import read_source

app = new_app()
RECIPE = ROOT / "configs" / "pretraining" / "from-scratch.yml"
WORK = ROOT / "training" / Folder.PRETRAINING


@app.command(epilog="Example: python scripts/pretrain.py ~/text --any-text --steps 20000 --output ~/mirror/my-encoder")
@step
def main(
    text: Annotated[list[Path], typer.Argument(help="Folders of text: UTF-8 .txt, .txt.gz or .txt.xz, or .spacy.")],
    output: Annotated[Path, typer.Option(help="Encoder folder to write.")],
    work: Annotated[Path, typer.Option(help="Folder for word-pieces, checkpoints and log.jsonl.")] = WORK,
    config: Annotated[Path, typer.Option(help="Recipe; configs/pretraining has two.")] = RECIPE,
    steps: Annotated[int | None, typer.Option(help="Batches to read, in place of the recipe's.")] = None,
    objective: Annotated[str | None, typer.Option(help="mlm or rtd, in place of the recipe's.")] = None,
    any_text: Annotated[bool, typer.Option("--any-text", help="Read all text found, not the recipe's groups.")] = False,
    tests: Annotated[
        Path, typer.Option(help="Corpus folder; text that holds a sentence of its test parts is not read.")
    ] = ROOT / "corpus",
    start: Annotated[Path | None, typer.Option(help="Encoder folder, or ONNX file of a BERT, to start from.")] = None,
    vocabulary: Annotated[
        str, typer.Option(help="Folder whose tokenizer to take, or new to train one. Default: --start's, else new.")
    ] = "",
    weights: Annotated[Format, typer.Option(help="Format of the weights to write.")] = Format.fp16,
    seed: Annotated[int, typer.Option(help="Seed of weights, batches and masks.", min=0, max=2**32 - 1)] = 0,
) -> None:
    """Read, tokenise, train, export. Killed at any moment and called again, it goes on from the last checkpoint."""
    give_memory_back()
    recipe = load_recipe(config, steps=steps, objective=objective)
    if any_text:
        recipe = recipe.model_copy(update={"groups": None})
    parts = sorted(tests.glob("*/test.spacy"))
    if not parts:
        note(f"There is no test corpus in {tests}; no text is left out")
    source = read_source(start) if start else None
    folder = {"": start, "new": None}.get(vocabulary, Path(vocabulary))
    prepare_text(work, text, recipe, tests=parts, start=source, vocabulary=folder)
    with Progress(*Progress.get_default_columns(), MofNCompleteColumn(), TimeElapsedColumn()) as bar:
        task = bar.add_task(recipe.objective, total=recipe.steps)
        for at in pretrain(work, recipe, seed=seed, start=source):
            losses = ", ".join(f"{name} {value:.3f}" for name, value in at.losses.items() if name != "loss")
            bar.update(task, completed=at.step, description=f"{at.speed:,.0f} pieces/s, {losses}")
    size = export(work, recipe, output, weights)
    good(f"{output}: {size / 1e6:.1f} MB after {recipe.steps:,} steps")


if __name__ == "__main__":
    app()
