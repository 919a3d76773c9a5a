from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made import encoder, run, scores, source, source_under_test, suite_score

from medner.evaluation.comparisons import Comparison, Significance, comparable_pairs, compare_suite, significance
from medner.evaluation.results import load_runs
from medner.evaluation.scores import Counts
from medner.exceptions import InputError
from medner.study import Study

TEXTS = 40
STEPS = [("exp1", "exp2"), ("exp1", "exp3"), ("exp2", "exp3")]


def evaluated(metrics: Path, experiment: str, hits: int, *, seed: int = 0, sha256: str = "1", **changed: Any) -> None:
    """A run that found ``hits`` of forty mentions, each in a text of its own. Seed 0 is the main run."""
    suite = suite_score(counts=Counts(hits, 0, TEXTS - hits), units=TEXTS)
    made = scores(experiment, {"s": suite}, test={"s": source_under_test(sha256=sha256)}, seed=seed, **changed)
    counts = [Counts(1, 0, 0)] * hits + [Counts(0, 0, 1)] * (TEXTS - hits)
    run(metrics, made, {"s": counts}, main=seed == 0)


def study(**families: list[tuple[str, str]]) -> Study:
    """A study that asks for these comparisons."""
    names = {name for pairs in families.values() for pair in pairs for name in pair}
    return Study.model_validate(
        {
            "sources": {"r": {"labels": "ronec", "lang": "ro"}},
            "experiments": {name: {"model": "cnn", "sources": ["r"]} for name in sorted(names)},
            "suites": {},
            "comparisons": families,
        }
    )


def compared(metrics: Path, **families: list[tuple[str, str]]) -> list[Comparison]:
    asked = study(**families)
    runs, _ = load_runs(metrics, asked.experiments)
    return list(compare_suite(runs, comparable_pairs(runs, asked)[0], "s"))


def test_a_comparison_covers_all_runs_of_both_experiments(tmp_path: Path) -> None:
    for seed, (less, more) in enumerate([(10, 30), (12, 33), (9, 31)]):
        evaluated(tmp_path, "exp1", less, seed=seed)
        evaluated(tmp_path, "exp2", more, seed=seed)
    evaluated(tmp_path, "exp2", 30, seed=3)  # a seed that exp1 lacks
    (one,) = compared(tmp_path, steps=[("exp1", "exp2"), ("exp2", "not-evaluated")])
    assert (one.suite, one.family, one.before, one.after) == ("s", "steps", "exp1", "exp2")
    assert (one.over_seeds, one.runs, one.texts) == (True, (3, 4), 40)
    assert one.f1_before == pytest.approx([2 * hits / (hits + 40) for hits in (10, 12, 9)], abs=1e-6)
    assert one.difference == pytest.approx(np.mean(one.f1_after) - np.mean(one.f1_before), abs=1e-6)
    assert one.p == one.p_holm < 0.001
    assert one.texts_only.p <= 0.001


def test_with_one_seed_a_comparison_is_over_texts_alone(tmp_path: Path) -> None:
    evaluated(tmp_path, "exp1", 10)
    evaluated(tmp_path, "exp2", 11)
    (one,) = compared(tmp_path, steps=[("exp1", "exp2")])
    assert (one.over_seeds, one.texts_only.p, one.runs) == (False, one.p, (1, 1))


def test_another_family_does_not_change_the_adjusted_p(tmp_path: Path) -> None:
    for name, hits in {"exp1": 10, "exp2": 14, "exp3": 18, "gold": 20}.items():
        evaluated(tmp_path, name, hits)
    alone = compared(tmp_path, steps=STEPS)
    together = compared(tmp_path, steps=STEPS, references=[("gold", "exp3")])
    assert together[:3] == alone
    assert [one.family for one in together] == ["steps"] * 3 + ["references"]
    assert together[3].p_holm == together[3].p


def test_runs_that_differ_in_more_than_their_training_data_are_not_compared(tmp_path: Path) -> None:
    evaluated(tmp_path, "exp1", 10)
    evaluated(tmp_path, "epochs", 11, epochs=20)
    evaluated(tmp_path, "sample", 11, sources={"r": source("a sample", stand_in=True)})
    evaluated(tmp_path, "tests", 11, sha256="2")
    evaluated(tmp_path, "config", 11, config="another", overrides={"training.dropout": 0.5})
    asked = study(steps=[("exp1", name) for name in ("epochs", "sample", "tests", "config")])
    assert comparable_pairs(load_runs(tmp_path, asked.experiments)[0], asked) == (
        {},
        {
            ("exp1", "epochs"): ["epochs"],
            ("exp1", "sample"): ["source r"],
            ("exp1", "tests"): ["test texts of s"],
            ("exp1", "config"): ["config", "overrides"],
        },
    )


def test_models_of_another_kind_and_zero_shot_labels_keep_their_own_settings(tmp_path: Path) -> None:
    evaluated(tmp_path, "exp1", 10)
    evaluated(tmp_path, "cnn", 12, encoder=encoder(parameters=0), epochs=20)
    evaluated(tmp_path, "llm", 12, encoder=encoder(parameters=None), epochs=0, sources={})
    asked = study(models=[("cnn", "exp1")], references=[("llm", "exp1")])
    runs, _ = load_runs(tmp_path, asked.experiments)
    assert comparable_pairs(runs, asked) == ({"models": [("cnn", "exp1")], "references": [("llm", "exp1")]}, {})


def test_zero_shot_labels_are_compared_with_every_seed(tmp_path: Path) -> None:
    for seed, hits in enumerate((10, 12, 14)):
        evaluated(tmp_path, "exp1", hits, seed=seed)
    evaluated(tmp_path, "llm", 20, sources={})
    (one,) = compared(tmp_path, references=[("llm", "exp1")])
    assert (one.runs, one.over_seeds) == ((1, 3), True)
    assert one.difference == pytest.approx(np.mean(one.f1_after) - one.f1_before[0], abs=1e-6)


def test_runs_that_are_not_compared_say_nothing_of_seed_variance(tmp_path: Path) -> None:
    for name, start in (("exp1", 10), ("exp2", 14)):
        for seed in range(3):
            evaluated(tmp_path, name, start + seed, seed=seed)
    before = compared(tmp_path, steps=[("exp1", "exp2")])
    for seed, hits in enumerate((1, 19, 5)):
        evaluated(tmp_path, "exp3", hits, seed=seed, encoder=encoder(name="other"))
    assert compared(tmp_path, steps=[("exp1", "exp2"), ("exp2", "exp3")]) == before


def test_suites_of_other_sources_are_not_compared(tmp_path: Path) -> None:
    """The study gained a source, and one experiment was not evaluated again."""
    asked = study(steps=[("exp1", "exp2")])
    for name, sources in (("exp1", ["s"]), ("exp2", ["s", "t"])):
        run(tmp_path, scores(name, {"s": suite_score(sources=sources)}))
    _, unlike = comparable_pairs(load_runs(tmp_path, asked.experiments)[0], asked)
    assert unlike == {("exp1", "exp2"): ["sources of suite s"]}


def test_a_suite_of_fewer_than_ten_texts_has_no_comparison(tmp_path: Path) -> None:
    for name, hits in (("exp1", 1), ("exp2", 8)):
        suite = suite_score(counts=Counts(hits, 0, 9 - hits), units=9)
        counts = [Counts(1, 0, 0)] * hits + [Counts(0, 0, 1)] * (9 - hits)
        run(tmp_path, scores(name, {"s": suite}), {"s": counts})
    assert compared(tmp_path, steps=[("exp1", "exp2")]) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"s": [[10, 0, 30]]}', "the counts of suite s do not add up to those in scores.json"),
        (f'{{"s": [{"[0, 0, 0], " * 39}[10, 0, 29]]}}', "the counts of suite s do not add up to those in scores.json"),
        ('{"s": [[10, 0]]}', "no counts of suite s"),
        ('{"s": {}}', "no counts of suite s"),
        ("{}", "no counts of suite s"),
        ("{", "is damaged"),
        (b"{}", "cannot be read"),
        (None, "run the step that makes it"),
    ],
)
def test_counts_that_do_not_fit_the_scores(tmp_path: Path, text: str | bytes | None, message: str) -> None:
    for name in ("exp1", "exp2"):
        evaluated(tmp_path, name, 10)
    path = tmp_path / "exp2" / "counts.json.gz"
    if text is None:
        path.unlink()
    else:
        path.write_bytes(gzip.compress(text.encode()) if isinstance(text, str) else text)
    with pytest.raises(InputError, match=message) as refused:
        compared(tmp_path, steps=[("exp1", "exp2")])
    assert str(path) in str(refused.value)


def test_comparisons_of_earlier_runs_are_not_current(tmp_path: Path) -> None:
    names = ["exp1", "exp2", "exp3"]
    for name in names:
        evaluated(tmp_path, name, 10)
    runs, _ = load_runs(tmp_path, names)
    pairs = [("exp1", "exp2"), ("exp2", "exp3")]
    made: Significance = significance(runs, compared(tmp_path, steps=pairs), 0)
    assert Significance.model_validate_json(made.model_dump_json()) == made
    assert made.current(runs) == made.comparisons
    evaluated(tmp_path, "exp3", 10, epochs=20)
    assert made.current(load_runs(tmp_path, names)[0]) == made.comparisons[:1]
    assert made.current({}) == []
    evaluated(tmp_path, "exp1", 10, seed=1)
    assert made.current(load_runs(tmp_path, names)[0]) == []  # there are more seeds now
    for name in names:
        evaluated(tmp_path / "other", name, 10, sha256="2")
    assert made.current(load_runs(tmp_path / "other", names)[0]) == []
