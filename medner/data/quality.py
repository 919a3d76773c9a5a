"""Diversity, repetition and consistency of the synthetic corpora: the figures of their data card."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import py3langid
from pydantic import AfterValidator

from medner.data.labels import Scheme
from medner.data.overlap import NearDuplicates
from medner.data.records import Record, without_marks
from medner.data.sources import SPLITS, synthetic_part
from medner.data.tokenizer import blank, reference_doc
from medner.exceptions import InputError
from medner.outputs import Output
from medner.settings import Settings, load_settings
from medner.tables import Table

PARALLEL = 0.3  # threshold: Jaccard index of the word beginnings of two sentences in two languages
SHARED_BEGINNINGS = 5  # threshold: fewer can be shared by chance

_WORD = re.compile(r"\w+")


class Examples(Output):
    """What the figures of a corpus count: forms, ids of records, pairs of them."""

    top_opening_bigram: str
    top_medical_form: str
    near_duplicates: list[str]
    unlabelled: list[str]
    off_tokens: list[str]
    other_language: list[str]
    parallel: list[str]


class CorpusFigures(Output):
    """The figures of one synthetic corpus; shares are between 0 and 1.

    without_entity: share of sentences. distinct_3grams: different word trigrams over all of them. top_opening_bigram:
    share of sentences that start with the most frequent two words. medical_forms, person_forms, org_forms: different
    surface forms. top_medical_form: share of the most frequent one among MEDICAL mentions. unlabelled: unmarked
    occurrences of forms that are marked elsewhere. off_tokens: mentions that start or end inside a token.
    language_right: share of sentences that language identification agrees with. parallel: share of sentences that look
    like a translation of a sentence in another language's corpus.
    """

    sentences: int
    words: int
    entities: dict[str, int]
    without_entity: float
    distinct_3grams: float
    top_opening_bigram: float
    near_duplicates: int
    medical_forms: int
    top_medical_form: float
    person_forms: int
    org_forms: int
    unlabelled: int
    off_tokens: int
    language_right: float
    parallel: float
    examples: Examples


QualityReport = dict[str, CorpusFigures]  # metrics/corpora.json: by language
FIGURES = tuple(name for name, field in CorpusFigures.model_fields.items() if field.annotation in (int, float))


def _known(name: str) -> str:
    if name not in FIGURES:
        raise ValueError(f"unknown figure; known ones are {', '.join(FIGURES)}")
    return name


Limits = Mapping[Annotated[str, AfterValidator(_known)], int | float]


class Thresholds(Settings):
    """``configs/quality.yml``: thresholds of the figures.

    required: the languages whose corpora must meet them. unlabelled_allowed: by language, forms that are rightly
    unlabelled in some places, and why.
    """

    required: tuple[str, ...]
    minimum: Limits
    maximum: Limits
    unlabelled_allowed: Mapping[str, Mapping[str, str]]

    def missed(self, figures: CorpusFigures) -> list[str]:
        """The thresholds that a corpus misses, one clause each."""
        found = {name: getattr(figures, name) for name in FIGURES}
        low = [f"{name} is {found[name]}, below {limit}" for name, limit in self.minimum.items() if found[name] < limit]
        return low + [
            f"{name} is {found[name]}, above {limit}" for name, limit in self.maximum.items() if found[name] > limit
        ]


def load_thresholds(path: Path) -> Thresholds:
    """Read the thresholds. Raises InputError for a malformed file and for figures that are not measured."""
    return load_settings(path, Thresholds)


def read_corpora(folder: Path, scheme: Scheme) -> dict[str, list[Record]]:
    """The synthetic corpora of a folder, with one folder of JSON Lines files a language, by language.

    Raises InputError for a folder without corpora, a corpus without sentences, and what the corpus step would refuse.
    """
    corpora = {
        own.name: [
            record for path in sorted(own.glob("*.jsonl")) for record in synthetic_part(path, scheme, own.name).records
        ]
        for own in sorted(folder.glob("*/"))
    }
    if not corpora:
        raise InputError("contains no corpus", path=folder, remedy="Add a folder of JSONL files for each language")
    if empty := [lang for lang, records in corpora.items() if not records]:
        raise InputError("contains no sentences", path=folder / empty[0], remedy="Add JSONL files, or remove it")
    return corpora


def missing_splits(folder: Path) -> dict[str, list[str]]:
    """The files that the corpus step needs and that a corpus lacks, by language."""
    names = [f"{split}.jsonl" for split in SPLITS]
    missing = {own.name: [name for name in names if not (own / name).is_file()] for own in sorted(folder.glob("*/"))}
    return {lang: lacking for lang, lacking in missing.items() if lacking}


def measure(corpora: Mapping[str, Sequence[Record]], lang: str, allowed: Iterable[str] = ()) -> CorpusFigures:
    """Measure the corpus of one language; the others are searched for translations.

    allowed: forms whose unlabelled occurrences are right.
    """
    records = corpora[lang]
    words = [_WORD.findall(record.text.lower()) for record in records]
    trigrams = [tuple(w[i : i + 3]) for w in words for i in range(len(w) - 2)]
    openings = Counter(tuple(w[:2]) for w in words)
    forms: dict[str, Counter[str]] = {}
    for record in records:
        for entity in record.entities:
            forms.setdefault(entity.label, Counter())[record.surface(entity)] += 1
    medical = forms.get("MEDICAL", Counter())
    unlabelled = list(unlabelled_occurrences(records, allowed))
    duplicates = list(near_duplicate_pairs(records))
    other_language = [record for record in records if py3langid.classify(record.text)[0] != lang]
    nlp = blank()
    off = [(r, r.surface(r.entities[n])) for r in records for n in reference_doc(nlp, r)[1]]
    parallel = [pair for other, own in corpora.items() if other != lang for pair in parallel_pairs(records, own)]
    return CorpusFigures(
        sentences=len(records),
        words=sum(map(len, words)),
        entities={label: counts.total() for label, counts in sorted(forms.items())},
        without_entity=_share(sum(not record.entities for record in records), len(records)),
        distinct_3grams=_share(len(set(trigrams)), len(trigrams)),
        top_opening_bigram=_share(max(openings.values()), len(records)),
        near_duplicates=len(duplicates),
        medical_forms=len(medical),
        top_medical_form=_share(max(medical.values(), default=0), medical.total()),
        person_forms=len(forms.get("PERSON", ())),
        org_forms=len(forms.get("ORG", ())),
        unlabelled=len(unlabelled),
        off_tokens=len(off),
        language_right=_share(len(records) - len(other_language), len(records)),
        parallel=_share(len(parallel), len(records)),
        examples=Examples(
            top_opening_bigram=" ".join(openings.most_common(1)[0][0]),
            top_medical_form=medical.most_common(1)[0][0] if medical else "",
            near_duplicates=duplicates,
            unlabelled=unlabelled,
            off_tokens=[f"{record.id}: {form}" for record, form in off],
            other_language=[record.id for record in other_language],
            parallel=parallel,
        ),
    )


def figures_table(report: QualityReport, thresholds: Thresholds) -> Table:
    """All figures by language, with their thresholds."""
    rows = []
    for name in FIGURES:
        low, high = thresholds.minimum.get(name), thresholds.maximum.get(name)
        limit = f"≥ {low:,}" if low is not None else f"≤ {high:,}" if high is not None else ""
        rows.append([name, *(f"{getattr(figures, name):,}" for figures in report.values()), limit])
    return Table(["figure", *report, "threshold"], rows, text=(0, -1))


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0


def near_duplicate_pairs(records: Iterable[Record]) -> Iterator[str]:
    """Ids of each record that is a near-duplicate of an earlier one, and of that one."""
    seen = NearDuplicates()
    ids: dict[str, str] = {}
    for record in records:
        if double := seen.find(record.text):
            yield f"{record.id} ~ {ids[double]}"
        seen.add(record.text)
        ids.setdefault(record.text, record.id)


def unlabelled_occurrences(records: Sequence[Record], allowed: Iterable[str] = ()) -> Iterator[str]:
    """Ids and forms: unlabelled occurrences, as whole words and in the same case, of forms that are labelled elsewhere.

    Forms shorter than four letters count only in capitals (HTA). A form inside a longer mention is labelled.
    """
    free = set(allowed)
    by_first: dict[str, list[str]] = {}
    for form in sorted({r.surface(e) for r in records for e in r.entities} - free):
        if (len(form) >= 4 or form.isupper()) and (first := re.match(r"\w+|\W", form)):
            by_first.setdefault(first[0], []).append(form)
    for record in records:
        for match in re.finditer(r"\w+", record.text):
            if any(e.start <= match.start() < e.end for e in record.entities):
                continue
            for form in by_first.get(match[0], ()):
                end = match.start() + len(form)
                whole = record.text.startswith(form, match.start()) and not record.text[end : end + 1].isalnum()
                if whole and not any(e.start < end and match.start() < e.end for e in record.entities):
                    yield f"{record.id}: {form}"
                    break


def parallel_pairs(left: Sequence[Record], right: Sequence[Record]) -> list[str]:
    """Ids of sentences in one language that look like a translation of one in another, related language.

    Cognates and numbers survive translation between Romance languages. Two sentences count as parallel if they share at
    least five beginnings (four letters, spelling folded) of their longer words and numbers, and at least 30 % of those
    that either has. This finds literal translations, and some pairs that share no more than a topic.
    """
    found = []
    where: dict[str, list[int]] = {}
    beginnings = [_beginnings(record.text) for record in right]
    for number, own in enumerate(beginnings):
        for beginning in own:
            where.setdefault(beginning, []).append(number)
    for record in left:
        own = _beginnings(record.text)
        shared = Counter(number for beginning in own for number in where.get(beginning, ()))
        for number, count in shared.most_common(1):
            if count >= SHARED_BEGINNINGS and count >= PARALLEL * len(own | beginnings[number]):
                found.append(f"{record.id} = {right[number].id}")
    return found


def _beginnings(text: str) -> set[str]:
    bare = without_marks(text.lower())
    for old, new in (
        ("ph", "f"),
        ("th", "t"),
        ("ch", "c"),
        ("qu", "c"),
        ("y", "i"),
        ("k", "c"),
        ("œ", "e"),
        ("ae", "e"),
    ):
        bare = bare.replace(old, new)
    bare = re.sub(r"([a-z])\1", r"\1", bare)
    return {word[:4] for word in _WORD.findall(bare) if len(word) >= 5 or word.isdigit()}
