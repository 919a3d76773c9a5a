"""What numbers a transformer is computed with: bf16 where the hardware multiplies it, else fp32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.module import register_module_forward_hook


def cpu_type() -> torch.dtype:
    """The type to multiply matrices in on this processor."""
    able = torch.cpu.get_capabilities()
    return torch.bfloat16 if able.get("avx512_bf16") or able.get("amx_bf16") else torch.float32


@contextmanager
def mixed_precision() -> Iterator[None]:
    """A context in which transformers on the CPU multiply in ``cpu_type()``; weights and what models return stay fp32.

    The cache of autocast is off: it would keep the first step's weights for as long as the context lasts. Attention is
    plain products: on sentences, the gradient of PyTorch's fused one takes longer (``benchmarks/training.py``).
    """
    hook = register_module_forward_hook(_return_fp32)
    bf16 = cpu_type() == torch.bfloat16
    try:
        with (
            torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16, cache_enabled=False),
            sdpa_kernel(SDPBackend.MATH) if bf16 else nullcontext(),
        ):
            yield
    finally:
        hook.remove()


def _return_fp32(module: torch.nn.Module, inputs: Any, output: Any) -> None:
    """For the output of a whole Hugging Face model, a mapping; spaCy makes NumPy arrays of it, which have no bf16."""
    if isinstance(output, dict):
        for name, value in output.items():
            if isinstance(value, torch.Tensor) and value.dtype == torch.bfloat16:
                output[name] = value.float()
