"""``medner annotate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def annotate(
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT…", help="Files, folders, or - for standard input.")],
    model: Annotated[str, typer.Option(help="A pipeline: its folder, or the name of its package.")],
    output: Annotated[Path, typer.Option(help="The file to write.")],
) -> None:
    """Find entities in texts.

    Example: medner annotate notes/ --model training/exp3/model-best --output found.jsonl
    """
