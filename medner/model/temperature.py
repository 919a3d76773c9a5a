"""Fits the temperature of a pipeline's ``medner_bio`` to what it finds in text that it was not trained on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import torch
from scipy.optimize import minimize_scalar
from spacy.language import Language
from spacy.training import Example

from medner.model.bio import BioRecogniser, Lattice, annotated_labels, best_spans, words_of

LIMITS = (0.5, 10.0)  # of the temperature, for dev data so small that all is right or all is wrong
DOCUMENTS = 64  # of a batch


def calibrate(nlp: Language, examples: Sequence[Example]) -> dict[str, float]:
    """Fit and set the temperature of every ``medner_bio`` of a pipeline; by component name, the temperatures.

    One temperature for all of a component's scores (Guo et al. 2017), at which the entities that it finds in the
    examples have the least log loss: an entity is right if gold has it with the same label. It is fitted to entities
    and not to the likelihood of whole sentences, since an entity's probability is what users read, and since most of a
    sentence's likelihood is that of words outside entities. Entities of labels that a document's source does not
    annotate are left out: gold cannot say whether they are right. Without any entity a temperature stays as it is.
    """
    temperatures = {}
    for name, recogniser in nlp.pipeline:
        if isinstance(recogniser, BioRecogniser):
            # What comes later may take away what the component reads, as doc_cleaner does.
            with nlp.select_pipes(disable=nlp.pipe_names[nlp.pipe_names.index(name) :]):
                batches = list(_batches(nlp, recogniser, examples))
            if any(len(spans) for _, spans, _ in batches):
                recogniser.temperature = _fitted(batches)
            temperatures[name] = recogniser.temperature
    return temperatures


Batch = tuple[Lattice, torch.Tensor, torch.Tensor]


def _batches(nlp: Language, recogniser: BioRecogniser, examples: Iterable[Example]) -> Iterator[Batch]:
    """All tag sequences of some documents, with the entities of the best ones that gold can judge."""
    rest = iter(examples)
    while batch := list(islice(rest, DOCUMENTS)):
        lattice = recogniser.lattice(list(nlp.pipe(example.predicted.copy() for example in batch)))
        yield lattice, *_judged(lattice, batch, recogniser.labels)


def _fitted(batches: list[Batch]) -> float:
    bounds = [math.log(limit) for limit in LIMITS]
    found = minimize_scalar(lambda log: _log_loss(batches, math.exp(log)), bounds=bounds, method="bounded")
    return math.exp(found.x)


def _judged(lattice: Lattice, batch: list[Example], labels: tuple[str, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """The entities that are found and that gold can judge, [spans, 4], and whether they are right, [spans]."""
    kept, right = [], []
    for row, first, end, label in best_spans(lattice).tolist():
        doc, reference = batch[row].predicted, batch[row].reference
        if labels[label] in annotated_labels(reference, labels):
            words = words_of(doc)
            span = doc[words[first] : words[end - 1] + 1]
            kept.append((row, first, end, label))
            key = (span.start_char, span.end_char, labels[label])
            right.append(key in {(ent.start_char, ent.end_char, ent.label_) for ent in reference.ents})
    device = lattice.emissions.device
    return torch.tensor(kept, dtype=torch.long, device=device).reshape(-1, 4), torch.tensor(right, device=device)


def _log_loss(batches: list[Batch], temperature: float) -> float:
    """Mean negative log-probability of what gold says of the entities."""
    total, count = 0.0, 0
    for lattice, spans, right in batches:
        if len(spans):
            log = lattice.at(temperature).span_log_probability(spans).clamp(max=-1e-12)
            total -= float(torch.where(right, log, torch.log(-torch.expm1(log))).sum())
            count += len(spans)
    return total / count
