"""From records to DocBin files: one per source and split, one per experiment, one per test suite, with statistics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from spacy.language import Language
from spacy.tokens import DocBin

from medner.data.manifests import SplitStatistics
from medner.data.records import Part
from medner.data.tokenizer import reference_doc
from medner.exceptions import InputError
from medner.files import write_bytes
from medner.study import Study


def convert(nlp: Language, part: Part, source: str) -> tuple[DocBin, SplitStatistics]:
    """One split as a DocBin, tokenised by ``nlp``'s tokenizer, with its statistics.

    Every doc carries ``id``, ``source`` and ``lang`` in its user data.
    """
    docs, tally = DocBin(store_user_data=True), part.tally
    sentences = tokens = 0
    entities, off_boundaries = Counter[str](), Counter[str]()
    for record in part.records:
        doc, off = reference_doc(nlp, record)
        doc.user_data = {"id": record.id, "source": source, "lang": record.lang}
        docs.add(doc)
        sentences += 1
        tokens += len(doc)
        entities.update(entity.label for entity in record.entities)
        off_boundaries.update(record.entities[n].label for n in off)
    return docs, SplitStatistics(
        sentences=sentences,
        tokens=tokens,
        entities=_sorted(entities),
        off_boundaries=_sorted(off_boundaries),
        dropped=_sorted(tally.dropped),
        cedillas=tally.cedillas,
        overlapping=tally.overlapping,
        quirks=_sorted(tally.quirks),
    )


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))


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


def statistics_table(statistics: Mapping[str, Mapping[str, SplitStatistics]], labels: Iterable[str]) -> str:
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
            numbers = [s.sentences, s.tokens, *(s.entities.get(label, 0) for label in labels)]
            off, total = sum(s.off_boundaries.values()), sum(s.entities.values())
            share = f"{off:,} ({off / total:.2%})" if total else "0"
            row = [source, split, *(f"{n:,}" for n in numbers), share, f"{s.cedillas:,}", f"{s.overlapping:,}"]
            lines.append("| " + " | ".join(row) + " |")
            for counts, found in ((s.dropped, dropped), (s.quirks, quirks)):
                if counts:
                    found.append(
                        f"- {source} {split}: " + ", ".join(f"{k} {n:,}" for k, n in Counter(counts).most_common())
                    )
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
