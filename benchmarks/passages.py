"""What a pipeline, which learnt from sentences, loses on longer texts: F1 on test sentences one by one, and joined.

The same sentences each time, in an order drawn once, joined by a space or a line break. Labels that a suite does not
annotate count neither way.

Example: python benchmarks/passages.py training/exp3/model-best --sentences 300
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import spacy
import typer
from spacy.language import Language

from medner.command_line import ROOT
from medner.data.docbins import read_docbin
from medner.data.records import Entity, Record
from medner.evaluation.predictions import Prediction
from medner.evaluation.scores import count, total

WAYS = ((1, ""), (5, " "), (5, "\n"), (20, " "), (20, "\n"))  # sentences in a text, what stands between


def joined(records: Sequence[Record], separator: str) -> tuple[str, list[Entity]]:
    """One text of many, and the gold mentions in it."""
    text, gold = "", []
    for record in records:
        start = len(text) + len(separator) * bool(text)
        text += separator * bool(text) + record.text
        gold += [Entity(e.start + start, e.end + start, e.label) for e in record.entities]
    return text, gold


def f1(nlp: Language, records: Sequence[Record], annotated: Sequence[str], size: int, separator: str) -> float:
    """Micro-F1 where ``size`` sentences at a time are one text."""
    texts = [joined(records[at : at + size], separator) for at in range(0, len(records), size)]
    counted = []
    for (text, gold), doc in zip(texts, nlp.pipe(text for text, _ in texts), strict=True):
        found = tuple(Entity(e.start_char, e.end_char, e.label_) for e in doc.ents)
        one = Prediction(id="", source="", lang="", text=text, gold=tuple(gold), predicted=found, tokens=())
        counted.append(total(count(one, annotated).values()))
    return total(counted).f1


def main(
    model: Annotated[Path, typer.Argument(help="A trained pipeline.")],
    corpus: Annotated[Path, typer.Option(help="Folder of the corpus step.")] = ROOT / "corpus",
    sentences: Annotated[int, typer.Option(min=20, help="At most so many of each suite.")] = 300,
) -> None:
    """Print a table: a row per suite, a column per way to join."""
    nlp = spacy.load(model)
    sources = json.loads((corpus / "manifest.json").read_text(encoding="utf-8"))["sources"]
    print(
        "| source | " + " | ".join(f"{size} by {separator!r}" if separator else "1" for size, separator in WAYS) + " |"
    )
    print("| --- |" + " ---: |" * len(WAYS))
    for source, about in sources.items():
        path = corpus / source / "test.spacy"
        if path.is_file():
            records = read_docbin(path, nlp)
            order = np.random.default_rng(0).permutation(len(records))[:sentences]
            drawn = [records[at] for at in order]
            cells = [f"{f1(nlp, drawn, about['annotated'], *way):.3f}" for way in WAYS]
            print(f"| {source} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    typer.run(main)
