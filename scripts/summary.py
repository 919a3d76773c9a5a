"""Print and write the table of all evaluated experiments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import srsly
import typer
from steps import ROOT, good, new_app, step

from medner.exceptions import InputError
from medner.files import read_text, write_text
from medner.plan import load_plan
from medner.summary import summarise

app = new_app()


@app.command(epilog="Example: python scripts/summary.py")
@step
def main(
    metrics: Annotated[Path, typer.Option(help="Folder that holds the experiments' metrics.")] = ROOT / "metrics",
) -> None:
    """Write metrics/summary.md and metrics/summary.json from metrics/*/scores.json, and print the table."""
    plan = load_plan(ROOT / "configs" / "experiments.yml")
    results = {
        name: srsly.json_loads(read_text(metrics / name / "scores.json"))
        for name in plan.experiments
        if (metrics / name / "scores.json").is_file()
    }
    if not results:
        raise InputError("no evaluated experiment", path=metrics, remedy="Run an evaluate step first")
    text = summarise(results, plan.suites)
    write_text(metrics / "summary.md", text)
    write_text(metrics / "summary.json", srsly.json_dumps(results, indent=2) + "\n")
    typer.echo(text)
    good(f"Wrote {metrics / 'summary.md'}")


if __name__ == "__main__":
    app()
