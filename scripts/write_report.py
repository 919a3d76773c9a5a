"""Write the report of all evaluated experiments: a page, the same in Markdown, and slides."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medner.command_line import ROOT, good, new_app, note, note_left_out, step
from medner.data.labels import load_scheme
from medner.names import Folder
from medner.report.inputs import read_inputs
from medner.report.pages import write_report
from medner.study import load_study

app = new_app()


@app.command(epilog="Example: python scripts/write_report.py --metrics metrics --output metrics/report")
@step
def main(
    metrics: Annotated[Path, typer.Option(help="Folder that holds the experiments' metrics.")] = ROOT / "metrics",
    corpus: Annotated[Path, typer.Option(help="Folder of the corpus step.")] = ROOT / "corpus",
    output: Annotated[str, typer.Option(help="Folder to write (replaced as a whole); empty: METRICS/report.")] = "",
) -> None:
    """Write index.html, report.md and slides.html. What was not run yet is left out, and said so with its command."""
    study = load_study(ROOT / "configs" / "experiments.yml")
    scheme = load_scheme(ROOT / "configs" / "labels.yml")
    folder = Path(output) if output else metrics / Folder.REPORT
    inputs = read_inputs(metrics, corpus, study, scheme, ROOT / "project.yml")
    note_left_out(inputs.left_out)
    missing = write_report(inputs, folder)
    for part in missing:
        note(f"Left out: {part.title}: {part.remedy.replace('`', '')}")
    good(f"Wrote {folder / 'index.html'}, report.md and slides.html")


if __name__ == "__main__":
    app()
