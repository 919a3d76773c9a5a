"""What was paid for and what became of it, on disk, so that a run can be killed at any moment and continued.

Four files of JSON Lines, which are only ever appended to, one fsynced record at a time:

* ``<output>`` the accepted records,
* ``<output>.answers.jsonl`` every answer as it came, written before it is judged; its last line may be torn by a crash,
* ``<output>.rejects.jsonl`` what was refused, with the reason,
* ``<output>.asked.jsonl`` every attempt before it is sent, and whether it failed unbilled: one of which nothing else is
  known was interrupted, and may be billed.

Nothing else is remembered: what is still to be judged and what was spent is computed from these files.
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

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


class Answer(BaseModel):
    """One line of the answers file: a task, and what the model answered to it or how the request failed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int
    task: dict[str, Any]
    model: str
    prompt: str
    content: str = ""
    refusal: str = ""
    finish: str = ""  # the API's finish_reason
    fault: str = ""  # a request that failed after it may have been answered: charged with its worst case
    input_tokens: int = Field(default=0, ge=0)
    output_tokens: int = Field(default=0, ge=0)
    cost: float | None = None  # USD; None where the price table does not know the model
    batch: bool = False
    attempt: int = 0  # as in the file of attempts; 0 for batch jobs


class Asked(BaseModel):
    """One line of the file of attempts: what one costs if nothing more is heard of it; None once it failed unbilled."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    attempt: int
    worst: Answer | None


class Reject(BaseModel):
    """One line of the rejects file: a sentence, or a whole answer (its id ends in the number), or a failed request."""

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
    """A JSON Lines file that is locked, mended once, then appended to; a record is on disk when ``append`` returns.

    ``parse`` reads the whole lines into ``found``; it raises InputError where they are none of ours, and nothing is
    changed then. A last line that a crash has torn is cut off (``torn`` says so) if it begins as our lines ``begin``.
    Raises InputError also where the file cannot be written or another run has it open.
    """

    def __init__(self, path: Path, begin: bytes, parse: Callable[[str, Path], list[T]]) -> None:
        self.path = path
        self.torn = False
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            new = not path.exists()
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self.found = self._mended(begin, parse)
                if new:  # the name must survive a power cut as well
                    folder = os.open(path.parent, os.O_RDONLY)
                    os.fsync(folder)
                    os.close(folder)
            except BaseException:
                os.close(self._file)
                raise
        except BlockingIOError:
            raise InputError("another run is writing it", path=path, remedy="Wait for it, or choose another") from None
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> InputError:
        remedy = "Check permissions and free space, then run the command again: it continues"
        return InputError(f"cannot be written ({error.strerror or error})", path=self.path, remedy=remedy)

    def _mended(self, begin: bytes, parse: Callable[[str, Path], list[T]]) -> list[T]:
        data = self.path.read_bytes()
        whole, last = data[: data.rfind(b"\n") + 1], data[data.rfind(b"\n") + 1 :]
        try:  # no beginning of a JSON object is one, so a line that is one only lacks its end
            json.loads(last or b"{}")
            whole = data
        except ValueError:
            self.torn = True
        found = parse(decode(whole, self.path), self.path)
        if self.torn:
            if not (last.startswith(begin) or begin.startswith(last)):
                raise _alien("line", self.path, whole.count(b"\n") + 1)
            os.ftruncate(self._file, len(whole))
        elif last:
            os.write(self._file, b"\n")
        os.fsync(self._file)
        return found

    def append(self, item: BaseModel | dict[str, Any]) -> None:
        """Add one record and wait until it is on disk."""
        data = memoryview(_dump(item))
        size = os.fstat(self._file).st_size
        try:
            while data:
                data = data[os.write(self._file, data) :]
            os.fsync(self._file)
        except OSError as error:
            with suppress(OSError):  # or what is appended next would stand behind a fragment
                os.ftruncate(self._file, size)
            raise self._unwritable(error) from None

    def close(self) -> None:
        """Give the lock back."""
        os.close(self._file)


def _alien(kind: str, path: Path, line: int) -> InputError:
    remedy = "Restore the file, or move it and its neighbours away to start anew"
    return InputError(f"is no {kind} of this program", path=path, place=f"line {line}", remedy=remedy)


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
    """The four files of one output, and what they add up to. To be closed after use."""

    def __init__(self, output: Path) -> None:
        if output.suffix == ".gz":
            raise InputError("would be written unpacked", path=output, remedy="Leave .gz out of its name")
        with ExitStack() as opened:  # closes what is open where a later file is bad
            self.output = self._open(opened, output, b'{"id": "', _records)
            beside = output.with_name
            self._answers = self._open(opened, beside(output.name + ".answers.jsonl"), b'{"number": ', _parser(Answer))
            self._rejects = self._open(opened, beside(output.name + ".rejects.jsonl"), b'{"id": "', _parser(Reject))
            self._asked = self._open(opened, beside(output.name + ".asked.jsonl"), b'{"attempt": ', _parser(Asked))
            self._files = opened.pop_all()
        self.records, self.answers, rejects = self.output.found, self._answers.found, self._rejects.found
        known = {answer.attempt for answer in self.answers}
        asked = {line.attempt: line.worst for line in self._asked.found}
        self._under_way = {n: worst for n, worst in asked.items() if worst is not None and n not in known}
        self._attempts = max(known | asked.keys(), default=0)
        self.judged = {record.id for record in self.records} | {reject.id for reject in rejects}
        self.reasons = Counter(reject.reason for reject in rejects)
        self._numbers = {a.number for a in self.answers} | {r.number for r in rejects}
        self._numbers |= {int(r.meta["request"]) for r in self.records if str(r.meta.get("request", "")).isdigit()}
        self.charge_interrupted()

    def _open(self, opened: ExitStack, path: Path, begin: bytes, parse: Callable[[str, Path], list[T]]) -> Lines[T]:
        return opened.enter_context(closing(Lines(path, begin, parse)))

    def close(self) -> None:
        """Close the files."""
        self._files.close()

    @property
    def torn(self) -> list[Path]:
        """Files whose last line a crash had torn."""
        files = (self.output, self._answers, self._rejects, self._asked)
        return [lines.path for lines in files if lines.torn]

    def next_number(self) -> int:
        """A number that no request of this output had."""
        return max(self._numbers, default=0) + 1

    def ask(self, worst: Answer) -> int:
        """Write down, before a request is sent, what it counts as if interrupted. Returns the attempt's number."""
        attempt = self._attempts + 1
        worst = worst.model_copy(update={"attempt": attempt})
        self._asked.append(Asked(attempt=attempt, worst=worst))
        self._attempts = attempt
        self._under_way[attempt] = worst
        return attempt

    def release(self, attempt: int) -> None:
        """Write down that an attempt failed in a way that is not billed."""
        self._asked.append(Asked(attempt=attempt, worst=None))
        del self._under_way[attempt]

    def charge_interrupted(self) -> None:
        """Count attempts that were cut off from this side as faults that may have been billed."""
        for worst in list(self._under_way.values()):
            self.keep(worst)

    def keep(self, answer: Answer) -> None:
        """Write an answer down; to be called before it is looked at."""
        self._answers.append(answer)
        self.answers.append(answer)
        self._numbers.add(answer.number)
        self._under_way.pop(answer.attempt, None)

    def accept(self, record: Record) -> None:
        """Write a record down."""
        self.output.append(record.as_dict())
        self.records.append(record)
        self.judged.add(record.id)

    def reject(self, reject: Reject) -> None:
        """Write a refusal down."""
        self._rejects.append(reject)
        self.judged.add(reject.id)
        self.reasons[reject.reason] += 1
        self._numbers.add(reject.number)

    def tokens(self) -> tuple[int, int]:
        """Input and output tokens of all answers."""
        return sum(a.input_tokens for a in self.answers), sum(a.output_tokens for a in self.answers)

    def unpriced(self) -> list[Answer]:
        """Answers whose cost is not known."""
        return [answer for answer in self.answers if answer.cost is None]

    def spent(self) -> float:
        """USD for all answers whose cost is known, earlier runs included."""
        return sum(answer.cost or 0.0 for answer in self.answers)


class Budget:
    """Lets a request begin only if all that may still come cannot exceed the limit.

    limit: USD for the output over all runs, None for no limit.
    """

    def __init__(self, limit: float | None, spent: float) -> None:
        self._limit, self._spent = limit, spent
        self._held: list[float] = []  # worst cases set aside; a running sum would never be 0 again
        self._freed = asyncio.Condition()

    async def reserve(self, worst: float) -> bool:
        """Set the worst case of one request aside; waits for requests under way. False: the budget is used up."""
        async with self._freed:
            while self._limit is not None and self._spent + sum(self._held) + worst > self._limit:
                if not self._held:
                    return False
                await self._freed.wait()
            self._held.append(worst)
            return True

    async def settle(self, worst: float, cost: float) -> None:
        """Replace what was set aside by what it came to."""
        async with self._freed:
            self._held.remove(worst)
            self._spent += cost
            self._freed.notify_all()


def affordable(worst_cases: Iterable[float], limit: float | None, spent: float) -> int:
    """How many of the requests, in order, fit into the limit if each costs its worst case."""
    count = 0
    for worst in worst_cases:
        spent += worst
        if limit is not None and spent > limit:
            break
        count += 1
    return count
