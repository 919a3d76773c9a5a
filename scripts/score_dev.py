"""Score the candidates for the recommended pipeline on dev text that they share; choose thresholds there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from medner.command_line import GPU_HELP, ROOT, good, new_app, note, show, step
from medner.data.manifests import read_manifest
from medner.evaluation.dev import dev_parts, ranked, score_dev, scored_before
from medner.exceptions import InputError
from medner.model.arithmetic import choose_processor
from medner.model.pipelines import find_pipeline
from medner.names import Folder
from medner.outputs import write_output
from medner.report.recommendation import dev_table
from medner.study import load_study

app = new_app()


@app.command(epilog="Example: python scripts/score_dev.py exp3-bio exp4-bio")
@step
def main(
    experiments: Annotated[list[str] | None, typer.Argument(help="Experiments; none: all candidates.")] = None,
    gpu: Annotated[int, typer.Option(help=GPU_HELP)] = -1,
    corpus: Annotated[Path, typer.Option(help="Folder of the corpus step.")] = ROOT / "corpus",
    training: Annotated[Path, typer.Option(help="Folder of the trained pipelines.")] = ROOT / "training",
    metrics: Annotated[Path, typer.Option(help="Folder that holds the experiments' metrics.")] = ROOT / "metrics",
) -> None:
    """Write metrics/dev/EXPERIMENT.json of every candidate that is trained, and say which one is ahead.

    Scores of the same pipeline and dev text that are there already are not made again. `recommended` in
    configs/experiments.yml names the dev parts. Test text is not read.
    """
    study = load_study(ROOT / "configs" / "experiments.yml")
    parts = dev_parts(study, corpus, read_manifest(corpus))
    found = {name: find_pipeline(name, training) for name in experiments or study.candidates}
    if experiments and (missing := [name for name, pipeline in found.items() if pipeline is None]):
        raise InputError(f"{missing[0]} is not trained", remedy="Train it, or leave it out")
    choose_processor(gpu)
    scores = {}
    for name, pipeline in found.items():
        target = metrics / Folder.DEV / f"{name}.json"
        if pipeline and (before := scored_before(target, pipeline, parts)):
            scores[name] = before
        elif pipeline:
            scores[name] = score_dev(
                pipeline, corpus, parts, progress=lambda it, text, total: track(it, text, total, transient=True)
            )
            write_output(target, scores[name])
    if not scores:
        raise InputError("no candidate is trained", path=training, remedy="Train one first")
    show(dev_table(scores))
    best, wanted = ranked(scores)[0], study.recommended.pipeline if study.recommended else ""
    if wanted in scores and best != wanted:
        note(f"{best} is ahead on dev text of {wanted}, which configs/experiments.yml recommends")
    good(f"Scored {', '.join(scores)} on the dev parts of {', '.join(parts)}")


if __name__ == "__main__":
    app()
