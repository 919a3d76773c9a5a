from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml
from conftest import ROOT
from spacy.util import load_config

from medner.exceptions import InputError
from medner.model.training import load_training_config, prepare
from medner.study import load_study

PLAN = load_study(ROOT / "configs" / "experiments.yml")
PROJECT = yaml.safe_load((ROOT / "project.yml").read_text())
COMMANDS = {command["name"]: command for command in PROJECT["commands"]}


@pytest.mark.parametrize("experiment", PLAN.trained)
def test_configs_differ_in_paths_only(experiment: str) -> None:
    """From exp1, or for the baselines without a transformer from exp1-cnn."""
    model = "exp1-cnn" if experiment.endswith("-cnn") else "exp1"
    first, other = (load_config(ROOT / "configs" / f"{name}.cfg", interpolate=False) for name in (model, experiment))
    assert other.pop("paths") == {key: value.replace(model, experiment) for key, value in first.pop("paths").items()}
    assert first == other


def test_the_study_s_hyperparameters() -> None:
    training = load_config(ROOT / "configs" / "exp1.cfg")["training"]
    rate = training["optimizer"]["learn_rate"]
    assert (training["max_epochs"], training["batcher"]["size"], rate["initial_rate"]) == (3, 16, 5e-5)
    assert training["optimizer"]["L2_is_weight_decay"] is True
    assert "discard_oversize" not in training["batcher"]


def test_every_experiment_has_its_commands_and_workflow() -> None:
    for experiment in PLAN.trained:
        assert {f"train-{experiment}", f"evaluate-{experiment}"} <= set(COMMANDS)
        assert PROJECT["workflows"][experiment][-2:] == [f"train-{experiment}", f"evaluate-{experiment}"]
        assert f"configs/{experiment}.cfg" in COMMANDS[f"train-{experiment}"]["deps"]
        for step in ("train", "evaluate"):  # weasel does not see that a copied command still makes another experiment
            assert f"scripts/{step}.py {experiment} " in COMMANDS[f"{step}-{experiment}"]["script"][0] + " "
    assert {name for workflow in PROJECT["workflows"].values() for name in workflow} == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_dependencies_are_complete(name: str) -> None:
    """A command has outputs and depends on its script and on every module of the package that the script imports."""
    command = COMMANDS[name]
    assert command["outputs"]
    assert command["help"]
    script = re.search(r"scripts/\w+\.py", command["script"][0])
    assert script is not None
    text = (ROOT / script[0]).read_text()
    modules = {
        f"{module.replace('.', '/')}.py" for module in re.findall(r"^from (medner[.\w]*) import", text, re.MULTILINE)
    }
    assert set(command["deps"]) >= {script[0], "scripts/steps.py", *modules} - {"medner/exceptions.py"}
    assert all(
        (ROOT / path).exists() for path in command["deps"] if path.startswith(("scripts/", "medner/", "configs/"))
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sources: {}\nexperiments: {x: [b]}\nsuites: {}\n", "x uses unknown sources ['b']"),
        ("sources: {a: {lang: ro}}\nexperiments: {}\nsuites: {}\n", "source a lacks files, labels, note"),
        ("sources: {a: {labels: quaero, lang: fr}}\nexperiments: {}\nsuites: {}\n", "source a lacks files, note"),
        ("sources: {a: {labels: synthetic}}\nexperiments: {}\nsuites: {}\n", "source a lacks lang"),
        ("sources: {a: {labels: synthetic, lang: ro}}\nexperiments: {x: a}\nsuites: {}\n", "x is no list of sources"),
        (
            "sources: {a: {labels: synthetic, lang: ro}}\nexperiments: {a: [a]}\nsuites: {}\n",
            "experiment a has the name",
        ),
        ("sources: {a: {labels: synthetic, lang: ro}}\nexperiments: {}\nsuites: {s: []}\n", "suite s has no source"),
        (
            "sources: {a: {labels: synthetic, lang: ro}, b: {labels: ronec, lang: ro}}\nexperiments: {}\nsuites: {a: [b]}\n",
            "suite a has the name of another source",
        ),
        (
            "sources: {a: {labels: synthetic, lang: ro}, b: {labels: synthetic, lang: ro}}\nexperiments: {}\nsuites: {}\n",
            "sources a and b are the same text. Correct lang or labels",
        ),
        (
            "sources: {}\nexperiment: {}\nsuites: {}\n",
            "(unknown key experiment; known are curves, experiments, sources, suites)",
        ),
        (
            "sources: {a: {labels: ronec, lang: ro, document: true}}\nexperiments: {}\nsuites: {}\n",
            "source a: unknown key document; known are documents, files, labels, lang, note",
        ),
        (
            "sources: {a: {labels: ronec, lang: ro}}\nexperiments: {x: [a]}\nsuites: {}\n"
            "curves: {base: x, mixes: {m: x}, sizes: [10, ten], suites: {}}\n",
            "curves have sizes [10, 'ten']. Give numbers of sentences",
        ),
        ("sources: {a: [ro]}\nexperiments: {}\nsuites: {}\n", "is no study of experiments"),
        ("sources: {}\n", "is no study of experiments ('experiments')"),
    ],
)
def test_malformed_plans(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "experiments.yml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_study(path)
    assert expected in str(caught.value)


def test_unknown_experiments_and_broken_configs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such experiment\. Use one of: .*exp1, exp1-cnn, exp2, exp3"):
        load_training_config(ROOT / "configs" / "exp9.cfg")
    (tmp_path / "x.cfg").write_text("[training]\nmax_epochs = 3\n")
    with pytest.raises(InputError, match="is no training config"):
        load_training_config(tmp_path / "x.cfg")


def test_a_config_that_reads_another_experiment_s_data_is_refused(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    shutil.copy(ROOT / "configs" / "exp3-cnn.cfg", tmp_path / "configs" / "exp3-it.cfg")
    with pytest.raises(
        InputError, match=r"exp3-it.cfg: \[paths\] train is 'corpus/exp3-cnn/train.spacy', another"
    ) as caught:
        prepare(tmp_path, "exp3-it", epochs=None, seed=0)
    assert "Set it to 'corpus/exp3-it/train.spacy'" in str(caught.value)
