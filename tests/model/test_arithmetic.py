from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from transformers import AutoModel

from medner.exceptions import InputError
from medner.model import arithmetic


@pytest.fixture(autouse=True)
def _unmeasured(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(arithmetic.VARIABLE, raising=False)
    arithmetic.cpu_type.cache_clear()
    yield
    arithmetic.cpu_type.cache_clear()


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[torch.dtype]]:
    """Sets what the processor can do and how long its products take; returns the list of products that are timed."""

    def set_up(*able: str, bf16: float, fp32: float) -> list[torch.dtype]:
        timed: list[torch.dtype] = []

        def seconds(number: torch.dtype) -> float:
            timed.append(number)
            return bf16 if number == torch.bfloat16 else fp32

        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: dict.fromkeys(able, True))
        monkeypatch.setattr(arithmetic, "seconds_per_product", seconds)
        return timed

    return set_up


@pytest.fixture(params=["bf16", "fp32"])
def multiplies_in(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> torch.dtype:
    monkeypatch.setenv(arithmetic.VARIABLE, request.param)
    return arithmetic.TYPES[request.param]


@pytest.mark.parametrize(
    ("able", "bf16", "fp32", "expected"),
    [
        (["avx512_bf16", "amx_bf16"], 1.0, 4.0, "bf16"),
        (["avx512_bf16"], 1.0, 1.25, "bf16"),
        (["avx512_bf16"], 1.0, 1.15, "fp32"),  # not worth its rounding
        (["avx512_bf16"], 154.0, 84.0, "fp32"),  # it has the instructions, and is slower with them
        (["avx2"], 1.0, 4.0, "fp32"),
    ],
)
def test_bf16_only_where_it_is_faster(
    measured: Callable[..., list[torch.dtype]], able: list[str], bf16: float, fp32: float, expected: str
) -> None:
    timed = measured(*able, bf16=bf16, fp32=fp32)
    assert [arithmetic.cpu_arithmetic() for _ in range(2)] == [expected] * 2
    assert len(timed) == (0 if able == ["avx2"] else 2)  # once per process


@pytest.mark.parametrize("name", ["bf16", "fp32"])
def test_the_environment_decides_without_a_measurement(
    measured: Callable[..., list[torch.dtype]], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    timed = measured("amx_bf16", bf16=1.0, fp32=1.0)
    monkeypatch.setenv("MEDNER_ARITHMETIC", name)
    assert arithmetic.cpu_arithmetic() == name
    assert not timed


def test_an_unknown_arithmetic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDNER_ARITHMETIC", "fp16")
    with pytest.raises(InputError, match=r"MEDNER_ARITHMETIC is 'fp16'. Set it to bf16 or fp32, or unset it."):
        arithmetic.cpu_type()


def test_the_time_of_a_product_is_the_median_without_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    durations = [9.0, 1.0, 2.0, 7.0, 3.0, 4.0]
    ticks = itertools.chain.from_iterable((100.0 * n, 100.0 * n + took) for n, took in enumerate(durations))
    monkeypatch.setattr(arithmetic, "perf_counter", lambda: next(ticks))
    threads = torch.get_num_threads()
    assert arithmetic.seconds_per_product(torch.float32) == 3.0
    assert torch.get_num_threads() == threads


def test_products_in_the_chosen_type_with_fp32_weights(multiplies_in: torch.dtype) -> None:
    layer = torch.nn.Linear(4, 3)
    with arithmetic.mixed_precision():
        product = layer(torch.ones(2, 4))
        product.sum().backward()
    assert arithmetic.cpu_type() == product.dtype == multiplies_in
    assert layer.weight.dtype == torch.float32
    assert layer.weight.grad is not None
    assert layer.weight.grad.dtype == torch.float32


def test_changed_weights_are_used_at_once(multiplies_in: torch.dtype) -> None:
    layer = torch.nn.Linear(1, 1, bias=False)
    with arithmetic.mixed_precision():
        for weight in (1.0, 2.0):
            layer.weight.data = torch.full((1, 1), weight)  # as thinc's optimizer sets it
            assert layer(torch.ones(1, 1)).item() == weight
        with torch.no_grad():
            layer.weight.mul_(2)  # as one of PyTorch's does
        assert layer(torch.ones(1, 1)).item() == 4.0


def test_what_a_model_returns_is_fp32(multiplies_in: torch.dtype, bert: Path) -> None:
    """BERT's pooled output, which no normalisation turns into fp32 again."""
    model = AutoModel.from_pretrained(bert)
    with arithmetic.mixed_precision():
        found = model(torch.tensor([[1, 2, 3]]))
    assert {found.last_hidden_state.dtype, found.pooler_output.dtype} == {torch.float32}
    found.pooler_output.sum().backward()
    assert model.get_input_embeddings().weight.grad is not None
