"""E3C: clinical cases as UIMA CAS XMI, with the text, its sentences and layers of annotation (Magnini et al. 2020).

Its authors also publish a version with one token a line, without spacing, documents and other layers (Zanoli et al.
2023), which is read as well.
"""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from medner.data.records import Entity, Record, Tally, check_entities, from_bio, normalised
from medner.exceptions import InputError
from medner.files import decode, read_members, read_text

IOB_SUFFIXES = (".txt", ".txt.gz")
IOB_LABELS = {"ety": "CLINENTITY"}
LAYERS = ("ACTOR", "BODYPART", "CLINENTITY")  # the layers that mark mentions; the others hold events, times and links
REMEDY = "Fetch or repair the file"


def read_e3c(path: Path, tally: Tally) -> Iterator[Record]:
    """Sentences of all ``*.xml`` documents of a folder or archive, labelled with the names of their layers.

    Entities may nest. Mentions that the annotators marked as discontinuous are left out and counted, since the file has
    only their whole extent; so are mentions across sentences. A ``.txt`` or ``.txt.gz`` file has one token and its tag
    (``O``, ``B-ety``, ``I-ety``) a line, and an empty line after each sentence. Raises InputError naming the document
    or the line for other content.
    """
    if path.name.endswith(IOB_SUFFIXES):
        yield from _iob(path, tally)
        return
    members = read_members(path, ("*.xml",))
    if not members:
        raise InputError("contains no XMI documents", path=path, remedy="Run the fetch step again")
    for name, data in members.items():
        yield from _document(decode(data, f"{path}!{name}"), PurePosixPath(name).stem, f"{path}!{name}", tally)


def _document(xml: str, stem: str, where: str, tally: Tally) -> Iterator[Record]:
    if "<!DOCTYPE" in xml:  # a CAS has none; without one, XML cannot define entities that expand endlessly
        raise InputError("contains a document type definition", path=where, remedy=REMEDY)
    try:
        elements = list(ET.fromstring(xml))  # noqa: S314
        text = next(element.attrib["sofaString"] for element in elements if _name(element) == "Sofa")
        units = text.encode("utf-16-le")
        found = {layer: [e for e in elements if _name(e) == layer] for layer in ("Sentence", *LAYERS)}
        sentences = sorted(_extent(element, units) for element in found.pop("Sentence"))
        spans = []
        for layer, mentions in found.items():
            for mention in mentions:
                start, end = _extent(mention, units)
                if mention.get("discontinuous"):
                    tally.quirks[f"discontinuous {layer}"] += 1
                elif not any(first <= start and end <= last for first, last in sentences):
                    tally.quirks[f"across sentences {layer}"] += 1
                else:
                    spans.append(Entity(start, end, layer))
    except (ET.ParseError, StopIteration, LookupError, ValueError) as error:
        what = f"not a UIMA CAS with a text, sentences and mentions ({str(error) or 'no Sofa'})"
        raise InputError(what, path=where, remedy=REMEDY) from None
    for number, (first, last) in enumerate(sentences, start=1):
        inside = tuple(Entity(s - first, e - first, layer) for s, e, layer in spans if first <= s and e <= last)
        record = Record(id=f"{stem}-{number}", lang="fr", text=text[first:last], entities=inside)
        yield check_entities(normalised(record, tally), where, f"sentence {number}", flat=False)


def _iob(path: Path, tally: Tally) -> Iterator[Record]:
    number, rows = 0, list[tuple[str, str]]()
    for line_number, line in enumerate([*read_text(path).split("\n"), ""], start=1):
        if line.strip():
            token, _, tag = line.strip().rpartition(" ")
            prefix, _, label = tag.partition("-")
            if not token or (tag != "O" and (prefix not in "BI" or label not in IOB_LABELS)):
                what = f"a line needs a token and O, B-ety or I-ety, not {line[:40]!r}"
                raise InputError(what, path=path, place=f"line {line_number}", remedy=REMEDY)
            rows.append((token, f"{prefix}-{IOB_LABELS[label]}" if label else tag))
        elif rows:
            number += 1
            place = f"sentence {number} (to line {line_number - 1})"
            tokens, tags = zip(*rows, strict=True)
            try:
                text, entities = from_bio(tokens, tags, space_after(tokens))
            except ValueError as error:
                raise InputError(str(error), path=path, place=place, remedy=REMEDY) from None
            record = Record(id=f"{path.name.split('.')[0]}-{number}", lang="fr", text=text, entities=tuple(entities))
            yield check_entities(normalised(record, tally), path, place)
            rows = []
    if not number:
        raise InputError("contains no sentences", path=path, remedy=REMEDY)


def space_after(tokens: Sequence[str]) -> list[bool]:
    """Whether a space follows each token in running text, by rule.

    The rules are right for 99.7 % of the 12,734 gaps in layer 1's training documents; the XMI files have their spacing.
    """
    joined = [
        bool(re.fullmatch(r"\w+['’]|[(\[/-]", left) or re.fullmatch(r"[,.;:)\]/%°®+-]", right))
        for left, right in itertools.pairwise(tokens)
    ]
    return [not close for close in (*joined, False)]


def _name(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _extent(element: ET.Element, units: bytes) -> tuple[int, int]:
    """Begin and end in characters: UIMA is written in Java and counts UTF-16 units."""
    begin, end = (int(element.attrib[edge]) for edge in ("begin", "end"))
    if not 0 <= begin <= end <= len(units) // 2:
        raise ValueError(f"{_name(element)} {begin}-{end} is out of range")
    first = len(units[: 2 * begin].decode("utf-16-le"))
    return first, first + len(units[2 * begin : 2 * end].decode("utf-16-le"))
