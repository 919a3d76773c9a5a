"""The study as ``configs/experiments.yml`` states it: sources, experiments, test suites and comparisons.

Nothing is inferred from the order or the names of experiments: what the study asks for is written in the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from medner.names import Name
from medner.settings import Settings, load_settings

Names = tuple[Name, ...]
Pair = tuple[Name, Name]
# What else is kept there, or below metrics/seeds/.
RESERVED = frozenset({"encoder", "errors", "logs", "pretraining", "reference", "seeds"})
WITHOUT_FILES = ("ronec", "synthetic")  # labels of the corpora that need no entry in configs/downloads.yml


class Source(Settings):
    """A corpus.

    labels: its entry in ``configs/labels.yml``. files: its entries in ``configs/downloads.yml``. note: what every table
    says about it. documents: a regular expression for the part of a text's id that names its document; texts of one
    document are resampled together. Empty where every text stands alone. tokens: what a language model read and wrote
    for a sentence, on average; None of sources that people made. kept: the share of the mentions of labelled text that
    is kept, to see what a worse labeller would give.
    """

    labels: str
    lang: Annotated[str, Field(pattern="^[a-z]{2,3}$")]
    files: tuple[str, ...] = ()
    note: str = ""
    documents: str = ""
    tokens: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] | None = None
    kept: Annotated[float, Field(gt=0, le=1)] = 1

    @field_validator("documents")
    @classmethod
    def _is_expression(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"not a regular expression ({error})") from None
        return value

    @model_validator(mode="after")
    def _is_described(self) -> Source:
        lacking = [key for key in ("files", "note") if not getattr(self, key)]
        if self.labels not in WITHOUT_FILES and lacking:
            raise ValueError(f"{' and '.join(lacking)} missing; only {' and '.join(WITHOUT_FILES)} sources need none")
        return self

    @property
    def text(self) -> tuple[str, str]:
        """What tells two sources without files apart: the kind, and of synthetic ones the language."""
        return self.labels, self.lang if self.labels == "synthetic" else ""


class Experiment(Settings):
    """A training: ``configs/<model>.cfg`` on the train and dev parts of the sources.

    Without a model it is a language model's zero-shot labels, and trains on nothing.
    """

    model: Name | None = None
    sources: Names = ()

    @model_validator(mode="after")
    def _is_whole(self) -> Experiment:
        if bool(self.model) != bool(self.sources):
            raise ValueError("a model needs sources, and sources need a model")
        return self


class Suite(Settings):
    """A test suite: the test parts of its sources, scored together.

    group: ``headline``, text like that of training, or ``real``, real medical text. references: the experiments that
    the report shows beside the study's last step on this suite.
    """

    sources: Annotated[Names, Field(min_length=1)]
    group: Literal["headline", "real"]
    references: Names = ()


class Curves(Settings):
    """Learning curves: F1 by the number of sentences that a mix adds to the base experiment.

    mixes: the experiment of each mix. suites: the mix of real annotation that each suite is measured against. model:
    whose price (``configs/generation/prices.yml``) turns tokens into cost. budgets: pairs of mixes that are compared at
    equal cost.
    """

    base: Name
    sizes: tuple[Annotated[int, Field(gt=0, strict=True)], ...]
    mixes: Mapping[str, Name]
    suites: Mapping[Name, str]
    model: str = ""
    budgets: tuple[tuple[str, str], ...] = ()


class Study(Settings):
    """``configs/experiments.yml``.

    steps: the experiments whose order is the study's argument. main_suite: the suite that stands for the headline
    group. claims: F1 that the repeated study states for a step. comparisons: families of pairs (before, after); p is
    adjusted within a family and suite.
    """

    sources: dict[Name, Source]
    experiments: dict[Name, Experiment]
    suites: dict[Name, Suite]
    steps: Names = ()
    main_suite: Name | None = None
    claims: dict[Name, float] = Field(default={})
    comparisons: dict[Name, tuple[Pair, ...]] = Field(default={})
    curves: Curves | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> Study:
        self._check_uses()
        self._check_folders()
        self._check_texts()
        return self

    def _check_uses(self) -> None:
        """Every name that is used is defined."""
        uses: list[tuple[str, Iterable[str], Mapping[str, object], str]] = [
            *((f"experiment {n}", e.sources, self.sources, "source") for n, e in self.experiments.items()),
            *((f"suite {n}", s.sources, self.sources, "source") for n, s in self.suites.items()),
            *((f"suite {n}", s.references, self.experiments, "experiment") for n, s in self.suites.items()),
            *(
                (f"comparisons {n}", pair, self.experiments, "experiment")
                for n, pairs in self.comparisons.items()
                for pair in pairs
            ),
            ("steps", self.steps, self.experiments, "experiment"),
            ("claims", self.claims, self.experiments, "experiment"),
            ("main_suite", [self.main_suite] if self.main_suite else [], self.suites, "suite"),
        ]
        if curves := self.curves:
            uses += [
                ("curves", [curves.base, *curves.mixes.values()], self.experiments, "experiment"),
                ("curves", curves.suites, self.suites, "suite"),
                ("curves", curves.suites.values(), curves.mixes, "mix"),
                ("curves", (mix for pair in curves.budgets for mix in pair), curves.mixes, "mix"),
            ]
        for user, names, known, kind in uses:
            if unknown := [name for name in names if name not in known]:
                raise ValueError(f"{user}: {kind} {unknown[0]} is not defined")

    def _check_folders(self) -> None:
        """No two things share a folder of the corpus. A suite may have the name of its only source."""
        for name, suite in self.suites.items():
            if name in self.sources and suite.sources != (name,):
                raise ValueError(f"suite {name} has the name of another source")
        if taken := [name for name in self.experiments if name in self.sources or name in self.suites]:
            raise ValueError(f"experiment {taken[0]} has the name of a source or suite")
        if taken := sorted(RESERVED & self.experiments.keys()):
            raise ValueError(f"experiment {taken[0]} has the name of a folder that other steps write")

    def _check_texts(self) -> None:
        read: dict[tuple[str, str], str] = {}
        for name, source in self.sources.items():
            if source.labels in WITHOUT_FILES and read.setdefault(source.text, name) != name:
                raise ValueError(f"sources {read[source.text]} and {name} are the same text: correct lang or labels")

    @property
    def trained(self) -> dict[str, Experiment]:
        """The experiments that train a pipeline."""
        return {name: experiment for name, experiment in self.experiments.items() if experiment.model}

    @property
    def zero_shot(self) -> list[str]:
        """The experiments that are a language model's own labels."""
        return [name for name, experiment in self.experiments.items() if not experiment.model]

    def group(self, name: Literal["headline", "real"]) -> list[str]:
        """The suites of a group."""
        return [suite for suite, about in self.suites.items() if about.group == name]

    def without(self, missing: Mapping[str, str]) -> Study:
        """What can be made where some sources are missing: sources, experiments and suites that do without them."""

        def left(names: Iterable[str]) -> bool:
            return not set(names) & missing.keys()

        return self.model_copy(
            update={
                "sources": {name: source for name, source in self.sources.items() if name not in missing},
                "experiments": {name: e for name, e in self.experiments.items() if left(e.sources)},
                "suites": {name: suite for name, suite in self.suites.items() if left(suite.sources)},
            }
        )


def reasons(users: Mapping[str, Experiment] | Mapping[str, Suite], missing: Mapping[str, str]) -> dict[str, str]:
    """The experiments or suites that use missing sources, each with why they are missing."""
    lacking = {name: [source for source in user.sources if source in missing] for name, user in users.items()}
    return {
        name: "; ".join(dict.fromkeys(missing[source] for source in sources))
        for name, sources in lacking.items()
        if sources
    }


def load_study(path: Path) -> Study:
    """Read the study. Raises InputError naming the key that is wrong."""
    return load_settings(path, Study)
