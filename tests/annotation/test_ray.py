"""`medner annotate --ray`: a local Ray of two workers, one of which is killed."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from medner.cli import app

pytest.importorskip("ray", reason="needs medner[ray]")

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


def annotate(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["annotate", *map(str, arguments), "--ray", "local", "--processes", "2"])


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for file in sorted(folder.iterdir()) for line in file.read_text().splitlines()]


def test_every_document_is_there_once_after_a_worker_was_killed(tmp_path: Path, cluster: None, rules: Path) -> None:
    texts = tmp_path / "texts"
    texts.mkdir()
    for part in range(4):
        lines = (json.dumps({"id": n, "text": f"{n}\ndin Arad"}) + "\n" for n in range(part, DOCUMENTS, 4))
        (texts / f"{part}.jsonl").write_text("".join(lines))
    killed: list[int] = []
    threading.Thread(target=kill_one_worker, args=(killed,), daemon=True).start()
    done = annotate(texts, "--model", rules, "--output", tmp_path / "found")
    assert done.exit_code == 0, (done.output, done.exception)
    assert f"{DOCUMENTS:,} documents" in done.output
    assert killed
    found = rows(tmp_path / "found")
    assert Counter(one["id"] for one in found) == {str(number): 1 for number in range(DOCUMENTS)}
    assert all([e["text"] for e in one["entities"]] == ["Arad"] for one in found)
    assert all(one["text"][e["start"] : e["end"]] == "Arad" for one in found for e in one["entities"])


def test_every_option_of_reading_works_as_without_ray(tmp_path: Path, cluster: None, rules: Path) -> None:
    """What Ray's own readers change (007 would be 7, a date a number) stays as it is."""
    table = tmp_path / "old.data"
    table.write_bytes("id;notă;date;entities\n007;Maria Dobre, Arad;2024-01-05;1\n008;2024;;1\n".encode("cp1250"))
    options = ("--from", "csv", "--column", "notă", "--encoding", "cp1250", "--labels", "LOC", "--no-text")
    done = annotate(table, "--model", rules, "--output", tmp_path / "found", *options)
    assert done.exit_code == 0, (done.output, done.exception)
    arad = {"start": 13, "end": 17, "label": "LOC", "text": "Arad", "confidence": None}
    assert sorted(rows(tmp_path / "found"), key=lambda row: str(row["id"])) == [
        {"date": "2024-01-05", "input_entities": "1", "id": "007", "entities": [arad]},
        {"date": "", "input_entities": "1", "id": "008", "entities": []},
    ]
    (tmp_path / "lines.txt").write_text("Arad\nArad\nArad\n")
    limited = ("--lines", "--limit", "2", "--to", "parquet")
    done = annotate(tmp_path / "lines.txt", "--model", rules, "--output", tmp_path / "columns", *limited)
    assert done.exit_code == 0, (done.output, done.exception)
    import pyarrow.parquet as pq

    table = pq.read_table(tmp_path / "columns")
    assert (table.column_names, table.num_rows) == (["id", "text", "entities"], 2)

    again = annotate(tmp_path / "columns", "--model", rules, "--output", tmp_path / "more", "--to", "jsonl")
    assert again.exit_code == 0, (again.output, again.exception)
    assert [[e["text"] for e in row["entities"]] for row in rows(tmp_path / "more")] == [["Arad"], ["Arad"]]


BAD = [
    (b'{"text": "a"}\n{"text": }\n', (), "x.jsonl, line 2: not JSON"),
    (b'{"txt": "a"}\n', (), "x.jsonl, line 1: has no text under the key 'text'"),
    (b'{"text": "a\xff"}\n', (), "x.jsonl, line 1: not UTF-8"),
    (b"", (), "the input has no document"),
    (b'{"text": "a"}\n', ("--labels", "LOC,CITY"), "does not find CITY. It finds LOC, MEDICAL, PERSON"),
    (b'{"text": "a"}\n', ("--min-confidence", "0.5"), "the pipeline gives no confidence"),
    (b'{"text": "a"}\n', ("--model", "none/such"), "none/such: no such pipeline"),
    (b'{"text": "a"}\n', ("--to", "csv"), "--to is 'csv'. Ray writes jsonl and parquet"),
    (b'{"text": "a"}\n', ("--output", "found.csv"), "found.csv: --ray writes a folder"),
    (b'{"text": "a"}\n', ("--resume",), "--ray does not go with --resume"),
    (b'{"text": "a"}\n', ("--skip-bad",), "--ray does not go with --skip-bad"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "options", "message"), BAD)
def test_bad_input_is_one_message_and_leaves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    cluster: None,
    rules: Path,
    data: bytes,
    options: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.jsonl").write_bytes(data)
    done = annotate("x.jsonl", "--model", rules, "--output", "found", *options)
    assert done.exit_code == 1, done.output
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["x.jsonl"]


def test_parquet_has_one_option_of_reading(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").touch()
    done = annotate(tmp_path / "x.parquet", "--model", "m", "--output", tmp_path / "found", "--column", "notă")
    assert "--column and --encoding do not go with Parquet" in done.stderr
    (tmp_path / "x.jsonl").touch()
    done = annotate(tmp_path, "--model", "m", "--output", tmp_path / "found")
    assert "x.jsonl: is beside Parquet files" in done.stderr


def test_a_cluster_that_is_not_there(tmp_path: Path, rules: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"text": "a"}')
    arguments = ["annotate", str(tmp_path / "x.jsonl"), "--model", str(rules), "--output", str(tmp_path / "found")]
    done = CliRunner().invoke(app, [*arguments, "--ray", "127.0.0.1:9"])
    assert done.exit_code == 1
    assert "--ray 127.0.0.1:9: no Ray answers" in done.stderr
    assert done.stderr.count("\n") == 1
