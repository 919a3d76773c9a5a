"""The answer to the study's question, made by rule from differences and intervals: it claims no more than they show."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import mean
from typing import Any

from medner.evaluation.scores import Counts
from medner.report.inputs import Inputs

ALPHA = 0.05
GAIN, LOSS, NOTHING = "a measurable gain", "a measurable loss", "no measurable difference"
# The interval leaves zero out, but among so many comparisons one like it comes by chance.
UNSURE = "a difference that is not established once p is adjusted for the number of comparisons"
APART_GAIN, APART_LOSS = "a gain beyond the intervals of these runs", "a loss beyond the intervals of these runs"
OVERLAP = "no difference beyond the intervals of these runs"
NO_INTERVAL = "a difference that bears no interval"  # too few texts, or nothing found


@dataclass(frozen=True)
class Difference:
    """``after`` minus ``before`` in F1 on a suite, and what it bears.

    interval, p (adjusted for the comparisons of the suite that are of its family) and runs (of before, of after) are
    those of the significance step; None where it was not run. over_seeds: whether they are of seeds too.
    """

    suite: str
    before: str
    after: str
    value: float
    verdict: str
    interval: tuple[float, float] | None = None
    p: float | None = None
    runs: tuple[int, int] = (1, 1)
    over_seeds: bool = False
    sentence: str = ""


@dataclass(frozen=True)
class Answer:
    """Marks that everything else must be read with, one paragraph, and the differences that it was made from."""

    caveats: list[str]
    paragraph: str
    differences: list[Difference]


def points(value: float) -> str:
    """A difference in F1 as points, with its sign: 0.035 is +3.5."""
    rounded = round(100 * value, 1)
    return f"{'+' if rounded > 0 else '−' if rounded < 0 else '±'}{abs(rounded):.1f}"


def measured(inputs: Inputs) -> list[Difference]:
    """The comparisons that the significance step made, in its order.

    A difference is measurable when its interval leaves zero out and its adjusted p is below 0.05: both, so that many
    comparisons do not make one by chance.
    """
    found = []
    for row in inputs.comparisons:
        (low, high), p = row["interval"], row["p_holm"]
        verdict = NOTHING if low <= 0 <= high else UNSURE if p >= ALPHA else GAIN if low > 0 else LOSS
        before, after = row["runs"]
        found.append(
            Difference(
                row["suite"], row["before"], row["after"], row["difference"], verdict, (low, high), p,
                (before, after), row["luck_of"] != "documents", row["sentence"],
            )
        )  # fmt: skip
    return found


def answer(inputs: Inputs) -> Answer:
    """Does synthetic text help, in the own language, and with a related one on top?"""
    ladder = inputs.ladder
    caveats = list(_caveats(inputs))
    if len(ladder) < 2:
        return Answer(caveats, "Fewer than two steps of the ladder are evaluated: there is nothing to compare yet.", [])
    own = {(d.suite, d.before, d.after): d for d in measured(inputs)}
    real = [s for s in inputs.real_suites if any(inputs.score(step, s) for step in ladder)]
    pairs = list(dict.fromkeys([*itertools.pairwise(ladder), (ladder[0], ladder[-1])]))
    found = [
        own.get((suite, *pair)) or _untested(inputs, suite, *pair)
        for suite in (*real, *inputs.headline_suites)
        for pair in pairs
    ]
    everything = [d for d in found if d]
    main = inputs.study.main_suite
    headline = main if main in inputs.headline_suites else inputs.headline_suites[-1]
    sentences = []
    for kind, suites in (("On real medical text", real), ("On held-out text like that of training", [headline])):
        for number, pair in enumerate(itertools.pairwise(ladder)):
            if shown := [d for d in everything if (d.before, d.after) == pair and d.suite in suites]:
                start = f"{kind}, {_added(inputs, *pair)}" if not number else _added(inputs, *pair)
                sentences.append(f"{start}: {_verdicts(shown)}.")
    sentences += _held_against(inputs, own.values(), real)
    if not real:
        sentences.insert(0, "No real medical text was scored, so nothing can be said about real text.")
    if any(not d.over_seeds and d.verdict != NO_INTERVAL for d in everything):
        sentences.append("These are single trainings: another seed may give another difference.")
    return Answer(caveats, " ".join([*sentences, *_claim(inputs, everything)]), everything)


def _held_against(inputs: Inputs, found: Iterable[Difference], real: Iterable[str]) -> Iterator[str]:
    """What the last step is against real annotation of a suite's language, and against what trains on nothing."""
    last, marks = inputs.ladder[-1], {suite: inputs.marks(suite) for suite in real}
    against: dict[str, list[Difference]] = {}
    for d in found:
        if d.after == last and d.before in marks.get(d.suite, ()):
            against.setdefault(d.before, []).append(d)
    for name, differences in against.items():
        what = "real annotation" if name in inputs.study.trained else "a language model's own labels"
        yield f"Against {what} ({name}), {last} has {_verdicts(differences)}."


def _caveats(inputs: Inputs) -> Iterator[str]:
    untrained = [name for name, result in inputs.results.items() if result["provenance"]["encoder"]["untrained"]]
    if untrained:
        yield (
            "The encoder's weights are untrained: this run shows that the study runs and does not answer its question. "
            "Whatever is said below holds for this encoder alone."
        )
    tested = [(name, note) for result in inputs.results.values() for name, note in result["test"].items()]
    yield from dict.fromkeys(f"{name} is a stand-in: {note['note']}." for name, note in tested if note["stand_in"])
    first = inputs.ladder[0] if inputs.ladder else ""
    lacking = sorted(_counted(inputs) - _taught(inputs, first)) if first else []
    if lacking:
        yield (
            f"Nothing that {first} trains on annotates {_and(lacking)}, so it finds none, whatever its encoder: where "
            f"there are such mentions, a difference from {first} is what the added sentences give from nothing."
        )


def _taught(inputs: Inputs, experiment: str) -> set[str]:
    """The labels that an experiment's training data annotate."""
    kinds = [inputs.study.sources[source].labels for source in inputs.study.experiments[experiment].sources]
    return {label for kind in kinds for label in inputs.scheme.corpus(kind).annotated}


def _counted(inputs: Inputs) -> set[str]:
    """The labels that any suite of the results counts."""
    tests = [about for result in inputs.results.values() for about in result["test"].values()]
    return {label for about in tests for label in about["annotated"]}


def _added(inputs: Inputs, before: str, after: str) -> str:
    less, more = (inputs.study.experiments[name].sources for name in (before, after))
    return f"{after}, which adds {' and '.join(s for s in more if s not in less)} to {before}"


def _verdicts(differences: Iterable[Difference]) -> str:
    """Suites grouped by what their difference bears, the strongest statement first."""
    groups: dict[str, list[str]] = {}
    for d in differences:
        groups.setdefault(d.verdict, []).append(f"{d.suite} ({points(d.value)} points)")
    order = (GAIN, APART_GAIN, LOSS, APART_LOSS, UNSURE, NOTHING, OVERLAP, NO_INTERVAL)
    return "; ".join(f"{verdict} on {_and(groups[verdict])}" for verdict in order if verdict in groups)


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _untested(inputs: Inputs, suite: str, before: str, after: str) -> Difference | None:
    """Without a paired test only intervals that lie apart are a sign; intervals that overlap decide nothing."""
    left, right = inputs.score(before, suite), inputs.score(after, suite)
    if not left or not right:
        return None
    f1 = [[run.scores["suites"][suite]["f1"] for run in inputs.runs[name]] for name in (before, after)]
    verdict = _apart(left["f1_interval"], right["f1_interval"])
    return Difference(suite, before, after, mean(f1[1]) - mean(f1[0]), verdict, runs=(len(f1[0]), len(f1[1])))


def _apart(left: Any, right: Any) -> str:
    if not left or not right:
        return NO_INTERVAL
    if right[0] > left[1]:
        return APART_GAIN
    return APART_LOSS if right[1] < left[0] else OVERLAP


def _claim(inputs: Inputs, differences: Iterable[Difference]) -> Iterator[str]:
    """Set the claim of the repeated study beside the combined suite, whole and over labels that both steps learn."""
    parts = []
    for d in differences:
        stated = inputs.study.claims
        if d.suite != inputs.study.main_suite or not {d.before, d.after} <= stated.keys():
            continue
        claimed = round(100 * (stated[d.after] - stated[d.before]), 1)
        said = f"it claims +{claimed} points for {d.after} − {d.before}, this run has {points(d.value)}"
        if d.interval:
            inside = d.interval[0] <= claimed / 100 <= d.interval[1]
            bounds = f"[{points(d.interval[0])}, {points(d.interval[1])}]"
            said += f" {bounds}, an interval that {'holds' if inside else 'does not hold'} the claim"
        common = _taught(inputs, d.before) & _counted(inputs)
        if common < _counted(inputs):
            before, after = (_f1_over(inputs.score(name, d.suite), common) for name in (d.before, d.after))
            of = ", one seed" if max(d.runs) > 1 else ""  # the labels' counts are those of the main run
            said += f" ({points(after - before)} over {_and(sorted(common))} alone{of})"
        parts.append(said)
    if parts:
        start = "The study that this one repeats does not state its test set; beside our combined suite"
        yield f"{start}, {'; '.join(parts)}."


def _f1_over(score: Mapping[str, Any] | None, labels: Iterable[str]) -> float:
    """Micro-F1 of some labels of a suite."""
    own = [score["labels"][label] for label in labels if label in score["labels"]] if score else []
    tp, fp, fn = (sum(int(counts[key]) for counts in own) for key in ("tp", "fp", "fn"))
    return Counts(tp, fp, fn).f1
