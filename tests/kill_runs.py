"""Run scripts/generate.py many times and kill it (SIGKILL) at random moments of its work; prints how often.

A process of its own without threads, so that it can fork: the runs start with everything imported, and most of their
time is work that a kill can interrupt. Arguments: address of the server, output, number of kills, options of the runs.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

import generate

from medner.data.tokenizer import blank
from medner.generation.gates import _identifier

MOST_RUNS = 100


def run(arguments: list[str]) -> int:
    """Start a run in a process of its own; its id."""
    child = os.fork()
    if child:
        return child
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        generate.app(arguments, standalone_mode=False)
        os._exit(0)
    finally:
        os._exit(1)


def held(path: Path) -> int:
    """Lines that a file holds."""
    return path.read_bytes().count(b"\n") if path.exists() else 0


def main(url: str, output: str, kills: int, options: list[str]) -> None:
    _identifier()  # what takes seconds to load is loaded once, for all runs
    blank()
    moment = random.Random(1)
    answers, note = Path(output + ".answers.jsonl"), Path(output + ".batch.json")
    killed, seconds = 0, 0.0

    def start(more: int) -> int:
        n = str(max(1, held(Path(output)) + more))
        return run(["ro", output, "--n", n, "--base-url", url, "--concurrency", "3", "--timeout", "5", *options])

    if options:
        seconds = time.monotonic()
        os.waitpid(start(60), 0)
        seconds = 1.2 * (time.monotonic() - seconds)
    for _ in range(MOST_RUNS):
        if killed == kills:
            break
        wanted = held(answers) + moment.randint(2, 6)
        child = start(60)
        if options:  # batch jobs: any moment of a run
            time.sleep(moment.uniform(0, seconds))
        while not options and held(answers) < wanted and not _ended(child):
            time.sleep(0.005)  # until it is at work
        time.sleep(moment.uniform(0, 0.1))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        killed += os.WIFSIGNALED(status)
    codes = [1]
    while len(codes) < 6 and (codes[-1] or note.exists()):
        _, status = os.waitpid(start(0 if note.exists() else 8), 0)
        codes.append(os.waitstatus_to_exitcode(status))
    sys.stdout.write(f"{killed} {codes[-1]}\n")


def _ended(child: int) -> bool:
    return os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:])
