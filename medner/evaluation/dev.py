"""Scores on dev text that all candidates share: they choose the recommended pipeline, and thresholds on confidences.

An experiment's validation curve is over the dev parts of its own sources, so curves of two experiments cannot be
compared. Here every pipeline reads the same dev parts, and no test text has a say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from medner.data.manifests import CorpusManifest
from medner.evaluation.calibration import Threshold, calibration
from medner.evaluation.pipelines import Progress, as_prediction, predict, read_examples
from medner.evaluation.predictions import Prediction
from medner.evaluation.scores import DECIMALS, GroupScore, TestSource, count, unit_counts
from medner.evaluation.statistics import f1_interval
from medner.exceptions import InputError
from medner.files import read_bytes, sha256
from medner.model.inference import speed_up
from medner.model.loading import load_pipeline
from medner.model.provenance import Provenance, read_provenance
from medner.outputs import Output, read_output
from medner.study import Study


class DevScores(Output):
    """``metrics/dev/<experiment>.json``.

    parts: the dev parts. score: over the labels that each annotates; f1_interval: a bootstrap interval over texts.
    sources: the same by part. thresholds: by label and by the precision that was asked for, the lowest confidence that
    gives it; None where none does. Empty for a pipeline that gives no confidences.
    """

    provenance: Provenance
    parts: dict[str, TestSource]
    score: GroupScore
    f1_interval: tuple[float, float] | None
    sources: dict[str, GroupScore]
    thresholds: dict[str, dict[str, Threshold | None]]


def dev_parts(study: Study, corpus: Path, manifest: CorpusManifest) -> dict[str, TestSource]:
    """The dev parts that decide which pipeline is recommended, as far as the corpus has them.

    Raises InputError if the study recommends nothing, or if there is none.
    """
    if study.recommended is None:
        remedy = "Add it, or do without this step"
        raise InputError("has no entry recommended", path="configs/experiments.yml", remedy=remedy)
    found = {
        source: TestSource(
            note=about.note,
            stand_in=about.stand_in,
            annotated=tuple(about.annotated),
            documents=about.documents,
            sha256=sha256(read_bytes(_path(corpus, source))),
        )
        for source in study.recommended.dev
        if (about := manifest.sources.get(source)) and _path(corpus, source).is_file()
    }
    if not found:
        raise InputError("has no dev part of the sources in question", path=corpus, remedy="Run the corpus step")
    return found


def scored_before(path: Path, pipeline: Path, parts: Mapping[str, TestSource]) -> DevScores | None:
    """The scores in ``path`` if they are those of this pipeline on these parts, else None."""
    try:
        found = read_output(path, DevScores, "score-dev")
    except InputError:
        return None
    return found if (found.provenance, found.parts) == (read_provenance(pipeline), parts) else None


def score_dev(pipeline: Path, corpus: Path, parts: Mapping[str, TestSource], *, progress: Progress) -> DevScores:
    """The scores of a pipeline on the dev parts. Raises InputError if the pipeline or a part is missing or damaged."""
    nlp = speed_up(load_pipeline(pipeline))
    predictions: list[Prediction] = []
    for source in parts:
        asked = read_examples(nlp, _path(corpus, source), source)
        predictions += [as_prediction(one) for one in progress(predict(nlp, asked), f"{source}, dev", len(asked))]
    return scored(predictions, parts, read_provenance(pipeline))


def scored(predictions: Sequence[Prediction], parts: Mapping[str, TestSource], provenance: Provenance) -> DevScores:
    """The scores of predictions of dev text, and thresholds where they have confidences."""
    interval = f1_interval(np.array(unit_counts(predictions, parts), dtype=np.float64), 0)
    by_source = {
        source: GroupScore.of(count(one, part.annotated) for one in predictions if one.source == source)
        for source, part in parts.items()
    }
    calibrated = calibration(predictions, parts, ()) if predictions else None
    return DevScores(
        provenance=provenance,
        parts=dict(parts),
        score=GroupScore.of(count(one, parts[one.source].annotated) for one in predictions),
        f1_interval=interval and (round(interval[0], DECIMALS), round(interval[1], DECIMALS)),
        sources=by_source,
        thresholds={label: own.thresholds for label, own in calibrated.labels.items()} if calibrated else {},
    )


def ranked(scores: Mapping[str, DevScores]) -> list[str]:
    """The experiments from the highest F1 down; without those of other dev parts than most."""
    keys = {name: tuple(part.sha256 for part in one.parts.values()) for name, one in scores.items()}
    same = max(keys.values(), key=list(keys.values()).count, default=())
    kept = [name for name, key in keys.items() if key == same]
    return sorted(kept, key=lambda name: -scores[name].score.f1)


def _path(corpus: Path, source: str) -> Path:
    return corpus / source / "dev.spacy"
