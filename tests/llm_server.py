"""A loopback server that speaks the OpenAI protocol: chat completions, files, batches, and every fault on request.

Its "model" answers with sentences of the committed corpora, in the markup, one after the other, so that what it writes
is good and never the same twice.
"""

from __future__ import annotations

import itertools
import json
import re
import threading
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from medner.data.markup import render
from medner.data.readers.synthetic import read_synthetic
from medner.data.records import Tally

ROOT = Path(__file__).resolve().parents[1]
KEY = "sk-test-0123456789abcdef"

ERRORS: dict[str, tuple[int, str, str, dict[str, str]]] = {  # status, message, code and headers of a fault
    "429": (429, "slow down", "rate_limit_exceeded", {"Retry-After": "0.3"}),
    "out": (429, "come back later", "rate_limit_exceeded", {"Retry-After": "600"}),
    "quota": (429, "You exceeded your current quota", "insufficient_quota", {}),
    **{status: (int(status), "oops", "", {"Retry-After": "0"}) for status in ("500", "503", "504")},
    "late": (429, "slow down", "rate_limit_exceeded", {"Retry-After": "Fri, 31 Dec 99999 23:59:59 GMT"}),
    "filtered": (400, "The response was filtered", "content_filter", {}),
    "deep error": (500, "[" * 100_000, "", {"Retry-After": "inf nan"}),
    "too long": (400, "This model's maximum context length is 8192 tokens", "context_length_exceeded", {}),
}


# Bodies of a response with status 200 that are no chat completion, and not billed.
BODIES = {
    "body": b"<html>Bad gateway\x1b[31m</html>",
    "deep": b"[" * 200_000,
    "null": b"null",
    "latin": b'{"choices": "\xe9"}',
    "error": b'{"error": {"message": "model is loading"}}',
    "strings": b'{"choices": "abc", "usage": "many"}',
    "lists": b'{"choices": [[]], "usage": [1, 2]}',
    "bare": b'{"choices": [{"message": "hello"}], "usage": {}}',
}


def corpus(lang: str = "ro", split: str = "train") -> list[str]:
    """Sentences of a committed corpus in the markup."""
    path = ROOT / "assets" / "synthetic" / lang / f"{split}.jsonl"
    return [render(record.text, record.entities) for record in read_synthetic(path, Tally())]


class Llm:
    """What the server does: ``faults`` are used up by the next requests, in order; then all is well."""

    def __init__(self, sentences: Iterable[str], faults: Iterable[str] = ()) -> None:
        self.sentences = itertools.cycle(sentences)
        self.faults = list(faults)
        self.latency = 0.0  # seconds
        self.patience = 4.0  # seconds that the fault "timeout" takes: longer than the tests' --timeout
        self.bodies: list[dict[str, Any]] = []
        self.faults_served: Counter[str] = Counter()
        self.keys: set[str] = set()
        self.too_early = 0  # requests that came before a Retry-After was over
        self.files: dict[str, bytes] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.job_status = "completed"
        self.refused: list[str] = []  # names of fields that the server refuses, with 400
        self.tokens: object = 200  # that an answer has, as the server reports them
        self.download: Callable[[bytes], bytes] = bytes  # what becomes of a job's results on the way
        self.lock = threading.Lock()
        self.url = ""
        self._free_at = 0.0

    def completion(self, body: dict[str, Any], fault: str = "") -> dict[str, Any]:
        """A chat completion for a request."""
        user = body["messages"][1]["content"]
        wanted = re.search(r"^Write (\d+) sentences", user)
        with self.lock:
            count = (int(wanted[1]) if wanted else 1) + (fault == "one more")
            sentences = [next(self.sentences) for _ in range(count)]
        content = json.dumps({"sentences": sentences}, ensure_ascii=False)
        contents = {
            "length": content[: len(content) // 2],
            "not json": "Sure! Here are your sentences: " + content,
            "schema": json.dumps({"texts": sentences}),
            "empty": json.dumps({"sentences": []}),
            "surrogate": '{"sentences": ["\ud800 este astm."]}',
            "deep json": '{"sentences": ' + "[" * 200_000,
            "long": json.dumps({"sentences": ["Pacienta are astm. " * 60_000]}),
            "key": json.dumps({"sentences": [f"Cheia este {KEY}."]}),
            "fenced": f"```json\n{content}\n```",
            "thoughts": f"<think>\nFirst {{think}}.\n</think>\n\n```\n{content}\n```",
            "end of thoughts": f"So I answer.</think>{content}",
            "composed": unicodedata.normalize("NFC", content),
            "decomposed": unicodedata.normalize("NFD", content),
        }
        refused = fault == "refusal"
        message = {"role": "assistant", "content": None if refused else contents.get(fault, content)}
        message["refusal"] = "I cannot help with that." if refused else None
        completion = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 0,
            "model": body["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": "length" if fault == "length" else "stop"}],
            "usage": {"prompt_tokens": 1000, "completion_tokens": self.tokens, "total_tokens": 1200},
        }
        if fault == "no usage":
            del completion["usage"]
        if fault == "no choice":
            completion["choices"] = []
        if fault == "usage":
            completion["usage"] = {"prompt_tokens": float("inf"), "completion_tokens": -5}
        if fault == "number":
            completion["usage"]["prompt_tokens"] = int("9" * 4000)
        if fault == "types":
            completion["choices"][0] |= {"finish_reason": {"a": 1}, "index": "x"}
            message["refusal"] = [1]
        return completion

    def finish(self, job: dict[str, Any]) -> None:
        """Work a batch job off, as its ``job_status`` says."""
        job["status"] = self.job_status
        if self.job_status not in ("completed", "expired") or job.get("output_file_id"):
            return
        lines = []
        for text in self.files[job["input_file_id"]].decode().splitlines():
            item = json.loads(text)
            fault = self.faults.pop(0) if self.faults else ""
            if fault == "500":
                response = {"status_code": 500, "body": {"error": {"message": "oops"}}}
            else:
                response = {"status_code": 200, "body": self.completion(item["body"], fault)}
            lines.append(json.dumps({"custom_id": item["custom_id"], "response": response, "error": None}))
        lines.reverse()  # the order of answers is not promised
        failed = sum('"status_code": 500' in line for line in lines)
        job["request_counts"] = {"total": len(lines), "completed": len(lines) - failed, "failed": failed}
        job["output_file_id"] = f"{job['id']}-output"
        self.files[job["output_file_id"]] = "\n".join(lines).encode()


class _Handler(BaseHTTPRequestHandler):
    llm: Llm
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def reply(self, item: object, status: int = 200, headers: dict[str, str] | None = None) -> None:
        data = item if isinstance(item, bytes) else json.dumps(item).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def error(self, status: int, message: str, code: str = "", headers: dict[str, str] | None = None) -> None:
        self.reply({"error": {"message": message, "code": code, "type": "error", "param": None}}, status, headers)

    def do_GET(self) -> None:
        llm = self.llm
        name = self.path.partition("?")[0].removeprefix("/v1/")
        time.sleep(llm.latency)
        if name == "batches":
            self.reply({"object": "list", "data": list(llm.jobs.values()), "has_more": False})
        elif name.startswith("batches/") and name[8:] in llm.jobs:
            llm.finish(llm.jobs[name[8:]])
            self.reply(llm.jobs[name[8:]])
        elif name.startswith("files/") and name.endswith("/content"):
            self.reply(llm.download(llm.files[name[6:-8]]))
        else:
            self.error(404, "not found")

    def do_POST(self) -> None:
        llm = self.llm
        data = self.rfile.read(int(self.headers["Content-Length"]))
        llm.keys.add(self.headers["Authorization"])
        if self.path == "/v1/chat/completions":
            self.chat(json.loads(data))
        elif self.path == "/v1/files":
            time.sleep(llm.latency)
            boundary = self.headers["Content-Type"].partition("boundary=")[2].encode()
            part = next(p for p in data.split(b"--" + boundary) if b'name="file"' in p)
            name = f"file-{len(llm.files)}"
            llm.files[name] = part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
            self.reply(
                {
                    "id": name,
                    "object": "file",
                    "bytes": 0,
                    "created_at": 0,
                    "filename": "",
                    "purpose": "batch",
                    "status": "processed",
                }
            )
        elif self.path == "/v1/batches":
            body = json.loads(data)
            total = len(llm.files[body["input_file_id"]].splitlines())
            job = {"id": f"batch_{len(llm.jobs)}", "object": "batch", "created_at": 0, "status": "validating"}
            job["request_counts"] = {"total": total, "completed": 0, "failed": 0}
            llm.jobs[job["id"]] = body | job
            # With a fault the job is made, but its id never arrives.
            fault = llm.faults.pop(0) if llm.faults and llm.faults[0] in ("cut", "502", "body") else ""
            if fault == "cut":
                self.cut(json.dumps(job).encode())
            elif fault == "502":
                self.error(502, "Bad gateway")
            elif fault == "body":
                self.reply(b"<html>Bad gateway</html>")
            else:
                self.reply(llm.jobs[job["id"]])
        else:
            self.error(404, "not found")

    def cut(self, data: bytes) -> None:
        """Promise more than is sent, then hang up."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data) + 10))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2])
        self.close_connection = True

    def chat(self, body: dict[str, Any]) -> None:
        llm = self.llm
        with llm.lock:
            llm.bodies.append(body)
            fault = llm.faults.pop(0) if llm.faults else ""
            llm.faults_served[fault] += 1
            if time.monotonic() < llm._free_at:
                llm.too_early += 1
            if fault == "429":
                llm._free_at = time.monotonic() + 0.3
        time.sleep(llm.latency)
        if refused := next((name for name in llm.refused if name in body), ""):
            self.error(400, f"Unrecognized request argument supplied: {refused}")
            return
        if fault in ERRORS:
            self.error(*ERRORS[fault])
        elif fault == "401":
            self.error(401, f"Incorrect API key provided: {self.headers['Authorization']}", "invalid_api_key")
        elif fault == "404":
            self.error(
                404, f"The model `x` does not exist for {self.headers['Authorization']}\x1b[31m", "model_not_found"
            )
        elif fault == "timeout":
            time.sleep(llm.patience)
            self.close_connection = True
        elif fault == "cut":
            self.cut(json.dumps(llm.completion(body)).encode())
        elif fault == "trickle":
            self.trickle(json.dumps(llm.completion(body)).encode())
        elif fault in BODIES:
            self.reply(BODIES[fault])
        else:
            self.reply(llm.completion(body, fault))

    def trickle(self, data: bytes) -> None:
        """Send a byte now and then, for longer than the tests' --timeout."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        for number in range(int(self.llm.patience * 20)):
            self.wfile.write(data[number : number + 1])
            time.sleep(0.05)
        self.close_connection = True


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """Clients that were killed or timed out hang up: that is the point."""


@contextmanager
def serving(llm: Llm) -> Iterator[Llm]:
    """Serve until the block ends; ``llm.url`` is the base URL."""
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"llm": llm}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    llm.url = f"http://127.0.0.1:{server.server_port}/v1"
    try:
        yield llm
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
