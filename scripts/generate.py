"""Write annotated sentences with a language model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from medner.command_line import ROOT, good, new_app, step
from medner.generation import asking
from medner.generation.batch import pending
from medner.generation.config import load_language
from medner.generation.writing import Writing, read_output

app = new_app()


@app.command(epilog="Example: python scripts/generate.py ro out/ro.jsonl --n 500 --model gpt-4.1-mini --budget 2")
@step
def main(
    lang: Annotated[str, typer.Argument(help="Language: a file of configs/generation, e.g. ro.")],
    output: Annotated[Path, typer.Argument(help="JSONL file to write or to continue.")],
    n: Annotated[int, typer.Option("--n", min=1, help="Sentences in the output at the end.")] = 100,
    model: asking.ModelName = "gpt-4.1-mini",
    split: Annotated[
        Literal["train", "dev", "test"], typer.Option(help="Split whose pool entries are used; no other's may occur.")
    ] = "train",
    seed: asking.Seed = 0,
    temperature: asking.Temperature = None,
    base_url: asking.BaseUrl = "",
    concurrency: asking.Concurrency = 8,
    budget: asking.BudgetUSD = None,
    timeout: asking.Timeout = 120,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show plan and cost; ask for nothing.")] = False,
    batch: asking.Batch = False,
    settings: asking.Settings = ROOT / "configs" / "generation",
) -> None:
    """Write annotated sentences for LANG into OUTPUT until it holds --n; run again, it continues.

    The key is read from OPENAI_API_KEY. Beside OUTPUT, .asked.jsonl keeps every attempt, .answers.jsonl every answer
    and .rejects.jsonl what was rejected and why. Keep all three: a later run continues from them.
    """
    language = load_language(lang, settings)
    chosen = asking.load_model(model, settings, temperature=temperature, seed=seed, budget=budget)
    if dry_run:
        work = Writing(language, records := read_output(output), output, size=n, split=split, seed=seed)
        typer.echo("\n".join(work.summary(records, chosen, batch=batch)))
        return
    how = asking.How(base_url, timeout, concurrency, budget, batch)
    with asking.open_ledger(output, how) as ledger:
        out = pending(output)
        asked = [answer.task for answer in ledger.answers] + (out.tasks if out else [])
        work = Writing(language, ledger.records, output, asked=asked, size=n, split=split, seed=seed)
        if asking.carry_out(work, ledger, chosen, how, n):
            good(f"{output} holds {len(ledger.records):,} sentences")


if __name__ == "__main__":
    app()
