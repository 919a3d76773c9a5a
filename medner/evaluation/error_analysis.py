"""Error analysis: the kind of every false positive and false negative, and where errors are frequent.

Mentions of labels that a source does not annotate count neither way, as in :mod:`medner.evaluation.scores`, so that
the false positives and false negatives here add up to those of ``scores.json``.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from pydantic import model_validator

from medner.data.labels import Scheme
from medner.data.manifests import read_manifest
from medner.data.overlap import form_key
from medner.data.records import Entity
from medner.data.tokenizer import blank
from medner.evaluation.pipelines import training_mentions
from medner.evaluation.predictions import Prediction, read_predictions
from medner.evaluation.results import Run
from medner.exceptions import InputError
from medner.model.provenance import Provenance
from medner.outputs import Output

OUTSIDE = "O"
MISSED_FORMS = 50  # most frequent ones that are kept per suite
EXAMPLES = 4  # of every kind of error
# HTA, DZ, BPOC, HbA1c, B.P.O.C., COVID-19: one word, mostly of capitals.
_ABBREVIATION = re.compile(r"(?=(?:[\w.\-/]*?[A-ZÀ-ÖØ-ÞĂÂÎȘȚ]){2})[\w.\-/]{2,10}")


class Kind(StrEnum):
    """Kinds of error, by the overlap of a wrong mention with the other side (as in MUC and SemEval 2013 task 9)."""

    BOUNDARY = "wrong boundary"
    LABEL = "wrong label"
    BOTH = "wrong boundary and label"
    MISSED = "missed"
    SPURIOUS = "spurious"


class Guideline(StrEnum):
    """Why an error may be a difference between annotation guidelines rather than a mistake."""

    GENERIC = "generic noun"
    ABBREVIATION = "abbreviation"


@dataclass(frozen=True)
class Error:
    """One error: a gold mention, a predicted one, or a pair of both that overlap.

    ``fp`` and ``fn`` say what it counts for: a wrong boundary is one false positive and one false negative, unless
    its counterpart has been charged already (a predicted mention that swallows two gold ones).
    """

    kind: Kind
    gold: Entity | None
    predicted: Entity | None
    fp: bool
    fn: bool

    @property
    def mention(self) -> Entity:
        """The gold mention, or the spurious one."""
        mention = self.gold or self.predicted
        assert mention is not None
        return mention


@dataclass(frozen=True)
class Knowledge:
    """What classifying an error needs, beside spans.

    seen: (label, :func:`medner.data.overlap.form_key`) of every training mention of the model. generic: keys of generic
    nouns, by language.
    """

    seen: Collection[tuple[str, str]] = frozenset()
    generic: Mapping[str, Collection[str]] = field(default_factory=dict)

    def is_seen(self, label: str, form: str) -> bool:
        """Whether the form occurs with this label in training."""
        return (label, form_key(form)) in self.seen

    def guideline(self, prediction: Prediction, error: Error) -> Guideline | None:
        """Whether a MEDICAL mention of the error is a generic noun or an abbreviation: corpora differ on both."""
        forms = [prediction.surface(m) for m in (error.gold, error.predicted) if m and m.label == "MEDICAL"]
        if any(form_key(form) in self.generic.get(prediction.lang, ()) for form in forms):
            return Guideline.GENERIC
        if any(_ABBREVIATION.fullmatch(form) for form in forms):
            return Guideline.ABBREVIATION
        return None


def classify(gold: Iterable[Entity], predicted: Iterable[Entity]) -> list[Error]:
    """The errors of one text, in the order of their start; mentions with the same span and label are right.

    A wrong predicted mention and a wrong gold mention that overlap are one error. Where several overlap, those with
    the same span pair first, then those with the same label, then those that share more characters; a mention whose
    counterparts have all found another partner keeps the kind of its best overlap but is charged alone.
    """
    gold_set, predicted_set = set(gold), set(predicted)
    wrong_gold, wrong_predicted = sorted(gold_set - predicted_set), sorted(predicted_set - gold_set)
    overlaps = sorted(
        ((g, p) for g in wrong_gold for p in wrong_predicted if g.start < p.end and p.start < g.end),
        key=lambda pair: (pair[0][:2] != pair[1][:2], pair[0].label != pair[1].label, -_shared(*pair), pair),
    )
    errors, charged_gold, charged_predicted = [], set[Entity](), set[Entity]()
    for g, p in overlaps:
        if g not in charged_gold and p not in charged_predicted:
            charged_gold.add(g)
            charged_predicted.add(p)
            errors.append(Error(_kind(g, p), g, p, fp=True, fn=True))
    for g, p in overlaps:
        if g not in charged_gold or p not in charged_predicted:
            errors.append(Error(_kind(g, p), g, p, fp=p not in charged_predicted, fn=g not in charged_gold))
            charged_gold.add(g)
            charged_predicted.add(p)
    errors += [Error(Kind.MISSED, g, None, fp=False, fn=True) for g in wrong_gold if g not in charged_gold]
    errors += [Error(Kind.SPURIOUS, None, p, fp=True, fn=False) for p in wrong_predicted if p not in charged_predicted]
    return sorted(errors, key=lambda error: (error.mention, error.predicted or error.mention))


def _shared(left: Entity, right: Entity) -> int:
    return min(left.end, right.end) - max(left.start, right.start)


def _kind(gold: Entity, predicted: Entity) -> Kind:
    if gold[:2] == predicted[:2]:
        return Kind.LABEL
    return Kind.BOUNDARY if gold.label == predicted.label else Kind.BOTH


def confusion(
    units: Iterable[tuple[int, int]], gold: Sequence[Entity], predicted: Sequence[Entity]
) -> Counter[tuple[str, str]]:
    """Counts of (gold label, predicted label) over units of text (character offsets); O is outside any mention.

    A unit has the label that covers most of its characters; of two that cover the same number, a label wins over O.
    """
    return Counter((_majority(unit, gold), _majority(unit, predicted)) for unit in units)


def _majority(unit: tuple[int, int], mentions: Iterable[Entity]) -> str:
    start, end = unit
    covered: Counter[str] = Counter()
    for mention in mentions:
        if mention.start < end and start < mention.end:
            covered[mention.label] += min(end, mention.end) - max(start, mention.start)
    outside = end - start - covered.total()
    label, most = max(covered.items(), key=lambda item: (item[1], item[0]), default=(OUTSIDE, -1))
    return label if most >= outside else OUTSIDE


def gold_tokens(tokens: Iterable[tuple[int, int]], gold: Iterable[Entity]) -> list[tuple[int, int]]:
    """The tokens, split wherever a gold mention starts or ends: the tokens of the reference documents.

    (:func:`medner.data.tokenizer.reference_doc` splits the same way.) On them, no gold mention is lost.
    """
    cuts = sorted({cut for entity in gold for cut in (entity.start, entity.end)})
    units: list[tuple[int, int]] = []
    for start, end in tokens:
        edges = [start, *(cut for cut in cuts if start < cut < end), end]
        units += itertools.pairwise(edges)
    return units


class Charge(Output):
    """Errors of one kind, and the false positives and false negatives that they are."""

    errors: int
    fp: int
    fn: int


class Confusion(Output):
    """Tokens by gold label (row) and predicted label (column), on gold tokens and on the pipeline's own."""

    labels: list[str]
    gold_tokens: list[list[int]]
    own_tokens: list[list[int]]

    @model_validator(mode="after")
    def _is_square(self) -> Self:
        size = len(self.labels)
        for matrix in (self.own_tokens, self.gold_tokens):
            if [len(row) for row in matrix] != [size] * size:
                raise ValueError(f"a matrix is not {size} × {size}")
        return self


class MissedForm(Output):
    """A surface form whose mentions were missed. seen: whether training has it."""

    form: str
    label: str
    count: int
    seen: bool


class SuiteErrors(Output):
    """The errors of one suite. off_tokens: gold mentions that start or end inside a token."""

    texts: int
    gold: int
    tp: int
    fp: int
    fn: int
    errors: int
    off_tokens: int
    kinds: dict[Kind, Charge]
    by_label: dict[str, dict[str, int]]
    by_source: dict[str, dict[str, int]]
    by_seen: dict[str, dict[str, int]]
    guideline: dict[Guideline, Charge]
    confusion: Confusion
    missed_forms: list[MissedForm]

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        rows = [row.keys() for by in (self.by_label, self.by_source, self.by_seen) for row in by.values()]
        if (
            set(Kind) - self.kinds.keys()
            or any(set(Kind) - row for row in rows)
            or set(Guideline) - set(self.guideline)
        ):
            raise ValueError("a kind of error is missing")
        return self


class ErrorExample(Output):
    """A text with an error of the kind, and its mentions."""

    kind: Kind
    id: str
    source: str
    lang: str
    text: str
    gold: list[Entity]
    predicted: list[Entity]


class Errors(Output):
    """``metrics/errors/<experiment>.json``. provenance: of the run whose errors these are."""

    provenance: Provenance
    suites: dict[str, SuiteErrors]
    examples: list[ErrorExample]


@dataclass
class _Tally:
    """Counts of one suite; ``add`` takes in one text after the other."""

    labels: Sequence[str]
    counts: Counter[str] = field(default_factory=Counter)
    kinds: dict[str, Counter[str]] = field(default_factory=dict)
    by_label: dict[str, Counter[str]] = field(default_factory=dict)
    by_source: dict[str, Counter[str]] = field(default_factory=dict)
    by_seen: dict[str, Counter[str]] = field(default_factory=dict)
    guideline: dict[str, Counter[str]] = field(default_factory=dict)
    on_gold_tokens: Counter[tuple[str, str]] = field(default_factory=Counter)
    on_own_tokens: Counter[tuple[str, str]] = field(default_factory=Counter)
    missed: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    missed_seen: dict[tuple[str, str], bool] = field(default_factory=dict)

    def add(
        self, prediction: Prediction, errors: Sequence[Error], predicted: Sequence[Entity], known: Knowledge
    ) -> None:
        """Take in one text with its errors; ``predicted`` are the predicted mentions that count."""
        gold = prediction.gold
        found = set(gold) & set(predicted)
        self.counts.update(texts=1, gold=len(gold), tp=len(found))
        for mention in gold:
            seen = "seen" if known.is_seen(mention.label, prediction.surface(mention)) else "unseen"
            self.by_seen.setdefault(seen, Counter()).update(gold=1, tp=mention in found)
        for error in errors:
            self._charge(prediction, error, known)
        self.on_gold_tokens += confusion(gold_tokens(prediction.tokens, gold), gold, predicted)
        self.on_own_tokens += confusion(prediction.tokens, gold, predicted)
        edges = {start for start, _ in prediction.tokens}, {end for _, end in prediction.tokens}
        self.counts["off_tokens"] += sum(m.start not in edges[0] or m.end not in edges[1] for m in gold)

    def _charge(self, prediction: Prediction, error: Error, known: Knowledge) -> None:
        mention = error.mention
        form = prediction.surface(mention)
        charge = {"errors": 1, "fp": int(error.fp), "fn": int(error.fn)}
        seen = known.is_seen(mention.label, form)
        self.counts.update(charge)
        self.kinds.setdefault(error.kind, Counter()).update(charge)
        self.by_label.setdefault(mention.label, Counter())[error.kind] += 1
        self.by_source.setdefault(prediction.source, Counter())[error.kind] += 1
        self.by_seen.setdefault("seen" if seen else "unseen", Counter())[error.kind] += 1
        if why := known.guideline(prediction, error):
            self.guideline.setdefault(why, Counter()).update(charge)
        if error.kind == Kind.MISSED:
            key = (mention.label, form_key(form))
            self.missed.setdefault(key, Counter())[form] += 1
            self.missed_seen[key] = seen

    def result(self) -> SuiteErrors:
        """The counts of all texts taken in."""
        axis = [*self.labels, OUTSIDE]
        kinds = [str(kind) for kind in Kind]
        charges = ("errors", "fp", "fn")
        frequent = sorted(self.missed.items(), key=lambda item: (-item[1].total(), item[0]))[:MISSED_FORMS]

        def table(matrix: Counter[tuple[str, str]]) -> list[list[int]]:
            return [[matrix[row, column] for column in axis] for row in axis]

        return SuiteErrors(
            **{k: self.counts[k] for k in ("texts", "gold", "tp", "fp", "fn", "errors", "off_tokens")},
            kinds={k: Charge(**_row(self.kinds.get(k), charges)) for k in Kind},
            by_label={label: _row(self.by_label.get(label), kinds) for label in self.labels},
            by_source={source: _row(row, kinds) for source, row in sorted(self.by_source.items())},
            by_seen={s: _row(self.by_seen.get(s), ["gold", "tp", *kinds]) for s in ("seen", "unseen")},
            guideline={g: Charge(**_row(self.guideline.get(g), charges)) for g in Guideline},
            confusion=Confusion(
                labels=axis, gold_tokens=table(self.on_gold_tokens), own_tokens=table(self.on_own_tokens)
            ),
            missed_forms=[
                MissedForm(
                    form=min(forms, key=lambda form: (-forms[form], form)),
                    label=key[0],
                    count=forms.total(),
                    seen=self.missed_seen[key],
                )
                for key, forms in frequent
            ],
        )


def _row(counts: Counter[str] | None, keys: Iterable[str]) -> dict[str, int]:
    return {key: (counts or Counter())[key] for key in keys}


def analyse(
    suites: Mapping[str, Sequence[Prediction]], annotated: Mapping[str, Collection[str]], labels: Sequence[str],
    known: Knowledge,
) -> tuple[list[dict[str, Any]], dict[str, SuiteErrors]]:  # fmt: skip
    """All errors of one model, and their counts by suite.

    suites: the predictions of each suite. annotated: the labels that each source annotates. labels: the scheme's, in
    the order of the confusion matrices' rows. Returns one dictionary per error, each text once however many suites
    hold it, and the counts by suite. Raises KeyError for a source that ``annotated`` does not know.
    """
    lines: dict[tuple[str, str], list[dict[str, Any]]] = {}
    counts = {}
    for suite, predictions in suites.items():
        score = _Tally([label for label in labels if any(label in annotated[p.source] for p in predictions)])
        for prediction in predictions:
            counted = [m for m in prediction.predicted if m.label in annotated[prediction.source]]
            errors = classify(prediction.gold, counted)
            score.add(prediction, errors, counted, known)
            key = (prediction.source, prediction.id)
            if key in lines:
                for line in lines[key]:
                    line["suites"].append(suite)
            else:
                lines[key] = [_line(prediction, error, suite, known) for error in errors]
        counts[suite] = score.result()
    return [line for group in lines.values() for line in group], counts


def analyse_run(
    run: Run, paths: Mapping[str, Path], corpus: Path, scheme: Scheme, generic: Mapping[str, Collection[str]]
) -> tuple[list[dict[str, Any]], Errors]:
    """All errors of an evaluated run, one dictionary each, and their counts with examples.

    paths: the predictions of each suite. corpus: the folder that the run was trained and evaluated on. generic: keys of
    generic nouns, by language. Raises InputError if predictions or corpus are damaged or do not belong to the run.
    """
    about, nlp = run.scores.provenance, blank()
    annotated = {name: frozenset(source.annotated) for name, source in read_manifest(corpus).sources.items()}
    known = Knowledge(training_mentions(nlp, corpus / about.experiment / "train.spacy", about), generic)
    suites = {suite: read_predictions(path) for suite, path in paths.items()}
    if unknown := {one.source for own in suites.values() for one in own} - annotated.keys():
        what = f"no source {', '.join(sorted(unknown))}, which {about.experiment} was evaluated on"
        raise InputError(what, path=corpus, remedy="Run the corpus step, then evaluate again")
    lines, counts = analyse(suites, annotated, scheme.labels, known)
    return lines, Errors(provenance=about, suites=counts, examples=choose_examples(suites, lines, annotated))


def _line(prediction: Prediction, error: Error, suite: str, known: Knowledge) -> dict[str, Any]:
    def side(mention: Entity | None) -> dict[str, Any] | None:
        return mention and {**mention._asdict(), "form": prediction.surface(mention)}

    mention = error.mention
    why = known.guideline(prediction, error)
    return {
        "id": prediction.id,
        "source": prediction.source,
        "lang": prediction.lang,
        "suites": [suite],
        "kind": str(error.kind),
        "gold": side(error.gold),
        "predicted": side(error.predicted),
        "fp": int(error.fp),
        "fn": int(error.fn),
        "seen": known.is_seen(mention.label, prediction.surface(mention)),
        "guideline": why and str(why),
        "text": prediction.text,
    }


def choose_examples(
    suites: Mapping[str, Sequence[Prediction]],
    errors: Sequence[Mapping[str, Any]],
    annotated: Mapping[str, Collection[str]],
) -> list[ErrorExample]:
    """Some texts for every kind of error, with all their mentions, to be shown.

    suites, annotated: as for :func:`analyse`; errors: the lines it returned. Texts are drawn by a hash of their
    id, so that nobody picks them and every run picks the same; the sources take turns.
    """
    texts = {(p.source, p.id): p for predictions in suites.values() for p in predictions}
    chosen = []
    for kind in Kind:
        keys = {(line["source"], line["id"]) for line in errors if line["kind"] == kind}
        drawn = sorted(keys, key=lambda key: hashlib.sha256("/".join(key).encode()).hexdigest())
        turn: Counter[str] = Counter()
        ranked = []
        for key in drawn:
            ranked.append((turn[key[0]], key))
            turn[key[0]] += 1
        for _, key in sorted(ranked, key=lambda item: (item[0], item[1][0]))[:EXAMPLES]:
            p = texts[key]
            predicted = [m for m in p.predicted if m.label in annotated[p.source]]
            chosen.append(
                ErrorExample(
                    kind=kind, id=p.id, source=p.source, lang=p.lang, text=p.text, gold=list(p.gold),
                    predicted=predicted,
                )
            )  # fmt: skip
    return chosen
