"""From records to DocBin files: one per source and split, one per experiment, one per test suite, with statistics."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.tokens import DocBin

from medner.exceptions import InputError
from medner.files import read_bytes, write_bytes
from medner.labels import CorpusLabels, NameLexicon, Scheme, map_record
from medner.leakage import Overlap
from medner.plan import Plan
from medner.readers.ronec import read_ronec
from medner.readers.ronec_v1 import read_ronec_v1
from medner.readers.synthetic import read_synthetic
from medner.records import Entity, Record, Tally
from medner.tokenization import reference_doc

SPLITS = ("train", "dev", "test")


@dataclass(frozen=True)
class Part:
    """One split of one source, with the project's labels, and what reading it met."""

    records: list[Record]
    tally: Tally


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

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, keys sorted, for JSON."""
        return {k: dict(sorted(v.items())) if isinstance(v, Counter) else v for k, v in asdict(self).items()}


def ronec_splits(variant: str, fetched: Path, sample: Path, scheme: Scheme) -> dict[str, Part]:
    """RONEC's splits with the project's labels, for a variant of :func:`medner.fetching.ronec_variant`.

    In variant ``v1``, sentences that occur in v2 valid or test are left out and counted as overlapping. With
    ``persons: named`` the word lists that tell names from nouns are learnt from the training split alone.
    Raises InputError from the readers and for unknown labels.
    """
    folder = sample if variant == "sample" else fetched / "ronec"
    train = folder / "train.json" if variant != "v1" else fetched / "ronec_v1" / "ronec_iob.zip"
    paths = {"train": train, "dev": folder / "valid.json", "test": folder / "test.json"}
    tallies = {split: Tally() for split in paths}
    read = {
        split: list((read_ronec_v1 if path.suffix == ".zip" else read_ronec)(path, tallies[split]))
        for split, path in paths.items()
    }
    if variant == "v1":
        overlap = Overlap(record.text for split in ("dev", "test") for record in read[split])
        clean = [record for record in read["train"] if not overlap.find(record.text)]
        tallies["train"].overlapping = len(read["train"]) - len(clean)
        read["train"] = clean

    names = {split: "ronec-v1" if path.suffix == ".zip" else "ronec" for split, path in paths.items()}
    lexicon = None
    if scheme.persons == "named" and any(scheme.corpus(name).nominal_persons for name in names.values()):
        lexicon = NameLexicon(scheme.titles, scheme.particles).learn(read["train"])
    return {
        split: _mapped(read[split], scheme.corpus(names[split]), tallies[split], paths[split], lexicon)
        for split in paths
    }


def synthetic_splits(folder: Path, scheme: Scheme, lang: str) -> dict[str, Part]:
    """The three splits of a synthetic corpus: ``<folder>/{train,dev,test}.jsonl``.

    Raises InputError from the reader, for unknown labels and for a record in another language than ``lang``.
    """
    parts = {}
    for split in SPLITS:
        path, tally = folder / f"{split}.jsonl", Tally()
        records = list(read_synthetic(path, tally))
        for record in records:
            if record.lang != lang:
                what = f"record {record.id!r} is in {record.lang!r}, not {lang!r}"
                raise InputError(what, path=path, remedy="Move it to its own language's folder")
        parts[split] = _mapped(records, scheme.corpus("synthetic"), tally, path, None)
    return parts


def _mapped(
    records: Iterable[Record], labels: CorpusLabels, tally: Tally, path: Path, lexicon: NameLexicon | None
) -> Part:
    return Part([map_record(record, labels, tally, path=path, lexicon=lexicon) for record in records], tally)


def convert(nlp: Language, part: Part, source: str) -> tuple[DocBin, Statistics]:
    """One split as a DocBin, tokenised by ``nlp``'s tokenizer, with its statistics.

    Every doc carries ``id``, ``source`` and ``lang`` in its user data.
    """
    docbin, tally = DocBin(store_user_data=True), part.tally
    stats = Statistics(dropped=tally.dropped, cedillas=tally.cedillas, overlapping=tally.overlapping)
    for record in part.records:
        doc, off = reference_doc(nlp, record)
        doc.user_data = {"id": record.id, "source": source, "lang": record.lang}
        docbin.add(doc)
        stats.sentences += 1
        stats.tokens += len(doc)
        stats.entities.update(entity.label for entity in record.entities)
        stats.off_boundaries.update(record.entities[n].label for n in off)
    return docbin, stats


def read_docbin(path: Path, nlp: Language) -> list[Record]:
    """The records of a DocBin file that :func:`convert` made. Raises InputError for another kind of file."""
    try:
        docs = list(DocBin().from_bytes(read_bytes(path)).get_docs(nlp.vocab))
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
    except (ValueError, KeyError, zlib.error) as error:
        what = f"is no DocBin of the corpus step ({' '.join(str(error).split())})"
        raise InputError(what, path=path, remedy="Run the corpus step") from None


def write_corpus(folder: Path, plan: Plan, parts: Mapping[tuple[str, str], DocBin]) -> None:
    """Write every source's splits, every experiment's train and dev and every suite's test file under ``folder``.

    ``parts`` holds the DocBin of each (source, split). A suite of one source of the same name is that source's file.
    """

    def joined(sources: Iterable[str], split: str) -> DocBin:
        whole = DocBin(store_user_data=True)
        for source in sources:
            whole.merge(parts[source, split])
        return whole

    for (source, split), docbin in parts.items():
        write_bytes(folder / source / f"{split}.spacy", docbin.to_bytes())
    for name, sources in plan.experiments.items():
        for split in ("train", "dev"):
            write_bytes(folder / name / f"{split}.spacy", joined(sources, split).to_bytes())
    for name, sources in plan.suites.items():
        if sources != (name,):
            write_bytes(folder / name / "test.spacy", joined(sources, "test").to_bytes())


def statistics_table(statistics: Mapping[str, Mapping[str, Statistics]], labels: Iterable[str]) -> str:
    """A Markdown table of all splits, and a list of what was dropped, one line a split."""
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
    dropped = []
    for source, splits in statistics.items():
        for split, s in splits.items():
            counts = [s.sentences, s.tokens, *(s.entities[label] for label in labels)]
            off, total = s.off_boundaries.total(), s.entities.total()
            share = f"{off:,} ({off / total:.2%})" if total else "0"
            row = [source, split, *(f"{n:,}" for n in counts), share, f"{s.cedillas:,}", f"{s.overlapping:,}"]
            lines.append("| " + " | ".join(row) + " |")
            if s.dropped:
                dropped.append(f"- {source} {split}: " + ", ".join(f"{k} {n:,}" for k, n in s.dropped.most_common()))
    if dropped:
        lines += ["", "Dropped mentions:", "", *dropped]
    return "\n".join(lines) + "\n"
