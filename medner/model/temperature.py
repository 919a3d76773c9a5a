"""Fits temperature and threshold of a pipeline's ``medner_bio`` to text that it was not trained on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, islice

import torch
from scipy.optimize import minimize_scalar
from spacy.language import Language
from spacy.training import Example

from medner.model.bio import BioRecogniser, Lattice, annotated_labels, best_spans, words_of

LIMITS = (0.5, 10.0)  # of the temperature, for dev data so small that all is right or all is wrong
DOCUMENTS = 64  # of a batch


def calibrate(nlp: Language, examples: Sequence[Example]) -> dict[str, float]:
    """Fit and set temperature and threshold of every ``medner_bio`` of a pipeline; by component name, temperatures.

    One temperature for all of a component's scores (Guo et al. 2017), at which the entities that it finds in the
    examples have the least log loss: an entity is right if gold has it with the same label. It is fitted to entities
    and not to the likelihood of whole sentences, since an entity's probability is what users read, and since most of a
    sentence's likelihood is that of words outside entities. Entities of labels that a document's source does not
    annotate are left out: gold cannot say whether they are right.

    The threshold is the one with the best micro-F1, about half of that F1 where probabilities are true (Lipton, Elkan &
    Naryanaswamy 2014). Without any entity both stay as they are.
    """
    temperatures = {}
    for name, recogniser in nlp.pipeline:
        if isinstance(recogniser, BioRecogniser):
            # What comes later may take away what the component reads, as doc_cleaner does.
            with nlp.select_pipes(disable=nlp.pipe_names[nlp.pipe_names.index(name) :]):
                batches = list(_batches(nlp, recogniser, examples))
            if any(len(spans) for _, spans, _ in batches):
                recogniser.temperature = _fitted(batches)
                mentions = _mentions(examples, recogniser.labels)
                recogniser.threshold = _threshold(batches, recogniser.temperature, mentions)
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


def _mentions(examples: Iterable[Example], labels: tuple[str, ...]) -> int:
    """Gold mentions that a recogniser of these labels can find."""
    references = [example.reference for example in examples]
    return sum(ent.label_ in annotated_labels(doc, labels) for doc in references for ent in doc.ents)


def _threshold(batches: list[Batch], temperature: float, mentions: int) -> float:
    """The probability from which on entities have the best F1; 0 where none is right."""
    found = [
        (probability, ok)
        for lattice, spans, right in batches
        for probability, ok in zip(
            lattice.at(temperature).span_log_probability(spans).exp().clamp(max=1).tolist(), right.tolist(), strict=True
        )
    ]
    found.sort(reverse=True)
    correct = list(accumulate(int(ok) for _, ok in found))
    if not correct or not correct[-1]:
        return 0.0
    kept = max(range(len(found)), key=lambda n: correct[n] / (n + 1 + mentions))
    return (found[kept][0] + found[kept + 1][0]) / 2 if kept + 1 < len(found) else 0.0


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
