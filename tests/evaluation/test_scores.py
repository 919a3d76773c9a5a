from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from spacy.scorer import get_ner_prf
from spacy.tokens import Doc
from spacy.training import Example

from medner.data.overlap import mention_keys
from medner.data.records import Entity, Record
from medner.data.tokenizer import blank
from medner.evaluation.pipelines import as_prediction
from medner.evaluation.predictions import Prediction, units
from medner.evaluation.scores import Counts, TestSource, count, matching, score_suite
from medner.evaluation.statistics import f1_interval

NLP = blank()
TEXT = "Ana Pop are HTA la Iași ."
LABELS = ["LOC", "MEDICAL", "ORG", "PERSON"]
Spans = list[tuple[int, int, str]]


def doc(*spans: tuple[int, int, str]) -> Doc:
    """The text with entities over token ranges."""
    made = Doc(NLP.vocab, words=TEXT.split(" "))
    made.set_ents([made[s:e].char_span(0, len(made[s:e].text), label=label) for s, e, label in spans])
    made.user_data = {"id": "1", "source": "a", "lang": "ro"}
    return made


def pair(gold: Spans, predicted: Spans, source: str = "a") -> Prediction:
    """Gold and predicted mentions over token ranges of the text."""
    one = as_prediction(Example(doc(*predicted), doc(*gold)))
    return Prediction(one.id, source, one.lang, one.text, one.gold, one.predicted, one.tokens)


def about(documents: str | bool = False, **annotated: list[str]) -> dict[str, TestSource]:
    """Test sources by the labels that they annotate."""
    return {
        source: TestSource(note="", stand_in=False, annotated=tuple(labels), documents=documents)
        for source, labels in annotated.items()
    }


def chars(gold: Spans, predicted: Spans) -> Prediction:
    """Gold and predicted mentions over character ranges of a long text."""
    spans = [tuple(Entity(*span) for span in part) for part in (gold, predicted)]
    return Prediction("1", "a", "ro", "x" * 300, *spans, ())


@pytest.fixture(scope="module", autouse=True)
def few_resamples() -> Iterator[None]:
    """The interval has a test of its own; the others need not wait for two thousand resamples each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("medner.evaluation.statistics.RESAMPLES", 200)
        yield


GOLD: Spans = [(0, 2, "PERSON"), (3, 4, "MEDICAL"), (5, 6, "LOC")]


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
def test_counts(spans: Spans, micro: Counts) -> None:
    plain = score_suite([pair(GOLD, spans)], about(a=LABELS), set(), 0)
    assert (plain.tp, plain.fp, plain.fn) == micro
    assert plain.support == 3


def test_a_label_that_is_not_annotated_counts_nowhere() -> None:
    one = pair([(0, 2, "PERSON")], [(0, 2, "PERSON"), (3, 4, "MEDICAL")])
    assert count(one, ["PERSON", "LOC"]) == {"PERSON": Counts(1, 0, 0), "LOC": Counts(0, 0, 0)}
    scores = score_suite([one], about(a=["PERSON", "LOC"]), set(), 0)
    assert (scores.fp, scores.sources["a"].fp, scores.unseen.fp) == (0, 0, 0)
    assert scores.matching.partial.spurious == 0
    assert score_suite([one], about(a=["PERSON", "MEDICAL"]), set(), 0).fp == 1


SPANS = st.sets(
    st.tuples(st.sampled_from([(0, 2), (2, 3), (3, 4), (4, 6)]), st.sampled_from(["PERSON", "MEDICAL"])), max_size=4
)


def unnested(spans: set[tuple[tuple[int, int], str]]) -> Spans:
    return [(s, e, label) for (s, e), label in {span: label for span, label in sorted(spans)}.items()]


@given(st.lists(st.tuples(SPANS, SPANS), min_size=1, max_size=5))
def test_agrees_with_spacy(pairs: list[tuple[set, set]]) -> None:  # type: ignore[type-arg]
    """Micro-averaged and by label."""
    both = [(unnested(gold), unnested(predicted)) for gold, predicted in pairs]
    ours = score_suite([pair(*spans) for spans in both], about(a=["PERSON", "MEDICAL"]), set(), 0)
    theirs = get_ner_prf([Example(doc(*predicted), doc(*gold)) for gold, predicted in both])
    for key, name in (("p", "ents_p"), ("r", "ents_r"), ("f1", "ents_f")):
        assert getattr(ours, key) == pytest.approx(theirs[name] or 0.0, abs=1e-6)
    for label, scores in (theirs["ents_per_type"] or {}).items():
        assert [getattr(ours.labels[label], key) for key in ("p", "r", "f1")] == pytest.approx(
            [scores[key] for key in "prf"], abs=1e-6
        )


def test_seen_and_unseen_mentions() -> None:
    """HTA was a MEDICAL and Iași an ORG in training: the one is seen; Iași as LOC is not."""
    seen = mention_keys([Record("t", "ro", "hta Iași", (Entity(0, 3, "MEDICAL"), Entity(4, 8, "ORG")))])
    one = pair(GOLD, [(0, 2, "PERSON"), (3, 4, "MEDICAL"), (5, 6, "ORG")])
    scores = score_suite([one], about(a=LABELS), seen, 0)
    parts = {
        name: tuple(getattr(getattr(scores, name), key) for key in ("tp", "fp", "fn", "p", "r"))
        for name in ("seen", "unseen")
    }
    assert parts == {"seen": (1, 1, 0, 0.5, 1.0), "unseen": (1, 0, 1, 1.0, 0.5)}
    assert scores.seen.labels["ORG"].fp == 1


@given(st.lists(st.tuples(SPANS, SPANS, st.sampled_from("ab")), min_size=1, max_size=5), st.sets(st.sampled_from(GOLD)))
def test_parts_add_up_to_the_whole(
    parts: list[tuple[set, set, str]],  # type: ignore[type-arg]
    trained: set[tuple[int, int, str]],
) -> None:
    predictions = [pair(unnested(gold), unnested(predicted), source) for gold, predicted, source in parts]
    seen = mention_keys([Record("t", "ro", TEXT, pair(sorted(trained), []).gold)])
    scores = score_suite(predictions, about(a=LABELS, b=["PERSON"]), seen, 0)
    for key in ("tp", "fp", "fn", "support"):
        whole = getattr(scores, key)
        assert getattr(scores.seen, key) + getattr(scores.unseen, key) == whole
        for parts_of_it in (scores.sources, scores.length, scores.labels):
            assert sum(getattr(part, key) for part in parts_of_it.values()) == whole
    assert sum(part.documents for part in scores.length.values()) == len(predictions)


def test_lengths_are_in_tokens_of_the_model() -> None:
    scores = score_suite([pair(GOLD, GOLD)], about(a=LABELS), set(), 0)
    assert {name: part.documents for name, part in scores.length.items()} == {
        "1-10": 1, "11-20": 0, "21-30": 0, "31-50": 0, "51+": 0
    }  # fmt: skip


@pytest.mark.parametrize(
    ("gold", "predicted", "expected"),
    [  # correct, incorrect, partial, missed, spurious
        pytest.param(
            [(0, 9, "A")], [(0, 9, "A")],
            {"strict": (1, 0, 0, 0, 0), "exact": (1, 0, 0, 0, 0), "partial": (1, 0, 0, 0, 0), "type": (1, 0, 0, 0, 0)},
            id="hit",
        ),
        pytest.param(
            [(0, 9, "A")], [(0, 9, "B")],
            {"strict": (0, 1, 0, 0, 0), "exact": (1, 0, 0, 0, 0), "partial": (1, 0, 0, 0, 0), "type": (0, 0, 0, 1, 1)},
            id="wrong label",
        ),
        pytest.param(
            [(0, 9, "A")], [(4, 9, "A")],
            {"strict": (0, 1, 0, 0, 0), "exact": (0, 1, 0, 0, 0), "partial": (0, 0, 1, 0, 0), "type": (1, 0, 0, 0, 0)},
            id="wrong boundary",
        ),
        pytest.param(
            [(0, 9, "A")], [(9, 12, "A")],
            {"strict": (0, 0, 0, 1, 1), "exact": (0, 0, 0, 1, 1), "partial": (0, 0, 0, 1, 1), "type": (0, 0, 0, 1, 1)},
            id="neighbours do not overlap",
        ),
        pytest.param(
            [(0, 9, "A")], [(0, 4, "A"), (5, 9, "A")],
            {"strict": (0, 1, 0, 0, 1), "exact": (0, 1, 0, 0, 1), "partial": (0, 0, 1, 0, 1), "type": (1, 0, 0, 0, 1)},
            id="one mention found as two",
        ),
        pytest.param(
            [(0, 4, "A"), (5, 9, "A")], [(0, 9, "A")],
            {"strict": (0, 1, 0, 1, 0), "exact": (0, 1, 0, 1, 0), "partial": (0, 0, 1, 1, 0), "type": (1, 0, 0, 1, 0)},
            id="two mentions found as one",
        ),
        pytest.param(  # nervaluate's own count over all labels has one hit for type: C takes the gold B
            [(0, 10, "A"), (11, 20, "B")], [(0, 3, "A"), (5, 12, "C"), (14, 20, "B")],
            {"strict": (0, 2, 0, 0, 1), "exact": (0, 2, 0, 0, 1), "partial": (0, 0, 2, 0, 1), "type": (2, 0, 0, 0, 1)},
            id="a wrong label in between",
        ),
        pytest.param(  # nervaluate's threshold is 1 % of the gold mention, in characters
            [(0, 200, "A")], [(199, 201, "A")],
            {"strict": (0, 0, 0, 1, 1), "exact": (0, 0, 0, 1, 1), "partial": (0, 0, 0, 1, 1), "type": (0, 0, 0, 1, 1)},
            id="one of two hundred characters is no overlap",
        ),
    ],
)  # fmt: skip
def test_matching(gold: Spans, predicted: Spans, expected: dict[str, tuple[int, ...]]) -> None:
    found = matching([chars(gold, predicted)])
    kinds = ("correct", "incorrect", "partial", "missed", "spurious")
    assert {scheme: tuple(getattr(getattr(found, scheme), kind) for kind in kinds) for scheme in expected} == expected
    assert found.nervaluate == "1.2.1"


def test_half_a_point_for_a_partial_match() -> None:
    found = matching([chars([(0, 9, "A"), (20, 29, "A")], [(0, 9, "A"), (20, 25, "A"), (40, 45, "A")])])
    assert [getattr(found.partial, key) for key in ("p", "r", "f1")] == pytest.approx([0.5, 0.75, 0.6])


def test_nothing_found_and_nothing_to_find() -> None:
    found = matching([chars([], [])])
    assert set(found.strict.model_dump().values()) == {0}


FLAT = st.lists(st.tuples(st.integers(1, 6), st.integers(0, 3), st.sampled_from("AB")), max_size=5).map(
    lambda steps: [
        (end - length, end, label)
        for end, length, label in zip(
            np.cumsum([length + gap for length, gap, _ in steps]).tolist(),
            [length for length, _, _ in steps],
            [label for *_, label in steps],
            strict=True,
        )
    ]
)


@given(FLAT, FLAT)
def test_nervaluate_counts_right_for_flat_mentions(gold: Spans, predicted: Spans) -> None:
    """Strict and exact hits are those of sets; partial pairs as many mentions as can be paired."""
    found = matching([chars(gold, predicted)])
    assert found.strict.correct == len(set(gold) & set(predicted))
    assert found.exact.correct == len({span[:2] for span in gold} & {span[:2] for span in predicted})
    overlap = np.array([[max(g[0], p[0]) < min(g[1], p[1]) for p in predicted] for g in gold], dtype=int)
    pairs = overlap[linear_sum_assignment(overlap, maximize=True)].sum() if overlap.size else 0
    assert found.partial.correct + found.partial.partial == pairs
    for scheme in ("strict", "exact", "partial", "type"):
        n = getattr(found, scheme)
        both = n.correct + n.incorrect + n.partial
        assert (both + n.missed, both + n.spurious) == (len(gold), len(predicted))
    micro = score_suite([chars(gold, predicted)], about(a=["A", "B"]), set(), 0)
    assert (found.strict.p, found.strict.r, found.strict.f1) == (micro.p, micro.r, micro.f1)


def test_the_interval_holds_the_score_and_narrows_with_more_documents() -> None:
    some = np.array([(2, 1, 1), (0, 1, 2), (3, 0, 0), (1, 1, 0)], dtype=float)
    few, many = f1_interval(np.tile(some, (5, 1)), 0), f1_interval(np.tile(some, (80, 1)), 0)
    assert few is not None
    assert many is not None
    f1 = Counts(6, 3, 3).f1
    assert few[0] < many[0] < f1 < many[1] < few[1]
    assert f1_interval(np.tile(some, (5, 1)), 0) == few
    assert f1_interval(some, 0) is None
    assert f1_interval(np.zeros((20, 3)), 0) is None


def test_texts_of_one_document_are_drawn_together() -> None:
    hit, miss = pair(GOLD, GOLD), pair(GOLD, [])
    texts = [
        replace(hit if n % 2 else miss, id=f"{n}_{part}-{line}")
        for n in range(12)
        for part in (1, 2)
        for line in (1, 2)
    ]
    alone = score_suite(texts, about(a=LABELS), set(), 0)
    together = score_suite(texts, about(r"\d+", a=LABELS), set(), 0)
    assert (alone.units, together.units) == (48, 12)
    assert together.f1_interval[0] < alone.f1_interval[0] < alone.f1 == together.f1
    assert alone.f1 < alone.f1_interval[1] < together.f1_interval[1]
    few = score_suite(texts[:36], about(r"\d+", a=LABELS), set(), 0)
    assert (few.units, few.f1_interval) == (9, None)  # nine documents say too little
    assert [[one.id for one in unit] for unit in units(texts[2:6], {"a": r"\d+"})] == [
        ["0_2-1", "0_2-2"],
        ["1_1-1", "1_1-2"],
    ]
