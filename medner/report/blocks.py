"""What a report is made of, before it becomes HTML, Markdown or slides. All text is plain and escaped when written.

In running text, `backticks` mark commands and file names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from markupsafe import Markup

from medner.tables import Table


@dataclass(frozen=True)
class Paragraph:
    """Running text. tone: plain, lead (the summary), note (small) or warning."""

    kind: ClassVar[str] = "paragraph"
    text: str
    tone: str = "plain"


@dataclass(frozen=True)
class Items:
    """A list."""

    kind: ClassVar[str] = "items"
    items: Sequence[str]


@dataclass(frozen=True)
class Answers:
    """Questions with their answers; evidence: further statements on each."""

    kind: ClassVar[str] = "answers"
    items: Sequence[tuple[str, str, Sequence[str]]]


@dataclass(frozen=True)
class Panel:
    """One small plot with its title and a description for readers who cannot see it."""

    title: str
    svg: Markup
    description: str


@dataclass(frozen=True)
class Figure:
    """Small plots side by side, with a legend (colour variable, name) and the numbers behind them.

    shown: whether the numbers are part of the text, or folded away.
    """

    kind: ClassVar[str] = "figure"
    caption: str
    panels: Sequence[Panel]
    data: Table
    legend: Sequence[tuple[str, str]] = ()
    shown: bool = False


@dataclass(frozen=True)
class Rendered:
    """A text with its mentions marked, by displaCy, and the same in plain text."""

    label: str
    markup: Markup
    plain: str


@dataclass(frozen=True)
class Example:
    """One text of the error analysis, as annotated and as predicted."""

    kind: ClassVar[str] = "example"
    title: str
    lang: str
    sides: Sequence[Rendered]


@dataclass(frozen=True)
class Fold:
    """Blocks that are shown on demand."""

    kind: ClassVar[str] = "fold"
    title: str
    blocks: Sequence[Block]


Block = Paragraph | Items | Answers | Table | Figure | Example | Fold


@dataclass(frozen=True)
class Section:
    """A part of the report with an anchor. ``slides``: what of it the presentation shows, one group a slide."""

    id: str
    title: str
    blocks: Sequence[Block]
    slides: Sequence[tuple[str, Sequence[Block]]] = field(default=())


@dataclass(frozen=True)
class Missing:
    """A part of the report that has no input yet, and what makes it."""

    title: str
    remedy: str
