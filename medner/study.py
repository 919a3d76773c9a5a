"""The study as ``configs/experiments.yml`` states it: sources, experiments, test suites and comparisons.

Nothing is inferred from the order or the names of experiments: what the study asks for is written in the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from medner.data.labels import CorpusLabels
from medner.names import Folder, Language, Name
from medner.settings import Expression, Settings, load_settings

Names = tuple[Name, ...]
Pair = tuple[Name, Name]
DOCUMENT = "[^#]+"  # the document in an id of a generic reader
WITHOUT_FILES = ("ronec", "synthetic")  # labels of the corpora that need no entry in configs/downloads.yml


Paths = Annotated[tuple[str, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)]
Share = Annotated[float, Field(ge=0, lt=1)]


class Columns(Settings):
    """The columns of a CoNLL file, from 1; -1 is the last. misc: the one that may hold ``SpaceAfter=No``."""

    token: int = 1
    tag: int = -1
    misc: int | None = None


class Shares(Settings):
    """The shares of a corpus's documents that a seeded draw makes the dev and test part; the rest trains."""

    dev: Share = 0.1
    test: Share = 0.2
    seed: int = 0

    @model_validator(mode="after")
    def _leaves_some(self) -> Shares:
        if self.dev + self.test >= 1:
            raise ValueError("dev and test leave nothing to train on")
        return self


def _by_split(value: object) -> object:
    return value if isinstance(value, Mapping) else {"all": value}


class Source(Settings):
    """A corpus.

    labels: its entry in ``configs/labels.yml``, or that entry itself. files: its entries in ``configs/downloads.yml``.
    note: what every table says about it. documents: a regular expression for the part of a text's id that names its
    document; texts of one document are resampled together. Empty where every text stands alone. tokens: what a language
    model read and wrote for a sentence, on average; None of sources that people made. kept: the share of the mentions
    of labelled text that is kept, to see what a worse labeller would give.

    format: of a corpus in a common format, for which a generic reader exists. data: its files, by split or, under
    ``all``, to be split by ``shares``; each is an entry of ``files`` or a path in the project folder. off_boundaries:
    the largest share of mentions that may start or end inside a token.
    """

    labels: str | CorpusLabels
    lang: Language
    files: tuple[str, ...] = ()
    note: str = ""
    documents: Expression = ""
    format: Literal["conll", "brat", "docbin", "jsonl", "label-studio"] | None = None
    data: Annotated[Mapping[Literal["train", "dev", "test", "all"], Paths], BeforeValidator(_by_split)] = Field(
        default={}
    )
    columns: Columns = Columns()
    shares: Shares = Shares()
    off_boundaries: Annotated[float, Field(ge=0, le=1)] = 0.02
    tokens: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]] | None = None
    kept: Annotated[float, Field(gt=0, le=1)] = 1

    @model_validator(mode="after")
    def _is_described(self) -> Source:
        if self.format:
            if not any(self.data.values()):
                raise ValueError("data missing: name the files that format describes")
            if empty := [split for split, paths in self.data.items() if not paths]:
                raise ValueError(f"data: {empty[0]} names no file")
            if "all" in self.data and len(self.data) > 1:
                raise ValueError("data: give either all, or train, dev and test")
            if not self.note:
                raise ValueError("note missing: say in a few words what the corpus is")
            return self
        if extra := self.model_fields_set & {"data", "columns", "shares"}:
            raise ValueError(f"{sorted(extra)[0]} needs format, the format of the files")
        lacking = [key for key in ("files", "note") if not getattr(self, key)]
        if self.labels not in WITHOUT_FILES and lacking:
            why = f"a source with labels {self.labels!r} needs them (no files where it has format and data)"
            raise ValueError(f"{' and '.join(lacking)} missing: {why}")
        return self

    @property
    def synthetic(self) -> bool:
        """Whether it is a committed synthetic corpus, the folder ``assets/synthetic/<lang>``."""
        return self.labels == "synthetic" and not self.format

    @property
    def silver(self) -> bool:
        """Whether it is text that a language model has labelled, ``assets/silver/<lang>.jsonl``."""
        return self.labels == "silver" and not self.format

    @property
    def grouping(self) -> str:
        """The expression for documents; generic readers write ids as ``<document>#<line>``."""
        return self.documents or (DOCUMENT if self.format else "")

    @property
    def text(self) -> tuple[str, str]:
        """What tells two sources without files apart: the kind, and of synthetic ones the language."""
        return str(self.labels), self.lang if self.labels == "synthetic" else ""


def _with_likes(sources: object) -> object:
    """The sources with ``like: <an earlier source>`` replaced by the keys of that source that they do not set."""
    if not isinstance(sources, Mapping):
        return sources
    whole: dict[str, object] = {}
    for name, source in sources.items():
        if isinstance(source, Mapping) and "like" in source:
            other = whole.get(source["like"]) if isinstance(source["like"], str) else None
            if not isinstance(other, Mapping):
                raise ValueError(f"source {name}: like needs the name of a source above it, not {source['like']!r:.80}")
            whole[name] = {**other, **{key: value for key, value in source.items() if key != "like"}}
        else:
            whole[name] = source
    return whole


class Experiment(Settings):
    """A training: ``configs/<model>.cfg`` on the train and dev parts of the sources. about: on what, in words.

    Without a model it is a language model's zero-shot labels, and trains on nothing.
    """

    model: Name | None = None
    sources: Names = ()
    about: str = ""

    @model_validator(mode="after")
    def _is_whole(self) -> Experiment:
        if bool(self.model) != bool(self.sources):
            raise ValueError("a model needs sources, and sources need a model")
        return self


class Suite(Settings):
    """A test suite: the test parts of its sources, scored together.

    group: ``headline``, text like that of training; ``real``, real medical text; or ``names``, other real text with
    names of persons, organisations and places. about: what text it is, in a word or two. references: the experiments
    that the report shows beside the study's last step on this suite.
    """

    sources: Annotated[Names, Field(min_length=1)]
    group: Literal["headline", "real", "names"]
    about: str = ""
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


class Question(Settings):
    """A question that the report answers.

    pairs: the differences [before, after] that answer it; the first that was compared makes the short answer. suites:
    where; none stands for those of real medical text. also: what the answer needs beside differences. words: how the
    short answer begins where F1 rises, where it falls, and where neither is shown. further: not one of the first
    questions, with which the report begins.
    """

    ask: str
    pairs: tuple[Pair, ...] = ()
    suites: Names = ()
    also: Literal["", "equal cost", "real sentences", "price", "recommended"] = ""
    words: tuple[str, str, str] = ("Yes", "No", "Not measurably")
    further: bool = False


class Recommended(Settings):
    """The pipeline that is meant where none is named.

    dev: the sources whose dev parts decide. The candidates are the experiments that train on nothing but these.
    """

    pipeline: Name
    dev: Annotated[Names, Field(min_length=1)]


class Study(Settings):
    """``configs/experiments.yml``.

    sources: ``like: <an earlier source>`` stands for the keys of that source that are not given. steps: the experiments
    whose order is the study's argument. main_suite: the suite that stands for the headline group. claims: F1 that the
    repeated study states for a step. comparisons: families of pairs (before, after); p is adjusted within a family and
    suite.
    """

    sources: Annotated[dict[Name, Source], BeforeValidator(_with_likes)]
    experiments: dict[Name, Experiment]
    suites: dict[Name, Suite]
    steps: Names = ()
    main_suite: Name | None = None
    claims: dict[Name, float] = Field(default={})
    comparisons: dict[Name, tuple[Pair, ...]] = Field(default={})
    curves: Curves | None = None
    questions: tuple[Question, ...] = ()
    recommended: Recommended | None = None

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
        for question in self.questions:
            user = f"question {question.ask!r}"
            uses.append((user, question.suites, self.suites, "suite"))
            uses.append((user, (name for pair in question.pairs for name in pair), self.experiments, "experiment"))
        if recommended := self.recommended:
            uses.append(("recommended", [recommended.pipeline], self.candidates, "candidate"))
            uses.append(("recommended", recommended.dev, self.sources, "source"))
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
        if taken := sorted(set(Folder) & self.experiments.keys()):
            raise ValueError(
                f"experiment {taken[0]} has the name of a folder that other steps write (these are taken: "
                f"{', '.join(sorted(Folder))})"
            )

    def _check_texts(self) -> None:
        read: dict[tuple[str, str], str] = {}
        for name, source in self.sources.items():
            if source.format or source.labels not in WITHOUT_FILES:
                continue
            if (other := read.setdefault(source.text, name)) != name:
                what = f"sources {other} and {name} are the same text: correct lang or labels"
                if source.synthetic:
                    what += f" (both are assets/synthetic/{source.lang}; for files of your own, add format and data)"
                raise ValueError(what)

    @property
    def trained(self) -> dict[str, Experiment]:
        """The experiments that train a pipeline."""
        return {name: experiment for name, experiment in self.experiments.items() if experiment.model}

    @property
    def candidates(self) -> dict[str, Experiment]:
        """The experiments of which one is recommended: those that train on nothing but its sources."""
        sources = set(self.recommended.dev) if self.recommended else set()
        return {name: experiment for name, experiment in self.trained.items() if set(experiment.sources) <= sources}

    @property
    def zero_shot(self) -> list[str]:
        """The experiments that are a language model's own labels."""
        return [name for name, experiment in self.experiments.items() if not experiment.model]

    def group(self, name: Literal["headline", "real", "names"]) -> list[str]:
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
