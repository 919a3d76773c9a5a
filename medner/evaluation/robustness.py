"""What a pipeline loses on text as hospitals have it: F1 on test sentences under every perturbation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from spacy.language import Language
from spacy.tokens import Doc

from medner.data.records import Entity, Record
from medner.evaluation.perturbations import CLEAN, perturbed
from medner.evaluation.predictions import Prediction
from medner.evaluation.scores import DECIMALS, count, total
from medner.outputs import Output


class Perturbed(Output):
    """One suite under one perturbation.

    f1: micro-F1 over the labels that the suite annotates. edges: entities that start or end with white space. unseen:
    entities that start or end with a token for which the encoder has no word-piece; 0 without an encoder.
    """

    f1: float
    edges: int
    unseen: int


class Robustness(Output):
    """What ``benchmarks/robustness.py`` writes: the results by suite and perturbation, ``clean`` first.

    sentences: the largest number that was taken from a suite.
    """

    sentences: int
    suites: dict[str, dict[str, Perturbed]]

    def change(self, suite: str, perturbation: str) -> float:
        """F1 under a perturbation minus F1 on clean text."""
        found = self.suites[suite]
        return found[perturbation].f1 - found[CLEAN].f1


def measure(
    nlp: Language,
    records: Sequence[Record],
    annotated: Sequence[str],
    names: Iterable[str],
    seen: Callable[[str], None] = lambda name: None,
) -> dict[str, Perturbed]:
    """A suite's results by perturbation. annotated: the suite's labels. seen: told each perturbation that is done."""
    results = {}
    for name in names:
        counts, edges, unseen = [], 0, 0
        varied = perturbed(records, name)
        with nlp.select_pipes(disable=[name for name in nlp.pipe_names if name == "doc_cleaner"]):
            for record, doc in zip(varied, nlp.pipe(record.text for record in varied), strict=True):
                counts.append(total(count(_prediction(record, doc), annotated).values()))
                edges += sum(ent.text != ent.text.strip() for ent in doc.ents)
                unseen += _unseen(doc)
                doc.user_data.clear()
        results[name] = Perturbed(f1=round(total(counts).f1, DECIMALS), edges=edges, unseen=unseen)
        seen(name)
    return results


def _prediction(record: Record, doc: Doc) -> Prediction:
    found = tuple(Entity(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents)
    return Prediction(record.id, "", record.lang, record.text, record.entities, found, ())


def _unseen(doc: Doc) -> int:
    if not len(doc) or not Doc.has_extension("trf_data") or doc._.trf_data is None:
        return 0
    pieces = doc._.trf_data.align.lengths
    return sum(not (pieces[ent.start] and pieces[ent.end - 1]) for ent in doc.ents)
