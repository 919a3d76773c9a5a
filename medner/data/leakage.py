"""Test text in training data: sentences, and surface forms of mentions."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from medner.data.docbins import read_docbin
from medner.data.manifests import CorpusManifest
from medner.data.overlap import Overlap, form_key, mention_keys
from medner.data.records import Record
from medner.data.tokenizer import blank
from medner.outputs import Output
from medner.tables import Table

LABELS = ("MEDICAL", "PERSON", "ORG")  # forms of these are compared; names of places recur in every text
SEPARATOR = " > "


class Leakage(Output):
    """What of one test file occurs in one training file.

    sentences: ids of test sentences that training holds, with ``(exact)`` or ``(near)``. seen: by label, the share of
    the test file's different forms that training holds. forms: by label, those forms; labels without any are left out.
    """

    sentences: list[str]
    seen: dict[str, float]
    forms: dict[str, list[str]]


LeakageReport = dict[str, Leakage]  # metrics/leakage.json: by "<training file> > <test file>"


@dataclass(frozen=True)
class Comparison:
    """A training file and a test file. name: their key in the report. faults: what must not occur, one clause each."""

    name: str
    leakage: Leakage
    faults: tuple[str, ...]


def all_pairs(corpus: Path, manifest: CorpusManifest) -> list[tuple[Path, Path]]:
    """Every experiment's train and dev file with every source's test file."""
    return [
        (corpus / name / f"{split}.spacy", corpus / source / "test.spacy")
        for name in manifest.experiments
        for split in ("train", "dev")
        for source, about in manifest.sources.items()
        if "test" in about.splits
    ]


def compare(
    pairs: Iterable[tuple[Path, Path]], corpus: Path, synthetic: Collection[str], exempt: Collection[str] = ()
) -> Iterator[Comparison]:
    """Compare training files with test files; the pairs of one training file should follow each other.

    corpus: files in this folder are named relative to it. synthetic: the synthetic sources. exempt: forms that may
    occur on both sides. Raises InputError for files that the corpus step has not written.

    A test sentence in training data is a fault. In dev data, which only choose the best epoch, it is a fault only if
    the test file is synthetic. A surface form on both sides of the same synthetic source is a fault as well, since the
    splits of a synthetic corpus share no forms.
    """
    nlp = blank()
    read = functools.cache(lambda path: read_docbin(path, nlp))
    overlap = functools.lru_cache(maxsize=1)(lambda path: Overlap(record.text for record in read(path)))
    for train_path, test_path in pairs:
        train, test = (
            str(path.relative_to(corpus) if path.is_relative_to(corpus) else path) for path in (train_path, test_path)
        )
        seen, held_out = read(train_path), read(test_path)
        leakage = find_leakage(seen, held_out, LABELS, exempt, overlap(train_path))
        sources = {record.meta["source"] for record in held_out}
        faults = []
        if leakage.sentences and (sources <= set(synthetic) or train_path.stem != "dev"):
            faults.append(f"{train} holds {len(leakage.sentences)} sentences of {test}")
        if sources <= set(synthetic):
            own = [record for record in seen if record.meta["source"] in sources]
            if count := sum(map(len, shared_forms(own, held_out, LABELS, exempt).values())):
                faults.append(f"{train} holds {count} surface forms of {test}")
        yield Comparison(f"{train}{SEPARATOR}{test}", leakage, tuple(faults))


def leakage_table(report: LeakageReport) -> Table:
    """Shared sentences, and by label the share of the test file's different forms that the training file holds."""
    columns = ["training", "test", "sentences", *(f"{label} forms seen" for label in LABELS)]
    rows = [
        [
            *pair.split(SEPARATOR, 1),
            f"{len(found.sentences):,}",
            *(f"{found.seen[label]:.1%}" if label in found.seen else "–" for label in LABELS),
        ]
        for pair, found in report.items()
    ]
    return Table(columns, rows, text=(0, 1))


def find_leakage(
    train: Iterable[Record],
    test: Iterable[Record],
    labels: Iterable[str],
    exempt: Collection[str] = (),
    overlap: Overlap | None = None,
) -> Leakage:
    """What of the test records occurs in the training records; forms are the same if their :func:`form_key` is.

    exempt: forms that are not counted on either side. overlap: of the training texts, if it has been made already.
    """
    train, test, labels = list(train), list(test), list(labels)
    overlap = overlap or Overlap(record.text for record in train)
    sentences = [f"{record.id} ({kind})" for record in test if (kind := overlap.find(record.text))]
    forms = shared_forms(train, test, labels, exempt)
    free = {form_key(form) for form in exempt}
    keys = {label: {key for own, key in mention_keys(test) if own == label and key not in free} for label in labels}
    shared = {label: set(map(form_key, forms[label])) for label in labels}
    seen = {label: round(len(shared[label]) / len(keys[label]), 4) for label in labels if keys[label]}
    return Leakage(sentences=sentences, seen=seen, forms={label: found for label, found in forms.items() if found})


def shared_forms(
    train: Iterable[Record], test: Iterable[Record], labels: Iterable[str], exempt: Iterable[str] = ()
) -> dict[str, list[str]]:
    """By label: the surface forms of test mentions whose key occurs among training mentions of the same label.

    exempt: forms that may occur on both sides (generic nouns).
    """
    free = {form_key(form) for form in exempt}
    seen = mention_keys(train)
    found: dict[str, set[str]] = {label: set() for label in labels}
    for record in test:
        for entity in record.entities:
            form = record.surface(entity)
            key = form_key(form)
            if entity.label in found and key not in free and (entity.label, key) in seen:
                found[entity.label].add(form)
    return {label: sorted(forms) for label, forms in found.items()}
