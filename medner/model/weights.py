"""Weights in a quarter of their size, for a repository: int8 matrices with one scale a row, the rest in fp16.

Symmetric absolute-maximum quantisation of each row (as in Dettmers et al., "LLM.int8()", NeurIPS 2022, section 2.1).
Only files hold int8: whoever reads them gets fp32, and the encoder step writes ordinary weights to training/encoder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from medner.exceptions import InputError

WEIGHTS = "model.safetensors"
# Under another name than WEIGHTS: transformers would take int8 numbers for weights, without a word.
PACKED_WEIGHTS = "model.int8.safetensors"
SCALE = ".scale"
AUTO_MAP = "auto_map"  # in an encoder's settings: names code that comes with it
POOLER = "pooler."  # begins the names of weights that nothing here uses, and that many encoders come without
STEPS = 127  # int8 steps between zero and a row's largest weight


def pack(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Matrices as int8 with ``<name>.scale``, (rows,) in fp32; other tensors as fp16.

    A weight of a matrix is off by half a scale at most, which is 1/254 of the largest weight of its row.
    """
    packed = {}
    for name, value in tensors.items():
        if value.ndim == 2:
            largest = value.float().abs().amax(dim=1)
            scale = torch.where(largest > 0, largest / STEPS, 1.0)
            packed[name] = (value.float() / scale[:, None]).round().to(torch.int8)
            packed[name + SCALE] = scale
        else:
            packed[name] = value.half()
    return packed


def unpack(packed: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The fp32 tensors of what :func:`pack` made. Raises KeyError for a matrix without its scale."""
    return {
        name: value.float() * packed[name + SCALE][:, None] if value.dtype == torch.int8 else value.float()
        for name, value in packed.items()
        if not name.endswith(SCALE)
    }


def weights_file(folder: Path) -> Path:
    """The file that holds an encoder folder's weights: ``model.safetensors``, or the packed one where only that is."""
    packed = folder / PACKED_WEIGHTS
    return packed if packed.is_file() and not (folder / WEIGHTS).is_file() else folder / WEIGHTS


def read_weights(folder: Path) -> dict[str, Tensor]:
    """An encoder folder's weights by name, in fp32. Raises InputError if they are missing, damaged or not finite."""
    path = weights_file(folder)
    if not path.is_file():
        raise InputError("no such file", path=path, remedy="Give an encoder folder with safetensors weights")
    try:
        weights = unpack(load_file(path))
    except (SafetensorError, OSError) as error:
        what = f"cannot be read ({error})"
    except (KeyError, RuntimeError):
        what = "holds a matrix without its scales"
    else:
        check_finite(weights, path)
        return weights
    raise InputError(what, path=path, remedy="Fetch the encoder again")


def check_finite(weights: Mapping[str, Tensor], path: Path | str) -> None:
    """Raise InputError if a weight is infinite or no number."""
    for name, value in weights.items():
        if not value.isfinite().all():
            what = f"the weights {name} are not all finite numbers"
            raise InputError(what, path=path, remedy="Fetch the encoder again")


def expand(source: Path, folder: Path) -> None:
    """Write the ``model.safetensors`` of a packed encoder folder into another; nothing where it has one already.

    Raises InputError if the packed file is damaged.
    """
    if weights_file(source).name == PACKED_WEIGHTS:
        (folder / WEIGHTS).write_bytes(save(read_weights(source), metadata={"format": "pt"}))
