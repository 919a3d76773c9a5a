"""DocBin files of the corpus step, read back: the documents, or the records that they were made from."""

from __future__ import annotations

import zlib
from pathlib import Path

from spacy.language import Language
from spacy.tokens import DocBin

from medner.data.records import Entity, Record
from medner.exceptions import InputError
from medner.files import read_bytes


def parse_docbin(data: bytes, path: Path) -> DocBin:
    """A DocBin from the content of a file; ``path`` is what messages name. Raises InputError for anything else."""
    try:
        return DocBin(store_user_data=True).from_bytes(data)
    except (ValueError, KeyError, zlib.error) as error:
        what = f"not a DocBin ({' '.join(str(error).split())})"
        raise InputError(what, path=path, remedy="Run the corpus step again") from None


def read_docbin(path: Path, nlp: Language) -> list[Record]:
    """The records of a DocBin file of the corpus step; ``meta`` holds their source.

    Raises InputError for a file that cannot be read or that another program wrote.
    """
    docs = parse_docbin(read_bytes(path), path).get_docs(nlp.vocab)
    try:
        return [
            Record(
                id=doc.user_data["id"],
                lang=doc.user_data["lang"],
                text=doc.text,
                entities=tuple(Entity(e.start_char, e.end_char, e.label_) for e in doc.ents),
                meta={"source": doc.user_data["source"]},
            )
            for doc in docs
        ]
    except (ValueError, KeyError) as error:
        what = f"not a DocBin of the corpus step ({' '.join(str(error).split())})"
        raise InputError(what, path=path, remedy="Run the corpus step again") from None
