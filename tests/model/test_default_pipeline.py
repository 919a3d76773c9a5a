"""Which pipeline is meant where none is named."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from conftest import ROOT

from medner.exceptions import InputError
from medner.model.pipelines import default_pipeline, named_pipeline


def test_the_recommended_pipeline_or_the_last_trained_step(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    shutil.copy(ROOT / "configs" / "experiments.yml", tmp_path / "configs")
    with pytest.raises(InputError, match="no pipeline is trained"):
        default_pipeline(tmp_path)
    for name in ("exp1", "exp3", "exp4-bio"):
        folder = tmp_path / "training" / name / "model-best"
        folder.mkdir(parents=True)
        (folder / "meta.json").write_text("{}")
        assert default_pipeline(tmp_path) == name


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("gold-fr-bio", "gold-fr-bio: this experiment is not trained. Run: spacy project run experiment"),
        ("no/such", "no/such: no such pipeline. Give a trained experiment or a pipeline's folder, or the name"),
        ("exp4bio", "exp4bio: no such pipeline (did you mean exp4-bio?). Give a trained experiment"),
    ],
)
def test_a_name_without_a_pipeline_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, message: str
) -> None:
    monkeypatch.setattr("medner.model.pipelines.find_pipeline", lambda _: None)
    with pytest.raises(InputError, match=re.escape(message)):
        named_pipeline(model)
    assert named_pipeline(str(tmp_path)) == str(tmp_path)
    assert named_pipeline("spacy") == "spacy"
