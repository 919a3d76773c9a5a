"""Score a language model's labels on the test suites, as a trained pipeline is scored."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medner.command_line import ROOT, good, new_app, note, show, step
from medner.data.docbins import read_docbin
from medner.data.manifests import read_manifest
from medner.data.tokenizer import blank
from medner.evaluation.results import SCORES, write_run
from medner.evaluation.zero_shot import provenance, read_labels
from medner.exceptions import InputError
from medner.files import new_folder
from medner.model.prediction import describe_tests
from medner.report.summary import run_table
from medner.study import load_study

app = new_app()
EXPERIMENT = load_study(ROOT / "configs" / "experiments.yml").zero_shot[0]


@app.command(epilog="Example: python scripts/evaluate_llm.py out/llm")
@step
def main(
    folder: Annotated[Path, typer.Argument(help="Folder with SOURCE.jsonl, the labels of corpus/SOURCE/test.spacy.")],
    output: Annotated[Path, typer.Option(help="Folder to write.")] = ROOT / "metrics" / EXPERIMENT,
    corpus: Annotated[Path, typer.Option(help="Folder of the corpus step.")] = ROOT / "corpus",
) -> None:
    """Write metrics/llm/scores.json and SUITE.predictions.jsonl from what scripts/annotate_llm.py wrote.

    Suites of which FOLDER has no labels are skipped. A text without a usable answer counts as one without mentions.
    The significance, summary and report steps then set the language model beside the trained pipelines.
    """
    manifest = read_manifest(corpus)
    tests = describe_tests(corpus, manifest)
    found = [source for source in tests if (folder / f"{source}.jsonl").is_file()]
    if not found:
        remedy = (
            f"Label a test file first: python scripts/annotate_llm.py {corpus}/SOURCE/test.spacy {folder}/SOURCE.jsonl"
        )
        raise InputError(f"has labels of none of {', '.join(tests)}", path=folder, remedy=remedy)
    nlp = blank()
    labels = {
        source: read_labels(folder / f"{source}.jsonl", source, read_docbin(corpus / source / "test.spacy", nlp), nlp)
        for source in found
    }
    suites, skipped = {}, dict(manifest.skipped)
    for suite, sources in manifest.suites.items():
        if set(sources) <= set(found):
            suites[suite] = [one for source in sources for one in labels[source].predictions]
        else:
            skipped[suite] = f"no labels of {', '.join(source for source in sources if source not in found)}"
    with new_folder(output, sign=SCORES) as written:
        about = provenance(EXPERIMENT, labels, manifest.persons)
        scores = write_run(written, about, {s: tests[s] for s in found}, skipped, suites, set())
    for source, own in labels.items():
        if own.unusable:
            note(f"{source}: {own.unusable:,} of {len(own.predictions):,} texts have no usable answer.")
    show(run_table(scores))
    good(f"Evaluated {about.encoder.name} on {', '.join(scores.suites)}")


if __name__ == "__main__":
    app()
