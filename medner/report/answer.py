"""The answer to the study's question, made by rule from differences and intervals: it claims no more than they show."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import mean

from medner.evaluation.comparisons import Comparison, differing
from medner.evaluation.scores import SuiteScore, total
from medner.report.inputs import Inputs
from medner.report.wording import listed, points
from medner.study import Pair

ALPHA = 0.05
REAL, HELD_OUT = "on real medical text", "on held-out text like the training data"


class Verdict(StrEnum):
    """What a difference shows, the strongest statements first."""

    GAIN = "a significant gain"
    SEPARATE_GAIN = "a gain (the intervals do not overlap)"
    LOSS = "a significant loss"
    SEPARATE_LOSS = "a loss (the intervals do not overlap)"
    UNADJUSTED = "a difference that is not significant once p is adjusted for the number of comparisons"
    NONE = "no significant difference"
    OVERLAP = "no clear difference (the intervals overlap)"
    NO_INTERVAL = "a difference without an interval"


GAINS = (Verdict.GAIN, Verdict.SEPARATE_GAIN)
LOSSES = (Verdict.LOSS, Verdict.SEPARATE_LOSS)


@dataclass(frozen=True)
class Finding:
    """``after`` minus ``before`` in mean F1 on a suite, and what it shows.

    runs: of before and after. comparison: what the significance step found; None where it did not compare the two.
    """

    suite: str
    before: str
    after: str
    difference: float
    verdict: Verdict
    runs: tuple[int, int]
    comparison: Comparison | None = None

    @property
    def pair(self) -> Pair:
        """Before and after."""
        return self.before, self.after


@dataclass(frozen=True)
class Answer:
    """The answer.

    caveats: what everything else must be read with. summary: the answer in one or two sentences. statements: what was
    found, one claim each. findings: the differences behind them.
    """

    caveats: list[str]
    summary: str
    statements: list[str]
    findings: list[Finding]


def findings(comparisons: Iterable[Comparison]) -> list[Finding]:
    """What the comparisons of the significance step show."""
    return [
        Finding(one.suite, one.before, one.after, one.difference, _verdict(one), one.runs, one) for one in comparisons
    ]


def _verdict(one: Comparison) -> Verdict:
    """Significant: the interval excludes zero and the adjusted p is below ``ALPHA``.

    Both are asked for, since among many comparisons some interval excludes zero by chance.
    """
    low, high = one.interval
    if low <= 0 <= high:
        return Verdict.NONE
    if one.p_holm >= ALPHA:
        return Verdict.UNADJUSTED
    return Verdict.GAIN if low > 0 else Verdict.LOSS


def answer(inputs: Inputs) -> Answer:
    """Does synthetic text help, in the same language, and with a related one on top?"""
    steps, caveats = inputs.steps, list(_caveats(inputs))
    if len(steps) < 2:
        return Answer(caveats, "Fewer than two steps are evaluated, so there is nothing to compare yet.", [], [])
    compared = findings(inputs.comparisons)
    by_pair = {(found.suite, *found.pair): found for found in compared}
    real = inputs.scored_by(steps, inputs.real_suites)
    following = list(itertools.pairwise(steps))
    found = [
        one
        for suite in (*real, *inputs.headline_suites)
        for pair in dict.fromkeys([*following, (steps[0], steps[-1])])
        if (one := by_pair.get((suite, *pair)) or _untested(inputs, suite, *pair))
    ]
    main = inputs.study.main_suite
    headline = [suite for suite in inputs.headline_suites if suite == main] or inputs.headline_suites[-1:]
    groups = [(REAL, real), (HELD_OUT, headline)]
    shown = {
        (where, pair): own
        for where, suites in groups
        for pair in following
        if (own := [one for one in found if one.pair == pair and one.suite in suites])
    }
    statements = [
        f"{after} against {before}, {where}: {_verdicts(own)}." for (where, (before, after)), own in shown.items()
    ]
    statements += _against_references(inputs, compared, real)
    statements += _claims(inputs, found)
    with_interval = [one for one in found if one.verdict != Verdict.NO_INTERVAL]
    if any(not one.comparison or not one.comparison.over_seeds for one in with_interval):
        statements.append("These intervals do not include seed variance: another seed may give another difference.")
    return Answer(caveats, _summary(inputs, shown), statements, found)


def _summary(inputs: Inputs, shown: Mapping[tuple[str, Pair], Sequence[Finding]]) -> str:
    """Whether each step helps on real medical text, or where none was scored on held-out text; what each step adds."""
    lacking = _real_text_is_lacking(inputs, inputs.steps)
    where = HELD_OUT if lacking else REAL
    effects = [_effect(own) for (group, _), own in shown.items() if group == where]
    unknown = f"{lacking}, so nothing can be said about it. " if lacking else ""
    result = f"{where[0].upper()}{where[1:]}, {'; '.join(effects)}. " if effects else ""
    return f"{unknown}{result}{_added(inputs)}"


def _effect(found: Sequence[Finding]) -> str:
    """What a step does to F1, over the suites of one kind of text; those without an interval are counted apart."""
    before, after = found[0].pair
    gains, losses, open_ = (
        sum(one.verdict in verdicts for one in found) for verdicts in (GAINS, LOSSES, (Verdict.NO_INTERVAL,))
    )
    number = len(found) - open_
    if not number:
        return f"there is no interval to compare {after} with {before} by"
    if len(found) == 1:
        verb = "raises F1 over" if gains else "lowers F1 from" if losses else "does not clearly change F1 from"
        return f"{after} {verb} {before} ({found[0].suite})"
    lowers = f" and lowers it on {losses}" if losses else ""
    apart = f" ({open_} more: no interval)" if open_ else ""
    return f"{after} raises F1 over {before} on {gains} of {number} test suites{lowers}{apart}"


def _added(inputs: Inputs) -> str:
    """What the first step trains on, and what each further step adds."""
    sources = {name: inputs.study.experiments[name].sources for name in inputs.steps}
    notes = {name: inputs.results[name].provenance.sources for name in inputs.steps}
    sentences = [f"{inputs.steps[0]} trains on {listed(sources[inputs.steps[0]])}."]
    for before, after in itertools.pairwise(inputs.steps):
        added = [
            f"{source} ({notes[after][source].note})" if source in notes[after] else source
            for source in sources[after]
            if source not in sources[before]
        ]
        sentences.append(f"{after} adds {listed(added)}." if added else f"{after} adds no source.")
    return " ".join(sentences)


def _real_text_is_lacking(inputs: Inputs, experiments: Sequence[str]) -> str:
    """Why no answer on experiments can be about real medical text; empty if answers can."""
    scored = inputs.scored_by(experiments, inputs.real_suites)
    if not scored:
        return "No real medical text was scored"
    small = inputs.small_suites
    return "" if any(suite not in small for suite in scored) else "Too little real medical text was scored"


def _caveats(inputs: Inputs) -> Iterator[str]:
    if why := _real_text_is_lacking(inputs, list(inputs.results)):
        yield f"{why}. The answers are about held-out text like that of training."
    if any(result.provenance.encoder.untrained for result in inputs.results.values()):
        yield (
            "The encoder's weights are untrained. This run shows that the study can be run; it does not answer the "
            "study's question. What follows holds for this encoder alone."
        )
    tested = [item for result in inputs.results.values() for item in result.test.items()]
    yield from dict.fromkeys(f"{name} is a stand-in: {source.note}." for name, source in tested if source.stand_in)
    if not inputs.steps:
        return
    for before, after in itertools.pairwise(inputs.steps):
        if different := differing(inputs.runs, inputs.study, (before, after)):
            yield f"{before} and {after} are not compared: they differ in {listed(different)}. Train one of them again."
    first = inputs.steps[0]
    if lacking := sorted(_tested_labels(inputs) - _learnt_labels(inputs, first)):
        labels = listed(lacking)
        yield (
            f"{first} trains on no {labels} annotation and finds no {labels} mention: on {labels}, a difference from "
            f"{first} is a difference from zero."
        )


def _learnt_labels(inputs: Inputs, experiment: str) -> set[str]:
    """The labels that an experiment's training data annotate."""
    kinds = [inputs.study.sources[source].labels for source in inputs.study.experiments[experiment].sources]
    return {label for kind in kinds for label in inputs.scheme.corpus(kind).annotated}


def _tested_labels(inputs: Inputs) -> set[str]:
    """The labels that any suite of the results counts."""
    sources = [source for result in inputs.results.values() for source in result.test.values()]
    return {label for source in sources for label in source.annotated}


def _verdicts(found: Sequence[Finding]) -> str:
    """The suites of each verdict, the strongest verdict first."""
    suites = {
        verdict: [f"{one.suite} ({points(one.difference)})" for one in found if one.verdict == verdict]
        for verdict in Verdict
    }
    return "; ".join(f"{verdict} on {listed(own)}" for verdict, own in suites.items() if own)


def _against_references(inputs: Inputs, found: Iterable[Finding], real: Iterable[str]) -> Iterator[str]:
    """How the last step compares with the references of each suite of real text."""
    last, references = inputs.steps[-1], {suite: inputs.references(suite) for suite in real}
    by_reference: dict[str, list[Finding]] = {name: [] for name in inputs.results}
    for one in found:
        if one.after == last and one.before in references.get(one.suite, ()):
            by_reference[one.before].append(one)
    for name, own in by_reference.items():
        what = "real annotation" if name in inputs.study.trained else "a language model's zero-shot labels"
        if own:
            yield f"{last} against {what} ({name}): {_verdicts(own)}."


def _untested(inputs: Inputs, suite: str, before: str, after: str) -> Finding | None:
    """Without a test, only intervals that do not overlap show a difference; intervals that do decide nothing.

    None where one of the two has no score, or where they cannot be compared.
    """
    left, right = inputs.score(before, suite), inputs.score(after, suite)
    if not left or not right or differing(inputs.runs, inputs.study, (before, after)):
        return None
    f1 = [[run.scores.suites[suite].f1 for run in inputs.runs[name]] for name in (before, after)]
    verdict = _verdict_of_intervals(left.f1_interval, right.f1_interval)
    return Finding(suite, before, after, mean(f1[1]) - mean(f1[0]), verdict, (len(f1[0]), len(f1[1])))


def _verdict_of_intervals(left: tuple[float, float] | None, right: tuple[float, float] | None) -> Verdict:
    if not left or not right:
        return Verdict.NO_INTERVAL
    if right[0] > left[1]:
        return Verdict.SEPARATE_GAIN
    return Verdict.SEPARATE_LOSS if right[1] < left[0] else Verdict.OVERLAP


def _claims(inputs: Inputs, found: Iterable[Finding]) -> Iterator[str]:
    """The gains that the repeated study claims over its first step, beside those of this run on the main suite."""
    claims, suite, first = inputs.study.claims, inputs.study.main_suite, inputs.steps[0]
    tested = _tested_labels(inputs)
    common = _learnt_labels(inputs, first) & tested  # the labels that all steps learn
    for one in found:
        if one.suite != suite or one.before != first or not {*one.pair} <= claims.keys():
            continue
        claim = round(100 * (claims[one.after] - claims[first]), 1)
        text = (
            f"The repeated study claims +{claim} points for {one.after} − {first}, on a test set that it does not "
            f"name. On {suite}, this run has {points(one.difference)}"
        )
        if one.comparison:
            low, high = one.comparison.interval
            verb = "includes" if low <= claim / 100 <= high else "excludes"
            text += f" [{points(low)}, {points(high)}]; the interval {verb} the claimed gain"
        if common and common != tested:
            before, after = (_f1_over(inputs.score(name, one.suite), common) for name in one.pair)
            of = " in the main run" if max(one.runs) > 1 else ""
            text += f". Over {listed(sorted(common))} alone, the difference is {points(after - before)}{of}"
        if stand_ins := sorted(name for name, source in inputs.results[one.after].test.items() if source.stand_in):
            text += f". In this run, {listed(stand_ins)} {'are stand-ins' if stand_ins[1:] else 'is a stand-in'}"
        yield f"{text}."


def _f1_over(score: SuiteScore | None, labels: Iterable[str]) -> float:
    """Micro-F1 of some labels of a suite."""
    return total(score.labels[label].counts for label in labels if label in score.labels).f1 if score else 0.0
