"""Mantra GSC: brat stand-off; types are concepts, and notes name the UMLS semantic group (Kors et al. 2015)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from medner.data.readers.brat import REMEDY, TextBound, read_brat
from medner.data.records import Record, Tally
from medner.exceptions import InputError

GENRES = ("EMEA", "Medline_EN_FR", "Patents")
DISORDER = "DISO"
# "C0019169", "Hepatitis B Virus", "Virus" ,"LIVB": the group is the last field, or in a few notes the last but one. A
# concept of several types has several groups ("OBJC|CHEM").
_GROUPS = re.compile(r'"([A-Z]{4}(?:\|[A-Z]{4})*)"')


def read_mantra(path: Path, tally: Tally) -> Iterator[Record]:
    """The French units of a folder or archive, labelled with semantic groups; a span may carry several concepts.

    Raises InputError for an annotation whose note names no group, and as :func:`medner.data.readers.brat.read_brat`.
    """
    return read_brat(path, [f"French/{genre}" for genre in GENRES], "fr", tally, _group)


def _group(annotation: TextBound, path: str) -> str:
    if not (found := _GROUPS.findall(annotation.note)):
        what = f"{annotation.id} has no AnnotatorNotes with a semantic group"
        raise InputError(what, path=path, place=f"line {annotation.line}", remedy=REMEDY)
    groups: list[str] = found[-1].split("|")
    return DISORDER if DISORDER in groups else groups[0]
