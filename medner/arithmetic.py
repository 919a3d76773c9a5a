"""What numbers a transformer is computed with: bf16 where the hardware multiplies it, else fp32."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch


def cpu_type() -> torch.dtype:
    """The type to multiply matrices in on this processor."""
    able = torch.cpu.get_capabilities()
    return torch.bfloat16 if able.get("avx512_bf16") or able.get("amx_bf16") else torch.float32


def mixed_precision() -> AbstractContextManager[object]:
    """A context in which transformers on the CPU multiply in ``cpu_type()``; weights and results stay fp32.

    The cache of autocast is off: it would keep the first step's weights for as long as the context lasts.
    """
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=cpu_type() == torch.bfloat16, cache_enabled=False)
