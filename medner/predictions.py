"""What a model found in a test suite, beside what is there: one JSON line a text, read by every later step."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medner.exceptions import InputError
from medner.files import read_text, write_text
from medner.records import Entity


@dataclass(frozen=True)
class Prediction:
    """One text of a suite. Offsets are characters, end exclusive.

    gold: the mentions that the source annotates. predicted: all that the model found, also of labels that the source
    does not annotate. tokens: the model's own tokenisation of the raw text.
    """

    id: str
    source: str
    lang: str
    text: str
    gold: tuple[Entity, ...]
    predicted: tuple[Entity, ...]
    tokens: tuple[tuple[int, int], ...]


def write_predictions(path: Path, predictions: Iterable[Prediction]) -> None:
    """Write predictions as JSON lines. Raises InputError where the file cannot be written."""
    write_text(path, "".join(json.dumps(vars(p), ensure_ascii=False) + "\n" for p in predictions))


def read_predictions(path: Path) -> list[Prediction]:
    """The predictions of one model on one suite, in the suite's order. Raises InputError naming a malformed line."""
    found = []
    for number, line in enumerate(read_text(path).removesuffix("\n").split("\n"), start=1):
        try:
            found.append(_prediction(json.loads(line)))
        except (ValueError, KeyError, TypeError) as error:
            what = f"is no prediction ({' '.join(str(error).split())})"
            raise InputError(what, path=path, place=f"line {number}", remedy="Run the evaluate step again") from None
    return found


def _prediction(item: dict[str, Any]) -> Prediction:
    gold, predicted = (
        tuple(Entity(int(start), int(end), str(label)) for start, end, label in item[side])
        for side in ("gold", "predicted")
    )
    tokens = tuple((int(start), int(end)) for start, end in item["tokens"])
    text = item["text"]
    if any(not 0 <= start < end <= len(text) for start, end, *_ in (*gold, *predicted, *tokens)):
        raise ValueError("a span is empty or out of range")
    return Prediction(
        **{k: str(item[k]) for k in ("id", "source", "lang")}, text=text, gold=gold, predicted=predicted, tokens=tokens
    )
