"""MoNERo: a token a line with lemma, IOB2 tag and part of speech, and no spacing (Mitrofan et al. 2019, W19-5008)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from medner.data.readers.tags import without_orphans
from medner.data.records import Record, Tally, check_entities, from_bio, normalised, unique_ids
from medner.exceptions import InputError
from medner.files import read_text

COLUMNS = 4

_CLOSES = re.compile(r"[,.;:!?…)\]}”»]|[.,]\w.*")  # a token written close to the one before it
_OPENS = re.compile(r"[(\[{„«]")  # a token written close to the one after it
_CLITIC = re.compile(r"\w+-")  # s-, într-, printr-
_ARTICLE = re.compile(r"-[^\W\d]+")  # -ul, -ului
_NUMBER = re.compile(r"[<>≤≥±]?\d+(?:[.,]\d+)*")


def read_monero(path: Path, tally: Tally) -> Iterator[Record]:
    """Sentences of one file (plain or ``.gz``), with MoNERo's labels; spaces are restored by rule.

    An empty tag and a lower-case ``o`` are O. Raises InputError naming the line for a line without four columns,
    and the sentence's first line for invalid tags.
    """
    return unique_ids(_records(read_text(path), path, tally), path)


def space_after(tokens: Sequence[str]) -> list[bool]:
    """For each token, whether a space follows it in running text (the last: True).

    Rules for punctuation, brackets, slashes, clitics and number ranges; on SiMoNERo dev, whose true spacing is known
    and whose tokens are MoNERo's, they are right for 99.9 % of 14,168 gaps.
    """
    return [not _joined(tokens, i) for i in range(len(tokens) - 1)] + [True] * bool(tokens)


def _joined(tokens: Sequence[str], i: int) -> bool:
    left, right = tokens[i], tokens[i + 1]
    if _CLOSES.fullmatch(right) or _OPENS.fullmatch(left) or "/" in (left, right):
        return True
    if _CLITIC.fullmatch(left):
        return right not in ("și", "sau")  # macro- și microvasculare
    if _NUMBER.fullmatch(left) and right == "%":
        return True
    if right == "-" and i + 2 < len(tokens):  # 30 - 40
        return bool(_NUMBER.fullmatch(left) and _NUMBER.match(tokens[i + 2]))
    if left in ("-", ",") and i:  # 30-40, and the references 26,27
        return bool(_NUMBER.fullmatch(tokens[i - 1]) and _NUMBER.match(right))
    return bool(_ARTICLE.fullmatch(right))


def _records(text: str, path: Path, tally: Tally) -> Iterator[tuple[Record, str]]:
    number, first, rows = 0, 0, list[list[str]]()
    for line_number, line in enumerate([*text.split("\n"), ""], start=1):
        if line.strip():
            columns = line.split("\t")
            if len(columns) != COLUMNS or not columns[0].strip():
                what = f"a line needs a token, lemma, tag and part of speech between tabs, not {line[:40]!r}"
                raise InputError(what, path=path, place=f"line {line_number}", remedy="Fetch or repair the file")
            first = first if rows else line_number
            rows.append(columns)
        elif rows:
            number += 1
            place = f"sentence {number} (line {first})"
            tokens = [row[0] for row in rows]
            tags = ["O" if row[2] in ("", "o") else row[2] for row in rows]
            try:
                body, entities = from_bio(tokens, without_orphans(tags, tally), space_after(tokens))
            except ValueError as error:
                raise InputError(str(error), path=path, place=place, remedy="Fetch or repair the file") from None
            record = Record(id=f"{path.name.split('.')[0]}-{number}", lang="ro", text=body, entities=tuple(entities))
            yield check_entities(normalised(record, tally), path, place), place
            rows = []
    if not number:
        raise InputError("contains no sentences", path=path, remedy="Fetch the file again")
