"""Test text in training data: sentences, and surface forms of mentions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from medner.data.docbins import read_docbin
from medner.data.manifests import CorpusManifest
from medner.data.overlap import Overlap, form_key, mention_keys
from medner.data.records import Record
from medner.data.tokenizer import blank
from medner.files import read_bytes, sha256
from medner.outputs import Output
from medner.tables import Table

LABELS = ("MEDICAL", "PERSON", "ORG")  # forms of these are compared; names of places recur in every text
SEPARATOR = " > "
Key = tuple[str, str]  # label and form_key of a mention
Forms = Mapping[str, Mapping[str, Collection[str]]]  # surface forms by label and form_key


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


def joined_files(corpus: Path, manifest: CorpusManifest) -> dict[Path, list[Path]]:
    """The experiments' train and dev files, each with the files of its sources, which the corpus step joined.

    If a file or one of its sources' files has changed since, it is left out.
    """

    @cache
    def unchanged(name: str) -> bool:
        return manifest.sha256.get(name) == sha256(read_bytes(corpus / name))

    found = {}
    for name, sources in manifest.experiments.items():
        for split in ("train", "dev"):
            whole, *parts = (f"{folder}/{split}.spacy" for folder in (name, *sources))
            if all(map(unchanged, (whole, *parts))):
                found[corpus / whole] = [corpus / part for part in parts]
    return found


def compare(
    pairs: Iterable[tuple[Path, Path]],
    corpus: Path,
    synthetic: Collection[str],
    exempt: Collection[str] = (),
    joined: Mapping[Path, Sequence[Path]] | None = None,
) -> Iterator[Comparison]:
    """Compare training files with test files.

    corpus: files in this folder are named relative to it. synthetic: the synthetic sources. exempt: forms that may
    occur on both sides. joined: the files that a training file was joined from (:func:`joined_files`), which are read
    in its place, so that what many experiments share is compared once. Raises InputError for files that the corpus step
    has not written.

    A test sentence in training data is a fault. In dev data, which only choose the best epoch, it is a fault only if
    the test file is synthetic. A surface form on both sides of the same synthetic source is a fault as well, since the
    splits of a synthetic corpus share no forms.
    """
    nlp = blank()

    @cache
    def read(path: Path) -> list[Record]:
        return read_docbin(path, nlp)

    @cache
    def overlap(path: Path) -> Overlap:
        return Overlap(record.text for record in read(path))

    @cache
    def overlaps(train: Path, test: Path) -> list[str | None]:
        return [overlap(train).find(record.text) for record in read(test)]

    @cache
    def mentions(path: Path) -> Mapping[str, set[Key]]:
        by_source = defaultdict[str, list[Record]](list)
        for record in read(path):
            by_source[record.meta["source"]].append(record)
        return {source: mention_keys(records) for source, records in by_source.items()}

    @cache
    def forms(path: Path) -> Forms:
        return surface_forms(read(path), LABELS, exempt)

    for train_path, test_path in pairs:
        train, test = (
            str(path.relative_to(corpus) if path.is_relative_to(corpus) else path) for path in (train_path, test_path)
        )
        parts = (joined or {}).get(train_path, [train_path])
        kinds = zip(*(overlaps(part, test_path) for part in parts), strict=True)
        keys = [(source, own) for part in parts for source, own in mentions(part).items()]
        seen = set[Key]().union(*(own for _, own in keys))
        leakage = _leakage(read(test_path), kinds, seen, forms(test_path))
        sources = {record.meta["source"] for record in read(test_path)}
        faults = []
        if leakage.sentences and (sources <= set(synthetic) or train_path.stem != "dev"):
            faults.append(f"{train} holds {len(leakage.sentences)} sentences of {test}")
        if sources <= set(synthetic):
            seen_there = set[Key]().union(*(own for source, own in keys if source in sources))
            if count := sum(map(len, shared_forms(seen_there, forms(test_path)).values())):
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


def _leakage(test: Iterable[Record], kinds: Iterable[Iterable[str | None]], seen: Set[Key], forms: Forms) -> Leakage:
    """What of a test file occurs in training data.

    kinds: for each test record, what :meth:`Overlap.find` gives in every part of the training data. seen: the keys of
    its mentions. forms: of the test file.
    """
    strongest = (min(filter(None, own), default=None) for own in kinds)  # "exact" comes before "near"
    return Leakage(
        sentences=[f"{record.id} ({kind})" for record, kind in zip(test, strongest, strict=True) if kind],
        seen={
            label: round(sum((label, key) in seen for key in own) / len(own), 4) for label, own in forms.items() if own
        },
        forms={label: shared for label, shared in shared_forms(seen, forms).items() if shared},
    )


def surface_forms(records: Iterable[Record], labels: Iterable[str], exempt: Iterable[str] = ()) -> Forms:
    """The surface forms of all mentions with these labels. exempt: forms to leave out, with those of the same key."""
    free = {form_key(form) for form in exempt}
    found: dict[str, dict[str, set[str]]] = {label: {} for label in labels}
    for record in records:
        for entity in record.entities:
            form = record.surface(entity)
            key = form_key(form)
            if entity.label in found and key not in free:
                found[entity.label].setdefault(key, set()).add(form)
    return found


def shared_forms(seen: Set[Key], forms: Forms) -> dict[str, list[str]]:
    """By label, the forms of mentions whose label and key are among those seen (:func:`mention_keys`)."""
    return {
        label: sorted(form for key, same in own.items() if (label, key) in seen for form in same)
        for label, own in forms.items()
    }
