"""The CRF of ``medner_bio`` against enumeration: every number is a sum over all BIO sequences of a small lattice."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medner.model.bio import FORBIDDEN, Lattice, best_spans, spans_of_tags

ALL = st.integers(1, 2**5 - 1)  # which tags are allowed, as bits


def is_bio(tags: tuple[int, ...]) -> bool:
    """I-X, an even number, follows B-X or itself."""
    return all(tag == 0 or tag % 2 or before in (tag - 1, tag) for before, tag in itertools.pairwise((0, *tags)))


def sequences(emissions: torch.Tensor, transitions: torch.Tensor) -> dict[tuple[int, ...], float]:
    """Every BIO sequence of one sentence with its score."""
    length, tags = emissions.shape
    found = {}
    for sequence in itertools.product(range(tags), repeat=length):
        if is_bio(sequence):
            steps = zip((tags, *sequence), sequence, strict=False)
            score = sum(float(transitions[before, tag]) for before, tag in steps)
            found[sequence] = score + sum(float(emissions[n, tag]) for n, tag in enumerate(sequence))
    return found


def log_sum(scores: Iterator[float]) -> float:
    return math.log(sum(math.exp(score) for score in scores))


@st.composite
def lattices(draw: st.DrawFn, most: int = 5) -> tuple[Lattice, list[torch.Tensor]]:
    """One to three sentences of up to ``most`` tokens, with one or two labels (3 or 5 tags); scores of both signs."""
    tags = draw(st.sampled_from([3, 5]))
    lengths = draw(st.lists(st.integers(0, most), min_size=1, max_size=3))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    scale = draw(st.sampled_from([0.0, 1.0, 5.0]))
    emissions = [scale * torch.randn(n, tags, generator=generator, dtype=torch.float64) for n in lengths]
    transitions = scale * torch.randn(tags + 1, tags, generator=generator, dtype=torch.float64)
    return Lattice.of(emissions, transitions), emissions


@given(lattices())
def test_the_partition_function_is_the_sum_over_all_sequences(drawn: tuple[Lattice, list[torch.Tensor]]) -> None:
    lattice, emissions = drawn
    expected = [log_sum(iter(sequences(one, lattice.transitions).values())) for one in emissions]
    assert lattice.log_partition().tolist() == pytest.approx(expected, abs=1e-9)


@given(lattices(), st.data())
def test_the_likelihood_is_the_share_of_the_sequences_that_agree(
    drawn: tuple[Lattice, list[torch.Tensor]], data: st.DataObject
) -> None:
    """With any sets of tags that some BIO sequence agrees with, one tag a token among them."""
    lattice, emissions = drawn
    known = torch.zeros_like(lattice.emissions)
    expected = []
    for row, one in enumerate(emissions):
        scores = sequences(one, lattice.transitions)
        truth = data.draw(st.sampled_from(sorted(scores)))
        for token, tag in enumerate(truth):
            bits = data.draw(st.one_of(st.just(0), ALL)) | 1 << tag
            weight = data.draw(st.sampled_from([0.0, -1.5]))
            known[row, token] = torch.tensor([weight if bits >> n & 1 else FORBIDDEN for n in range(one.shape[1])])
        weighted = (s + sum(float(known[row, n, tag]) for n, tag in enumerate(tags)) for tags, s in scores.items())
        expected.append(log_sum(weighted) - log_sum(iter(scores.values())))
    assert lattice.log_likelihood(known).tolist() == pytest.approx(expected, abs=1e-9)


@given(lattices())
def test_viterbi_finds_the_best_sequence(drawn: tuple[Lattice, list[torch.Tensor]]) -> None:
    lattice, emissions = drawn
    for one, tags in zip(emissions, lattice.viterbi().tolist(), strict=True):
        scores = sequences(one, lattice.transitions)
        assert scores[tuple(tags[: len(one)])] == pytest.approx(max(scores.values()), abs=1e-9)


@given(lattices(most=4))
def test_a_span_has_the_probability_of_the_sequences_that_hold_it(drawn: tuple[Lattice, list[torch.Tensor]]) -> None:
    """Of every possible span of every label, not of those alone that are found."""
    lattice, emissions = drawn
    spans, expected = [], []
    for row, one in enumerate(emissions):
        scores = sequences(one, lattice.transitions)
        total = log_sum(iter(scores.values()))
        for first, end in itertools.combinations(range(len(one) + 1), 2):
            for label in range(one.shape[1] // 2):
                holding = [score for tags, score in scores.items() if (first, end, label) in spans_of_tags(tags)]
                spans.append((row, first, end, label))
                expected.append(math.exp(log_sum(iter(holding)) - total))
    found = lattice.span_log_probability(torch.tensor(spans, dtype=torch.long).reshape(-1, 4)).exp()
    assert found.tolist() == pytest.approx(expected, abs=1e-9)


@given(lattices(), st.floats(0.2, 5.0))
def test_a_temperature_changes_probabilities_and_not_what_is_found(
    drawn: tuple[Lattice, list[torch.Tensor]], temperature: float
) -> None:
    lattice, emissions = drawn
    cooled = lattice.at(temperature)
    expected = [log_sum(s / temperature for s in sequences(one, lattice.transitions).values()) for one in emissions]
    assert cooled.log_partition().tolist() == pytest.approx(expected, abs=1e-9)
    for one, tags in zip(emissions, cooled.viterbi().tolist(), strict=True):
        scores = sequences(one, lattice.transitions)
        assert scores[tuple(tags[: len(one)])] == pytest.approx(max(scores.values()), abs=1e-6)


def test_gradients() -> None:
    """Of the likelihood with sets of tags, and of a span's probability, by finite differences."""
    torch.manual_seed(0)
    emissions = [torch.randn(n, 5, dtype=torch.float64, requires_grad=True) for n in (4, 1, 0, 3)]
    transitions = torch.randn(6, 5, dtype=torch.float64, requires_grad=True)
    known = torch.where(torch.rand(4, 4, 5) < 0.5, 0.0, FORBIDDEN).double()
    known[:, :, :2] = torch.tensor([0.0, -2.0])
    spans = torch.tensor([[0, 1, 4, 0], [0, 0, 2, 1], [1, 0, 1, 1], [3, 0, 3, 0]])

    def likelihood(transitions: torch.Tensor, *emissions: torch.Tensor) -> torch.Tensor:
        return Lattice.of(emissions, transitions).log_likelihood(known)

    def probability(transitions: torch.Tensor, *emissions: torch.Tensor) -> torch.Tensor:
        return Lattice.of(emissions, transitions).span_log_probability(spans)

    assert torch.autograd.gradcheck(likelihood, (transitions, *emissions))
    assert torch.autograd.gradcheck(probability, (transitions, *emissions))


def test_padding_has_no_effect() -> None:
    torch.manual_seed(0)
    emissions, transitions = [torch.randn(n, 5) for n in (2, 7, 0, 4)], torch.randn(6, 5)
    together = Lattice.of(emissions, transitions)
    apart = [Lattice.of([one], transitions) for one in emissions]
    assert torch.equal(together.log_partition(), torch.cat([one.log_partition() for one in apart]))
    spans = [[(*span[1:],) for span in best_spans(one).tolist()] for one in apart]
    assert best_spans(together).tolist() == [[row, *span] for row, one in enumerate(spans) for span in one]


def test_a_long_text_keeps_its_probabilities() -> None:
    """Sums over 20,000 tokens: a mention far inside is as probable as in a text of its own."""
    torch.manual_seed(0)
    emissions, transitions = 5 * torch.randn(20_000, 5), torch.randn(6, 5)
    emissions[[9_000, 9_004], 0] = 60.0  # cut off from what is around
    whole = Lattice.of([emissions], transitions).double().span_log_probability(torch.tensor([[0, 9_001, 9_003, 1]]))
    part = Lattice.of([emissions[9_000:9_005]], transitions).double()
    assert whole.item() == pytest.approx(part.span_log_probability(torch.tensor([[0, 1, 3, 1]])).item(), abs=1e-6)


def test_autocast_does_not_reach_the_crf() -> None:
    torch.manual_seed(0)
    lattice = Lattice.of([torch.randn(6, 5)], torch.randn(6, 5))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = lattice.log_partition()
    assert inside.dtype == torch.float32
    assert torch.equal(inside, lattice.log_partition())
