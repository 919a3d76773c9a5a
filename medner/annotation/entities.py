"""What annotation finds in a text."""

from __future__ import annotations

from typing import Literal, NamedTuple

Arithmetic = Literal["auto", "int8"]


class Entity(NamedTuple):
    """A mention: characters ``start`` to ``end`` (exclusive) of the text as it was given, and what they are.

    text: the surface form, ``given[start:end]``. confidence: probability of the entity, 0 to 1; None where the pipeline
    gives none.
    """

    start: int
    end: int
    label: str
    text: str
    confidence: float | None = None


class About(NamedTuple):
    """What a pipeline can be asked for: the labels it finds, and whether its entities have a confidence."""

    labels: tuple[str, ...]
    confidence: bool
