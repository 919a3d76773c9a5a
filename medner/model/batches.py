"""Batches of sentences that are about equally long, so that little of a padded batch is padding."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from spacy.training import Example
from spacy.util import registry

BUFFER = 16  # batches that are cut together: enough to halve the padded size of all, few enough to mix well


@registry.batchers("medner.batch_by_length.v1")  # type: ignore[untyped-decorator]
def length_batcher(size: int) -> Callable[[Iterable[Example]], Iterator[list[Example]]]:
    """What ``[training.batcher]`` of the configs calls: batches of ``size`` examples, the last of a pass maybe smaller.

    As many as :data:`BUFFER` batches hold are sorted by their number of tokens, cut, and given out in random order.
    (``spacy.batch_by_padded.v1`` fills batches by tokens, so that the number of steps would not be known beforehand.)
    """

    def batches(examples: Iterable[Example]) -> Iterator[list[Example]]:
        rest = iter(examples)
        while buffer := sorted(islice(rest, BUFFER * size), key=len):
            cut = [buffer[start : start + size] for start in range(0, len(buffer), size)]
            random.shuffle(cut)  # spaCy seeds it; lengths must not rise with the steps
            yield from cut

    return batches
