"""Inline markup: ``Are <MEDICAL>astm</MEDICAL>.`` stands for a text and its entities.

Text and spans come from one string, so they cannot disagree. Nothing is repaired: a string that :func:`render`
would not write is refused with a reason.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from medner.data.records import Entity

# What counts as a tag. "p <0,001 și >3" and "HbA1c < 7 %" are text.
_TAG = re.compile(r"<(/?)([A-Za-z][^<>]*|)>")


class MarkupError(ValueError):
    """The string is not valid markup. reason: one of a few, which can be counted. detail: what is wrong where."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason, self.detail = reason, detail
        super().__init__(f"{reason}: {detail}")


def parse(marked: str, labels: Collection[str]) -> tuple[str, tuple[Entity, ...]]:
    """Text and entities (character offsets, in order) of a marked string.

    Raises MarkupError with the reason ``unknown tag``, ``nested tag``, ``unclosed tag`` or ``empty tag``.
    """
    pieces: list[str] = []
    entities: list[Entity] = []
    position = length = 0  # in the marked string; of the text so far
    label, start = "", 0
    for tag in _TAG.finditer(marked):
        piece = marked[position : tag.start()]
        pieces.append(piece)
        position, length = tag.end(), length + len(piece)
        closing, name = tag[1], tag[2]
        if name not in labels:
            raise MarkupError("unknown tag", tag[0])
        if not closing:
            if label:
                raise MarkupError("nested tag", f"{tag[0]} inside <{label}>")
            label, start = name, length
        elif name != label:
            raise MarkupError("unclosed tag", f"{tag[0]} after {f'<{label}>' if label else 'no opening tag'}")
        elif start == length:
            raise MarkupError("empty tag", f"<{label}></{label}>")
        else:
            entities.append(Entity(start, length, label))
            label = ""
    if label:
        raise MarkupError("unclosed tag", f"<{label}> is never closed")
    text = "".join([*pieces, marked[position:]])
    if stray := _TAG.search(text):  # "<MED<ORG>x</ORG>>": without its tags it contains a new one
        raise MarkupError("unknown tag", stray[0])
    return text, tuple(entities)


def holds_tag(text: str) -> bool:
    """Whether a plain text contains something that :func:`parse` takes for a tag."""
    return _TAG.search(text) is not None


def render(text: str, entities: Iterable[Entity]) -> str:
    """The marked string of a text and its entities (in order, without overlap).

    Raises ValueError for a text that contains a tag itself, which cannot be marked up.
    """
    if holds_tag(text):
        raise ValueError(f"the text contains a tag: {text!r}")
    pieces: list[str] = []
    position = 0
    for start, end, label in entities:
        pieces += [text[position:start], f"<{label}>", text[start:end], f"</{label}>"]
        position = end
    return "".join([*pieces, text[position:]])
