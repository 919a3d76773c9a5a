from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medner.exceptions import InputError
from medner.outputs import Output, read_output, write_output


class Score(Output):
    f1: float
    support: int
    note: str | None = None


def test_what_is_written_is_read(tmp_path: Path) -> None:
    scores = {"ronec": Score(f1=0.5, support=3), "ș": Score(f1=1.0, support=0, note="a\u2028b")}
    write_output(tmp_path / "a" / "scores.json", scores)
    assert read_output(tmp_path / "a" / "scores.json", dict[str, Score], "evaluate") == scores
    write_output(tmp_path / "one.json", scores["ronec"], exclude_none=True)
    assert (tmp_path / "one.json").read_text() == '{"f1":0.5,"support":3}\n'


def test_each_score_is_on_a_line(tmp_path: Path) -> None:
    write_output(tmp_path / "scores.json", {"curve": [Score(f1=0.5, support=3, note="a")], "none": {}, "seed": 0})
    assert (tmp_path / "scores.json").read_text() == (
        '{\n  "curve":[\n    {"f1":0.5,"support":3,"note":"a"}\n  ],\n  "none":{},\n  "seed":0\n}\n'
    )


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_any_json_is_read_again(content: object) -> None:
    with TemporaryDirectory() as folder:
        write_output(Path(folder) / "any.json", content)
        assert json.loads((Path(folder) / "any.json").read_text(encoding="utf-8")) == content


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "Invalid JSON: EOF while parsing an object at line 1 column 1"),
        ("[]", "Input should be an object"),
        ('{"f1": 0.5}', "support: missing"),
        ('{"f1": 0.5, "support": "3"}', "support: Input should be a valid integer"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "scores.json"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_output(path, Score, "evaluate")
    assert str(caught.value) == (
        f"{path}: not what the evaluate step writes ({expected}). Run the evaluate step again."
    )


def test_a_missing_file_names_the_step(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"scores.json: no such file\. Run the evaluate step first\."):
        read_output(tmp_path / "scores.json", Score, "evaluate")
