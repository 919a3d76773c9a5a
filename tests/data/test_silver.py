"""Silver corpora: sentences are drawn, labelled elsewhere, and joined with their text again."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import convert
import pytest
import sample_silver
import write_silver
from conftest import GOLDEN, ROOT
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from medner.data.manifests import read_manifest
from medner.data.overlap import Overlap
from medner.data.records import Entity, Record, Tally
from medner.data.silver import (
    Group,
    Sampling,
    SilverCost,
    join,
    read_silver,
    sample,
    split_sentences,
    stand_off,
    thinned,
)
from medner.evaluation.silver import agreement
from medner.exceptions import InputError
from medner.outputs import read_output
from medner.settings import load_settings
from medner.study import load_study

TEXTS = {
    "pages": {
        "1": "Pacientul are febră și tuse. Dr. Ana Pop i-a dat un antibiotic de seară! Revine marți la control.",
        "2": "Bolnava din salonul 3 nu are dureri.",
        "3": "Bolnava din salonul 4 nu are dureri.",
        "4": "12 34 56 78 90 | 12 34 56 78 90",
    },
    "letters": {"a": "Prea scurt.", "b": "Copilul tușește de trei zile și nu mănâncă."},
}
NO_TESTS = Overlap([])


def sampling(*groups: Group) -> Sampling:
    return Sampling(seed=1, tokens=(5, 20), languages={"ro": groups})


def drawn(*groups: Group, held_out: Overlap = NO_TESTS) -> list[str]:
    found = list(sample(sampling(*groups), "ro", TEXTS.get, held_out))
    for place, sentence in found:
        assert TEXTS[place.source][place.record][place.start : place.end] == sentence
    return [sentence for _, sentence in found]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Are febră. Nu tușește.", ["Are febră.", "Nu tușește."]),
        (
            "Vu par le Dr. Martin. « Il va » mieux ! Revu le 3.",
            ["Vu par le Dr. Martin.", "« Il va » mieux !", "Revu le 3."],
        ),
        ("Infecție cu E. Coli la M. J. Pop", ["Infecție cu E. Coli la M. J. Pop"]),
        ("Doza este de 2.5 mg", ["Doza este de 2.5 mg"]),
        ("  ", []),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    assert [text[start:end] for start, end in split_sentences(text)] == sentences


@given(st.text(alphabet='aB1.!? «»"\n', max_size=60))
def test_sentences_lose_nothing_but_white_space(text: str) -> None:
    spans = split_sentences(text)
    assert "".join("".join(text[start:end].split()) for start, end in spans) == "".join(text.split())
    assert all(text[start:end] == text[start:end].strip() for start, end in spans)


def test_a_draw_is_deterministic_and_keeps_to_its_settings() -> None:
    """No near-duplicate, no table, no sentence too short, and one of a record unless more are asked for."""
    both = Group(source="pages", take=2), Group(source="letters", take=1)
    assert drawn(*both) == drawn(*both)
    assert len(drawn(*both)) == 3
    assert sum("salonul" in sentence for sentence in drawn(*both)) <= 1
    assert len(drawn(Group(source="pages", take=4, of_record=3))) == 4
    assert drawn(Group(source="pages", take=1, match="Ana")) == ["Dr. Ana Pop i-a dat un antibiotic de seară!"]
    assert drawn(Group(source="pages", take=1, records="^2$")) == [TEXTS["pages"]["2"]]


def test_a_record_that_holds_a_test_sentence_gives_none() -> None:
    held_out = Overlap(["Pacientul are febră și tuse. Dr. Ana Pop"])
    with pytest.raises(InputError, match="pages holds 1 sentences that fit, not 2. Ask for fewer"):
        drawn(Group(source="pages", take=2, records="[12]"), held_out=held_out)


def test_a_language_without_groups() -> None:
    with pytest.raises(InputError, match="no groups for 'it'. Use one of ro, or add groups"):
        list(sample(sampling(Group(source="pages", take=1)), "it", TEXTS.get, NO_TESTS))


def test_the_settings_of_the_project() -> None:
    assert set(load_settings(ROOT / "configs" / "silver.yml", Sampling).languages) == {"ro", "fr"}


def stood_off(folder: Path) -> Path:
    """The stand-off file of all sentences about febră or dureri."""
    found = sample(sampling(Group(source="pages", take=2, match="febră|dureri")), "ro", TEXTS.get, NO_TESTS)
    places, labelled = {}, []
    for place, text in found:
        form = "febră" if "febră" in text else "dureri"
        entities = (Entity(text.index(form), text.index(form) + len(form), "MEDICAL"),)
        places[text] = place
        labelled.append(Record(text, "ro", text, entities))
    path = folder / "ro.jsonl"
    path.write_text("".join(s.model_dump_json() + "\n" for s in stand_off(places, labelled, path)))
    return path


def test_labels_meet_their_text_again(tmp_path: Path) -> None:
    path, tally = stood_off(tmp_path), Tally()
    assert "febr" not in path.read_text()
    records = list(join(path, "ro", TEXTS.get, tally))
    assert sorted(r.surface(e) for r in records for e in r.entities) == ["dureri", "febră"]
    assert not tally.absent


@pytest.mark.parametrize("change", [{}, {"1": "Alt text, cu totul altul.", "2": "?", "3": "?"}])
def test_text_that_is_not_at_hand_or_differs_is_counted(change: Mapping[str, str], tmp_path: Path) -> None:
    tally = Tally()
    assert list(join(stood_off(tmp_path), "ro", lambda _: change, tally)) == []
    assert tally.absent == ["ro.jsonl, line 1", "ro.jsonl, line 2"]


def test_a_share_of_the_mentions_is_kept() -> None:
    """The same at every call, and a part of what a larger share keeps."""
    records = [
        Record(f"s:{n}:0", "ro", "a b c d", tuple(Entity(i, i + 1, "LOC") for i in (0, 2, 4))) for n in range(200)
    ]
    most, half = ([thinned(record, kept).entities for record in records] for kept in (0.8, 0.5))
    assert half == [thinned(record, 0.5).entities for record in records]
    assert all(set(few) <= set(many) for few, many in zip(half, most, strict=True))
    assert sum(map(len, half)) / 600 == pytest.approx(0.5, abs=0.1)
    assert sum(map(len, most)) / 600 == pytest.approx(0.8, abs=0.1)
    assert thinned(records[0], 1) == records[0]


def test_labels_of_another_draw(tmp_path: Path) -> None:
    place, text = next(sample(sampling(Group(source="letters", take=1)), "ro", TEXTS.get, NO_TESTS))
    with pytest.raises(InputError, match="record x: has another text than the draw. Label the sentences of this draw"):
        stand_off({"x": place}, [Record("x", "ro", text + "!")], tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("outside", "line 2: span 3-90 (MEDICAL) is empty or out of range (the text has 36 characters)."),
        ("overlapping", "line 1: span 4-9 (ORG) crosses span 0-6 (MEDICAL)."),
        ("twice", "line 2: labels the sentence of line 1 again. Keep one of the two."),
        ("same_text", "line 2: labels the sentence of line 1 again. Keep one of the two."),
        ("source", "line 1: unknown source 'nonesuch'. Correct it, or add it to configs/downloads.yml."),
        ("label", "record monero:monero-cardiology-1:0: unknown label 'DRUG'"),
        ("mistyped", "line 1: entities.0.0: Input should be a valid integer"),
        ("no_json", "line 2: Invalid JSON"),
        ("empty", "contains no sentences. Restore it."),
    ],
)
def test_a_bad_file_stops_the_corpus_step(name: str, message: str, project: Path, tmp_path: Path) -> None:
    shutil.copy(GOLDEN / "silver" / f"{name}.jsonl", project / "assets" / "silver" / "ro.jsonl")
    result = CliRunner().invoke(convert.app, ["--root", str(project), "--output", str(tmp_path / "corpus")])
    assert result.exit_code == 1, result.output
    assert message in " ".join(result.output.split())
    assert "ro.jsonl" in result.output
    assert not (tmp_path / "corpus").exists()


WRITTEN = (ROOT / "assets" / "synthetic" / "ro" / "train.jsonl").read_text().split("\n")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project folder whose fetch step found RONEC's sample, MoNERo and one of the text files."""
    root = tmp_path / "root"
    for folder in ("synthetic", "sample"):
        shutil.copytree(ROOT / "assets" / folder, root / "assets" / folder)
    fetched = root / "assets" / "fetched"
    fetched.mkdir()
    (root / "assets" / "silver").mkdir()
    files = {}
    for n, name in enumerate(("monero-cardiology", "monero-diabetes", "monero-endocrinology")):
        lines = [["Are", "astm", ",", *json.loads(row)["text"].split()] for row in WRITTEN[9 * n : 9 * n + 9]]
        tagged = ("".join(f"{w}\t_\t{'B-DISO' if w == 'astm' else 'O'}\t_\n" for w in words) for words in lines)
        (fetched / f"{name}.txt").write_text("\n".join(tagged) + "\n")
        files[name] = f"{name}.txt"
    shutil.copy(GOLDEN / "simonero" / "good.conllu", fetched / "simonero.conllu")
    (fetched / "covid.txt").write_text("Virusul dă febră mare, tuse și oboseală multă.\nVaccinul nu dă boala.\n")
    files |= {"simonero-dev": "simonero.conllu", "covid-qa": "covid.txt"}
    about = {"licence": "MIT", "available": True}
    manifest = {
        "ronec": {"variant": "sample", "note": "SAMPLE"},
        "files": {name: {"path": f"assets/fetched/{file}", **about} for name, file in files.items()},
    }
    (fetched / "manifest.json").write_text(json.dumps(manifest))
    return root


def test_from_a_draw_to_a_corpus(project: Path, tmp_path: Path) -> None:
    """Draw, label, write, convert: and what lacks its text then is named in one message."""
    (tmp_path / "silver.yml").write_text(
        "seed: 0\ntokens: [5, 60]\nlanguages:\n  ro:\n    - {source: monero, take: 12}\n    - {source: covid-qa, take: 2}\n"
    )
    text, labels = tmp_path / "ro.txt", tmp_path / "ro.jsonl"
    options = ["--root", str(project)]
    settings = ["--settings", str(tmp_path / "silver.yml")]
    result = CliRunner().invoke(sample_silver.app, ["ro", str(text), *settings, *options])
    assert result.exit_code == 0, result.output
    assert "holds 14 sentences: monero 12, covid-qa 2" in result.output
    again = CliRunner().invoke(sample_silver.app, ["ro", str(text), *settings, *options])
    assert "already exists" in again.output

    rows, answers = [], []
    for n, line in enumerate(text.read_text().splitlines(), start=1):
        at = line.find("astm")
        entities = [{"start": at, "end": at + 4, "label": "MEDICAL"}] if at >= 0 and n != 1 else []
        rows.append({"id": f"ro-a{n:06d}", "lang": "ro", "text": line, "entities": entities})
        task = {"number": n, "line": n, "text": line}
        answers.append({"number": n, "task": task, "model": "m", "prompt": "3", "input_tokens": 10, "cost": 0.5})
    labels.write_text("".join(json.dumps(row) + "\n" for row in rows[:-1]))
    labels.with_name("ro.jsonl.answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in answers))
    silver = project / "assets" / "silver"
    result = CliRunner().invoke(write_silver.app, ["ro", str(text), str(labels), "--output", str(silver), *options])
    assert result.exit_code == 0, result.output
    assert "1 sentences have no labels" in result.output
    assert "| monero | " in result.output
    cost = json.loads((silver / "ro.cost.json").read_text())
    assert cost == {
        "model": "m", "prompt": "3", "sentences": 13, "input_tokens": 140, "output_tokens": 0, "usd": 7.0,
    }  # fmt: skip
    assert not any(word in (silver / "ro.jsonl").read_text() for word in ("astm", "Virusul", "Doamna"))

    (project / "assets" / "fetched" / "covid.txt").write_text("Altceva.\n")
    corpus = tmp_path / "corpus"
    result = CliRunner().invoke(convert.app, ["--output", str(corpus), *options])
    assert result.exit_code == 0, result.output
    lacking = sum('"covid-qa"' in line for line in (silver / "ro.jsonl").read_text().splitlines())
    assert (
        f"labelled-ro: {lacking} labelled sentences are left out: their text is not at hand, or differs"
        in result.output
    )
    about = read_manifest(corpus).sources["labelled-ro"]
    assert sum(split.sentences for split in about.splits.values()) == 13 - lacking
    assert about.annotated == ["LOC", "MEDICAL", "ORG", "PERSON"]
    assert (corpus / "silver-ro" / "train.spacy").is_file()
    assert re.search(r"cannot be trained: .*\bexp4\b", result.output)


def test_text_without_labels_trains_nothing(project: Path, tmp_path: Path) -> None:
    """A language whose labels are not written yet."""
    result = CliRunner().invoke(convert.app, ["--root", str(project), "--output", str(tmp_path / "corpus")])
    assert result.exit_code == 0, result.output
    assert re.search(r"cannot be trained: .*silver-ro.* \(assets/silver/ro.jsonl is not written yet\)", result.output)


def test_another_model_in_between(project: Path, tmp_path: Path) -> None:
    """Labels of two models have no one origin."""
    (tmp_path / "ro.txt.places.jsonl").write_text("")
    (tmp_path / "ro.jsonl").write_text("")
    lines = [{"number": n, "task": {}, "model": f"m{n}", "prompt": "3"} for n in (1, 2)]
    (tmp_path / "ro.jsonl.answers.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    arguments = ["ro", str(tmp_path / "ro.txt"), str(tmp_path / "ro.jsonl"), "--output", str(tmp_path)]
    result = CliRunner().invoke(write_silver.app, [*arguments, "--root", str(project)])
    assert result.exit_code == 1
    assert "was made by 2 models or versions of the prompt" in result.output


def test_agreement_with_gold() -> None:
    """One exact span, one that is too short, one invented, and one missed."""
    text = "Are astm bronșic, febră și tuse."
    gold = Record("7", "ro", text, (Entity(4, 16, "MEDICAL"), Entity(18, 23, "MEDICAL"), Entity(27, 31, "MEDICAL")))
    labelled = Record("x", "ro", text, (Entity(0, 3, "MEDICAL"), Entity(4, 8, "MEDICAL"), Entity(18, 23, "MEDICAL")))
    place, _ = next(
        sample(Sampling(seed=0, tokens=(1, 50), languages={"ro": (Group(source="s", take=1),)}), "ro",
               lambda _: {"7": text}, NO_TESTS)
    )  # fmt: skip
    sentences = stand_off({"x": place}, [labelled], Path("x"))
    found = agreement(sentences, {"s": {"7": gold}}, "MEDICAL")["s"]
    assert found.exact == (1, 2, 2)
    assert (found.sentences, found.found, found.met) == (1, 2, 2)
    assert agreement(sentences, {}, "MEDICAL") == {}


def test_reading_keeps_the_lines(tmp_path: Path) -> None:
    path = stood_off(tmp_path)
    path.write_text("\n" + path.read_text())
    assert [number for number, _ in read_silver(path)] == [2, 3]


@pytest.mark.parametrize("lang", ["ro", "fr"])
def test_the_study_has_the_tokens_of_the_ledgers(lang: str) -> None:
    cost = read_output(ROOT / "assets" / "silver" / f"{lang}.cost.json", SilverCost, "silver")
    each = cost.input_tokens / cost.sentences, cost.output_tokens / cost.sentences
    source = load_study(ROOT / "configs" / "experiments.yml").sources[f"labelled-{lang}"]
    assert source.tokens == tuple(map(round, each))
    assert len(read_silver(ROOT / "assets" / "silver" / f"{lang}.jsonl")) == cost.sentences
