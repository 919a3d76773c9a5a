"""The command lines of the generator against a loopback server: the real SDK, nothing patched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import annotate_llm
import generate
import pytest
from conftest import ROOT
from llm_server import KEY, Llm, corpus, serving
from test_files import full_disk
from typer.testing import CliRunner, Result

from medner.data.markup import parse
from medner.data.readers.synthetic import read_synthetic
from medner.data.records import Tally
from medner.exceptions import InputError
from medner.generation.client import Unusable, read_sentences
from medner.generation.config import LABELS

ANSWERS, REJECTS, BATCH = ".answers.jsonl", ".rejects.jsonl", ".batch.json"


pytestmark = pytest.mark.usefixtures("api_key")


def run(llm: Llm, output: Path, n: int, *options: str, lang: str = "ro") -> Result:
    arguments = [lang, str(output), "--n", str(n), "--base-url", llm.url, "--timeout", "3", *options]
    result = CliRunner().invoke(generate.app, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def lines(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8")
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.split("\n")[:-1]]


def beside(output: Path, suffix: str) -> Path:
    return output.with_name(output.name + suffix)


def check_complete(output: Path) -> None:
    """Every answered sentence is accepted or rejected, once; no record is torn."""
    records = list(read_synthetic(output, Tally()))
    accepted = [record.id for record in records]
    rejected = [reject["id"] for reject in lines(beside(output, REJECTS)) if not reject["id"].endswith("-request")]
    verdicts = Counter([*accepted, *rejected])
    assert set(verdicts.values()) <= {1}
    expected: dict[str, str] = {}
    for answer in lines(beside(output, ANSWERS)):
        if answer["fault"]:
            continue
        name = f"{records[0].lang}-g{answer['number']:06d}"
        try:
            sentences = read_sentences(**{key: answer[key] for key in ("content", "refusal", "finish")})
            expected |= {f"{name}-{i}": marked for i, marked in enumerate(sentences, 1)}
        except Unusable:
            expected[name] = ""
    unanswered = {r["id"] for r in lines(beside(output, REJECTS)) if r["reason"] in ("refused", "too long")}
    assert set(verdicts) - (unanswered - set(expected)) == set(expected)
    for record in records:
        assert (record.text, record.entities) == parse(expected[record.id], LABELS)
    assert len({record.text for record in records}) == len(records)


def test_sentences_follow_the_plan(llm: Llm, output: Path) -> None:
    result = run(llm, output, 40, "--seed", "3", "--temperature", "0.7")
    assert result.exit_code == 0, result.output
    assert "40  accepted" in result.output
    check_complete(output)
    records = lines(output)
    assert len(records) == 40
    meta = records[0]["meta"]
    assert set(meta) == {"specialty", "genre", "register", "density", "origin", "prompt", "model", "request"}
    assert meta["model"] == "gpt-4.1-mini"
    body = llm.bodies[0]
    assert body["temperature"] == 0.7
    assert body["response_format"]["json_schema"]["strict"] is True
    assert body["response_format"]["json_schema"]["schema"]["additionalProperties"] is False
    answer = lines(beside(output, ANSWERS))[0]
    assert answer["cost"] == pytest.approx((1000 * 0.4 + 200 * 1.6) / 1e6)
    # The brief of the first sentence is in the prompt, and the labels in their markup.
    label, form = next(e for brief in answer["task"]["briefs"] for e in brief["entities"])
    assert any(f"{label}: {form}" in b["messages"][1]["content"] for b in llm.bodies)
    assert "<MEDICAL>" in body["messages"][0]["content"]


def test_a_finished_output_is_unchanged_and_a_larger_n_continues_it(llm: Llm, output: Path, monkeypatch) -> None:
    run(llm, output, 12)
    before, asked = output.read_bytes(), len(llm.bodies)
    monkeypatch.delenv("OPENAI_API_KEY")
    assert run(llm, output, 12).exit_code == 0  # nothing to ask: no key needed
    assert (output.read_bytes(), len(llm.bodies)) == (before, asked)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    run(llm, output, 20)
    assert output.read_bytes().startswith(before)
    assert len(lines(output)) == 20
    check_complete(output)


def test_faults_are_retried_or_counted(llm: Llm, output: Path) -> None:
    llm.faults = [
        "429",
        "500",
        "503",
        "",
        "timeout",
        "",
        "cut",
        "",
        "504",
        "body",
        "",
        "no choice",
        "",
        "refusal",
        "length",
    ]
    llm.faults += ["not json", "schema", "empty", "surrogate", "one more", "no usage"]
    result = run(llm, output, 40, "--concurrency", "1")
    assert result.exit_code == 0, result.output
    assert len(lines(output)) == 40
    check_complete(output)
    reasons = Counter(reject["reason"] for reject in lines(beside(output, REJECTS)))
    assert reasons == {
        "refused": 1,
        "truncated": 1,
        "no JSON": 1,
        "schema": 2,
        "control character": 1,
        "not asked for": 1,
    }
    for reason, count in reasons.items():
        assert f"{count}  rejected: {reason}" in result.output
    # Attempts that the server may bill for are charged with their worst case.
    faults = Counter(a["fault"] for a in lines(beside(output, ANSWERS)) if a["fault"])
    assert faults == {"timed out": 1, "connection cut": 1, "server error 504": 1, "no chat completion": 1}
    assert all(answer["cost"] > 0.0007 for answer in lines(beside(output, ANSWERS)) if answer["fault"])
    assert llm.too_early == 0  # Retry-After was kept to


def test_a_server_that_stays_down_ends_the_run(llm: Llm, output: Path) -> None:
    llm.faults = ["503"] * 1000
    result = run(llm, output, 8, "--concurrency", "2")
    assert result.exit_code == 1
    assert "3 requests in a row failed at http://127.0.0.1:" in result.output
    assert output.read_bytes() == b""


def test_a_budget_of_nothing_asks_for_nothing(llm: Llm, output: Path) -> None:
    result = run(llm, output, 1, "--budget", "0")
    assert result.exit_code == 1
    assert "the budget of $0.0 allows no further request; 0 of 1 records are there" in result.output
    assert llm.bodies == []


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("401", "the server refuses the key or its rights. Check OPENAI_API_KEY and --base-url."),
        ("404", "the server refuses the request (404: "),
        ("quota", "the server refuses the request (429: "),
        ("out", "the server asks to wait 600 s (rate limited). Run the command again after that time: it continues."),
    ],
)
def test_errors_that_no_retry_can_help_end_the_run(llm: Llm, output: Path, fault: str, message: str) -> None:
    llm.faults = [fault] * 8
    result = run(llm, output, 40, "--concurrency", "1")
    assert result.exit_code == 1
    assert message in result.output
    assert len(llm.bodies) == 1
    assert "\x1b" not in result.output.partition("✘")[2]


def test_the_key_is_never_shown_or_written(llm: Llm, output: Path) -> None:
    llm.faults = ["404"]
    shown = run(llm, output, 4, "--concurrency", "1").output
    shown += run(llm, output, 4).output
    assert llm.keys == {f"Bearer {KEY}"}
    assert KEY not in shown
    assert "***" in shown
    assert all(KEY.encode() not in path.read_bytes() for path in output.parent.iterdir())


def test_a_missing_key_is_refused(llm: Llm, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    result = run(llm, output, 4)
    assert result.exit_code == 1
    assert "OPENAI_API_KEY is not set" in result.output
    assert not output.parent.exists()


def test_a_line_end_after_the_key_is_ignored(llm: Llm, output: Path, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\r\n")
    assert run(llm, output, 4).exit_code == 0
    assert llm.keys == {f"Bearer {KEY}"}


@pytest.mark.parametrize(
    ("key", "url", "message"),
    [
        ("sk-\u0455", "", "OPENAI_API_KEY holds a character that no key has. Copy the key again."),
        ("sk-a\nb", "", "OPENAI_API_KEY holds a character that no key has."),
        (
            KEY,
            "127.0.0.1:9/v1",
            "'127.0.0.1:9/v1' is not the address of a server. Give one such as http://127.0.0.1:8000/v1.",
        ),
        (KEY, "localhost", "'localhost' is not the address of a server."),
        (KEY, "http://[::1/v1", "'http://[::1/v1' is not the address of a server."),
        (KEY, "http://a b/v1", "'http://a b/v1' is not the address of a server."),
        (KEY, "http://a:99999/v1", "'http://a:99999/v1' is not the address of a server."),
    ],
)
def test_a_malformed_key_or_address_is_refused(
    llm: Llm, output: Path, monkeypatch: pytest.MonkeyPatch, key: str, url: str, message: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    llm.url = url or llm.url
    result = run(llm, output, 4)
    assert result.exit_code == 1
    assert message in result.output
    assert not output.parent.exists()


def test_near_duplicates_of_the_output_are_rejected(output: Path) -> None:
    with serving(Llm(corpus()[:8])) as llm:
        run(llm, output, 8)
        result = run(llm, output, 12)
    assert result.exit_code == 1
    assert "nothing was accepted" in result.output
    assert {r["reason"] for r in lines(beside(output, REJECTS))} == {"near-duplicate"}
    check_complete(output)


def test_a_budget_is_never_exceeded(llm: Llm, output: Path) -> None:
    # A request's worst case is about $0.004, a real answer costs $0.0007.
    result = run(llm, output, 400, "--budget", "0.02", "--concurrency", "5")
    assert result.exit_code == 1
    assert "Raise --budget" in result.output
    spent = sum(answer["cost"] for answer in lines(beside(output, ANSWERS)))
    assert 0.01 < spent <= 0.02
    there = len(lines(output))
    again = run(llm, output, 400, "--budget", "0.02")  # what earlier runs spent counts
    assert again.exit_code == 1
    assert len(lines(output)) == there
    check_complete(output)


def test_faults_count_against_the_budget(llm: Llm, output: Path) -> None:
    llm.faults = ["cut"] * 100
    result = run(llm, output, 40, "--budget", "0.01", "--concurrency", "2")
    assert result.exit_code == 1
    assert sum(answer["cost"] for answer in lines(beside(output, ANSWERS))) <= 0.01
    assert len(llm.bodies) <= 4


@pytest.fixture
def control_c_works() -> Iterator[None]:
    """Also where the tests run in the background of a shell, which has them ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("control_c_works")
def test_requests_that_were_interrupted_count_against_the_budget(llm: Llm, output: Path) -> None:
    options = ["--budget", "0.05", "--concurrency", "4", "--timeout", "60"]

    def stop(process: int, number: signal.Signals, bodies: int) -> None:
        deadline = time.monotonic() + 120
        while len(llm.bodies) < bodies:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(process, number)

    llm.latency = 60
    control_c = threading.Thread(target=stop, args=(os.getpid(), signal.SIGINT, 4), daemon=True)
    control_c.start()
    assert "4  failed, perhaps billed: interrupted" in run(llm, output, 40, *options).output
    control_c.join()
    command = [sys.executable, str(ROOT / "scripts" / "generate.py"), "ro", str(output), "--n", "40", *options]
    process = subprocess.Popen([*command, "--base-url", llm.url], env=os.environ | {"PYTHONPATH": str(ROOT)})
    stop(process.pid, signal.SIGKILL, 8)
    process.wait()
    llm.latency = 0.0
    llm.faults = ["429", "cut"]
    result = run(llm, output, 400, "--budget", "0.05")
    assert "Raise --budget" in result.output
    answers = lines(beside(output, ANSWERS))
    assert Counter(answer["fault"] for answer in answers if answer["fault"]) == {"interrupted": 8, "connection cut": 1}
    assert len(answers) == len(llm.bodies) - 1  # a refusal to answer costs nothing
    assert 0.03 < sum(answer["cost"] for answer in answers) <= 0.05
    check_complete(output)


def test_a_ledger_of_an_earlier_version_is_continued(llm: Llm, output: Path) -> None:
    run(llm, output, 4)
    answers = beside(output, ANSWERS)
    (old,) = lines(answers)
    del old["attempt"]
    answers.write_text(json.dumps(old) + "\n")
    beside(output, ".asked.jsonl").unlink()
    assert run(llm, output, 8).exit_code == 0
    check_complete(output)


def test_an_unknown_model_needs_a_price_for_a_budget_only(llm: Llm, output: Path) -> None:
    result = run(llm, output, 4, "--model", "my-model", "--budget", "1")
    assert result.exit_code == 1
    assert "no price for model 'my-model'. Add a line such as 'my-model: {input:" in result.output
    assert not output.exists()
    assert run(llm, output, 4, "--model", "my-model").exit_code == 0
    assert lines(beside(output, ANSWERS))[0]["cost"] is None
    later = run(llm, output, 8, "--budget", "1")
    assert later.exit_code == 1
    assert "1 earlier answers of model 'my-model' have no known cost" in later.output


def test_a_dry_run_neither_asks_nor_writes(llm: Llm, output: Path) -> None:
    result = run(llm, output, 500, "--dry-run", "--budget", "5")
    assert result.exit_code == 0, result.output
    assert "125 requests, about" in result.output
    assert "cardiology 4" in result.output
    assert llm.bodies == []
    assert not output.parent.exists()


def test_a_full_disk_leaves_whole_lines(llm: Llm, output: Path) -> None:
    from medner.generation.ledger import Ledger, Reject

    with closing(Ledger(output)) as ledger:
        with full_disk(), pytest.raises(InputError, match="cannot be written"):  # after 100 bytes
            ledger.reject(Reject(id="ro-g000001-1", number=1, reason="grammar", sentence="x" * 200))
        ledger.reject(Reject(id="ro-g000001-2", number=1, reason="grammar"))  # of a request that was under way
    assert [reject["id"] for reject in lines(beside(output, REJECTS))] == ["ro-g000001-2"]
    assert run(llm, output, 4).exit_code == 0


def test_a_second_run_on_one_output_is_refused(llm: Llm, output: Path) -> None:
    from medner.generation.ledger import Ledger

    ledger = Ledger(output)
    result = run(llm, output, 4)
    ledger.close()
    assert result.exit_code == 1
    assert "another run is writing it" in result.output


def test_a_compressed_output_is_refused(llm: Llm, output: Path) -> None:
    result = run(llm, output.with_name("ro.jsonl.gz"), 4)
    assert result.exit_code == 1
    assert "ro.jsonl.gz: the output is not compressed. Remove .gz from its name." in result.output
    assert not output.parent.exists()


def test_an_output_of_another_language_is_refused(llm: Llm, output: Path) -> None:
    run(llm, output, 4)
    before = output.read_bytes()
    result = run(llm, output, 8, lang="fr")
    assert result.exit_code == 1
    assert "is 'ro', not 'fr'. Choose another output." in result.output
    assert output.read_bytes() == before


@pytest.mark.parametrize("options", [(), ("--batch",)])
def test_an_output_of_another_split_is_refused(llm: Llm, output: Path, options: tuple[str, ...]) -> None:
    run(llm, output, 4, "--split", "test", *options)
    before = {path: path.read_bytes() for path in output.parent.iterdir()}
    result = run(llm, output, 8, *options)
    assert result.exit_code == 1
    assert "was for split 'test', not 'train'. Give the same --split, or choose another output." in result.output
    assert {path: path.read_bytes() for path in output.parent.iterdir()} == before


def test_answers_that_a_crash_left_unjudged_are_judged_without_asking(llm: Llm, output: Path) -> None:
    llm.faults = ["one more"]
    run(llm, output, 16, "--concurrency", "1")
    whole, rejects = output.read_bytes(), beside(output, REJECTS)
    for cut in (0, 1, len(whole) // 3, len(whole) // 2, len(whole) - 1):  # bytes that reached the disk
        output.write_bytes(whole[:cut])
        rejects.write_bytes(b"")
        result = run(llm, output, 16)
        assert result.exit_code == 0, result.output
        assert output.read_bytes() == whole
        assert len(lines(rejects)) == 1
    assert len(llm.bodies) == 4


def test_a_torn_answer_is_removed_and_asked_for_again(llm: Llm, output: Path) -> None:
    run(llm, output, 8, "--concurrency", "1")
    answers = beside(output, ANSWERS)
    answers.write_bytes(answers.read_bytes()[:-5])
    output.write_bytes(b"".join(output.read_bytes().splitlines(keepends=True)[:4]))
    result = run(llm, output, 8)
    assert "a crash had torn the last line. It was removed." in result.output
    assert len(lines(output)) == 8
    check_complete(output)


def kill_runs(llm: Llm, output: Path, kills: int, *options: str) -> None:
    arguments = [sys.executable, str(ROOT / "tests" / "kill_runs.py"), llm.url, str(output), str(kills), *options]
    path = os.pathsep.join([str(ROOT), str(ROOT / "scripts"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(arguments, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(kills), "0"], done.stderr


def test_kills_lose_and_duplicate_nothing(output: Path) -> None:
    llm = Llm(corpus())
    llm.latency = 0.03
    llm.faults = ["", "429", "refusal", "", "one more", "not json", "", "500", "length", "surrogate"] * 4
    with serving(llm):
        kill_runs(llm, output, int(os.environ.get("MEDNER_KILLS", "20")))
        assert len(lines(output)) >= 100
        # On a slow machine, kills may have hit every answer of a kind: a run that is left alone gets each of them.
        llm.faults = ["refusal", "one more", "not json", "length"]
        assert run(llm, output, len(lines(output)) + 20).exit_code == 0
    check_complete(output)
    # The kills hit runs at work: some requests that the server took never came back. All of them are charged.
    answers = lines(beside(output, ANSWERS))
    assert "interrupted" in {answer["fault"] for answer in answers}
    assert len(llm.bodies) <= len(answers) + llm.faults_served["429"] + llm.faults_served["500"]
    assert {r["reason"] for r in lines(beside(output, REJECTS))} >= {"refused", "no JSON", "truncated", "not asked for"}


def test_kills_of_batch_runs_lose_and_duplicate_nothing(output: Path) -> None:
    llm = Llm(corpus())
    llm.latency = 0.03
    llm.faults = ["", "refusal", "", "one more", "not json", "", "500", "length"] * 4
    with serving(llm):
        kill_runs(llm, output, int(os.environ.get("MEDNER_KILLS", "15")), "--batch")
    check_complete(output)
    numbers = [answer["number"] for answer in lines(beside(output, ANSWERS))]
    results = b"\n".join(llm.files[job["output_file_id"]] for job in llm.jobs.values())
    answered = [json.loads(line) for line in results.split(b"\n")]
    assert sorted(numbers) == sorted(int(a["custom_id"]) for a in answered if a["response"]["status_code"] == 200)
    assert lines(output)


def test_a_batch_is_submitted_and_collected_later(llm: Llm, output: Path) -> None:
    first = run(llm, output, 12, "--batch")
    assert first.exit_code == 0, first.output
    assert "Submitted 3 requests as batch job batch_0" in first.output
    assert json.loads(beside(output, BATCH).read_text())["job"] == "batch_0"
    llm.job_status = "in_progress"
    waiting = run(llm, output, 12, "--batch")
    assert "Batch job batch_0: in_progress (0 of 3 done)" in waiting.output
    assert "a batch job is not collected yet" in run(llm, output, 12).output  # no second payment for the same sentences
    assert (
        "a batch job for model 'gpt-4.1-mini' is not collected yet"
        in run(llm, output, 12, "--batch", "--model", "gpt-4o").output
    )
    llm.job_status = "completed"
    llm.faults = ["refusal", "500"]
    collected = run(llm, output, 12, "--batch")
    assert "Submitted 2 requests as batch job batch_1" in collected.output  # what is missing
    assert len(lines(output)) == 4
    last = run(llm, output, 12, "--batch")
    assert last.exit_code == 0
    assert "12  accepted" in last.output
    assert "holds 12 sentences" in last.output
    assert not beside(output, BATCH).exists()
    assert llm.bodies == []
    answers = lines(beside(output, ANSWERS))
    assert all(a["batch"] and a["cost"] == pytest.approx(0.00036) for a in answers)
    check_complete(output)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("cut", "no connection to http://127.0.0.1:"),
        ("502", "the server failed (502: "),
        ("body", "no answer of the Batch API at http://127.0.0.1:"),
    ],
)
def test_a_batch_job_whose_id_was_lost_is_found_again(llm: Llm, output: Path, fault: str, message: str) -> None:
    llm.faults = [fault]
    lost = run(llm, output, 8, "--batch")
    assert lost.exit_code == 1
    assert message in lost.output
    assert json.loads(beside(output, BATCH).read_text())["job"] == ""
    assert "Batch job batch_0: validating" in run(llm, output, 8, "--batch").output
    llm.jobs["batch_0"]["status"] = "completed"
    llm.finish(llm.jobs["batch_0"])
    found = run(llm, output, 8, "--batch")
    assert found.exit_code == 0, found.output
    assert len(lines(output)) == 8
    assert list(llm.jobs) == ["batch_0"]


def test_a_killed_collection_continues_without_duplicates(llm: Llm, output: Path) -> None:
    run(llm, output, 12, "--batch")
    note = beside(output, BATCH).read_bytes()
    run(llm, output, 12, "--batch")
    whole = output.read_bytes()
    # As if killed before the note was removed, with one answer on disk and a half.
    beside(output, BATCH).write_bytes(note)
    answers = beside(output, ANSWERS)
    first = answers.read_bytes().split(b"\n")[0]
    answers.write_bytes(first + b'\n{"number": 2, "ta')
    output.write_bytes(whole[:100])
    again = run(llm, output, 12, "--batch")
    assert again.exit_code == 0, again.output
    assert sorted(output.read_bytes().split(b"\n")) == sorted(whole.split(b"\n"))
    check_complete(output)


def test_a_failed_batch_job_is_reported_and_given_up(llm: Llm, output: Path) -> None:
    run(llm, output, 8, "--batch")
    llm.job_status = "failed"
    failed = run(llm, output, 8, "--batch")
    assert failed.exit_code == 1
    assert "batch job batch_0 failed" in failed.output
    assert not beside(output, BATCH).exists()


def test_a_batch_keeps_to_the_budget(llm: Llm, output: Path) -> None:
    result = run(llm, output, 400, "--batch", "--budget", "0.01")
    assert result.exit_code == 0
    submitted = json.loads(beside(output, BATCH).read_text())["tasks"]
    assert 1 <= len(submitted) <= 6
    none = run(llm, output.with_name("b.jsonl"), 400, "--batch", "--budget", "0.0001")
    assert none.exit_code == 1
    assert "Raise --budget" in none.output


ITALIAN = """\
code: it
name: Italian
prompt_version: "1"
pools: ../../assets/pools/it
sentences_per_request: 3
tokens_per_sentence: 150
specialties: {cardiology: 1, neurology: 1}
genres:
  discharge: {about: lettera di dimissione, registers: {clinical: 1}, mentions: {PERSON: 0.5, ORG: 0.5, LOC: 0.2}}
  forum: {about: messaggio su un forum, registers: {colloquial: 1}}
densities:
  none: {weight: 1, about: no entity, medical: 0}
  some: {weight: 4, about: one condition, medical: 1}
rules: {articles: [il, la, un, "l'"], titles: [dott, sig, "sig.ra"]}
guidelines: Mark conditions.
system: "Write {language}. {guidelines} {examples}"
user: "Write {count} sentences. {genre} {specialty} {register} {density}\\n{briefs}"
annotator: "Annotate {language}. {guidelines}"
examples: ["Nega <MEDICAL>dispnea</MEDICAL> da sforzo."]
"""
ITALIAN_SENTENCES = [
    "Il paziente riferisce <MEDICAL>dolore toracico</MEDICAL> da due giorni, senza febbre né tosse.",
    "La <PERSON>sig.ra Bianchi</PERSON> è stata visitata ieri presso l'<ORG>Ospedale San Carlo</ORG> e sta bene.",
    "Elle se plaint de <MEDICAL>céphalées</MEDICAL> depuis hier soir, sans fièvre ni vomissements associés.",
    "Mia madre soffre di <MEDICAL>emicrania</MEDICAL> da anni e nessun farmaco le dà sollievo, che cosa possiamo fare?",
    "Si consiglia una visita di controllo tra sei mesi presso l'ambulatorio con gli esami del sangue recenti.",
    "Qualcuno di voi prende il bisoprololo la sera invece che al mattino, come mi ha detto il medico?",
    "Anamnesi familiare positiva per <MEDICAL>ictus</MEDICAL> nel padre, che vive a <LOC>Torino</LOC> da molti anni.",
]


def italian(folder: Path) -> Path:
    """A new language: one file and its pools."""
    settings, pools = folder / "configs" / "generation", folder / "assets" / "pools" / "it"
    settings.mkdir(parents=True)
    pools.mkdir(parents=True)
    (settings / "it.yml").write_text(ITALIAN, encoding="utf-8")
    (settings / "prices.yml").write_bytes((ROOT / "configs" / "generation" / "prices.yml").read_bytes())
    medical = "split\tspecialty\tkind\tform\ntrain\tcardiology\tsymptom\tdolore toracico\ntrain\tneurology\tdisease\temicrania\n"
    (pools / "medical.tsv").write_text(medical, encoding="utf-8")
    for name, form in (("person", "sig.ra Bianchi"), ("org", "Ospedale San Carlo"), ("loc", "Torino")):
        (pools / f"{name}.tsv").write_text(f"split\tkind\tform\ntrain\tany\t{form}\n", encoding="utf-8")
    return settings


def test_a_new_language_needs_one_file_and_its_pools(tmp_path: Path) -> None:
    output = tmp_path / "it.jsonl"
    settings = italian(tmp_path)
    with serving(Llm(ITALIAN_SENTENCES)) as llm:
        options = ("--settings", str(settings), "--concurrency", "1")
        result = run(llm, output, 6, *options, lang="it")
    assert result.exit_code == 0, result.output
    assert {record["lang"] for record in lines(output)} == {"it"}
    assert [r["reason"] for r in lines(beside(output, REJECTS))] == ["language"]  # the French one
    assert (
        "MEDICAL: dolore toracico" in llm.bodies[0]["messages"][1]["content"] + llm.bodies[1]["messages"][1]["content"]
    )
    check_complete(output)


def annotate(llm: Llm, text: Path, output: Path, *options: str, lang: str = "ro") -> Result:
    arguments = [str(text), str(output), lang, "--base-url", llm.url, "--timeout", "3", "--concurrency", "1", *options]
    result = CliRunner().invoke(annotate_llm.app, arguments)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def test_given_text_is_annotated_exactly_or_not_at_all(tmp_path: Path) -> None:
    marked = corpus()[:5]
    texts = [parse(sentence, LABELS)[0] for sentence in marked]
    file, output = tmp_path / "texts.txt", tmp_path / "out.jsonl"
    file.write_text("\n".join([texts[0], "", "Scor <b>5</b> la internare.", *texts[1:]]) + "\n", encoding="utf-8")
    answers = [marked[0], marked[1] + " ", marked[2].replace("MEDICAL", "DISEASE"), marked[3], marked[4]]
    with serving(Llm(answers, ["", "", "", "refusal", "500"])) as llm:
        result = annotate(llm, file, output)
    assert result.exit_code == 0, result.output
    reasons = Counter(r["reason"] for r in lines(beside(output, REJECTS)))
    assert reasons == {"tag in text": 1, "text altered": 1, "unknown tag": 1, "refused": 1}
    records = list(read_synthetic(output, Tally()))
    assert {r.text for r in records} == {texts[0], texts[4]}
    assert records[0].entities == parse(marked[0], LABELS)[1]
    assert records[0].id == "ro-a000001"
    assert len(llm.bodies) == 6  # the text with a tag was not paid for
    assert "4 texts have no usable answer. Run the command again" in result.output
    before = output.read_bytes()
    with serving(Llm([])) as idle:
        french = annotate(idle, file, output, lang="fr")
        written = run(idle, output, 8)
    assert (french.exit_code, written.exit_code) == (1, 1)
    assert "holds 'ro-a000001', which is not a text annotated in 'fr'. Give the same language" in french.output
    assert (output.read_bytes(), idle.bodies) == (before, [])
    file.write_text("Alt text.\n", encoding="utf-8")
    with serving(Llm([])) as idle:
        other = annotate(idle, file, output)
    assert other.exit_code == 1
    assert "line 1: is not the text that the output was begun with" in other.output


@pytest.mark.parametrize(
    "content",
    [
        "Pacienta are HTA.\nBolnavul are astm.",
        "Pacienta are HTA.",
        '{"id": "a", "lang": "ro", "text": "Are HTA.", "entities": []}\nBolnavul are astm.',
    ],
)
def test_a_file_that_is_not_an_output_is_unchanged(tmp_path: Path, llm: Llm, content: str) -> None:
    letters, output = tmp_path / "letters.txt", tmp_path / "out.jsonl"
    letters.write_text(content, encoding="utf-8")
    swapped = annotate(llm, output, letters)
    assert swapped.exit_code == 1
    assert "letters.txt, line " in swapped.output
    assert letters.read_text(encoding="utf-8") == content
    assert list(tmp_path.iterdir()) == [letters]


def test_a_text_that_the_server_refuses_blocks_no_other(tmp_path: Path) -> None:
    marked = corpus()[:3]
    file, output = tmp_path / "texts.txt", tmp_path / "out.jsonl"
    file.write_text("".join(parse(sentence, LABELS)[0] + "\n" for sentence in marked), encoding="utf-8")
    with serving(Llm(marked[2:], ["filtered", "too long"])) as llm:
        result = annotate(llm, file, output)
        assert result.exit_code == 0, result.output
        assert len(llm.bodies) == 3  # neither is asked for again
    rejects = [(reject["id"], reject["reason"]) for reject in lines(beside(output, REJECTS))]
    assert rejects == [("ro-a000001-1", "refused"), ("ro-a000002-2", "too long")]
    assert "8192 tokens" in lines(beside(output, REJECTS))[1]["detail"]
    assert [record["id"] for record in lines(output)] == ["ro-a000003"]


def test_rejected_texts_are_asked_for_again_by_the_next_call(tmp_path: Path) -> None:
    marked = corpus()[:2]
    file, output = tmp_path / "texts.txt", tmp_path / "out.jsonl"
    texts = [parse(sentence, LABELS)[0] for sentence in marked]
    file.write_text("\n".join([*texts, "Scor <b>5</b> la internare."]), encoding="utf-8")
    with serving(Llm(marked, ["schema", "not json"])) as llm:
        none = annotate(llm, file, output)
        assert none.exit_code == 1
        assert "no answer was usable. Read the rejects file; run the command again to ask again." in none.output
        assert len(llm.bodies) == 2
        done = annotate(llm, file, output)
        assert done.exit_code == 0, done.output
        assert "holds 2 annotated texts" in done.output
        assert len(llm.bodies) == 4
        assert annotate(llm, file, output).exit_code == 0
        assert len(llm.bodies) == 4
    assert [answer["number"] for answer in lines(beside(output, ANSWERS))] == [1, 2, 3, 4]


def test_annotation_that_failed_is_asked_for_again(tmp_path: Path) -> None:
    marked = corpus()[0]
    file, output = tmp_path / "texts.txt", tmp_path / "out.jsonl"
    file.write_text(parse(marked, LABELS)[0] + "\n", encoding="utf-8")
    with serving(Llm([marked], ["401"])) as llm:
        assert annotate(llm, file, output).exit_code == 1
        assert annotate(llm, file, output, "--budget", "1").exit_code == 0
    assert len(lines(output)) == 1


@pytest.mark.parametrize("app", [generate.app, annotate_llm.app])
def test_help_has_an_example(app: Any) -> None:
    assert "Example: python scripts/" in CliRunner().invoke(app, ["--help"]).output
