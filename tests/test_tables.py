from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from medner.tables import Cell, Table

HOSTILE = "a|b _c_d\n<script>alert('*')</script> [x](y) `run all`"
TABLE = Table(
    ["suite", "F1", "floor"],
    [["ronec", Cell("0.750", "[0.70, 0.80]", strong=True), "≥ 0.5"], [HOSTILE, Cell("0.1", share=0.125), ""]],
    text=(0, -1),
    caption="Scores",
)


def test_markdown_is_one_line_a_row_whatever_a_cell_holds() -> None:
    assert TABLE.markdown() == (
        "Scores:\n\n"
        "| suite | F1 | floor |\n"
        "| --- | ---: | --- |\n"
        "| ronec | **0.750** [0.70, 0.80] | ≥ 0.5 |\n"
        "| a\\|b \\_c_d &lt;script>alert('\\*')&lt;/script> [x\\](y) `run all` | 0.1 |  |\n"
    )


def test_a_table_without_rows_or_caption() -> None:
    assert Table(["a", "b"], []).markdown() == "| a | b |\n| --- | ---: |\n"
    assert "<tbody>\n</tbody>" in Table(["a", "b"], []).html()


@given(st.text(), st.text())
def test_markdown_keeps_its_columns(text: str, note: str) -> None:
    table = Table([text, "b"], [[Cell(text, note, strong=True), note]])
    lines = table.markdown().removesuffix("\n").split("\n")
    assert len(lines) == 3
    assert all(line.replace("\\\\", "").replace("\\|", "").count("|") == 3 for line in lines)


def test_html_escapes_every_value_and_marks_its_cells() -> None:
    html = TABLE.html()
    assert '<table aria-label="Scores">' in html
    assert (
        '<th scope="col" class="word">suite</th><th scope="col">F1</th><th scope="col" class="word">floor</th>' in html
    )
    assert '<td class="word short">ronec</td><td><strong>0.750</strong><small>[0.70, 0.80]</small></td>' in html
    assert '<td class="shaded" style="--share: 6.2%">0.1</td>' in html
    assert "<script>" not in html
    assert "&lt;script&gt;alert(&#39;*&#39;)&lt;/script&gt; [x](y) <code>run all</code></td>" in html
    assert 'class="table wide"' in Table(list("abcdefgh"), []).html()
    assert "<b>" not in Table(["<b>"], [[Cell("<b>", "<b>", strong=True)]], caption='"<b>').html()


def test_a_terminal_shows_the_text_as_it_is() -> None:
    console = Console(file=io.StringIO(), width=100)
    console.print(TABLE.terminal())
    assert isinstance(console.file, io.StringIO)
    lines = [line.split() for line in console.file.getvalue().splitlines() if line.strip()]
    assert lines[:2] == [["Scores"], ["suite", "F1", "floor"]]
    assert ["ronec", "0.750", "≥", "0.5"] in lines
    assert ["[0.70,", "0.80]"] in lines
    assert ["<script>alert('*')</script>", "[x](y)", "`run", "all`"] in lines


@pytest.mark.parametrize("row", [["a"], ["a", "b", "c"], []])
def test_a_row_has_one_cell_a_column(row: list[str]) -> None:
    with pytest.raises(ValueError, match=f"a row of {len(row)} cells for 2 columns"):
        Table(["a", "b"], [["x", "y"], row])
