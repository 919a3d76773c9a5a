"""The data: what the corpora hold, and what training text gives away of test text."""

from __future__ import annotations

from medner.data.leakage import LABELS, SEPARATOR
from medner.data.manifests import CorpusManifest, SourceManifest
from medner.data.quality import FIGURES, QualityReport
from medner.report.blocks import Block, Fold, Items, Missing, Paragraph, Section
from medner.report.cells import EMPTY, command, count_cell
from medner.report.inputs import Inputs
from medner.tables import Row, Table

CARD, LEAKAGE = "Data card", "Leakage"


def data_card(inputs: Inputs) -> Section | Missing:
    """Sources, splits and mentions, and the quality of the synthetic corpora."""
    if not inputs.manifest:
        return Missing(CARD, command("corpus"))
    notes = Items([f"{name}: {_note(source)}" for name, source in inputs.manifest.sources.items()])
    blocks: list[Block] = [notes, _splits_table(inputs.manifest, inputs.scheme.labels)]
    if inputs.quality:
        blocks.append(Fold("Quality of the synthetic corpora", [_quality_table(inputs.quality)]))
    return Section("data", CARD, blocks, [("The data", [_sources_table(inputs, inputs.manifest)])])


def _note(source: SourceManifest) -> str:
    return f"STAND-IN: {source.note}" if source.stand_in else source.note


def _splits_table(manifest: CorpusManifest, labels: tuple[str, ...]) -> Table:
    rows: list[Row] = []
    for source, about in manifest.sources.items():
        for split, part in about.splits.items():
            numbers = [
                part.sentences,
                part.tokens,
                *(part.entities.get(label, 0) for label in labels),
                sum(part.off_boundaries.values()),
                sum(part.dropped.values()),
                part.overlapping,
            ]
            rows.append([source, split, *map(count_cell, numbers)])
    columns = ["source", "split", "sentences", "tokens", *labels, "off tokens", "dropped", "left out"]
    caption = (
        "Sentences, tokens and mentions. Off tokens: mentions that start or end inside a token; dropped: mentions of "
        "labels that the project does not use; left out: sentences that also occur in a test split"
    )
    return Table(columns, rows, text=(0, 1), caption=caption)


def _quality_table(quality: QualityReport) -> Table:
    rows: list[list[str]] = []
    for name in FIGURES:
        values = [getattr(own, name) for own in quality.values()]
        rows.append([name.replace("_", " "), *(f"{v:,.4g}" if isinstance(v, float) else f"{v:,}" for v in values)])
    return Table(["measure", *quality], rows, caption="Measurements of the synthetic corpora")


def _sources_table(inputs: Inputs, manifest: CorpusManifest) -> Table:
    """The sizes of the sources, without those that are a part of another."""
    rows: list[Row] = []
    for name, source in manifest.sources.items():
        if name in inputs.study.sources and inputs.study.sources[name].kept < 1:
            continue
        sizes = {split: part.sentences for split, part in source.splits.items()}
        rows.append([name, *(count_cell(sizes.get(split)) for split in ("train", "dev", "test"))])
    return Table(["source", "train", "dev", "test"], rows, caption="Sentences by source and split")


def leakage(inputs: Inputs) -> Section | Missing:
    """Sentences and surface forms that training text and test text share."""
    if not inputs.leakage:
        return Missing(LEAKAGE, command("leakage"))
    in_train, in_dev = 0, dict[str, int]()
    rows: list[Row] = []
    for name, found in inputs.leakage.items():
        training, _, test = name.partition(SEPARATOR)
        forms = [f"{found.seen[label]:.1%}" if label in found.seen else EMPTY for label in LABELS]
        rows.append([training, test, count_cell(len(found.sentences)), *forms])
        if not training.endswith("dev.spacy"):
            in_train += len(found.sentences)
        elif found.sentences:
            in_dev[test] = max(in_dev.get(test, 0), len(found.sentences))
    text = (
        f"Sentences of a test split that a training split also has, exactly or nearly: {in_train:,}. "
        f"Pairs of files compared: {len(rows):,}."
    )
    if in_dev:
        said = ", ".join(f"{count:,} of {test}" for test, count in in_dev.items())
        text += f" Dev splits, which only choose the best epoch, have {said}."
    columns = ["training data", "test data", "sentences", *(f"{label} forms" for label in LABELS)]
    caption = "Shared sentences, and the share of the test split's surface forms that occur in the training data"
    table = Table(columns, rows, text=(0, 1), caption=caption)
    return Section("leakage", LEAKAGE, [Paragraph(text), Fold("All comparisons", [table])])
