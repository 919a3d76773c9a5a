from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file

from medner.exceptions import InputError
from medner.model.weights import pack, read_weights, unpack, weights_file


@given(st.integers(1, 8), st.integers(1, 40), st.floats(1e-6, 1e4), st.integers(0, 100))
def test_round_trip_error_is_within_half_a_step(rows: int, columns: int, size: float, seed: int) -> None:
    matrix = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)) * size
    matrix[0] = 0
    packed = pack({"a": matrix, "bias": matrix[:, 0]})
    assert (packed["a"].dtype, packed["a.scale"].shape, packed["bias"].dtype) == (torch.int8, (rows,), torch.float16)
    back = unpack(packed)
    assert back.keys() == {"a", "bias"}
    assert ((back["a"] - matrix).abs() <= packed["a.scale"][:, None] * 0.5001).all()


def test_weights_of_a_folder_in_either_format(tmp_path: Path) -> None:
    tensors = {"a": torch.tensor([[1.0, -127.0], [0.0, 0.0]]), "bias": torch.tensor([0.5])}
    with pytest.raises(InputError, match=r"model\.safetensors: no such file\. Give an encoder folder"):
        read_weights(tmp_path)
    save_file(pack(tensors), tmp_path / "model.int8.safetensors")
    assert weights_file(tmp_path).name == "model.int8.safetensors"
    assert all((value == tensors[name]).all() for name, value in read_weights(tmp_path).items())
    save_file({"a": torch.ones(1).half()}, tmp_path / "model.safetensors")
    assert read_weights(tmp_path)["a"].dtype == torch.float32
    assert weights_file(tmp_path).name == "model.safetensors"


def test_damaged_packed_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.int8.safetensors"
    path.write_bytes(b"no tensors")
    with pytest.raises(
        InputError, match=r"model\.int8\.safetensors: cannot be read \(.*\)\. Fetch the encoder again\."
    ):
        read_weights(tmp_path)
    save_file({"a": torch.ones((2, 2), dtype=torch.int8)}, path)
    with pytest.raises(InputError, match="holds a matrix without its scales"):
        read_weights(tmp_path)
