"""The study's table in words and numbers, with what it was made from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from medner.evaluation.results import Run
from medner.evaluation.scores import CONFIDENCE, scores_table
from medner.evaluation.significance import p_text, runs_text, signed
from medner.exceptions import InputError
from medner.study import Study


def insert(document: str, name: str, text: str, path: Path) -> str:
    """The document with ``text`` between the comments ``<!-- NAME: start -->`` and ``<!-- NAME: end -->``.

    Raises InputError if the document at ``path`` does not have them.
    """
    start, end = (f"<!-- {name}: {edge} -->" for edge in ("start", "end"))
    found = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
    if not found.search(document):
        raise InputError(f"has no place for {name}", path=path, remedy=f"Add the comments {start} and {end}")
    return found.sub(lambda _: f"{start}\n{text.strip()}\n{end}", document)


def summarise(results: Mapping[str, Mapping[str, Any]], study: Study) -> str:
    """Markdown: tables of all experiments and suites, then encoder, data, epochs and seed of each.

    results: ``scores.json`` of each experiment, in the order of the rows.
    """
    scores = {name: result["suites"] for name, result in results.items()}
    suites, real = study.suites, study.group("real")
    lines = [
        "Precision / recall / **F1** (micro-averaged, exact span and label) with the "
        f"{CONFIDENCE:.0%} bootstrap interval of F1",
        "over test texts (those of a document together; none below ten). Only labels count that a suite annotates.",
        "",
        scores_table(scores, [suite for suite in suites if suite not in real]),
    ]
    if any(suite in own for suite in real for own in scores.values()):
        lines += ["Real medical text, where MEDICAL alone is annotated:", "", scores_table(scores, real)]
    lines += origins(results)
    for name, result in results.items():
        lines.append(f"- {name}: {_training(result['provenance'])}")
    return "\n".join(lines) + "\n"


def origins(results: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What results were made with, as list items: every encoder with its state, every test source with its mark."""
    encoders = {name: _encoder(result["provenance"]) for name, result in results.items()}
    return [
        *(f"- {encoder}" + _users(encoder, encoders) for encoder in dict.fromkeys(encoders.values())),
        *_notes(results, "test", lambda about: f"{'STAND-IN: ' if about['stand_in'] else ''}{about['note']}"),
        *_notes(results, "skipped", lambda reason: f"SKIPPED, {reason}"),
    ]


def _notes(results: Mapping[str, Mapping[str, Any]], key: str, say: Callable[[Any], str]) -> Iterator[str]:
    """What is said of each source or suite, and whom it is true of where experiments differ."""
    for subject in dict.fromkeys(subject for result in results.values() for subject in result.get(key, {})):
        said = {n: say(r[key][subject]) if subject in r.get(key, {}) else "" for n, r in results.items()}
        yield from (f"- {subject}: {one}{_users(one, said)}" for one in dict.fromkeys(said.values()) if one)


def seeds_table(runs: Mapping[str, Sequence[Run]], suites: Iterable[str]) -> str:
    """Markdown: mean ± standard deviation of F1 over an experiment's runs, a row per experiment, by suite.

    The standard deviation is the sample's (n − 1), and left out for a single run.
    """
    suites = [s for s in suites if any(s in run.scores["suites"] for found in runs.values() for run in found)]
    lines = ["| experiment | seeds | " + " | ".join(suites) + " |", "| --- | ---: |" + " --- |" * len(suites)]
    for name, found in runs.items():
        cells = [_spread([r.scores["suites"][s]["f1"] for r in found if s in r.scores["suites"]]) for s in suites]
        lines.append(f"| {name} | {len(found)} | " + " | ".join(cells) + " |")
    return "F1 over seeds, mean ± standard deviation:\n\n" + "\n".join(lines) + "\n"


def differences_table(comparisons: Sequence[Mapping[str, Any]], suites: Iterable[str]) -> str:
    """Markdown: the steps of the ladder against each other, the last against the references, a row per suite; or "".

    comparisons: what :func:`compare_experiments` found, of which the other families are left out.
    """
    shown = [one for one in comparisons if one["family"] in ("steps", "references")]
    found = {(one["suite"], one["before"], one["after"]): one for one in shown}
    pairs = list(dict.fromkeys(key[1:] for key in found))
    if not pairs:
        return ""
    lines = [
        "| suite | " + " | ".join(f"{after} − {before}" for before, after in pairs) + " |",
        "| --- |" + " --- |" * len(pairs),
    ]
    for suite in suites:
        if any(key[0] == suite for key in found):
            cells = [_difference(found.get((suite, *pair))) for pair in pairs]
            lines.append(f"| {suite} | " + " | ".join(cells) + " |")
    return (
        f"Differences in F1 with {CONFIDENCE:.0%} interval and p, over texts and seeds (where no experiment has "
        "several, over texts\nalone); p is adjusted within a suite (Holm), for the steps, and apart for those with "
        "references:\n\n" + "\n".join(lines) + "\n"
    )


def _difference(one: Mapping[str, Any] | None) -> str:
    if one is None:
        return "–"
    low, high = map(signed, one["interval"])
    return f"**{signed(one['difference'])}** [{low}, {high}] {p_text(one['p_holm'])}"


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "–"
    return f"{mean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")


def significance_text(comparisons: Sequence[Mapping[str, Any]], results: Mapping[str, Mapping[str, Any]]) -> str:
    """Markdown: what :func:`compare_experiments` found, by suite, and what it was made with."""
    lines = [
        "# Differences between experiments",
        "",
        f"Micro-F1 (exact span and label, annotated labels only) with the {CONFIDENCE:.0%} interval of the difference.",
        "Where any experiment has several seeds, interval and p are those of a random sample of texts *and* of seeds",
        "(Obuchowski & Rockette 1995; Hillis 2007), the spread of seeds being that of all experiments together; else",
        "they are of texts alone (bootstrap, paired approximate randomisation), and another training may differ. The",
        "last column is the p over texts alone in either case. Holm: adjusted for all comparisons of the suite in one",
        "family: the steps of the study, its last step with references, all others. Texts or documents: the sentences",
        "of one leaflet or case report, which are alike, are one.",
    ]
    head = ["difference", "F1", "interval", "p", "p (Holm)", "family", "runs", "texts or documents", "p, texts alone"]
    for suite in dict.fromkeys(one["suite"] for one in comparisons):
        lines += ["", f"## {suite}", "", "| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
        for one in (one for one in comparisons if one["suite"] == suite):
            low, high = map(signed, one["interval"])
            ps = [p_text(p) for p in (one["p"], one["p_holm"], one["over_documents_only"]["p"])]
            cells = [f"{one['after']} − {one['before']}", signed(one["difference"]), f"[{low}, {high}]", *ps[:2]]
            cells += [one["family"], runs_text(one["runs"]), f"{one['documents']:,}", ps[2]]
            lines.append("| " + " | ".join(cells) + " |")
        lines += ["", *(f"- {one['sentence']}" for one in comparisons if one["suite"] == suite)]
    return "\n".join([*lines, "", *origins(results)]) + "\n"


def _training(about: Mapping[str, Any]) -> str:
    if about["sources"]:
        size = f"{about['documents']:,} sentences, {about['epochs']} epochs"
        return f"{size}, seed {about['seed']}, persons: {about['persons']}"
    lacking = ", ".join(f"{source} {count:,}" for source, count in about["unusable"].items() if count)
    return "trained on nothing" + (
        f"; texts without a usable answer, read as without mentions: {lacking}" if lacking else ""
    )


def _encoder(provenance: Mapping[str, Any]) -> str:
    about = provenance["encoder"]
    if not provenance["sources"]:
        return f"Language model: {about['name']}, {about['revision']}, zero-shot"
    state = ", UNTRAINED weights: these scores are a floor, no result" if about["untrained"] else ""
    size = f", {about['parameters']:,} parameters" if about["parameters"] else ""
    return f"Encoder: {about['name']}, revision {about['revision']}{size}{state}"


def _users(said: str, by_experiment: Mapping[str, str]) -> str:
    """Whom it is said of, where not of all."""
    users = [name for name, other in by_experiment.items() if other == said]
    return "" if len(users) == len(by_experiment) else f" ({', '.join(users)})"
