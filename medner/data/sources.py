"""The splits of each source: read, mapped to the project's labels, without training text that occurs in test text."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from medner.data.labels import CorpusLabels, NameLexicon, Scheme, map_record
from medner.data.manifests import FetchedFile, FetchManifest, Origin, RonecVersion
from medner.data.overlap import Overlap
from medner.data.readers.e3c import read_e3c
from medner.data.readers.mantra import read_mantra
from medner.data.readers.monero import read_monero
from medner.data.readers.own import read_own
from medner.data.readers.quaero import read_quaero
from medner.data.readers.ronec import read_ronec
from medner.data.readers.ronec_v1 import read_ronec_v1
from medner.data.readers.simonero import read_simonero
from medner.data.readers.synthetic import read_synthetic
from medner.data.records import Part, Record, Tally, longest, normalised, unique_ids
from medner.data.silver import Texts, join, thinned
from medner.exceptions import InputError
from medner.files import read_text
from medner.study import Source, Study

SPLITS = ("train", "dev", "test")
DEV_SHARE = 0.1  # of the train part of a medical corpus, none of which has a dev part to use
DEV_SEED = 0  # fixed: every training seed has the same dev part
UNKNOWN = "unknown to the fetch step (configs/downloads.yml)"

Files = Mapping[str, Path]  # by name of the download
Read = Callable[[Files, Tally], Iterable[Record]]


def _quaero(part: str, genre: str) -> Read:
    return lambda files, tally: read_quaero(files["quaero"], part, genre, tally)


def _monero(files: Files, tally: Tally) -> Iterable[Record]:
    names = sorted(name for name in files if name.startswith("monero-"))
    return itertools.chain.from_iterable(read_monero(files[name], tally) for name in names)


SILVER = "silver"  # labels of text that a language model has labelled

# The parts of the medical corpora. QUAERO's own dev part is the test part here; dev parts are held out of train.
MEDICAL: Mapping[str, Mapping[str, Read]] = {
    "simonero": {"test": lambda files, tally: read_simonero(files["simonero-dev"], tally)},
    "monero": {"train": _monero},
    "quaero-emea": {"train": _quaero("train", "EMEA"), "test": _quaero("dev", "EMEA")},
    "quaero-medline": {"train": _quaero("train", "MEDLINE"), "test": _quaero("dev", "MEDLINE")},
    "e3c": {"test": lambda files, tally: read_e3c(files["e3c"], tally)},
    "mantra": {"test": lambda files, tally: read_mantra(files["mantra"], tally)},
}


def missing_sources(study: Study, files: Mapping[str, FetchedFile]) -> dict[str, str]:
    """The sources of the study whose files are not available, each with the reason.

    files: those of the fetch step's manifest.
    """
    reasons = {name: "" if file.available else file.reason or UNKNOWN for name, file in files.items()}
    missing = {source: [n for n in about.files if reasons.get(n, UNKNOWN)] for source, about in study.sources.items()}
    return {
        source: "; ".join(f"{name} is {reasons.get(name, UNKNOWN)}" for name in names)
        for source, names in missing.items()
        if names
    }


def unlabelled_sources(study: Study, root: Path) -> dict[str, str]:
    """The sources of text that no language model has labelled yet, each with the reason. root: the project folder."""
    paths = {name: silver_path(about.lang) for name, about in study.sources.items() if about.silver}
    return {name: f"{path} is not written yet" for name, path in paths.items() if not (root / path).is_file()}


def silver_path(lang: str) -> str:
    """The labels of a language's silver corpus, relative to the project folder."""
    return f"assets/silver/{lang}.jsonl"


def read_sources(study: Study, scheme: Scheme, root: Path, fetched: FetchManifest) -> dict[str, dict[str, Part]]:
    """The splits of every source of the study, with the project's labels.

    root: the project folder. All files of the sources must be available (:func:`missing_sources`). Raises InputError
    from the readers, for unknown labels, and for a source without a reader.
    """
    assets = root / "assets"
    files = {name: root / file.path for name, file in fetched.files.items()}
    silver = [name for name, about in study.sources.items() if about.silver]
    annotated = [name for name, about in study.sources.items() if (about.files or about.format) and name not in silver]
    medical = medical_splits(study, annotated, files, scheme, root)
    splits: dict[str, dict[str, Part]] = {}
    for source, about in study.sources.items():
        if source in silver:
            splits[source] = {}  # below, once all held-out text is read
        elif source in medical:
            splits[source] = medical[source]
        elif about.synthetic:
            splits[source] = synthetic_splits(assets / "synthetic" / about.lang, scheme, about.lang)
        else:
            splits[source] = ronec_splits(fetched.ronec.variant, assets / "fetched", assets / "sample", scheme)
    labelled: dict[str, dict[str, Part]] = {}
    for source in silver:
        lang, kept = study.sources[source].lang, study.sources[source].kept
        if lang not in labelled:
            others = [own for other, own in splits.items() if other not in silver and study.sources[other].lang == lang]
            texts = silver_texts(study, fetched, root, lang)
            labelled[lang] = silver_splits(root / silver_path(lang), scheme, lang, texts, held_out_text(others))
        splits[source] = {
            split: Part([thinned(record, kept) for record in part.records], part.tally)
            for split, part in labelled[lang].items()
        }
    return splits


def held_out_text(sources: Iterable[Mapping[str, Part]]) -> Overlap:
    """The dev and test parts of some sources, given by split."""
    return Overlap(r.text for own in sources for split in ("dev", "test") if split in own for r in own[split].records)


def silver_texts(study: Study, fetched: FetchManifest, root: Path, lang: str) -> Texts:
    """The texts of a source by the id of their record; of a text file, the lines by their number, from 1.

    A source is a corpus of :data:`MEDICAL`, of which the train part is read, or a file of the fetch step. Of one that
    is not at hand, there are none. study: without missing sources; root: the project folder.
    """
    files = {name: root / file.path for name, file in fetched.files.items() if file.available}

    def texts(source: str) -> Mapping[str, str] | None:
        if "train" in MEDICAL.get(source, ()):
            read = MEDICAL[source]["train"](files, Tally()) if source in study.sources else ()
            return {record.id: record.text for record in read}
        if source not in fetched.files:
            return None
        lines = enumerate(read_text(files[source]).split("\n"), start=1) if source in files else ()
        return {str(n): normalised(Record(str(n), lang, line), Tally()).text for n, line in lines}

    return texts


def gold_records(
    study: Study, scheme: Scheme, root: Path, fetched: FetchManifest, lang: str
) -> dict[str, dict[str, Record]]:
    """The train parts of the annotated medical corpora of a language that are at hand: records by source and id."""
    files = {name: root / file.path for name, file in fetched.files.items() if file.available}
    gold = {}
    for source, about in study.without(missing_sources(study, fetched.files)).sources.items():
        if about.lang == lang and "train" in MEDICAL.get(source, ()):
            read, labels = MEDICAL[source]["train"](files, Tally()), scheme.corpus(about.labels)
            gold[source] = {r.id: r for r in _mapped(read, labels, Tally(), files[about.files[0]]).records}
    return gold


def silver_splits(path: Path, scheme: Scheme, lang: str, texts: Texts, held_out: Overlap) -> dict[str, Part]:
    """Train and dev part of a silver corpus: the labels of a stand-off file with the text that is at hand.

    Sentences that occur in held-out text are left out and counted; a seeded tenth is the dev part. Raises InputError
    as :func:`medner.data.silver.join` does.
    """
    tally = Tally()
    records = join(path, lang, texts, tally)
    return _with_dev(_outside(_mapped(records, scheme.corpus(SILVER), tally, path), held_out))


def origin(source: Source, ronec: RonecVersion) -> Origin:
    """What every table says about a source."""
    if source.labels == "ronec" and not source.format:
        return Origin(note=ronec.note, stand_in=ronec.variant != "v2")
    return Origin(note=source.note or "synthetic", stand_in=False)


def medical_splits(
    study: Study, sources: Iterable[str], files: Files, scheme: Scheme, root: Path = Path()
) -> dict[str, dict[str, Part]]:
    """The splits of annotated corpora, medical ones and a user's own, with the project's labels.

    root: the project folder, in which ``data`` of the sources lies. Training sentences that occur in a test part of
    the same language or in their own dev part, exactly or nearly (:class:`Overlap`), are left out and counted as
    overlapping. If a corpus has no dev part, a seeded tenth of the others becomes it; sentences of it that occur in the
    rest are left out and counted as well. Raises InputError for a source without a reader, from the readers, and for
    unknown labels.
    """
    parts: dict[str, dict[str, Part]] = {}
    for source in sources:
        about = study.sources[source]
        if about.format:
            parts[source] = own_splits(about, files, scheme.corpus(about.labels), root)
            continue
        if source not in MEDICAL:
            remedy = f"Add format and data to its entry, or use one of {', '.join(MEDICAL)}"
            raise InputError(f"source {source!r} has no reader", remedy=remedy)
        labels, own = scheme.corpus(about.labels), {name: files[name] for name in about.files}
        parts[source] = {}
        for split, read in MEDICAL[source].items():
            tally = Tally()
            path = next(iter(own.values()))
            parts[source][split] = _mapped(read(own, tally), labels, tally, path)
    for source in [source for source, splits in parts.items() if "train" in splits]:
        lang = study.sources[source].lang
        tests = [p["test"] for s, p in parts.items() if "test" in p and study.sources[s].lang == lang]
        own_dev = [parts[source]["dev"]] if "dev" in parts[source] else []
        held_out = Overlap(record.text for part in (*tests, *own_dev) for record in part.records)
        train = _outside(parts[source]["train"], held_out)
        parts[source] |= {"train": train} if own_dev else _with_dev(train)
    return {source: {split: splits[split] for split in SPLITS if split in splits} for source, splits in parts.items()}


def own_splits(source: Source, files: Files, labels: CorpusLabels, root: Path) -> dict[str, Part]:
    """The splits of a source in a common format, as its entry names or shares them.

    Shares are of documents: texts of one document stay together. Raises InputError from the readers, for unknown labels
    and for a split without texts.
    """
    parts = {}
    for split, names in source.data.items():
        tally = Tally()
        paths = [files[name] if name in source.files else root / name for name in names]
        per_file = [_mapped(read_own(path, source, tally), labels, tally, path).records for path in paths]
        records = [record for found in per_file for record in found]
        parts[split] = Part(list(unique_ids(((one, one.id) for one in records), paths[0])), tally)
    if "all" not in parts:
        return {str(split): part for split, part in parts.items()}
    whole = parts["all"]
    grouping = re.compile(source.grouping)
    document = {one.id: found[0] if (found := grouping.match(one.id)) else one.id for one in whole.records}
    documents = sorted(set(document.values()))
    random.Random(source.shares.seed).shuffle(documents)  # noqa: S311
    for split, share in (("dev", source.shares.dev), ("test", source.shares.test)):
        if share and not round(share * len(documents)):
            what = f"has too few documents ({len(documents)}) for a {split} share of {share}"
            remedy = f"Raise shares.{split} or set it to 0, or name the files of each split under data"
            raise InputError(what, path=paths[0], remedy=remedy)
    test = round(source.shares.test * len(documents))
    dev = test + round(source.shares.dev * len(documents))
    where = {name: "test" if n < test else "dev" if n < dev else "train" for n, name in enumerate(documents)}
    drawn = {split: [one for one in whole.records if where[document[one.id]] == split] for split in SPLITS}
    return {split: Part(found, whole.tally if split == "train" else Tally()) for split, found in drawn.items() if found}


def _outside(part: Part, held_out: Overlap) -> Part:
    """The part without the records that occur in the held-out text, which are counted."""
    clean = [record for record in part.records if not held_out.find(record.text)]
    part.tally.overlapping += len(part.records) - len(clean)
    return Part(clean, part.tally)


def _with_dev(train: Part) -> dict[str, Part]:
    chosen = set(random.Random(DEV_SEED).sample(range(len(train.records)), round(DEV_SHARE * len(train.records))))  # noqa: S311
    rest = Part([record for n, record in enumerate(train.records) if n not in chosen], train.tally)
    dev = Part([record for n, record in enumerate(train.records) if n in chosen], Tally())
    return {"train": rest, "dev": _outside(dev, Overlap(record.text for record in rest.records))}


def ronec_splits(variant: str, fetched: Path, sample: Path, scheme: Scheme) -> dict[str, Part]:
    """RONEC's splits with the project's labels, for a variant of :func:`medner.data.downloads.ronec_version`.

    Training sentences that occur in valid or test are left out and counted as overlapping. With ``persons: named``, the
    word lists that tell names from nouns are learnt from the training split alone.
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
    overlap = Overlap(record.text for split in ("dev", "test") for record in read[split])
    read["train"] = _outside(Part(read["train"], tallies["train"]), overlap).records
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
    paths = {split: folder / f"{split}.jsonl" for split in SPLITS}
    for path in paths.values():
        if not path.is_file():
            remedy = f"A synthetic corpus needs {', '.join(other.name for other in paths.values())}"
            raise InputError("no such file", path=path, remedy=remedy)
    return {split: synthetic_part(path, scheme, lang) for split, path in paths.items()}


def synthetic_part(path: Path, scheme: Scheme, lang: str) -> Part:
    """One split of a synthetic corpus. Raises InputError as :func:`synthetic_splits` does."""
    tally = Tally()
    records = list(read_synthetic(path, tally))
    for record in records:
        if record.lang != lang:
            what = f"lang is {record.lang!r}, not {lang!r}"
            remedy = "Correct it, or move the record to the folder of its language"
            raise InputError(what, path=path, place=f"record {record.id}", remedy=remedy)
    return _mapped(records, scheme.corpus("synthetic"), tally, path)


def _mapped(
    records: Iterable[Record], labels: CorpusLabels, tally: Tally, path: Path, lexicon: NameLexicon | None = None
) -> Part:
    mapped = (map_record(record, labels, tally, path=path, lexicon=lexicon) for record in records)
    return Part([longest(record, tally) for record in mapped], tally)
