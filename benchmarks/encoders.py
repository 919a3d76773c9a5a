"""Words per second of training and of annotation: compact encoder (``ner`` and BIO tags), CNN, a BERT of mBERT's size.

All are spaCy pipelines with this project's configs and tokenizer, on the same sentences, in this process, in
turn. Training is timed as the train step does it, in mixed precision where bf16 is faster (medner/model/arithmetic.py),
and in fp32. The large BERT has random weights, which does not change its speed, and the compact encoder's tokenizer.

Example: python benchmarks/encoders.py --sentences 160 --rounds 3
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from spacy.language import Language
from spacy.schemas import ConfigSchemaTraining
from spacy.tokens import DocBin
from spacy.training import Example
from spacy.util import load_config, load_model_from_config, registry
from thinc.api import fix_random_seed
from transformers import AutoTokenizer, BertConfig, BertModel

from medner.command_line import ROOT
from medner.data.readers.synthetic import read_synthetic
from medner.data.records import Tally
from medner.data.tokenizer import blank, reference_doc
from medner.model.arithmetic import cpu_arithmetic, mixed_precision


def large_bert(folder: Path, tokenizer: Path) -> Path:
    """An encoder folder with the layers of BERT-base (12 × 768)."""
    pieces = AutoTokenizer.from_pretrained(tokenizer, use_fast=True, trust_remote_code=False)
    BertModel(BertConfig(vocab_size=len(pieces))).save_pretrained(folder)
    pieces.save_pretrained(folder)
    return folder


def pipeline(config: str, encoder: Path | None, corpus: Path) -> Language:
    """A pipeline of one of the configs, initialised for the labels of a DocBin file."""
    overrides = {"paths.train": str(corpus), "paths.dev": str(corpus), "paths.log": ""}
    if encoder:
        overrides["paths.encoder"] = str(encoder)
    raw = load_config(ROOT / "configs" / f"{config}.cfg", overrides=overrides)
    fix_random_seed(0)
    nlp = load_model_from_config(raw, auto_fill=True)
    docs = list(DocBin(store_user_data=True).from_disk(corpus).get_docs(nlp.vocab))
    nlp.initialize(lambda: [Example(nlp.make_doc(doc.text), doc) for doc in docs])
    return nlp


def seconds(work: Callable[[], None], rounds: int) -> float:
    work()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main(
    encoder: Annotated[Path, typer.Option(help="The compact encoder.")] = ROOT / "assets/encoder",
    sentences: Annotated[int, typer.Option(help="Sentences of the synthetic test sets, half of each language.")] = 160,
    rounds: Annotated[int, typer.Option(help="Counted rounds of each side.")] = 3,
    bert: Annotated[bool, typer.Option(help="With the large BERT, which takes most of the time.")] = True,
) -> None:
    """Print words/s of all and their ratios to the compact encoder with ner."""
    records = [
        record
        for lang in ("ro", "fr")
        for record in list(read_synthetic(ROOT / f"assets/synthetic/{lang}/test.jsonl", Tally()))[: sentences // 2]
    ]
    docs = [reference_doc(blank(), record)[0] for record in records]
    words = sum(len(doc) for doc in docs)
    speeds = {}
    with tempfile.TemporaryDirectory() as temporary:
        corpus = Path(temporary) / "corpus.spacy"
        DocBin(docs=docs).to_disk(corpus)
        sides = {
            "compact encoder": ("transformer", encoder),
            "the same with BIO tags": ("bio", encoder),
            "CNN": ("cnn", None),
        }
        if bert:
            sides["BERT-base layout"] = ("transformer", large_bert(Path(temporary) / "bert", encoder))
        for name, (config, folder) in sides.items():
            nlp = pipeline(config, folder, corpus)
            settings = registry.resolve(nlp.config.interpolate()["training"], schema=ConfigSchemaTraining)

            def train_fp32(nlp: Language = nlp, settings: dict[str, Any] = settings) -> None:
                for batch in settings["batcher"]([Example(nlp.make_doc(doc.text), doc) for doc in docs]):
                    nlp.update(batch, sgd=settings["optimizer"], drop=0.1)

            def train(train_fp32: Callable[[], None] = train_fp32) -> None:
                with mixed_precision():
                    train_fp32()

            def annotate(nlp: Language = nlp) -> None:
                for _ in nlp.pipe(doc.text for doc in docs):
                    pass

            speeds[name] = [words / seconds(work, rounds) for work in (train, train_fp32, annotate)]
    threads, numbers = torch.get_num_threads(), cpu_arithmetic()
    print(f"{len(docs)} sentences, {words:,} words; torch {torch.__version__}, {threads} threads, {numbers}")
    columns = ("training", "training in fp32", "annotation")
    for name, found in speeds.items():
        ratios = zip(columns, found, speeds["compact encoder"], strict=True)
        shown = (f"{column} {speed:,.0f} words/s ({speed / first:.2f}×)" for column, speed, first in ratios)
        print(f"{name:22}", *shown, sep="  ")


if __name__ == "__main__":
    typer.run(main)
