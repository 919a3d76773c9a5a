"""The text of a pre-training run: found, tokenised and written once, as pieces that the run draws from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from medner.data.overlap import Overlap
from medner.exceptions import InputError
from medner.files import new_folder, read_bytes, sha256
from medner.model.encoder import TOKENIZER
from medner.outputs import write_output
from medner.pretraining.checkpoint import read_own
from medner.pretraining.objectives import new_encoder
from medner.pretraining.pieces import Sampler, read_pieces, split, write_pieces
from medner.pretraining.recipe import Recipe
from medner.pretraining.text import find_groups, lines
from medner.pretraining.transplant import Source, transplant
from medner.pretraining.vocabulary import VocabularyText, train_tokenizer

TEXT = "text.json"
READ_AGAIN = f"Remove {TEXT} to read the text again"
RARE_LETTER = 100  # letters seen less often in the vocabulary text get no piece
HELD_OUT_MASKED = 0.15  # whatever trains, so that the losses of two runs can be compared


class Text(BaseModel):
    """What a folder's text was prepared from and for, and each group's pieces and lines left out."""

    wanted: dict[str, Any]
    sizes: dict[str, int]
    left_out: dict[str, int]

    @property
    def weights(self) -> dict[str, float]:
        """Each group's share of what is read, in any unit."""
        return {name: weight for name, weight, _ in self.wanted["groups"]}


def prepare_text(
    folder: Path,
    sources: Sequence[Path],
    recipe: Recipe,
    *,
    tests: Sequence[Path] = (),
    start: Source | None = None,
    vocabulary: Path | None = None,
) -> None:
    """Find the text, train or take the tokenizer, and write each group's pieces to ``folder``, once.

    tests: DocBin files; a line of text that holds one of their sentences, exactly or nearly, is not read.
    start: what the run will start from, checked here before any text is read. vocabulary: a folder whose tokenizer to
    take instead of training one.
    Raises InputError where an earlier preparation used other files, another recipe, vocabulary or start, for a start
    that does not fit the recipe, and from reading.
    """
    groups = find_groups(sources, recipe.groups)
    taken = None if vocabulary is None else read_tokenizer(vocabulary, "Give --vocabulary an encoder folder, or new")
    wanted = {
        "vocabulary": recipe.vocabulary if vocabulary is None else sha256(read_bytes(vocabulary / TOKENIZER)),
        "groups": [[group.name, group.weight, _sizes(group.files)] for group in groups],
        "varied": recipe.varied.model_dump(),
        "leave_out": _sizes(tests),
        "start": start.sha256 if start else None,
    }
    if (folder / TEXT).is_file():
        if read_text_state(folder).wanted != wanted:
            what = "was prepared from other text, another recipe, another vocabulary or another start"
            raise InputError(what, path=folder, remedy="Give another folder, or remove it to start again")
        return
    if start:
        some = taken or train_tokenizer(["a"], 10)  # any vocabulary shows whether the body fits
        transplant(start, new_encoder(recipe.encoder, some), pieces_of(some), recipe.layers, seed=0)
    overlap = Overlap(text for path in tests for text in lines(path)) if tests else None
    for group in groups:
        group.tests, group.varied = overlap, recipe.varied
    with new_folder(folder / "text", sign=TOKENIZER) as work:
        sample = VocabularyText(groups, recipe.vocabulary_characters)
        tokenizer = taken or train_tokenizer(sample, recipe.vocabulary, letter_count=RARE_LETTER)
        tokenizer.save_pretrained(work)
        tokenizer.save_vocabulary(str(work))
        sizes = {group.name: write_pieces(group, tokenizer, work / f"{group.name}.pieces") for group in groups}
        left_out = {group.name: group.left_out for group in groups}
    write_output(folder / TEXT, Text(wanted=wanted, sizes=sizes, left_out=left_out))


def _sizes(files: Sequence[Path]) -> list[list[Any]]:
    return [[path.name, path.stat().st_size] for path in files]


def read_text_state(folder: Path) -> Text:
    """What :func:`prepare_text` wrote about the text. Raises InputError if it is damaged."""
    return read_own(folder / TEXT, Text, READ_AGAIN)


def read_tokenizer(folder: Path, remedy: str = READ_AGAIN) -> Any:
    """A folder's tokenizer. Raises InputError if there is none that can be read."""
    from transformers import AutoTokenizer  # noqa: PLC0415 - slow to import

    try:
        return AutoTokenizer.from_pretrained(folder, use_fast=True, local_files_only=True, trust_remote_code=False)
    except Exception:  # the libraries raise whatever their parsers raise
        raise InputError("contains no readable tokenizer", path=folder, remedy=remedy) from None


def pieces_of(tokenizer: Any) -> list[str]:
    """A tokenizer's pieces by number."""
    pieces: list[str] = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    return pieces


def samplers(folder: Path, recipe: Recipe, tokenizer: Any, seed: int) -> tuple[Sampler, Sampler]:
    """Batches of the text to train on, masked as the recipe says, and of the held-out text.

    Raises InputError for pieces that are damaged.
    """
    text = read_text_state(folder)
    parts = {
        name: split(read_pieces(folder / "text" / f"{name}.pieces", text.sizes[name]), recipe.held_out)
        for name in text.weights
    }

    def sampler(part: int, masked: float) -> Sampler:
        groups = {name: both[part] for name, both in parts.items()}
        size = {"sequences": recipe.sequences, "length": recipe.length}
        return Sampler(groups, text.weights, tokenizer, **size, masked=masked, seed=seed)

    return sampler(0, recipe.masked), sampler(1, HELD_OUT_MASKED)
