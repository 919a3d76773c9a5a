"""The results in tables and lists, for ``summary.md``, ``significance.md`` and the README."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any, Literal

from medner.evaluation.comparisons import Comparison
from medner.evaluation.results import Run, Scores
from medner.evaluation.statistics import CONFIDENCE, MIN_UNITS
from medner.exceptions import InputError
from medner.model.provenance import Provenance
from medner.report.cells import EMPTY, count_cell, f1_cell, spread_cell
from medner.report.wording import p_text, runs_text, sentence, signed
from medner.study import Study
from medner.tables import Cell, Row, Table

_GROUPS = {
    "real": "Real medical text",
    "headline": "News and synthetic text, like that of training",
    "names": "Other real text, for names",
}
GROUPS: tuple[Literal["real", "headline", "names"], ...] = ("real", "headline", "names")


def insert(document: str, name: str, text: str, path: Path) -> str:
    """The document with ``text`` between the comments ``<!-- NAME: start -->`` and ``<!-- NAME: end -->``.

    Raises InputError if the document, which is at ``path``, does not have them.
    """
    start, end = (f"<!-- {name}: {edge} -->" for edge in ("start", "end"))
    found = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
    if not found.search(document):
        raise InputError(f"has no place for {name}", path=path, remedy=f"Add the comments {start} and {end}")
    return found.sub(lambda _: f"{start}\n{text.strip()}\n{end}", document)


def headline_table(runs: Mapping[str, Sequence[Run]], study: Study) -> Table:
    """Mean F1 of the steps, the recommended pipeline and the references: real text first, then held-out text, names."""
    references = {name for suite in study.suites.values() for name in suite.references}
    recommended = {study.recommended.pipeline} if study.recommended else set()
    shown = {name: found for name, found in runs.items() if name in {*study.steps, *references, *recommended}}
    rows: list[Row] = []
    for suite in [suite for group in GROUPS for suite in study.group(group) if suite != study.main_suite]:
        f1 = {name: [r.scores.suites[suite].f1 for r in own if suite in r.scores.suites] for name, own in shown.items()}
        if any(f1.values()):
            about = study.suites[suite].about
            cells = (f"{mean(values):.3f}" if values else "–" for values in f1.values())
            rows.append([f"{suite}, {about}" if about else suite, *cells])
    rows.append(["runs", *(f"{len(found)}" for found in shown.values())])
    return Table(["suite", *shown], rows, caption="Mean F1 over all runs")


def scores_table(experiments: Mapping[str, Scores], suites: Sequence[str]) -> Table:
    """A row for each experiment: F1, its interval, precision and recall by suite."""
    suites = [suite for suite in suites if any(suite in scores.suites for scores in experiments.values())]
    rows: list[Row] = [
        [name, *(f1_cell(scores.suites.get(suite), rates=True) for suite in suites)]
        for name, scores in experiments.items()
    ]
    return Table(["experiment", *suites], rows)


def summarise(results: Mapping[str, Scores], study: Study) -> str:
    """Markdown: tables of all experiments and suites, then encoder, data, epochs and seed of each.

    results: of the main run of each experiment, in the order of the rows.
    """
    lines = [
        f"**F1** of each experiment's main run, its {CONFIDENCE:.0%} bootstrap interval over test texts, precision (P) "
        "and recall (R).",
        "F1 is micro-averaged over mentions with the exact span and label. A suite counts only the labels that it "
        "annotates.",
        f"A suite of fewer than {MIN_UNITS} independent texts has no interval.",
        "",
    ]
    for group in GROUPS:
        suites = study.group(group)
        if any(suite in scores.suites for suite in suites for scores in results.values()):
            annotated = annotated_labels(results, suites)
            alone = f", which annotates {annotated.pop()} alone" if len(annotated) == 1 else ""
            lines += [f"{_GROUPS[group]}{alone}:", "", scores_table(results, suites).markdown()]
    lines += origins(results)
    lines += [f"- {name}: {_training(scores.provenance)}" for name, scores in results.items()]
    return "\n".join(lines) + "\n"


def annotated_labels(results: Mapping[str, Scores], suites: Sequence[str]) -> set[str]:
    """The labels that suites annotate, of those that were scored."""
    return {
        label
        for scores in results.values()
        for suite in suites
        if suite in scores.suites
        for source in scores.suites[suite].sources
        for label in scores.test[source].annotated
    }


def origins(results: Mapping[str, Scores]) -> list[str]:
    """What results were made with, as list items: encoders, then test sources, then suites that were skipped."""
    encoders = {name: _encoder(scores.provenance) for name, scores in results.items()}
    tests = {name: scores.test for name, scores in results.items()}
    skipped = {name: scores.skipped for name, scores in results.items()}
    return [
        *(f"- {encoder}{_users(encoder, encoders)}" for encoder in dict.fromkeys(encoders.values())),
        *_notes(tests, lambda source: f"STAND-IN: {source.note}" if source.stand_in else source.note),
        *_notes(skipped, lambda reason: f"SKIPPED, {reason}"),
    ]


def _notes(subjects: Mapping[str, Mapping[str, Any]], say: Callable[[Any], str]) -> Iterator[str]:
    """What is said of each source or suite and, if it is not true of all experiments, of which it is."""
    for subject in dict.fromkeys(subject for own in subjects.values() for subject in own):
        said = {name: say(own[subject]) if subject in own else "" for name, own in subjects.items()}
        yield from (f"- {subject}: {one}{_users(one, said)}" for one in dict.fromkeys(said.values()) if one)


def seeds_table(runs: Mapping[str, Sequence[Run]], suites: Sequence[str]) -> Table:
    """A row for each experiment: mean ± standard deviation (n − 1) of F1 over its runs, by suite."""
    suites = [s for s in suites if any(s in run.scores.suites for found in runs.values() for run in found)]
    rows: list[Row] = []
    for name, found in runs.items():
        scores = [run.scores.suites for run in found]
        values = ([own[suite].f1 for own in scores if suite in own] for suite in suites)
        rows.append([name, count_cell(len(found)), *map(spread_cell, values)])
    caption = "F1 over all runs, mean ± standard deviation over seeds"
    return Table(["experiment", "seeds", *suites], rows, caption=caption)


def differences_table(comparisons: Sequence[Comparison], study: Study) -> Table | None:
    """A row for each suite: the steps against each other, and against the references; None if none was compared."""
    references = {name for suite in study.suites.values() for name in suite.references}
    shown = [one for one in comparisons if one.after in study.steps and one.before in {*study.steps, *references}]
    found = {(one.suite, one.before, one.after): one for one in shown}
    pairs = list(dict.fromkeys((one.before, one.after) for one in shown))
    suites = [suite for suite in study.suites if any(one.suite == suite for one in shown)]
    rows: list[Row] = [[suite, *(_difference(found.get((suite, *pair))) for pair in pairs)] for suite in suites]
    caption = (
        f"Differences in mean F1 with {CONFIDENCE:.0%} interval and p, over test texts and seeds (over texts alone if "
        "no experiment has several seeds). p is adjusted (Holm) within a suite, for the steps and for the references "
        "apart"
    )
    columns = ["suite", *(f"{after} − {before}" for before, after in pairs)]
    return Table(columns, rows, caption=caption) if pairs else None


def _difference(one: Comparison | None) -> Cell:
    if one is None:
        return EMPTY
    low, high = map(signed, one.interval)
    return Cell(signed(one.difference), f"[{low}, {high}] {p_text(one.p_holm)}", strong=True)


_SIGNIFICANCE = f"""# Differences between experiments

Differences in mean micro-F1 (exact span and label, annotated labels only) with the {CONFIDENCE:.0%} interval.

- If any experiment has several seeds, interval and p are for a random sample of texts *and* of seeds (Obuchowski &
  Rockette 1995; Hillis 2007). The seed variance is pooled over all experiments.
- Otherwise they are for a random sample of texts (bootstrap, paired approximate randomisation) and do not include seed
  variance. The last column is this p in either case.
- Holm: p adjusted for all comparisons of the suite in one family.
- Texts: independent ones. Sentences of one document (a leaflet, a case report) count as one text.
"""


def significance_text(comparisons: Sequence[Comparison], results: Mapping[str, Scores]) -> str:
    """Markdown: all comparisons by suite, and what the results were made with."""
    parts = [_SIGNIFICANCE]
    for suite in dict.fromkeys(one.suite for one in comparisons):
        own = [one for one in comparisons if one.suite == suite]
        said = "".join(f"- {sentence(one)}\n" for one in own)
        parts.append(f"## {suite}\n\n{_comparisons_table(own).markdown()}\n{said}")
    return "\n".join([*parts, *origins(results)]) + "\n"


def _comparisons_table(comparisons: Sequence[Comparison]) -> Table:
    rows = []
    for one in comparisons:
        low, high = map(signed, one.interval)
        rows.append(
            [
                f"{one.after} − {one.before}",
                one.family,
                signed(one.difference),
                f"[{low}, {high}]",
                p_text(one.p),
                p_text(one.p_holm),
                runs_text(one.runs),
                f"{one.texts:,}",
                p_text(one.texts_only.p),
            ]
        )
    columns = ["difference", "family", "F1", "interval", "p", "p (Holm)", "runs", "texts", "p, texts alone"]
    return Table(columns, rows, text=(0, 1))


def _training(about: Provenance) -> str:
    if about.sources:
        size = f"{about.documents:,} sentences, {about.epochs} epoch" + ("s" if about.epochs != 1 else "")
        return f"{size}, seed {about.seed}, persons: {about.persons}"
    unusable = ", ".join(f"{source} {count:,}" for source, count in about.unusable.items() if count)
    return "not trained" + (f"; texts without a usable answer, which count as empty: {unusable}" if unusable else "")


def _encoder(about: Provenance) -> str:
    encoder = about.encoder
    if not about.sources:
        return f"Language model: {encoder.name}, {encoder.revision}, zero-shot"
    state = ", UNTRAINED weights: these scores do not answer the study's question" if encoder.untrained else ""
    size = f", {encoder.parameters:,} parameters" if encoder.parameters else ""
    return f"Encoder: {encoder.name}, revision {encoder.revision}{size}{state}"


def _users(said: str, by_experiment: Mapping[str, str]) -> str:
    """The experiments of which it is said, unless it is all of them."""
    users = [name for name, other in by_experiment.items() if other == said]
    return "" if len(users) == len(by_experiment) else f" ({', '.join(users)})"
