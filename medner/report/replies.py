"""The answers to the study's questions in plain English, made by rule: they claim no more than intervals show.

A statement whose runs are missing is left out, and so is a question without any statement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from medner.evaluation.learning_curves import CurveRow, added
from medner.evaluation.results import Run
from medner.evaluation.statistics import resampled_interval
from medner.report.answer import GAINS, LOSSES, findings
from medner.report.budget import EqualCost, equal_costs, equal_sizes, usd
from medner.report.exchange import Worth, exchange_rates, real_worth, worth_sentence
from medner.report.inputs import Inputs
from medner.report.recommendation import recommendation
from medner.report.wording import listed, points
from medner.study import Pair, Question

REAL, HELD_OUT = "of real medical text", "of held-out text like that of training"


@dataclass(frozen=True)
class Reply:
    """A question and its answer. short: one to three sentences. evidence: what else was found, one claim each."""

    question: str
    short: str
    evidence: Sequence[str] = ()
    further: bool = False


@dataclass(frozen=True)
class Effect:
    """A difference in F1 on a suite with its interval. sign: 1 or -1 where it is significant, else 0.

    tested: whether it has a p. A difference that has none is clear, not significant, where the interval excludes zero.
    """

    suite: str
    difference: float
    interval: tuple[float, float]
    sign: int
    tested: bool = True

    def __str__(self) -> str:
        """The difference in points with its interval."""
        low, high = map(points, self.interval)
        return f"{points(self.difference)} [{low}, {high}]"

    @property
    def size(self) -> str:
        """The same, where it is significant without the sign."""
        if not self.sign:
            return str(self)
        value, *ends = (round(100 * self.sign * one, 1) for one in (self.difference, *self.interval))
        low, high = (f"{end:.1f}".replace("-", "−") for end in sorted(ends))
        return f"{value:.1f} [{low}, {high}]"


def replies(inputs: Inputs, *, in_words: bool = True) -> list[Reply]:
    """The answers to the study's questions, in their order, as far as there are runs.

    in_words: whether the short answers say what the experiments learn from, and what the suites are.
    """
    found = [_reply(inputs, question, in_words=in_words) for question in inputs.study.questions]
    return [one for one in found if one]


def _reply(inputs: Inputs, question: Question, *, in_words: bool) -> Reply | None:
    by_pair = {pair: effects for pair in question.pairs if (effects := _effects(inputs, pair, question.suites))}
    where = "" if question.suites or not in_words else f" {REAL if _real(inputs) else HELD_OUT}"
    evidence = [_in_full(pair, effects) for pair, effects in by_pair.items()]
    more, short = _INSTEAD[question.also](inputs, question) if question.also in _INSTEAD else ([], [])
    if not short:
        for (before, after), effects in [*by_pair.items()][:1]:
            one, other = (_named(inputs, name) if in_words else name for name in (before, after))
            short.append(f"{_word(question, effects)}: {_sentence(one, other, effects, where)}")
        more, shorter = _ALSO[question.also](inputs, question) if question.also else ([], [])
        short += shorter
    if not short:
        return None
    return Reply(question.ask, " ".join(short), [*more, *evidence], question.further)


def _real(inputs: Inputs) -> bool:
    return any(one.suite in inputs.real_suites for one in inputs.comparisons)


def _named(inputs: Inputs, name: str) -> str:
    """An experiment with what it learns from, in words."""
    about = inputs.study.experiments[name].about
    return f"{name} ({about})" if about else name


def _effects(inputs: Inputs, pair: Pair, suites: Sequence[str]) -> list[Effect]:
    """The differences of a pair on the suites asked for; else on real medical text; else on held-out text."""
    if not suites:
        held_out = [suite for suite in inputs.headline_suites if suite != inputs.study.main_suite]
        suites = inputs.real_suites if _real(inputs) else held_out
    compared = [one for one in findings(inputs.comparisons) if one.pair == pair and one.comparison]
    found = {one.suite: one for one in compared}
    return [
        Effect(one.suite, one.difference, one.comparison.interval, (one.verdict in GAINS) - (one.verdict in LOSSES))
        for suite in suites
        if (one := found.get(suite)) and one.comparison
    ]


def _word(question: Question, effects: Sequence[Effect]) -> str:
    """How the answer begins: yes or no where all that is significant has one sign, and is most of the suites."""
    signs = [one.sign for one in effects if one.sign]
    if len(set(signs)) > 1:
        return "It depends"
    word = question.words[{1: 0, -1: 1}.get(signs[0] if signs else 0, 2)]
    if 0 < len(signs) <= len(effects) / 2 and word != "No":
        return "On some text" if word == "Yes" else f"{word} on some text"
    return word


def _sentence(before: str, after: str, effects: Sequence[Effect], where: str = "") -> str:
    """On how many suites the one is ahead, with the least and the greatest difference; what else there is."""
    clauses: list[str] = []
    number = len(effects)
    for sign, verb in ((1, "ahead of"), (-1, "behind")):
        own = [one for one in effects if one.sign == sign]
        if not own:
            continue
        whom = "it" if clauses else before
        on = f"on {len(own)} of {number} suites{'' if clauses else where}" if number > 1 else f"on {own[0].suite}"
        clauses.append(f"{verb} {whom} {on}, by {_range(own, number > 1)}")
    text = f"{after} is {' and '.join(clauses)}. " if clauses else ""
    if rest := [one for one in effects if not one.sign]:
        each = listed([f"{one.suite} ({one})" for one in rest])
        which = f"the other {len(rest)} suites" if clauses else f"any of {len(rest)} suites{where}"
        shown = each if len(rest) < 3 else f"{which} ({_range(rest, True)})"
        between = "" if clauses else f" between {after} and {before}"
        text += f"{'No' if clauses else 'no'} {_kind(rest)} difference{between} on {shown}."
    return text.strip()


def _kind(effects: Iterable[Effect]) -> str:
    """What the differences are not."""
    return "significant" if all(one.tested for one in effects) else "clear"


def _range(effects: Sequence[Effect], name: bool) -> str:
    """The least and the greatest of some differences; without a sign where all are significant, as words have it."""
    ordered = sorted(effects, key=lambda one: abs(one.difference))
    ends = dict.fromkeys([ordered[0], ordered[-1]])
    return " to ".join(f"{one.size} ({one.suite})" if name else one.size for one in ends)


def _in_full(pair: Pair, effects: Iterable[Effect], what: str = "") -> str:
    """Every suite of a pair. Differences that are not significant are marked."""
    before, after = pair
    shown = (f"{one.suite} {one}{'' if one.sign else f' (not {_kind([one])})'}" for one in effects)
    return f"{after} − {before}{what}: {'; '.join(shown)}."


# --- What some answers need beside differences ----------------------------------------------------------------------

Also = Callable[[Inputs, Question], tuple[list[str], list[str]]]  # evidence, and sentences of the short answer


def _equal_cost(inputs: Inputs, question: Question) -> tuple[list[str], list[str]]:
    """The pairs of mixes at equal cost and at equal number of sentences; the first pair makes the short answer."""
    curves = inputs.study.curves
    if not curves:
        return [], []
    at_cost = equal_costs(inputs.learning, curves.budgets, inputs.price) if inputs.price else []
    ways = [("cost", at_cost), ("number", equal_sizes(inputs.learning, curves.budgets))]
    evidence: list[str] = []
    shown: dict[str, tuple[Pair, EqualCost, list[Effect]]] = {}
    for way, found in ways:
        for pair in curves.budgets:
            own = [one for one in found if (one.before, one.after) == pair and one.interval]
            if own:
                names = curves.mixes[pair[0]], curves.mixes[pair[1]]
                effects = [_effect(one) for one in own]
                evidence.append(_in_full(names, effects, f", {_same(way, names, own[0])}"))
                shown.setdefault(way, (names, own[0], effects))
    if not shown:
        return [], []
    counted = [one for *_, effects in shown.values() for one in effects]
    said = [f"{_same(way, names, one)}, {_sentence(*names, effects)}" for way, (names, one, effects) in shown.items()]
    return evidence, [f"{_word(question, counted)}: {said[0]}", *(f"{one[0].upper()}{one[1:]}" for one in said[1:])]


def _unequal(inputs: Inputs, question: Question) -> tuple[list[str], list[str]]:
    """How many sentences the pair of the short answer adds to the base, where no learning curve makes them equal."""
    pair = next((pair for pair in question.pairs if _effects(inputs, pair, question.suites)), ())
    base = inputs.study.curves.base if inputs.study.curves else ""
    if not pair or base not in inputs.results:
        return [], []
    before, after, least = (inputs.results[name].provenance.documents for name in (*pair, base))
    added = f"{pair[1]} adds {after - least:,} sentences to {base}, {pair[0]} {before - least:,}"
    return [], [f"Neither cost nor number is equal: {added}."]


def _effect(one: EqualCost) -> Effect:
    assert one.interval
    low, high = one.interval
    return Effect(one.suite, one.f1[1] - one.f1[0], one.interval, (low > 0) - (high < 0), tested=False)


def _same(way: str, names: tuple[str, str], one: EqualCost) -> str:
    seeds = f"{one.seeds} seeds" if one.seeds > 1 else "one seed"
    before, after = (f"{number:,.0f}" for number in one.sentences)
    if way == "cost":
        return f"at equal cost (${one.usd:.2f}: {before} sentences of {names[0]}, {after} of {names[1]}; {seeds})"
    return f"with {before} sentences each ({seeds})"


def _real_sentences(inputs: Inputs, question: Question) -> tuple[list[str], list[str]]:
    """How many sentences of each mix give what the smallest measured number of real ones gives."""
    curves = inputs.study.curves
    if not curves or not inputs.learning:
        return [], []
    size = curves.sizes[0]
    lines = [line for suite in curves.suites if (line := _worth_line(inputs, suite, size))]
    rates = [rate for suite in curves.suites for rate in _largest(exchange_rates(inputs.learning, suite))]
    return [*lines[1:], *map(worth_sentence, rates)], lines[:1]


def _worth_line(inputs: Inputs, suite: str, size: int) -> str | None:
    assert inputs.study.curves
    found = real_worth(inputs.learning, suite, size)
    if not found:
        return None
    rows = [r for r in inputs.learning if (r.suite, r.mix, r.sentences) == (suite, found[0].mix, size)]
    names = inputs.study.curves.mixes
    fewest = sorted(found, key=lambda one: (one.beyond, one.mean))
    best = [next((one for one in fewest if _is(inputs, one.reference, kind)), None) for kind in ("synthetic", "silver")]
    same = " or ".join(
        f"{_amount(one)} {kind} ones ({names[one.reference]})"
        for one, kind in zip(best, ("synthetic", "silver"), strict=True)
        if one
    )
    if not same:
        return None
    return f"On {suite}, {size:,} gold sentences ({names[found[0].mix]}) give F1 {_f1_of(rows)}, and so do {same}."


def _is(inputs: Inputs, mix: str, kind: str) -> bool:
    """Whether a language model has written (synthetic), or labelled (silver), all sentences of a mix."""
    sources = [inputs.study.sources[name] for name in added(inputs.study, mix)]
    return all(source.silver if kind == "silver" else source.synthetic for source in sources)


def _f1_of(rows: Sequence[CurveRow]) -> str:
    text = f"{mean(row.f1 for row in rows):.3f}"
    resampled = [row.resampled for row in rows if row.resampled]
    if len(resampled) < len(rows):
        return text
    low, high = resampled_interval(resampled)
    return f"{text} [{low:.3f}, {high:.3f}]"


def _amount(one: Worth) -> str:
    if one.beyond == one.seeds:
        return f"more than {one.largest:,}"
    if one.mean < one.smallest:  # a line from zero to there would lie below the curve, which flattens
        return f"fewer than {one.smallest:,}"
    bounds = ""
    if one.interval:
        low, high = one.interval
        bounds = f" [{low:,.0f}, {high:,.0f}{' or more' if high >= one.largest else ''}]"
    return f"{'at least ' if one.beyond else ''}{one.mean:,.0f}{bounds}"


def _largest(rates: Sequence[Worth]) -> list[Worth]:
    most: dict[str, Worth] = {}
    for rate in rates:
        if rate.mix not in most or rate.sentences > most[rate.mix].sentences:
            most[rate.mix] = rate
    return list(most.values())


def _price(inputs: Inputs, question: Question) -> tuple[list[str], list[str]]:
    """What the model's labels cost, and once, the text of the pipeline that it is compared with."""
    pair = next((pair for pair in question.pairs if _effects(inputs, pair, question.suites)), None)
    tokens = [s.tokens for s in inputs.study.sources.values() if s.silver and s.tokens and s.kept == 1]
    if not inputs.price or not pair or not tokens or not inputs.study.curves:
        return [], []
    read, written = (1000 * mean(one) for one in zip(*tokens, strict=True))
    each = inputs.price.cost(round(read), round(written), batch=True)
    text = f"Asking it costs ${each:.2f} per 1,000 sentences (Batch API, calculated)"
    if once := _once(inputs, pair[1]):
        text += f", each time; the text of {pair[1]} cost ${once:.2f}, once"
    llm, own = inputs.runs[pair[0]], inputs.runs[pair[1]]
    suites = [suite for suite in inputs.real_suites if inputs.score(pair[0], suite) and inputs.score(pair[1], suite)]
    shares = [_mean_f1(own, suite) / max(_mean_f1(llm, suite), 1e-9) for suite in suites]
    kept = f"{pair[1]} has {100 * min(shares):.0f} to {100 * max(shares):.0f} % of its F1." if shares else ""
    return [kept] if kept else [], [f"{text}."]


def _mean_f1(runs: Sequence[Run], suite: str) -> float:
    return mean(run.scores.suites[suite].f1 for run in runs)


def _once(inputs: Inputs, experiment: str) -> float | None:
    """What the text that a language model made for an experiment cost; None where the curves do not say."""
    assert inputs.study.curves
    assert inputs.price
    known, base = inputs.study.experiments, inputs.results.get(inputs.study.curves.base)
    same = [mix for mix, name in inputs.study.curves.mixes.items() if known[name].sources == known[experiment].sources]
    added_sentences = inputs.results[experiment].provenance.documents - base.provenance.documents if base else 0
    whole = [row for row in inputs.learning if row.mix in same and row.sentences == added_sentences]
    return usd(whole[0], inputs.price) if whole else None


def _recommended(inputs: Inputs, question: Question) -> tuple[list[str], list[str]]:
    text = recommendation(inputs)
    return [], [text] if text else []


# What answers a question in the place of its pairs, where that was measured; and what stands beside them.
_INSTEAD: Mapping[str, Also] = {"equal cost": _equal_cost}
_ALSO: Mapping[str, Also] = {
    "equal cost": _unequal,
    "real sentences": _real_sentences,
    "price": _price,
    "recommended": _recommended,
}


def trains_on(inputs: Inputs, names: Iterable[str]) -> str:
    """What experiments train on, in a sentence."""
    sources = {name: inputs.study.experiments[name].sources for name in names}
    return f"Trained on: {'; '.join(f'{name}: {listed(own)}' for name, own in sources.items() if own)}."
