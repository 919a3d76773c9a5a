"""What the same money buys."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from made_report import curve_rows

from medner.evaluation.learning_curves import CurveRow
from medner.generation.config import Price
from medner.report.budget import budget_sentence, equal_costs, usd

PRICE = Price(input=2, output=20, batch=0.5)
PAIR = [("ro", "silver")]


def priced(mix: str, values: dict[int, float], each: int, seed: int = 0, noise: Sequence[float] = ()) -> list[CurveRow]:
    """A curve whose sentences cost ``each`` output tokens."""
    rows = curve_rows(mix, values, seed, noise)
    return [row.model_copy(update={"tokens": (0.0, float(each * row.sentences))}) for row in rows]


def test_two_mixes_at_the_same_cost() -> None:
    """1,000 written sentences cost as much as 500 labelled ones."""
    written, labelled = priced("ro", {0: 0, 1000: 0.5}, 100), priced("silver", {0: 0, 500: 0.4, 2000: 0.6}, 200)
    assert usd(written[-1], PRICE) == pytest.approx(1.0)
    (found,) = equal_costs([*written, *labelled], PAIR, PRICE)
    assert found.usd == pytest.approx(1.0)
    assert found.sentences == (1000, pytest.approx(500))
    assert found.f1 == (0.5, pytest.approx(0.4))
    assert budget_sentence(found) == (
        "On s, $1.00 buys 1,000 sentences of ro (F1 0.500) or 500 sentences of silver (F1 0.400): −0.100, without an "
        "interval."
    )


def test_a_curve_is_read_between_its_sizes() -> None:
    """Linear below the first size; linear in the logarithm above it."""
    labelled = priced("silver", {0: 0.1, 100: 0.3, 400: 0.5}, 100)
    (found,) = equal_costs([*priced("ro", {0: 0, 50: 0.2}, 100), *labelled], PAIR, PRICE)
    assert found.f1[1] == pytest.approx(0.2)
    (found,) = equal_costs([*priced("ro", {0: 0, 200: 0.2}, 100), *labelled], PAIR, PRICE)
    assert found.f1[1] == pytest.approx(0.4)


def test_a_seed_with_the_ends_alone_is_not_read_between_them() -> None:
    """A curve rises steeply at first, so a line from none to the end would lie far below it."""
    whole, ends = priced("silver", {0: 0, 100: 0.4, 400: 0.6}, 100), priced("silver", {0: 0, 400: 0.6}, 100, seed=1)
    written = [row for seed in (0, 1) for row in priced("ro", {0: 0, 100: 0.3}, 100, seed)]
    (found,) = equal_costs([*written, *whole, *ends], PAIR, PRICE)
    assert (found.seeds, found.f1) == (1, (0.3, pytest.approx(0.4)))


@pytest.mark.parametrize(
    ("noise", "advice"),
    [
        ([0.0] * 20, "+0.050 [+0.050, +0.050] (95% interval over test texts and 2 seeds): buy silver."),
        ([n / 50 for n in range(-10, 10)], "no clear difference."),
    ],
)
def test_the_interval_decides_what_to_buy(noise: list[float], advice: str) -> None:
    rows = [
        row
        for seed in (0, 1)
        for row in (
            *priced("ro", {0: 0, 100: 0.5}, 100, seed, [0.0] * 20),
            *priced("silver", {0: 0, 100: 0.55}, 100, seed, noise),
        )
    ]
    (found,) = equal_costs(rows, PAIR, PRICE)
    assert budget_sentence(found).endswith(advice)


def test_human_annotation_has_no_price() -> None:
    gold = curve_rows("ro", {0: 0, 100: 0.5})
    assert usd(gold[-1], PRICE) is None
    assert equal_costs([*gold, *priced("silver", {0: 0, 100: 0.5}, 100)], PAIR, PRICE) == []
