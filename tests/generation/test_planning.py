"""The plan follows the weights of the grid at any size, uses the pools evenly, and continues."""

from __future__ import annotations

from collections import Counter

import pytest
from conftest import ROOT

from medner.data.readers.synthetic import read_synthetic
from medner.data.records import Record, Tally
from medner.exceptions import InputError
from medner.generation.config import load_language, load_pools
from medner.generation.planning import Planner, WritingTask, writing_prompt

RO = load_language("ro", ROOT / "configs" / "generation")
POOLS = load_pools(RO)


def plan(sentences: int, seed: int = 0, records: list[Record] | None = None) -> list[WritingTask]:
    planner = Planner(RO, POOLS, "train", seed)
    planner.count(records or [])
    return planner.plan(sentences, 1)


def counts(tasks: list[WritingTask], attribute: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for task in tasks:
        found[getattr(task.cell, attribute)] += len(task.briefs)
    return found


@pytest.mark.parametrize("sentences", [100, 500, 1685])
def test_every_margin_follows_its_weights(sentences: int) -> None:
    tasks = plan(sentences)
    assert sum(len(task.briefs) for task in tasks) == sentences
    weights = {
        "specialty": RO.specialties,
        "genre": {name: genre.weight for name, genre in RO.genres.items()},
        "density": {name: density.weight for name, density in RO.densities.items()},
    }
    for attribute, of in weights.items():
        found = counts(tasks, attribute)
        for value, weight in of.items():
            assert abs(found[value] - sentences * weight / sum(of.values())) <= 2 * RO.sentences_per_request


def test_specialties_and_genres_are_crossed() -> None:
    pairs = {(task.cell.specialty, task.cell.genre) for task in plan(1685)}
    assert len(pairs) == len(RO.specialties) * len(RO.genres)


def test_the_plan_depends_on_seed_and_output_only() -> None:
    assert plan(200) == plan(200)
    assert plan(200) != plan(200, seed=1)


def test_existing_sentences_count_towards_the_plan() -> None:
    records = list(read_synthetic(ROOT / "assets" / "synthetic" / "ro" / "train.jsonl", Tally()))
    there = Counter(record.meta["genre"] for record in records)
    wanted = 2 * len(records)
    total = there + counts(plan(wanted - len(records), records=records), "genre")
    for name, genre in RO.genres.items():
        assert abs(total[name] - wanted * genre.weight / 10) <= 8
    # Forms that the output does not hold come first.
    held = {record.surface(e) for record in records for e in record.entities}
    asked = [form for task in plan(100, records=records) for brief in task.briefs for _, form in brief.entities]
    assert sum(form in held for form in asked) < 0.6 * len(asked)


def test_pools_are_used_evenly_and_only_their_split() -> None:
    uses = Counter(e for task in plan(1500) for brief in task.briefs for e in brief.entities)
    train = {(e.label, e.form) for e in POOLS if e.split == "train"}
    assert set(uses) <= train
    medical = [count for (label, _), count in uses.items() if label == "MEDICAL"]
    assert len(medical) >= 0.9 * sum(label == "MEDICAL" for label, _ in train)
    assert max(medical) <= 0.015 * sum(medical)


def test_densities_mentions_and_hard_cases_have_their_shares() -> None:
    briefs = [brief for task in plan(2000) for brief in task.briefs]
    assert sum(not brief.entities for brief in briefs) == pytest.approx(0.1 * len(briefs), rel=0.1)
    per_sentence = sum(label == "MEDICAL" for b in briefs for label, _ in b.entities) / len(briefs)
    assert 1.6 <= per_sentence <= 2.1
    negated = sum(brief.hard_case == RO.hard_cases[0].ask for brief in briefs)
    assert negated == pytest.approx(RO.hard_cases[0].share * 0.9 * len(briefs), rel=0.15)


def test_the_prompt_holds_guidelines_examples_and_briefs() -> None:
    task = plan(4)[0]
    system, user = writing_prompt(RO, task)
    assert RO.examples[0] in system
    assert "hipertensiunea arterială" in system  # guidelines
    assert user.startswith(f"Write {len(task.briefs)} sentences.")
    for brief in task.briefs:
        for label, form in brief.entities:
            assert f"{label}: {form}" in user
    assert "{" not in user


def test_a_pool_without_the_split_is_refused() -> None:
    planner = Planner(RO, [e for e in POOLS if e.split == "test"], "train", 0)
    with pytest.raises(InputError, match="no entry of split 'train'"):
        planner.plan(40, 1)
