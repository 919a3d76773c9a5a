"""Words per second on one core: `nlp.pipe` of a saved pipeline as it is, with one thread, and of `medner.load`.

Sentences of several test sources, mixed; every way in turn, several times, in one process with one core. Words are
split at spaces. Processor time counts, so that other work on the machine matters little. Also: how many texts have
other entities than `nlp.pipe` finds, and F1 (strict, of the labels that a source annotates).

Example: taskset -c 1 python benchmarks/annotation.py training/exp3/model-best corpus/ronec corpus/simonero corpus/e3c
"""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import spacy
import torch
import typer

import medner
from medner.annotation.engine import annotate_texts, entities_of
from medner.annotation.entities import Entity
from medner.data.docbins import read_docbin
from medner.data.records import Record
from medner.model.arithmetic import cpu_arithmetic

Found = list[list[Entity]]


def f1(records: Sequence[Record], found: Found, annotated: dict[str, list[str]]) -> float:
    right = gold = predicted = 0
    for record, entities in zip(records, found, strict=True):
        labels = annotated[record.meta["source"]]
        ours = {entity[:3] for entity in entities if entity.label in labels}
        theirs = {tuple(entity) for entity in record.entities}
        right, gold, predicted = right + len(ours & theirs), gold + len(theirs), predicted + len(ours)
    return 2 * right / (gold + predicted) if gold + predicted else 0.0


def main(
    model: Annotated[Path, typer.Argument(help="A saved pipeline.")],
    sources: Annotated[list[Path], typer.Argument(help="Folders with a test.spacy of the corpus step.")],
    sentences: Annotated[int, typer.Option(help="Of every source.")] = 150,
    rounds: Annotated[int, typer.Option(help="Counted rounds of each way.")] = 3,
) -> None:
    """Print a line for every way."""
    plain = spacy.load(model)
    fast = medner.load(model)
    int8 = medner.load(model, arithmetic="int8")
    manifest = json.loads((sources[0].parent / "manifest.json").read_text())["sources"]
    annotated = {name: about["annotated"] for name, about in manifest.items()}
    records: list[Record] = []
    for folder in sources:
        own = read_docbin(folder / "test.spacy", plain)
        records += random.Random(0).sample(own, min(sentences, len(own)))
    random.Random(0).shuffle(records)
    texts = [record.text for record in records]
    words = sum(len(text.split()) for text in texts)

    def as_saved() -> Found:
        torch.set_num_threads(2)
        try:
            return one_thread()
        finally:
            torch.set_num_threads(1)

    def one_thread() -> Found:
        return [entities_of(doc) for doc in plain.pipe(texts)]

    ways: dict[str, Callable[[], Found]] = {
        "nlp.pipe, 2 threads": as_saved,
        "nlp.pipe, 1 thread": one_thread,
        f"medner, {cpu_arithmetic()}": lambda: annotate_texts(fast, texts),
        "medner, int8": lambda: annotate_texts(int8, texts),
    }
    found = {name: way() for name, way in ways.items()}  # warm up
    times: dict[str, list[float]] = {name: [] for name in ways}
    elapsed: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start, wall = time.process_time(), time.perf_counter()
            way()
            times[name].append(time.process_time() - start)
            elapsed[name].append(time.perf_counter() - wall)
    base = statistics.median(times["nlp.pipe, 1 thread"])
    print(f"{len(texts):,} sentences, {words:,} words, median of {rounds} rounds")
    for name in ways:
        middle = statistics.median(times[name])
        other = sum(a != b for a, b in zip(found[name], found["nlp.pipe, 1 thread"], strict=True))
        print(
            f"{name:20} {words / middle:8,.0f} words/s of processor time ({base / middle:.2f} x), "
            f"{words / statistics.median(elapsed[name]):8,.0f} elapsed, "
            f"F1 {f1(records, found[name], annotated):.4f}, {other} texts differ"
        )


if __name__ == "__main__":
    typer.run(main)
