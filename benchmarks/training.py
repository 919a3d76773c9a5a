"""What each measure of the train step saves: a pass over training sentences and an evaluation, with and without it.

The pipeline is exp3's, with the compact encoder, on sentences drawn from its training corpus (of the `corpus` step), in
this process, in turn. Where bf16 is not faster than fp32 (medner/model/arithmetic.py), the measures on mixed precision
and on attention make no difference; MEDNER_ARITHMETIC=bf16 times them all the same. Without glibc, the one on freed
memory makes none.

Example: python benchmarks/training.py --sentences 480 --rounds 3
"""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from encoders import pipeline, seconds
from spacy.schemas import ConfigSchemaTraining
from spacy.tokens import DocBin
from spacy.training import Example
from spacy.util import registry
from thinc.api import Adam, Optimizer
from torch.nn.attention import SDPBackend, sdpa_kernel

from medner.command_line import ROOT
from medner.data.docbins import parse_docbin
from medner.data.tokenizer import blank
from medner.files import read_bytes
from medner.model import training
from medner.model.arithmetic import cpu_arithmetic, mixed_precision


@contextmanager
def fused_attention() -> Iterator[None]:
    """The train step's arithmetic, but for attention."""
    with mixed_precision(), sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]):
        yield


@contextmanager
def from_a_megabyte() -> Iterator[None]:
    """The train step's arithmetic, with freed blocks given back from 1 MB on."""
    usual, training.LARGE = training.LARGE, 1 << 20
    training.give_memory_back()
    try:
        with mixed_precision():
            yield
    finally:
        training.LARGE = usual
        training.give_memory_back()


def main(
    train: Annotated[Path, typer.Option(help="Training corpus.")] = ROOT / "corpus/exp3/train.spacy",
    sentences: Annotated[int, typer.Option(help="Sentences that are drawn from it.")] = 480,
    rounds: Annotated[int, typer.Option(help="Counted rounds of each side.")] = 3,
) -> None:
    """Print seconds and the ratio to the train step as it is."""
    everything = list(parse_docbin(read_bytes(train), train).get_docs(blank().vocab))
    docs = random.Random(0).sample(everything, min(sentences, len(everything)))
    training.give_memory_back()
    with tempfile.TemporaryDirectory() as temporary:
        corpus = Path(temporary) / "corpus.spacy"
        DocBin(docs=docs).to_disk(corpus)
        nlp = pipeline("transformer", ROOT / "assets/encoder", corpus)
    settings = registry.resolve(nlp.config.interpolate()["training"], schema=ConfigSchemaTraining)
    unsorted = registry.batchers.get("spacy.batch_by_sequence.v1")(size=nlp.config["training"]["batcher"]["size"])

    def examples() -> list[Example]:
        return [Example(nlp.make_doc(doc.text), doc) for doc in docs]

    def learn(batcher: Callable[[list[Example]], Iterator[list[Example]]], optimizer: Optimizer) -> None:
        for batch in batcher(examples()):
            nlp.update(batch, sgd=optimizer, drop=settings["dropout"])

    def evaluate() -> None:
        nlp.evaluate(examples())

    own = settings["optimizer"]
    thincs = Adam(own.learn_rate, L2=own.L2, beta2=own.b2, grad_clip=own.grad_clip, L2_is_weight_decay=True)
    sides: dict[str, tuple[Callable[[], AbstractContextManager[None]], Any, Optimizer]] = {
        "as the train step does": (mixed_precision, settings["batcher"], own),
        "thinc's optimizer": (mixed_precision, settings["batcher"], thincs),
        "batches in the order of the sentences": (mixed_precision, unsorted, own),
        "fused attention": (fused_attention, settings["batcher"], own),
        "freed blocks given back from 1 MB on": (from_a_megabyte, settings["batcher"], own),
        "fp32": (nullcontext, settings["batcher"], own),
    }
    words = sum(map(len, docs))
    print(f"{len(docs)} sentences, {words:,} words; torch {torch.__version__}, {torch.get_num_threads()} threads, "
          f"{cpu_arithmetic()}, {os.cpu_count()} processors")  # fmt: skip
    passes, evaluations = {}, {}
    for name, (arithmetic, batcher, optimizer) in sides.items():
        with arithmetic():
            passes[name] = seconds(partial(learn, batcher, optimizer), rounds)
    # Afterwards: what a pipeline finds, and so its time, changes as it learns.
    for name, (arithmetic, *_) in sides.items():
        with arithmetic():
            evaluations[name] = seconds(evaluate, rounds)
    first = next(iter(sides))
    for name in sides:
        shown = (f"{what} {took[name]:.1f} s ({took[name] / took[first]:.2f}×)" for what, took in
                 (("pass", passes), ("evaluation", evaluations)))  # fmt: skip
        print(f"{name:38}", *shown, sep="  ")


if __name__ == "__main__":
    typer.run(main)
