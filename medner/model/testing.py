"""The evaluation of a trained pipeline on every test suite."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import spacy
import srsly
from spacy.training import Example

from medner.data.manifests import read_manifest
from medner.evaluation.results import SCORES, Scores, write_run
from medner.exceptions import InputError
from medner.files import new_folder, read_text, write_text
from medner.model.curve import CURVE
from medner.model.prediction import (
    as_prediction,
    describe_tests,
    predict,
    read_examples,
    spacy_scores,
    training_mentions,
)
from medner.model.provenance import read_provenance

# Takes an iterator, its name and its length, and returns it, as a progress bar does.
Progress = Callable[[Iterator[Example], str, int], Iterable[Example]]


def evaluate(pipeline: Path, root: Path, corpus: Path, target: Path, *, progress: Progress) -> Scores:
    """Write ``target``: what `spacy evaluate` writes of each suite, the predictions, ``scores.json``, ``counts.json``.

    The pipeline reads every text once; all scores are computed from these predictions. root: the project folder, which
    the paths in the pipeline's config refer to. corpus: of the corpus step. Raises InputError if the pipeline or the
    corpus is missing or damaged, or if the pipeline's training data has changed.
    """
    if not pipeline.is_dir():
        raise InputError("no such pipeline", path=pipeline, remedy="Train it first with scripts/train.py")
    manifest = read_manifest(corpus)
    about, tests = read_provenance(pipeline), describe_tests(corpus, manifest)
    nlp = spacy.load(pipeline)
    seen = training_mentions(nlp, root / nlp.config.interpolate()["paths"]["train"], about)
    examples: dict[str, list[Example]] = {}
    seconds: dict[str, float] = {}
    with new_folder(target, sign=SCORES) as folder:
        for source in tests:
            asked = read_examples(nlp, corpus / source / "test.spacy")
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
