"""The Batch API: submit and leave; the same command, run again, collects the answers.

``<output>.batch.json`` notes what was submitted. It is written before the job is created, with a key that the job
carries, so that a run killed in between finds its job again instead of paying for a second one. It is removed once
every answer is on disk.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import openai
from pydantic import BaseModel, ConfigDict, ValidationError

from medner.exceptions import InputError
from medner.files import read_text, write_text
from medner.generation.client import Client, Fault, Reply, parsed, refused_text
from medner.generation.ledger import Ledger, affordable
from medner.generation.planning import Task
from medner.generation.run import Model, Work, answer_of, failed

_OVER = ("completed", "expired", "cancelled")  # the job ended, with answers to some or all requests
_PATIENCE = 10  # times --timeout: files are larger than single answers
_M = TypeVar("_M", bound=BaseModel)


class Submission(BaseModel):
    """``<output>.batch.json``: the key that the job carries, its id once known, and its tasks."""

    model_config = ConfigDict(extra="forbid")

    key: str
    job: str = ""
    model: str
    tasks: list[dict[str, Any]]


class Job(BaseModel):
    """A job, as the server describes it; only its id is sure to have the right type."""

    id: str
    status: Any = ""
    output_file_id: Any = None
    error_file_id: Any = None
    request_counts: Any = None
    errors: Any = None
    metadata: Any = None

    @property
    def counts(self) -> tuple[int, int] | None:
        """Requests with an answer, and all requests; None if the server does not say."""
        match self.request_counts:
            case {"completed": int(completed), "total": int(total)}:
                return completed, total
        return None


class _File(BaseModel):
    id: str


class _Page(BaseModel):
    data: list[Job]
    has_more: bool = False


def submission_path(output: Path) -> Path:
    """The note of the submission for an output."""
    return output.with_name(output.name + ".batch.json")


def pending(output: Path) -> Submission | None:
    """The submission that is not collected yet, or None. Raises InputError for a damaged note."""
    path = submission_path(output)
    if not path.exists():
        return None
    try:
        return Submission.model_validate_json(read_text(path))
    except ValidationError:
        remedy = "Restore it, or remove it to give the job up"
        raise InputError("is not the note of a batch job", path=path, remedy=remedy) from None


async def submit(
    client: Client, work: Work, model: Model, tasks: Sequence[Task], ledger: Ledger, limit: float | None
) -> Submission | None:
    """Submit as many of the tasks as the limit (USD, over all runs) allows; None if it allows none."""
    bodies = [model.body(work, task) for task in tasks]
    count = affordable((model.worst_cost(body, batch=True) for body in bodies), limit, ledger.spent())
    if not count:
        return None
    chosen = [task.model_dump(mode="json") for task in tasks[:count]]
    submission = Submission(key=secrets.token_hex(8), model=model.name, tasks=chosen)
    path = submission_path(ledger.output.path)
    write_text(path, submission.model_dump_json() + "\n", durable=True)
    url = "/v1/chat/completions"
    lines = [
        json.dumps({"custom_id": str(task.number), "method": "POST", "url": url, "body": client.adapted(body)})
        for task, body in zip(tasks[:count], bodies, strict=False)
    ]
    files, batches = client.sdk.files.with_raw_response, client.sdk.batches.with_raw_response
    try:
        upload = files.create(file=("batch.jsonl", "\n".join(lines).encode()), purpose="batch")
        file = await _answer(client, upload, _File)
        creation = batches.create(
            input_file_id=file.id,
            endpoint="/v1/chat/completions",
            completion_window="24h",
            metadata={"medner": submission.key},
        )
        submission.job = (await _answer(client, creation, Job)).id
    except _Refused:
        path.unlink()  # the server has refused: there is no job
        raise
    write_text(path, submission.model_dump_json() + "\n", durable=True)
    return submission


class _Refused(InputError):
    """The server has understood the request and refused it."""

    def __init__(self, refusal: InputError, status: int) -> None:
        self.status = status
        super().__init__(refusal.what, remedy=refusal.remedy)


@asynccontextmanager
async def _explained(client: Client) -> AsyncIterator[None]:
    """One message for each way in which a request fails. After a server error, the job may exist or not."""
    again = "Run the command again"
    seconds = _PATIENCE * client.timeout
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError:
        raise InputError(f"no answer within {seconds:.0f} s", remedy=f"{again}, with a longer --timeout") from None
    except openai.APIStatusError as error:
        if error.status_code >= 500 or error.status_code in (408, 409):
            what = f"the server failed ({error.status_code}: {client.shown(error.message)})"
            raise InputError(what, remedy=again) from None
        raise _Refused(client.refuse(error), error.status_code) from None
    except openai.APIError as error:
        what = f"no connection to {client.address} ({client.shown(error.__cause__ or error.message)})"
        raise InputError(what, remedy=again) from None


async def _answer(client: Client, request: Awaitable[Any], kind: type[_M]) -> _M:
    """The answer to a request of the Batch API, checked."""
    async with _explained(client):
        content = (await request).content
    try:
        return kind.model_validate_json(content)
    except ValidationError:
        what = f"no answer of the Batch API at {client.address} ({client.shown(content.decode(errors='replace'))})"
        raise InputError(what, remedy="Check --base-url, and run the command again") from None


async def find(client: Client, submission: Submission, output: Path) -> Job | None:
    """The submission's job as it stands; None, and the note is removed, if it was never created."""
    batches, path = client.sdk.batches.with_raw_response, submission_path(output)
    if submission.job:
        try:
            return await _answer(client, batches.retrieve(submission.job), Job)
        except _Refused as refusal:
            if refusal.status != 404:
                raise
            remedy = "Check OPENAI_API_KEY and --base-url, or remove this file to give the job up"
            raise InputError(f"the server does not know batch job {submission.job}", path=path, remedy=remedy) from None
    last: str | openai.Omit = openai.omit
    while True:
        page = await _answer(client, batches.list(limit=100, after=last), _Page)
        for job in page.data:
            if isinstance(job.metadata, dict) and job.metadata.get("medner") == submission.key:
                submission.job = job.id
                write_text(path, submission.model_dump_json() + "\n", durable=True)
                return job
        if not (page.has_more and page.data) or last == page.data[-1].id:
            break
        last = page.data[-1].id
    path.unlink()
    return None


async def collect(
    client: Client, work: Work, model: Model, submission: Submission, job: Job, ledger: Ledger
) -> int | None:
    """Keep a finished job's answers, then remove the note: the number of requests without an answer.

    None while the job is under way. Raises InputError if the job failed as a whole, if it was made for another model,
    and if its results are damaged or incomplete; what could be read is kept then, and so is the note.
    """
    path = submission_path(ledger.output.path)
    if submission.model != model.name:
        what = f"a batch job for model {submission.model!r} is not collected yet"
        raise InputError(what, path=path, remedy=f"Collect it with --model {submission.model} first")
    if job.status == "failed":
        path.unlink()
        told = client.shown(json.dumps(job.errors) if job.errors else "no reason given")
        raise InputError(f"batch job {job.id} failed: {told}", remedy="Run the command again to submit it again")
    if job.status not in _OVER:
        return None
    tasks = {str(task["number"]): work.task(task) for task in submission.tasks}
    seen: set[str] = set()
    answered: set[str] = set()
    damaged: list[bytes] = []
    kept = {answer.number for answer in ledger.answers if answer.batch or not answer.fault}
    for file in filter(None, (job.output_file_id, job.error_file_id)):
        async with _explained(client):
            content = (await client.sdk.files.content(str(file))).content
        for line in filter(bytes.strip, content.split(b"\n")):
            match parsed(line):
                case {"custom_id": str(name), **item} if name in tasks:
                    seen.add(name)
                    if isinstance(item.get("response"), dict):
                        answered.add(name)
                    if tasks[name].number not in kept:  # by an earlier run, which was killed
                        kept.add(tasks[name].number)
                        _keep(client, work, model, tasks[name], item, ledger)
                case _:
                    damaged.append(line)
    if (
        damaged
        or (job.counts and len(answered) < job.counts[0])
        or (job.status == "completed" and len(seen) < len(tasks))
    ):
        what = f"the results of batch job {job.id} are incomplete: {len(seen)} of {len(tasks)} requests"
        if damaged:
            what += f"; not a line of them: {client.shown(damaged[0].decode(errors='replace'))}"
        remedy = "Run the command again to download the rest, which is paid for, or remove this file to give it up"
        raise InputError(what, path=path, remedy=remedy)
    ledger.sync()
    path.unlink()
    replies = {answer.number for answer in ledger.answers if answer.batch and not answer.fault}
    return sum(task.number not in replies for task in tasks.values())


def _keep(client: Client, work: Work, model: Model, task: Task, item: Mapping[Any, Any], ledger: Ledger) -> None:
    """Keep one line of a job's results."""
    outcome = _outcome(client, model.body(work, task), item)
    if isinstance(outcome, Reply) or outcome.paid:
        ledger.keep(answer := answer_of(work, task, model, outcome, batch=True))
        model.learn(work, answer)
    if isinstance(outcome, Fault):
        ledger.reject(failed(work, task, outcome))


def _outcome(client: Client, body: dict[str, Any], item: Mapping[Any, Any]) -> Reply | Fault:
    match item.get("response"):
        case {"status_code": 200, "body": answer}:
            return client.reply(answer)
        case {"status_code": status, "body": {"error": {"message": str(message), **error}} as told}:
            if reason := refused_text(status, error.get("code"), message):
                return Fault(reason, final=True, detail=client.shown(message))
            client.adapt(status, json.dumps(told), client.adapted(body))
            return Fault("failed in the batch", detail=client.shown(message))
    return Fault("failed in the batch", detail=client.shown(json.dumps(item.get("error") or "")))
