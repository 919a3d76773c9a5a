"""The console script ``medner``: what users of a trained pipeline run. The study's own steps are in ``scripts/``."""

from __future__ import annotations

import typer

from medner.annotation.command import annotate
from medner.command_line import step
from medner.packaging.command import package, push
from medner.serving.command import serve

# Each command's function imports what is slow to load, such as torch, when it runs: `medner --help` is quick.
app = typer.Typer(
    name="medner",
    help="Use a trained pipeline.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command()(step(annotate))
app.command()(step(serve))
app.command()(step(package))
app.command()(step(push))


@app.callback()
def main() -> None:
    """Use a trained pipeline."""  # with a callback, a single command keeps its name
