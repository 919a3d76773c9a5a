"""Sentences per second: RONEC's JSON to DocBin by the project, beside `spacy convert` on the same sentences in IOB.

Both run in this process, in turn, several times; the project's side checks the file, maps the labels, trims persons to
their names and tokenises the raw text, while `spacy convert` keeps the given tokens and labels.

Example: python benchmarks/conversion.py assets/fetched/ronec/test.json
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from spacy.cli.convert import convert as spacy_convert
from spacy.tokens import DocBin

from medner.command_line import ROOT
from medner.data.build import convert
from medner.data.labels import NameLexicon, load_scheme, map_record
from medner.data.readers.ronec import read_ronec
from medner.data.records import Part, Tally
from medner.data.tokenizer import blank
from medner.files import read_text


def seconds(work: Callable[[], int], rounds: int) -> tuple[list[float], int]:
    times, count = [], 0
    for _ in range(rounds):
        start = time.perf_counter()
        count = work()
        times.append(time.perf_counter() - start)
    return times, count


def main(
    path: Annotated[Path, typer.Argument(help="A RONEC v2 file, plain or gzipped.")] = ROOT
    / "assets/sample/train.json",
    rounds: Annotated[int, typer.Option(help="Counted rounds of each side.")] = 5,
) -> None:
    """Print both sides and their ratio."""
    scheme = load_scheme(ROOT / "configs" / "labels.yml")
    labels = scheme.corpus("ronec")

    def ours() -> int:
        tally = Tally()
        read = list(read_ronec(path, tally))
        lexicon = NameLexicon(scheme.titles, scheme.particles).learn(read)
        part = Part([map_record(record, labels, tally, path=path, lexicon=lexicon) for record in read], tally)
        docbin, stats = convert(blank(), part, "ronec")
        docbin.to_bytes()
        return stats.sentences

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "ronec.iob"
        items = json.loads(read_text(path))
        # One sentence a line, token|tag; a token that holds the separator gets another sign.
        rows = (
            " ".join(
                f"{t.replace('|', '/').replace(' ', '_')}|{n}" for t, n in zip(i["tokens"], i["ner_tags"], strict=True)
            )
            for i in items
        )
        source.write_text("\n".join(rows) + "\n", encoding="utf-8")

        def theirs() -> int:
            spacy_convert(source, Path(folder), file_type="spacy", converter="iob", n_sents=1, lang="ro", silent=True)
            return len(DocBin().from_disk(Path(folder) / "ronec.spacy"))

        ours(), theirs()  # warm up
        (a, n), (b, m) = seconds(ours, rounds), seconds(theirs, rounds)
    for name, times, count in (("medner", a, n), ("spacy convert", b, m)):
        middle = statistics.median(times)
        spread = f"(median of {rounds}, {min(times):.2f}-{max(times):.2f} s)"
        print(f"{name:14} {count:6,} sentences  {count / middle:8,.0f} sentences/s  {spread}")
    print(f"ratio          {statistics.median(b) / statistics.median(a):.2f} (above 1: medner is faster)")


if __name__ == "__main__":
    typer.run(main)
