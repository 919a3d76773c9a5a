"""Checkpoints of a pre-training run: weights and optimizer state in a folder that is replaced as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import torch
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from medner.exceptions import InputError
from medner.files import new_folder, read_text, restore_folder, write_text
from medner.model.weights import WEIGHTS

CHECKPOINT = "checkpoint"
STATE = "state.json"
START_AGAIN = f"Remove the folder {CHECKPOINT} to start again"
_M = TypeVar("_M", bound=BaseModel)


class State(BaseModel):
    """What a checkpoint says of itself. recipe: a fingerprint of all that a continuation must share."""

    step: int
    seconds: float
    recipe: str


def read_own(path: Path, kind: type[_M], remedy: str) -> _M:
    """What an earlier call wrote as JSON. Raises InputError if it is damaged."""
    try:
        return kind.model_validate_json(read_text(path))
    except ValidationError:
        raise InputError("is damaged", path=path, remedy=remedy) from None


def save_checkpoint(
    folder: Path, state: State, masters: Mapping[str, torch.Tensor], optimizer: torch.optim.Optimizer
) -> None:
    """Write weights and optimizer state as safetensors; the folder appears whole."""
    with new_folder(folder / CHECKPOINT, sign=STATE, durable=True) as work:
        tensors = {f"weight/{name}": value for name, value in masters.items()}
        names = {id(value): name for name, value in masters.items()}
        for parameter, moments in optimizer.state.items():
            tensors |= {f"{key}/{names[id(parameter)]}": value for key, value in moments.items()}
        save_file({key: value.contiguous() for key, value in tensors.items()}, work / WEIGHTS)
        write_text(work / STATE, state.model_dump_json() + "\n")


def load_checkpoint(folder: Path) -> tuple[State, dict[str, torch.Tensor]] | None:
    """The last checkpoint, None if there is none. Raises InputError if it is damaged."""
    work = folder / CHECKPOINT
    restore_folder(work)
    if not work.is_dir():
        return None
    state = read_own(work / STATE, State, START_AGAIN)
    try:
        return state, load_file(work / WEIGHTS)
    except (SafetensorError, OSError) as error:
        raise InputError(f"cannot be read ({error})", path=work / WEIGHTS, remedy=START_AGAIN) from None


@torch.no_grad()
def resume(
    folder: Path, recipe: str, masters: Mapping[str, torch.Tensor], optimizer: torch.optim.Optimizer
) -> tuple[int, float]:
    """Take weights and optimizer state from the checkpoint, if there is one. Returns steps done and their seconds.

    Raises InputError for a checkpoint of another fingerprint, and for one that is damaged.
    """
    found = load_checkpoint(folder)
    if found is None:
        return 0, 0.0
    state, tensors = found
    if state.recipe != recipe:
        what = "is a checkpoint of another recipe, seed, vocabulary or start"
        remedy = "Give another folder, or remove it to start again"
        raise InputError(what, path=folder / CHECKPOINT, remedy=remedy)
    try:
        for name, master in masters.items():
            master.copy_(tensors.pop(f"weight/{name}"))
        for key, value in tensors.items():
            kind, _, name = key.partition("/")
            optimizer.state[masters[name]][kind] = value.to(masters[name].device)
    except (KeyError, RuntimeError):
        path = folder / CHECKPOINT / WEIGHTS
        raise InputError("holds other weights than its recipe's", path=path, remedy=START_AGAIN) from None
    return state.step, state.seconds
