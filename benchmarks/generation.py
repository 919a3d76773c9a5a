"""How fast scripts/generate.py works as its output grows, against a server on this machine.

Example: PYTHONPATH=scripts python benchmarks/generation.py 500 2000 8000 32000
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import random
import re
import tempfile
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated

import generate
import typer

from medner.command_line import ROOT
from medner.data.markup import render
from medner.data.overlap import NearDuplicates
from medner.data.readers.synthetic import read_synthetic
from medner.data.records import Record, Tally


def sentences() -> Iterator[str]:
    """Pairs of committed Romanian sentences about as long, in the markup, in a random order."""
    path = ROOT / "assets" / "synthetic" / "ro" / "train.jsonl"
    records = sorted(read_synthetic(path, Tally()), key=lambda record: len(record.text))
    pairs = list(itertools.chain.from_iterable(zip(records, records[n:], strict=False) for n in range(1, 80)))
    random.Random(0).shuffle(pairs)

    def marked(record: Record) -> str:
        return render(record.text, record.entities)

    return (f"{marked(one)} {marked(other)}" for one, other in pairs)


def serve(say: Connection, latency: float) -> None:
    """Answer chat completions; ``say`` gets the port."""
    source = sentences()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            wanted = re.match(r"Write (\d+) sentences", body["messages"][1]["content"])
            time.sleep(latency)
            content = json.dumps({"sentences": list(itertools.islice(source, int(wanted[1]) if wanted else 1))})
            choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
            usage = {"prompt_tokens": 1000, "completion_tokens": 200}
            data = json.dumps({"choices": [choice], "usage": usage}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    class Server(ThreadingHTTPServer):
        request_queue_size = 128

    server = Server(("127.0.0.1", 0), Handler)
    say.send(server.server_port)
    server.serve_forever()


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def gate(records: list[Record]) -> float:
    """CPU time, in milliseconds, to search for a near-duplicate of a new sentence among all others."""
    every = max(2, len(records) // 200)
    seen = NearDuplicates(record.text for number, record in enumerate(records) if number % every)
    start = time.process_time()
    for record in records[::every]:
        seen.find(record.text)
    return (time.process_time() - start) / len(records[::every]) * 1000


def main(
    sizes: Annotated[list[int], typer.Argument(help="Sentences in the output, one size after the other.")],
    latency: Annotated[float, typer.Option(help="Seconds that the server takes for an answer.")] = 0.0,
    concurrency: Annotated[int, typer.Option(help="Requests at the same time.")] = 32,
) -> None:
    """Print, for every size, what it took to get there from the one before."""
    here, there = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(there, latency), daemon=True)
    server.start()
    os.environ["OPENAI_API_KEY"] = "none"
    print("| sentences | requests a second | ideal | CPU a sentence, ms | near-duplicate search, ms |")
    print("| ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "ro.jsonl"
        answers, url = output.with_name("ro.jsonl.answers.jsonl"), f"http://127.0.0.1:{here.recv()}/v1"
        for size in (1, *sizes):  # the first loads what is slow to load
            start, busy = time.perf_counter(), time.process_time()
            asked, held = lines(answers), lines(output)
            options = ["--n", str(size), "--base-url", url, "--concurrency", str(concurrency)]
            generate.app(["ro", str(output), *options], standalone_mode=False)
            speed = (lines(answers) - asked) / (time.perf_counter() - start)
            cpu = (time.process_time() - busy) / (lines(output) - held) * 1000
            ideal = f"{concurrency / latency:.0f}" if latency else "–"
            search = gate(list(read_synthetic(output, Tally())))
            if size > 1:
                print(f"| {size:,} | {speed:.1f} | {ideal} | {cpu:.1f} | {search:.2f} |", flush=True)
    server.kill()


if __name__ == "__main__":
    typer.run(main)
