"""What the steps' command lines have in common: one clear line for bad input, and exit code 1."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import ParamSpec, TypeVar

import typer
from rich.console import Console
from thinc.api import require_gpu

from medner.exceptions import InputError
from medner.tables import Table

P = ParamSpec("P")
R = TypeVar("R")

ROOT = Path(__file__).resolve().parent.parent
MIRROR_HELP = "Folder that holds copies of the downloads (an air-gapped mirror); asked before the network."


def new_app() -> typer.Typer:
    """An app for one step."""
    return typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def step(function: Callable[P, R]) -> Callable[P, R]:
    """Report an InputError as one line on standard error and exit with 1; anything else is a bug and shows itself."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except InputError as error:
            typer.secho(f"✘ {error}", fg=typer.colors.RED, err=True)
            raise typer.Exit(1) from None

    return run


def note(text: str) -> None:
    """Something the user should see: a stand-in, a skipped part."""
    typer.secho(f"⚠ {text}", fg=typer.colors.YELLOW)


def note_left_out(folders: Iterable[Path]) -> None:
    """The runs that :func:`medner.evaluation.results.load_runs` left out."""
    for folder in folders:
        note(f"{folder} is left out: it has other data, encoder, config or epochs than its experiment's main run")


def good(text: str) -> None:
    """Something done."""
    typer.secho(f"✔ {text}", fg=typer.colors.GREEN)


def show(table: Table) -> None:
    """Print a table: fitted to a terminal's width; as Markdown into a file or another program."""
    console = Console()
    if console.is_terminal:
        console.print(table.terminal())
    else:
        typer.echo(table.markdown())


def folder_or_none(path: str) -> Path | None:
    """A folder option that may be empty, as project variables are when they are not set."""
    return Path(path) if path else None


def epochs_or_none(epochs: str) -> int | None:
    """The option --epochs: a whole number from 1, None for auto. Raises InputError for anything else."""
    if epochs == "auto":
        return None
    if not (epochs.isdecimal() and int(epochs)):
        raise InputError(f"--epochs is {epochs!r}", remedy="Give a whole number from 1, or auto")
    return int(epochs)


def choose_processor(gpu: int) -> None:
    """The option --gpu: have spaCy compute on that GPU. Raises InputError where it cannot."""
    if gpu < 0:
        return
    try:
        require_gpu(gpu)
    except ValueError as error:
        remedy = "Give -1 for the CPU, or install CuPy for your CUDA version: pip install 'spacy[cuda12x]'"
        raise InputError(f"--gpu is {gpu}: {error}", remedy=remedy) from None
