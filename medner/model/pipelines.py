"""Pipelines as the command line names them: by experiment, by folder, or by the name of an installed package."""

from __future__ import annotations

from difflib import get_close_matches
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from medner.command_line import ROOT
from medner.exceptions import InputError
from medner.model.provenance import META
from medner.study import load_study

FOLDERS = "a trained experiment or a pipeline's folder"


def find_pipeline(model: str, training: Path = ROOT / "training") -> Path | None:
    """The folder that an experiment's name or a path stands for; None if there is none."""
    candidates = (Path(model), Path(model) / "model-best", training / model / "model-best")
    return next((folder for folder in candidates if (folder / META).is_file()), None)


def pipeline_folder(model: str) -> Path:
    """The folder that an experiment's name or a path stands for. Raises InputError if there is none.

    A folder that is no pipeline passes: loading says what is wrong with it.
    """
    folder = find_pipeline(model) or Path(model)
    if not folder.is_dir():
        raise no_pipeline(model, FOLDERS)
    return folder


def named_pipeline(model: str) -> str:
    """The folder that a name stands for, or the name itself if it is that of an installed package.

    Raises InputError if there is neither. A folder that is no pipeline passes: loading says what is wrong with it.
    """
    if folder := find_pipeline(model):
        return str(folder)
    if Path(model).is_dir() or _is_package(model):
        return model
    raise no_pipeline(model, f"{FOLDERS}, or the name of an installed package")


def _is_package(name: str) -> bool:
    """As spaCy decides it, without loading spaCy and PyTorch, for which only worker processes have a use."""
    try:
        return bool(distribution(name))
    except (PackageNotFoundError, ValueError):
        return False


def no_pipeline(model: str, wanted: str, root: Path = ROOT) -> InputError:
    """The error for a name that stands for no pipeline: an experiment of the study says how it is trained.

    wanted: what may be given.
    """
    experiments = root / "configs" / "experiments.yml"
    trained = load_study(experiments).trained if experiments.is_file() else {}
    if model in trained:
        remedy = f"Run: spacy project run experiment . --vars.experiment {model}"
        return InputError("this experiment is not trained", path=model, remedy=remedy)
    near = get_close_matches(model, trained, n=1)
    meant = f" (did you mean {near[0]}?)" if near else ""
    return InputError(f"no such pipeline{meant}", path=model, remedy=f"Give {wanted}")


def default_pipeline(root: Path = ROOT) -> str:
    """The experiment that is meant where none is named.

    That is the recommended one; if it is not trained, the last of the study's steps that is. Raises InputError if none
    is trained.
    """
    study = load_study(root / "configs" / "experiments.yml")
    recommended = [study.recommended.pipeline] if study.recommended else []
    for name in (*recommended, *reversed(study.steps)):
        if find_pipeline(str(root / "training" / name)):
            return name
    raise InputError("no pipeline is trained", path=root / "training", remedy="Run: make run")
