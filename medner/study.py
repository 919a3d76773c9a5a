"""The plan of the study: sources, the experiments that train on them, the suites that measure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from medner.exceptions import InputError
from medner.files import read_text


@dataclass(frozen=True)
class Curves:
    """Learning curves: how much of what each mix's experiment adds to the base experiment is trained on.

    mixes: experiment by mix. suites: by suite, the mix of real annotation that it is measured against.
    """

    base: str
    sizes: tuple[int, ...]
    mixes: Mapping[str, str]
    suites: Mapping[str, str]


@dataclass(frozen=True)
class Plan:
    """``configs/experiments.yml``."""

    sources: Mapping[str, Mapping[str, Any]]
    experiments: Mapping[str, tuple[str, ...]]
    suites: Mapping[str, tuple[str, ...]]
    curves: Curves | None = None

    @property
    def ladder(self) -> list[str]:
        """The experiments of which each adds a corpus to the training data of the one before."""
        steps: list[str] = []
        below: tuple[str, ...] = ()
        for name, sources in self.experiments.items():
            if sources[: len(below)] == below and sources != below:
                steps.append(name)
                below = sources
        return steps

    @property
    def trained(self) -> dict[str, tuple[str, ...]]:
        """The experiments that train on anything; of others there is nothing to make but scores."""
        return {name: sources for name, sources in self.experiments.items() if sources}

    def without(self, missing: Mapping[str, str]) -> Plan:
        """What is left of the plan where some sources are missing: experiments and suites that do without them."""

        def left(users: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
            return {name: sources for name, sources in users.items() if not set(sources) & set(missing)}

        sources = {name: about for name, about in self.sources.items() if name not in missing}
        return Plan(sources, left(self.experiments), left(self.suites))


def reasons(users: Mapping[str, tuple[str, ...]], missing: Mapping[str, str]) -> dict[str, str]:
    """The experiments or suites that use missing sources, each with why they are missing."""
    lacking = {name: [source for source in sources if source in missing] for name, sources in users.items()}
    return {
        name: "; ".join(dict.fromkeys(missing[source] for source in sources))
        for name, sources in lacking.items()
        if sources
    }


SOURCE_KEYS = {"labels", "lang", "files", "note", "documents"}


def _needed(source: Mapping[str, Any]) -> set[str]:
    """The keys that a source must have; the files of RONEC and of the synthetic corpora need no naming."""
    return {"labels", "lang"} | (set() if source.get("labels") in ("ronec", "synthetic") else {"files", "note"})


def _known(keys: Iterable[str], known: Iterable[str], place: str = "") -> None:
    """Raises TypeError for a key that nothing reads: it is misspelt."""
    if strange := sorted(set(keys) - set(known)):
        raise TypeError(f"{place}unknown key {strange[0]}; known are {', '.join(sorted(known))}")


def _sources(name: str, parts: object) -> tuple[str, ...]:
    if not isinstance(parts, list):
        raise TypeError(f"{name} is no list of sources")
    return tuple(map(str, parts))


def _check_names(plan: Plan, path: Path) -> None:
    """Raises InputError where two things would be one folder of the corpus, or two sources the same text."""
    for name, parts in plan.suites.items():
        if not parts or (name in plan.sources and parts != (name,)):
            what = f"suite {name} has no source" if not parts else f"suite {name} has the name of another source"
            raise InputError(what, path=path, remedy="Give it its sources, or another name")
    if taken := sorted(set(plan.experiments) & {*plan.sources, *plan.suites}):
        what = f"experiment {taken[0]} has the name of a source or suite"
        raise InputError(what, path=path, remedy="Choose another name")
    read: dict[tuple[str, str], str] = {}
    for name, about in plan.sources.items():
        if about["labels"] in ("ronec", "synthetic"):
            text = (about["labels"], about["lang"] if about["labels"] == "synthetic" else "")
            if text in read:
                what = f"sources {read[text]} and {name} are the same text"
                remedy = "Correct lang or labels: a synthetic source is the folder assets/synthetic/<lang>"
                raise InputError(what, path=path, remedy=remedy)
            read[text] = name


def load_plan(path: Path) -> Plan:
    """Read the plan. Raises InputError if it is malformed, or names a source that it does not define or describe."""
    try:
        raw: Any = yaml.safe_load(read_text(path))
        _known(raw, [field.name for field in fields(Plan)])
        for name, about in raw["sources"].items():
            _known(about, SOURCE_KEYS, f"source {name}: ")
            re.compile(about.get("documents", ""))
        plan = Plan(
            sources=dict(raw["sources"]),
            experiments={name: _sources(name, parts) for name, parts in raw["experiments"].items()},
            suites={name: _sources(name, parts) for name, parts in raw["suites"].items()},
            curves=Curves(**{**raw["curves"], "sizes": tuple(raw["curves"]["sizes"])}) if "curves" in raw else None,
        )
        lacking = {name: sorted(_needed(about) - set(about)) for name, about in plan.sources.items()}
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, re.error) as error:
        what = f"is no plan of experiments ({' '.join(str(error).split())})"
        raise InputError(what, path=path, remedy="It needs sources, experiments and suites") from None
    for name, keys in lacking.items():
        if keys:
            remedy = "Add it, or correct labels: only ronec and synthetic need no files and note"
            raise InputError(f"source {name} lacks {', '.join(keys)}", path=path, remedy=remedy)
    _check_names(plan, path)
    for name, parts in {**plan.experiments, **plan.suites}.items():
        if strange := sorted(set(parts) - set(plan.sources)):
            raise InputError(f"{name} uses unknown sources {strange}", path=path, remedy="Define them under sources:")
    if plan.curves:
        if not all(type(size) is int and size > 0 for size in plan.curves.sizes):
            what = f"curves have sizes {list(plan.curves.sizes)}"
            raise InputError(what, path=path, remedy="Give numbers of sentences, as in [100, 300]")
        named = {plan.curves.base, *plan.curves.mixes.values()}
        if strange := sorted(named - set(plan.experiments)):
            raise InputError(f"curves use unknown experiments {strange}", path=path, remedy="Define them")
        if strange := sorted(set(plan.curves.suites.values()) - set(plan.curves.mixes)):
            raise InputError(f"curves' suites use unknown mixes {strange}", path=path, remedy="Define them")
    return plan
