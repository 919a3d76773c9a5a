"""Batches of sentences of about equal length, so that little of a padded batch is padding.

(No ``from __future__ import annotations``: spaCy reads the annotations of registered functions.)
"""

import random
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from spacy.language import Language
from spacy.training import Example
from spacy.util import registry

from medner.data.tokenizer import blank

BUFFER = 16  # batches that are cut together: enough to halve the padded size of all, few enough to mix well


Augmenter = Callable[[Language, Example], Iterator[Example]]


@registry.batchers("medner.batch_by_length.v1")  # type: ignore[untyped-decorator]
def length_batcher(
    size: int, augmenter: Augmenter | None = None
) -> Callable[[Iterable[Example]], Iterator[list[Example]]]:
    """The batcher of the configs: batches of ``size`` examples; the last one of a pass can be smaller.

    The examples of :data:`BUFFER` batches are sorted by their number of tokens, cut into batches, and these are given
    out in random order. (``spacy.batch_by_padded.v1`` fills batches by tokens: the number of steps would not be known
    before training.)

    augmenter: applied to the examples of every pass; it must give one for each. As a part of ``[corpora.train]`` it
    would be asked once, and the same sentences would be varied in all passes.
    """

    def batches(examples: Iterable[Example]) -> Iterator[list[Example]]:
        rest = iter(examples) if augmenter is None else _varied(examples, augmenter)
        while buffer := sorted(islice(rest, BUFFER * size), key=len):
            cut = [buffer[start : start + size] for start in range(0, len(buffer), size)]
            random.shuffle(cut)  # spaCy seeds it; lengths must not rise with the steps
            yield from cut

    return batches


def _varied(examples: Iterable[Example], augmenter: Augmenter) -> Iterator[Example]:
    nlp = None
    for example in examples:
        nlp = nlp or blank(example.predicted.vocab)
        yield from augmenter(nlp, example)
