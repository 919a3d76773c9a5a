"""What goes wrong: kinds of error, confusion, missed forms, examples."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence

from markupsafe import Markup
from spacy import displacy

from medner.data.records import Entity
from medner.evaluation.error_analysis import Confusion, ErrorExample, Guideline, Kind, SuiteErrors
from medner.report import figures
from medner.report.blocks import Example, Figure, Fold, Missing, Panel, Paragraph, Rendered, Section
from medner.report.cells import command, count_cell, share
from medner.report.inputs import Inputs
from medner.tables import Cell, Row, Table

TITLE = "Error analysis"
_LEGEND = [(f"c{n}", str(kind)) for n, kind in enumerate(Kind, start=1)]
_DEFINITIONS = (
    "An error is a gold mention that was not found exactly, a predicted mention that is not in the gold annotation, or "
    "both where they overlap: a wrong boundary, a wrong label, or both at once. Every false positive and every false "
    "negative belongs to exactly one error. A MEDICAL error may be a difference between annotation guidelines if the "
    "mention is a generic noun (boală, maladie) or an abbreviation (HTA), which corpora annotate differently."
)


def section(inputs: Inputs) -> Section | Missing:
    """The errors of the evaluated steps by kind; the last step's in detail."""
    if not inputs.errors:
        return Missing(TITLE, command("errors"))
    by_step = {name: own.suites for name, own in inputs.errors.items() if name in inputs.steps}
    by_name = by_step or {name: own.suites for name, own in inputs.errors.items()}
    last = list(by_name)[-1]
    suites = [suite for suite in inputs.study.suites if any(suite in own for own in by_name.values())]
    own = {suite: by_name[last][suite] for suite in suites if suite in by_name[last]}
    main = inputs.study.main_suite if inputs.study.main_suite in own else next(iter(own))
    figure = _kinds_figure(by_name, suites)
    matrices = {suite: _matrices(found.confusion, f"{last} on {suite}") for suite, found in own.items()}
    others = [matrix for suite, both in matrices.items() if suite != main for matrix in both]
    folds = [
        Fold("Errors by label, corpus and training", [_breakdown(own, last)]),
        Fold("Possible differences between guidelines", [_guidelines(by_name, suites)]),
        *([Fold("Confusion matrices of the other suites", others)] if others else []),
        *(Fold(f"Most frequent missed forms: {suite}", [_missed(found, suite)]) for suite, found in own.items()),
    ]
    examples = {kind: [_example(one) for one in inputs.errors[last].examples if one.kind == kind] for kind in Kind}
    drawn = Paragraph(
        f"The examples are texts with errors of {last}, drawn by a hash of their id and not chosen. All errors, one a "
        f"line: `metrics/errors/{last}.jsonl`.", "note",
    )  # fmt: skip
    by_kind = [Fold(f"Examples: {kind}", shown) for kind, shown in examples.items() if shown]
    tokens = Paragraph(_tokens_text(own[main]))
    return Section(
        "errors", TITLE, [Paragraph(_DEFINITIONS), figure, tokens, *matrices[main], *folds, drawn, *by_kind],
        [("What goes wrong", [figure])],
    )  # fmt: skip


def _tokens_text(own: SuiteErrors) -> str:
    return (
        "The confusion matrices count tokens: rows are gold labels, columns predicted labels, and O is outside of any "
        "mention. On raw text, the tokens are the pipeline's own. Each has the label that covers most of its "
        f"characters, so a gold mention inside a longer token can be lost: {own.off_tokens:,} of {own.gold:,} gold "
        "mentions start or end inside a token. Gold tokens are split at the boundaries of gold mentions, so that none "
        "is lost."
    )


def _kinds_figure(by_name: Mapping[str, Mapping[str, SuiteErrors]], suites: Sequence[str]) -> Figure:
    panels = []
    rows: list[Row] = []
    for suite in suites:
        own = {name: found[suite] for name, found in by_name.items() if suite in found}
        bars = {name: [counts.kinds[kind].errors for kind in Kind] for name, counts in own.items()}
        said = "; ".join(
            f"{name} {sum(bar):,} (" + ", ".join(f"{kind} {n:,}" for kind, n in zip(Kind, bar, strict=True)) + ")"
            for name, bar in bars.items()
        )
        plot = figures.stacked(suite, bars, max(map(sum, bars.values())))
        panels.append(Panel(suite, plot, f"Errors on {suite}: {said}."))
        rows += [
            [suite, name, *map(count_cell, bar), count_cell(own[name].fp), count_cell(own[name].fn)]
            for name, bar in bars.items()
        ]
    caption = "Errors of the main run by kind, false positives (FP) and false negatives (FN)"
    data = Table(["suite", "experiment", *Kind, "FP", "FN"], rows, text=(0, 1), caption=caption)
    return Figure("Errors of the main run by kind; each suite has its own scale", panels, data, _LEGEND)


def _matrices(confusion: Confusion, where: str) -> list[Table]:
    """On raw text and on gold tokens."""
    return [
        _matrix(confusion.labels, confusion.own_tokens, f"raw text (the pipeline's own tokens), {where}"),
        _matrix(confusion.labels, confusion.gold_tokens, f"gold tokens, {where}"),
    ]


def _matrix(labels: Sequence[str], matrix: Sequence[Sequence[int]], what: str) -> Table:
    rows = []
    for label, row in zip(labels, matrix, strict=True):
        whole = sum(row)
        cells = [Cell(f"{n:,}", share(n, whole) if n else "", share=n / whole if whole else 0.0) for n in row]
        rows.append([Cell(label, strong=True), *cells])
    caption = f"Confusion on {what}; small print: share of the row"
    return Table(["gold ↓ predicted →", *labels], rows, caption=caption)


def _breakdown(own: Mapping[str, SuiteErrors], name: str) -> Table:
    rows: list[Row] = []
    for suite, found in own.items():
        by_source = [("corpus", found.by_source)] if len(found.by_source) > 1 else []
        for by, group in [("label", found.by_label), *by_source, ("seen in training", found.by_seen)]:
            rows += [[suite, by, value, *(count_cell(row[kind]) for kind in Kind)] for value, row in group.items()]
    caption = f"Errors of {name}, main run, by the gold mention or the spurious one"
    return Table(["suite", "by", "", *Kind], rows, text=(0, 1, 2), caption=caption)


def _guidelines(by_name: Mapping[str, Mapping[str, SuiteErrors]], suites: Iterable[str]) -> Table:
    rows: list[Row] = []
    for suite in suites:
        for name, found in by_name.items():
            if suite in found:
                parts = [found[suite].guideline[why] for why in Guideline]
                cells = [Cell(f"{part.errors:,}", f"{part.fp:,} FP, {part.fn:,} FN") for part in parts]
                of_all = share(sum(part.errors for part in parts), found[suite].errors)
                rows.append([suite, name, *cells, of_all])
    columns = ["suite", "experiment", *Guideline, "of all errors"]
    caption = "MEDICAL errors that may be differences between guidelines, main run"
    return Table(columns, rows, text=(0, 1), caption=caption)


def _missed(found: SuiteErrors, suite: str) -> Table:
    rows = [
        [one.form, one.label, "seen" if one.seen else "unseen", count_cell(one.count)] for one in found.missed_forms
    ]
    caption = f"Surface forms missed on {suite} without any overlap, the most frequent first"
    return Table(["form", "label", "in training", "times"], rows, text=(0, 1, 2), caption=caption)


def _example(one: ErrorExample) -> Example:
    sides = [_rendered("gold", one.text, one.gold), _rendered("predicted", one.text, one.predicted)]
    return Example(f"{one.kind} · {one.source} · {one.id}", one.lang, sides)


def _rendered(side: str, text: str, mentions: Iterable[Entity]) -> Rendered:
    mentions = sorted(mentions)
    plain, position = "", 0
    for start, end, label in mentions:
        plain += f"{text[position:start]}[{text[start:end]}]({label})"
        position = end
    return Rendered(side, mark(text, mentions), plain + text[position:])


def mark(text: str, mentions: Iterable[Entity]) -> Markup:
    """The text with its mentions marked by displaCy, which escapes texts but not labels."""
    entities = [{"start": start, "end": end, "label": html.escape(label)} for start, end, label in mentions]
    known = {label: f"var(--label-{label.lower()}, var(--line))" for label in ("PERSON", "ORG", "LOC", "MEDICAL")}
    template = '<mark class="entity" style="background: {bg}">{text}<span class="label">{label}</span></mark>'
    drawn = displacy.render(
        [{"text": text, "ents": entities}], style="ent", manual=True, jupyter=False,
        options={"colors": known, "template": template},
    )  # fmt: skip
    return Markup(drawn)  # noqa: S704 - text escaped by displaCy, labels above
