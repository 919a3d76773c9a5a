"""Scores of a language model's labels of the test texts: the baseline that needs no training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from spacy.language import Language

from medner.data.docbins import read_docbin
from medner.data.manifests import read_manifest
from medner.data.records import Record
from medner.data.tokenizer import blank
from medner.evaluation.pipelines import describe_tests
from medner.evaluation.predictions import Prediction
from medner.evaluation.results import SCORES, Scores, write_run
from medner.exceptions import InputError
from medner.files import new_folder
from medner.generation.annotating import annotation_id, judged_texts
from medner.generation.ledger import Ledger
from medner.model.provenance import EncoderInfo, Provenance
from medner.study import Study


@dataclass(frozen=True)
class Labels:
    """The labels of one test file, from the output of ``scripts/annotate_llm.py``.

    models, prompts: the models and prompt versions that produced them. unusable: number of texts without a usable
    answer; their predictions are empty.
    """

    predictions: list[Prediction]
    models: set[str]
    prompts: set[str]
    unusable: int


def read_labels(output: Path, source: str, gold: Sequence[Record], nlp: Language) -> Labels:
    """The labels of the texts of a source's test file, in its order. ``nlp`` tokenises the texts.

    Raises InputError if the output is missing or damaged, holds other texts, or lacks an answer for some.
    """
    again = f"Run scripts/annotate_llm.py on corpus/{source}/test.spacy"
    if not output.is_file():
        raise InputError("no such file", path=output, remedy=again)
    with closing(Ledger(output)) as ledger:
        records = {record.id: record for record in ledger.records}
        judged, answers = judged_texts(ledger.judged), ledger.answers
    predictions, unusable, missing = [], 0, 0
    for number, one in enumerate(gold, start=1):
        name = annotation_id(one.lang, number)
        record = records.get(name)
        if record and record.text != one.text:
            raise InputError(f"{name} is not text {number} of the test file of {source}", path=output, remedy=again)
        missing += name not in judged
        unusable += record is None
        predictions.append(
            Prediction(
                id=one.id,
                source=source,
                lang=one.lang,
                text=one.text,
                gold=one.entities,
                predicted=record.entities if record else (),
                tokens=tuple((token.idx, token.idx + len(token)) for token in nlp.make_doc(one.text)),
            )
        )
    if missing:
        raise InputError(f"has no answer for {missing:,} of {len(gold):,} texts", path=output, remedy=again)
    answered = [answer for answer in answers if not answer.fault]
    return Labels(predictions, {a.model for a in answered}, {a.prompt for a in answered}, unusable)


@dataclass(frozen=True)
class Evaluation:
    """What :func:`evaluate` wrote. labels: by source."""

    model: str
    labels: Mapping[str, Labels]
    scores: Scores


def experiment_name(study: Study, name: str | None) -> str:
    """The zero-shot experiment to write: the named one, or the only one of the study.

    Raises InputError if the study has no zero-shot experiment, not this one, or several and none is named.
    """
    known = study.zero_shot
    if not known:
        remedy = "Add one without model and sources to configs/experiments.yml, such as 'llm: {}'"
        raise InputError("the study has no zero-shot experiment", remedy=remedy)
    if name in known or (name is None and len(known) == 1):
        return name or known[0]
    what = "the study has several zero-shot experiments" if name is None else f"{name!r} is not a zero-shot experiment"
    raise InputError(what, remedy=f"Give --experiment, one of {', '.join(known)}")


def evaluate(folder: Path, output: Path, corpus: Path, experiment: str) -> Evaluation:
    """Score the labels in ``folder/SOURCE.jsonl`` on every suite whose sources all have labels, and write a run.

    Raises InputError if no test file has labels, if :func:`read_labels` finds a fault, and if the labels are of
    several models.
    """
    manifest = read_manifest(corpus)
    tests = describe_tests(corpus, manifest)
    found = [source for source in tests if (folder / f"{source}.jsonl").is_file()]
    if not found:
        command = f"python scripts/annotate_llm.py {corpus}/SOURCE/test.spacy {folder}/SOURCE.jsonl"
        what = f"holds labels for none of {', '.join(tests)}"
        raise InputError(what, path=folder, remedy=f"Label a test file first: {command}")
    nlp = blank()
    labels = {
        source: read_labels(folder / f"{source}.jsonl", source, read_docbin(corpus / source / "test.spacy", nlp), nlp)
        for source in found
    }
    suites, skipped = {}, dict(manifest.skipped)
    for suite, sources in manifest.suites.items():
        if lacking := [source for source in sources if source not in found]:
            skipped[suite] = f"no labels of {', '.join(lacking)}"
        else:
            suites[suite] = [one for source in sources for one in labels[source].predictions]
    about = _provenance(experiment, labels, manifest.persons)
    with new_folder(output, sign=SCORES) as written:
        scores = write_run(written, about, {source: tests[source] for source in found}, skipped, suites, set())
    return Evaluation(about.encoder.name, labels, scores)


def _provenance(experiment: str, labels: Mapping[str, Labels], persons: str) -> Provenance:
    """The provenance of a run, for a model that was trained on none of the corpora."""
    models = sorted({model for own in labels.values() for model in own.models})
    prompts = sorted({prompt for own in labels.values() for prompt in own.prompts})
    if len(models) != 1:
        raise InputError(f"labels of several models: {', '.join(models)}", remedy="Use one folder for each model")
    revision = f"prompt {', '.join(prompts)}"
    return Provenance(
        experiment=experiment,
        encoder=EncoderInfo(name=models[0], revision=revision, untrained=False, parameters=None, sha256=""),
        sources={},
        persons=persons,
        seed=0,
        epochs=0,
        documents=0,
        unusable={source: own.unusable for source, own in labels.items()},
    )
