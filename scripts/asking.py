"""What the two command lines that ask a language model have in common: options, progress, the final table."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from medner.command_line import ROOT, good, note
from medner.exceptions import InputError
from medner.generation.batch import collect, find, pending, submission_path, submit
from medner.generation.client import Client, access
from medner.generation.config import known_price, load_prices
from medner.generation.ledger import Ledger
from medner.generation.run import Model, Run, Work, judge

SETTINGS = ROOT / "configs" / "generation"

ModelName = Annotated[str, typer.Option("--model", help="Model, as the server calls it.")]
BaseUrl = Annotated[
    str, typer.Option("--base-url", help="Any OpenAI-compatible server, e.g. http://127.0.0.1:8000/v1.")
]
Concurrency = Annotated[int, typer.Option(min=1, help="Requests at the same time.")]
BudgetUSD = Annotated[
    float | None, typer.Option("--budget", min=0, help="USD that the output may cost at most, over all runs.")
]
Batch = Annotated[bool, typer.Option("--batch", help="Use the Batch API: submit, leave, come back.")]
Timeout = Annotated[float, typer.Option(min=0.1, help="Seconds to wait for one answer.")]
Temperature = Annotated[
    float | None, typer.Option(min=0, max=2, help="Sampling temperature; left out: the model's own default.")
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the plan and, where the server knows one, of the model.")]
Settings = Annotated[Path, typer.Option("--settings", help="Folder with <lang>.yml and prices.yml.")]


def model_of(name: str, settings: Path, *, temperature: float | None, seed: int, budget: float | None) -> Model:
    """The model with its price. Raises InputError where a budget is given and the price is not known."""
    path = settings / "prices.yml"
    prices = load_prices(path)
    price = prices.get(name) if budget is None else known_price(name, prices, path)
    return Model(name, price, temperature, seed)


def check_spending(ledger: Ledger, budget: float | None) -> None:
    """Raises InputError where earlier answers of the output have no known cost, so that no budget can hold."""
    if budget is not None and (unpriced := ledger.unpriced()):
        what = f"{len(unpriced)} earlier answers of model {unpriced[0].model!r} have no known cost"
        raise InputError(what, path=ledger.output.path, remedy="Leave --budget out, or choose another output")


def check_access(base_url: str, output: Path) -> None:
    """Raises InputError for a bad key or address before anything is written; a finished output needs neither."""
    if not output.exists():
        access(base_url)


def opened(ledger: Ledger) -> None:
    """Tell what a crash had left behind."""
    for path in ledger.torn:
        note(f"{path}: a crash had torn the last line; it was cut off.")


def _ask_with_progress(
    work: Work, ledger: Ledger, model: Model, client: Client, total: int, concurrency: int, budget: float | None
) -> bool:
    """A ``Run`` to its end, with a progress bar; False when the budget ended it."""
    columns = (
        TextColumn("accepted {task.completed}/{task.total}"),
        BarColumn(),
        TextColumn("rejected {task.fields[rejected]}  {task.fields[cost]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, transient=True) as progress:
        bar = progress.add_task("", total=total, rejected=0, cost="")

        def update() -> None:
            rejected = ledger.reasons.total()
            progress.update(bar, completed=len(ledger.records), rejected=rejected, cost=cost_of(ledger))

        update()
        run = Run(work, ledger, client, model, concurrency=concurrency, limit=budget, on_change=update)
        return asyncio.run(run.to_the_end())


async def _by_batch(work: Work, ledger: Ledger, model: Model, client: Client, budget: float | None) -> None:
    """Collect the job that is out; when it is over, judge its answers and submit what is still missing."""
    output = ledger.output.path
    if submission := pending(output):
        job = await find(client, submission, output)
        if job is not None and not await collect(client, work, model, submission, job, ledger):
            counts = job.request_counts
            done = f" ({counts.completed} of {counts.total} done)" if counts else ""
            note(f"Batch job {job.id}: {job.status}{done}. Run the same command later.")
            return
        judge(work, ledger, ledger.answers)
    if tasks := work.tasks(ledger):
        new = await submit(client, work, model, tasks, ledger, budget)
        if new is None:
            raise InputError("the budget allows no further request", remedy="Raise --budget and run the command again")
        good(f"Submitted {len(new.tasks):,} requests as batch job {new.job}. Run the same command later to collect.")


def carry_out(
    work: Work,
    ledger: Ledger,
    model: Model,
    total: int,
    *,
    base_url: str,
    timeout: float,
    concurrency: int,
    budget: float | None,
    batch: bool,
) -> bool:
    """Judge what is there, ask for what is missing and tell what became of it all; False when the budget ended it.

    total: accepted records that there shall be in the end. Raises InputError where a batch job is out and none is
    asked for, and what asking raises.
    """
    judge(work, ledger, ledger.answers)
    output = ledger.output.path
    try:
        if batch:
            asyncio.run(_by_batch(work, ledger, model, Client(base_url, timeout=timeout), budget))
        elif pending(output):
            remedy = "Add --batch to collect it, or remove this file to give it up"
            raise InputError("a batch job is out", path=submission_path(output), remedy=remedy)
        elif work.tasks(ledger):
            client = Client(base_url, timeout=timeout)
            return _ask_with_progress(work, ledger, model, client, total, concurrency, budget)
        return True
    finally:
        report(ledger)


def cost_of(ledger: Ledger) -> str:
    """What the output has cost so far, over all runs."""
    unknown = len(ledger.unpriced())
    return f"${ledger.spent():.4f}" + (f" and {unknown} answers of unknown cost" if unknown else "")


def report(ledger: Ledger) -> None:
    """The table of what became of all answers of the output."""
    faults = Counter(answer.fault for answer in ledger.answers if answer.fault)
    rows = [("accepted", len(ledger.records)), *((f"rejected: {r}", n) for r, n in ledger.reasons.most_common())]
    rows += [(f"tried again, perhaps billed: {reason}", count) for reason, count in faults.most_common()]
    for name, count in rows:
        typer.echo(f"{count:>8,}  {name}")
    tokens = ledger.tokens()
    typer.echo(f"{tokens[0]:,} input and {tokens[1]:,} output tokens, {cost_of(ledger)}, all runs together")
