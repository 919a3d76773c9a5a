"""A language model's labels of the test texts, scored as a pipeline is: the baseline that needs no training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from spacy.language import Language

from medner.data.records import Record
from medner.evaluation.predictions import Prediction
from medner.exceptions import InputError
from medner.generation.annotating import annotation_id
from medner.generation.ledger import Ledger
from medner.model.provenance import EncoderInfo, Provenance


@dataclass(frozen=True)
class Labels:
    """What one output of ``scripts/annotate_llm.py`` holds for a test file.

    models, prompts: who gave the labels, and the versions of the prompt. unusable: texts without a usable answer, which
    count as texts in which nothing was found.
    """

    predictions: list[Prediction]
    models: set[str]
    prompts: set[str]
    unusable: int


def read_labels(output: Path, source: str, gold: Sequence[Record], nlp: Language) -> Labels:
    """The labels of the texts of a source's test file, in its order; ``nlp`` tokenises them, for their length.

    Raises InputError if the output is none, is of other texts, or lacks a verdict on some.
    """
    again = f"Run scripts/annotate_llm.py on corpus/{source}/test.spacy"
    if not output.is_file():
        raise InputError("no such file", path=output, remedy=again)
    with closing(Ledger(output)) as ledger:
        records = {record.id: record for record in ledger.records}
        judged, answers = ledger.judged, ledger.answers
    predictions, unusable, missing = [], 0, 0
    for number, one in enumerate(gold, start=1):
        name = annotation_id(one.lang, number)
        record = records.get(name)
        if record and record.text != one.text:
            raise InputError(f"{name} is not text {number} of {source}'s test file", path=output, remedy=again)
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


def provenance(experiment: str, labels: Mapping[str, Labels], persons: str) -> Provenance:
    """What a trained pipeline's provenance says, of a model that was trained on nothing of ours.

    Raises InputError if different models gave the labels.
    """
    models = sorted({model for own in labels.values() for model in own.models})
    prompts = sorted({prompt for own in labels.values() for prompt in own.prompts})
    if len(models) != 1:
        raise InputError(f"labels of several models: {', '.join(models)}", remedy="Give each a folder of its own")
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
