"""The model card of a packaged pipeline: what it was trained on, how good it is, and what it is not for."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from medner.data.downloads import load_downloads
from medner.evaluation.calibration import FILE as CALIBRATION
from medner.evaluation.calibration import PRECISIONS, SuiteCalibration
from medner.evaluation.dev import DevScores
from medner.evaluation.results import SCORES, Scores, read_run, run_table
from medner.files import read_json
from medner.model.bio import FACTORY
from medner.model.provenance import META, Provenance, licence, provenance_in
from medner.names import Folder
from medner.outputs import read_output
from medner.report.recommendation import dev_table, threshold_table
from medner.study import Study, load_study
from medner.tables import Table, markdown_text

# Licences of corpora that come with the project, by kind; downloads.yml states the others. The first is RONEC's own.
RONEC, SAMPLE, SYNTHETIC = "MIT", "CC BY 4.0", "CC BY 4.0"
NO_RECORD = "the pipeline has no record of its training"


@dataclass(frozen=True)
class Subject:
    """A pipeline and what is known of it.

    lang: its language for spaCy. labels: what it finds. languages, licences: of the training corpora, by source.
    scores: of the test suites; None where there are none, which ``no_scores`` explains. calibration: by suite; empty
    where none was measured. dev: of all candidates for the recommended pipeline; empty where this one has none.
    recommended: its name.
    """

    lang: str
    labels: list[str]
    provenance: Provenance | None
    languages: Mapping[str, str]
    licences: Mapping[str, str]
    scores: Scores | None
    no_scores: str
    calibration: Mapping[str, SuiteCalibration]
    has_confidence: bool
    dev: Mapping[str, DevScores]
    recommended: str

    @property
    def name(self) -> str:
        """The experiment; empty where there is no record."""
        return self.provenance.experiment if self.provenance else ""

    @property
    def licence(self) -> str:
        """The licence of the weights, as far as the project can say."""
        return licence(self.provenance.encoder if self.provenance else None)

    @property
    def description(self) -> str:
        """The pipeline in one line."""
        languages = ", ".join(dict.fromkeys(self.languages.values()))
        found = f"Named entity recognition of {', '.join(self.labels)}"
        return f"{found} (languages: {languages})" if languages else found


def read_subject(pipeline: Path, metrics: Path, root: Path) -> Subject:
    """What is known of a pipeline in a folder.

    metrics: the folder that holds the experiments' metrics; those of another run are not taken. root: the project, for
    the languages and licences of corpora. Raises InputError for a file that is damaged.
    """
    meta = read_json(pipeline / META)
    labels = {label for found in meta["labels"].values() for label in found}
    config = (pipeline / "config.cfg").read_text(encoding="utf-8")
    return _subject(provenance_in(meta), meta["lang"], labels, f'factory = "{FACTORY}"' in config, metrics, root)


def evaluated_subject(experiment: str, metrics: Path, root: Path) -> Subject:
    """What is known of an experiment's pipeline without the pipeline: by its metrics alone.

    Raises InputError for an experiment that is not evaluated, and as :func:`read_subject`.
    """
    scores = read_run(metrics / experiment).scores
    labels = {label for suite in scores.suites.values() for label in suite.labels}
    calibrated = (metrics / experiment / CALIBRATION).is_file()
    return _subject(scores.provenance, "xx", labels, calibrated, metrics, root)


def _subject(
    provenance: Provenance | None, lang: str, labels: Collection[str], has_confidence: bool, metrics: Path, root: Path
) -> Subject:
    study = load_study(root / "configs" / "experiments.yml")
    names = [name for name in provenance.sources if name in study.sources] if provenance else []
    scores, no_scores = _scores(provenance, metrics)
    own = metrics / provenance.experiment / CALIBRATION if provenance else None
    calibrated = scores is not None and own is not None and own.is_file()
    return Subject(
        lang=lang,
        labels=sorted(labels),
        provenance=provenance,
        languages={name: study.sources[name].lang for name in names},
        licences=_licences(study, provenance, root) if provenance else {},
        scores=scores,
        no_scores=no_scores,
        calibration=read_output(own, dict[str, SuiteCalibration], "evaluate") if calibrated and own else {},
        has_confidence=has_confidence,
        dev=_dev(study, provenance, metrics) if provenance else {},
        recommended=study.recommended.pipeline if study.recommended else "",
    )


def _dev(study: Study, provenance: Provenance, metrics: Path) -> dict[str, DevScores]:
    """The dev scores of all candidates, if those of the pipeline are of the same run."""
    paths = {name: metrics / Folder.DEV / f"{name}.json" for name in study.candidates}
    found = {name: read_output(path, DevScores, "score-dev") for name, path in paths.items() if path.is_file()}
    own = found.get(provenance.experiment)
    return found if own and own.provenance.settings == provenance.settings else {}


def _scores(provenance: Provenance | None, metrics: Path) -> tuple[Scores | None, str]:
    """The scores of the run that made the pipeline, or why there are none."""
    if provenance is None:
        return None, NO_RECORD
    folder = metrics / provenance.experiment
    if not (folder / SCORES).is_file():
        return None, "the pipeline has not been evaluated"
    scores = read_run(folder).scores
    if scores.provenance.settings != provenance.settings:
        return None, "the scores at hand are those of another run of this experiment"
    return scores, ""


def _licences(study: Study, provenance: Provenance, root: Path) -> dict[str, str]:
    downloads = {one.name: one for one in load_downloads(root / "configs" / "downloads.yml", root / "project.yml")}
    found = {}
    for name, origin in provenance.sources.items():
        source = study.sources.get(name)
        if source is None or (source.format and not source.files):  # a user's own text
            found[name] = "not stated"
        elif source.labels == "ronec" and not source.files:
            found[name] = SAMPLE if "SAMPLE" in origin.note else RONEC
        elif source.files:
            found[name] = ", ".join(dict.fromkeys(downloads[file].licence for file in source.files))
        else:
            found[name] = SYNTHETIC
    return found


def render(subject: Subject, package: str, version: str, wheel: str, licence: str) -> str:
    """The card, as Markdown without metadata: those of a model hub are added when it is published."""
    pages = Environment(  # noqa: S701 - Markdown: every value goes through the filter of that name
        loader=PackageLoader("medner.packaging", "."), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    pages.filters["markdown"] = markdown_text
    provenance, scores = subject.provenance, subject.scores
    stand_ins = [name for name, origin in provenance.sources.items() if origin.stand_in] if provenance else []
    chosen = subject.dev.get(subject.name)
    text = pages.get_template("card.md.j2").render(
        package=package,
        version=version,
        wheel=wheel,
        licence=licence,
        description=subject.description,
        labels=subject.labels,
        provenance=provenance,
        stand_ins=stand_ins,
        training=_training_table(subject).markdown(),
        scores=run_table(scores).markdown() if scores else "",
        by_label=_label_table(scores).markdown() if scores else "",
        no_scores=subject.no_scores,
        has_confidence=subject.has_confidence,
        thresholds=_threshold_table(subject.calibration).markdown() if subject.calibration else "",
        chosen=threshold_table(chosen).markdown() if chosen and chosen.thresholds else "",
        dev=dev_table(subject.dev).markdown() if subject.dev else "",
        is_recommended=bool(subject.name) and subject.name == subject.recommended,
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _training_table(subject: Subject) -> Table:
    sources = subject.provenance.sources if subject.provenance else {}
    rows = [
        [name, subject.languages.get(name, "–"), origin.note, subject.licences[name]]
        for name, origin in sources.items()
    ]
    return Table(["corpus", "language", "what it is", "licence"], rows, text=(0, 1, 2, 3))


def _label_table(scores: Scores) -> Table:
    labels = sorted({label for suite in scores.suites.values() for label in suite.labels})
    rows = []
    for name, suite in scores.suites.items():
        found = [suite.labels.get(label) for label in labels]
        rows.append([name, *(f"{score.f1:.3f} ({score.support:,})" if score else "–" for score in found)])
    return Table(["suite", *labels], rows)


def _threshold_table(calibration: Mapping[str, SuiteCalibration]) -> Table:
    rows = []
    for suite, found in calibration.items():
        for label, one in found.labels.items():
            ece = "–" if one.ece is None else f"{one.ece:.3f}"
            asked = [one.thresholds.get(str(precision)) for precision in PRECISIONS]
            rows.append([suite, label, ece, *(f"{at.threshold:.2f} ({at.recall:.3f})" if at else "–" for at in asked)])
    return Table(["suite", "label", "ECE", *(f"P from {precision}" for precision in PRECISIONS)], rows, text=(0, 1))
