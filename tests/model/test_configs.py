from __future__ import annotations

from pathlib import Path

import pytest
from conftest import ROOT
from spacy.util import load_config

from medner.exceptions import InputError
from medner.model.configs import experiment_config, load_training_config, model_config
from medner.study import load_study

STUDY = load_study(ROOT / "configs" / "experiments.yml")


@pytest.mark.parametrize("experiment", STUDY.steps)
def test_the_configs_of_the_steps_are_written_from_their_model_s(experiment: str) -> None:
    """`make configs` writes them."""
    path = ROOT / "configs" / f"{experiment}.cfg"
    assert path.read_text() == experiment_config(ROOT, experiment)
    own, model = load_config(path, interpolate=False), load_config(model_config(ROOT, experiment), interpolate=False)
    assert own.pop("paths") == model.pop("paths") | {"experiment": experiment}
    assert own == model


def test_the_bio_model_differs_in_its_component_alone() -> None:
    """So that a comparison of the two is one of the components."""
    bio, ner = (load_config(ROOT / "configs" / f"{name}.cfg", interpolate=False) for name in ("bio", "transformer"))
    assert bio["components"].pop("ner")["factory"] == "medner_bio"
    assert ner["components"].pop("ner")["factory"] == "ner"
    assert bio["paths"].pop("experiment") != ner["paths"].pop("experiment")
    assert bio == ner


@pytest.mark.parametrize("experiment", STUDY.trained)
def test_an_experiment_trains_on_its_own_corpus(experiment: str) -> None:
    config = load_training_config(model_config(ROOT, experiment), experiment)
    assert config.interpolate()["paths"]["train"] == f"corpus/{experiment}/train.spacy"


def test_the_study_s_hyperparameters() -> None:
    training = load_config(ROOT / "configs" / "transformer.cfg")["training"]
    rate = training["optimizer"]["learn_rate"]
    assert (training["max_epochs"], training["batcher"]["size"], rate["initial_rate"]) == (3, 16, 5e-5)
    assert training["optimizer"]["@optimizers"] == "medner.AdamW.v1"
    assert "discard_oversize" not in training["batcher"]


@pytest.mark.parametrize("experiment", ["exp9", "llm"])
def test_experiments_that_train_nothing(experiment: str) -> None:
    with pytest.raises(InputError, match=rf"no experiment {experiment} that trains .* Use one of: exp1, exp2, exp3, "):
        model_config(ROOT, experiment)


@pytest.mark.parametrize("text", ["[training]\nmax_epochs = 3\n", "[paths]\n[paths]\n", "max_epochs = 3\n"])
def test_broken_configs(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.cfg").write_text(text)
    with pytest.raises(InputError, match=r"x.cfg: not a training config .* Compare it with configs/transformer.cfg"):
        load_training_config(tmp_path / "x.cfg")
    with pytest.raises(InputError, match=r"y.cfg: no such model config. Write it, or use one of: x."):
        load_training_config(tmp_path / "y.cfg")
