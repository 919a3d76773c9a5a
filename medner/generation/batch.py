"""The Batch API: submit and leave; the same command comes back for the answers by the job's id.

``<output>.batch.json`` says what was submitted. It is written before the job is made, with a key that the job carries,
so that a run killed in between finds its job again instead of paying for a second one.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
from openai.types import Batch
from openai.types.chat import ChatCompletion
from pydantic import BaseModel, ConfigDict, ValidationError

from medner.exceptions import InputError
from medner.files import read_text, write_text
from medner.generation.client import Client, Fault, reply_of
from medner.generation.ledger import Ledger, Reject, affordable
from medner.generation.planning import Task
from medner.generation.run import Model, Work, answer_of

_ENDPOINT = "/v1/chat/completions"
_OVER = ("completed", "expired", "cancelled")  # with answers, as far as they came


class Submission(BaseModel):
    """``<output>.batch.json``: the key the job carries, its id once known, and the tasks in it."""

    model_config = ConfigDict(extra="forbid")

    key: str
    job: str = ""
    model: str
    tasks: list[dict[str, Any]]


def submission_path(output: Path) -> Path:
    """Where the submission of an output is noted."""
    return output.with_name(output.name + ".batch.json")


def pending(output: Path) -> Submission | None:
    """The submission that is still out, or None. Raises InputError for a damaged note."""
    path = submission_path(output)
    if not path.exists():
        return None
    try:
        return Submission.model_validate_json(read_text(path))
    except ValidationError:
        remedy = "Restore it, or remove it to give the job up"
        raise InputError("is no note of a batch job", path=path, remedy=remedy) from None


async def submit(
    client: Client, work: Work, model: Model, tasks: Sequence[Task], ledger: Ledger, limit: float | None
) -> Submission | None:
    """Submit as many of the tasks as the limit (USD, over all runs) allows; None when it allows none."""
    bodies = [model.body(work, task) for task in tasks]
    count = affordable((model.worst_cost(body, batch=True) for body in bodies), limit, ledger.spent())
    if not count:
        return None
    chosen = [task.model_dump(mode="json") for task in tasks[:count]]
    submission = Submission(key=secrets.token_hex(8), model=model.name, tasks=chosen)
    path = submission_path(ledger.output.path)
    write_text(path, submission.model_dump_json() + "\n")
    lines = [
        json.dumps({"custom_id": str(task.number), "method": "POST", "url": _ENDPOINT, "body": body})
        for task, body in zip(tasks[:count], bodies, strict=False)
    ]
    try:
        with _explained(client):
            file = await client.sdk.files.create(file=("batch.jsonl", "\n".join(lines).encode()), purpose="batch")
            job = await client.sdk.batches.create(
                input_file_id=file.id,
                endpoint="/v1/chat/completions",
                completion_window="24h",
                metadata={"medner": submission.key},
            )
            submission.job = job.id
    except _Refused:
        path.unlink()  # the server has said no: there is no job
        raise
    write_text(path, submission.model_dump_json() + "\n")
    return submission


class _Refused(InputError):
    """The server has understood the request and said no."""


@contextmanager
def _explained(client: Client) -> Iterator[None]:
    """One message for each way in which a request fails; what a server does after an error of its own is not known."""
    again = "Run the command again"
    try:
        yield
    except openai.APIStatusError as error:
        if error.status_code >= 500 or error.status_code in (408, 409):
            what = f"the server failed ({error.status_code}: {client.shown(error.message)})"
            raise InputError(what, remedy=again) from None
        refusal = client.refuse(error)
        raise _Refused(refusal.what, remedy=refusal.remedy) from None
    except openai.APIError as error:
        raise InputError(f"no connection to the server ({client.shown(error.message)})", remedy=again) from None
    except (ValueError, TypeError, AttributeError):  # no JSON, or none of the Batch API's: the SDK does not check it
        what = "the server's answer is none of the Batch API"
        raise InputError(what, remedy="Check --base-url, and run the command again") from None


async def find(client: Client, submission: Submission, output: Path) -> Batch | None:
    """The submission's job as it stands; None, and the note removed, where it never came to be."""
    with _explained(client):
        if submission.job:
            job = await client.sdk.batches.retrieve(submission.job)
            if not isinstance(job, Batch):  # the text of a page that is no JSON
                raise TypeError
            return job
        async for job in client.sdk.batches.list(limit=100):
            if (job.metadata or {}).get("medner") == submission.key:
                return job
    submission_path(output).unlink()
    return None


async def collect(client: Client, work: Work, model: Model, submission: Submission, job: Batch, ledger: Ledger) -> bool:
    """Keep a finished job's answers and remove the note; False while it is under way.

    Raises InputError where the job failed as a whole, or was made for another model than is asked for now.
    """
    path = submission_path(ledger.output.path)
    if submission.model != model.name:
        what = f"a batch job for model {submission.model!r} is out"
        raise InputError(what, path=path, remedy=f"Collect it with --model {submission.model} first")
    if job.status == "failed":
        path.unlink()
        errors = (job.errors.data if job.errors else None) or []
        told = client.shown("; ".join(str(error.message) for error in errors) or "no reason given")
        raise InputError(f"batch job {job.id} failed: {told}", remedy="Run the command again to submit anew")
    if job.status not in _OVER:
        return False
    tasks = {str(task["number"]): task for task in submission.tasks}
    kept = {answer.number for answer in ledger.answers if not answer.fault}
    for file in (job.output_file_id, job.error_file_id):
        if not file:
            continue
        with _explained(client):
            content = (await client.sdk.files.content(file)).text
        for line in content.split("\n"):
            if line.strip():
                _keep(line, tasks, kept, work, model, ledger)
    path.unlink()
    return True


def _keep(
    line: str, tasks: dict[str, dict[str, Any]], kept: set[int], work: Work, model: Model, ledger: Ledger
) -> None:
    """Keep one line of a job's files, unless a run that was killed has done so."""
    try:
        item = json.loads(line)
        task = work.task(tasks[str(item["custom_id"])])
    except (ValueError, KeyError, TypeError):
        return  # no line of this job
    if task.number in kept:
        return
    response = item.get("response") or {}
    try:
        if response.get("status_code") != 200:
            raise Fault("failed in the batch")
        reply = reply_of(ChatCompletion.construct(**response["body"]))
    except (Fault, KeyError, TypeError) as error:
        reason = error.reason if isinstance(error, Fault) else "no chat completion"
        ledger.reject(Reject(id=f"{work.id(task.number)}-request", number=task.number, reason=reason))
        return
    kept.add(task.number)
    ledger.keep(answer_of(work, task, model, reply, batch=True))
