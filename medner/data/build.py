"""From sources to DocBin files: one per source and split, one per experiment and split, one per test suite."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from spacy.language import Language
from spacy.tokens import DocBin

from medner.data.labels import Scheme
from medner.data.manifests import (
    MANIFEST,
    CorpusManifest,
    MissingManifest,
    SourceManifest,
    SplitStatistics,
    TrainingManifest,
    read_fetch_manifest,
)
from medner.data.offsets import check_boundaries
from medner.data.records import Part
from medner.data.sources import missing_sources, origin, read_sources, unlabelled_sources
from medner.data.tokenizer import blank, reference_doc
from medner.exceptions import InputError
from medner.files import new_folder, sha256, write_bytes, write_text
from medner.outputs import write_output
from medner.study import Study, reasons
from medner.tables import Table, markdown_text

STATISTICS = "statistics.md"
_Key = tuple[str, str]  # source and split


@dataclass(frozen=True)
class Corpus:
    """What :func:`build_corpus` wrote; untrainable: the experiments without data, each with the reason."""

    manifest: CorpusManifest
    untrainable: Mapping[str, str]


def build_corpus(
    study: Study,
    scheme: Scheme,
    root: Path,
    output: Path,
    progress: Callable[[Sequence[str]], Iterable[str]] = iter,
) -> Corpus:
    """Convert all sources that are available into the folder ``output``, which is replaced as a whole.

    root: the project folder, whose fetch step has run. progress: passes the names of the sources on, one by one.
    Sources, experiments and suites that need a missing file are left out. Raises InputError where the fetch step has to
    run, from the readers, and for an experiment or suite that asks a source for a part that it does not have.
    """
    fetched = read_fetch_manifest(root / "assets" / "fetched")
    missing = unlabelled_sources(study, root) | missing_sources(study, fetched.files)
    possible = study.without(missing)
    parts = read_sources(possible, scheme, root, fetched)
    files = corpus_files(possible, [(source, split) for source, splits in parts.items() for split in splits])
    origins = {source: origin(about, fetched.ronec) for source, about in possible.sources.items()}
    untrainable = reasons(study.experiments, missing)

    nlp = blank()
    docs: dict[_Key, DocBin] = {}
    statistics: dict[str, dict[str, SplitStatistics]] = {source: {} for source in parts}
    for source in progress(list(parts)):
        annotated = scheme.corpus(possible.sources[source].labels).annotated
        for split, part in parts[source].items():
            check_boundaries(nlp, part.records, source, possible.sources[source].off_boundaries)
            docs[source, split], statistics[source][split] = convert(nlp, part, source, annotated)

    with new_folder(output, sign=MANIFEST) as folder:
        checksums = {}
        for name, keys in files.items():
            data = _joined([docs[key] for key in keys]).to_bytes()
            write_bytes(folder / name, data)
            checksums[name] = sha256(data)
        manifest = CorpusManifest(
            sources={
                source: SourceManifest(
                    **origins[source].model_dump(),
                    annotated=sorted(scheme.corpus(about.labels).annotated),
                    documents=about.grouping or False,
                    splits=statistics[source],
                )
                for source, about in possible.sources.items()
            },
            persons=scheme.persons,
            experiments={name: list(experiment.sources) for name, experiment in possible.trained.items()},
            suites={name: list(suite.sources) for name, suite in possible.suites.items()},
            skipped=reasons(study.suites, missing),
            sha256=checksums,
        )
        write_output(folder / MANIFEST, manifest)
        write_text(folder / STATISTICS, statistics_text(manifest, scheme.labels))
        # A training run depends on its own manifest alone: it need not run again when a suite is added.
        for name, experiment in possible.trained.items():
            own = {source: origins[source] for source in experiment.sources}
            write_output(folder / name / MANIFEST, TrainingManifest(sources=own, persons=scheme.persons))
        for name, reason in untrainable.items():
            write_output(folder / name / MANIFEST, MissingManifest(missing=reason))
    return Corpus(manifest, untrainable)


def convert(
    nlp: Language, part: Part, source: str, annotated: Iterable[str] | None = None
) -> tuple[DocBin, SplitStatistics]:
    """One split as a DocBin, tokenised by ``nlp``'s tokenizer, with its statistics.

    Every doc carries ``id``, ``source`` and ``lang`` in its user data, and ``annotated``, the labels that its source
    annotates, if they are given. Where they are not, every label counts as annotated.
    """
    docs, tally = DocBin(store_user_data=True), part.tally
    tokens = 0
    entities, off_boundaries = Counter[str](), Counter[str]()
    for record in part.records:
        doc, off = reference_doc(nlp, record)
        doc.user_data = {"id": record.id, "source": source, "lang": record.lang}
        if annotated is not None:
            doc.user_data["annotated"] = sorted(annotated)
        docs.add(doc)
        tokens += len(doc)
        entities.update(entity.label for entity in record.entities)
        off_boundaries.update(record.entities[n].label for n in off)
    return docs, SplitStatistics(
        sentences=len(part.records),
        tokens=tokens,
        entities=_sorted(entities),
        off_boundaries=_sorted(off_boundaries),
        dropped=_sorted(tally.dropped),
        cedillas=tally.cedillas,
        overlapping=tally.overlapping,
        absent=len(tally.absent),
        first_absent=next(iter(tally.absent), ""),
        quirks=_sorted(tally.quirks),
    )


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))


def corpus_files(study: Study, available: Collection[_Key]) -> dict[str, list[_Key]]:
    """The files of a corpus folder by their path in it, each with the sources and splits that it joins.

    A suite that has the name of its only source needs no file of its own. Raises InputError for an experiment or suite
    that asks a source for a part that is not available.
    """
    files = {f"{source}/{split}.spacy": [(source, split)] for source, split in available}
    users = [
        *((name, e.sources, split) for name, e in study.trained.items() for split in ("train", "dev")),
        *((name, suite.sources, "test") for name, suite in study.suites.items() if suite.sources != (name,)),
    ]
    for name, sources, split in users:
        for source in sources:
            if (source, split) not in available:
                what = f"{name} needs a {split} part of {source}, which has none"
                raise InputError(what, remedy=f"Remove {source} from {name} in configs/experiments.yml")
        files[f"{name}/{split}.spacy"] = [(source, split) for source in sources]
    return files


def _joined(parts: Iterable[DocBin]) -> DocBin:
    whole = DocBin(store_user_data=True)
    for part in parts:
        whole.merge(part)
    return whole


def statistics_table(manifest: CorpusManifest, labels: Sequence[str]) -> Table:
    """Sentences, tokens and mentions of every split, and what conversion changed or left out."""
    columns = ["corpus", "split", "sentences", "tokens", *labels]
    columns += ["off token boundaries", "ş/ţ replaced", "left out (overlap)"]
    rows = []
    for source, about in manifest.sources.items():
        for split, part in about.splits.items():
            off, total = sum(part.off_boundaries.values()), sum(part.entities.values())
            counts = [part.sentences, part.tokens, *(part.entities.get(label, 0) for label in labels)]
            share = f"{off:,} ({off / total:.2%})" if total else "0"
            row = [source, split, *(f"{n:,}" for n in counts), share, f"{part.cedillas:,}", f"{part.overlapping:,}"]
            rows.append(row)
    return Table(columns, rows, text=(0, 1))


def statistics_text(manifest: CorpusManifest, labels: Sequence[str]) -> str:
    """``statistics.md``: the table of all splits, and lists of the mentions that were dropped or changed, by split."""
    splits = {
        f"{source} {split}": part for source, about in manifest.sources.items() for split, part in about.splits.items()
    }
    text = statistics_table(manifest, labels).markdown()
    for title, counts in (
        ("Dropped mentions (labels that the project does not use)", {name: s.dropped for name, s in splits.items()}),
        (
            "Mentions that are not flat, continuous spans or begin without B- (left out unless trimmed)",
            {name: s.quirks for name, s in splits.items()},
        ),
    ):
        lines = [
            f"- {name}: " + ", ".join(f"{markdown_text(kind)} {n:,}" for kind, n in Counter(own).most_common())
            for name, own in counts.items()
            if own
        ]
        text += f"\n{title}:\n\n" + "\n".join(lines) + "\n" if lines else ""
    return text
