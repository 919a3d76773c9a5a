"""The study's table in words and numbers, with what it was made from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import srsly

from medner.exceptions import InputError
from medner.files import read_text
from medner.scoring import CONFIDENCE, scores_table


def load_results(metrics: Path, experiments: Iterable[str]) -> dict[str, Any]:
    """``scores.json`` of every experiment that has been evaluated. Raises InputError if none has or one is damaged."""
    paths = {name: metrics / name / "scores.json" for name in experiments}
    try:
        results = {name: srsly.json_loads(read_text(path)) for name, path in paths.items() if path.is_file()}
    except ValueError as error:
        raise InputError(f"holds a damaged scores.json ({error})", path=metrics, remedy="Evaluate again") from None
    if not results:
        raise InputError("no evaluated experiment", path=metrics, remedy="Run an evaluate step first")
    return results


def insert(document: str, name: str, text: str, path: Path) -> str:
    """The document with ``text`` between the comments ``<!-- NAME: start -->`` and ``<!-- NAME: end -->``.

    Raises InputError if the document at ``path`` does not have them.
    """
    start, end = (f"<!-- {name}: {edge} -->" for edge in ("start", "end"))
    found = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
    if not found.search(document):
        raise InputError(f"has no place for {name}", path=path, remedy=f"Add the comments {start} and {end}")
    return found.sub(lambda _: f"{start}\n{text.strip()}\n{end}", document)


def summarise(results: Mapping[str, Mapping[str, Any]], suites: Iterable[str]) -> str:
    """Markdown: the table of all experiments and suites, then encoder, data, epochs and seed of each.

    results: ``scores.json`` of each experiment, in the order of the table's rows.
    """
    table = scores_table({name: result["suites"] for name, result in results.items()}, suites)
    lines = [
        "Precision / recall / **F1** (micro-averaged, exact span and label) with the "
        f"{CONFIDENCE:.0%} bootstrap interval of F1",
        "over test sentences. A suite counts only the labels that it annotates.",
        "",
        table,
    ]
    encoders = {name: _encoder(result["provenance"]["encoder"]) for name, result in results.items()}
    for encoder in dict.fromkeys(encoders.values()):
        lines.append(f"- Encoder: {encoder}" + _users(encoder, encoders))
    notes = {name: about for result in results.values() for name, about in result["test"].items()}
    for name, about in notes.items():
        lines.append(f"- {name}: {'STAND-IN: ' if about['stand_in'] else ''}{about['note']}")
    skipped = {suite: reason for result in results.values() for suite, reason in result.get("skipped", {}).items()}
    lines += [f"- {suite}: SKIPPED, {reason}" for suite, reason in skipped.items()]
    for name, result in results.items():
        p = result["provenance"]
        lines.append(
            f"- {name}: {p['documents']:,} sentences, {p['epochs']} epochs, seed {p['seed']}, persons: {p['persons']}"
        )
    return "\n".join(lines) + "\n"


def _encoder(about: Mapping[str, Any]) -> str:
    state = ", UNTRAINED weights: these scores are a floor, no result" if about["untrained"] else ""
    return f"{about['name']}, revision {about['revision']}, {about['parameters']:,} parameters{state}"


def _users(encoder: str, encoders: Mapping[str, str]) -> str:
    users = [name for name, other in encoders.items() if other == encoder]
    return "" if len(users) == len(encoders) else f" ({', '.join(users)})"
