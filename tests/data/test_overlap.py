from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medner.data.overlap import NEAR_DUPLICATE, NearDuplicates, Overlap, comparable, form_key, load_generic_nouns
from medner.exceptions import InputError

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


def grams(text: str) -> set[str]:
    text = " ".join(comparable(text).lower().split())
    return {text[i : i + 5] for i in range(len(text) - 4)} or {text}


def first_near(seen: list[str], text: str) -> str | None:
    """What NearDuplicates finds, by comparing with every sentence."""
    for other in seen:
        left, right = grams(text), grams(other)
        if len(left & right) >= NEAR_DUPLICATE * len(left | right):
            return other
    return None


TEXTS = st.text("ab ", max_size=12) | st.lists(st.sampled_from(LONG.split()), max_size=12).map(" ".join)


@given(st.lists(TEXTS, max_size=20), TEXTS)
def test_near_duplicates_are_those_of_a_search_through_all(seen: list[str], text: str) -> None:
    assert NearDuplicates(seen).find(text) == first_near(seen, text)


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("hipertensiunea arterială", "Hipertensiunii arteriale", True),
        ("Ștefănescu", "Stefanescu", True),
        ("infarctus", "infarctus", True),
        ("astm", "Astmul", True),
        ("tuse", "tusea", False),  # a word of four letters keeps them all
        ("hepatită A", "hepatită B", False),
    ],
)
def test_form_keys(left: str, right: str, same: bool) -> None:
    assert (form_key(left) == form_key(right)) is same


@pytest.mark.parametrize("text", ["- boală\n", "ro:\n", "ro: 3\n", "ro: [\n"])
def test_malformed_generic_nouns(tmp_path: Path, text: str) -> None:
    (tmp_path / "nouns.yml").write_text(text)
    with pytest.raises(InputError, match="nouns.yml.* Write `ro: "):
        load_generic_nouns(tmp_path / "nouns.yml")
