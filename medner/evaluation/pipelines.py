"""Evaluation of a trained pipeline on the test suites: the one place where a pipeline reads test text."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import srsly
from spacy.language import Language
from spacy.scorer import Scorer
from spacy.training import Corpus, Example

from medner.data.docbins import read_docbin
from medner.data.manifests import CorpusManifest, SourceManifest, read_manifest
from medner.data.overlap import mention_keys
from medner.data.records import Entity
from medner.evaluation.predictions import Prediction
from medner.evaluation.results import SCORES, Scores, write_run
from medner.evaluation.scores import TestSource
from medner.exceptions import InputError
from medner.files import new_folder, read_bytes, read_text, sha256, write_text
from medner.model.bio import confidences
from medner.model.curve import CURVE
from medner.model.inference import speed_up
from medner.model.loading import load_pipeline
from medner.model.provenance import Provenance, read_provenance

# Takes an iterator, its name and its length, and returns it, as a progress bar does.
Progress = Callable[[Iterator[Example], str, int], Iterable[Example]]


def read_examples(nlp: Language, path: Path, source: str = "") -> list[Example]:
    """The test file as `spacy evaluate` reads it: gold beside the raw text, tokenised by ``nlp``.

    source: what to call its source, instead of what the file says. Raises InputError for a damaged file.
    """
    records = read_docbin(path, nlp)  # tells what is wrong with the file
    examples = list(Corpus(path)(nlp))
    if len(examples) != len(records):
        raise InputError("has an empty document", path=path, remedy="Remove it")
    for example, record in zip(examples, records, strict=True):
        about = {"id": record.id, "lang": record.lang, "source": source or record.meta["source"]}
        example.reference.user_data.update(about)
    return examples


def own_manifest(nlp: Language, path: Path) -> CorpusManifest:
    """The manifest that the corpus step would write for a user's own DocBin: one suite, named like the file.

    Raises InputError for a damaged file, one without mentions, and for labels that the pipeline does not have.
    """
    labels = sorted({entity.label for record in read_docbin(path, nlp) for entity in record.entities})
    known = {label for _, pipe in nlp.pipeline for label in getattr(pipe, "labels", ())}
    if not labels or set(labels) - known:
        what = f"has mentions labelled {', '.join(labels)}" if labels else "has no mentions"
        remedy = f"The pipeline has {', '.join(sorted(known))}; for other labels add a source with a map to the study"
        raise InputError(what, path=path, remedy=remedy)
    name = path.name.removesuffix(".spacy")
    source = SourceManifest(note=f"the file {path.name}", stand_in=False, annotated=labels, documents=False, splits={})
    return CorpusManifest(
        sources={name: source}, persons="named", experiments={}, suites={name: [name]}, skipped={}, sha256={}
    )


def predict(nlp: Language, examples: Sequence[Example]) -> Iterator[Example]:
    """Examples with what ``nlp`` finds in their raw text, as in `spacy evaluate`.

    The transformer's output is dropped from every document at once: it would fill the memory.
    """
    for example, doc in zip(examples, nlp.pipe(example.predicted.copy() for example in examples), strict=True):
        doc.user_data.clear()
        yield Example(doc, example.reference)


def spacy_scores(nlp: Language, examples: Sequence[Example], seconds: float) -> dict[str, Any]:
    """What `spacy evaluate` writes, computed from predictions. seconds: the time that predicting them took."""
    words = sum(len(example.predicted) for example in examples)
    return {**Scorer(nlp).score(examples), "speed": words / seconds}


def as_prediction(example: Example) -> Prediction:
    """One example in the format of the predictions file."""
    gold, predicted = example.reference, example.predicted
    spans = [tuple(Entity(e.start_char, e.end_char, e.label_) for e in doc.ents) for doc in (gold, predicted)]
    return Prediction(
        id=gold.user_data["id"],
        source=gold.user_data["source"],
        lang=gold.user_data["lang"],
        text=gold.text,
        gold=spans[0],
        predicted=spans[1],
        tokens=tuple((token.idx, token.idx + len(token)) for token in predicted),
        confidence=confidences(predicted),
    )


def describe_tests(corpus: Path, manifest: CorpusManifest, test: Path | None = None) -> dict[str, TestSource]:
    """What a run is tested on, by source. test: the test file, if it is not that of the source in the corpus."""
    return {
        source: TestSource(
            note=about.note,
            stand_in=about.stand_in,
            annotated=tuple(about.annotated),
            documents=about.documents,
            sha256=sha256(read_bytes(test or corpus / source / "test.spacy")),
        )
        for source, about in manifest.sources.items()
        if source in {name for sources in manifest.suites.values() for name in sources}
    }


def training_mentions(nlp: Language, train: Path, provenance: Provenance) -> set[tuple[str, str]]:
    """:func:`medner.data.overlap.mention_keys` of a pipeline's training file.

    Empty for what was not trained. Raises InputError if the file is not the one that the provenance names: seen and
    unseen would be wrong.
    """
    if not provenance.sources:
        return set()
    if provenance.corpus.get("train") != sha256(read_bytes(train)):
        what = f"is not what {provenance.experiment} was trained on"
        raise InputError(what, path=train, remedy="Train it again, or make the corpus that it was trained on")
    return mention_keys(read_docbin(train, nlp))


def evaluate(
    pipeline: Path, root: Path, corpus: Path, target: Path, *, progress: Progress, test: Path | None = None
) -> Scores:
    """Write ``target``: what `spacy evaluate` writes of each suite, the predictions, ``scores.json``, and
    ``counts.json.gz``.

    The pipeline reads every text once; all scores are computed from these predictions. root: the project folder, which
    the paths in the pipeline's config refer to. corpus: the folder of the corpus step. test: a DocBin to
    evaluate on, instead of the test suites. Raises InputError if the pipeline or the corpus is missing or damaged, or
    if the pipeline's training data has changed.
    """
    if test and not test.is_file():
        raise InputError("no such file", path=test, remedy="Check --test")
    nlp = speed_up(load_pipeline(pipeline))
    manifest = own_manifest(nlp, test) if test else read_manifest(corpus)
    about, tests = read_provenance(pipeline), describe_tests(corpus, manifest, test)
    train = nlp.config.interpolate().get("paths", {}).get("train", "")
    seen = training_mentions(nlp, root / train, about)
    examples: dict[str, list[Example]] = {}
    seconds: dict[str, float] = {}
    with new_folder(target, sign=SCORES) as folder:
        for source in tests:
            asked = read_examples(nlp, test or corpus / source / "test.spacy", source)
            start = time.perf_counter()
            examples[source] = list(progress(predict(nlp, asked), source, len(asked)))
            seconds[source] = time.perf_counter() - start
        suites = {}
        for suite, sources in manifest.suites.items():
            found = [example for source in sources for example in examples[source]]
            spacys = spacy_scores(nlp, found, sum(seconds[source] for source in sources))
            write_text(folder / f"{suite}.json", srsly.json_dumps(spacys, indent=2) + "\n")
            suites[suite] = [as_prediction(example) for example in found]
        scores = write_run(folder, about, tests, manifest.skipped, suites, seen)
        if (trained := pipeline.parent / CURVE).is_file():
            write_text(folder / CURVE, read_text(trained))
    return scores
