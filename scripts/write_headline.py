"""Write what README and docs/results.md quote of committed metrics: a table, answers, advice."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medner.command_line import ROOT, good, new_app, note_left_out, step
from medner.data.labels import load_scheme
from medner.files import read_text, write_text
from medner.report.inputs import read_inputs
from medner.report.quotes import quote
from medner.study import load_study

app = new_app()


@app.command(epilog="Example: python scripts/write_headline.py metrics/reference/mirror README.md")
@step
def main(
    metrics: Annotated[Path, typer.Argument(help="Folder that holds the experiments' metrics.")],
    document: Annotated[Path, typer.Argument(help="Markdown file with places for what it quotes.")],
) -> None:
    """Put the scores and the answers to the study's questions into DOCUMENT, between the comments that name METRICS."""
    study = load_study(ROOT / "configs" / "experiments.yml")
    scheme = load_scheme(ROOT / "configs" / "labels.yml")
    inputs = read_inputs(metrics, ROOT / "corpus", study, scheme, ROOT / "project.yml")
    note_left_out(inputs.left_out)
    write_text(document, quote(read_text(document), inputs, metrics.as_posix(), document))
    good(f"Wrote what {document} quotes of {metrics}")


if __name__ == "__main__":
    app()
