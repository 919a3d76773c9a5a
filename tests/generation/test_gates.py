"""The gates: they let the committed corpora through, and each refuses what it is there for."""

from __future__ import annotations

import unicodedata
from collections import Counter

import pytest
from conftest import ROOT

from medner.data.markup import parse
from medner.data.overlap import NearDuplicates, Overlap, form_key
from medner.data.readers.synthetic import read_synthetic
from medner.data.records import Record, Tally
from medner.exceptions import InputError
from medner.generation.config import LABELS, Entry, Language, load_language, load_pools
from medner.generation.gates import Gates, check_language_code

LANGUAGES = {code: load_language(code, ROOT / "configs" / "generation") for code in ("ro", "fr")}
GATES = {code: Gates(language, load_pools(language)) for code, language in LANGUAGES.items()}


def reason(lang: str, marked: str, split: str = "train", asked: tuple[tuple[str, str], ...] = ()) -> str:
    refusal = GATES[lang].check(Record("x", lang, *parse(marked, LABELS)), split, asked)
    return "" if refusal is None else refusal.reason


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_committed_corpora_pass(lang: str) -> None:
    gates = Gates(LANGUAGES[lang], load_pools(LANGUAGES[lang]))
    refused: Counter[str] = Counter()
    count = 0
    for split in ("train", "dev", "test"):
        for record in read_synthetic(ROOT / "assets" / "synthetic" / lang / f"{split}.jsonl", Tally()):
            count += 1
            if refusal := gates.check(record, split):
                refused[refusal.reason] += 1
            gates.accept(record)
    assert refused.total() <= 0.01 * count, refused
    assert set(refused) <= {"language", "off token boundaries", "article in span", "entry of another split"}


def test_a_pool_entry_that_the_gates_refuse_is_refused() -> None:
    with pytest.raises(InputError, match=r"medical.tsv: 'l’asthme' is refused by the gates \(article in span: l'"):
        Gates(LANGUAGES["fr"], [Entry("train", "MEDICAL", "asthme"), Entry("train", "MEDICAL", "l’asthme")])


def test_a_form_in_the_pools_of_two_splits_is_refused() -> None:
    with pytest.raises(InputError, match=r"org.tsv: 'SCJU Sibiu' is in the pools of test and train"):
        Gates(LANGUAGES["ro"], [Entry("train", "ORG", "SCJU Sibiu"), Entry("test", "ORG", "SCJU Sibiu")])


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_the_few_shot_examples_pass_and_hold_no_form_of_dev_or_test(lang: str, split: str) -> None:
    for example in LANGUAGES[lang].examples:
        # Examples are in every prompt: what they name must not be in the pools of dev and test.
        assert reason(lang, example) == "", example
        if split != "train":
            held_out = {(e.label, e.form) for e in load_pools(LANGUAGES[lang]) if e.split == split}
            text, entities = parse(example, LABELS)
            assert not {(label, text[start:end]) for start, end, label in entities} & held_out


@pytest.mark.parametrize(
    ("lang", "marked", "expected"),
    [
        ("ro", "Pacienta acuză <MEDICAL>dureri toracice</MEDICAL> de trei zile și nu are alte probleme.", ""),
        ("ro", "Pacienta acuză <MEDICAL>dureri toracice </MEDICAL>de trei zile.", "white space at span edge"),
        ("ro", "Pacienta acuză de trei zile <MEDICAL>dureri toracice.</MEDICAL>", "punctuation at span edge"),
        ("ro", "Pacienta acuză <MEDICAL>(dureri toracice</MEDICAL>) de trei zile.", "punctuation at span edge"),
        ("ro", "A fost internată la <ORG>Spitalul „Sfânta Ana”</ORG> pentru investigații.", ""),
        ("ro", "Prezintă <MEDICAL>leziuni la genunchiul stg.</MEDICAL> de ieri dimineață, după o cădere.", ""),
        ("ro", "Pacienta are <MEDICAL>o durere toracică</MEDICAL> de trei zile.", "article in span"),
        ("fr", "Le patient souffre d<MEDICAL>'hypertension</MEDICAL> depuis trois ans.", "punctuation at span edge"),
        ("fr", "Le patient présente <MEDICAL>l’hypertension</MEDICAL> depuis trois ans.", "article in span"),
        ("fr", "Elle habite depuis trois ans au bord de la mer, près du <LOC>Havre</LOC>.", ""),
        ("fr", "Elle habite depuis trois ans à <LOC>Le Havre</LOC>, au bord de la mer.", ""),
        ("fr", "Consultation ce matin avec <PERSON>Mme</PERSON> pour un renouvellement.", "title without name"),
        ("ro", "Consult efectuat ieri de <PERSON>Prof. Dr.</PERSON> pentru reevaluare.", "title without name"),
        ("ro", "Tratamentul scade <MEDICAL>riscul</MEDICAL> de deces la pacienții vârstnici.", "not an entity"),
        ("ro", "Are <MEDICAL>astm</MEDICAL> de mic, iar astm are și fratele lui.", "unmarked mention"),
        ("ro", "Pacienta are cefal<MEDICAL>ee</MEDICAL> de trei zile și nu doarme.", "off token boundaries"),
        ("ro", "Le patient souffre de <MEDICAL>fièvre</MEDICAL> depuis hier soir.", "language"),
        ("ro", "Pacienta are\n<MEDICAL>febră</MEDICAL> de trei zile.", "control character"),
        ("ro", "Pacienta are  <MEDICAL>febră</MEDICAL> de trei zile.", "white space"),
        ("ro", "12/80; 37,2", "no words"),
    ],
)
def test_each_gate_has_its_reason(lang: str, marked: str, expected: str) -> None:
    assert reason(lang, marked) == expected


def test_a_requested_form_must_be_marked() -> None:
    marked = "Programare la ecografie pentru <PERSON>Andreea Popescu</PERSON>, cunoscută cu gută de doi ani."
    assert reason("ro", marked) == ""
    assert reason("ro", marked, asked=(("MEDICAL", "gută"),)) == "unmarked mention"


def test_an_entry_of_another_split_is_refused() -> None:
    entry = next(e for e in load_pools(LANGUAGES["ro"]) if e.split == "test" and e.label == "MEDICAL")
    marked = f"Pacienta este internată de trei zile pentru <MEDICAL>{entry.form}</MEDICAL>."
    assert reason("ro", marked, "train") == "entry of another split"
    assert reason("ro", marked, "test") == ""


INVISIBLE = ["\u200b", "\u200d", "\u00ad", "\u2060", "\u202e", "\ufeff", "\u034f", "\ufe0f"]


@pytest.mark.parametrize("character", INVISIBLE)
def test_invisible_characters_are_refused_and_change_no_comparison(character: str) -> None:
    entry = next(e for e in load_pools(LANGUAGES["ro"]) if e.split == "test" and e.label == "MEDICAL")
    hidden = entry.form[:3] + character + entry.form[3:]
    marked = f"Pacienta este internată de trei zile pentru <MEDICAL>{hidden}</MEDICAL>."
    assert reason("ro", marked) == "control character"
    assert form_key(hidden) == form_key(entry.form)
    text, _ = parse(marked, LABELS)
    assert NearDuplicates([text]).find(text.replace(character, "")) == text
    assert Overlap([text]).find(text.replace(character, "")) == "exact"
    with pytest.raises(InputError, match=r"is refused by the gates \(control character: U\+"):
        Gates(LANGUAGES["ro"], [Entry("train", "MEDICAL", hidden)])


def test_comparisons_ignore_the_unicode_form() -> None:
    text = "Pacienta acuză durere toracică și amețeală, fără greață, de două săptămâni."
    decomposed = unicodedata.normalize("NFD", text)
    assert NearDuplicates([text]).find(decomposed) == text
    assert Overlap([text]).find(decomposed) == "exact"
    assert form_key("amețeală") == form_key(unicodedata.normalize("NFD", "amețeală"))


def test_a_sentence_has_a_longest_length() -> None:
    assert reason("ro", "Pacienta este internată de trei zile pentru <MEDICAL>febră</MEDICAL>. " * 40) == "too long"


def test_near_duplicates_are_found_by_jaccard() -> None:
    seen = NearDuplicates(["Pacienta acuză dureri toracice de trei zile."])
    assert seen.find("Pacienta acuză dureri toracice de cinci zile!")
    assert seen.find("PACIENTA  acuză dureri toracice de trei zile.")
    assert seen.find("Se recomandă control peste o lună.") is None


def test_a_language_that_cannot_be_identified_is_refused() -> None:
    language: Language = LANGUAGES["ro"].model_copy(update={"code": "qqq"})
    with pytest.raises(InputError, match="the language identification does not know language 'qqq'"):
        check_language_code(language)
