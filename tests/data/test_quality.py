from __future__ import annotations

import shutil
from pathlib import Path

import measure_corpora as step
import pytest
import srsly
from conftest import ROOT
from typer.testing import CliRunner, Result

from medner.data.quality import (
    load_thresholds,
    measure,
    near_duplicate_pairs,
    parallel_pairs,
    unlabelled_occurrences,
)
from medner.data.records import Entity, Record
from medner.exceptions import InputError


def record(name: str, text: str, *forms: str, label: str = "MEDICAL", lang: str = "ro") -> Record:
    entities = tuple(Entity(text.index(form), text.index(form) + len(form), label) for form in forms)
    return Record(name, lang, text, entities)


RECORDS = [
    record("1", "Pacientul are febră și tuse de trei zile.", "febră", "tuse"),
    record("2", "Fără febră, fără frisoane la internare.", "frisoane"),  # febră is not labelled
    record("3", "Pacientul are febră și tuse de patru zile.", "febră", "tuse"),  # nearly the first
    record("4", "A fost chemat Ion Pop la Spitalul Arad.", "Ion Pop", label="PERSON"),
]


def test_unlabelled_occurrences() -> None:
    assert list(unlabelled_occurrences(RECORDS)) == ["2: febră"]
    assert list(unlabelled_occurrences(RECORDS, allowed=["febră"])) == []
    inside = [record("1", "Are tuse.", "tuse"), record("2", "Are tuse convulsivă.", "tuse convulsivă")]
    assert list(unlabelled_occurrences(inside)) == []


def test_near_duplicates() -> None:
    assert list(near_duplicate_pairs(RECORDS)) == ["3 ~ 1"]


def test_figures() -> None:
    figures = measure({"ro": RECORDS}, "ro")
    assert (figures.sentences, figures.near_duplicates, figures.unlabelled, figures.off_tokens) == (4, 1, 1, 0)
    assert figures.medical_forms == 3
    assert figures.top_medical_form == 0.4
    assert figures.top_opening_bigram == 0.5
    assert figures.examples.top_opening_bigram == "pacientul are"
    assert figures.entities == {"MEDICAL": 5, "PERSON": 1}


def test_translations_are_found() -> None:
    ro = [
        record("ro", "Hipertensiunea arterială și diabetul cresc riscul de infarct miocardic și insuficiență renală.")
    ]
    fr = [
        record("other", "Le vaccin est proposé chaque automne aux soignants de l'hôpital.", lang="fr"),
        record(
            "fr",
            "L'hypertension artérielle et le diabète augmentent le risque d'infarctus et d'insuffisance rénale.",
            lang="fr",
        ),
    ]
    assert parallel_pairs(ro, fr) == ["ro = fr"]
    assert parallel_pairs(ro, fr[:1]) == []


def test_missed_thresholds() -> None:
    thresholds = load_thresholds(ROOT / "configs" / "quality.yml")
    figures = measure({"ro": RECORDS}, "ro").model_copy(update={**thresholds.minimum, **thresholds.maximum})
    assert thresholds.missed(figures) == []
    assert thresholds.missed(figures.model_copy(update={"org_forms": 249, "unlabelled": 1})) == [
        "org_forms is 249, below 250",
        "unlabelled is 1, above 0",
    ]


def test_the_committed_corpora_meet_every_threshold(tmp_path: Path) -> None:
    result = CliRunner().invoke(step.app, ["--output", str(tmp_path / "corpora.json")])
    assert result.exit_code == 0, result.output
    assert {"ro", "fr"} <= set(srsly.read_json(tmp_path / "corpora.json"))


def test_a_folder_without_corpora(tmp_path: Path) -> None:
    result = CliRunner().invoke(step.app, ["--corpora", str(tmp_path), "--output", str(tmp_path / "out.json")])
    assert result.exit_code == 1
    assert f"{tmp_path}: contains no corpus. Add a folder of JSONL files for each language." in result.output


def test_a_language_without_sentences(tmp_path: Path) -> None:
    (tmp_path / "de").mkdir()
    result = CliRunner().invoke(step.app, ["--corpora", str(tmp_path), "--output", str(tmp_path / "out.json")])
    assert result.exit_code == 1
    assert f"{tmp_path / 'de'}: contains no sentences. Add JSONL files, or remove it." in result.output


def measured(tmp_path: Path, lang: str, label: str = "MEDICAL") -> Result:
    """The step's result for a corpus with a train part alone; one mention has the label."""
    (tmp_path / lang).mkdir()
    rows = [{"id": r.id, "lang": "ro", "text": r.text, "entities": [e._asdict() for e in r.entities]} for r in RECORDS]
    text = "".join(srsly.json_dumps(row) + "\n" for row in rows).replace('"lang":"ro"', f'"lang":"{lang}"')
    (tmp_path / lang / "train.jsonl").write_text(text.replace("MEDICAL", label, 1))
    return CliRunner().invoke(step.app, ["--corpora", str(tmp_path), "--output", str(tmp_path / "out.json")])


def test_records_that_the_corpus_step_would_refuse(tmp_path: Path) -> None:
    result = measured(tmp_path, "it", "MEDICALE")
    assert result.exit_code == 1
    assert f"{tmp_path / 'it' / 'train.jsonl'}, record {RECORDS[0].id}: unknown label 'MEDICALE'" in result.output
    shutil.move(tmp_path / "it", tmp_path / "de")
    other = CliRunner().invoke(step.app, ["--corpora", str(tmp_path), "--output", str(tmp_path / "out.json")])
    assert f"record {RECORDS[0].id}: lang is 'it', not 'de'. Correct it, or move the record" in other.output
    assert not (tmp_path / "out.json").exists()


def test_a_corpus_below_the_thresholds_fails(tmp_path: Path) -> None:
    result = measured(tmp_path, "ro")
    assert result.exit_code == 1
    assert "ro: sentences is 4, below 1500" in result.output
    assert "; unlabelled is 1, above 0" in result.output
    shutil.rmtree(tmp_path / "ro")
    other = measured(tmp_path, "it")  # a language without required thresholds
    assert other.exit_code == 0, other.output
    assert "it: sentences is 4, below 1500" in other.output
    assert "it: the corpus step needs dev.jsonl, test.jsonl as well." in other.output


def test_a_threshold_of_an_unknown_figure(tmp_path: Path) -> None:
    text = (ROOT / "configs" / "quality.yml").read_text().replace("sentences: 1500", "sentence: 1500")
    (tmp_path / "quality.yml").write_text(text)
    with pytest.raises(InputError, match="minimum.sentence.*: unknown figure; known ones are sentences, words, "):
        load_thresholds(tmp_path / "quality.yml")


def test_malformed_thresholds(tmp_path: Path) -> None:
    (tmp_path / "quality.yml").write_text("minimum: 3\n")
    with pytest.raises(InputError, match="quality.yml, required: missing"):
        load_thresholds(tmp_path / "quality.yml")
