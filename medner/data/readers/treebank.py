"""CoNLL-U and similar formats, sentence by sentence: shared by the readers of such corpora."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import conllu

from medner.data.records import Entity, Record, Tally, check_entities, normalised
from medner.exceptions import InputError


def sentences(
    text: str,
    path: Path,
    tally: Tally,
    convert: Callable[[conllu.TokenList], tuple[str, list[Entity]]],
    prefix: str = "",
) -> Iterator[tuple[Record, str]]:
    """Romanian records with their places, for ``unique_ids``; ids are ``prefix`` and the file's own ``sent_id``.

    convert: a sentence's running text and entities; its ValueError or KeyError becomes an InputError that names the
    sentence. Raises InputError for malformed rows, invalid spans, and a file without sentences.
    """
    number = 0
    rows = conllu.parse_incr(io.StringIO(text))
    while True:
        place = f"sentence {number + 1}"
        try:
            sentence = next(rows, None)
            if sentence is None:
                break
            number += 1
            sentence_id = sentence.metadata.get("sent_id") or str(number)
            place = f"sentence {number} (sent_id {sentence_id})"
            body, entities = convert(sentence)
        except (conllu.exceptions.ParseException, ValueError, KeyError) as error:
            raise InputError(str(error), path=path, place=place, remedy="Fetch or repair the file") from None
        record = Record(id=f"{prefix}{sentence_id}", lang="ro", text=body, entities=tuple(entities))
        yield check_entities(normalised(record, tally), path, place), place
    if not number:
        raise InputError("contains no sentences", path=path, remedy="Fetch the file again")
