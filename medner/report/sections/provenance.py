"""What the runs and the report were made with."""

from __future__ import annotations

import platform
from importlib.metadata import version

from medner.model.provenance import EncoderInfo
from medner.report.blocks import Fold, Items, Section
from medner.report.cells import command, count_cell
from medner.report.inputs import Inputs
from medner.tables import Cell, Row, Table

PACKAGES = ("spacy", "numpy", "scipy", "matplotlib", "jinja2")  # that make the report


def section(inputs: Inputs) -> Section:
    """Encoders, runs, commands and versions."""
    encoders, runs = _encoders_table(inputs), _runs_table(inputs)
    commands = [
        f"{command(name)}: {' → '.join(steps)}"
        for name, steps in inputs.workflows.items()
        if name not in inputs.study.experiments
    ]
    versions = Fold("Versions", _versions_tables(inputs))
    return Section(
        "provenance", "Provenance", [encoders, runs, Items(commands), versions],
        [("What it was made with", [encoders, Items(commands[:1])])],
    )  # fmt: skip


def _weights(encoder: EncoderInfo) -> str:
    if encoder.untrained:
        return "UNTRAINED"
    return "trained" if encoder.sha256 else "–"


def _encoders_table(inputs: Inputs) -> Table:
    users: dict[tuple[str | Cell, ...], list[str]] = {}
    for name, result in inputs.results.items():
        one = result.provenance.encoder
        key = (one.name, one.revision, _weights(one), one.sha256[:16], count_cell(one.parameters))
        users.setdefault(key, []).append(name)
    rows = [[*about, ", ".join(names), parameters] for (*about, parameters), names in users.items()]
    columns = ["encoder", "revision", "weights", "SHA-256", "experiments", "parameters"]
    return Table(columns, rows, text=range(5), caption="Encoders")


def _runs_table(inputs: Inputs) -> Table:
    rows: list[Row] = []
    for name, result in inputs.results.items():
        about = result.provenance
        sources = [f"{source} (STAND-IN)" if own.stand_in else source for source, own in about.sources.items()]
        numbers: Row = [count_cell(about.documents), count_cell(about.epochs), str(about.seed)]
        rows.append([name, "; ".join(sources) or "none", about.persons, *numbers])
    columns = ["experiment", "training data", "persons", "sentences", "epochs", "seed"]
    return Table(columns, rows, text=(0, 1, 2), caption="Main runs")


def _versions_tables(inputs: Inputs) -> list[Table]:
    users: dict[tuple[str, str], list[str]] = {}
    for name, result in inputs.results.items():
        for made_with in result.provenance.made_with.items():
            users.setdefault(made_with, []).append(name)
    rows = [[*made_with, ", ".join(names)] for made_with, names in users.items()]
    runs = Table(["what", "value", "experiments"], rows, text=range(3), caption="Runs made with")
    here = {"Python": platform.python_version(), **{name: version(name) for name in PACKAGES}}
    report = Table(["package", "version"], [*here.items()], text=(0, 1), caption="Report written with")
    return [runs, report] if rows else [report]
