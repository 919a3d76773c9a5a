from __future__ import annotations

import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from medner.data.readers.ronec import read_ronec
from medner.data.readers.synthetic import read_synthetic
from medner.data.records import Entity, Record, Tally
from medner.data.tokenizer import blank, ceiling, reference_doc

NLP = blank()


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("l'Hôpital d’insuffisance", "l' Hôpital d’ insuffisance"),
        ("qu'elle L’HTA jusqu'au", "qu' elle L’ HTA jusqu' au"),
        ("UCLA.Buffy BrasovÎn Timiș.Pe", "UCLA . Buffy Brasov În Timiș . Pe"),
        ("S.U.A. McDonald B12 HbA1c 7.5", "S.U.A . McDonald B12 HbA1c 7.5"),
        ("virus B. U.R.S.S..", "virus B . U.R.S.S . ."),
        ("03:19Replica ziare.com", "03 : 19 Replica ziare . com"),
        ("Office-ului într-un", "Office - ului într - un"),
        ("(str. Horea nr. 8).", "( str . Horea nr . 8 ) ."),
        ("„Sf. Ana”, „HTA„", "„ Sf . Ana ” , „ HTA „"),
        ("DZ tip 2/HTA; TA 150/90mmHg", "DZ tip 2 / HTA ; TA 150 / 90mmHg"),
        # UTF-8 read as Windows-1252: période, în bună stare, „șoc”, dès ©2020
        ("pÃ©riode Ã®n bunÄƒ stare, „È™oc” dÃ¨s ©2020", "pÃ©riode Ã®n bunÄƒ stare , „ È™oc ” dÃ¨s © 2020"),
        # marks too: d’urgence «Ana» – l’ … 37°C aujourd’hui
        (
            "dâ€™urgence Â«AnaÂ» â€“ l â€™ xâ€¦ 37Â°C aujourdâ€™hui",
            "dâ€™ urgence Â« Ana Â» â€“ l â€™ x â€¦ 37 Â° C aujourdâ€™hui",
        ),
    ],
)
def test_rules(text: str, tokens: str) -> None:
    assert [t.text for t in NLP.make_doc(text) if not t.is_space] == tokens.split(" ")


@given(st.text(max_size=60))
def test_no_text_is_lost(text: str) -> None:
    assert NLP.make_doc(text).text == text


@given(st.data())
def test_no_entity_is_lost(data: st.DataObject) -> None:
    text = data.draw(st.text(alphabet="abcșÎ'’.-/ 12(", min_size=1, max_size=40))
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=8)))
    spans = [(s, e) for s, e in zip(cuts[::2], cuts[1::2], strict=False) if text[s:e].strip() == text[s:e] != ""]
    record = Record("x", "ro", text, tuple(Entity(s, e, "ORG") for s, e in spans))
    doc, off = reference_doc(NLP, record)
    assert doc.text == text
    assert [(e.start_char, e.end_char) for e in doc.ents] == spans
    boundaries = {t.idx for t in NLP.make_doc(text)} | {t.idx + len(t) for t in NLP.make_doc(text)}
    assert set(off) >= {n for n, (s, e) in enumerate(spans) if not {s, e} <= boundaries}


def test_an_entity_inside_a_token_is_reported() -> None:
    doc, off = reference_doc(NLP, Record("x", "ro", "deTimiș", (Entity(2, 7, "LOC"),)))
    assert [t.text for t in doc] == ["de", "Timiș"]
    assert off == [0]


@pytest.mark.parametrize("lang", ["ro", "fr"])
def test_synthetic_entities_are_on_token_boundaries(lang: str) -> None:
    files = sorted((ROOT / "assets" / "synthetic" / lang).glob("*.jsonl"))
    counts = ceiling(NLP, (record for file in files for record in read_synthetic(file, Tally())))
    assert set(counts) == {"PERSON", "ORG", "LOC", "MEDICAL"}
    assert sum(on for on, _ in counts.values()) >= 0.995 * sum(total for _, total in counts.values())


def test_entities_of_the_sample_are_on_token_boundaries() -> None:
    files = sorted((ROOT / "assets" / "sample").glob("*.json"))
    counts = ceiling(NLP, (record for file in files for record in read_ronec(file, Tally())))
    assert sum(on for on, _ in counts.values()) >= 0.995 * sum(total for _, total in counts.values())
