"""Tables: one type, written as Markdown, as HTML and on a terminal.

All text is plain and escaped when written; `backticks` mark commands and file names.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar

import rich.box
import rich.table
from markupsafe import Markup, escape
from rich.text import Text

WIDE = 7  # columns; a wider table is printed smaller
SHORT = 30  # characters; a shorter text is not broken into lines
DARKEST = 50  # per cent of colour behind a cell whose share is 1

# Commands and file names only: a backtick in a corpus's text marks nothing.
_CODE = re.compile(r"`([\w ./-]+)`")
# What is markup in running text. A bracket is, where the target of a link or a definition follows it; a < is, where a
# tag could begin. So intervals and p-values can be read in the file as well.
_SPECIAL = re.compile(r"([\\`*|~]|(?<![^\W_])_|_(?![^\W_])|\](?=[(\[:]))")  # not the underscore of MED_RO
_HTML = re.compile(r"<(?=[A-Za-z/!?])|&(?=[A-Za-z#])|^>")


def html_text(text: str) -> Markup:
    """The text for HTML: escaped, with `backticks` as <code>."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped just before


def markdown_text(text: str) -> str:
    """The text for Markdown: on one line, with nothing that is markup or HTML apart from `backticks`."""
    parts = []
    for number, part in enumerate(_CODE.split(" ".join(text.split()))):
        if number % 2:
            parts.append(f"`{part}`")
        else:
            parts.append(_SPECIAL.sub(r"\\\1", _HTML.sub(lambda found: str(escape(found[0])), part)))
    return "".join(parts)


@dataclass(frozen=True)
class Cell:
    """One cell: its text, a second line in small print, and a share (0 to 1) that HTML shades its background by."""

    text: str
    note: str = ""
    strong: bool = False
    share: float | None = None

    def markdown(self) -> str:
        """The cell for Markdown, note included."""
        text, note = markdown_text(self.text), markdown_text(self.note)
        if not text:
            return note
        if self.strong:
            return f"**{text}** {note}".rstrip()
        return f"{text} ({note})" if note else text

    def html(self) -> Markup:
        """The content of the table cell for HTML."""
        text = html_text(self.text)
        note = Markup("<small>{}</small>").format(self.note) if self.note else ""
        return (Markup("<strong>{}</strong>").format(text) if self.strong else text) + note

    def terminal(self) -> Text:
        """The cell for a terminal."""
        text = Text(self.text, style="bold" if self.strong else "")
        return text.append(f"\n{self.note}", style="dim not bold") if self.note else text


Row = Sequence[str | Cell]


@dataclass(frozen=True)
class Table:
    """A table; a row has one cell, or plain text, a column.

    text: the indices of the columns that hold text, negative ones from the right; the others hold numbers and are
    right-aligned. Raises ValueError for a row that has more or fewer cells than there are columns.
    """

    kind: ClassVar[str] = "table"
    columns: Sequence[str]
    rows: Sequence[Row]
    text: Collection[int] = (0,)
    caption: str = ""

    def __post_init__(self) -> None:
        """Check the rows."""
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"a row of {len(row)} cells for {len(self.columns)} columns: {row}")

    @property
    def cells(self) -> list[list[Cell]]:
        """The rows, with every plain text as a cell."""
        return [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in self.rows]

    def is_text(self, column: int) -> bool:
        """Whether the column with this index, counted from the left, holds text."""
        return column in self.text or column - len(self.columns) in self.text

    def markdown(self) -> str:
        """The table for Markdown, after its caption and a blank line; ends with a line end."""
        rules = ["---" if self.is_text(number) else "---:" for number in range(len(self.columns))]
        rows = [[markdown_text(column) for column in self.columns], rules]
        rows += [[cell.markdown() for cell in row] for row in self.cells]
        caption = f"{markdown_text(self.caption)}:\n\n" if self.caption else ""
        return caption + "".join(f"| {' | '.join(row)} |\n" for row in rows)

    def html(self) -> Markup:
        """The table for HTML, in a region of its own that can be scrolled; styled by the report's style sheet."""
        head = Markup("").join(
            Markup('<th scope="col"{}>{}</th>').format(_class("word" if self.is_text(number) else ""), column)
            for number, column in enumerate(self.columns)
        )
        body = Markup("").join(
            Markup("<tr>{}</tr>\n").format(Markup("").join(self._html_cell(*numbered) for numbered in enumerate(row)))
            for row in self.cells
        )
        return Markup(
            '<p class="caption" aria-hidden="true">{caption}</p>\n'
            '<div class="table{wide}" tabindex="0" role="region" aria-label="{caption}">\n'
            '<table aria-label="{caption}">\n'
            "<thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody>\n</table>\n</div>"
        ).format(caption=self.caption, wide=" wide" if len(self.columns) > WIDE else "", head=head, body=body)

    def _html_cell(self, column: int, cell: Cell) -> Markup:
        if self.is_text(column):
            attributes = _class("word short" if len(cell.text) <= SHORT else "word")
        elif cell.share is not None:
            attributes = _class("shaded") + Markup(' style="--share: {}%"').format(round(cell.share * DARKEST, 1))
        else:
            attributes = Markup("")
        return Markup("<td{}>{}</td>").format(attributes, cell.html())

    def terminal(self) -> rich.table.Table:
        """The table for a rich console."""
        table = rich.table.Table(title=self.caption or None, box=rich.box.SIMPLE_HEAD, title_justify="left")
        for number, column in enumerate(self.columns):
            table.add_column(Text(column), justify="left" if self.is_text(number) else "right", overflow="fold")
        for row in self.cells:
            table.add_row(*(cell.terminal() for cell in row))
        return table


def _class(name: str) -> Markup:
    return Markup(' class="{}"').format(name) if name else Markup("")
