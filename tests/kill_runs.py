"""Run scripts/generate.py many times and kill it (SIGKILL) at random moments of its work; prints how often.

A process of its own without threads, so that it can fork: the runs start with everything imported, and most of their
time is work that a kill can interrupt. Arguments: address of the server, output, number of kills.
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


def main(url: str, output: str, kills: int) -> None:
    _identifier()  # what takes seconds to load is loaded once, for all runs
    blank()
    moment = random.Random(1)
    answers = Path(output + ".answers.jsonl")
    killed = 0
    for _ in range(MOST_RUNS):
        if killed == kills:
            break
        before = held(answers)
        n = held(Path(output)) + 60
        child = run(["ro", output, "--n", str(n), "--base-url", url, "--concurrency", "3", "--timeout", "5"])
        wanted = before + moment.randint(2, 6)
        while held(answers) < wanted and not os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            time.sleep(0.005)  # until it is at work
        time.sleep(moment.uniform(0, 0.1))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        killed += os.WIFSIGNALED(status)
    child = run(["ro", output, "--n", str(held(Path(output)) + 8), "--base-url", url, "--timeout", "5"])
    _, status = os.waitpid(child, 0)
    sys.stdout.write(f"{killed} {os.waitstatus_to_exitcode(status)}\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
