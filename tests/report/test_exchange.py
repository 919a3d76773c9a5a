"""Learning curves, and what synthetic sentences are worth in real ones."""

from __future__ import annotations

import pytest
from made_report import curve_rows

from medner.report.exchange import curves, exchange_rates, worth_sentence


def test_the_exchange_rate_is_read_off_the_curve_of_real_annotation() -> None:
    gold = curve_rows("gold", {0: 0.1, 100: 0.3, 300: 0.5})
    (worth,) = exchange_rates([*gold, *curve_rows("ro", {0: 0.1, 1000: 0.2})], "s")
    assert (worth.sentences, worth.mean, worth.seeds) == (1000, pytest.approx(50), 1)
    assert (
        "worth about 50 real annotated sentences (gold); there are too few independent texts for an interval"
        in worth_sentence(worth)
    )
    (below,) = exchange_rates([*gold, *curve_rows("ro", {1000: 0.05})], "s")
    assert "are worth no real annotation" in worth_sentence(below)
    (beyond,) = exchange_rates([*gold, *curve_rows("ro", {1000: 0.6})], "s")
    assert "worth more than the 300 real annotated sentences (gold)" in worth_sentence(beyond)
    assert exchange_rates(curve_rows("ro", {1000: 0.6}), "s") == []


def test_the_exchange_rate_over_seeds_and_a_curve_that_dips() -> None:
    gold = [row for seed in (0, 1) for row in curve_rows("gold", {0: 0.1, 100: 0.3, 200: 0.2, 300: 0.4}, seed)]
    (worth,) = exchange_rates([*gold, *curve_rows("ro", {10: 0.175}, 0), *curve_rows("ro", {10: 0.325}, 1)], "s")
    assert (worth.mean, worth.seeds) == (pytest.approx((50 + (200 * 300) ** 0.5) / 2), 2)
    falling = curve_rows("gold", {0: 0.0, 100: 0.5, 300: 0.4})  # pooled to .45, but 100 sentences gave more than .47
    (reached,) = exchange_rates([*falling, *curve_rows("ro", {200: 0.47})], "s")
    assert (reached.mean, reached.beyond) == (pytest.approx(100), 0)
    third = curve_rows("gold", {0: 0.1}, 2)  # its curve is not whole: it does not count
    assert exchange_rates([*gold, *third, *curve_rows("ro", {10: 0.9}, 2)], "s") == []
    (split,) = exchange_rates([*gold, *curve_rows("ro", {10: 0.05}, 0), *curve_rows("ro", {10: 0.9}, 1)], "s")
    assert "the seeds disagree: F1 is below the start of the curve (gold) for 1 and above its end for 1 of 2 seeds" in (
        worth_sentence(split)
    )
    (bound,) = exchange_rates([*gold, *curve_rows("ro", {10: 0.175}, 0), *curve_rows("ro", {10: 0.9}, 1)], "s")
    assert "F1 of 1 of 2 seeds is outside the curve, so this is a lower bound." in worth_sentence(bound)
    assert curves(curve_rows("ro", {10: 0.1}), "s")["ro"] == [(10, pytest.approx(0.1), None, 1)]
    (point,) = curves([*curve_rows("ro", {10: 0.1}, 0), *curve_rows("ro", {10: 0.3}, 1)], "s")["ro"]
    assert (point.mean, point.seeds) == (pytest.approx(0.2), 2)


def test_the_exchange_rate_has_an_interval_over_texts_and_seeds() -> None:
    shared = [n / 1000 for n in range(-10, 11)]  # texts that move all curves alike move no exchange rate
    gold = {0: 0.1, 100: 0.3, 300: 0.5}
    (worth,) = exchange_rates([*curve_rows("gold", gold, 0, shared), *curve_rows("ro", {1000: 0.2}, 0, shared)], "s")
    assert worth.interval == (pytest.approx(50), pytest.approx(50))
    still, moved = [0.0] * 101, [n / 1000 for n in range(-50, 51)]
    (worth,) = exchange_rates([*curve_rows("gold", gold, 0, still), *curve_rows("ro", {1000: 0.2}, 0, moved)], "s")
    assert worth.interval == (pytest.approx(100 * (0.2 - 0.0475 - 0.1) / 0.2), pytest.approx(100 * 0.1475 / 0.2))
    assert worth_sentence(worth).endswith(
        "about 50 real annotated sentences (gold) [26, 74] (95% interval over test texts, one seed)."
    )
    both = [row for seed in (0, 1) for row in curve_rows("gold", gold, seed, still)]
    (worth,) = exchange_rates(
        [*both, *curve_rows("ro", {9: 0.2}, 0, still), *curve_rows("ro", {9: 0.5}, 1, still)], "s"
    )
    assert worth.interval == (pytest.approx(50), pytest.approx(300))
    assert worth_sentence(worth).endswith(
        "about 175 real annotated sentences (gold) [50, 300 or more] (95% interval over test texts and 2 seeds)."
    )
