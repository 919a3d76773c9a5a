"""`medner annotate` on many short texts, on one long one, and with one and two processes: time and memory.

Memory is that of all its processes (resident set, so what they share counts for each), every second. It is printed by
tenths of the run: flat means that it does not grow with the input.

Example: python benchmarks/annotate_files.py training/exp3/model-best corpus/ronec corpus/simonero corpus/e3c
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import spacy
import typer

from medner.command_line import step
from medner.data.docbins import read_docbin
from medner.exceptions import InputError

WORDS = 8  # of a short text
RUNS = ("short", "processes", "long")
RUNS_HELP = f"Runs to make, with commas: {', '.join(RUNS)} (the short texts with two processes as well)."


def short_texts(path: Path, sentences: Sequence[str], number: int) -> int:
    """Write texts of a few words; returns how many words they have. No two are the same."""
    draw, words = random.Random(0), 0
    with path.open("w", encoding="utf-8") as file:
        for place in range(number):
            chosen = draw.choice(sentences).split()
            start = draw.randint(0, max(0, len(chosen) - WORDS))
            text = [*chosen[start : start + WORDS], str(place)]
            words += len(text)
            file.write(json.dumps({"id": place, "text": " ".join(text)}, ensure_ascii=False) + "\n")
    return words


def long_text(path: Path, sentences: Sequence[str], characters: int) -> int:
    """Write one text of lines and sentences; returns how many words it has."""
    draw, words, size = random.Random(0), 0, 0
    with path.open("w", encoding="utf-8") as file:
        while size < characters:
            text = f"{draw.choice(sentences)} {size}" + draw.choice(["\n", " ", " "])
            words, size = words + len(text.split()), size + len(text)
            file.write(text)
    return words


def processes_of(parent: int) -> Iterator[int]:
    """A process and all below it."""
    yield parent
    for task in Path(f"/proc/{parent}/task").glob("*/children"):
        for child in task.read_text().split():
            yield from processes_of(int(child))


def resident(parent: int) -> float:
    """Memory of a process and all below it, in MB."""
    pages = 0
    for process in processes_of(parent):
        try:
            pages += int(Path(f"/proc/{process}/statm").read_text().split()[1])
        except OSError:  # it has just ended
            continue
    return pages * resource.getpagesize() / 1e6


def annotate(title: str, source: Path, model: Path, words: int, *options: str) -> float:
    """Run `medner annotate`, and print what it took; returns the elapsed seconds."""
    output = source.with_name("found.jsonl")
    code = "from medner.cli import app; app()"
    command = [sys.executable, "-c", code, "annotate", str(source), "--model", str(model), "--output", str(output)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start, memory = time.perf_counter(), [0.0]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as process:
        while process.poll() is None:
            memory.append(resident(process.pid))
            time.sleep(1)
        said = process.stdout.read() if process.stdout else ""
    if process.returncode:
        raise InputError(f"{title}: medner annotate failed", remedy="See its message above")
    elapsed, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    tenths = [memory[len(memory) * tenth // 10] for tenth in range(1, 10)]
    print(f"{title}: {source.stat().st_size / 1e6:.1f} MB, {words:,} words")
    print(f"  {elapsed:,.0f} s elapsed, {used:,.0f} s of processor time, {words / used:,.0f} words/s of processor time")
    print(f"  MB by tenths: {' '.join(f'{one:.0f}' for one in tenths)}; at most {max(memory):.0f}")
    print(f"  {said.strip().split(': ', 1)[-1]}", flush=True)
    return elapsed


@step
def main(
    model: Annotated[Path, typer.Argument(help="A saved pipeline.")],
    sources: Annotated[list[Path], typer.Argument(help="Folders with a test.spacy of the corpus step.")],
    only: Annotated[str, typer.Option(help=RUNS_HELP)] = ",".join(RUNS),
    texts: Annotated[int, typer.Option(help="Short texts.")] = 100_000,
    characters: Annotated[int, typer.Option(help="Characters of the long text.")] = 5_000_000,
) -> None:
    """Print time and memory of every run."""
    runs = only.split(",")
    nlp = spacy.blank("xx")
    sentences = [record.text for folder in sources for record in read_docbin(folder / "test.spacy", nlp)]
    with tempfile.TemporaryDirectory() as work:
        if "short" in runs or "processes" in runs:
            path = Path(work) / "short.jsonl"
            words = short_texts(path, sentences, texts)
            one = annotate(f"{texts:,} short texts, one process", path, model, words, "--processes", "1")
            if "processes" in runs:
                two = annotate("the same, two processes", path, model, words, "--processes", "2")
                print(f"two processes are {one / two:.2f} times as fast as one, loading included", flush=True)
        if "long" in runs:
            path = Path(work) / "long.txt"
            annotate("one long text", path, model, long_text(path, sentences, characters), "--processes", "1")


if __name__ == "__main__":
    typer.run(main)
