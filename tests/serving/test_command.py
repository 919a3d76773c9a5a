"""The command: it says where it listens, keeps text out of its output, and ends with one line where it cannot."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from conftest import ROOT
from made import provenance, source
from spacy.pipeline import EntityRuler
from typer.testing import CliRunner

from medner.cli import app
from medner.data.tokenizer import blank
from medner.model.provenance import stamp
from medner.serving.pipelines import load

SECRET = "Vasilescu"


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline that finds one name."""
    nlp = blank()
    ruler = nlp.add_pipe("entity_ruler")
    assert isinstance(ruler, EntityRuler)
    ruler.add_patterns([{"label": "PERSON", "pattern": SECRET}])
    folder = tmp_path_factory.mktemp("exp1") / "model-best"
    nlp.to_disk(folder)
    stamp(folder, provenance("exp1", sources={"ronec": source("news")}))
    return folder


def test_pipelines_have_different_names(pipeline: Path) -> None:
    first, second = (one.info for one in load([str(pipeline), str(pipeline.parent)]))
    assert (first.name, second.name) == ("exp1", "exp1 (2)")
    assert (first.labels, first.has_confidence, first.trained_on) == (["PERSON"], False, {"ronec": "news"})


def test_offsets_are_those_of_the_whole_text(pipeline: Path) -> None:
    (one,) = load([str(pipeline)])
    texts = [f" Dl. X.\r\n\t{SECRET}. Și {SECRET}", "", SECRET]
    found = one.annotate(texts)
    assert [[text[entity.start : entity.end] for entity in of] for text, of in zip(texts, found, strict=True)] == [
        [SECRET, SECRET], [], [SECRET],
    ]  # fmt: skip


def test_it_serves_and_prints_no_text(pipeline: Path) -> None:
    command = [sys.executable, "-c", "from medner.cli import app; app()", "serve", str(pipeline), "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as server:
        assert server.stdout is not None
        said = server.stdout.readline()
        address = said.partition("http")[2].partition(" ")[0]
        assert address.startswith("://127.0.0.1:"), said
        answer = httpx.post(f"http{address}/annotate", json={"text": f"Dl. {SECRET}"}, timeout=60)
        assert answer.json()["annotations"]["exp1"][0][0]["text"] == SECRET
        assert httpx.get(f"http{address}/{SECRET}").status_code == 404
        server.send_signal(signal.SIGINT)
        rest = server.stdout.read()
        server.wait(30)
    assert SECRET not in rest
    assert "Traceback" not in rest


def test_a_port_in_use_is_one_line(pipeline: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        result = CliRunner().invoke(app, ["serve", str(pipeline), "--port", str(other.getsockname()[1])])
    assert result.exit_code == 1
    assert result.stderr.startswith("✘ cannot listen on 127.0.0.1, port")
    assert len(result.stderr.splitlines()) == 1


def test_no_such_pipeline_is_one_line() -> None:
    result = CliRunner().invoke(app, ["serve", "no-such-pipeline", "--port", "0"])
    assert result.exit_code == 1
    assert result.stderr.startswith("✘ no-such-pipeline: no such pipeline. Give a trained experiment")


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = CliRunner().invoke(app, ["serve", "exp1"])
    assert result.exit_code == 1
    assert "uvicorn is not installed. Run: pip install -e '.[serve]'" in result.stderr
