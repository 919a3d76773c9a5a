from __future__ import annotations

from pathlib import Path

import pytest

from medner.exceptions import InputError
from medner.model.curve import Evaluation, read_log

ROW = '{"epoch": %d, "step": %d, "losses": {"ner": 2.5}, "scores": {"ents_f": %s, "ents_p": 50.0, "ents_r": 20.0}, "score": 0}\n'


def test_the_curve_and_its_best_evaluation(tmp_path: Path) -> None:
    """Of equal ones the last is best: spaCy saves model-best again where a score is reached again."""
    log = tmp_path / "log.jsonl"
    log.write_text(ROW % (0, 0, "0.0") + ROW % (1, 20, "40.0") + ROW % (2, 40, "40.0") + ROW % (3, 60, "30.0"))
    found = read_log(log)
    assert found.best == Evaluation(epoch=2, step=40, p=0.5, r=0.2, f1=0.4, losses={"ner": 2.5})
    assert [evaluation.f1 for evaluation in found.evaluations] == [0.0, 0.4, 0.4, 0.3]
    log.write_text("")
    with pytest.raises(InputError, match=r"holds no evaluation\. Train again\."):
        read_log(log)


@pytest.mark.parametrize("line", ["{", '{"epoch": 1}', "[]", ROW % (0, 0, "null")])
def test_damaged_logs(tmp_path: Path, line: str) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(ROW % (0, 0, "0.0") + line)
    with pytest.raises(InputError, match=r"line 2: not an evaluation of spaCy's logger .* Train again\."):
        read_log(log)
