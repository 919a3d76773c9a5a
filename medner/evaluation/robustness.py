"""What a pipeline loses on text as hospitals have it: F1 on test sentences under every perturbation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc

from medner.data.docbins import read_docbin
from medner.data.manifests import read_manifest
from medner.data.records import Entity, Record
from medner.evaluation.perturbations import CLEAN, NAMES, perturbed
from medner.evaluation.predictions import Prediction
from medner.evaluation.scores import DECIMALS, count, total
from medner.exceptions import InputError
from medner.model.provenance import Provenance
from medner.outputs import Output
from medner.tables import Cell, Row, Table


class Perturbed(Output):
    """One suite under one perturbation.

    f1: micro-F1 over the labels that the suite annotates. edges: entities that start or end with white space. unseen:
    entities that start or end with a token for which the encoder has no word-piece; 0 without an encoder.
    """

    f1: float
    edges: int
    unseen: int


class Robustness(Output):
    """What ``scripts/measure_robustness.py`` writes: the results by suite and perturbation, ``clean`` first.

    provenance: of the pipeline. sentences: the most that were taken from a suite.
    """

    provenance: Provenance
    sentences: int
    suites: dict[str, dict[str, Perturbed]]

    def change(self, suite: str, perturbation: str) -> float:
        """F1 under a perturbation minus F1 on clean text."""
        found = self.suites[suite]
        return found[perturbation].f1 - found[CLEAN].f1


def measure_corpus(
    nlp: Language,
    provenance: Provenance,
    corpus: Path,
    sentences: int,
    only: Collection[str] | None = None,
    progress: Callable[[Sequence[str], str], Iterable[str]] = lambda names, source: names,
) -> Robustness:
    """Results of a pipeline on the test part of every source of a corpus folder, under every perturbation.

    sentences: the first so many of each test part are taken. only: the sources to measure; None: all. progress: passes
    the names of the perturbations on for each source. Raises InputError for a source in ``only`` that has no test part.
    """
    sources = read_manifest(corpus).sources
    files = {name: path for name in sources if (path := corpus / name / "test.spacy").is_file()}
    if unknown := sorted(set(only or ()) - files.keys()):
        what = f"there is no test part of {', '.join(unknown)}"
        raise InputError(what, path=corpus, remedy=f"Choose from {', '.join(files)}")
    return Robustness(
        provenance=provenance,
        sentences=sentences,
        suites={
            name: measure(nlp, read_docbin(path, nlp)[:sentences], sources[name].annotated, progress(NAMES, name))
            for name, path in files.items()
            if only is None or name in only
        },
    )


def robustness_table(experiment: str, found: Robustness) -> Table:
    """F1 by perturbation (row) and suite (column), each with its change from clean text, and the counts over suites."""
    rows: list[Row] = []
    for name in dict.fromkeys(name for suite in found.suites.values() for name in suite):
        own = [suite[name] for suite in found.suites.values() if name in suite]
        counts = (str(sum(one.edges for one in own)), str(sum(one.unseen for one in own)))
        rows.append([name, *(_cell(found, suite, name) for suite in found.suites), *counts])
    header = ["perturbation", *found.suites, "white-space edges", "unseen"]
    seed = "" if found.provenance.seed is None else f" (seed {found.provenance.seed})"
    caption = f"F1 of {experiment}{seed} under each perturbation, and the change"
    return Table(header, rows, text=(0,), caption=caption)


def _cell(found: Robustness, suite: str, name: str) -> Cell:
    if name not in found.suites[suite]:
        return Cell("–")
    change = "" if name == CLEAN else f"{found.change(suite, name):+.3f}".replace("-", "−")
    return Cell(f"{found.suites[suite][name].f1:.3f}", change)


def measure(
    nlp: Language, records: Sequence[Record], annotated: Sequence[str], names: Iterable[str]
) -> dict[str, Perturbed]:
    """Results on some records by perturbation. annotated: the labels that their source annotates."""
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
    return results


def _prediction(record: Record, doc: Doc) -> Prediction:
    found = tuple(Entity(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents)
    return Prediction(record.id, "", record.lang, record.text, record.entities, found, ())


def _unseen(doc: Doc) -> int:
    if not len(doc) or not Doc.has_extension("trf_data") or doc._.trf_data is None:
        return 0
    pieces = doc._.trf_data.align.lengths
    return sum(not (pieces[ent.start] and pieces[ent.end - 1]) for ent in doc.ents)
