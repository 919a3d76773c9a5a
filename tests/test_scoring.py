from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc
from spacy.training import Example

from medner.scoring import Counts, SuiteScore, count, f1_interval, scores_table
from medner.tokenization import blank

NLP = blank()
TEXT = "Ana Pop are HTA la Iași ."


def doc(*spans: tuple[int, int, str]) -> Doc:
    """The text with entities over token ranges."""
    made = Doc(NLP.vocab, words=TEXT.split(" "))
    made.set_ents([made[s:e].char_span(0, len(made[s:e].text), label=label) for s, e, label in spans])
    return made


GOLD = doc((0, 2, "PERSON"), (3, 4, "MEDICAL"), (5, 6, "LOC"))


@pytest.mark.parametrize(
    ("spans", "micro"),
    [
        ([(0, 2, "PERSON"), (3, 4, "MEDICAL"), (5, 6, "LOC")], Counts(3, 0, 0)),
        ([], Counts(0, 0, 3)),
        ([(0, 1, "PERSON"), (3, 4, "MEDICAL"), (5, 6, "LOC")], Counts(2, 1, 1)),  # wrong boundary
        ([(0, 2, "ORG"), (3, 4, "MEDICAL"), (5, 6, "LOC")], Counts(2, 1, 1)),  # wrong label
        ([(0, 2, "PERSON"), (2, 3, "MEDICAL"), (3, 4, "MEDICAL"), (5, 6, "LOC")], Counts(3, 1, 0)),  # spurious
    ],
)
def test_counts(spans: list[tuple[int, int, str]], micro: Counts) -> None:
    score = SuiteScore()
    score.add(count(GOLD, doc(*spans), ["PERSON", "ORG", "LOC", "MEDICAL"]))
    plain = score.as_dict(0)
    assert (plain["tp"], plain["fp"], plain["fn"]) == micro
    assert plain["support"] == 3


def test_a_label_that_is_not_annotated_counts_neither_way() -> None:
    gold = doc((0, 2, "PERSON"))
    predicted = doc((0, 2, "PERSON"), (3, 4, "MEDICAL"))
    assert count(gold, predicted, ["PERSON", "LOC"]) == {"PERSON": Counts(1, 0, 0), "LOC": Counts(0, 0, 0)}


SPANS = st.sets(
    st.tuples(st.sampled_from([(0, 2), (2, 3), (3, 4), (4, 6)]), st.sampled_from(["PERSON", "MEDICAL"])), max_size=4
)


def unnested(spans: set[tuple[tuple[int, int], str]]) -> list[tuple[int, int, str]]:
    return [(s, e, label) for (s, e), label in {span: label for span, label in sorted(spans)}.items()]


@given(st.lists(st.tuples(SPANS, SPANS), min_size=1, max_size=5))
def test_agrees_with_spacy(pairs: list[tuple[set, set]]) -> None:  # type: ignore[type-arg]
    labels = ["PERSON", "MEDICAL"]
    docs = [(doc(*unnested(gold)), doc(*unnested(predicted))) for gold, predicted in pairs]
    score = SuiteScore()
    for gold, predicted in docs:
        score.add(count(gold, predicted, labels))
    ours = score.as_dict(0)
    theirs = get_ner_prf([Example(predicted, gold) for gold, predicted in docs])
    for key, name in (("p", "ents_p"), ("r", "ents_r"), ("f1", "ents_f")):
        assert ours[key] == pytest.approx(theirs[name] or 0.0, abs=1e-6)


def test_the_interval_holds_the_score_and_narrows_with_more_documents() -> None:
    some = [Counts(2, 1, 1), Counts(0, 1, 2), Counts(3, 0, 0), Counts(1, 1, 0)]
    few, many = f1_interval(some * 5, 0), f1_interval(some * 80, 0)
    assert few is not None
    assert many is not None
    f1 = Counts(6, 3, 3).f1
    assert few[0] < many[0] < f1 < many[1] < few[1]
    assert f1_interval(some * 5, 0) == few
    assert f1_interval([Counts(1, 0, 0)], 0) is None
    assert f1_interval([Counts(), Counts()], 0) is None


def test_table() -> None:
    score = SuiteScore()
    score.add({"LOC": Counts(1, 1, 0)})
    assert scores_table({"exp1": {"ronec": score.as_dict(0)}}, ["ronec", "med-ro"]) == (
        "| experiment | ronec |\n| --- | --- |\n| exp1 | 0.500 / 1.000 / **0.667** |\n"
    )
