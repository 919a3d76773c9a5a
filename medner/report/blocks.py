"""What a report is made of, before it becomes HTML, Markdown or slides. All text is plain and escaped when written.

In running text, `backticks` mark commands and file names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from markupsafe import Markup


@dataclass(frozen=True)
class Paragraph:
    """Running text; ``tone`` is plain, lead (the summary), note (small) or warning."""

    kind: ClassVar[str] = "paragraph"
    text: str
    tone: str = "plain"


@dataclass(frozen=True)
class Items:
    """A list."""

    kind: ClassVar[str] = "items"
    items: Sequence[str]


@dataclass(frozen=True)
class Cell:
    """One cell of a table: its text, a second line in small print, and how dark it is shaded (0 to 1)."""

    text: str
    note: str = ""
    strong: bool = False
    share: float | None = None


@dataclass(frozen=True)
class Table:
    """A table whose first ``words`` columns are text and whose other columns are numbers."""

    kind: ClassVar[str] = "table"
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    words: int = 1


@dataclass(frozen=True)
class Panel:
    """One small plot with its title and what a reader who cannot see it is told."""

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


Block = Paragraph | Items | Table | Figure | Example | Fold


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


def cells(*texts: str) -> list[Cell]:
    """A row of plain cells."""
    return [Cell(text) for text in texts]
