"""Training configs: one per model (transformer.cfg, cnn.cfg), and the copies that plain `spacy train` takes."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

import srsly
from spacy.util import load_config
from thinc.api import Config

from medner.exceptions import InputError
from medner.files import read_text, sha256
from medner.study import load_study


def model_config(root: Path, experiment: str) -> Path:
    """The config of an experiment's model. Raises InputError unless the study has an experiment of that name to train.

    root: the project folder.
    """
    path = root / "configs" / "experiments.yml"
    trained = load_study(path).trained
    if experiment not in trained:
        what = f"no experiment {experiment} that trains a pipeline"
        raise InputError(what, path=path, remedy=f"Use one of: {', '.join(trained)}")
    return root / "configs" / f"{trained[experiment].model}.cfg"


def load_training_config(path: Path, experiment: str | None = None) -> Config:
    """A model's training config, with ``[paths] experiment`` set.

    Raises InputError if there is none or it lacks what the train step needs.
    """
    if not path.is_file():
        known = ", ".join(sorted(other.stem for other in path.parent.glob("*.cfg")))
        raise InputError("no such model config", path=path, remedy=f"Write it, or use one of: {known}")
    try:
        config = load_config(path, overrides={"paths.experiment": experiment} if experiment else {})
        paths = config.interpolate()["paths"]
        paths["experiment"], paths["train"], paths["dev"], paths["log"]
        config["training"]["batcher"]["size"], config["training"]["max_epochs"]
    except (KeyError, ValueError, configparser.Error) as error:
        what = f"not a training config ({' '.join(str(error).split())})"
        raise InputError(what, path=path, remedy="Compare it with configs/transformer.cfg in the repository") from None
    return config


def config_sha256(config: Config) -> str:
    """SHA-256 of what a config says, without comments and ``[paths]``: the data read there has its own SHA-256.

    It is part of a run's identity (``metrics/reference`` holds it).
    """
    said = {section: values for section, values in config.items() if section != "paths"}
    return sha256(srsly.json_dumps(said, sort_keys=True).encode())


def experiment_config(root: Path, experiment: str) -> str:
    """The text of ``configs/<experiment>.cfg``: its model's config with ``[paths] experiment`` set.

    root: the project folder. Raises InputError as :func:`model_config`.
    """
    path = model_config(root, experiment)
    header = (
        f"# {experiment}, written by `make configs` from {path.name}: only [paths] experiment differs.\n"
        f"# Change that file. Usage: `spacy train configs/{experiment}.cfg --output training/{experiment}`\n\n"
    )
    _, _, sections = read_text(path).partition("\n\n")
    return header + re.sub('^experiment = ".*"$', f'experiment = "{experiment}"', sections, count=1, flags=re.MULTILINE)
