"""medner: multilingual and synthetic medical NER for low-resource languages."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spacy.language import Language

__version__ = "0.2.0"

# In a checkout, commands of project.yml depend on folders such as medner/data. Weasel's checksum of a folder takes in
# __pycache__, which would change it from run to run. An installed package is left alone.
if (Path(__file__).parent.parent / "project.yml").is_file():
    sys.dont_write_bytecode = True


def load(model: str | Path, **options: Any) -> Language:
    """A saved pipeline whose ``nlp.pipe`` is fast: :func:`medner.annotation.engine.load`."""
    from medner.annotation.engine import load as load_fast  # noqa: PLC0415 - slow to import

    return load_fast(model, **options)
