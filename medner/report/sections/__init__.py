"""The sections of the report, one module for each concern. A section without input names the step that makes it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from medner.report.blocks import Missing, Section
from medner.report.inputs import Inputs
from medner.report.sections import (
    ablations,
    answer,
    confidence,
    data,
    errors,
    exchange,
    names,
    provenance,
    real_text,
    robustness,
    statistics,
    steps,
    training,
)

BUILDERS: Sequence[Callable[[Inputs], Section | Missing]] = (
    answer.section,
    real_text.section,
    steps.section,
    names.section,
    robustness.section,
    statistics.seeds,
    statistics.significance,
    ablations.section,
    confidence.section,
    training.section,
    exchange.section,
    errors.section,
    data.data_card,
    data.leakage,
    provenance.section,
)


def sections(inputs: Inputs) -> tuple[list[Section], list[Missing]]:
    """All sections that there is input for, in order, and those that there is none for."""
    built = [build(inputs) for build in BUILDERS]
    return [one for one in built if isinstance(one, Section)], [one for one in built if isinstance(one, Missing)]
