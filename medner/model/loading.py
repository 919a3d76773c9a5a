"""Trained pipelines from disk. A pipeline is a program (its config says what runs), so load only those you trust.

What is checked here is that a damaged folder ends in one message, that loading writes nothing outside temporary
folders, and that no code of an encoder runs.
"""

from __future__ import annotations

import itertools
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import spacy
import srsly
from spacy.language import Language

from medner.exceptions import InputError
from medner.model.weights import AUTO_MAP

# Besides cfg beside each model. spaCy does without some of them, and what is found then is wrong.
PARTS = ("config.cfg", "meta.json", "tokenizer", "vocab/strings.json")
FILE_NAME = re.compile(r"[\w-][\w.-]*")
OPTIONS = {"use_fast"}  # of a tokenizer, as spacy-transformers writes them


def load_pipeline(folder: Path) -> Language:
    """The trained pipeline in a folder.

    Raises InputError if there is none, if a part is missing or damaged, if a file name in it leads outside the
    folder, and if it names code that comes with an encoder.
    """
    if not folder.is_dir():
        raise InputError("no such pipeline", path=folder, remedy="Check the name, or train it first: scripts/train.py")
    try:
        what = next(_faults(folder), "")
        with warnings.catch_warnings():
            # spacy-transformers continues with random weights where some are missing.
            warnings.filterwarnings("error", "Error loading saved torch state_dict")
            nlp = None if what else spacy.load(folder)
    except Exception as error:  # the libraries raise whatever their parsers raise
        nlp, what = None, f"the pipeline cannot be loaded ({' '.join(str(error).split())[:200]})"
    if nlp is None:
        raise InputError(what, path=folder, remedy="Restore the folder, or train it again")
    return nlp


def _faults(folder: Path) -> Iterator[str]:
    """What is wrong with a pipeline's files, as far as can be told without running it."""
    models = sorted(folder.glob("*/model"))
    parts = [*map(folder.joinpath, PARTS), *(path.with_name("cfg") for path in models)]
    if missing := [path.relative_to(folder).as_posix() for path in parts if not path.exists()]:
        yield f"the pipeline lacks {', '.join(missing)}"
    for path in models:
        for shim in itertools.chain.from_iterable(srsly.read_msgpack(path).get("shims", ())):
            packed = srsly.msgpack_loads(shim) if shim else None
            if isinstance(packed, dict) and "tokenizer" in packed:
                yield from (f"{path.relative_to(folder)} {fault}" for fault in _encoder_faults(packed))


def _encoder_faults(packed: dict[str, Any]) -> Iterator[str]:
    """Faults of an encoder within a pipeline, as spacy-transformers packs it; it writes the files by their names."""
    files = {name: data for name, data in packed["tokenizer"].items() if name != "kwargs"}
    yield from (
        f"holds a file {name!r}, which is no plain file name" for name in files if not FILE_NAME.fullmatch(name)
    )
    yield from (f"has a tokenizer option {name}" for name in packed["tokenizer"].get("kwargs", {}).keys() - OPTIONS)
    settings = [srsly.json_loads(data) for name, data in files.items() if name.endswith("config.json")]
    if any(AUTO_MAP in some for some in (packed["config"], *settings)):
        yield f"names code that comes with the encoder ({AUTO_MAP}), which is never run"
