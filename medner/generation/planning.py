"""What to ask for: cells of the grid by their weights, and pool entries for each sentence.

The plan is made before any request and is deterministic: the same seed, settings and output give the same plan. The
seed only breaks ties.
"""

from __future__ import annotations

import hashlib
import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from medner.data.overlap import form_key
from medner.data.records import Record
from medner.exceptions import InputError
from medner.generation.config import Entry, Language

# The margins of the grid that are kept to their weights.
_MARGINS = (
    ("specialty",),
    ("genre",),
    ("density",),
    ("genre", "register"),
    ("specialty", "genre"),
    ("specialty", "genre", "register", "density"),
)


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Cell:
    """One cell of the grid; a record's ``meta`` holds the same four."""

    specialty: str
    genre: str
    register: str
    density: str


class Brief(_Frozen):
    """What one sentence is asked to hold: (label, form) of pool entries, and possibly a hard case."""

    entities: tuple[tuple[str, str], ...]
    hard_case: str = ""


class Task(_Frozen):
    """The content of one request. ``number`` is unique within an output and its ledger."""

    number: int


T = TypeVar("T", bound=Task)


class WritingTask(Task):
    """Sentences of one cell."""

    split: str
    cell: Cell
    briefs: tuple[Brief, ...]


def read_task(kind: type[T], data: Mapping[str, Any]) -> T:
    """A task from its JSON form in the ledger. Raises InputError if it is not of this kind."""
    try:
        return kind.model_validate(data)
    except ValidationError:
        what = f"request {data.get('number')} of this output is damaged or of another command"
        raise InputError(what, remedy="Restore the answers file, or choose another output") from None


def _rank(seed: int, name: str) -> int:
    """A pseudo-random number for a name, the same on every machine, to break ties."""
    return int.from_bytes(hashlib.sha256(f"{seed}\t{name}".encode()).digest()[:6])


class Planner:
    """Plans sentences so that every margin of the grid follows its weights at any number of sentences.

    Each request goes to the cell that is furthest behind, its deficit being summed over its specialty, genre, register
    within genre, density, specialty with genre, and itself (Pocock and Simon's minimisation, with weights).
    """

    def __init__(self, language: Language, pools: Iterable[Entry], split: str, seed: int) -> None:
        self._language, self._split, self._seed = language, split, seed
        self._cells: list[Cell] = []
        weights: list[float] = []
        for (specialty, w1), (name, genre), (density, about) in itertools.product(
            language.specialties.items(), language.genres.items(), language.densities.items()
        ):
            total = sum(genre.registers.values())
            for register, share in genre.registers.items():
                self._cells.append(Cell(specialty=specialty, genre=name, register=register, density=density))
                weights.append(w1 * genre.weight * about.weight * share / total)
        share_of = np.asarray(weights) / sum(weights)
        # A margin: the index of each cell's value, the values' shares, the counts so far.
        self._margins: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self._index: list[dict[tuple[str, ...], int]] = []
        for names in _MARGINS:
            keys = [tuple(getattr(cell, name) for name in names) for cell in self._cells]
            values = {key: n for n, key in enumerate(dict.fromkeys(keys))}
            where = np.asarray([values[key] for key in keys])
            self._margins.append((where, np.bincount(where, weights=share_of), np.zeros(len(values))))
            self._index.append(values)
        self._tie = np.asarray([_rank(seed, repr(cell)) for cell in self._cells], dtype=float) / 2**48
        self._pools: dict[tuple[str, str], list[Entry]] = defaultdict(list)
        for entry in pools:
            if entry.split == split:
                self._pools[entry.label, entry.specialty].append(entry)
        for entries in self._pools.values():
            entries.sort(key=lambda entry: _rank(seed, entry.form))
        self._uses: Counter[tuple[str, str]] = Counter()
        self._planned: Counter[str] = Counter()  # sentences by genre, for its mentions; "" for all, for hard cases

    def count(self, records: Iterable[Record]) -> None:
        """Count existing records, whoever wrote them; values outside the grid are ignored."""
        for record in records:
            for names, index, (_, _, counts) in zip(_MARGINS, self._index, self._margins, strict=True):
                found = index.get(tuple(str(record.meta.get(name)) for name in names))
                if found is not None:
                    counts[found] += 1
            self._planned[str(record.meta.get("genre"))] += 1
            self._planned[""] += 1
            self._uses.update((entity.label, form_key(record.surface(entity))) for entity in record.entities)

    def plan(self, sentences: int, first: int) -> list[WritingTask]:
        """Tasks for so many further sentences, numbered from ``first``. Planned sentences count as existing."""
        tasks: list[WritingTask] = []
        size = self._language.sentences_per_request
        for number, start in enumerate(range(0, sentences, size), start=first):
            wanted = min(size, sentences - start)
            cell = self._next_cell(wanted)
            briefs = tuple(self._brief(cell) for _ in range(wanted))
            tasks.append(WritingTask(number=number, split=self._split, cell=cell, briefs=briefs))
        return tasks

    def _next_cell(self, wanted: int) -> Cell:
        deficit = self._tie.copy()  # below one sentence: decides among equals only
        for where, share, counts in self._margins:
            deficit += (share * (counts.sum() + wanted) - counts)[where]
        best = int(deficit.argmax())
        for where, _, counts in self._margins:
            counts[where[best]] += wanted
        return self._cells[best]

    def _brief(self, cell: Cell) -> Brief:
        genre = self._language.genres[cell.genre]
        nth, nth_of_all = self._planned[cell.genre], self._planned[""]
        self._planned[cell.genre] += 1
        self._planned[""] += 1
        hard = next((h.ask for h in self._language.hard_cases if self._due(h.ask, h.share, nth_of_all)), "")
        medical = self._language.densities[cell.density].medical
        if not medical:
            return Brief(entities=())
        wanted = [("MEDICAL", cell.specialty)] * medical
        wanted += [(label, "") for label, share in genre.mentions.items() if self._due(cell.genre + label, share, nth)]
        entities: list[tuple[str, str]] = []
        for label, specialty in wanted:
            form = self._take(label, specialty)
            if (label, form) not in entities:  # a pool smaller than the density
                entities.append((label, form))
        return Brief(entities=tuple(entities), hard_case=hard)

    def _due(self, name: str, share: float, nth: int) -> bool:
        """Whether the nth sentence belongs to the evenly spaced ``share``; the name decides the phase."""
        phase = _rank(self._seed, name) / 2**48
        return math.floor((nth + 1) * share + phase) > math.floor(nth * share + phase)

    def _take(self, label: str, specialty: str) -> str:
        """The least used form of a pool, which then counts as used."""
        entries = self._pools.get((label, specialty))
        if not entries:
            path = self._language.pools / f"{label.lower()}.tsv"
            what = f"no entry of split {self._split!r}" + (f" for {specialty}" if specialty else "")
            raise InputError(what, path=path, remedy="Add some, or choose another split")
        best = min(entries, key=lambda entry: self._uses[label, form_key(entry.form)])
        self._uses[label, form_key(best.form)] += 1
        return best.form


def writing_prompt(language: Language, task: WritingTask) -> tuple[str, str]:
    """System and user message of a task."""
    cell = task.cell
    briefs = []
    for number, brief in enumerate(task.briefs, start=1):
        lines = [f"{label}: {form}" for label, form in brief.entities] or ["no entity of any kind"]
        briefs.append(f"{number}. " + "; ".join([*lines, *([brief.hard_case] if brief.hard_case else [])]))
    user = language.user.format(
        count=len(task.briefs),
        specialty=cell.specialty.replace("_", " "),
        genre=language.genres[cell.genre].about,
        register=cell.register,
        density=language.densities[cell.density].about,
        briefs="\n".join(briefs),
    )
    return system_prompt(language, language.system), user


def system_prompt(language: Language, template: str) -> str:
    """A system message: the template with the language's name, guidelines and examples filled in."""
    examples = "\n".join(language.examples)
    return template.format(language=language.name, guidelines=language.guidelines.strip(), examples=examples).strip()
