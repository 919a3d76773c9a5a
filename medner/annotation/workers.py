"""Processes that annotate: one a core, with one thread each."""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from medner.annotation.entities import About, Arithmetic, Entity
from medner.exceptions import InputError

AHEAD = 2  # chunks a process that are read before they are needed

Chunks = Iterable[list[str]]
Found = Iterator[list[list[Entity]]]


@dataclass(frozen=True)
class Workers:
    """Processes that have loaded a pipeline. find: entities of every text of every chunk, in order."""

    about: About
    find: Callable[[Chunks], Found]


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def start_workers(model: str, arithmetic: Arithmetic, processes: int, expected: int) -> Iterator[Workers]:
    """Load a pipeline in ``processes`` processes; with one, in this process. Raises InputError where that fails.

    expected: chunks, at least one. As many processes start at once; the others, when there is work for them.
    """
    annotate, about = partial(_annotate, model, arithmetic), partial(_about, model, arithmetic)
    if processes == 1:
        yield Workers(about(), lambda chunks: map(annotate, chunks))
        return
    context = multiprocessing.get_context("spawn")  # a fork of a process that has used PyTorch's threads can hang
    pool = ProcessPoolExecutor(processes, context, initializer=_end_with_parent)
    try:
        with _explained():
            loaded = [pool.submit(about) for _ in range(min(processes, expected))]  # each starts a process
            yield Workers(loaded[0].result(), lambda chunks: _in_order(pool, annotate, chunks, processes))
    finally:
        pool.shutdown(cancel_futures=True)


def _in_order(
    pool: ProcessPoolExecutor, annotate: Callable[[list[str]], list[list[Entity]]], chunks: Chunks, processes: int
) -> Found:
    waiting: deque[Future[list[list[Entity]]]] = deque()
    for chunk in chunks:
        waiting.append(pool.submit(annotate, chunk))
        if len(waiting) > AHEAD * processes:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except BrokenProcessPool:
        remedy = "It may have run out of memory: add --resume, and --processes with a smaller number"
        raise InputError("a process that annotates has died", remedy=remedy) from None


# --- In the processes -------------------------------------------------------------------------------------------------


def _end_with_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
    parent = multiprocessing.parent_process()
    if parent is not None:

        def wait() -> None:
            parent.join()
            os._exit(1)  # the parent was killed: nobody needs the results

        threading.Thread(target=wait, daemon=True).start()


@functools.cache
def _loaded(model: str, arithmetic: Arithmetic) -> Any:
    from medner.annotation.engine import load  # noqa: PLC0415 - slow to import, and not needed in the parent

    return load(model, arithmetic=arithmetic)


def _annotate(model: str, arithmetic: Arithmetic, texts: list[str]) -> list[list[Entity]]:
    from medner.annotation.engine import annotate_texts  # noqa: PLC0415

    return annotate_texts(_loaded(model, arithmetic), texts)


def _about(model: str, arithmetic: Arithmetic) -> About:
    from medner.annotation.engine import about  # noqa: PLC0415

    return about(_loaded(model, arithmetic))
