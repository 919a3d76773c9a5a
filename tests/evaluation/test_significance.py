from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import srsly
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from medner.data.records import Entity
from medner.evaluation.predictions import Prediction
from medner.evaluation.results import load_runs, main_scores, write_counts
from medner.evaluation.scores import Counts, unit_counts
from medner.evaluation.significance import (
    Spread,
    basis,
    bootstrap_interval,
    comparable_pairs,
    compare,
    compare_experiments,
    current,
    f1_by_run,
    holm,
    p_text,
    pairs,
    randomisation_p,
    runs_and_documents,
    spread,
)
from medner.exceptions import InputError
from medner.report.summary import differences_table, origins, seeds_table, significance_text
from medner.study import Study

LADDER = Study({}, {"exp1": ("a",), "exp2": ("a", "b"), "exp3": ("a", "b", "c")}, {"s": ("a",), "t": ("b",)})
Array = NDArray[np.float64]
COUNTS = st.integers(1, 3).flatmap(
    lambda runs: st.integers(2, 12).flatmap(
        lambda documents: st.tuples(
            *[arrays(np.float64, (runs, documents, 3), elements=st.integers(0, 3).map(float))] * 2
        )
    )
)


def simulated(
    rng: np.random.Generator, documents: int, runs: int, *, seed_sd: float = 0.0, better: float = 0.0
) -> tuple[Array, Array]:
    """Counts of two experiments: documents differ in difficulty, runs (by ``seed_sd``) in skill, on the logit scale."""
    gold = rng.poisson(2.5, documents)
    difficulty = rng.normal(0, 1, documents)
    tables = []
    for skill in (0.8, 0.8 + better):
        logit = skill + difficulty + rng.normal(0, seed_sd, (runs, 1)) + rng.normal(0, 0.5, (runs, documents))
        found = 1 / (1 + np.exp(-logit))
        hits = rng.binomial(gold, found)
        tables.append(np.stack([hits, rng.poisson((1 - found) * gold * 0.8), gold - hits], axis=-1).astype(float))
    return tables[0], tables[1]


@settings(max_examples=25)
@given(COUNTS)
def test_equal_predictions_do_not_differ(both: tuple[Array, Array]) -> None:
    result = compare(both[0], both[0])
    assert (result.difference, result.interval, result.p) == (0.0, (0.0, 0.0), 1.0)
    assert (result.documents_interval, result.documents_p) == ((0.0, 0.0), 1.0)


@settings(max_examples=25)
@given(COUNTS)
def test_the_other_way_round_the_sign_changes_and_nothing_else(both: tuple[Array, Array]) -> None:
    there, back = compare(*both), compare(*both[::-1])
    assert back.difference == pytest.approx(-there.difference)
    assert back.interval == pytest.approx((-there.interval[1], -there.interval[0]))
    assert (back.p, back.documents_p) == pytest.approx((there.p, there.documents_p))
    assert (back.f1_before, back.f1_after) == (there.f1_after, there.f1_before)


def test_f1_of_each_run() -> None:
    counts = np.array([[[2, 1, 0], [0, 0, 1]], [[0, 0, 0], [0, 0, 0]]], dtype=float)
    assert f1_by_run(counts).tolist() == [2 / 3, 0.0]


def exact_p(before: Array, after: Array) -> float:
    """Over all exchanges of documents."""
    observed = abs((f1_by_run(after) - f1_by_run(before)).mean())
    reached = []
    for swap in itertools.product([False, True], repeat=before.shape[1]):
        mask = np.array(swap)[None, :, None]
        left, right = np.where(mask, after, before), np.where(mask, before, after)
        reached.append(abs((f1_by_run(right) - f1_by_run(left)).mean()) >= observed - 1e-12)
    return float(np.mean(reached))


@pytest.mark.parametrize("runs", [1, 3])
def test_randomisation_comes_near_the_exact_test(runs: int) -> None:
    both = simulated(np.random.default_rng(5), 9, runs, better=0.8)
    assert randomisation_p(*both) == pytest.approx(exact_p(*both), abs=0.02)


def share_of_false_alarms(
    test: Callable[[Array, Array], float],
    seed_sd: float,
    runs: int,
    documents: int = 80,
    studies: int = 300,
    level: float = 0.05,
) -> float:
    rng = np.random.default_rng(11)
    return sum(test(*simulated(rng, documents, runs, seed_sd=seed_sd)) < level for _ in range(studies)) / studies


def over_documents(before: Array, after: Array) -> float:
    return randomisation_p(before, after, permutations=400)


def over_both(before: Array, after: Array) -> float:
    apart = spread([before, after])
    assert apart
    return runs_and_documents(before, after, apart)[1]


@pytest.mark.parametrize(("test", "seed_sd", "runs"), [(over_documents, 0.0, 1), (over_both, 0.2, 5)])
def test_one_false_alarm_in_twenty(test: Callable[[Array, Array], float], seed_sd: float, runs: int) -> None:
    """Under the null hypothesis; 0.02 to 0.085 is 99 % of what 300 studies give at a rate of 0.05."""
    assert 0.02 <= share_of_false_alarms(test, seed_sd, runs) <= 0.085


@pytest.mark.parametrize("documents", [80, 400])
@pytest.mark.parametrize("seed_sd", [0.0, 0.1, 0.2])
@pytest.mark.parametrize("runs", [2, 3])
def test_few_runs_give_no_more_false_alarms(seed_sd: float, runs: int, documents: int) -> None:
    """Fewer where seeds hardly matter; 0.067 and 0.02 are 99 % of 1,000 studies at rates of 0.05 and 0.01."""
    assert share_of_false_alarms(over_both, seed_sd, runs, documents, 1000) <= 0.067
    assert share_of_false_alarms(over_both, seed_sd, runs, documents, 1000, level=0.01) <= 0.02


@pytest.mark.parametrize("after", [1, 3])
def test_a_single_run_is_taken_to_vary_as_the_others_do(after: int) -> None:
    """An experiment of one run beside others of three: no more false alarms, and differences are found."""
    rng = np.random.default_rng(12)
    alarms, found = 0, 0
    for _ in range(500):
        for better in (0.0, 1.2):
            both = simulated(rng, 400, 3, seed_sd=0.1, better=better)
            tables = [both[0], both[1][:1], simulated(rng, 400, 3, seed_sd=0.1)[0]]
            apart = spread(tables)
            assert apart
            assert apart.freedom == 4
            p = runs_and_documents(tables[0][:after], tables[1], apart)[1]
            alarms, found = alarms + (better == 0 and p < 0.05), found + (better > 0 and p < 0.05)
    assert alarms / 500 <= 0.075
    assert found / 500 > 0.8


def test_without_several_runs_there_is_no_spread() -> None:
    both = simulated(np.random.default_rng(0), 20, 1)
    assert spread(both) is None
    assert spread([np.zeros((3, 20, 3))]) is None  # what finds nothing always finds nothing


def test_runs_that_agree_by_chance_promise_no_more_than_their_documents_do() -> None:
    rng = np.random.default_rng(4)
    for _ in range(40):
        both = simulated(rng, 80, 2)
        apart = spread(both)
        assert apart
        (low, high), _ = runs_and_documents(*both, apart)
        least, most = bootstrap_interval(*both, resamples=500)
        assert high - low > most - least


def test_texts_alone_take_luck_of_the_seeds_for_a_difference() -> None:
    """Why there are two kinds of p: with seeds that differ, the test over documents is wrong far too often."""
    assert share_of_false_alarms(over_documents, 0.2, 5) > 0.15


def test_intervals_hold_the_true_difference() -> None:
    rng = np.random.default_rng(3)
    truth = np.mean([np.diff([f1_by_run(t)[0] for t in simulated(rng, 20_000, 1, better=0.5)]) for _ in range(5)])
    held = {"documents": 0, "both": 0}
    for _ in range(100):
        one = simulated(rng, 80, 1, better=0.5)
        five = simulated(rng, 80, 5, better=0.5, seed_sd=0.1)
        apart = spread(five)
        assert apart
        for name, (low, high) in {
            "documents": bootstrap_interval(*one, resamples=500), "both": runs_and_documents(*five, apart)[0]
        }.items():  # fmt: skip
            held[name] += low <= truth <= high
    assert all(88 <= count <= 100 for count in held.values()), held


def test_a_difference_is_found() -> None:
    both = simulated(np.random.default_rng(2), 600, 5, better=0.6)
    result = compare(*both, spread(both))
    assert result.p < 0.001
    assert 0 < result.interval[0] < result.difference < result.interval[1]
    assert (result.luck_of, result.runs, result.documents) == ("documents and seeds", (5, 5), 600)
    assert compare(*simulated(np.random.default_rng(2), 600, 1, better=0.6)).luck_of == "documents"


def test_what_cannot_be_compared() -> None:
    both = simulated(np.random.default_rng(0), 4, 2)
    for left, right in ((both[0], both[1][:1]), (both[0][:, :1], both[1][:, :1]), (both[0][0], both[1][0])):
        with pytest.raises(ValueError, match="shapes"):
            compare(left, right)
    with pytest.raises(ValueError, match="1 documents"):
        runs_and_documents(both[0][:, :1], both[1][:, :1], Spread(1, 1, 1))


@pytest.mark.parametrize(
    ("ps", "adjusted"),
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),  # by hand
        ([0.6, 0.9], [1.0, 1.0]),
        ([], []),
    ],
)
def test_holm(ps: list[float], adjusted: list[float]) -> None:
    assert holm(ps) == pytest.approx(adjusted)


def test_pairs() -> None:
    ladder = {"exp1": ["ronec"], "exp2": ["ronec", "ro"], "exp3": ["ronec", "ro", "fr"]}
    nested = [("exp1", "exp2"), ("exp1", "exp3"), ("exp2", "exp3")]
    assert pairs(ladder) == nested
    with_gold = ladder | {"only-ro": ["ro"], "gold": ["ronec", "monero"]}
    assert set(pairs(with_gold)) == {
        *nested, ("only-ro", "exp2"), ("only-ro", "exp3"), ("exp1", "gold"),
        ("gold", "exp2"), ("gold", "exp3"), ("gold", "only-ro"),
    }  # fmt: skip
    assert ("exp1-cnn", "exp1") in pairs(ladder | {"exp1-cnn": ["ronec"]})
    both = with_gold | {"gold-fr": ["ronec", "quaero"]}
    added = set(pairs(both)) - set(pairs(with_gold))
    assert added == {("exp1", "gold-fr"), *(("gold-fr", name) for name in ("exp2", "exp3", "only-ro"))}


def prediction(number: int, *labels: str) -> Prediction:
    """A text with HTA as gold MEDICAL at 4; predicted there: the labels, the first at 4 and the next at 0."""
    places = ((4, 7), (0, 3))
    found = sorted(Entity(*place, label) for place, label in zip(places, labels, strict=False))
    return Prediction(str(number), "s", "ro", "Are HTA", (Entity(4, 7, "MEDICAL"),), tuple(found), ((0, 3), (4, 7)))


def evaluated(
    metrics: Path, experiment: str, seed: int, hits: int, *, main: bool = False, sha256: str = "1", **changed: object
) -> None:
    """The files of a run that found ``hits`` of forty mentions, each in a text of its own."""
    folder = metrics / experiment if main else metrics / "seeds" / str(seed) / experiment
    encoder = {"name": "e", "revision": "r", "untrained": False, "parameters": 1, "sha256": "0"}
    provenance = {"experiment": experiment, "encoder": encoder, "epochs": 3, "persons": "named", "seed": seed}
    provenance["sources"] = {"r": {"note": "news", "stand_in": False}}
    test = {"s": {"note": "a source", "stand_in": False, "annotated": ["MEDICAL"], "sha256": sha256}}
    f1 = 2 * hits / (hits + 40)
    suite = {"f1": f1, "units": 40, "tp": hits, "fp": 0, "fn": 40 - hits, "sources": {"s": {}}}
    scores = {"provenance": provenance | changed, "test": test, "suites": {"s": suite}}
    write_counts(folder, {"s": [Counts(1, 0, 0)] * hits + [Counts(0, 0, 1)] * (40 - hits)})
    srsly.write_json(folder / "scores.json", scores)


def test_only_annotated_labels_count() -> None:
    counts = unit_counts([prediction(1, "MEDICAL", "LOC"), prediction(2, "LOC")], {"s": {"annotated": ["MEDICAL"]}})
    assert counts == [(1, 0, 0), (0, 0, 1)]


def test_from_files_to_sentences(tmp_path: Path) -> None:
    for seed, (less, more) in enumerate([(10, 30), (12, 33), (9, 31)]):
        evaluated(tmp_path, "exp1", seed, less, main=seed == 0)
        evaluated(tmp_path, "exp2", seed, more, main=seed == 0)
    evaluated(tmp_path, "exp2", 3, 30)  # a seed that exp1 lacks
    evaluated(tmp_path, "exp2", 4, 30, epochs=20)  # another training than the main run's
    evaluated(tmp_path, "exp1", 2, 9, made_with={"torch": "2"})  # as good as another seed
    runs, stale = load_runs(tmp_path, ["exp1", "exp2", "exp9"])
    assert {name: [run.seed for run in found] for name, found in runs.items()} == {
        "exp1": [0, 1, 2],
        "exp2": [0, 1, 2, 3],
    }
    assert stale == [tmp_path / "seeds" / "4" / "exp2"]

    wanted, unlike = comparable_pairs(runs, [("exp1", "exp2"), ("exp2", "exp9")])
    assert (wanted, unlike) == ([("exp1", "exp2")], {})
    (one,) = compare_experiments(runs, wanted, "s", LADDER)
    assert (one["before"], one["after"], one["runs"], one["documents"]) == ("exp1", "exp2", [3, 4], 40)
    assert one["f1"]["exp1"] == pytest.approx([2 * hits / (hits + 40) for hits in (10, 12, 9)], abs=1e-6)
    assert one["difference"] == pytest.approx(np.mean(one["f1"]["exp2"]) - np.mean(one["f1"]["exp1"]), abs=1e-6)
    assert one["p"] == one["p_holm"] < 0.001
    assert one["over_documents_only"]["p"] <= 0.001
    assert one["sentence"].startswith("exp2 − exp1 = +0.4")
    assert one["sentence"].endswith("], p < 0.001 (Holm: < 0.001), 4 and 3 runs, 40 texts or documents")

    text = significance_text([one], {name: found[0].scores for name, found in runs.items()})
    assert "## s\n" in text
    assert one["sentence"] in text
    assert "- Encoder: e, revision r, 1 parameters\n- s: a source\n" in text
    assert "| exp1 | 3 | 0.410 ± 0.048 |\n| exp2 | 4 | " in seeds_table(runs, ["s"])
    table = differences_table([one, {**one, "after": "only-b", "family": "others"}], LADDER)
    assert "| suite | exp2 − exp1 |\n| --- | --- |\n| s | **+0.4" in table
    assert table.endswith("] < 0.001 |\n")
    assert differences_table([{**one, "family": "others"}], LADDER) == ""


def test_one_seed_says_so(tmp_path: Path) -> None:
    evaluated(tmp_path, "exp1", 0, 10, main=True)
    evaluated(tmp_path, "exp2", 0, 11, main=True)
    (one,) = compare_experiments(load_runs(tmp_path, ["exp1", "exp2"])[0], [("exp1", "exp2")], "s", LADDER)
    assert (one["luck_of"], one["over_documents_only"]["p"]) == ("documents", one["p"])
    assert ", p = 1.000 (Holm: 1.000), 1 run each, 40 texts or documents" in one["sentence"]


def test_what_else_was_evaluated_does_not_change_the_answer(tmp_path: Path) -> None:
    """p is adjusted within a family of comparisons: the study's steps, those with references, all others."""
    for name, hits in {"exp1": 10, "exp2": 14, "exp3": 18, "gold": 20, "llm": 30, "only-b": 12}.items():
        evaluated(tmp_path, name, 0, hits, main=True, **({"sources": {}} if name == "llm" else {}))
    study = Study({}, {**LADDER.experiments, "only-b": ("b",), "gold": ("a", "g"), "llm": ()}, LADDER.suites)
    runs, _ = load_runs(tmp_path, study.experiments)
    wanted, _ = comparable_pairs(runs, pairs(study.experiments))
    steps = [("exp1", "exp2"), ("exp1", "exp3"), ("exp2", "exp3")]
    alone = {(one["before"], one["after"]): one for one in compare_experiments(runs, steps, "s", study)}
    together = {(one["before"], one["after"]): one for one in compare_experiments(runs, wanted, "s", study)}
    assert {pair: together[pair] for pair in steps} == alone
    families = {pair: one["family"] for pair, one in together.items()}
    assert [pair for pair, name in families.items() if name == "steps"] == steps
    assert {pair for pair, name in families.items() if name == "references"} == {("gold", "exp3"), ("llm", "exp3")}
    assert families["only-b", "exp2"] == families["exp1", "gold"] == families["llm", "exp1"] == "others"


def test_runs_that_differ_in_more_than_their_data(tmp_path: Path) -> None:
    evaluated(tmp_path, "exp1", 0, 10, main=True)
    evaluated(tmp_path, "exp2", 0, 11, main=True, epochs=20)
    evaluated(tmp_path, "exp3", 0, 11, main=True, sources={"r": {"note": "a sample", "stand_in": True}})
    evaluated(tmp_path, "gold", 0, 11, main=True, sha256="2")
    evaluated(tmp_path, "only-ro", 0, 11, main=True, config="another", overrides={"training.dropout": 0.5})
    runs, _ = load_runs(tmp_path, ["exp1", "exp2", "exp3", "gold", "only-ro"])
    assert comparable_pairs(runs, [("exp1", name) for name in ("exp2", "exp3", "gold", "only-ro")]) == (
        [],
        {
            ("exp1", "exp2"): "they differ in epochs",
            ("exp1", "exp3"): "they differ in what r is",
            ("exp1", "gold"): "they differ in the test texts of s",
            ("exp1", "only-ro"): "they differ in config, overrides",
        },
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"s": [[10, 0, 30]]}', "does not add up to the scores of s in scores.json"),
        (f'{{"s": [{"[0, 0, 0], " * 39}[10, 0, 29]]}}', "does not add up to the scores of s in scores.json"),
        ('{"s": [[10, 0]]}', "has no counts of s"),
        ('{"s": {}}', "has no counts of s"),
        ("{}", "has no counts of s"),
        ("{", "is damaged"),
        (None, "run the step that makes it"),
    ],
)
def test_counts_that_are_not_those_of_scores_json(tmp_path: Path, text: str | None, message: str) -> None:
    for name in ("exp1", "exp2"):
        evaluated(tmp_path, name, 0, 10, main=True)
    path = tmp_path / "exp2" / "counts.json"
    path.write_text(text) if text is not None else path.unlink()
    runs, _ = load_runs(tmp_path, ["exp1", "exp2"])
    with pytest.raises(InputError, match=message) as told:
        list(compare_experiments(runs, [("exp1", "exp2")], "s", LADDER))
    assert str(path) in str(told.value)


def test_suites_of_other_sources_are_not_compared(tmp_path: Path) -> None:
    """The study gained a source, and one of the two was not evaluated again."""
    for name in ("exp1", "exp2"):
        evaluated(tmp_path, name, 0, 10, main=True)
    scores = srsly.read_json(tmp_path / "exp2" / "scores.json")
    scores["suites"]["s"]["sources"]["t"] = {}
    srsly.write_json(tmp_path / "exp2" / "scores.json", scores)
    found, unlike = comparable_pairs(load_runs(tmp_path, ["exp1", "exp2"])[0], [("exp1", "exp2")])
    assert (found, unlike) == ([], {("exp1", "exp2"): "they differ in the sources of s"})


def test_comparisons_of_earlier_runs_are_passed_over(tmp_path: Path) -> None:
    for name in ("exp1", "exp2", "exp3"):
        evaluated(tmp_path, name, 0, 10, main=True)
    runs, _ = load_runs(tmp_path, ["exp1", "exp2", "exp3"])
    made = {
        "experiments": {name: basis(found) for name, found in runs.items()},
        "comparisons": [{"before": "exp1", "after": "exp2"}, {"before": "exp2", "after": "exp3"}],
    }
    assert current(made, runs) == made["comparisons"]
    evaluated(tmp_path, "exp3", 0, 10, main=True, epochs=20)
    assert current(made, load_runs(tmp_path, runs)[0]) == made["comparisons"][:1]
    assert current(made, {}) == []
    for name in ("exp1", "exp2"):  # nor those of fewer seeds, or of another test part
        evaluated(tmp_path, name, 1, 10)
    assert current(made, load_runs(tmp_path, ["exp1", "exp2"])[0]) == []
    for name in ("exp1", "exp2"):
        evaluated(tmp_path / "other", name, 0, 10, main=True, sha256="2")
    assert current(made, load_runs(tmp_path / "other", ["exp1", "exp2"])[0]) == []


def test_the_main_run_is_that_of_the_first_seed_where_there_is_no_other(tmp_path: Path) -> None:
    evaluated(tmp_path, "exp1", 2, 10)
    evaluated(tmp_path, "exp1", 1, 11)
    assert main_scores(load_runs(tmp_path, ["exp1", "exp2"])[0], tmp_path)["exp1"]["provenance"]["seed"] == 1
    evaluated(tmp_path, "exp1", 5, 10, main=True)
    assert main_scores(load_runs(tmp_path, ["exp1"])[0], tmp_path)["exp1"]["provenance"]["seed"] == 5


def test_what_tables_were_made_from_is_told_apart(tmp_path: Path) -> None:
    encoder = {"name": "e", "revision": "r", "untrained": False, "parameters": 1}
    about = {"provenance": {"encoder": encoder, "sources": {"ronec": {}}}}
    sample, real = ({"note": note, "stand_in": note == "sample"} for note in ("sample", "the real one"))
    results = {
        "exp1": {**about, "test": {"ronec": sample}, "skipped": {"simonero": "out of reach"}},
        "gold": {**about, "test": {"ronec": real, "simonero": real}, "skipped": {}},
        "llm": {"provenance": {"encoder": encoder, "sources": {}}, "test": {"simonero": real}, "skipped": {}},
    }
    assert origins(results) == [
        "- Encoder: e, revision r, 1 parameters (exp1, gold)",
        "- Language model: e, r, zero-shot (llm)",
        "- ronec: STAND-IN: sample (exp1)",
        "- ronec: the real one (gold)",
        "- simonero: the real one (gold, llm)",
        "- simonero: SKIPPED, out of reach (exp1)",
    ]


def test_a_transformer_is_not_compared_with_a_cnn_but_both_with_what_trains_on_nothing(tmp_path: Path) -> None:
    more = {"r": {"note": "news", "stand_in": False}, "s": {"note": "more", "stand_in": False}}
    none = {"name": "none", "revision": "r", "untrained": False, "parameters": 0, "sha256": ""}
    evaluated(tmp_path, "exp1", 0, 10, main=True)
    evaluated(tmp_path, "exp1-cnn", 0, 12, main=True, encoder=none, epochs=20)
    evaluated(tmp_path, "exp3-cnn", 0, 20, main=True, encoder=none, epochs=20, sources=more)
    evaluated(tmp_path, "llm", 0, 20, main=True, encoder=none, epochs=0, sources={})
    runs, _ = load_runs(tmp_path, ["exp1", "exp1-cnn", "exp3-cnn", "llm"])
    wanted = [("exp1", "exp3-cnn"), ("exp1-cnn", "exp3-cnn"), ("llm", "exp1"), ("llm", "exp3-cnn")]
    assert comparable_pairs(runs, wanted) == (wanted[1:], {})


def test_a_transformer_and_a_cnn_that_train_on_the_same_are_compared(tmp_path: Path) -> None:
    none = {"name": "none", "revision": "r", "untrained": False, "parameters": 0, "sha256": ""}
    evaluated(tmp_path, "exp1", 0, 10, main=True)
    evaluated(tmp_path, "exp1-cnn", 0, 12, main=True, encoder=none, epochs=20)
    evaluated(tmp_path, "gold", 0, 12, main=True, epochs=20)
    runs, _ = load_runs(tmp_path, ["exp1", "exp1-cnn", "gold"])
    wanted = [("exp1-cnn", "exp1"), ("exp1", "gold")]
    assert comparable_pairs(runs, wanted) == (wanted[:1], {("exp1", "gold"): "they differ in epochs"})


def test_what_trains_on_nothing_is_held_against_every_seed(tmp_path: Path) -> None:
    for seed, hits in enumerate((10, 12, 14)):
        evaluated(tmp_path, "exp1", seed, hits, main=seed == 0)
    evaluated(tmp_path, "llm", 7, 20, main=True, sources={})
    (one,) = compare_experiments(load_runs(tmp_path, ["exp1", "llm"])[0], [("llm", "exp1")], "s", LADDER)
    assert (one["runs"], one["luck_of"]) == ([1, 3], "documents and seeds")
    assert one["difference"] == pytest.approx(np.mean(one["f1"]["exp1"]) - one["f1"]["llm"][0], abs=1e-6)


def test_a_suite_of_few_documents_has_no_comparison(tmp_path: Path) -> None:
    for name, hits in (("exp1", 10), ("exp2", 30)):
        evaluated(tmp_path, name, 0, hits, main=True)
        write_counts(tmp_path / name, {"s": [*[Counts(0, 0, 0)] * 8, Counts(hits, 0, 40 - hits)]})
        scores = srsly.read_json(tmp_path / name / "scores.json")
        scores["suites"]["s"]["units"] = 9
        srsly.write_json(tmp_path / name / "scores.json", scores)
    runs, _ = load_runs(tmp_path, ["exp1", "exp2"])
    assert list(compare_experiments(runs, [("exp1", "exp2")], "s", LADDER)) == []


def test_a_damaged_run_is_told(tmp_path: Path) -> None:
    (tmp_path / "exp1").mkdir()
    (tmp_path / "exp1" / "scores.json").write_text("{}")
    with pytest.raises(InputError, match=r"scores.json: is not what the evaluate step writes .* Evaluate again\."):
        load_runs(tmp_path, ["exp1"])


def test_p_values_are_never_zero_in_print() -> None:
    assert [p_text(p) for p in (0.0, 0.00099, 0.001, 0.0449, 1.0)] == ["< 0.001", "< 0.001", "0.001", "0.045", "1.000"]
