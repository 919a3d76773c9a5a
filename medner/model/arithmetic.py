"""What a pipeline computes with: the GPU that was asked for, or the CPU, in bf16 where that is faster than fp32."""

from __future__ import annotations

import functools
import os
import statistics
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from time import perf_counter
from typing import Any

import torch
from thinc.api import require_gpu
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.module import register_module_forward_hook

from medner.exceptions import InputError

VARIABLE = "MEDNER_ARITHMETIC"  # environment variable that decides instead of the measurement
TYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}
FASTER = 1.2  # a product in bf16 must be so many times as fast as in fp32
SHAPE = (512, 768, 768)  # rows, inner dimension, columns: a small batch through a layer of BERT-base, a few ms in fp32
ROUNDS = 5


def choose_processor(gpu: int) -> None:
    """The option --gpu: have spaCy compute on that GPU, -1 for the CPU. Raises InputError where it cannot."""
    if gpu < 0:
        return
    try:
        require_gpu(gpu)
    except ValueError as error:
        remedy = "Give -1 for the CPU, or install CuPy for CUDA 13: pip install -e '.[gpu]'"
        raise InputError(f"--gpu is {gpu}: {error}", remedy=remedy) from None


@functools.cache
def cpu_type() -> torch.dtype:
    """The type to multiply matrices in on this processor; measured once per process.

    A processor can have instructions for bf16 and multiply slower with them: with AVX512_BF16 alone, oneDNN reached
    84 GFLOP/s in bf16 and 154 in fp32 on one machine. MEDNER_ARITHMETIC (bf16 or fp32) decides instead, so that a run
    can be repeated with the same arithmetic on another machine. Raises InputError for another value of it.
    """
    if chosen := os.environ.get(VARIABLE):
        if chosen not in TYPES:
            raise InputError(f"{VARIABLE} is {chosen!r}", remedy=f"Set it to {' or '.join(TYPES)}, or unset it")
        return TYPES[chosen]
    able = torch.cpu.get_capabilities()
    if not (able.get("avx512_bf16") or able.get("amx_bf16")):
        return torch.float32
    fast = seconds_per_product(torch.bfloat16) * FASTER <= seconds_per_product(torch.float32)
    return torch.bfloat16 if fast else torch.float32


def cpu_arithmetic() -> str:
    """:func:`cpu_type` as provenance and MEDNER_ARITHMETIC call it: ``bf16`` or ``fp32``."""
    return next(name for name, number in TYPES.items() if number == cpu_type())


def seconds_per_product(number: torch.dtype) -> float:
    """Median time of a matrix product of :data:`SHAPE` on one thread, after one that is not counted."""
    rows, inner, columns = SHAPE
    left, right = torch.ones(rows, inner, dtype=number), torch.ones(inner, columns, dtype=number)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        times = []
        for _ in range(1 + ROUNDS):
            start = perf_counter()
            torch.mm(left, right)
            times.append(perf_counter() - start)
    finally:
        torch.set_num_threads(threads)
    return statistics.median(times[1:])


@contextmanager
def mixed_precision(*, training: bool = True) -> Iterator[None]:
    """A context in which transformers on the CPU multiply in ``cpu_type()``; weights and what models return stay fp32.

    training: whether weights change within the context. Then autocast must not keep what it made of the first step's
    weights, and attention is computed as plain products: on sentences, the gradient of PyTorch's fused attention takes
    longer (``benchmarks/training.py``).
    """
    hook = register_module_forward_hook(_return_fp32)
    bf16 = cpu_type() == torch.bfloat16
    try:
        with (
            torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16, cache_enabled=not training),
            sdpa_kernel(SDPBackend.MATH) if bf16 and training else nullcontext(),
        ):
            yield
    finally:
        hook.remove()


def _return_fp32(module: torch.nn.Module, inputs: Any, output: Any) -> None:
    """Return a Hugging Face model's output, a mapping, in fp32: spaCy makes NumPy arrays of it, which have no bf16."""
    if isinstance(output, dict):
        for name, value in output.items():
            if isinstance(value, torch.Tensor) and value.dtype == torch.bfloat16:
                output[name] = value.float()
