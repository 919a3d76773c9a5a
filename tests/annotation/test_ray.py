"""`medner annotate --ray`: a local Ray of two workers, one of which is killed."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from medner.cli import app

ray = pytest.importorskip("ray", reason="needs medner[ray]")

DOCUMENTS = 2000


def kill_one_worker(pids: list[int]) -> None:
    """Kill the first process of an actor that annotates, once it has the model."""
    end = time.monotonic() + 300
    while time.monotonic() < end and not pids:
        time.sleep(0.2)
        for process in Path("/proc").glob("[0-9]*"):
            try:
                name = (process / "cmdline").read_bytes()
                mine = str(os.getpid()) in _ancestors(int(process.name))
            except OSError:
                continue
            if name.startswith(b"ray::") and b"Worker" in name and mine:
                os.kill(int(process.name), signal.SIGKILL)
                pids.append(int(process.name))
                return


def _ancestors(pid: int) -> set[str]:
    found = set()
    while pid > 1:
        found.add(str(pid))
        pid = int((Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    return found


def test_every_document_is_there_once_after_a_worker_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_worker_niceness", "0")  # beside other tests, its workers would hardly run
    from medner.data.tokenizer import blank

    nlp = blank()
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "LOC", "pattern": "Arad"}])  # type: ignore[attr-defined]
    nlp.to_disk(tmp_path / "rules")
    texts = tmp_path / "texts"
    texts.mkdir()
    for part in range(4):
        lines = (json.dumps({"id": n, "text": f"{n}\ndin Arad"}) + "\n" for n in range(part, DOCUMENTS, 4))
        (texts / f"{part}.jsonl").write_text("".join(lines))
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    killed: list[int] = []
    killer = threading.Thread(target=kill_one_worker, args=(killed,), daemon=True)
    killer.start()
    try:
        done = CliRunner().invoke(
            app,
            ["annotate", str(texts), "--model", str(tmp_path / "rules"), "--output", str(tmp_path / "found"),
             "--ray", "local", "--processes", "2"],
        )  # fmt: skip
    finally:
        ray.shutdown()
    assert done.exit_code == 0, (done.output, done.exception)
    assert killed
    found = [json.loads(line) for file in (tmp_path / "found").iterdir() for line in file.open()]
    assert Counter(one["id"] for one in found) == dict.fromkeys(range(DOCUMENTS), 1)
    assert all([e["text"] for e in one["entities"]] == ["Arad"] for one in found)
    assert all(one["text"][e["start"] : e["end"]] == "Arad" for one in found for e in one["entities"])
