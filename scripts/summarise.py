"""Print and write the table of all evaluated experiments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medner.command_line import ROOT, good, new_app, note, note_left_out, step
from medner.evaluation.comparisons import FILE, Significance
from medner.evaluation.results import main_run, some_runs
from medner.files import read_text, write_text
from medner.outputs import read_output
from medner.report.summary import differences_table, insert, seeds_table, summarise
from medner.study import load_study

app = new_app()


@app.command(epilog="Example: python scripts/summarise.py")
@step
def main(
    metrics: Annotated[Path, typer.Option(help="Folder that holds the experiments' metrics.")] = ROOT / "metrics",
    name: Annotated[str, typer.Option(help="Name of the file to write.")] = "summary",
    insert_into: Annotated[str, typer.Option(help="Markdown file to put it into, shorter.")] = "",
) -> None:
    """Write metrics/NAME.md from the scores.json and significance.json there; print the tables."""
    study = load_study(ROOT / "configs" / "experiments.yml")
    runs, left_out = some_runs(metrics, study.experiments)
    results = {n: main_run(found, metrics).scores for n, found in runs.items()}
    # A document that quotes the results shows the study's steps in full, and of the other experiments their F1.
    shown = {n: result for n, result in results.items() if n in study.steps} if insert_into else results
    text = summarise(shown, study)
    if len(shown) < len(results) or any(len(found) > 1 for found in runs.values()):
        text += f"\n{seeds_table(runs, list(study.suites)).markdown()}"
    if (metrics / FILE).is_file():
        significance: Significance = read_output(metrics / FILE, Significance, "significance")
        comparisons = significance.current(runs)
        if stale := len(significance.comparisons) - len(comparisons):
            note(f"{stale} comparisons of earlier runs are left out: run the significance step again")
        if table := differences_table(comparisons, study):
            text += f"\n{table.markdown()}"
    note_left_out(left_out)
    if insert_into:
        document = Path(insert_into)
        text += f"\nAll experiments in full: [{name}.md]({metrics.as_posix()}/{name}.md)\n"
        write_text(document, insert(read_text(document), f"results of {metrics.as_posix()}", text, document))
        good(f"Wrote the table into {document}")
        return
    write_text(metrics / f"{name}.md", text)
    typer.echo(text)
    good(f"Wrote {metrics / name}.md")


if __name__ == "__main__":
    app()
