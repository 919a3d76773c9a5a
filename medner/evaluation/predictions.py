"""What a model found in a test suite: saved once, so that all scores are computed from it without the model.

``<suite>.predictions.jsonl`` has one line per text, in the suite's order. Every suite has its file, also one that joins
sources with suites of their own: a file can be read without the study.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from medner.data.records import Entity, Record, check_entities
from medner.exceptions import InputError
from medner.files import read_text, write_text

SUFFIX = ".predictions.jsonl"


@dataclass(frozen=True)
class Prediction:
    """One text with the mentions of the gold standard and those of a model; offsets in characters, end exclusive."""

    id: str
    source: str
    lang: str
    text: str
    gold: tuple[Entity, ...]  # only labels that the source annotates
    predicted: tuple[Entity, ...]  # all labels; scoring leaves out what the source does not annotate
    tokens: tuple[tuple[int, int], ...]  # the model's own tokens of the raw text
    confidence: tuple[float, ...] | None = None  # probability of each predicted mention, from a model that gives one

    def surface(self, entity: Entity) -> str:
        """The surface form of one of the text's mentions."""
        return self.text[entity.start : entity.end]


def units(predictions: Iterable[Prediction], documents: Mapping[str, str | bool]) -> list[list[Prediction]]:
    """The predictions in groups that are independent samples: each alone, or all of one document.

    documents: by source, a regular expression that finds the document at the start of a text's id, or False where
    every text stands alone.
    """
    groups: dict[tuple[str, str | int], list[Prediction]] = {}
    for number, one in enumerate(predictions):
        pattern = documents.get(one.source)
        unit = found[0] if isinstance(pattern, str) and (found := re.match(pattern, one.id)) else number
        groups.setdefault((one.source, unit), []).append(one)
    return list(groups.values())


_FORMAT = TypeAdapter(Prediction)


def write_predictions(path: Path, predictions: Iterable[Prediction]) -> None:
    """Write predictions as JSON Lines, whole or not at all."""
    write_text(path, "".join(_FORMAT.dump_json(one, exclude_none=True).decode() + "\n" for one in predictions))


def read_predictions(path: Path) -> list[Prediction]:
    """The predictions of one file of :func:`write_predictions`.

    Raises InputError naming the line for broken JSON, missing or mistyped fields, impossible spans, and for a second
    text of the same source with the same id.
    """
    remedy = "Evaluate again: the file is written by the evaluate step"
    predictions: list[Prediction] = []
    seen: set[tuple[str, str]] = set()
    for number, line in enumerate(read_text(path).split("\n"), start=1):  # not splitlines(): a text may hold U+2028
        if not line.strip():
            continue
        place = f"line {number}"
        try:
            one = _FORMAT.validate_json(line, strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            what = ": ".join(part for part in (".".join(map(str, first["loc"])), first["msg"]) if part)
            raise InputError(what, path=path, place=place, remedy=remedy) from None
        for entities, trimmed in ((one.gold, True), (one.predicted, False)):
            check_entities(Record(one.id, one.lang, one.text, entities), path, place, trimmed=trimmed)
        if any(not 0 <= start < end <= len(one.text) for start, end in one.tokens):
            raise InputError("a token is empty or out of range", path=path, place=place, remedy=remedy)
        if one.confidence is not None and not _are_probabilities(one.confidence, len(one.predicted)):
            what = "confidence is not one number from 0 to 1 for each predicted mention"
            raise InputError(what, path=path, place=place, remedy=remedy)
        if (one.source, one.id) in seen:
            what = f"{one.source} has a second text with the id {json.dumps(one.id)}"
            raise InputError(what, path=path, place=place, remedy=remedy)
        seen.add((one.source, one.id))
        predictions.append(one)
    if not predictions:
        raise InputError("holds no predictions", path=path, remedy=remedy)
    return predictions


def _are_probabilities(values: tuple[float, ...], number: int) -> bool:
    return len(values) == number and all(0 <= value <= 1 for value in values)


def prediction_files(metrics: Path, experiments: Iterable[str], suites: Iterable[str]) -> dict[str, dict[str, Path]]:
    """The predictions below a metrics folder, by experiment and suite; without experiments that have none."""
    suites = list(suites)
    found = {
        name: {suite: path for suite in suites if (path := metrics / name / f"{suite}{SUFFIX}").is_file()}
        for name in experiments
    }
    return {name: own for name, own in found.items() if own}
