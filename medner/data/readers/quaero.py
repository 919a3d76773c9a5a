"""QUAERO French Medical Corpus: brat stand-off with ten UMLS semantic groups as labels (Névéol et al. 2014)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from medner.data.readers.brat import read_brat
from medner.data.records import Record, Tally


def read_quaero(path: Path, part: str, genre: str, tally: Tally) -> Iterator[Record]:
    """Lines of the texts of one part (``train``, ``dev``) and genre (``EMEA``, ``MEDLINE``) of a folder or archive.

    EMEA's text is distributed tokenised (``l ’ espace``) and stays so: its offsets are the corpus's own, and BERT's
    word-pieces are the same with and without those spaces. Raises InputError as :func:`read_brat` does.
    """
    return read_brat(path, [f"{part}/{genre}"], "fr", tally, lambda annotation, _: annotation.type)
