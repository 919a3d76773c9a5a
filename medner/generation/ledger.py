"""Everything that was paid for and its result, on disk, so that a run can be killed at any moment and continued.

Four JSON Lines files, which are only appended to:

* ``<output>``: the accepted records;
* ``<output>.answers.jsonl``: every answer as it came, written before it is judged;
* ``<output>.rejects.jsonl``: what was rejected, with the reason;
* ``<output>.asked.jsonl``: every attempt, written before it is sent, and a second line if it failed unbilled. An
  attempt with no further trace was interrupted and may be billed.

Attempts and answers are on disk (fsync) before the run goes on; records and rejects follow from them.

What is still to be judged and what was spent is computed from these files.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medner.data.readers.synthetic import parse_synthetic
from medner.data.records import Record, Tally
from medner.exceptions import InputError
from medner.files import decode
from medner.generation.client import parsed

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


class Answer(BaseModel):
    """One line of the answers file: a task, and the model's answer or how the request failed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int
    task: dict[str, Any]
    model: str
    prompt: str
    content: str = ""
    refusal: str = ""
    finish: str = ""  # the API's finish_reason
    fault: str = ""  # why the request failed; it may be billed all the same, and is charged with its worst case
    input_tokens: int = Field(default=0, ge=0)
    output_tokens: int = Field(default=0, ge=0)
    cost: float | None = Field(default=None, ge=0, allow_inf_nan=False)  # USD; None if the model has no price
    batch: bool = False
    attempt: int = 0  # as in the file of attempts; 0 for batch jobs


class Asked(BaseModel):
    """One line of the attempts file. worst: what to charge if the attempt is interrupted; None: it failed unbilled."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    attempt: int
    worst: Answer | None


class Reject(BaseModel):
    """One line of the rejects file: a sentence, a whole answer, or a request that failed (``…-request``)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str
    number: int
    reason: str
    detail: str = ""
    sentence: str = ""


def _dump(item: BaseModel | dict[str, Any]) -> bytes:
    data = item.model_dump() if isinstance(item, BaseModel) else item
    return (json.dumps(data, ensure_ascii=False) + "\n").encode("utf-8")


class Lines(Generic[T]):
    """A JSON Lines file: locked, repaired once, then appended to.

    ``parse`` reads the whole lines into ``found``. A last line that a crash has torn is cut off if it begins like our
    lines (``begin``), and so are NUL bytes at the end, which a power cut may leave; ``torn`` says so. Raises
    InputError, and leaves the file as it is, if ``parse`` refuses a line, if the file cannot be written, and if another
    run has it open.
    """

    def __init__(self, path: Path, begin: bytes, parse: Callable[[str, Path], list[T]]) -> None:
        self.path = path
        self.torn = False
        self._appended = self._safe = 0  # lines, and how many of them are on disk
        self._disk = asyncio.Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            new = not path.exists()
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self.found = self._mended(begin, parse)
                if new:  # the file's name must survive a power cut, too
                    folder = os.open(path.parent, os.O_RDONLY)
                    os.fsync(folder)
                    os.close(folder)
            except BaseException:
                os.close(self._file)
                raise
        except BlockingIOError:
            raise InputError(
                "another run is writing it", path=path, remedy="Wait for its end, or choose another"
            ) from None
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> InputError:
        remedy = "Check permissions and free space, then run the command again: it continues"
        return InputError(f"cannot be written ({error.strerror or error})", path=self.path, remedy=remedy)

    def _mended(self, begin: bytes, parse: Callable[[str, Path], list[T]]) -> list[T]:
        data = self.path.read_bytes()
        kept = data.rstrip(b"\0")
        last = kept[kept.rfind(b"\n") + 1 :]
        if last and parsed(last) is None:  # no part of a JSON object is JSON, so JSON only lacks its line end
            kept = kept.removesuffix(last)
        self.torn = kept != data
        found = parse(decode(kept, self.path), self.path)
        if self.torn:
            if not (last.startswith(begin) or begin.startswith(last) or kept.endswith(last)):
                raise _alien("record", self.path, kept.count(b"\n") + 1)
            os.ftruncate(self._file, len(kept))
        if kept and not kept.endswith(b"\n"):
            os.write(self._file, b"\n")
        os.fsync(self._file)
        return found

    def append(self, item: BaseModel | dict[str, Any]) -> None:
        """Add one record. A kill cannot take it any more, a power cut can until it is on disk."""
        data = memoryview(_dump(item))
        size = os.fstat(self._file).st_size
        try:
            while data:
                data = data[os.write(self._file, data) :]
        except OSError as error:
            with suppress(OSError):  # the next record must not follow a fragment
                os.ftruncate(self._file, size)
            raise self._unwritable(error) from None
        self._appended += 1

    def sync(self) -> None:
        """Wait until all records are on disk."""
        appended = self._appended
        if self._safe < appended:
            try:
                os.fsync(self._file)
            except OSError as error:
                raise self._unwritable(error) from None
            self._safe = appended

    async def on_disk(self) -> None:
        """Wait until all records are on disk, while others work. One such wait serves all who come before it begins."""
        appended = self._appended
        async with self._disk:
            if self._safe < appended:
                await asyncio.to_thread(self.sync)

    def close(self) -> None:
        """Release the lock, once all records are on disk."""
        try:
            self.sync()
        finally:
            os.close(self._file)


def _alien(kind: str, path: Path, line: int) -> InputError:
    remedy = "Restore the file, or move it and the files beside it away to start again"
    return InputError(f"not a line of a file of {kind}s", path=path, place=f"line {line}", remedy=remedy)


def _records(text: str, path: Path) -> list[Record]:
    return list(parse_synthetic(text, path, Tally())) if text.strip() else []


def _parser(kind: type[M]) -> Callable[[str, Path], list[M]]:
    def parse(text: str, path: Path) -> list[M]:
        items = []
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                try:
                    items.append(kind.model_validate_json(line))
                except ValidationError:
                    raise _alien(kind.__name__.lower(), path, number) from None
        return items

    return parse


class Ledger:
    """The four files of one output, and their totals. Close it after use."""

    def __init__(self, output: Path) -> None:
        if output.suffix == ".gz":
            raise InputError("the output is not compressed", path=output, remedy="Remove .gz from its name")
        with ExitStack() as opened:  # closes the files that are open if a later one is bad
            self.output = self._open(opened, output, b'{"id": "', _records)
            beside = output.with_name
            self._answers = self._open(opened, beside(output.name + ".answers.jsonl"), b'{"number": ', _parser(Answer))
            self._rejects = self._open(opened, beside(output.name + ".rejects.jsonl"), b'{"id": "', _parser(Reject))
            self._asked = self._open(opened, beside(output.name + ".asked.jsonl"), b'{"attempt": ', _parser(Asked))
            self._files = opened.pop_all()
        self.records, self.answers, self.rejects = self.output.found, self._answers.found, self._rejects.found
        known = {answer.attempt for answer in self.answers}
        asked = {line.attempt: line.worst for line in self._asked.found}
        self._under_way = {n: worst for n, worst in asked.items() if worst is not None and n not in known}
        self._attempts = max(known | asked.keys(), default=0)
        self.judged = {record.id for record in self.records} | {reject.id for reject in self.rejects}
        self.reasons = Counter(reject.reason for reject in self.rejects)
        numbers = {0, *(a.number for a in self.answers), *(r.number for r in self.rejects)}
        self._last = max(numbers | {n for r in self.records if isinstance(n := r.meta.get("request"), int)})
        self._input = self._output = 0  # tokens
        self._spent = 0.0
        self._unpriced: list[Answer] = []
        for answer in self.answers:
            self._count(answer)
        self.charge_interrupted()

    def _count(self, answer: Answer) -> None:
        self._input += answer.input_tokens
        self._output += answer.output_tokens
        self._spent += answer.cost or 0.0
        if answer.cost is None:
            self._unpriced.append(answer)

    def _open(self, opened: ExitStack, path: Path, begin: bytes, parse: Callable[[str, Path], list[T]]) -> Lines[T]:
        return opened.enter_context(closing(Lines(path, begin, parse)))

    def close(self) -> None:
        """Close the files."""
        self._files.close()

    @property
    def torn(self) -> list[Path]:
        """Files whose end a crash had torn."""
        files = (self.output, self._answers, self._rejects, self._asked)
        return [lines.path for lines in files if lines.torn]

    def next_number(self) -> int:
        """A number that no request of this output has had."""
        return self._last + 1

    def ask(self, worst: Answer) -> int:
        """Write down, before a request is sent, what to charge if it is interrupted. Returns the attempt's number."""
        attempt = self._attempts + 1
        worst = worst.model_copy(update={"attempt": attempt})
        self._asked.append(Asked(attempt=attempt, worst=worst))
        self._attempts = attempt
        self._under_way[attempt] = worst
        return attempt

    async def paid_on_disk(self) -> None:
        """Wait until attempts and answers are on disk, which nothing could restore after a power cut."""
        await self._asked.on_disk()
        await self._answers.on_disk()

    def sync(self) -> None:
        """Wait until all is on disk."""
        for lines in (self._asked, self._answers, self._rejects, self.output):
            lines.sync()

    def release(self, attempt: int) -> None:
        """Write down that an attempt failed in a way that is not billed."""
        self._asked.append(Asked(attempt=attempt, worst=None))
        del self._under_way[attempt]

    def charge_interrupted(self) -> None:
        """Charge for attempts that were cut off from this side: they may be billed."""
        for worst in list(self._under_way.values()):
            self.keep(worst)

    def keep(self, answer: Answer) -> None:
        """Write an answer down, before it is judged."""
        self._answers.append(answer)
        self.answers.append(answer)
        self._count(answer)
        self._last = max(self._last, answer.number)
        self._under_way.pop(answer.attempt, None)

    def accept(self, record: Record) -> None:
        """Write a record down."""
        self.output.append(record.as_dict())
        self.records.append(record)
        self.judged.add(record.id)

    def reject(self, reject: Reject) -> None:
        """Write a reject down, once."""
        if reject.id in self.judged:
            return  # a request that failed again, or results of a batch job that were downloaded again
        self._rejects.append(reject)
        self.rejects.append(reject)
        self.judged.add(reject.id)
        self.reasons[reject.reason] += 1
        self._last = max(self._last, reject.number)

    def tokens(self) -> tuple[int, int]:
        """Input and output tokens of all answers."""
        return self._input, self._output

    def unpriced(self) -> list[Answer]:
        """Answers of unknown cost."""
        return self._unpriced

    def spent(self) -> float:
        """USD for all answers of known cost, of all runs."""
        return self._spent


class Budget:
    """Lets a request begin only if the worst cases of all requests under way fit into the limit.

    limit: USD for the output over all runs; None for no limit.
    """

    def __init__(self, limit: float | None, spent: float) -> None:
        self._limit, self._spent = limit, spent
        self._held: list[float] = []  # worst cases set aside; a running sum would not return to exactly 0
        self._freed = asyncio.Condition()

    async def reserve(self, worst: float) -> bool:
        """Set one request's worst case aside, after waiting for requests under way. False: the budget is used up."""
        async with self._freed:
            while self._limit is not None and self._spent + sum(self._held) + worst > self._limit:
                if not self._held:
                    return False
                await self._freed.wait()
            self._held.append(worst)
            return True

    async def settle(self, worst: float, cost: float) -> None:
        """Replace a worst case by the actual cost."""
        async with self._freed:
            self._held.remove(worst)
            self._spent += cost
            self._freed.notify_all()


def affordable(worst_cases: Iterable[float], limit: float | None, spent: float) -> int:
    """The number of requests, in order, that fit into the limit if each costs its worst case."""
    count = 0
    for worst in worst_cases:
        spent += worst
        if limit is not None and spent > limit:
            break
        count += 1
    return count
