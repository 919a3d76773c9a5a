from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModel

from medner.model import arithmetic


@pytest.fixture(params=[torch.bfloat16, torch.float32], ids=["a processor with bf16", "one without"])
def multiplies_in(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> torch.dtype:
    able = {"avx512_bf16": request.param == torch.bfloat16}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: able)
    return request.param


def test_products_in_the_processors_type_over_fp32_weights(multiplies_in: torch.dtype) -> None:
    layer = torch.nn.Linear(4, 3)
    with arithmetic.mixed_precision():
        product = layer(torch.ones(2, 4))
        product.sum().backward()
    assert arithmetic.cpu_type() == product.dtype == multiplies_in
    assert layer.weight.dtype == torch.float32
    assert layer.weight.grad is not None
    assert layer.weight.grad.dtype == torch.float32


def test_a_step_of_the_optimizer_counts_at_once(multiplies_in: torch.dtype) -> None:
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
