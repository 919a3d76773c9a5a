"""Annotate given text with a language model, zero-shot: the baseline for trained pipelines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medner.command_line import ROOT, good, new_app, note, step
from medner.exceptions import InputError
from medner.generation import asking
from medner.generation.annotating import Annotating
from medner.generation.config import load_language

app = new_app()


@app.command(epilog="Example: python scripts/annotate_llm.py letters.txt out/letters.jsonl ro --model gpt-4.1-mini")
@step
def main(
    textfile: Annotated[Path, typer.Argument(help="Text file, UTF-8, one text a line; or a DocBin file (.spacy).")],
    output: Annotated[Path, typer.Argument(help="JSONL file to write or to continue.")],
    lang: Annotated[str, typer.Argument(help="Language: a file of configs/generation, e.g. ro.")],
    model: asking.ModelName = "gpt-4.1-mini",
    seed: asking.Seed = 0,
    temperature: asking.Temperature = None,
    base_url: asking.BaseUrl = "",
    concurrency: asking.Concurrency = 8,
    budget: asking.BudgetUSD = None,
    timeout: asking.Timeout = 120,
    batch: asking.Batch = False,
    settings: asking.Settings = ROOT / "configs" / "generation",
) -> None:
    """Label every text of TEXTFILE. An answer that does not repeat the text exactly is rejected and counted.

    The texts leave this machine for the server at --base-url. Do not send patient data to a server that may not have
    it. Run again, the command continues, and asks again for rejected texts. Records come in the order of the answers;
    their ids hold the line. scripts/evaluate_llm.py scores the labels of a corpus file (corpus/SOURCE/test.spacy).
    """
    language = load_language(lang, settings)
    chosen = asking.load_model(model, settings, temperature=temperature, seed=seed, budget=budget)
    how = asking.How(base_url, timeout, concurrency, budget, batch)
    with asking.open_ledger(output, how) as ledger:
        work = Annotating(language, textfile, ledger)
        total = len(ledger.records) + len(work.tasks(ledger))
        if not asking.carry_out(work, ledger, chosen, how, total):
            return
        if not ledger.records:
            remedy = "Read the rejects file; run the command again to ask again"
            raise InputError("no answer was usable", path=output, remedy=remedy)
        good(f"{output} holds {len(ledger.records):,} annotated texts")
        if left := len(work.texts) - len(ledger.records):
            note(f"{left:,} texts have no usable answer. Run the command again to ask again.")


if __name__ == "__main__":
    app()
