"""Turn hand-written sentences with inline markup into the JSON Lines of a synthetic corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import srsly
import typer

from medner.command_line import ROOT, good, new_app, note, step
from medner.data.labels import load_scheme
from medner.data.offsets import inside_tokens
from medner.data.readers.marked import read_marked
from medner.data.tokenizer import blank
from medner.exceptions import InputError
from medner.files import write_text
from medner.names import check_language

app = new_app()


@app.command(epilog="Example: python scripts/convert_marked.py it train.txt assets/synthetic/it/train.jsonl")
@step
def main(
    lang: Annotated[str, typer.Argument(help="Language of the sentences, such as it.")],
    textfile: Annotated[Path, typer.Argument(help="Text file, UTF-8, one sentence a line.")],
    output: Annotated[Path, typer.Argument(help="JSONL file to write; it must not exist yet.")],
) -> None:
    """Convert every sentence of TEXTFILE to a JSONL record. Mark mentions like this: Ha <MEDICAL>asma</MEDICAL>."""
    if output.exists():
        raise InputError("already exists", path=output, remedy="Name another file, or remove it")
    records = read_marked(
        textfile, check_language(lang), output.stem, load_scheme(ROOT / "configs" / "labels.yml").labels
    )
    rows = [record.as_dict() for record in records]
    write_text(output, "".join(f"{srsly.json_dumps(row)}\n" for row in rows))
    mentions = sum(len(record.entities) for record in records)
    if inside := inside_tokens(blank(), records):
        record, first = inside[0]
        where = f"the first is {record.surface(first)!r} in {record.id}"
        note(f"Mentions that start or end inside a word: {len(inside):,}; {where}.")
    good(f"Wrote {output}: {len(records):,} sentences with {mentions:,} mentions")


if __name__ == "__main__":
    app()
