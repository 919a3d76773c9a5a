"""Every fault of a server, an answer or a file ends in a counted fault or reject, and nothing paid for is lost."""

from __future__ import annotations

import itertools
import json
import os
import random
import time
import unicodedata
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llm_server import BODIES, ERRORS, KEY, Llm, corpus, serving
from spacy.tokens import DocBin
from test_generate import ANSWERS, BATCH, REJECTS, annotate, beside, check_complete, lines, run

from medner.data.markup import parse
from medner.data.tokenizer import blank
from medner.exceptions import InputError
from medner.generation.annotating import Annotating
from medner.generation.client import Client, Fault, Reply, parsed
from medner.generation.config import LABELS
from medner.generation.ledger import Answer, Ledger

ASKED = ".asked.jsonl"


pytestmark = pytest.mark.usefixtures("api_key")


def text_file(folder: Path, marked: list[str]) -> Path:
    path = folder / "texts.txt"
    path.write_text("\n".join(parse(sentence, LABELS)[0] for sentence in marked), encoding="utf-8")
    return path


# All kinds at once; `MEDNER_ROUNDS=8 MEDNER_KILLS=20 pytest tests/generation -k "kinds or kills"` is the long test

ENDS = {"out": "asks to wait", "quota": "exceeded your", "401": "refuses the key", "404": "does not exist"}
KINDS = [kind for kind in ERRORS if kind not in ENDS]
KINDS += [*BODIES, "length", "not json", "schema", "empty", "surrogate", "deep json", "long", "fenced", "thoughts"]
KINDS += ["refusal", "one more", "no usage", "no choice", "usage", "number", "types", "cut", "timeout"]
BUDGET = 10.0  # USD


@pytest.mark.parametrize("number", range(int(os.environ.get("MEDNER_ROUNDS", "1"))))
def test_faults_of_all_kinds(llm: Llm, output: Path, number: int) -> None:
    moment = random.Random(number)
    count = 2 * len(KINDS)
    kinds = list(itertools.islice(itertools.cycle(KINDS), count))
    moment.shuffle(kinds)
    llm.faults = [fault for kind in kinds for fault in ("", kind)]
    for place, end in enumerate(ENDS, 1):
        llm.faults.insert(place * len(llm.faults) // 5, end)
    ended: list[str] = []
    codes = [1]
    while llm.faults or codes[-1]:
        size = (len(lines(output)) if output.exists() else 0) + 40
        result = run(llm, output, size, "--budget", str(BUDGET), "--concurrency", "4")
        codes.append(result.exit_code)
        told = [line for line in result.output.splitlines() if line.startswith("✘")]
        assert len(told) == result.exit_code, result.output
        ended += told
        assert len(codes) < 20 + count
    assert all(any(what in line for line in ended) for what in ENDS.values()), ended
    assert len(KINDS) >= 25
    assert llm.faults_served.keys() >= set(KINDS)
    check_complete(output)
    answers = lines(beside(output, ANSWERS))
    unbilled = {"cut", "timeout", "no choice", "filtered", "too long", *BODIES, *ERRORS, *ENDS}
    whole = sum(served for kind, served in llm.faults_served.items() if kind not in unbilled)
    assert len([answer for answer in answers if not answer["fault"]]) == whole  # no answer is lost
    assert sum(answer["cost"] for answer in answers) <= BUDGET


# Replies


CONTENTS = ("usage", "number", "types", "surrogate", "deep json", "long", "no usage", "no choice", "empty", "key")


def test_every_reply_is_kept_as_data(llm: Llm, output: Path) -> None:
    llm.faults = [fault for pair in zip(CONTENTS, [*BODIES, "late", "deep error"], strict=True) for fault in pair]
    result = run(llm, output, 60, "--concurrency", "4")
    assert result.exit_code == 0, result.output
    check_complete(output)
    answered = [answer for answer in lines(beside(output, ANSWERS)) if not answer["fault"]]
    whole = sum(llm.faults_served[fault] for fault in (*CONTENTS, "")) - llm.faults_served["no choice"]
    assert len(answered) == whole  # every answer that was sent whole is on disk
    assert Counter(a["fault"] for a in lines(beside(output, ANSWERS)) if a["fault"]) == {"no chat completion": 1}


@given(st.binary(max_size=50) | st.text(max_size=50))
def test_any_bytes_are_data(data: bytes | str) -> None:
    parsed(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "message", "content", "usage", "prompt_tokens", "completion_tokens", "refusal"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def test_any_json_is_a_reply_or_a_fault() -> None:
    client = Client("http://127.0.0.1:9/v1", timeout=1, say=print)

    @given(JSON)
    def check(body: object) -> None:
        assert isinstance(client.reply(body), Reply | Fault)

    check()


@settings(max_examples=50)
@given(st.text(max_size=60) | st.lists(st.text(max_size=60), max_size=2).map(lambda s: json.dumps({"sentences": s})))
def test_any_content_gets_one_verdict(content: str) -> None:
    judge = Annotating.judge
    work = object.__new__(Annotating)
    work._language = type("L", (), {"code": "ro"})
    answer = Answer(
        number=1, task={"number": 1, "line": 1, "text": "Are astm."}, model="m", prompt="1", content=content
    )
    assert len(list(judge(work, answer, set()))) == 1


def test_a_reply_that_trickles_in_is_cut_off_at_the_timeout(llm: Llm, output: Path) -> None:
    llm.faults = ["trickle"]
    start = time.monotonic()
    assert run(llm, output, 4, "--concurrency", "1").exit_code == 0
    assert time.monotonic() - start < 2 * 3 + 3
    assert [a["fault"] for a in lines(beside(output, ANSWERS))] == ["timed out", ""]


def test_the_key_is_masked_in_answers(llm: Llm, output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    llm.faults = ["key"]
    run(llm, output, 4, "--concurrency", "1")
    assert all(KEY.encode() not in path.read_bytes() for path in output.parent.iterdir())
    assert "Cheia este ***." in beside(output, ANSWERS).read_text()
    monkeypatch.setenv("OPENAI_API_KEY", "a")  # of a server without keys: nothing to mask
    run(llm, output, 8)
    check_complete(output)


def test_a_password_in_the_address_is_not_shown(llm: Llm, output: Path) -> None:
    llm.url = "ftp://user:secret@host/v1"
    result = run(llm, output, 4)
    assert "'ftp://***@host/v1' is not the address of a server." in result.output
    llm.url = "http://user:secret@127.0.0.1:9/v1"
    result = run(llm, output, 4)
    assert "secret" not in result.output
    assert "3 attempts failed at http://***@127.0.0.1:9/v1/ (no connection: " in result.output


def test_a_very_long_sentence_is_rejected(llm: Llm, output: Path) -> None:
    llm.faults = ["long"]
    result = run(llm, output, 8, "--concurrency", "1")
    assert result.exit_code == 0, result.output
    assert "1  rejected: too long" in result.output
    assert run(llm, output, 12).exit_code == 0


def test_a_very_long_text_is_rejected_unasked(tmp_path: Path, output: Path) -> None:
    marked = corpus()[0]
    file = text_file(tmp_path, [marked])
    file.write_text(f"{'Are astm. ' * 110_000}\n{file.read_text()}")
    with serving(Llm([marked])) as llm:
        result = annotate(llm, file, output)
        assert result.exit_code == 0, result.output
        assert len(llm.bodies) == 1
    assert [r["reason"] for r in lines(beside(output, REJECTS))] == ["text too long"]


# Servers


@pytest.mark.parametrize("fault", ["body", "deep", None])
def test_a_wrong_address_ends_the_run_soon_and_costs_nothing(llm: Llm, output: Path, fault: str | None) -> None:
    right = llm.url
    llm.faults = [fault] * 1000 if fault else []
    llm.url = right if fault else "http://127.0.0.1:9/v1"
    start = time.monotonic()
    result = run(llm, output, 40, "--budget", "0.1")
    assert time.monotonic() - start < 15
    assert result.exit_code == 1
    assert "3 attempts failed at http://127.0.0.1:" in result.output
    if fault == "body":
        assert "(no chat completion: <html>Bad gateway\\x1b[31m</html>). Check --base-url" in result.output
    assert lines(beside(output, ANSWERS)) == []
    llm.faults, llm.url = [], right
    assert run(llm, output, 40, "--budget", "0.1").exit_code == 0


def test_a_server_that_stops_answering_ends_the_run(llm: Llm, output: Path) -> None:
    llm.faults = ["", "", *["503"] * 1000]
    result = run(llm, output, 80, "--concurrency", "2")
    assert result.exit_code == 1
    assert "6 requests in a row failed at " in result.output
    assert "(server error 503: Error code: 503 - oops)" in result.output
    assert len(lines(output)) == 8


def test_a_request_that_always_fails_blocks_no_other(tmp_path: Path, output: Path) -> None:
    marked = corpus()[:2]
    with serving(Llm(marked[1:], ["500"] * 6)) as llm:
        annotate(llm, text_file(tmp_path, marked), output)
    assert [record["id"] for record in lines(output)] == ["ro-a000002"]


def test_fields_that_a_server_refuses_are_sent_in_another_form(llm: Llm, output: Path) -> None:
    llm.refused = ["seed", "max_completion_tokens", "response_format"]
    result = run(llm, output, 24, "--concurrency", "4")
    assert result.exit_code == 0, result.output
    for part in llm.refused:
        assert result.output.count(f"The server does not accept {part}: ") == 1
    body = llm.bodies[-1]
    assert not set(llm.refused) & set(body)
    assert body["max_tokens"] == 864
    assert 'Answer with one JSON object and nothing else: {"sentences"' in body["messages"][0]["content"]
    assert len(llm.bodies) <= 6 + 3 * 4
    check_complete(output)


@pytest.mark.parametrize("form", ["fenced", "thoughts", "end of thoughts"])
def test_answers_in_a_fence_or_after_thoughts_are_read(llm: Llm, output: Path, form: str) -> None:
    llm.faults = [form]
    assert run(llm, output, 4).exit_code == 0
    assert len(llm.bodies) == 1


def test_decomposed_answers_are_composed(llm: Llm, output: Path) -> None:
    llm.faults = ["decomposed"]
    assert run(llm, output, 4, "--concurrency", "1").exit_code == 0
    assert len(llm.bodies) == 1
    assert all(unicodedata.is_normalized("NFC", record["text"]) for record in lines(output))


def test_a_text_in_another_unicode_form_is_the_same_text(tmp_path: Path, output: Path) -> None:
    marked = [unicodedata.normalize("NFD", sentence) for sentence in corpus()[:3]]
    file = text_file(tmp_path, marked)
    with serving(Llm(marked, ["composed"] * 3)) as llm:
        assert annotate(llm, file, output).exit_code == 0
    records = lines(output)
    assert [record["text"] for record in records] == file.read_text(encoding="utf-8").split("\n")
    for record, sentence in zip(records, marked, strict=True):
        spans = tuple((e["start"], e["end"], e["label"]) for e in record["entities"])
        assert spans == parse(sentence, LABELS)[1]


def test_worst_cases_follow_answers_that_exceed_the_limit(llm: Llm, output: Path) -> None:
    llm.tokens = 5000  # 864 are allowed
    result = run(llm, output, 120, "--budget", "0.05", "--concurrency", "8")
    assert result.exit_code == 1
    cost = (1000 * 0.4 + 5000 * 1.6) / 1e6
    spent = sum(answer["cost"] for answer in lines(beside(output, ANSWERS)))
    assert 0.05 < spent <= 0.05 + 8 * cost
    assert "The budget of $0.05 is exceeded: answers were longer than the limit" in result.output
    other = output.with_name("other.jsonl")
    run(llm, other, 4)
    asked = len(llm.bodies)
    result = run(llm, other, 120, "--budget", "0.0155", "--concurrency", "8")  # one request fits, and none over it
    assert len(llm.bodies) == asked
    assert "is exceeded" not in result.output


# Batch jobs


@pytest.mark.parametrize(
    ("damage", "kept", "told"),
    [
        (lambda data: data[: len(data) // 2], 1, "not a line of them: {"),
        (lambda data: b"", 0, "are incomplete: 0 of 3 requests. "),
        (lambda data: b"\n".join(data.split(b"\n")[:2]), 2, "are incomplete: 2 of 3 requests. "),
        (lambda data: b"<html>Sign in</html>", 0, "not a line of them: <html>Sign in</html>"),
        (lambda data: b"[" * 100_000 + b"\n" + data, 3, "not a line of them: [[["),
    ],
)
def test_damaged_results_of_a_batch_are_downloaded_again(llm: Llm, output: Path, damage, kept: int, told: str) -> None:
    run(llm, output, 12, "--batch")
    llm.download = damage
    for _ in range(2):
        result = run(llm, output, 12, "--batch")
        assert result.exit_code == 1
        assert "the results of batch job batch_0 are incomplete: " in result.output
        assert told in result.output
        assert beside(output, BATCH).exists()
        assert len(lines(beside(output, ANSWERS))) == kept
        assert len(lines(output)) == 4 * kept
    llm.download = bytes
    assert run(llm, output, 12, "--batch").exit_code == 0
    assert len(lines(output)) == 12
    assert list(llm.jobs) == ["batch_0"]
    assert len(lines(beside(output, ANSWERS))) == 3
    check_complete(output)


def test_malformed_answers_of_a_batch_are_asked_again(llm: Llm, output: Path) -> None:
    llm.faults = ["usage", "no choice", "types", "number"]
    run(llm, output, 16, "--batch")
    result = run(llm, output, 16, "--batch")
    assert "1 requests without an answer are asked again." in result.output
    assert "Submitted 1 requests as batch job batch_1" in result.output
    assert run(llm, output, 16, "--batch").exit_code == 0
    assert len(lines(output)) == 16
    check_complete(output)


def test_requests_that_expired_are_asked_again(llm: Llm, output: Path) -> None:
    run(llm, output, 12, "--batch")
    llm.job_status = "expired"
    llm.download = lambda data: data.split(b"\n")[0]
    llm.finish(llm.jobs["batch_0"])
    llm.jobs["batch_0"]["request_counts"]["completed"] = 1
    result = run(llm, output, 12, "--batch")
    assert result.exit_code == 0, result.output
    assert "Batch job batch_0 has expired. 2 requests without an answer are asked again." in result.output
    assert "Submitted 2 requests as batch job batch_1" in result.output


def test_a_job_that_the_server_does_not_know_names_the_note(llm: Llm, output: Path) -> None:
    run(llm, output, 12, "--batch")
    llm.jobs.clear()
    result = run(llm, output, 12, "--batch")
    assert result.exit_code == 1
    assert "ro.jsonl.batch.json: the server does not know batch job batch_0. Check OPENAI_API_KEY" in result.output
    assert beside(output, BATCH).exists()


def test_a_batch_without_an_accepted_answer_fails(tmp_path: Path, output: Path) -> None:
    marked = corpus()[:2]
    file = text_file(tmp_path, marked)
    with serving(Llm(marked, ["not json", "schema"])) as llm:
        annotate(llm, file, output, "--batch")
        result = annotate(llm, file, output, "--batch")
        assert result.exit_code == 1
        assert "no answer of batch job batch_0 was accepted. Read the rejects file" in result.output
        assert list(llm.jobs) == ["batch_0"]
        annotate(llm, file, output, "--batch")
        assert annotate(llm, file, output, "--batch").exit_code == 0
    assert len(lines(output)) == 2


# Files


@pytest.mark.parametrize("suffix", ["", ANSWERS, REJECTS, ASKED])
def test_nul_bytes_at_the_end_of_a_ledger_are_removed(llm: Llm, output: Path, suffix: str) -> None:
    llm.faults = ["not json"]
    run(llm, output, 8, "--concurrency", "1")
    path = beside(output, suffix)
    whole = path.read_bytes()
    for tail in (b"\0" * 4096, whole.split(b"\n")[0][:20] + b"\0" * 100):
        path.write_bytes(whole + tail)
        result = run(llm, output, 8)
        assert result.exit_code == 0, result.output
        assert "a crash had torn the last line. It was removed." in result.output
        assert path.read_bytes() == whole


@pytest.mark.parametrize("suffix", [ANSWERS, REJECTS, ASKED])
@pytest.mark.parametrize("end", ["", "\n"])
def test_a_foreign_line_of_a_ledger_is_refused(llm: Llm, output: Path, suffix: str, end: str) -> None:
    run(llm, output, 4)
    path = beside(output, suffix)
    with path.open("a") as file:
        file.write("[" * 200_000 + end)
    before = path.read_bytes()
    result = run(llm, output, 8)
    assert result.exit_code == 1
    assert "Restore the file, or move it and the files beside it away to start again." in result.output
    assert path.read_bytes() == before


def test_a_request_of_another_command_is_refused(tmp_path: Path, llm: Llm, output: Path) -> None:
    run(llm, output, 4)
    output.write_bytes(b"")  # only the answers say what was asked
    before = beside(output, ANSWERS).read_bytes()
    result = annotate(llm, text_file(tmp_path, corpus()[:2]), output)
    assert result.exit_code == 1
    assert "request 1 of this output is damaged or of another command" in result.output
    assert beside(output, ANSWERS).read_bytes() == before


def test_an_annotation_of_an_earlier_version_is_continued(tmp_path: Path, output: Path) -> None:
    marked = corpus()[:3]
    file = text_file(tmp_path, marked)
    with serving(Llm(marked, ["", "schema"])) as llm:
        annotate(llm, file, output)
        answers = lines(beside(output, ANSWERS))
        for answer in answers:
            del answer["task"]["line"]
        beside(output, ANSWERS).write_text("".join(json.dumps(answer) + "\n" for answer in answers))
        rejects = beside(output, REJECTS)
        rejects.write_text(rejects.read_text().replace("ro-a000002-2", "ro-a000002"))
        result = annotate(llm, file, output)
    assert result.exit_code == 0, result.output
    assert len(llm.bodies) == 3
    assert len(lines(output)) == 2


@pytest.mark.parametrize("cost", ["-5.0", "1e400", "NaN"])
def test_an_impossible_cost_in_a_ledger_is_refused(llm: Llm, output: Path, cost: str) -> None:
    run(llm, output, 4)
    answers = beside(output, ANSWERS)
    answers.write_text(answers.read_text().replace('"cost": 0.00072', f'"cost": {cost}'))
    with pytest.raises(InputError, match="line 1: not a line of a file of answers"), closing(Ledger(output)):
        pass


def test_a_docbin_of_the_user_is_annotated(tmp_path: Path, output: Path) -> None:
    marked, nlp = corpus()[0], blank()
    path = tmp_path / "own.spacy"
    DocBin(docs=[nlp.make_doc(parse(marked, LABELS)[0])]).to_disk(path)
    with serving(Llm([marked])) as llm:
        assert annotate(llm, path, output).exit_code == 0
        path.write_bytes(b"no DocBin")
        damaged = annotate(llm, path, output.with_name("b.jsonl"))
    assert damaged.exit_code == 1
    assert "own.spacy: not a DocBin" in damaged.output
