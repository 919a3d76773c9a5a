from __future__ import annotations

import shutil
from pathlib import Path

import check_overlap as leakage_step
import measure_corpora as step
import pytest
import srsly
from conftest import ROOT
from typer.testing import CliRunner, Result

from medner.data.build import convert
from medner.data.leakage import find_leakage
from medner.data.overlap import form_key, load_generic_nouns
from medner.data.quality import (
    load_floors,
    measure,
    near_duplicate_pairs,
    parallel_pairs,
    unlabelled_occurrences,
)
from medner.data.records import Entity, Part, Record, Tally
from medner.data.tokenizer import blank
from medner.exceptions import InputError


def record(name: str, text: str, *forms: str, label: str = "MEDICAL", lang: str = "ro") -> Record:
    entities = tuple(Entity(text.index(form), text.index(form) + len(form), label) for form in forms)
    return Record(name, lang, text, entities)


RECORDS = [
    record("1", "Pacientul are febră și tuse de trei zile.", "febră", "tuse"),
    record("2", "Fără febră, fără frisoane la internare.", "frisoane"),  # febră is forgotten
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


def test_floors() -> None:
    floors = load_floors(ROOT / "configs" / "quality.yml")
    figures = measure({"ro": RECORDS}, "ro").model_copy(update={**floors.minimum, **floors.maximum})
    assert floors.missed(figures) == []
    assert floors.missed(figures.model_copy(update={"org_forms": 249, "unlabelled": 1})) == [
        "org_forms is 249, below 250",
        "unlabelled is 1, above 0",
    ]


def test_the_committed_corpora_keep_every_floor(tmp_path: Path) -> None:
    result = CliRunner().invoke(step.app, ["--output", str(tmp_path / "corpora.json")])
    assert result.exit_code == 0, result.output
    assert {"ro", "fr"} <= set(srsly.read_json(tmp_path / "corpora.json"))


def test_a_folder_without_corpora(tmp_path: Path) -> None:
    result = CliRunner().invoke(step.app, ["--corpora", str(tmp_path), "--output", str(tmp_path / "out.json")])
    assert result.exit_code == 1
    assert f"{tmp_path}: no corpus in this folder. Add a folder of JSONL files a language." in result.output


def test_a_language_without_sentences(tmp_path: Path) -> None:
    (tmp_path / "de").mkdir()
    result = CliRunner().invoke(step.app, ["--corpora", str(tmp_path), "--output", str(tmp_path / "out.json")])
    assert result.exit_code == 1
    assert f"{tmp_path / 'de'}: no sentence in this folder. Add JSONL files, or remove it." in result.output


def measured(tmp_path: Path, lang: str, label: str = "MEDICAL") -> Result:
    """The step's result for a corpus that has these records as its train part alone, of which one has the label."""
    (tmp_path / lang).mkdir()
    rows = [{"id": r.id, "lang": "ro", "text": r.text, "entities": [e._asdict() for e in r.entities]} for r in RECORDS]
    text = "".join(srsly.json_dumps(row) + "\n" for row in rows).replace('"lang":"ro"', f'"lang":"{lang}"')
    (tmp_path / lang / "train.jsonl").write_text(text.replace("MEDICAL", label, 1))
    return CliRunner().invoke(step.app, ["--corpora", str(tmp_path), "--output", str(tmp_path / "out.json")])


def test_what_the_corpus_step_would_refuse_is_told_before(tmp_path: Path) -> None:
    result = measured(tmp_path, "it", "MEDICALE")
    assert result.exit_code == 1
    assert f"{tmp_path / 'it' / 'train.jsonl'}, record {RECORDS[0].id}: unknown label 'MEDICALE'" in result.output
    shutil.move(tmp_path / "it", tmp_path / "de")
    other = CliRunner().invoke(step.app, ["--corpora", str(tmp_path), "--output", str(tmp_path / "out.json")])
    assert f"record {RECORDS[0].id}: is in 'it', not 'de'. Correct its lang, or move it" in other.output
    assert not (tmp_path / "out.json").exists()


def test_a_corpus_below_the_floors_fails(tmp_path: Path) -> None:
    result = measured(tmp_path, "ro")
    assert result.exit_code == 1
    assert "ro: sentences is 4, below 1500" in result.output
    assert "; unlabelled is 1, above 0" in result.output
    shutil.rmtree(tmp_path / "ro")
    other = measured(tmp_path, "it")  # a language that no floor binds
    assert other.exit_code == 0, other.output
    assert "it: sentences is 4, below 1500" in other.output
    assert "it: the corpus step needs dev.jsonl, test.jsonl as well." in other.output


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


def test_leakage_by_sentence_and_by_form() -> None:
    leak = find_leakage(RECORDS[:1], [RECORDS[0], RECORDS[1]], ["MEDICAL", "PERSON"])
    assert leak.sentences == ["1 (exact)"]
    assert leak.forms == {"MEDICAL": ["febră", "tuse"]}
    assert leak.seen == {"MEDICAL": 0.6667}
    assert find_leakage(RECORDS[:1], RECORDS[:1], ["MEDICAL"], exempt=["febra", "tusea"]).forms == {"MEDICAL": ["tuse"]}


def docbin(path: Path, records: list[Record], source: str) -> str:
    path.write_bytes(convert(blank(), Part(records, Tally()), source)[0].to_bytes())
    return str(path)


def test_the_leakage_step_passes_and_fails(tmp_path: Path) -> None:
    train = docbin(tmp_path / "train.spacy", RECORDS[:1], "med-ro")
    clean = docbin(tmp_path / "clean.spacy", RECORDS[3:], "med-ro")
    leaky = docbin(tmp_path / "leaky.spacy", RECORDS[1:3], "med-ro")
    output = ["--output", str(tmp_path / "leakage.json")]
    assert CliRunner().invoke(leakage_step.app, [train, clean, *output]).exit_code == 0
    result = CliRunner().invoke(leakage_step.app, [train, leaky, *output])
    assert result.exit_code == 1
    assert f"{train} holds 2 surface forms of {leaky}" in result.output
    alone = CliRunner().invoke(leakage_step.app, [train, *output])
    assert alone.exit_code == 1
    assert "one file alone cannot be compared. Give training and test data, or neither." in alone.output
    (tmp_path / "no.spacy").write_bytes(b"no DocBin")
    broken = CliRunner().invoke(leakage_step.app, [str(tmp_path / "no.spacy"), clean, *output])
    assert broken.exit_code == 1
    assert "not a DocBin (" in broken.output


def test_two_files_of_one_s_own_leave_the_study_s_result_alone(tmp_path: Path) -> None:
    train, clean = (
        docbin(tmp_path / f"{n}.spacy", part, "med-ro") for n, part in enumerate((RECORDS[:1], RECORDS[3:]))
    )
    kept = ROOT / "metrics" / "leakage.json"
    before = kept.read_bytes() if kept.is_file() else None
    assert CliRunner().invoke(leakage_step.app, [train, clean]).exit_code == 0
    assert (kept.read_bytes() if kept.is_file() else None) == before


@pytest.mark.parametrize("text", ["- boală\n", "ro:\n", "ro: 3\n", "ro: [\n"])
def test_malformed_generic_nouns(tmp_path: Path, text: str) -> None:
    (tmp_path / "nouns.yml").write_text(text)
    with pytest.raises(InputError, match="nouns.yml.* Write `ro: "):
        load_generic_nouns(tmp_path / "nouns.yml")


def test_thresholds_are_of_figures_that_are_measured(tmp_path: Path) -> None:
    text = (ROOT / "configs" / "quality.yml").read_text().replace("sentences: 1500", "sentence: 1500")
    (tmp_path / "quality.yml").write_text(text)
    with pytest.raises(InputError, match="minimum.sentence.*: unknown figure; known ones are sentences, words, "):
        load_floors(tmp_path / "quality.yml")


def test_malformed_thresholds(tmp_path: Path) -> None:
    (tmp_path / "quality.yml").write_text("minimum: 3\n")
    with pytest.raises(InputError, match="quality.yml, required: missing"):
        load_floors(tmp_path / "quality.yml")
