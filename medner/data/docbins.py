"""DocBin files, read back: the documents, or the records that they were made from."""

from __future__ import annotations

import zlib
from pathlib import Path

from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from medner.data.records import Entity, Record
from medner.exceptions import InputError
from medner.files import LARGEST, read_bytes

# What spaCy raises where fields of a DocBin are missing or of another type.
DAMAGED = (
    ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError, BufferError, MemoryError,
    RecursionError, zlib.error,
)  # fmt: skip


def _not_one(error: BaseException, path: Path) -> InputError:
    what = f"not a DocBin ({' '.join(str(error).split())[:200] or type(error).__name__})"
    return InputError(what, path=path, remedy="Write it again; the corpus step writes those of corpus/")


def parse_docbin(data: bytes, path: Path) -> DocBin:
    """A DocBin from the content of a file; ``path`` is what messages name.

    Raises InputError for anything else, and for more than ``LARGEST`` bytes unpacked.
    """
    try:
        if len(zlib.decompressobj().decompress(data, LARGEST + 1)) > LARGEST:
            raise ValueError(f"unpacked, it has more than {LARGEST:,} bytes")
        found = DocBin(store_user_data=True).from_bytes(data)
        lengths = {len(found.tokens), len(found.spaces), len(found.cats), len(found.flags), len(found.user_data)}
        if len(lengths) > 1:
            raise ValueError("its documents are not complete")
        if any(len(spaces) != len(tokens) for spaces, tokens in zip(found.spaces, found.tokens, strict=True)):
            raise ValueError("its spaces are not those of its tokens")
        if any(not isinstance(text, str) for text in found.strings):
            raise ValueError("not all of its strings are text")
    except DAMAGED as error:
        raise _not_one(error, path) from None
    return found


def docs_of(docbin: DocBin, vocab: Vocab, path: Path) -> list[Doc]:
    """The documents of a DocBin from ``path``. Raises InputError where one is damaged."""
    try:
        return list(docbin.get_docs(vocab))
    except DAMAGED as error:
        raise _not_one(error, path) from None


def identity(doc: Doc, path: Path, number: int) -> tuple[str, str, str]:
    """Id, source and language of a document, which the corpus step writes into its user data.

    In a DocBin of another program these are the document's number (from 1), the file's name and the vocabulary's
    language. Raises InputError for values that are not strings.
    """
    standard = {"id": f"{path.stem}-{number}", "source": path.stem, "lang": doc.lang_ or "xx"}
    values = [doc.user_data.get(key, value) for key, value in standard.items()]
    if not all(isinstance(value, str) for value in values):
        what = f"id, source and lang in the user data must be text, not {values!r:.60}"
        raise InputError(what, path=path, place=f"document {number}", remedy="Write them again as text")
    return values[0], values[1], values[2]


def read_docbin(path: Path, nlp: Language) -> list[Record]:
    """The records of a DocBin file, even of one that another program wrote (:func:`identity`).

    ``meta`` holds their source. Raises InputError for a file that cannot be read.
    """
    records = []
    for number, doc in enumerate(docs_of(parse_docbin(read_bytes(path), path), nlp.vocab, path), start=1):
        name, source, lang = identity(doc, path, number)
        entities = tuple(Entity(e.start_char, e.end_char, e.label_) for e in doc.ents)
        records.append(Record(id=name, lang=lang, text=doc.text, entities=entities, meta={"source": source}))
    return records
