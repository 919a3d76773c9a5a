from __future__ import annotations

import random
from collections import Counter

import spacy
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.training import Example
from spacy.util import registry

from medner.model.batches import BUFFER

VOCAB = spacy.blank("xx").vocab


def examples(lengths: list[int]) -> list[Example]:
    docs = [Doc(VOCAB, words=["x"] * length) for length in lengths]
    return [Example(doc, doc.copy()) for doc in docs]


def batches(lengths: list[int], size: int, seed: int = 0) -> list[list[int]]:
    """The batches of a pass, as the lengths of their sentences."""
    random.seed(seed)
    batcher = registry.batchers.get("medner.batch_by_length.v1")(size=size)
    return [[len(example) for example in batch] for batch in batcher(examples(lengths))]


@given(st.lists(st.integers(1, 9), max_size=80), st.integers(1, 4))
def test_every_sentence_comes_once_in_as_few_batches_as_can_be(lengths: list[int], size: int) -> None:
    cut = batches(lengths, size)
    assert Counter(length for batch in cut for length in batch) == Counter(lengths)
    assert len(cut) == -(-len(lengths) // size)  # the number of steps that the schedule counts on
    assert all(len(batch) <= size for batch in cut)


def test_little_of_a_padded_batch_is_padding() -> None:
    random.seed(1)
    lengths = [random.choice(range(5, 60)) for _ in range(3 * 16 * BUFFER)]
    padded = sum(len(batch) * max(batch) for batch in batches(lengths, 16))
    in_given_order = sum(16 * max(lengths[start : start + 16]) for start in range(0, len(lengths), 16))
    assert padded < 1.1 * sum(lengths)
    assert in_given_order > 1.6 * sum(lengths)


def test_lengths_do_not_rise_with_the_steps_and_follow_the_seed() -> None:
    lengths = list(range(1, 16 * BUFFER + 1))
    means = [sum(batch) / len(batch) for batch in batches(lengths, 16)]
    assert means != sorted(means)
    assert sorted(means) == sorted(sum(batch) / len(batch) for batch in batches(lengths, 16, seed=1))
    assert batches(lengths, 16) == batches(lengths, 16) != batches(lengths, 16, seed=1)
