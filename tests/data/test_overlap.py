from __future__ import annotations

import pytest

from medner.data.overlap import Overlap

LONG = "Președintele a declarat ieri la Cluj că noul spital va fi gata în primăvara anului viitor"
HELD_OUT = Overlap([f"{LONG}.", "Cumpăr teren agricol în județul Timiș, urgent!", "Da, sigur."])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"{LONG}.", "exact"),
        (LONG.upper().replace(" ", "  ").replace("Ș", "Ş"), "exact"),
        (LONG.replace("Cluj", "Arad"), None),  # its sixth word: six of its eleven 6-grams differ
        (LONG.replace("anului viitor", "lui 2027"), "near"),
        ("noul spital va fi gata în primăvara", "near"),  # swallowed whole by a longer sentence
        (f"Ziarele scriu: {LONG}, dar nimeni nu mai crede de mult ce scriu ele.", "near"),
        ("Da, sigur", "exact"),
        ("Da, firește.", None),
        ("", None),
    ],
)
def test_overlap(text: str, found: str | None) -> None:
    assert HELD_OUT.find(text) == found
