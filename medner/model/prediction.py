"""From a trained pipeline and a test file to predictions: the one place where a model reads test text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from spacy.language import Language
from spacy.scorer import Scorer
from spacy.training import Corpus, Example

from medner.data.docbins import read_docbin
from medner.data.manifests import CorpusManifest
from medner.data.overlap import mention_keys
from medner.data.records import Entity
from medner.evaluation.predictions import Prediction
from medner.evaluation.scores import TestSource
from medner.exceptions import InputError
from medner.files import read_bytes, sha256
from medner.model.provenance import Provenance


def read_examples(nlp: Language, path: Path) -> list[Example]:
    """The test file as `spacy evaluate` reads it: gold beside the raw text, tokenised by ``nlp``.

    Raises InputError for a file that is not of the corpus step.
    """
    read_docbin(path, nlp)  # tells what is wrong with the file
    return list(Corpus(path)(nlp))


def predict(nlp: Language, examples: Sequence[Example]) -> Iterator[Example]:
    """Examples with what ``nlp`` finds in their raw text, as in `spacy evaluate`.

    The transformer's output is dropped from every document at once: it would fill the memory.
    """
    for example, doc in zip(examples, nlp.pipe(example.predicted.copy() for example in examples), strict=True):
        doc.user_data.clear()
        yield Example(doc, example.reference)


def spacy_scores(nlp: Language, examples: Sequence[Example], seconds: float) -> dict[str, Any]:
    """What `spacy evaluate` writes, from predictions that are there already; seconds: that predicting them took."""
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
    )


def describe_tests(corpus: Path, manifest: CorpusManifest) -> dict[str, TestSource]:
    """What a run is tested on, by source."""
    return {
        source: TestSource(
            note=about.note,
            stand_in=about.stand_in,
            annotated=tuple(about.annotated),
            documents=about.documents,
            sha256=sha256(read_bytes(corpus / source / "test.spacy")),
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
