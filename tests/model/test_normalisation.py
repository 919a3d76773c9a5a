from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer, BertTokenizerFast

from medner.data.readers.synthetic import read_synthetic
from medner.data.records import Tally
from medner.data.tokenizer import blank
from medner.data.variation import decomposed, misread, misread_utf8
from medner.model.normalisation import normalise

NLP = blank()
CLEAN = "Pacienta Ana Șerban, cunoscută cu hipertensiune arterială, e internată în Timișoara."
PLAIN = AutoTokenizer.from_pretrained(ROOT / "assets" / "encoder")
TOKENIZER = AutoTokenizer.from_pretrained(ROOT / "assets" / "encoder")
normalise(TOKENIZER)


def pieces(text: str, tokenizer: Any = TOKENIZER) -> list[str]:
    return tokenizer.tokenize(text)


@pytest.mark.parametrize(
    "change",
    [
        decomposed,
        misread,
        misread_utf8,
        lambda text: text.replace(" ", "\xa0").replace(",", ",\u202f\t\x0c"),
        lambda text: text.replace("arterială", "arte\u00adri\u200bală\u200e").replace("Ana", "\ufeffAna"),
    ],
)
def test_text_that_differs_in_its_encoding_alone_has_the_same_pieces(change: Callable[[str], str]) -> None:
    assert change(CLEAN) != CLEAN
    assert pieces(change(CLEAN)) == pieces(CLEAN) == pieces(CLEAN, PLAIN)


@pytest.mark.parametrize("lang", ["ro", "fr"])
def test_clean_text_has_the_pieces_that_it_had(lang: str) -> None:
    """All but what the encoder has hardly read: words in capitals, and characters that it does not know."""
    records = read_synthetic(ROOT / "assets" / "synthetic" / lang / "test.jsonl", Tally())
    texts = [record.text for record in records]
    changed = [text for text in texts if pieces(text) != pieces(text, PLAIN)]
    assert len(changed) < 0.1 * len(texts)
    assert all("[UNK]" in pieces(text, PLAIN) or re.search(r"[^\W\d_a-zăâîșțß-ÿ]{6}", text) for text in changed)


def test_offsets_are_those_of_the_text_as_given() -> None:
    text = "insu\u00adficienta\u0306\xa0renală ﬁbroză \uf0b7 HIPERTENSIUNE ARTERIALĂ PULMONARĂ SEVERĂ LA PACIENT"
    found = TOKENIZER(text, return_offsets_mapping=True, add_special_tokens=False)
    for start, end in found["offset_mapping"]:
        assert 0 <= start < end <= len(text)
    words = {text[start:end] for start, end in found["offset_mapping"]}
    assert {"\uf0b7", "LA"} <= words


@pytest.mark.parametrize(
    ("text", "same_as"),
    [
        ("Pacienta POPESCU MARIA are HTA și AVC.", "Pacienta Popescu Maria are HTA și AVC."),
        ("DIAGNOSTIC: DIABET ZAHARAT TIP II, DECOMPENSAT.", "Diagnostic: diabet zaharat tip ii, decompensat."),
        (misread_utf8("l’hôpital, à «Saint-Éloi» – 37 °C"), "l’hôpital, à «Saint-Éloi» – 37 °C"),
        ("HTA, DZ, IRC, BPOC, AVC, SIDA", None),
        ("Ț. Șt., D. A.", None),
        ("Subsemnatul ......................., în", "Subsemnatul ..., în"),
        ("\uf0b7 Diabet", "● Diabet"),
        ("un caz nº 5, la 37 ºC", None),
    ],
)
def test_words_in_capitals_leaders_and_bullets(text: str, same_as: str | None) -> None:
    assert pieces(text) == pieces(same_as or text, PLAIN)


def seen(text: str) -> list[bool]:
    """For each token of spaCy that can be seen: whether a word-piece of the encoder covers a part of it."""
    doc = NLP.make_doc(text)
    spans = TOKENIZER(text, return_offsets_mapping=True, add_special_tokens=False)["offset_mapping"]
    visible = [t for t in doc if not t.is_space and any(unicodedata.category(c) != "Cf" for c in t.text)]
    return [any(start < t.idx + len(t) and end > t.idx for start, end in spans) for t in visible]


@given(st.text(max_size=80))
def test_the_encoder_sees_every_token_of_any_text(text: str) -> None:
    assert all(seen(text)), text


@given(st.lists(st.sampled_from([*"aĂ9._•\uf0b7\x01\ufffd= \n🥵ﬁ(â€™", "â€™"]), max_size=40))
def test_the_encoder_sees_every_token_of_odd_text(parts: list[str]) -> None:
    assert all(seen("".join(parts))), "".join(parts)


def test_the_layout_of_mbert(tmp_path: Path) -> None:
    """A word list and a fast tokenizer without a tokenizer.json, as older exports have it; saved and read again."""
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nPa\n##ci\nș\n##ș\nã\n##ã\n•\n.\ná\n##i\n")
    tokenizer = BertTokenizerFast(vocab_file=str(tmp_path / "vocab.txt"), do_lower_case=False)
    normalise(tokenizer)
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path, use_fast=True)
    for one in (tokenizer, again):
        assert pieces("Paci\u00ad\xa0s\u0326i \uf0b7 ......", one) == ["Pa", "##ci", "ș", "##i", "•", ".", ".", "."]
        assert pieces("ã", one) == ["ã"]  # known to this encoder, so it stays
        assert pieces("PACI", one) == ["[UNK]"]
