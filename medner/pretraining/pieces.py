"""Word-pieces on disk and batches drawn from them: packed sequences, whole words masked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from medner.exceptions import InputError
from medner.pretraining.text import Group

Pieces = NDArray[np.uint16]
Item = TypeVar("Item")
HELD_OUT_RUN = 4096  # pieces; held-out text is cut out in runs of this length, spread over the group


class Batch(NamedTuple):
    """One step's input.

    pieces: (sequences, length) as read; masked: flat indices into it of the pieces to be predicted.
    """

    pieces: NDArray[np.int64]
    masked: NDArray[np.int64]


def _some(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Lists of ``size`` items, the last one shorter (itertools.batched comes with Python 3.12)."""
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part


def write_pieces(group: Group, tokenizer: Any, path: Path) -> int:
    """Tokenise a group's files to ``path``: 16-bit piece numbers, [SEP] after each document. Returns their number.

    Raises InputError for a vocabulary that 16 bits cannot number, and for a group without text.
    """
    if len(tokenizer) > np.iinfo(np.uint16).max:
        raise InputError(f"{len(tokenizer)} pieces are too many", remedy="Take a vocabulary below 65,536")
    written = 0
    with path.open("wb") as file:
        for some in _some(group.lines(), 2000):
            encoded = tokenizer(list(some), add_special_tokens=False, return_attention_mask=False, verbose=False)[
                "input_ids"
            ]
            flat: list[int] = []
            for line in encoded:
                if line:
                    flat += line
                elif flat and flat[-1] != tokenizer.sep_token_id:
                    flat.append(tokenizer.sep_token_id)
            np.array(flat, dtype=np.uint16).tofile(file)
            written += len(flat)
    if not written:
        raise InputError(f"group {group.name} has no text", remedy="Check its files")
    return written


def read_pieces(path: Path, number: int) -> Pieces:
    """The pieces that :func:`write_pieces` wrote, mapped from the disk. Raises InputError if there are not so many."""
    if not path.is_file() or path.stat().st_size != number * np.dtype(np.uint16).itemsize:
        what = f"is damaged (it should hold {number:,} pieces)"
        raise InputError(what, path=path, remedy=f"Remove {path.parent}.json to read the text again")
    return np.asarray(np.memmap(path, dtype=np.uint16, mode="r"))


@dataclass(frozen=True)
class Part:
    """Stretches of ``size`` pieces, one every ``every`` from ``first`` on, indexed as if nothing lay between them.

    Only what is asked for is read from the disk.
    """

    pieces: Pieces
    first: int
    size: int
    every: int

    def __len__(self) -> int:
        """Number of pieces."""
        whole, rest = divmod(len(self.pieces), self.every)
        return whole * self.size + min(max(rest - self.first, 0), self.size)

    def __getitem__(self, places: int | slice) -> Any:
        """One piece, or an array of them."""
        at = np.asarray(range(len(self))[places], dtype=np.int64)
        return self.pieces[self.first + at // self.size * self.every + at % self.size]


def split(pieces: Pieces, held_out: float) -> tuple[Part, Part]:
    """Training and held-out pieces: every so many runs of HELD_OUT_RUN pieces go to the second."""
    every = min(max(2, round(1 / held_out)), len(pieces))
    run = min(HELD_OUT_RUN, max(1, len(pieces) // every))
    kept = (every - 1) * run
    return Part(pieces, 0, kept, every * run), Part(pieces, kept, run, every * run)


class Sampler:
    """Draws batches from groups of pieces by their weights. A step's batch depends on seed and step alone.

    Sequences start anywhere, at a word.
    """

    def __init__(
        self,
        groups: Mapping[str, Pieces | Part],
        weights: Mapping[str, float],
        tokenizer: Any,
        *,
        sequences: int,
        length: int,
        masked: float,
        seed: int,
    ) -> None:
        self.groups = {name: groups[name] for name in weights}
        shares = np.array(list(weights.values()), dtype=np.float64)
        self.shares = shares / shares.sum()
        self.sequences, self.length, self.masked, self.seed = sequences, length, masked, seed
        self.cls, self.sep = tokenizer.cls_token_id, tokenizer.sep_token_id
        words = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
        self.starts_word = np.array([not word.startswith("##") for word in words])

    def batch(self, step: int) -> Batch:
        """The batch of a training step (from 0)."""
        rng = np.random.default_rng([self.seed, step])
        groups = list(self.groups.values())
        chosen = rng.choice(len(groups), size=self.sequences, p=self.shares)
        rows = np.stack([self._sequence(groups[n], rng) for n in chosen])
        return Batch(rows, self._mask(rows, rng))

    def held_out(self, name: str, limit: int) -> Iterator[Batch]:
        """At most ``limit`` batches that read a group once, in order, always masked the same way."""
        body = self.length - 2
        pieces = self.groups[name]
        starts = range(0, max(1, len(pieces) - body + 1), body)
        for number, some in enumerate(_some(starts, self.sequences)):
            if number == limit:
                return
            rows = np.stack([self._framed(pieces[start : start + body]) for start in some])
            rng = np.random.default_rng([self.seed, number])
            yield Batch(rows, self._mask(rows, rng))

    def _sequence(self, pieces: Pieces | Part, rng: np.random.Generator) -> NDArray[np.int64]:
        start = int(rng.integers(max(1, len(pieces) - self.length)))
        while start < len(pieces) - 1 and not self.starts_word[pieces[start]]:
            start += 1
        return self._framed(pieces[start : start + self.length - 2])

    def _framed(self, pieces: Pieces) -> NDArray[np.int64]:
        """[CLS] pieces [SEP]; text shorter than that is repeated, so that no sequence needs padding."""
        return np.concatenate([[self.cls], np.resize(pieces.astype(np.int64), self.length - 2), [self.sep]])

    def _mask(self, rows: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """Flat indices of whole words that together hold about the wanted share of pieces; one piece at least."""
        word = np.cumsum(self.starts_word[rows], axis=1)
        drawn = rng.random((len(rows), self.length + 1)) < self.masked
        hit = np.take_along_axis(drawn, word, axis=1) & (rows != self.cls) & (rows != self.sep)
        return np.flatnonzero(hit) if hit.any() else np.array([1])  # the mean loss over no piece would be NaN


def shares(
    sizes: Mapping[str, int], left_out: Mapping[str, int], weights: Mapping[str, float], seen: int
) -> list[Mapping[str, Any]]:
    """For the data card: each group's pieces, lines left out, share of what is read, and passes after ``seen``."""
    whole = sum(weights.values())
    return [
        {
            "group": name,
            "pieces": size,
            "left_out": left_out[name],
            "share": round(weights[name] / whole, 4),
            "passes": round(seen * weights[name] / whole / size, 2),
        }
        for name, size in sizes.items()
    ]
