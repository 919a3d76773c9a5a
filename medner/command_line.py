"""What the command lines of the steps share, and the one place that turns an expected error into one line."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import ParamSpec, TypeVar

import typer
from rich.console import Console

from medner.exceptions import InputError
from medner.tables import Table

P = ParamSpec("P")
R = TypeVar("R")

ROOT = Path(__file__).resolve().parent.parent  # the project folder: the package runs from its checkout
MIRROR_HELP = "Folder with copies of the downloads (an air-gapped mirror); searched before the network."
DEFAULT_HELP = "the recommended one, else the last trained step"  # the pipeline that is meant where none is named
EPOCHS_HELP = "Passes over the training data; auto: what the encoder asks for, else the config's number."
GPU_HELP = "GPU number; -1 for the CPU."
RAY_HELP = (
    "Make the runs on Ray (extra `ray`): local, auto, or a cluster's address. "
    "All its machines need this folder under the same path (a shared file system)."
)


def new_app() -> typer.Typer:
    """An app for one step."""
    return typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def step(function: Callable[P, R]) -> Callable[P, R]:
    """Report an InputError as one line on standard error and exit with 1; any other exception is a bug."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except InputError as error:
            typer.secho(f"✘ {error}", fg=typer.colors.RED, err=True)
            raise typer.Exit(1) from None

    return run


def note(text: str) -> None:
    """Print what the user should notice: a stand-in, a skipped part."""
    typer.secho(f"⚠ {text}", fg=typer.colors.YELLOW)


def note_missing(what: str, reasons: Mapping[str, str]) -> None:
    """Name files, suites or experiments that are missing in one line, those with the same reason together."""
    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        names.setdefault(reason, []).append(name)
    if names:
        parts = (f"{', '.join(own)} ({reason})" for reason, own in names.items())
        note(f"{what}: {'; '.join(parts)}.")


def note_left_out(folders: Iterable[Path]) -> None:
    """Name the runs that :func:`medner.evaluation.results.load_runs` left out."""
    for folder in folders:
        note(
            f"{folder} is left out: it has other data, suites, encoder, config or epochs than its experiment's main run"
        )


def good(text: str) -> None:
    """Print what is done."""
    typer.secho(f"✔ {text}", fg=typer.colors.GREEN)


def show(table: Table) -> None:
    """Print a table: fitted to a terminal's width; as Markdown into a file or another program."""
    console = Console()
    if console.is_terminal:
        console.print(table.terminal())
    else:
        typer.echo(table.markdown())


def mirror_or_none(path: str) -> Path | None:
    """The option --mirror, which may be empty, as unset project variables are. Raises InputError for no folder."""
    if path and not Path(path).is_dir():
        raise InputError("no such folder", path=path, remedy="Correct --mirror or MEDNER_MIRROR, or leave it out")
    return Path(path) if path else None


def epochs_or_none(epochs: str) -> int | None:
    """The option --epochs: a whole number from 1, None for auto. Raises InputError for anything else."""
    if epochs == "auto":
        return None
    if not (epochs.isdecimal() and int(epochs)):
        raise InputError(f"--epochs is {epochs!r}", remedy="Give a whole number from 1, or auto")
    return int(epochs)


def whole_numbers(seeds: str) -> list[int]:
    """The option --seeds. Raises InputError for anything but whole numbers between commas."""
    try:
        return list(dict.fromkeys(int(seed) for seed in seeds.split(",")))
    except ValueError:
        what = f"--seeds is {seeds!r}"
        raise InputError(what, remedy="Give whole numbers separated by commas, as in 0,1,2") from None
