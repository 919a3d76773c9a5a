from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medner.data.records import Entity
from medner.evaluation.predictions import Prediction, read_predictions, write_predictions
from medner.exceptions import InputError

LINE = {
    "id": "1",
    "source": "med-ro",
    "lang": "ro",
    "text": "Are HTA.",
    "gold": [[4, 7, "MEDICAL"]],
    "predicted": [[0, 3, "PERSON"], [4, 7, "MEDICAL"]],
    "tokens": [[0, 3], [4, 7], [7, 8]],
}
ONE = Prediction(
    "1", "med-ro", "ro", "Are HTA.",
    (Entity(4, 7, "MEDICAL"),), (Entity(0, 3, "PERSON"), Entity(4, 7, "MEDICAL")), ((0, 3), (4, 7), (7, 8)),
)  # fmt: skip


def test_the_format(tmp_path: Path) -> None:
    path = tmp_path / "med-ro.predictions.jsonl"
    write_predictions(path, [ONE])
    assert path.read_text().endswith("}\n")
    assert json.loads(path.read_text()) == LINE
    assert read_predictions(path) == [ONE]
    assert ONE.surface(ONE.gold[0]) == "HTA"


def test_a_model_may_predict_white_space(tmp_path: Path) -> None:
    one = Prediction("1", "s", "ro", "Wa\u2003 are", (), (Entity(0, 4, "PERSON"),), ((0, 2), (2, 4), (4, 7)))
    write_predictions(tmp_path / "x.predictions.jsonl", [one])
    assert read_predictions(tmp_path / "x.predictions.jsonl") == [one]


@given(st.lists(st.text(min_size=1), min_size=1, max_size=4))
def test_any_text_comes_back(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    """Also with line separators and characters outside the basic plane."""
    path = tmp_path_factory.mktemp("predictions") / "x.predictions.jsonl"
    made = [Prediction(str(n), "s", "ro", text, (), (), ((0, len(text)),)) for n, text in enumerate(texts)]
    write_predictions(path, made)
    assert read_predictions(path) == made


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], "holds no predictions"),
        (["{"], "line 1: Invalid JSON: EOF while parsing an object at line 1 column 1"),
        ([{**LINE}, {**LINE}], 'line 2: med-ro has a second text with the id "1"'),
        ([{key: value for key, value in LINE.items() if key != "gold"}], "line 1: gold: Field required"),
        ([{**LINE, "id": 1}], "line 1: id: Input should be a valid string"),
        ([{**LINE, "gold": [[4, "7", "MEDICAL"]]}], "line 1: gold.0.1: Input should be a valid integer"),
        ([{**LINE, "predicted": [[4, 70, "MEDICAL"]]}], "line 1: span 4-70 (MEDICAL) is empty or out of range"),
        ([{**LINE, "gold": [[0, 7, "ORG"], [4, 7, "MEDICAL"]]}], "line 1: span 4-7 (MEDICAL) lies inside span 0-7"),
        (
            [{**LINE, "text": "Are HTA\u2003", "gold": [[4, 8, "MEDICAL"]]}],
            "line 1: span 4-8 (MEDICAL) starts or ends in white",
        ),
        ([{**LINE, "tokens": [[0, 9]]}], "line 1: a token is empty or out of range"),
    ],
)
def test_damaged_files(tmp_path: Path, lines: list[object], expected: str) -> None:
    path = tmp_path / "x.predictions.jsonl"
    path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
    with pytest.raises(InputError) as caught:
        read_predictions(path)
    assert expected in str(caught.value)
