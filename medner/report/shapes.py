"""What the report reads of each file that a step wrote, and the one check that the file holds it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field, TypeAdapter, ValidationError, model_validator

from medner.evaluation.error_analysis import Guideline, Kind
from medner.exceptions import InputError


def check(data: Any, shape: Any, path: Path, step: str) -> None:
    """Raises InputError unless ``data``, read from ``path``, has the shape of what the step writes."""
    try:
        TypeAdapter(shape).validate_python(data, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        what = f"is not what the {step} step writes ({': '.join(part for part in (where, first['msg']) if part)})"
        raise InputError(what, path=path, remedy="Run it again") from None


def _holding(keys: Iterable[str]) -> AfterValidator:
    def check_keys(found: dict[str, Any]) -> dict[str, Any]:
        if lacking := [key for key in keys if key not in found]:
            raise ValueError(f"lacks {', '.join(lacking)}")
        return found

    return AfterValidator(check_keys)


Interval = Annotated[list[float], Field(min_length=2, max_length=2)]
ByKind = Annotated[dict[str, int], _holding(Kind)]


class Counts(BaseModel):
    """Rates and counts of a group of mentions."""

    p: float
    r: float
    f1: float
    tp: int
    fp: int
    fn: int
    support: int


class Matched(BaseModel):
    """F1 under one way of matching."""

    f1: float


class Matching(BaseModel):
    """F1 under all ways of matching."""

    exact: Matched
    partial: Matched
    type: Matched


class Suite(Counts):
    """Scores of one suite."""

    labels: dict[str, Counts]
    f1_interval: Interval | None
    units: int
    seen: Counts
    unseen: Counts
    matching: Matching


class Encoder(BaseModel):
    """What a pipeline builds on."""

    name: str
    revision: str
    untrained: bool
    parameters: int | None
    sha256: str


class Origin(BaseModel):
    """What a source is."""

    note: str
    stand_in: bool


class Test(Origin):
    """A source's test part."""

    annotated: list[str]


class Provenance(BaseModel):
    """What a run was made with."""

    encoder: Encoder
    sources: dict[str, Origin]
    persons: str
    seed: int
    epochs: int
    documents: int
    made_with: dict[str, str] = {}


class Scores(BaseModel):
    """``scores.json`` of a run."""

    provenance: Provenance
    test: dict[str, Test]
    skipped: dict[str, str] = {}
    suites: dict[str, Suite]


class Evaluation(BaseModel):
    """An evaluation on the dev data during training; epochs count from zero."""

    epoch: int
    step: int
    f1: float
    losses: dict[str, float]


class Curve(BaseModel):
    """``curve.json`` of a run."""

    evaluations: Annotated[list[Evaluation], Field(min_length=1)]
    best: Evaluation


class Comparison(BaseModel):
    """One comparison of two experiments on a suite."""

    suite: str
    before: str
    after: str
    difference: float
    interval: Interval
    p_holm: float
    luck_of: str
    runs: Annotated[list[int], Field(min_length=2, max_length=2)]
    sentence: str


class Significance(BaseModel):
    """``significance.json``."""

    experiments: dict[str, Any]
    comparisons: list[Comparison]


class LearningRow(BaseModel):
    """F1 of one run of a learning curve on one suite."""

    mix: str
    sentences: int
    seed: int
    suite: str
    reference: str
    f1: float
    resampled: list[float] | None


class Charge(BaseModel):
    """Errors of one kind, and what they cost."""

    errors: int
    fp: int
    fn: int


class Confusion(BaseModel):
    """Tokens by gold label (row) and predicted one (column)."""

    labels: list[str]
    own_tokens: list[list[int]]
    gold_tokens: list[list[int]]

    @model_validator(mode="after")
    def _square(self) -> Confusion:
        size = len(self.labels)
        for matrix in (self.own_tokens, self.gold_tokens):
            if [len(row) for row in matrix] != [size] * size:
                raise ValueError(f"a matrix is not {size} × {size}")
        return self


class MissedForm(BaseModel):
    """A form that was missed."""

    form: str
    label: str
    count: int
    seen: bool


class SuiteErrors(Charge):
    """The errors of one suite."""

    gold: int
    off_tokens: int
    kinds: Annotated[dict[str, Charge], _holding(Kind)]
    by_label: dict[str, ByKind]
    by_source: dict[str, ByKind]
    by_seen: dict[str, ByKind]
    guideline: Annotated[dict[str, Charge], _holding(Guideline)]
    confusion: Confusion
    missed_forms: list[MissedForm]


class ErrorExample(BaseModel):
    """A text with its mentions (start, end, label)."""

    kind: str
    id: str
    source: str
    lang: str
    text: str
    gold: list[Annotated[list[int | str], Field(min_length=3, max_length=3)]]
    predicted: list[Annotated[list[int | str], Field(min_length=3, max_length=3)]]


class Errors(BaseModel):
    """``errors/<experiment>.json``."""

    suites: dict[str, SuiteErrors]
    examples: list[ErrorExample]


class Overlap(BaseModel):
    """What a training file gives away of a test file."""

    sentences: list[Any]
    seen: dict[str, float]


class Split(BaseModel):
    """Counts of one part of a source."""

    sentences: int
    tokens: int
    entities: dict[str, int]
    off_boundaries: dict[str, int]
    dropped: dict[str, int]
    overlapping: int


class Described(Origin):
    """A source in the corpus."""

    splits: dict[str, Split]


class Manifest(BaseModel):
    """``manifest.json`` of the corpus."""

    sources: dict[str, Described]


Learning = list[LearningRow]
Leakage = dict[str, Overlap]
Quality = dict[str, dict[str, int | float | dict[str, Any]]]
