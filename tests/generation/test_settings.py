"""Settings of a language, pools and prices: a fault is reported with file and place."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import ROOT

from medner.exceptions import InputError
from medner.generation.config import load_language, load_pools, load_prices

FOLDER = ROOT / "configs" / "generation"


@pytest.mark.parametrize("code", ["ro", "fr"])
def test_the_committed_settings_are_valid(code: str) -> None:
    language = load_language(code, FOLDER)
    assert len(language.specialties) == 18
    assert len(language.genres) == 9
    assert len(load_pools(language)) > 2000


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("cardiology: 2", "cardiology: -2", "specialties.cardiology: Input should be greater than 0"),
        ("cardiology: 2", "cardiology: much", "specialties.cardiology: Input should be a valid number"),
        ("sentences_per_request:", "sentences_per_reqest:", "sentences_per_reqest: unknown key"),
        ("prompt_version:", "# prompt_version:", "prompt_version: missing"),
        ("PERSON: 0.45", "PERSONS: 0.45", "genres.discharge.mentions.PERSONS"),
        ("{count}", "{cuont}", "user: has a bad placeholder"),
        ("</MEDICAL> la efort mic", " la efort mic", "examples.0: nested tag"),
        ("code: ro", "code: fr", "code: the code is 'fr', not 'ro'"),
        ("code: ro", "code: [ro", "not valid YAML"),
    ],
)
def test_malformed_settings_are_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (FOLDER / "ro.yml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "ro.yml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError) as error:
        load_language("ro", tmp_path)
    assert message in str(error.value)


def test_pools_of_another_language_are_refused(tmp_path: Path) -> None:
    text = (FOLDER / "ro.yml").read_text()
    (tmp_path / "ro.yml").write_text(text)
    (tmp_path / "it.yml").write_text(text.replace("code: ro", "code: it"))
    with pytest.raises(
        InputError, match=r"it\.yml, pools: .*pools/ro is the folder of another language\. Write pools of this"
    ):
        load_language("it", tmp_path)


def test_an_unknown_language_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InputError, match="no settings for language 'xx'. Use one of fr, ro, or write this file"):
        load_language("xx", FOLDER)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("train\tcardiology\tdisease", "line 3: needs split, specialty, kind, form"),
        ("training\tcardiology\tdisease\tangor", "line 3: needs"),
        ("train\tcardiology\tdisease\t", "line 3: needs"),
    ],
)
def test_a_malformed_pool_is_refused_with_its_line(tmp_path: Path, line: str, message: str) -> None:
    for name in ("person", "org", "loc"):
        (tmp_path / f"{name}.tsv").write_text("split\tkind\tform\ntrain\tx\tY\n", encoding="utf-8")
    text = f"split\tspecialty\tkind\tform\ntrain\tcardiology\tdisease\tHTA\n{line}\n"
    (tmp_path / "medical.tsv").write_text(text, encoding="utf-8")
    language = load_language("ro", FOLDER).model_copy(update={"pools": tmp_path})
    with pytest.raises(InputError, match=message):
        load_pools(language)


def test_a_specialty_without_conditions_is_refused(tmp_path: Path) -> None:
    for name in ("person", "org", "loc"):
        (tmp_path / f"{name}.tsv").write_text("split\tkind\tform\n", encoding="utf-8")
    (tmp_path / "medical.tsv").write_text("split\tspecialty\tkind\tform\n", encoding="utf-8")
    language = load_language("ro", FOLDER).model_copy(update={"pools": tmp_path})
    with pytest.raises(InputError, match="no condition for cardiology"):
        load_pools(language)


def test_prices_must_be_numbers(tmp_path: Path) -> None:
    path = tmp_path / "prices.yml"
    path.write_text("models: {m: {input: free, output: 1}}\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"models\.m\.input"):
        load_prices(path)
