"""The report's sections, from the inputs. Where an input is not there yet, a line says what makes it."""

from __future__ import annotations

import html
import itertools
import math
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from statistics import mean, stdev
from typing import Any

from markupsafe import Markup
from spacy import displacy

from medner.evaluation.error_analysis import Guideline, Kind
from medner.evaluation.scores import CONFIDENCE, MIN_UNITS
from medner.evaluation.significance import runs_text
from medner.report import figures
from medner.report.answer import Difference, answer, measured, points
from medner.report.blocks import (
    Block,
    Cell,
    Example,
    Figure,
    Fold,
    Items,
    Missing,
    Panel,
    Paragraph,
    Rendered,
    Section,
    Table,
    cells,
)
from medner.report.exchange import curves, exchange_rates, worth_sentence
from medner.report.inputs import Inputs

QUESTION = (
    "Does medical text written by a language model, in your language and in a related one, improve named entity "
    "recognition where no annotated corpus exists?"
)
PACKAGES = ("spacy", "numpy", "scipy", "matplotlib", "jinja2")  # that make the report
ROWS = 12  # of one line each, on a slide
_NONE = Cell("–")
_KIND_LEGEND = [(f"c{n}", str(kind)) for n, kind in enumerate(Kind, start=1)]


def sections(inputs: Inputs) -> tuple[list[Section], list[Missing]]:
    """All sections that there is input for, in order, and what is missing."""
    builders: Sequence[Callable[[Inputs], Section | Missing]] = (
        _answer, _headline, _real, _over_seeds, _significance, _ablations, _validation, _exchange, _errors, _data,
        _leakage, _provenance,
    )  # fmt: skip
    built = [build(inputs) for build in builders]
    return [s for s in built if isinstance(s, Section)], [m for m in built if isinstance(m, Missing)]


def _command(name: str) -> str:
    return f"`spacy project run {name}`"


def _f1(score: Mapping[str, Any] | None, *, details: bool = False) -> Cell:
    """F1 with its interval below; with details, precision and recall too."""
    if score is None:
        return _NONE
    interval = score.get("f1_interval")
    notes = [f"[{interval[0]:.3f}, {interval[1]:.3f}]"] if interval else []
    if details:
        notes.append(f"P {score['p']:.3f}  R {score['r']:.3f}")
    return Cell(f"{score['f1']:.3f}", "\n".join(notes), strong=True)


def _count(number: int | None) -> Cell:
    return _NONE if number is None else Cell(f"{number:,}")


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "–"


def _main_run(inputs: Inputs) -> str:
    """Whose scores those are that stand for an experiment."""
    seeds = sorted({result["provenance"]["seed"] for result in inputs.results.values()})
    return f"the main run (seed {', '.join(map(str, seeds))})"


def _few(inputs: Inputs, suites: Iterable[str]) -> list[Block]:
    """A warning for each suite whose texts are too few."""
    return [
        Paragraph(
            f"{suite} has {inputs.few[suite]} independent texts, fewer than the {MIN_UNITS} that an interval takes: "
            "its figures may be the luck of these few.", "warning",
        )
        for suite in suites
        if suite in inputs.few
    ]  # fmt: skip


def _paged(title: str, table: Table, rows: int = ROWS) -> list[tuple[str, Sequence[Block]]]:
    """The table on as many slides as it takes: what does not fit on one is cut off in print."""
    pages = max(1, math.ceil(len(table.rows) / rows))
    size = math.ceil(len(table.rows) / pages)
    return [
        (
            f"{title} ({page + 1} of {pages})" if pages > 1 else title,
            [replace(table, rows=table.rows[page * size : (page + 1) * size])],
        )
        for page in range(pages)
    ]


# --- what was found ---------------------------------------------------------------------------------------------------


def _answer(inputs: Inputs) -> Section:
    found = answer(inputs)
    caveats: list[Block] = [Paragraph(text, "warning") for text in found.caveats]
    blocks: list[Block] = [*caveats, Paragraph(found.paragraph, "lead")]
    if found.differences:
        blocks.append(Fold("The differences behind it", [_differences(found.differences)]))
    return Section("answer", "The answer", blocks, [("What the numbers say", [*caveats, Paragraph(found.paragraph)])])


def _differences(found: Iterable[Difference]) -> Table:
    rows = [
        [
            Cell(d.suite), Cell(f"{d.after} − {d.before}"), Cell(d.verdict), Cell(points(d.value), strong=True),
            Cell(f"[{points(d.interval[0])}, {points(d.interval[1])}]") if d.interval else _NONE,
            _NONE if d.p is None else Cell("< 0.001" if d.p < 0.001 else f"{d.p:.3f}"),
            Cell(runs_text(d.runs)),
        ]
        for d in found
    ]  # fmt: skip
    columns = ["suite", "difference", "what it bears", "points", f"{CONFIDENCE:.0%} interval", "p (Holm)", "runs"]
    caption = "Differences in F1, in points, means over the seeds; p is adjusted within families of comparisons"
    return Table(caption, columns, rows, words=3)


def _ladder_figure(inputs: Inputs, suites: Sequence[str], caption: str) -> Figure:
    panels, rows = [], []
    steps = inputs.ladder
    values = {
        suite: [(step, s["f1"], s["f1_interval"]) for step in steps if (s := inputs.score(step, suite))]
        for suite in suites
    }
    top = figures.nice_top(high for own in values.values() for _, f1, interval in own for high in interval or [f1])
    for suite, own in values.items():
        said = ", ".join(f"{step} {f1:.3f}" + (f" [{i[0]:.3f}, {i[1]:.3f}]" if i else "") for step, f1, i in own)
        panels.append(Panel(suite, figures.ladder(f"{caption} {suite}", own, top), f"F1 on {suite}: {said}."))
        rows.append([Cell(suite), *(_f1(inputs.score(step, suite)) for step in steps)])
    return Figure(caption, panels, Table("F1 with interval", ["suite", *steps], rows))


def _scores(inputs: Inputs, suites: Iterable[str], caption: str, skipped: Mapping[str, str] | None = None) -> Table:
    """Suites × steps of the ladder."""
    steps = inputs.ladder
    rows = []
    for suite in suites:
        scores = [inputs.score(step, suite) for step in steps]
        if not any(scores):
            rows.append(
                [Cell(suite, f"skipped: {(skipped or {}).get(suite, 'not evaluated')}"), *([_NONE] * (len(steps) + 1))]
            )
            continue
        support = next((s["support"] for s in scores if s), None)
        rows.append([Cell(suite), _count(support), *(_f1(s, details=True) for s in scores)])
    return Table(caption, ["suite", "mentions", *steps], rows)


def _headline(inputs: Inputs) -> Section | Missing:
    suites, steps = inputs.headline_suites, inputs.ladder
    if not suites or not steps:
        return Missing("The ladder", "no step of the ladder is evaluated; " + _command("all"))
    run = _main_run(inputs)
    figure = _ladder_figure(
        inputs, suites, f"F1 of {run} from step to step of the ladder, with its interval; one scale for all"
    )
    table = _scores(inputs, suites, f"F1 of {run}, its interval, precision (P) and recall (R)")
    how = Paragraph(
        "F1 is micro-averaged over exact span and label; a suite counts only the labels that it annotates. Values with "
        f"an interval ({CONFIDENCE:.0%}, bootstrap) are those of {run} of each experiment; the interval is over the "
        "test texts and does not hold the spread over seeds. Differences with a p are over all seeds."
    )
    by_label = [
        [Cell(suite), Cell(label), *_label_cells([inputs.score(step, suite) for step in steps], label)]
        for suite in suites
        for label in inputs.scheme.labels
        if any((s := inputs.score(step, suite)) and label in s["labels"] for step in steps)
    ]
    labels = Table("F1 by label", ["suite", "label", "mentions", *steps], by_label, words=2)
    plan = Table(
        "What each experiment trains on",
        ["experiment", "corpora", "sentences", "epochs", "seed"],
        [
            [
                Cell(name), Cell(" + ".join(inputs.study.experiments[name].sources)), _count(about["documents"]),
                _count(about["epochs"]), Cell(str(about["seed"])),
            ]
            for name, about in ((name, inputs.results[name]["provenance"]) for name in steps)
        ],
        words=2,
    )  # fmt: skip
    blocks: list[Block] = [
        how, plan, figure, table, *_partly(inputs, {suite: steps[-1:] for suite in suites}), Fold("By label", [labels])
    ]  # fmt: skip
    slides: list[tuple[str, Sequence[Block]]] = [
        ("What each experiment trains on", [plan, replace(how, tone="note")]),
        ("From step to step", [figure]),
        *_paged("Precision, recall, F1", table, 5),
    ]
    return Section("ladder", "The ladder", blocks, slides)


def _label_cells(scores: Sequence[Mapping[str, Any] | None], label: str) -> list[Cell]:
    own = [s and s["labels"].get(label) for s in scores]
    support = next((o["support"] for o in own if o), None)
    return [_count(support), *(_f1(o) for o in own)]


def _partly(inputs: Inputs, shown: Mapping[str, Sequence[str]]) -> tuple[Items, Table]:
    """How to read F1 where less than the whole mention is asked for and for known and unknown forms, and the values.

    shown: the experiments by suite; of those of the last step of the ladder the text tells the range.
    """
    found = [
        (suite, name, score) for suite, names in shown.items() for name in names if (score := inputs.score(name, suite))
    ]
    several = any(len(score["labels"]) > 1 for *_, score in found)  # with one label, exact is F1
    ways = ["exact", "partial", "type"] if several else ["partial", "type"]
    rows = [
        [
            Cell(suite), Cell(name), Cell(f"{score['f1']:.3f}", strong=True),
            *(Cell(f"{score['matching'][way]['f1']:.3f}") for way in ways),
            *(
                Cell((f"{part['f1']:.3f}" if part["support"] else "–") + f" ({part['support']:,})")
                for part in (score["seen"], score["unseen"])
            ),
        ]
        for suite, name, score in found
    ]  # fmt: skip
    table = Table(
        f"F1 of {_main_run(inputs)}: whole and partial matches, seen and unseen mentions (and how many these are)",
        ["suite", "experiment", "F1", *ways, "seen", "unseen"], rows, words=2,
    )  # fmt: skip
    last = inputs.ladder[-1]
    own = [(suite, score) for suite, name, score in found if name == last]
    edges = _range((suite, score["matching"]["type"]["f1"] - score["f1"]) for suite, score in own)
    known = _range(
        (suite, score["seen"]["f1"] - score["unseen"]["f1"])
        for suite, score in own
        if score["seen"]["support"] and score["unseen"]["support"]
    )
    reading = [
        "Where a mention begins and ends: F1 asks for the whole mention with its label, type for the label on any part "
        "of it. What type has more is lost on boundaries alone"
        f"{f', with {last} {edges}' if edges else ''}. Partial counts a part half, whatever its label"
        f"{'; exact asks for the span alone' if several else ''}.",
        "Whether its form is known: seen mentions occur, with their label, in the experiment's own training data, "
        f"unseen ones do not{f': the difference in F1 is {known} with {last}' if known else ''}. What is seen differs "
        "between experiments: compare the two within a row.",
    ]
    return Items(reading), table


def _range(values: Iterable[tuple[str, float]]) -> str:
    """The least and the greatest of some differences in F1, in points, with their suites."""
    ends = [f"{points(value)} points ({suite})" for suite, value in sorted(values, key=lambda value: value[1])]
    return " to ".join(dict.fromkeys(ends[:1] + ends[-1:]))


def _spans(inputs: Inputs, suites: Iterable[str], data: Table) -> Figure | Table:
    """The last step of the ladder, from whole mentions to any part of them and from unseen forms to seen ones."""
    name, ends, known = inputs.ladder[-1], {}, {}
    for suite in suites:
        if score := inputs.score(name, suite):
            ends[suite] = score["f1"], score["matching"]["type"]["f1"]
            if score["seen"]["support"] and score["unseen"]["support"]:
                known[suite] = score["unseen"]["f1"], score["seen"]["f1"]
    panels = []
    for first, title, values in ((0, "Where a mention begins and ends", ends), (2, "Whether its form is known", known)):
        if values:
            said = ", ".join(f"{suite} from {low:.3f} to {high:.3f}" for suite, (low, high) in values.items())
            panels.append(Panel(title, figures.spans(title, values, first), f"{title}: F1 of {name} on {said}."))
    marks = ("whole mention", "any part of it (type)", "unseen form", "seen form")
    legend = [(f"c{n + 1}", f"{figures.SYMBOLS[n]} {mark}") for n, mark in enumerate(marks[: 2 * len(panels)])]
    caption = f"F1 of {name}, by what is asked for and by what is known"
    return Figure(caption, panels, data, legend, shown=True) if panels else data


def _real(inputs: Inputs) -> Section | Missing:
    suites, title = inputs.real_suites, "Real medical text"
    scored = [suite for suite in suites if any(inputs.score(step, suite) for step in inputs.ladder)]
    reasons = {suite: inputs.skipped.get(suite, "not evaluated") for suite in suites if suite not in scored}
    if not scored:
        why = "; ".join(f"{suite}: {reason}" for suite, reason in reasons.items())
        return Missing(
            title, f"{why or 'configs/experiments.yml has no such suite'}. With the data at hand: {_command('all')}"
        )
    run = _main_run(inputs)
    table = _scores(inputs, suites, f"F1 of {run} on MEDICAL, its interval, precision (P) and recall (R)", reasons)
    figure = _ladder_figure(inputs, scored, f"F1 of {run} on real medical text (MEDICAL), one scale for all")
    reading, values = _partly(inputs, {suite: [inputs.ladder[-1], *inputs.marks(suite)] for suite in scored})
    spans = _spans(inputs, scored, values)
    text = "Text written by people, annotated by others, with guidelines of their own. Only MEDICAL counts."
    skipped: list[Block] = [Paragraph(f"Skipped: {suite} ({reason}).", "warning") for suite, reason in reasons.items()]
    few = _few(inputs, scored)
    blocks: list[Block] = [Paragraph(text), *skipped, *few, figure, table, reading, spans]
    slides: list[tuple[str, Sequence[Block]]] = [
        (title, [*skipped, figure]),
        *_paged("Real medical text: precision, recall, F1", table, 5),
        ("Real medical text: what is hard", [spans, reading]),
    ]
    return Section("real", title, blocks, slides)


def _significance(inputs: Inputs) -> Section | Missing:
    found = measured(inputs)
    if not found:
        return Missing("Significance", _command("significance"))
    how = Paragraph(
        "Where any experiment has several seeds, interval and p take in the luck of the test texts and that of the "
        "seed; else that of the texts alone. Measurable: the interval leaves zero out, and p, adjusted for the suite's "
        "comparisons of one family (the steps; the last step with references; all others), is below 0.05."
    )
    steps = list(itertools.pairwise(inputs.ladder))
    main = (*inputs.real_suites, inputs.study.main_suite)
    important = [d for d in found if d.suite in main and (d.before, d.after) in steps] or found
    said = Items([f"{d.suite}: {d.sentence}" for d in important])
    table = _differences(found)
    rows = [row for row, d in zip(table.rows, found, strict=True) if d in important]
    return Section(
        "significance", "Significance", [how, said, Fold("All comparisons", [table])],
        _paged("Is it more than luck?", replace(table, rows=rows)),
    )  # fmt: skip


def _over_seeds(inputs: Inputs) -> Section | Missing:
    """Mean and standard deviation of F1 over all runs of each experiment."""
    if all(len(runs) == 1 for runs in inputs.runs.values()):
        return Missing("Over seeds", _command("seeds"))
    suites = [*inputs.headline_suites, *inputs.real_suites]
    rows = []
    for name, runs in inputs.runs.items():
        values = [[own[suite]["f1"] for run in runs if suite in (own := run.scores["suites"])] for suite in suites]
        rows.append([Cell(name, f"{len(runs)} seeds" if len(runs) > 1 else "1 run"), *map(_spread, values)])
    table = Table("F1 over seeds: mean ± standard deviation; of one run, its F1", ["experiment", *suites], rows)
    text = f"All runs of each experiment, of which the tables above have {_main_run(inputs)} alone."
    return Section("seeds", "Over seeds", [Paragraph(text), table])


def _spread(values: Sequence[float]) -> Cell:
    if not values:
        return _NONE
    return Cell(f"{mean(values):.3f}", f"± {stdev(values):.3f}" if len(values) > 1 else "", strong=True)


def _ablations(inputs: Inputs) -> Section | Missing:
    if not inputs.others:
        return Missing("Ablations", _command("ablations"))
    names, run = [name for name in inputs.study.experiments if name in inputs.results], _main_run(inputs)
    below = " (below its name: what it trains on)"
    tables = [
        Table(
            f"F1 on {what}, {run}, every experiment{below}",
            ["experiment", *scored],
            [
                [
                    Cell(name, "\n+ ".join(inputs.study.experiments[name].sources) or "nothing"),
                    *(_f1(inputs.score(name, suite)) for suite in scored),
                ]
                for name in names
                if any(inputs.score(name, suite) for suite in scored)
            ],
        )
        for what, suites in (
            ("text like that of training", inputs.headline_suites), ("real medical text", inputs.real_suites)
        )
        if (scored := [s for s in suites if any(inputs.score(name, s) for name in inputs.others)])
    ]  # fmt: skip
    text = "What one corpus alone gives, and what real annotation would have given."
    if zero_shot := [name for name in names if name not in inputs.study.trained]:
        text += (
            f" {', '.join(zero_shot)}: the labels of a language model that was given the guidelines and no training "
            "(a text without a usable answer counts as one without mentions). It may have read these texts before."
        )
    slides = [
        page
        for table in tables[-1:]
        for page in _paged(
            "Ablations",
            Table(
                table.caption.removesuffix(below), ["experiment", "trains on", *table.columns[1:]],
                [cells(name.text, name.note.replace("\n", " "), *(f1.text for f1 in f1s)) for name, *f1s in table.rows],
                words=2,
            ),
        )
    ]  # fmt: skip
    return Section("ablations", "Ablations", [Paragraph(text), *tables], slides)


# --- how it was learnt ------------------------------------------------------------------------------------------------


def _validation(inputs: Inputs) -> Section | Missing:
    if not inputs.curves:
        return Missing("Validation curves", _command("evaluate-exp1"))
    panels, rows = [], []
    for name, curve in inputs.curves.items():
        best, evaluations = curve["best"], curve["evaluations"]
        text = (
            f"{name}: dev F1 rises from {evaluations[0]['f1']:.3f} to its best, {best['f1']:.3f}, "
            f"in epoch {best['epoch'] + 1} (step {best['step']:,}), in {len(evaluations)} evaluations."
        )
        panels.append(Panel(name, figures.validation(name, evaluations, best), text))
        rows += [
            [Cell(name), _count(e["epoch"] + 1), _count(e["step"]),
             Cell(f"{e['f1']:.3f}", strong=e["step"] == best["step"]), Cell(f"{e['losses'].get('ner', 0):,.0f}")]
            for e in evaluations
        ]  # fmt: skip
    columns = ["experiment", "epoch", "step", "dev F1", "ner loss"]
    figure = Figure(
        "F1 on the dev data and the training loss since the evaluation before; the dot is the model that is kept. Each "
        "experiment has the dev data of its own sources: their heights do not compare",
        panels, Table("Evaluations during training", columns, rows),
    )  # fmt: skip
    return Section("validation", "Validation curves", [figure])


def _exchange(inputs: Inputs) -> Section | Missing:
    if not inputs.learning:
        return Missing("Learning curves and exchange rate", _command("curves"))
    suites = list(dict.fromkeys(row["suite"] for row in inputs.learning))
    by_suite = {suite: curves(inputs.learning, suite) for suite in suites}
    mixes = list(dict.fromkeys(mix for own in by_suite.values() for mix in own))
    every = [point for own in by_suite.values() for line in own.values() for point in line]
    top = figures.nice_top(point.mean + (point.sd or 0) for point in every)
    panels, rows, sentences = [], [], []
    for suite, lines in by_suite.items():
        own = {mix: lines[mix] for mix in mixes if mix in lines}
        said = "; ".join(f"{mix} from {line[0].mean:.3f} to {line[-1].mean:.3f}" for mix, line in own.items())
        panels.append(Panel(suite, figures.learning(suite, own, top), f"F1 on {suite} by sentences added: {said}."))
        rows += [
            [Cell(suite), Cell(mix), _count(p.sentences), Cell(f"{p.mean:.3f}"),
             _NONE if p.sd is None else Cell(f"{p.sd:.3f}"), _count(p.seeds)]
            for mix, line in own.items()
            for p in line
        ]  # fmt: skip
        rates = exchange_rates(inputs.learning, suite)
        largest = {mix: max(r.sentences for r in rates if r.mix == mix) for mix in {r.mix for r in rates}}
        sentences += [worth_sentence(r) for r in rates if r.sentences == largest[r.mix]]
    fewest, most = (f(point.seeds for point in every) for f in (min, max))
    seeds = f"{fewest} to {most} seeds, as the numbers say" if fewest < most else f"{most} seeds"
    spread = f"; mean and standard deviation over {seeds}" if most > 1 else ", one seed"
    figure = Figure(
        f"F1 against the number of sentences added{spread}",
        panels,
        Table("Learning curves", ["suite", "mix", "sentences", "F1", "sd", "seeds"], rows, words=2),
        [(f"c{n % 5 + 1}", f"{figures.SYMBOLS[n % 5]} {mix}") for n, mix in enumerate(mixes)],
    )
    rate = Items(sentences) if sentences else Paragraph("No curve of real annotation, so no exchange rate.", "note")
    how = Paragraph(
        "Read off seed by seed: the size at which the monotone curve of real annotation reaches the same F1, linear in "
        "the logarithm of the size between measured sizes. Intervals: bootstrap over test texts and seeds.", "note",
    )  # fmt: skip
    few = _few(inputs, suites)
    title = "Learning curves and exchange rate"
    return Section(
        "exchange", title, [*few, figure, rate, how],
        [("Learning curves", [figure]), ("Exchange rate", [*few, rate, how])],
    )  # fmt: skip


# --- what goes wrong --------------------------------------------------------------------------------------------------


def _errors(inputs: Inputs) -> Section | Missing:
    if not inputs.errors:
        return Missing("Error analysis", _command("errors"))
    names = [name for name in inputs.errors if name in inputs.ladder] or list(inputs.errors)
    last = names[-1]
    suites = [s for s in inputs.study.suites if any(s in inputs.errors[name]["suites"] for name in names)]
    figure = _kinds_figure(inputs, names, suites)
    main = next((s for s in (inputs.study.main_suite, *suites) if s in inputs.errors[last]["suites"]), suites[0])
    own = inputs.errors[last]["suites"][main]
    matrices = [_matrix(own, which, f"{last} on {main}") for which in ("own_tokens", "gold_tokens")]
    definitions = Paragraph(
        "An error is a gold mention that was not found exactly, a predicted one that is not there, or the two where "
        "they overlap: then it is one wrong boundary, wrong label, or both. A false positive or negative is in exactly "
        "one error. An error may be a difference of guidelines where a MEDICAL mention is a generic noun (boală, "
        "maladie) or an abbreviation (HTA): corpora annotate these differently."
    )
    tokens = Paragraph(
        "Confusion matrices count tokens. On raw text they are the model's own tokens, which have the label that "
        "covers most of their characters: a gold mention inside a longer token can be lost there "
        f"({own['off_tokens']:,} of {own['gold']:,} gold mentions start or end inside a token). On gold tokens, which "
        "are split at the boundaries of gold mentions, none is lost. Rows are gold labels, columns predicted ones; O "
        "is no mention."
    )
    folds = [
        Fold("Errors by label, corpus and training", [_breakdown(inputs.errors[last]["suites"], suites, last)]),
        Fold("Candidates for a difference of guidelines", [_guidelines(inputs, names, suites)]),
        Fold(
            "Confusion matrices of the other suites",
            [
                _matrix(inputs.errors[last]["suites"][suite], which, f"{last} on {suite}")
                for suite in suites
                if suite != main and suite in inputs.errors[last]["suites"]
                for which in ("own_tokens", "gold_tokens")
            ],
        ),
        *(
            Fold(f"Most frequent missed forms: {suite}", [_missed(inputs.errors[last]["suites"][suite], suite)])
            for suite in suites
            if suite in inputs.errors[last]["suites"]
        ),
    ]
    examples = [_example(item) for item in inputs.errors[last]["examples"]]
    by_kind = [
        Fold(f"Examples: {kind}", own_examples)
        for kind in Kind
        if (own_examples := [e for e in examples if e.title.startswith(f"{kind} ·")])
    ]
    drawn = Paragraph(
        f"Examples are texts of {last}'s errors, drawn by a hash of their id, not chosen. All errors, one a line: "
        f"`metrics/errors/{last}.jsonl`.", "note",
    )  # fmt: skip
    short = sorted({e.sides[0].plain: e for e in examples}.values(), key=lambda e: len(e.sides[0].plain))
    return Section(
        "errors",
        "Error analysis",
        [definitions, figure, tokens, *matrices, *(f for f in folds if f.blocks), drawn, *by_kind],
        [
            ("What goes wrong", [figure]),
            ("What is taken for what", matrices[:1]),
            (f"Two errors of {last}", short[:2]),
        ],
    )


def _kinds_figure(inputs: Inputs, names: Sequence[str], suites: Sequence[str]) -> Figure:
    panels, rows = [], []
    for suite in suites:
        own = {name: inputs.errors[name]["suites"][suite] for name in names if suite in inputs.errors[name]["suites"]}
        bars = {name: [counts["kinds"][kind]["errors"] for kind in Kind] for name, counts in own.items()}
        said = "; ".join(
            f"{name} {sum(bar):,} (" + ", ".join(f"{kind} {n:,}" for kind, n in zip(Kind, bar, strict=True)) + ")"
            for name, bar in bars.items()
        )
        plot = figures.stacked(suite, bars, max(map(sum, bars.values())))
        panels.append(Panel(suite, plot, f"Errors on {suite}: {said}."))
        rows += [
            [Cell(suite), Cell(name), *(_count(n) for n in bar), _count(own[name]["fp"]), _count(own[name]["fn"])]
            for name, bar in bars.items()
        ]
    columns = ["suite", "experiment", *Kind, "FP", "FN"]
    return Figure(
        "Errors by kind; every suite has its own scale", panels,
        Table("Errors by kind, false positives (FP) and false negatives (FN)", columns, rows, words=2), _KIND_LEGEND,
    )  # fmt: skip


def _matrix(counts: Mapping[str, Any], which: str, where: str) -> Table:
    labels = counts["confusion"]["labels"]
    rows = []
    for label, row in zip(labels, counts["confusion"][which], strict=True):
        whole = sum(row)
        rows.append(
            [Cell(label, strong=True)]
            + [Cell(f"{n:,}", _share(n, whole) if n else "", share=n / whole if whole else 0.0) for n in row]
        )
    what = "raw text (the model's own tokens)" if which == "own_tokens" else "gold tokens"
    return Table(f"Confusion on {what}, {where}; small print: share of the row", ["gold ↓ predicted →", *labels], rows)


def _breakdown(counts: Mapping[str, Any], suites: Iterable[str], name: str) -> Table:
    rows = []
    for suite in suites:
        if suite not in counts:
            continue
        groups = [("label", counts[suite]["by_label"]), ("seen in training", counts[suite]["by_seen"])]
        if len(counts[suite]["by_source"]) > 1:
            groups.insert(1, ("corpus", counts[suite]["by_source"]))
        for by, group in groups:
            for value, row in group.items():
                rows.append([Cell(suite), Cell(by), Cell(value), *(_count(row[kind]) for kind in Kind)])
    return Table(
        f"Errors of {name}, by the gold mention (or the spurious one)", ["suite", "by", "", *Kind], rows, words=3
    )


def _guidelines(inputs: Inputs, names: Iterable[str], suites: Iterable[str]) -> Table:
    rows = []
    for suite in suites:
        for name in names:
            if own := inputs.errors[name]["suites"].get(suite):
                parts = [own["guideline"][why] for why in Guideline]
                row = [Cell(f"{p['errors']:,}", f"{p['fp']:,} FP, {p['fn']:,} FN") for p in parts]
                share = _share(sum(p["errors"] for p in parts), own["errors"])
                rows.append([Cell(suite), Cell(name), *row, Cell(share)])
    columns = ["suite", "experiment", *Guideline, "of all errors"]
    return Table("MEDICAL errors that may be differences of guidelines", columns, rows, words=2)


def _missed(counts: Mapping[str, Any], suite: str) -> Table:
    rows = [
        [Cell(m["form"]), Cell(m["label"]), Cell("seen" if m["seen"] else "unseen"), _count(m["count"])]
        for m in counts["missed_forms"]
    ]
    return Table(
        f"Forms that were missed on {suite} with no overlap, most frequent first",
        ["form", "label", "in training", "times"],
        rows,
        words=3,
    )


def _example(item: Mapping[str, Any]) -> Example:
    sides = []
    for side in ("gold", "predicted"):
        mentions = sorted(item[side])
        plain, position = "", 0
        for start, end, label in mentions:
            plain += f"{item['text'][position:start]}[{item['text'][start:end]}]({label})"
            position = end
        sides.append(Rendered(side, mark(item["text"], mentions), plain + item["text"][position:]))
    return Example(f"{item['kind']} · {item['source']} · {item['id']}", item["lang"], sides)


def mark(text: str, mentions: Iterable[Sequence[Any]]) -> Markup:
    """The text with its mentions (start, end, label) marked by displaCy. displaCy escapes texts but not labels."""
    entities = [{"start": start, "end": end, "label": html.escape(str(label))} for start, end, label in mentions]
    known = {label: f"var(--label-{label.lower()}, var(--line))" for label in ("PERSON", "ORG", "LOC", "MEDICAL")}
    template = '<mark class="entity" style="background: {bg}">{text}<span class="label">{label}</span></mark>'
    options = {"colors": known, "template": template}
    drawn = displacy.render(
        [{"text": text, "ents": entities}], style="ent", manual=True, jupyter=False, options=options
    )
    return Markup(drawn)  # noqa: S704 - text escaped by displaCy, labels above


# --- what it was made from --------------------------------------------------------------------------------------------


def _data(inputs: Inputs) -> Section | Missing:
    if not inputs.manifest:
        return Missing("Data card", _command("corpus"))
    labels, rows, notes = inputs.scheme.labels, [], []
    for source, about in inputs.manifest["sources"].items():
        notes.append(f"{source}: {'STAND-IN: ' if about['stand_in'] else ''}{about['note']}")
        for split, part in about["splits"].items():
            counts = [_count(part["entities"].get(label, 0)) for label in labels]
            off = sum(part["off_boundaries"].values())
            rows.append(
                [Cell(source), Cell(split), _count(part["sentences"]), _count(part["tokens"]), *counts,
                 _count(off), _count(sum(part["dropped"].values())), _count(part["overlapping"])]
            )  # fmt: skip
    columns = ["corpus", "split", "sentences", "tokens", *labels, "off tokens", "dropped", "left out"]
    table = Table(
        "Sentences, tokens and mentions. Off tokens: mentions that start or end inside a token; dropped: mentions of "
        "labels that the project does not use; left out: sentences that also occur in a test split",
        columns, rows, words=2,
    )  # fmt: skip
    blocks: list[Block] = [Items(notes), table]
    if inputs.quality:
        corpora = list(inputs.quality.values())
        figures_ = [k for k in corpora[0] if all(isinstance(own.get(k), int | float) for own in corpora)]
        quality = Table(
            "The synthetic corpora, as measured",
            ["figure", *inputs.quality],
            [
                [
                    Cell(k.replace("_", " ")),
                    *(Cell(f"{own[k]:,.4g}" if isinstance(own[k], float) else f"{own[k]:,}") for own in corpora),
                ]
                for k in figures_
            ],
        )
        blocks.append(Fold("Quality of the synthetic corpora", [quality]))
    by_source = Table(
        "Sentences by corpus and split", ["corpus", "what it is", "train", "dev", "test"],
        [
            [Cell(source), Cell(("STAND-IN: " if about["stand_in"] else "") + about["note"]),
             *(_count(about["splits"].get(split, {}).get("sentences")) for split in ("train", "dev", "test"))]
            for source, about in inputs.manifest["sources"].items()
        ],
        words=2,
    )  # fmt: skip
    return Section("data", "Data card", blocks, [("The data", [by_source])])


def _leakage(inputs: Inputs) -> Section | Missing:
    if not inputs.leakage:
        return Missing("Leakage", _command("leakage"))
    pairs = {tuple(name.split(" > ", 1)): found for name, found in inputs.leakage.items()}
    labels = ("MEDICAL", "PERSON", "ORG")
    rows = [
        [Cell(pair[0]), Cell(pair[-1]), _count(len(found["sentences"])),
         *(Cell(f"{found['seen'][label]:.1%}") if label in found["seen"] else _NONE for label in labels)]
        for pair, found in pairs.items()
    ]  # fmt: skip
    shared = {pair: len(found["sentences"]) for pair, found in pairs.items() if found["sentences"]}
    train = sum(count for pair, count in shared.items() if "dev.spacy" not in pair[0])
    text = (
        f"Sentences of a test split that a training corpus holds, exactly or nearly: {train:,}. "
        f"Comparisons made: {len(pairs):,}."
    )
    if dev := {pair[-1]: count for pair, count in shared.items() if "dev.spacy" in pair[0]}:
        said = ", ".join(f"{count:,} of {test}" for test, count in dev.items())
        text += f" Dev data, which only choose the best epoch, hold {said}."
    columns = ["training data", "test data", "sentences", *(f"{label} forms" for label in labels)]
    caption = "Shared sentences, and the share of the test split's different forms that occur in the training data"
    return Section(
        "leakage", "Leakage", [Paragraph(text), Fold("All comparisons", [Table(caption, columns, rows, words=2)])]
    )


def _provenance(inputs: Inputs) -> Section:
    encoders: dict[tuple[Any, ...], list[str]] = {}
    for name, result in inputs.results.items():
        encoder = result["provenance"]["encoder"]
        key = (encoder["name"], encoder["revision"], encoder["parameters"], encoder["untrained"], encoder["sha256"])
        encoders.setdefault(key, []).append(name)
    rows = [
        [
            Cell(name), Cell(revision), Cell("UNTRAINED" if untrained else "trained" if digest else "–"),
            Cell(digest[:16]), Cell(", ".join(users)), _count(parameters),
        ]
        for (name, revision, parameters, untrained, digest), users in encoders.items()
    ]  # fmt: skip
    encoder = Table(
        "Encoder", ["encoder", "revision", "weights", "SHA-256", "experiments", "parameters"], rows, words=5
    )
    runs = Table(
        "Runs",
        ["experiment", "training data", "persons", "sentences", "epochs", "seed"],
        [
            [Cell(name), Cell("; ".join(_source(s, a) for s, a in p["sources"].items()) or "none"),
             Cell(str(p["persons"])), _count(p["documents"]), _count(p["epochs"]), Cell(str(p["seed"]))]
            for name, p in ((name, result["provenance"]) for name, result in inputs.results.items())
        ],
        words=3,
    )  # fmt: skip
    made: dict[tuple[str, str], list[str]] = {}
    for name, result in inputs.results.items():
        for key in result["provenance"].get("made_with", {}).items():
            made.setdefault(key, []).append(name)
    here = {"Python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
    versions = [Table("Report written with", ["package", "version"], [cells(*item) for item in here.items()], words=2)]
    if made:
        rows = [cells(*item, ", ".join(users)) for item, users in made.items()]
        versions.insert(0, Table("Runs made with", ["package", "version", "experiments"], rows, words=3))
    commands = Items(
        [
            f"{_command(name)}: {' → '.join(steps)}"
            for name, steps in inputs.workflows.items()
            if name not in inputs.study.experiments
        ]
    )
    return Section(
        "provenance", "Provenance", [encoder, runs, commands, Fold("Versions", versions)],
        [("What it was made with", [encoder, Items(commands.items[:1])]), *_paged("What each run is made from", runs)],
    )  # fmt: skip


def _source(name: str, about: Mapping[str, Any]) -> str:
    return f"{name} (STAND-IN)" if about["stand_in"] else name
