"""Words per second on one core: `nlp.pipe` of a saved pipeline, `medner.load`, and ONNX Runtime for the encoder.

Sentences of several test sources, mixed; every way in turn, several times, in one process with one core. Words are
split at spaces. Processor time counts, so that other work on the machine matters little. Also: how many texts have
other entities than `nlp.pipe` finds, and F1 (strict, of the labels that a source annotates).

ONNX Runtime runs the encoder alone, inside `medner.load`: the tokenizer, the batches and the head are the same. (The
head of `ner` is no graph that could be exported.) `--bert` measures an encoder of mBERT's size (12 layers of 768) with
random weights and the head of configs/bio.cfg.

Example: taskset -c 1 python benchmarks/annotation.py training/exp3/model-best corpus/ronec corpus/simonero corpus/e3c
"""

from __future__ import annotations

import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import spacy
import torch
import typer
from encoders import large_bert, pipeline
from onnx_encoder import use_onnx_runtime
from spacy.language import Language

import medner
from medner.annotation.engine import annotate_texts, entities_of
from medner.annotation.entities import Entity
from medner.command_line import step
from medner.data.docbins import read_docbin
from medner.data.records import Record
from medner.model.arithmetic import cpu_arithmetic

Found = list[list[Entity]]
BASE = "spacy"  # what the others are compared with
WAYS = (BASE, "spacy-2", "medner", "medner-int8", "onnx", "onnx-int8")
WAYS_HELP = f"Ways to measure, with commas: {', '.join(WAYS)} (spacy-2: with two threads)."


def f1(records: Sequence[Record], found: Found, annotated: dict[str, list[str]]) -> float:
    right = gold = predicted = 0
    for record, entities in zip(records, found, strict=True):
        labels = annotated[record.meta["source"]]
        ours = {entity[:3] for entity in entities if entity.label in labels}
        theirs = {tuple(entity) for entity in record.entities}
        right, gold, predicted = right + len(ours & theirs), gold + len(theirs), predicted + len(ours)
    return 2 * right / (gold + predicted) if gold + predicted else 0.0


def bert(model: Path, corpus: Path, folder: Path) -> Path:
    """A pipeline with a BERT of mBERT's size, random weights, and another pipeline's tokenizer."""
    spacy.load(model).get_pipe("transformer").model.tokenizer.save_pretrained(folder / "tokenizer")  # type: ignore[attr-defined]
    nlp = pipeline("bio", large_bert(folder / "encoder", folder / "tokenizer"), corpus)
    nlp.to_disk(folder / "bert")
    return folder / "bert"


def one_thread(nlp: Language, texts: Sequence[str]) -> Found:
    return [entities_of(doc) for doc in nlp.pipe(texts)]


def two_threads(nlp: Language, texts: Sequence[str]) -> Found:
    torch.set_num_threads(2)
    try:
        return one_thread(nlp, texts)
    finally:
        torch.set_num_threads(1)


def load(way: str, model: Path, folder: Path) -> Callable[[Sequence[str]], Found]:
    """The function that finds entities."""
    if way in (BASE, "spacy-2"):
        plain = spacy.load(model)
        torch.set_num_threads(1)
        return lambda texts: (one_thread if way == BASE else two_threads)(plain, texts)
    fast = medner.load(model, arithmetic="int8" if way == "medner-int8" else "auto")
    if way.startswith("onnx"):
        fast = use_onnx_runtime(fast, folder, int8=way.endswith("int8"))
    return lambda texts: annotate_texts(fast, texts)


@step
def main(
    model: Annotated[Path, typer.Argument(help="A saved pipeline.")],
    sources: Annotated[list[Path], typer.Argument(help="Folders with a test.spacy of the corpus step.")],
    sentences: Annotated[int, typer.Option(help="Of every source.")] = 150,
    rounds: Annotated[int, typer.Option(help="Counted rounds of each way.")] = 3,
    only: Annotated[str, typer.Option(help=WAYS_HELP)] = ",".join(WAYS),
    with_bert: Annotated[bool, typer.Option("--bert", help="With an encoder of mBERT's size, random weights.")] = False,
) -> None:
    """Print a line for every way."""
    manifest = json.loads((sources[0].parent / "manifest.json").read_text())["sources"]
    annotated = {name: about["annotated"] for name, about in manifest.items()}
    records: list[Record] = []
    for folder in sources:
        own = read_docbin(folder / "test.spacy", spacy.blank("xx"))
        records += random.Random(0).sample(own, min(sentences, len(own)))
    random.Random(0).shuffle(records)
    texts = [record.text for record in records]
    words = sum(len(text.split()) for text in texts)

    names = [BASE, *(way for way in WAYS[1:] if way in only.split(","))]
    with tempfile.TemporaryDirectory() as work:
        if with_bert:
            model = bert(model, sources[0] / "test.spacy", Path(work))
        ways = {name: load(name, model, Path(work)) for name in names}
    found = {name: way(texts) for name, way in ways.items()}  # warm up
    times: dict[str, list[float]] = {name: [] for name in names}
    elapsed: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for name, way in ways.items():
            start, wall = time.process_time(), time.perf_counter()
            way(texts)
            times[name].append(time.process_time() - start)
            elapsed[name].append(time.perf_counter() - wall)
    base = statistics.median(times[BASE])
    print(f"{len(texts):,} sentences, {words:,} words, median of {rounds} rounds, medner in {cpu_arithmetic()}")
    for name in names:
        middle = statistics.median(times[name])
        other = sum(a != b for a, b in zip(found[name], found[BASE], strict=True))
        score = "" if with_bert else f"F1 {f1(records, found[name], annotated):.4f}, "
        print(
            f"{name:12} {words / middle:8,.0f} words/s of processor time ({base / middle:.2f} x), "
            f"{words / statistics.median(elapsed[name]):8,.0f} elapsed, {score}{other} texts differ"
        )


if __name__ == "__main__":
    typer.run(main)
