"""The plan of the study: sources, the experiments that train on them, the suites that measure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from medner.exceptions import InputError
from medner.files import read_text


@dataclass(frozen=True)
class Plan:
    """``configs/experiments.yml``."""

    sources: Mapping[str, Mapping[str, str]]
    experiments: Mapping[str, tuple[str, ...]]
    suites: Mapping[str, tuple[str, ...]]


def load_plan(path: Path) -> Plan:
    """Read the plan. Raises InputError if it is malformed or names a source that it does not define."""
    try:
        raw: Any = yaml.safe_load(read_text(path))
        plan = Plan(
            sources=dict(raw["sources"]),
            experiments={name: tuple(parts) for name, parts in raw["experiments"].items()},
            suites={name: tuple(parts) for name, parts in raw["suites"].items()},
        )
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        what = f"is no plan of experiments ({' '.join(str(error).split())})"
        raise InputError(what, path=path, remedy="It needs sources, experiments and suites") from None
    for name, parts in {**plan.experiments, **plan.suites}.items():
        if strange := sorted(set(parts) - set(plan.sources)):
            raise InputError(f"{name} uses unknown sources {strange}", path=path, remedy="Define them under sources:")
    return plan
