"""From records to DocBin files: one per source and split, one per experiment, one per test suite, with statistics."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import DocBin

from medner.data.records import Entity, Record
from medner.data.sources import Part
from medner.data.tokenizer import reference_doc
from medner.exceptions import InputError
from medner.files import read_bytes, read_json, write_bytes
from medner.study import Study

MANIFEST_KEYS = {"sources", "persons", "experiments", "suites", "skipped"}


@dataclass
class Statistics:
    """What one split of one source holds after conversion, and what was lost on the way."""

    sentences: int = 0
    tokens: int = 0
    entities: Counter[str] = field(default_factory=Counter)
    off_boundaries: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    cedillas: int = 0
    overlapping: int = 0
    quirks: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, keys sorted, for JSON."""
        # not asdict(), which takes a Counter apart before Python 3.12
        return {k: dict(sorted(v.items())) if isinstance(v, Counter) else v for k, v in vars(self).items()}


def convert(
    nlp: Language, part: Part, source: str, annotated: Iterable[str] | None = None
) -> tuple[DocBin, Statistics]:
    """One split as a DocBin, tokenised by ``nlp``'s tokenizer, with its statistics.

    Every doc carries ``id``, ``source`` and ``lang`` in its user data, and ``annotated``, the labels that its source
    annotates, if they are given. Where they are not, every label counts as annotated.
    """
    docbin, tally = DocBin(store_user_data=True), part.tally
    stats = Statistics(
        dropped=tally.dropped, cedillas=tally.cedillas, overlapping=tally.overlapping, quirks=tally.quirks
    )
    for record in part.records:
        doc, off = reference_doc(nlp, record)
        doc.user_data = {"id": record.id, "source": source, "lang": record.lang}
        if annotated is not None:
            doc.user_data["annotated"] = sorted(annotated)
        docbin.add(doc)
        stats.sentences += 1
        stats.tokens += len(doc)
        stats.entities.update(entity.label for entity in record.entities)
        stats.off_boundaries.update(record.entities[n].label for n in off)
    return docbin, stats


def docbin(data: bytes, path: Path) -> DocBin:
    """A DocBin from the content of a file. Raises InputError for anything else."""
    try:
        return DocBin(store_user_data=True).from_bytes(data)
    except (ValueError, KeyError, zlib.error) as error:
        what = f"is no DocBin ({' '.join(str(error).split())})"
        raise InputError(what, path=path, remedy="Run the corpus step") from None


def read_docbin(path: Path, nlp: Language) -> list[Record]:
    """The records of a DocBin file that :func:`convert` made. Raises InputError for another kind of file."""
    docs = docbin(read_bytes(path), path).get_docs(nlp.vocab)
    try:
        return [
            Record(
                id=doc.user_data["id"],
                lang=doc.user_data["lang"],
                text=doc.text,
                entities=tuple(Entity(e.start_char, e.end_char, e.label_) for e in doc.ents),
                meta={"source": doc.user_data["source"]},
            )
            for doc in docs
        ]
    except (ValueError, KeyError) as error:
        what = f"is no DocBin of the corpus step ({' '.join(str(error).split())})"
        raise InputError(what, path=path, remedy="Run the corpus step") from None


def read_manifest(corpus: Path) -> dict[str, Any]:
    """``manifest.json`` of a corpus folder. Raises InputError if it is not what the corpus step writes."""
    path = corpus / "manifest.json"
    found = read_json(path)
    if not isinstance(found, dict) or (lacking := MANIFEST_KEYS - found.keys()):
        what = f"lacks {', '.join(sorted(lacking))}" if isinstance(found, dict) else "is no manifest of a corpus"
        raise InputError(what, path=path, remedy="Run the corpus step")
    return found


def write_corpus(folder: Path, study: Study, parts: Mapping[tuple[str, str], DocBin]) -> None:
    """Write every source's splits, every experiment's train and dev and every suite's test file under ``folder``.

    ``parts`` holds the DocBin of each (source, split). A suite of one source of the same name is that source's file.
    Raises InputError for an experiment or suite that asks a source for a part that it does not have.
    """

    def joined(name: str, sources: Iterable[str], split: str) -> DocBin:
        whole = DocBin(store_user_data=True)
        for source in sources:
            if (source, split) not in parts:
                what = f"{name} needs a {split} part of {source}, which has none"
                raise InputError(what, remedy="Take the source out of it in configs/experiments.yml")
            whole.merge(parts[source, split])
        return whole

    for (source, split), docbin in parts.items():
        write_bytes(folder / source / f"{split}.spacy", docbin.to_bytes())
    for name, experiment in study.trained.items():
        for split in ("train", "dev"):
            write_bytes(folder / name / f"{split}.spacy", joined(name, experiment.sources, split).to_bytes())
    for name, suite in study.suites.items():
        if suite.sources != (name,):
            write_bytes(folder / name / "test.spacy", joined(name, suite.sources, "test").to_bytes())


def statistics_table(statistics: Mapping[str, Mapping[str, Statistics]], labels: Iterable[str]) -> str:
    """A Markdown table of all splits, and lists of what was dropped and of what does not fit flat spans, by split."""
    labels = list(labels)
    head = [
        "corpus",
        "split",
        "sentences",
        "tokens",
        *labels,
        "off token boundaries",
        "ş/ţ replaced",
        "left out (overlap)",
    ]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * 2 + " ---: |" * (len(head) - 2)]
    dropped: list[str] = []
    quirks: list[str] = []
    for source, splits in statistics.items():
        for split, s in splits.items():
            numbers = [s.sentences, s.tokens, *(s.entities[label] for label in labels)]
            off, total = s.off_boundaries.total(), s.entities.total()
            share = f"{off:,} ({off / total:.2%})" if total else "0"
            row = [source, split, *(f"{n:,}" for n in numbers), share, f"{s.cedillas:,}", f"{s.overlapping:,}"]
            lines.append("| " + " | ".join(row) + " |")
            for counts, found in ((s.dropped, dropped), (s.quirks, quirks)):
                if counts:
                    found.append(f"- {source} {split}: " + ", ".join(f"{k} {n:,}" for k, n in counts.most_common()))
    if dropped:
        lines += ["", "Dropped mentions (labels that the project has no use for):", "", *dropped]
    if quirks:
        lines += [
            "",
            "Mentions that flat, continuous spans cannot hold (left out, unless it says trimmed):",
            "",
            *quirks,
        ]
    return "\n".join(lines) + "\n"
