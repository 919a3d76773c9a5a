"""Write annotated sentences with a language model."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Annotated, Literal

import typer
from asking import (
    SETTINGS,
    BaseUrl,
    Batch,
    BudgetUSD,
    Concurrency,
    ModelName,
    Seed,
    Settings,
    Temperature,
    Timeout,
    carry_out,
    check_access,
    check_spending,
    model_of,
    opened,
)

from medner.command_line import good, new_app, note, step
from medner.data.readers.synthetic import read_synthetic
from medner.data.records import Tally
from medner.exceptions import InputError
from medner.generation.batch import pending
from medner.generation.config import load_language
from medner.generation.ledger import Ledger
from medner.generation.run import Model
from medner.generation.writing import Writing

app = new_app()


def show_plan(work: Writing, model: Model, output: Path, *, batch: bool) -> None:
    """Print what would be asked and what it would cost; nothing is written."""
    records = list(read_synthetic(output, Tally())) if output.exists() and output.stat().st_size else []
    tasks = work.plan(records, 1)
    typer.echo(f"{len(records):,} sentences are there; {sum(len(t.briefs) for t in tasks):,} to ask for")
    for attribute in ("specialty", "genre", "register", "density"):
        counts: Counter[str] = Counter()
        for task in tasks:
            counts[getattr(task.cell, attribute)] += len(task.briefs)
        typer.echo(f"{attribute}: " + ", ".join(f"{value} {count}" for value, count in counts.most_common()))
    bodies = [model.body(work, task) for task in tasks]
    typical = [model.typical_tokens(body) for body in bodies]
    inputs, outputs = sum(t[0] for t in typical), sum(t[1] for t in typical)
    cost = model.cost(inputs, outputs, batch=batch)
    if cost is None:
        note(f"{model.name} is not in prices.yml: cost unknown. About {inputs:,} input, {outputs:,} output tokens.")
    else:
        worst = sum(model.worst_cost(body, batch=batch) for body in bodies)
        typer.echo(
            f"{len(tasks):,} requests, about {inputs:,} input and {outputs:,} output tokens: about ${cost:.2f}, "
            f"at most ${worst:.2f} without retries; sentences that are rejected are asked for anew on top"
        )


@app.command(epilog="Example: python scripts/generate.py ro out/ro.jsonl --n 500 --model gpt-4.1-mini --budget 2")
@step
def main(
    lang: Annotated[str, typer.Argument(help="Language: a file of configs/generation, e.g. ro.")],
    output: Annotated[Path, typer.Argument(help="JSONL file to write or to continue.")],
    n: Annotated[int, typer.Option("--n", min=1, help="Sentences that the output shall hold in the end.")] = 100,
    model: ModelName = "gpt-4.1-mini",
    split: Annotated[
        Literal["train", "dev", "test"], typer.Option(help="Split whose pool entries are used; no other's may occur.")
    ] = "train",
    seed: Seed = 0,
    temperature: Temperature = None,
    base_url: BaseUrl = "",
    concurrency: Concurrency = 8,
    budget: BudgetUSD = None,
    timeout: Timeout = 120,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show plan and cost; ask for nothing.")] = False,
    batch: Batch = False,
    settings: Settings = SETTINGS,
) -> None:
    """Write annotated sentences for LANG into OUTPUT until it holds --n; killed or stopped, it continues.

    The key is read from OPENAI_API_KEY. Beside OUTPUT, .asked.jsonl keeps every attempt, .answers.jsonl every answer
    paid for and .rejects.jsonl what was refused and why: keep them, they are what a later run continues from.
    """
    language = load_language(lang, settings)
    chosen = model_of(model, settings, temperature=temperature, seed=seed, budget=budget)
    if dry_run:
        show_plan(Writing(language, [], output, size=n, split=split, seed=seed), chosen, output, batch=batch)
        return
    check_access(base_url, output)
    with closing(Ledger(output)) as ledger:
        opened(ledger)
        check_spending(ledger, budget)
        out = pending(output)
        asked = [answer.task for answer in ledger.answers] + (out.tasks if out else [])
        work = Writing(language, ledger.records, output, asked=asked, size=n, split=split, seed=seed)
        within = carry_out(
            work,
            ledger,
            chosen,
            n,
            base_url=base_url,
            timeout=timeout,
            concurrency=concurrency,
            budget=budget,
            batch=batch,
        )
        if not within:
            what = (
                f"the budget of ${budget} allows no further request; {len(ledger.records)} of {n} sentences are there"
            )
            raise InputError(what, path=output, remedy="Raise --budget and run the command again")
        if len(ledger.records) >= n:
            good(f"{output} holds {len(ledger.records):,} sentences")


if __name__ == "__main__":
    app()
