from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest
import srsly
from classify_errors import app
from click.testing import Result
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from made import provenance
from spacy.tokens import DocBin
from typer.testing import CliRunner

from medner.data.build import convert
from medner.data.overlap import form_key, load_generic_nouns
from medner.data.records import Entity, Part, Record, Tally
from medner.data.tokenizer import blank, reference_doc
from medner.evaluation.error_analysis import (
    Charge,
    Error,
    Guideline,
    Kind,
    Knowledge,
    MissedForm,
    analyse,
    choose_examples,
    classify,
    confusion,
    gold_tokens,
)
from medner.evaluation.predictions import Prediction, write_predictions
from medner.evaluation.results import Scores
from medner.files import sha256
from medner.outputs import write_output

LABELS = ("PERSON", "ORG", "LOC", "MEDICAL")
TEXT = "Ana Pop are HTA la Iași."
NAME, CITY, DISEASE = Entity(0, 7, "PERSON"), Entity(19, 23, "LOC"), Entity(12, 15, "MEDICAL")
TOKENS = ((0, 3), (4, 7), (8, 11), (12, 15), (16, 18), (19, 23), (23, 24))


def prediction(gold: list[Entity], predicted: list[Entity], *, id: str = "1", source: str = "med-ro") -> Prediction:
    return Prediction(id, source, "ro", TEXT, tuple(gold), tuple(predicted), TOKENS)


@pytest.mark.parametrize(
    ("gold", "predicted", "kinds"),
    [
        ([NAME], [NAME], []),
        ([NAME], [], [(Kind.MISSED, False, True)]),
        ([], [NAME], [(Kind.SPURIOUS, True, False)]),
        ([NAME], [Entity(0, 3, "PERSON")], [(Kind.BOUNDARY, True, True)]),
        ([NAME], [Entity(0, 7, "ORG")], [(Kind.LABEL, True, True)]),
        ([NAME], [Entity(4, 11, "ORG")], [(Kind.BOTH, True, True)]),
        ([NAME], [CITY], [(Kind.MISSED, False, True), (Kind.SPURIOUS, True, False)]),
        # One prediction over two mentions: charged once as false positive, with the mention that has its label.
        ([NAME, DISEASE], [Entity(0, 15, "MEDICAL")], [(Kind.BOTH, False, True), (Kind.BOUNDARY, True, True)]),
        # Two predictions in one mention: the longer one is its counterpart.
        (
            [Entity(0, 15, "ORG")],
            [Entity(0, 3, "ORG"), Entity(4, 15, "ORG")],
            [(Kind.BOUNDARY, True, False), (Kind.BOUNDARY, True, True)],
        ),
    ],
)
def test_kinds(gold: list[Entity], predicted: list[Entity], kinds: list[tuple[Kind, bool, bool]]) -> None:
    assert [(error.kind, error.fp, error.fn) for error in classify(gold, predicted)] == kinds


MENTIONS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.sampled_from(LABELS)), max_size=6)


def apart(drawn: list[tuple[int, int, str]]) -> list[Entity]:
    """Mentions one after the other, from gaps and lengths."""
    entities, position = [], 0
    for gap, length, label in drawn:
        entities.append(Entity(position + gap, position + gap + length + 1, label))
        position += gap + length + 1
    return entities


@given(MENTIONS, MENTIONS)
def test_every_false_positive_and_negative_is_charged_once(left: list, right: list) -> None:  # type: ignore[type-arg]
    gold, predicted = apart(left), apart(right)
    errors = classify(gold, predicted)
    assert Counter(e.gold for e in errors if e.fn) == Counter(set(gold) - set(predicted))
    assert Counter(e.predicted for e in errors if e.fp) == Counter(set(predicted) - set(gold))
    for error in errors:
        assert error.fp or error.fn
        overlap = [e for e in predicted if error.gold and e.start < error.gold.end and error.gold.start < e.end]
        assert (error.kind == Kind.MISSED) == (error.gold is not None and not overlap)


def test_labels_that_a_source_does_not_annotate_count_neither_way() -> None:
    suites = {"ronec": [prediction([NAME], [NAME, DISEASE], source="ronec")]}
    errors, counts = analyse(suites, {"ronec": ["PERSON", "ORG", "LOC"]}, LABELS, Knowledge())
    assert errors == []
    assert (counts["ronec"].tp, counts["ronec"].fp, counts["ronec"].fn) == (1, 0, 0)
    assert counts["ronec"].confusion.labels == ["PERSON", "ORG", "LOC", "O"]


@pytest.mark.parametrize(
    ("form", "label", "expected"),
    [
        ("boală", "MEDICAL", Guideline.GENERIC),
        ("Boli", "MEDICAL", Guideline.GENERIC),
        ("HTA", "MEDICAL", Guideline.ABBREVIATION),
        ("HbA1c", "MEDICAL", Guideline.ABBREVIATION),
        ("B.P.O.C.", "MEDICAL", Guideline.ABBREVIATION),
        ("ÎÎ", "MEDICAL", Guideline.ABBREVIATION),
        ("Hipertensiune", "MEDICAL", None),
        ("diabet zaharat", "MEDICAL", None),
        ("NATO", "ORG", None),
    ],
)
def test_guideline_candidates(form: str, label: str, expected: Guideline | None) -> None:
    nouns = load_generic_nouns(ROOT / "assets" / "synthetic" / "generic_nouns.yml")
    known = Knowledge(generic={lang: frozenset(map(form_key, forms)) for lang, forms in nouns.items()})
    entity = Entity(0, len(form), label)
    one = Prediction("1", "med-ro", "ro", form, (entity,), (), ((0, len(form)),))
    assert known.guideline(one, Error(Kind.MISSED, entity, None, fp=False, fn=True)) == expected


def test_confusion_on_both_kinds_of_tokens() -> None:
    """A gold mention inside a longer token is lost on the model's own tokens, and is there on gold tokens."""
    gold, predicted = [Entity(2, 6, "LOC")], [Entity(0, 10, "ORG")]
    own = [(0, 10)]
    assert gold_tokens(own, gold) == [(0, 2), (2, 6), (6, 10)]
    assert confusion(own, gold, predicted) == {("O", "ORG"): 1}
    assert confusion(gold_tokens(own, gold), gold, predicted) == {("O", "ORG"): 2, ("LOC", "ORG"): 1}
    assert confusion([(0, 4)], [Entity(0, 2, "LOC")], []) == {("LOC", "O"): 1}  # half of it: the label wins


def test_gold_tokens_are_those_of_the_reference_documents() -> None:
    nlp = blank()
    record = Record("1", "ro", "BoalaBasedow la Iași.", (Entity(5, 12, "MEDICAL"), Entity(16, 20, "LOC")))
    own = [(token.idx, token.idx + len(token)) for token in nlp.make_doc(record.text)]
    split = [(token.idx, token.idx + len(token)) for token in reference_doc(nlp, record)[0]]
    assert gold_tokens(own, record.entities) == split


def test_counts() -> None:
    known = Knowledge(seen={("MEDICAL", form_key("hta"))}, generic={"ro": {form_key("are")}})
    suites = {
        "med-ro": [
            prediction([NAME, DISEASE], [Entity(0, 3, "PERSON"), Entity(8, 11, "MEDICAL")]),
            prediction([DISEASE], [DISEASE], id="2"),
            prediction([DISEASE], [], id="3"),
        ],
    }
    suites["combined"] = [*suites["med-ro"], prediction([CITY], [], source="ronec")]
    errors, counts = analyse(suites, {"med-ro": LABELS, "ronec": ["LOC"]}, LABELS, known)
    assert [(e["id"], e["kind"], e["seen"], e["guideline"], e["suites"]) for e in errors] == [
        ("1", "wrong boundary", False, None, ["med-ro", "combined"]),
        ("1", "spurious", False, "generic noun", ["med-ro", "combined"]),
        ("1", "missed", True, "abbreviation", ["med-ro", "combined"]),
        ("3", "missed", True, "abbreviation", ["med-ro", "combined"]),
        ("1", "missed", False, None, ["combined"]),
    ]
    assert errors[0]["gold"] == {"start": 0, "end": 7, "label": "PERSON", "form": "Ana Pop"}
    own = counts["combined"]
    assert (own.texts, own.gold, own.tp, own.fp, own.fn, own.errors) == (4, 5, 1, 2, 4, 5)
    assert own.kinds[Kind.BOUNDARY] == Charge(errors=1, fp=1, fn=1)
    assert own.by_label["MEDICAL"]["missed"] == 2
    assert own.by_source["ronec"]["missed"] == 1
    assert own.by_seen["seen"]["gold"] == 3
    assert own.by_seen["seen"]["tp"] == 1
    assert own.by_seen["unseen"]["spurious"] == 1
    assert own.guideline[Guideline.ABBREVIATION] == Charge(errors=2, fp=0, fn=2)
    assert own.missed_forms[0] == MissedForm(form="HTA", label="MEDICAL", count=2, seen=True)
    matrix = own.confusion
    assert sum(map(sum, matrix.own_tokens)) == 4 * len(TOKENS)
    assert matrix.own_tokens[matrix.labels.index("MEDICAL")][matrix.labels.index("MEDICAL")] == 1


def test_examples_are_the_same_every_time_and_take_turns() -> None:
    suites = {
        "a": [prediction([NAME], [], id=str(n)) for n in range(20)],
        "b": [prediction([NAME], [], id=str(n), source="ronec") for n in range(20)],
    }
    annotated = {"med-ro": LABELS, "ronec": ["PERSON"]}
    errors, _ = analyse(suites, annotated, LABELS, Knowledge())
    chosen = choose_examples(suites, errors, annotated)
    assert [item.source for item in chosen] == ["med-ro", "ronec", "med-ro", "ronec"]
    assert chosen == choose_examples(suites, list(reversed(errors)), annotated)
    assert {item.kind for item in chosen} == {"missed"}


# --- the command ------------------------------------------------------------------------------------------------------


def write_manifest(folder: Path, sources: dict[str, list[str]]) -> None:
    about = {"note": "n", "stand_in": False, "documents": False, "splits": {}}
    rest = {"persons": "named", "experiments": {}, "suites": {}, "skipped": {}, "sha256": {}}
    annotated = {source: {**about, "annotated": labels} for source, labels in sources.items()}
    srsly.write_json(folder / "corpus" / "manifest.json", {"sources": annotated, **rest})


@pytest.fixture
def evaluated(tmp_path: Path) -> Path:
    """One experiment with predictions on one suite, and its training corpus."""
    nlp = blank()
    train = Part([Record("t1", "ro", "Are HTA.", (Entity(4, 7, "MEDICAL"),))], Tally())
    docbin: DocBin = convert(nlp, train, "ronec")[0]
    (tmp_path / "corpus" / "exp1").mkdir(parents=True)
    docbin.to_disk(tmp_path / "corpus" / "exp1" / "train.spacy")
    write_manifest(tmp_path, {"med-ro": list(LABELS)})
    digest = sha256((tmp_path / "corpus" / "exp1" / "train.spacy").read_bytes())
    about = provenance(experiment="exp1", corpus={"train": digest})
    write_output(tmp_path / "metrics" / "exp1" / "scores.json", Scores(provenance=about, test={}, suites={}))
    write_predictions(tmp_path / "metrics" / "exp1" / "med-ro.predictions.jsonl", [prediction([NAME, DISEASE], [CITY])])
    return tmp_path


def errors(folder: Path, *arguments: str) -> Result:
    where = ["--metrics", str(folder / "metrics"), "--corpus", str(folder / "corpus")]
    return CliRunner().invoke(app, [*arguments, *where], catch_exceptions=False)


def test_the_command_writes_lines_and_counts(evaluated: Path) -> None:
    result = errors(evaluated)
    assert result.exit_code == 0, result.stderr
    lines = list(srsly.read_jsonl(evaluated / "metrics" / "errors" / "exp1.jsonl"))
    assert [(line["kind"], line["seen"]) for line in lines] == [
        ("missed", False),
        ("missed", True),
        ("spurious", False),
    ]
    counts = srsly.read_json(evaluated / "metrics" / "errors" / "exp1.json")
    assert counts["suites"]["med-ro"]["errors"] == len(lines)
    assert len(counts["examples"]) == 2
    assert "Not evaluated, left out: exp2, exp3" in result.stdout


def test_bad_input_gives_one_line_and_writes_nothing(evaluated: Path) -> None:
    def refused(expected: str, *arguments: str) -> None:
        result = errors(evaluated, *arguments)
        assert result.exit_code == 1
        assert expected in result.stderr
        assert not (evaluated / "metrics" / "errors").exists()

    refused("no predictions of exp2. Evaluate it first: python scripts/evaluate.py exp2", "exp2")
    write_manifest(evaluated, {})
    refused("no source med-ro, which exp1 was evaluated on")
    for damaged, told in (
        ("{", "Invalid JSON"),
        ("[]", "Input should be an object"),
        ("{}", "sources: missing"),
    ):
        (evaluated / "corpus" / "manifest.json").write_text(damaged)
        refused(f"manifest.json: not what the corpus step writes ({told}")
    DocBin().to_disk(evaluated / "corpus" / "exp1" / "train.spacy")
    write_manifest(evaluated, {"med-ro": []})
    refused("train.spacy: is not what exp1 was trained on")
    shutil.rmtree(evaluated / "corpus" / "exp1")
    write_manifest(evaluated, {"med-ro": []})
    refused("train.spacy: no such file")
