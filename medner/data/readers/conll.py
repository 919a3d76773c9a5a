"""CoNLL files: a token and its IOB2 tag a line, in columns of any number, and an empty line after each sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from medner.data.readers.e3c import space_after
from medner.data.readers.tags import orphans, without_orphans
from medner.data.records import Record, Tally, check_entities, from_bio, normalised
from medner.exceptions import InputError
from medner.files import read_text

_DOCUMENT = re.compile(r"-DOCSTART-.*|# ?newdoc(?: id = (?P<id>.*))?")
_RANGE = re.compile(r"\d+[-.]\d+")
_COMMENT = re.compile(r"# ?[\w.:]+ = .*|# ?newpar.*")


def read_conll(path: Path, lang: str, token: int, tag: int, misc: int | None, tally: Tally) -> Iterator[Record]:
    """Sentences of a CoNLL file (plain or ``.gz``), with columns between tabs or, where there are none, spaces.

    token, tag, misc: columns from 1, or from -1 backwards; misc may hold ``SpaceAfter=No``. Without it, spaces are set
    by rule. ``-DOCSTART-`` and ``# newdoc`` begin a document; without them every sentence is one. An I- without a B-
    counts as O and is tallied; a file with more of these than mentions is refused. Ids are
    ``<file>-<document>#<sentence>``. Raises InputError naming the line.
    """
    rows: list[list[str]] = []
    document, number, first, mentions = "", 0, 0, 0
    before = orphans(tally.quirks)
    stem = path.name.split(".")[0].replace("#", "-")
    for line_number, line in enumerate([*read_text(path).split("\n"), ""], start=1):
        if found := _DOCUMENT.fullmatch(line.strip()):
            document = (found["id"] or f"line{line_number}").replace("#", "-")
        elif line.strip():
            if not rows and _COMMENT.fullmatch(line):
                continue
            columns = (line.rstrip() if tag == -1 else line).split("\t") if "\t" in line else line.split()
            if token != 1 and _RANGE.fullmatch(columns[0]):
                what = f"is a multiword or empty token of CoNLL-U: {line[:40]!r}"
                remedy = "Remove such lines; the words after them have the tags"
                raise InputError(what, path=path, place=f"line {line_number}", remedy=remedy)
            places = [place for place in (token, tag, misc) if place is not None]
            cells = {_index(place, columns) for place in places}
            if len(cells) < len(places) or not cells <= set(range(len(columns))):
                wanted = ", ".join(map(str, places))
                what = f"has {len(columns)} columns, too few for {wanted} (token, tag, misc): {line[:40]!r}"
                remedy = "Correct the line, or columns of the source in configs/experiments.yml"
                raise InputError(what, path=path, place=f"line {line_number}", remedy=remedy)
            first = first if rows else line_number
            rows.append(columns)
        elif rows:
            number += 1
            name = f"{stem}-{document}#{number}" if document else f"{stem}-{number}#1"
            record = _record(rows, name, path, f"sentence {number} (line {first})", lang, token, tag, misc, tally)
            mentions += len(record.entities)
            yield record
            rows = []
    if not number:
        raise InputError("contains no sentences", path=path, remedy="Write a token and its tag a line")
    if (without := orphans(tally.quirks) - before) > mentions:
        what = f"has {without:,} runs of I- tags without B-, and {mentions:,} mentions: it looks like IOB1"
        raise InputError(what, path=path, remedy="Write IOB2, where every mention starts with B-")


def _index(column: int, row: list[str]) -> int:
    """From 0, of a column from 1 or from -1 backwards; 0, which is neither, is out of range."""
    return column - 1 if column > 0 else len(row) + column


def _record(
    rows: list[list[str]], name: str, path: Path, place: str, lang: str, token: int, tag: int, misc: int | None,
    tally: Tally,
) -> Record:  # fmt: skip
    def cells(column: int) -> list[str]:
        return [row[_index(column, row)].strip() for row in rows]

    tokens, tags = cells(token), [one if one not in ("_", "") else "O" for one in cells(tag)]
    spaces = space_after(tokens) if misc is None else ["SpaceAfter=No" not in cell for cell in cells(misc)]
    try:
        text, entities = from_bio(tokens, without_orphans(tags, tally), spaces)
    except ValueError as error:
        remedy = "Tags are O, B-LABEL and I-LABEL; correct them, or columns of the source"
        raise InputError(str(error), path=path, place=place, remedy=remedy) from None
    record = Record(id=name, lang=lang, text=text, entities=tuple(entities))
    return check_entities(normalised(record, tally), path, place, flat=False)
