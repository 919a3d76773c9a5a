"""Write the model card of the recommended pipeline from committed metrics, without the pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medner import __version__
from medner.command_line import ROOT, good, new_app, step
from medner.exceptions import InputError
from medner.files import write_text
from medner.model.provenance import pipeline_name
from medner.packaging.card import evaluated_subject, render
from medner.packaging.names import package_name, wheel_name
from medner.study import load_study

app = new_app()


@app.command(epilog="Example: python scripts/write_card.py metrics/reference/mirror docs/model-card.md")
@step
def main(
    metrics: Annotated[Path, typer.Argument(help="Folder that holds the experiments' metrics.")],
    document: Annotated[Path, typer.Argument(help="Markdown file to write.")],
) -> None:
    """Write the card that `medner package` puts into the wheel of the recommended pipeline."""
    study = load_study(ROOT / "configs" / "experiments.yml")
    if not study.recommended:
        raise InputError("recommends no pipeline", path="configs/experiments.yml", remedy="Add `recommended`")
    subject = evaluated_subject(study.recommended.pipeline, metrics, ROOT)
    package = package_name(subject.lang, pipeline_name(subject.name))
    card = render(subject, package, __version__, wheel_name(package, __version__), subject.licence)
    title, _, text = card.partition("\n")
    where = f"This is the card of the pipeline whose scores are in `{metrics}`. The pipeline itself is not published."
    write_text(document, f"{title}\n\n{where}\n{text}")
    good(f"Wrote {document}")


if __name__ == "__main__":
    app()
