"""Numbers and names as the report and the summary print them."""

from __future__ import annotations

from collections.abc import Sequence

from medner.evaluation.comparisons import Comparison


def signed(value: float) -> str:
    """A difference in F1 with its sign: ``+0.035``."""
    return f"{value:+.3f}".replace("-", "−")


def points(value: float) -> str:
    """A difference in F1 as points, with its sign: 0.035 is ``+3.5``."""
    rounded = round(100 * value, 1)
    sign = "+" if rounded > 0 else "−" if rounded < 0 else "±"
    return f"{sign}{abs(rounded):.1f}"


def p_text(p: float) -> str:
    """A p-value for a table: ``0.012``, or ``< 0.001``."""
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def p_is(p: float) -> str:
    """A p-value in a sentence: ``p = 0.012``, or ``p < 0.001``."""
    return f"p = {p:.3f}" if p >= 0.001 else "p < 0.001"


def runs_text(runs: tuple[int, int]) -> str:
    """How many runs were compared: ``3 runs each``, or ``1 and 3 runs`` (``after`` first, as in ``after − before``)."""
    before, after = runs
    if before != after:
        return f"{after} and {before} runs"
    return f"{after} runs each" if after > 1 else "1 run each"


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: ``a, b and c``."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def sentence(one: Comparison) -> str:
    """A comparison in one line."""
    low, high = map(signed, one.interval)
    return (
        f"{one.after} − {one.before} = {signed(one.difference)} [{low}, {high}], {p_is(one.p)} "
        f"(Holm: {p_text(one.p_holm)}), {runs_text(one.runs)}, {one.texts:,} independent texts"
    )
