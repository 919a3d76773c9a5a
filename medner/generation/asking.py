"""What the two commands that ask a language model have in common: options, progress, the final table."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import aclosing, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from medner.command_line import good, note
from medner.exceptions import InputError
from medner.generation.batch import Submission, collect, find, pending, submission_path, submit
from medner.generation.client import Client, access
from medner.generation.config import known_price, load_prices
from medner.generation.ledger import Ledger
from medner.generation.run import Model, Run, Work, judge

ModelName = Annotated[str, typer.Option("--model", help="Model, as the server names it.")]
BaseUrl = Annotated[
    str, typer.Option("--base-url", help="Any OpenAI-compatible server, e.g. http://127.0.0.1:8000/v1.")
]
Concurrency = Annotated[int, typer.Option(min=1, help="Requests at the same time.")]
BudgetUSD = Annotated[
    float | None, typer.Option("--budget", min=0, help="USD that the output may cost at most, over all runs.")
]
Batch = Annotated[bool, typer.Option("--batch", help="Use the Batch API: submit, leave, come back.")]
Timeout = Annotated[float, typer.Option(min=0.1, help="Seconds to wait for one answer, until its last byte.")]
Temperature = Annotated[
    float | None, typer.Option(min=0, max=2, help="Sampling temperature. Default: the model's own.")
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of the plan and, if the server supports it, of the model.")]
Settings = Annotated[Path, typer.Option("--settings", help="Folder with <lang>.yml and prices.yml.")]


@dataclass(frozen=True)
class How:
    """How to ask: the options of the same names."""

    base_url: str
    timeout: float
    concurrency: int
    budget: float | None
    batch: bool


def load_model(name: str, settings: Path, *, temperature: float | None, seed: int, budget: float | None) -> Model:
    """The model with its price. Raises InputError if a budget is given and the price is unknown."""
    path = settings / "prices.yml"
    prices = load_prices(path)
    price = prices.get(name) if budget is None else known_price(name, prices, path)
    return Model(name, price, temperature, seed)


@contextmanager
def open_ledger(output: Path, how: How) -> Iterator[Ledger]:
    """The ledger of an output; says what a crash had torn.

    Raises InputError for a new output without a usable key and address, before anything is written (a finished output
    needs neither), and if there is a budget and earlier answers have no known cost.
    """
    if not output.exists():
        access(how.base_url)
    with closing(Ledger(output)) as ledger:
        for path in ledger.torn:
            note(f"{path}: a crash had torn the last line. It was removed.")
        if how.budget is not None and (unpriced := ledger.unpriced()):
            what = f"{len(unpriced)} earlier answers of model {unpriced[0].model!r} have no known cost"
            raise InputError(what, path=output, remedy="Leave --budget out, or choose another output")
        yield ledger


def carry_out(work: Work, ledger: Ledger, model: Model, how: How, total: int) -> bool:
    """Judge what is there, ask for what is missing and report; False while a batch job is under way.

    total: accepted records at the end. Raises InputError if the budget ends it, if a batch job is not collected and
    ``how`` says no batch, and what :class:`Run` and :mod:`batch` raise.
    """
    output = ledger.output.path
    complete = True
    try:
        for answer in ledger.answers:
            model.learn(work, answer)
        judge(work, ledger, ledger.answers)
        if how.batch:
            complete = asyncio.run(_by_batch(work, ledger, model, how, total))
        elif pending(output):
            remedy = "Add --batch to collect it, or remove this file to give it up"
            raise InputError("a batch job is not collected yet", path=submission_path(output), remedy=remedy)
        elif work.tasks(ledger) and not _at_once(work, ledger, model, how, total):
            raise _used_up(ledger, how, total)
    finally:
        report(ledger, how.budget)
    return complete


def _used_up(ledger: Ledger, how: How, total: int) -> InputError:
    what = f"the budget of ${how.budget} allows no further request; {len(ledger.records)} of {total} records are there"
    return InputError(what, path=ledger.output.path, remedy="Raise --budget and run the command again")


def _at_once(work: Work, ledger: Ledger, model: Model, how: How, total: int) -> bool:
    """A :class:`Run` to its end, with a progress bar; False if the budget ended it."""
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

        async def ask() -> bool:
            limit, concurrency = how.budget, how.concurrency
            async with aclosing(Client(how.base_url, timeout=how.timeout, say=note)) as client:
                run = Run(work, ledger, client, model, concurrency=concurrency, limit=limit, on_change=update)
                return await run.to_the_end()

        update()
        return asyncio.run(ask())


async def _by_batch(work: Work, ledger: Ledger, model: Model, how: How, total: int) -> bool:
    """Collect the job that is out; once it has ended, submit what is still missing. True if nothing is."""
    async with aclosing(Client(how.base_url, timeout=how.timeout, say=note)) as client:
        if (submission := pending(ledger.output.path)) and not await _collected(
            client, work, ledger, model, submission
        ):
            return False
        if not (tasks := work.tasks(ledger)):
            return True
        new = await submit(client, work, model, tasks, ledger, how.budget)
        if new is None:
            raise _used_up(ledger, how, total)
        good(f"Submitted {len(new.tasks):,} requests as batch job {new.job}. Run the same command later to collect.")
        return False


async def _collected(client: Client, work: Work, ledger: Ledger, model: Model, submission: Submission) -> bool:
    """Collect a job and judge its answers; False while it is under way."""
    job = await find(client, submission, ledger.output.path)
    if job is None:
        return True
    try:
        unanswered = await collect(client, work, model, submission, job, ledger)
    finally:
        judge(work, ledger, ledger.answers)
    if unanswered is None:
        done = " ({} of {} done)".format(*job.counts) if job.counts else ""
        note(f"Batch job {job.id}: {job.status}{done}. Run the same command later.")
        return False
    if unanswered:
        note(f"Batch job {job.id} has {job.status}. {unanswered} requests without an answer are asked again.")
    elif not {record.meta.get("request") for record in ledger.records} & {task["number"] for task in submission.tasks}:
        remedy = "Read the rejects file; run the command again to ask again"
        raise InputError(f"no answer of batch job {job.id} was accepted", path=ledger.output.path, remedy=remedy)
    return True


def cost_of(ledger: Ledger) -> str:
    """The cost of the output so far, over all runs."""
    unknown = len(ledger.unpriced())
    return f"${ledger.spent():.4f}" + (f" and {unknown} answers of unknown cost" if unknown else "")


def report(ledger: Ledger, budget: float | None) -> None:
    """Print the table of all answers of the output, and the cost."""
    faults = Counter(answer.fault for answer in ledger.answers if answer.fault)
    rows = [("accepted", len(ledger.records)), *((f"rejected: {r}", n) for r, n in ledger.reasons.most_common())]
    rows += [(f"failed, perhaps billed: {reason}", count) for reason, count in faults.most_common()]
    for name, count in rows:
        typer.echo(f"{count:>8,}  {name}")
    tokens = ledger.tokens()
    typer.echo(f"{tokens[0]:,} input and {tokens[1]:,} output tokens, {cost_of(ledger)}, over all runs")
    if budget is not None and ledger.spent() > budget:
        note(f"The budget of ${budget} is exceeded: answers were longer than the limit that was asked for.")
