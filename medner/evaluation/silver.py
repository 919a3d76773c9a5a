"""How far silver labels agree with the gold labels that some of their texts have. No label is changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from medner.data.records import Record
from medner.data.silver import SilverSentence
from medner.evaluation.scores import Counts
from medner.tables import Table


class Agreement(NamedTuple):
    """Silver against gold mentions of one label.

    exact: counts of exact spans. found, met: silver mentions that share a character with a gold one, and the reverse.
    """

    sentences: int = 0
    exact: Counts = Counts()
    found: int = 0
    met: int = 0


def agreement(
    sentences: Iterable[SilverSentence], gold: Mapping[str, Mapping[str, Record]], label: str
) -> dict[str, Agreement]:
    """Agreement by source. gold: records by source and id; sentences without one are passed over."""
    sums: dict[str, Agreement] = {}
    for sentence in sentences:
        record = gold.get(sentence.source, {}).get(sentence.record)
        if record is None:
            continue
        silver = {(start, end) for start, end, kind in sentence.entities if kind == label}
        right = {
            (start - sentence.start, end - sentence.start)
            for start, end, kind in record.entities
            if kind == label and sentence.start <= start and end <= sentence.end
        }
        exact = Counts(len(silver & right), len(silver - right), len(right - silver))
        before = sums.get(sentence.source, Agreement())
        sums[sentence.source] = Agreement(
            before.sentences + 1,
            before.exact.plus(exact),
            before.found + _touching(silver, right),
            before.met + _touching(right, silver),
        )
    return sums


def _touching(spans: set[tuple[int, int]], others: set[tuple[int, int]]) -> int:
    """How many of the spans share a character with one of the others."""
    return sum(any(start < last and first < end for first, last in others) for start, end in spans)


def agreement_table(found: Mapping[str, Agreement]) -> Table:
    """Precision, recall and F1 of silver labels by source."""
    columns = ["source", "sentences", "gold mentions", "P", "R", "F1", "P, overlap", "R, overlap"]
    rows = []
    for source, one in found.items():
        marked, support = one.exact.tp + one.exact.fp, one.exact.tp + one.exact.fn
        rates = (
            one.exact.precision,
            one.exact.recall,
            one.exact.f1,
            one.found / max(1, marked),
            one.met / max(1, support),
        )
        rows.append([source, f"{one.sentences:,}", f"{support:,}", *(f"{rate:.3f}" for rate in rates)])
    return Table(columns, rows, text=(0,))
