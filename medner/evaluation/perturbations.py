"""Test sentences as hospitals' files hold them: the perturbations that robustness is measured with.

They are fixed, so that results can be compared over time. Training text varies separately, at the rates of
``configs/transformer.cfg``.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from medner.data import variation as v
from medner.data.records import Record, without_marks

CLEAN = "clean"
DOTS = "." * 40
LEADERS = f"Subsemnatul(a) {DOTS} domiciliat(ă) în {DOTS} "
BARCODE = "*" * 40 + " 0123456789" * 4 + " " + "#" * 60 + "\n"

PERTURBATIONS: Mapping[str, Sequence[v.Vary]] = MappingProxyType(
    {
        CLEAN: (),
        "spaces: 30 % doubled, no-break or narrow": [v.odd_spaces(0.3, ["  ", "\xa0", "\u202f"])],
        "spaces: one in every mention": [v.odd_space_in_mentions(["  ", "\xa0"])],
        "tabs for 10 % of spaces": [v.odd_spaces(0.1, ["\t"])],
        "wrapped at 50 columns": [v.wrapped(50, "\n")],
        "wrapped with CRLF": [v.wrapped(50, "\r\n")],
        "capitals": [v.each(str.upper)],
        "capitals: heading of 3 words": [v.heading_in_capitals(3)],
        "capitals: names": [v.mentions_in_capitals(["PERSON", "ORG", "LOC"])],
        "lower case": [v.each(str.lower)],
        "no diacritics": [v.each(without_marks)],
        "decomposed (NFD)": [v.each(v.decomposed)],
        "Windows-1250 read as Latin-1": [v.each(v.misread)],
        "UTF-8 read as Windows-1252": [v.each(v.misread_utf8)],
        "typing errors, 2 % of letters": [v.typing_errors(0.02)],
        "bullet U+F0B7, zero-width spaces": [v.framed(["\uf0b7 "]), v.inserted(["\u200b"], 0.1, inside=False)],
        "soft hyphens": [v.inserted(["\u00ad"], 0.3, inside=True)],
        "byte order and direction marks": [v.framed(["\ufeff"]), v.inserted(["\u200e", "\u202c"], 0.1, inside=False)],
        "numbering": [v.framed(["1. ", "a) ", "- ", "• "])],
        "leaders of a form": [v.framed([LEADERS], [f" {DOTS} "])],
        "barcodes, rules": [v.framed([BARCODE], ["\n" + "_" * 80])],
        "line break after": [v.framed([""], ["\n", "\r\n", " \n\n"])],
    }
)
# How many sentences are one text, and what stands between them.
JOINED: Mapping[str, tuple[int, str]] = MappingProxyType(
    {"10 sentences joined": (10, " "), "10 lines joined": (10, "\n"), "10 paragraphs joined": (10, "\n\n")}
)
NAMES = (*PERTURBATIONS, *JOINED)


def perturbed(records: Sequence[Record], name: str, seed: int = 0) -> list[Record]:
    """The records, perturbed: the same ones for the same seed."""
    if name in JOINED:
        size, separator = JOINED[name]
        parts = [records[at : at + size] for at in range(0, len(records), size)]
        return [v.joined(part, [separator] * (len(part) - 1)) for part in parts]
    rng = random.Random(seed)  # noqa: S311 - no secret
    return [v.varied(record, PERTURBATIONS[name], rng) for record in records]
