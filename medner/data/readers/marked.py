"""Sentences with inline markup, as people write them by hand: ``Are <MEDICAL>astm</MEDICAL>.``, one a line."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from medner.data.markup import MarkupError, parse
from medner.data.records import Record, Tally, check_entities, normalised
from medner.exceptions import InputError
from medner.files import read_text


def read_marked(path: Path, lang: str, split: str, labels: Collection[str]) -> list[Record]:
    """The sentences of a text file without its blank lines. Ids are language, split and line: ``it-train-0012``.

    Raises InputError naming the line for invalid markup and for mentions that start or end in white space, and for a
    file without sentences.
    """
    records = []
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if not line.strip():
            continue
        place = f"line {number}"
        try:
            text, entities = parse(line.strip(), labels)
        except MarkupError as error:
            remedy = f"Write <LABEL>mention</LABEL>, without nesting; labels are {', '.join(labels)}"
            raise InputError(str(error), path=path, place=place, remedy=remedy) from None
        record = Record(f"{lang}-{split}-{number:04d}", lang, text, entities)
        records.append(check_entities(normalised(record, Tally()), path, place))
    if not records:
        raise InputError("contains no sentences", path=path, remedy="Write one sentence a line")
    return records
