"""``medner annotate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from medner.annotation.entities import Arithmetic
from medner.annotation.inputs import FORMATS as READ
from medner.annotation.inputs import Reading
from medner.annotation.journal import Annotated as Result
from medner.annotation.outputs import FORMATS as WRITTEN
from medner.annotation.run import Job, Size, run
from medner.command_line import DEFAULT_HELP, good, note
from medner.exceptions import InputError

WRAPPED = 0.3  # share of line breaks that a small letter follows, from which a note says that lines look wrapped


def annotate(
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT…", help="Files, folders, or - for standard input.")],
    output: Annotated[Path, typer.Option(help="File to write, or folder for brat. Its suffix names the format.")],
    model: Annotated[str, typer.Option(help=f"Experiment, folder or package; empty: {DEFAULT_HELP}.")] = "",
    to: Annotated[str, typer.Option(help=f"Format of the output: {', '.join(WRITTEN)}; with --ray also parquet.")] = "",
    format: Annotated[str, typer.Option("--from", help=f"Format of the input: {', '.join(READ.values())}.")] = "",
    lines: Annotated[bool, typer.Option("--lines", help="Read every line of a text file as a document.")] = False,
    field: Annotated[str, typer.Option(help="Key of the text in JSONL; column in Parquet.")] = "text",
    column: Annotated[str, typer.Option(help="Column of the text in CSV and TSV.")] = "text",
    encoding: Annotated[str, typer.Option(help="Encoding of the input, such as cp1250; auto guesses it.")] = "utf-8",
    wrapped: Annotated[bool, typer.Option("--wrapped", help="Read line breaks within a paragraph as spaces.")] = False,
    no_text: Annotated[bool, typer.Option("--no-text", help="Leave the documents' text out of JSONL.")] = False,
    labels: Annotated[str, typer.Option(help="Labels to keep, separated by commas; empty: all.")] = "",
    min_confidence: Annotated[float, typer.Option(min=0, max=1, help="Needs a pipeline with BIO tags.")] = 0.0,
    limit: Annotated[int | None, typer.Option(min=1, help="Annotate at most this many documents.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue a run that was interrupted.")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Skip bad documents, and list them.")] = False,
    arithmetic: Annotated[Arithmetic, typer.Option(help="int8: faster; some entities differ.")] = "auto",
    processes: Annotated[int, typer.Option(min=0, help="About 1 GB each; 0: one for each core.")] = 0,
    ray: Annotated[str, typer.Option(help="Use Ray (extra `ray`): local, auto, or a cluster's address.")] = "",
) -> None:
    """Find entities in texts, with a process on each core.

    Example: medner annotate notes/ --model exp3 --output found.jsonl
    """
    from medner.model.pipelines import default_pipeline, named_pipeline

    if not model:
        model = default_pipeline()
        note(f"Pipeline: {model}")
    model = named_pipeline(model)
    wanted = [label.strip() for label in labels.split(",") if label.strip()]
    for named, known in ((to, () if ray else WRITTEN), (format, READ.values())):
        if named and known and named not in known:
            raise InputError(f"{named!r} is not a known format", remedy=f"Give one of {', '.join(known)}")
    job = Job(
        inputs=inputs,
        model=model,
        output=output,
        reading=Reading(format, lines, field, column, encoding, wrapped),
        to=to,
        keep_text=not no_text,
        labels=wanted,
        min_confidence=min_confidence,
        limit=limit,
        resume=resume,
        skip_bad=skip_bad,
        arithmetic=arithmetic,
        processes=processes,
    )
    if ray:
        from medner.annotation.ray import annotate_on_ray

        good(f"{output}: {annotate_on_ray(job, ray):,} documents")
        return
    columns = (TextColumn("{task.fields[documents]:,} documents"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[rate]}"), transient=True) as bar:
        task = bar.add_task("", total=None, documents=0, rate="")

        def tick(one: Result, characters: int) -> None:
            done = bar.tasks[0].fields["documents"] + 1
            elapsed = bar.tasks[0].elapsed or 0.0
            rate = f"{done / elapsed:,.1f} documents/s" if elapsed else ""
            bar.update(task, advance=characters + 1, documents=done, rate=rate)

        def count(size: Size) -> None:
            bar.update(task, total=size.documents + size.characters)
            if size.empty:
                note(f"{len(size.empty):,} of {size.documents:,} documents are empty; the first is {size.empty[0]}")
            if size.continued > WRAPPED and not wrapped:
                note("The lines look wrapped at a fixed width, and no entity crosses a line break: consider --wrapped")

        summary = run(job, count=count, tick=tick)
    if summary.skipped:
        note(f"{len(summary.skipped)} skipped: {output}.skipped.txt says which, and why")
    if not summary.documents:
        raise InputError("no document could be read", path=output, remedy="Correct the input")
    counts = ", ".join(f"{count:,} {label}" for label, count in sorted(summary.entities.items())) or "no entity"
    good(f"{output}: {summary.documents:,} document{'s' if summary.documents > 1 else ''}, {counts}")
