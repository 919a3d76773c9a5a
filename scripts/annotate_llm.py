"""Annotate given text with a language model, zero-shot: the baseline for trained pipelines."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

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

from medner.command_line import good, new_app, step
from medner.exceptions import InputError
from medner.generation.annotating import Annotating
from medner.generation.config import load_language
from medner.generation.ledger import Ledger

app = new_app()


@app.command(epilog="Example: python scripts/annotate_llm.py letters.txt out/letters.jsonl ro --model gpt-4.1-mini")
@step
def main(
    textfile: Annotated[
        Path, typer.Argument(help="Text file, UTF-8, one text a line; or a .spacy file of the corpus step.")
    ],
    output: Annotated[Path, typer.Argument(help="JSONL file to write or to continue.")],
    lang: Annotated[str, typer.Argument(help="Language: a file of configs/generation, e.g. ro.")],
    model: ModelName = "gpt-4.1-mini",
    seed: Seed = 0,
    temperature: Temperature = None,
    base_url: BaseUrl = "",
    concurrency: Concurrency = 8,
    budget: BudgetUSD = None,
    timeout: Timeout = 120,
    batch: Batch = False,
    settings: Settings = SETTINGS,
) -> None:
    """Label every text of TEXTFILE; an answer that does not repeat the text exactly is rejected and counted.

    Text leaves this machine for the server at --base-url: send no patient's data to one that may not have it.
    Killed or stopped, the same command continues. Records come in the order of the answers; their ids hold the line.
    The labels of a corpus file, such as corpus/simonero/test.spacy, are what scripts/evaluate_llm.py scores.
    """
    language = load_language(lang, settings)
    chosen = model_of(model, settings, temperature=temperature, seed=seed, budget=budget)
    check_access(base_url, output)
    with closing(Ledger(output)) as ledger:
        opened(ledger)
        check_spending(ledger, budget)
        work = Annotating(language, textfile, ledger)
        within = carry_out(
            work,
            ledger,
            chosen,
            len(ledger.records) + len(work.tasks(ledger)),
            base_url=base_url,
            timeout=timeout,
            concurrency=concurrency,
            budget=budget,
            batch=batch,
        )
        if not within:
            left = len(work.tasks(ledger))
            what = f"the budget of ${budget} allows no further request; {left} texts are left"
            raise InputError(what, path=output, remedy="Raise --budget and run the command again")
        if not work.tasks(ledger):
            good(f"{output} holds {len(ledger.records):,} annotated texts")


if __name__ == "__main__":
    app()
