"""The answer to the study's question, made by rule from differences and intervals: it claims no more than they show."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from medner.report.inputs import Inputs

# What the study says, in points of F1 (.79, .825, .845); it does not say on which test set.
CLAIMED = {("exp1", "exp2"): 3.5, ("exp1", "exp3"): 5.5}


@dataclass(frozen=True)
class Difference:
    """``after`` minus ``before`` in F1 on a suite; interval and p are those of the significance step."""

    before: str
    after: str
    suite: str
    value: float
    low: float
    high: float
    p: float
    sentence: str

    @property
    def verdict(self) -> str:
        """What the interval bears."""
        if self.low > 0:
            return "a measurable gain"
        return "a measurable loss" if self.high < 0 else "no measurable difference"


def points(value: float) -> str:
    """A difference in F1 as points, with its sign: 0.035 is +3.5."""
    rounded = round(100 * value, 1)
    return f"{'+' if rounded > 0 else '−' if rounded < 0 else '±'}{abs(rounded):.1f}"


def differences(inputs: Inputs) -> list[Difference]:
    """The comparisons that the significance step made, in its order."""
    return [
        Difference(
            row["before"], row["after"], row["suite"], row["difference"], *row["interval"], row["p"], row["sentence"]
        )
        for row in (inputs.significance or {}).get("comparisons", [])
    ]


def answer(inputs: Inputs) -> list[str]:
    """Sentences that answer: does synthetic text help, in the own language and with a related one on top?"""
    ladder = inputs.ladder
    sentences = list(_caveats(inputs))
    if len(ladder) < 2:
        return [*sentences, "Fewer than two steps of the ladder are evaluated: there is nothing to compare yet."]
    suites = [s for s in (*inputs.real_suites, *inputs.headline_suites) if inputs.score(ladder[0], s)]
    real = [s for s in suites if s in inputs.real_suites]
    shown = real + [s for s in ("combined",) if s in suites] or suites[-1:]
    for suite in shown:
        kind = "real medical text" if suite in real else "held-out text of the training corpora"
        sentences.append(f"On {suite} ({kind}): " + "; ".join(_steps(inputs, suite)) + ".")
    if not real:
        sentences.append("No real medical text was scored, so nothing is said about real text.")
    sentences += _claim(inputs)
    return sentences


def _caveats(inputs: Inputs) -> Iterator[str]:
    untrained = [name for name in inputs.ladder if inputs.results[name]["provenance"]["encoder"]["untrained"]]
    if untrained:
        yield (
            "The encoder's weights are untrained, so this run shows that the study runs and does not answer its "
            "question; what follows holds for this encoder alone."
        )
    about = {name: note for result in inputs.results.values() for name, note in result["test"].items()}
    stand_ins = [name for name, note in about.items() if note["stand_in"]]
    if stand_ins:
        yield f"Another corpus stands in for {', '.join(stand_ins)}: its figures are not that corpus's."


def _steps(inputs: Inputs, suite: str) -> Iterator[str]:
    """One clause for each further step against the first, and for each against the step before it."""
    ladder = inputs.ladder
    tested = {(d.before, d.after): d for d in differences(inputs) if d.suite == suite}
    for number, after in enumerate(ladder[1:], start=1):
        for before in dict.fromkeys((ladder[0], ladder[number - 1])):
            left, right = inputs.score(before, suite), inputs.score(after, suite)
            if not left or not right:
                continue
            pair = f"{after} − {before} = "
            if difference := tested.get((before, after)):
                bounds = f"[{points(difference.low)}, {points(difference.high)}]"
                p = "p < 0.001" if difference.p < 0.001 else f"p = {difference.p:.3f}"
                yield f"{pair}{points(difference.value)} points {bounds}, {p}: {difference.verdict}"
            else:
                yield f"{pair}{points(right['f1'] - left['f1'])} points, {_apart(left, right)}"


def _apart(left: Any, right: Any) -> str:
    """Without a paired test, only intervals that lie apart are a sign; those that overlap decide nothing."""
    if not left["f1_interval"] or not right["f1_interval"]:
        return "not tested"
    (low, high), (other_low, other_high) = left["f1_interval"], right["f1_interval"]
    if other_low > high:
        return "intervals apart: a measurable gain for this seed"
    if other_high < low:
        return "intervals apart: a measurable loss for this seed"
    return "intervals overlap: no measurable difference without a paired test"


def _claim(inputs: Inputs) -> Iterator[str]:
    """Set the study's claim beside the combined suite."""
    tested = {(d.before, d.after): d for d in differences(inputs) if d.suite == "combined"}
    parts = []
    for (before, after), claimed in CLAIMED.items():
        if before not in inputs.ladder or after not in inputs.ladder:
            continue
        left, right = inputs.score(before, "combined"), inputs.score(after, "combined")
        if not left or not right:
            continue
        if difference := tested.get((before, after)):
            holds = difference.low <= claimed / 100 <= difference.high
            parts.append(f"+{claimed} lies {'inside' if holds else 'outside'} the interval of {after} − {before}")
        else:
            parts.append(f"{points(right['f1'] - left['f1'])} stands where it says +{claimed} ({after} − {before})")
    if parts:
        yield f"The study's claim, whose test set it does not state, beside our combined suite: {'; '.join(parts)}."
