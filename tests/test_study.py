from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from classify_errors import app as classify_errors
from conftest import ROOT
from evaluate import app as evaluate
from typer.testing import CliRunner

from medner.data.downloads import load_downloads
from medner.exceptions import InputError
from medner.model.encoder import load_pinned
from medner.study import Study, load_study, reasons

SMALL: dict[str, Any] = {
    "sources": {
        "news": {"labels": "ronec", "lang": "ro"},
        "ro": {"labels": "synthetic", "lang": "ro"},
        "real": {"labels": "quaero", "lang": "fr", "files": ["quaero"], "note": "a corpus"},
    },
    "experiments": {"base": {"model": "cnn", "sources": ["news"]}, "more": {"model": "cnn", "sources": ["news", "ro"]}},
    "suites": {"ro": {"sources": ["ro"], "group": "headline"}, "test": {"sources": ["real"], "group": "real"}},
    "steps": ["base", "more"],
}


def changed(**parts: Any) -> dict[str, Any]:
    """The small study with parts of it replaced or added."""
    return {
        key: {**SMALL.get(key, {}), **part} if isinstance(part, dict) else part
        for key, part in {**SMALL, **parts}.items()
    }


def refused(tmp_path: Path, content: Any) -> str:
    path = tmp_path / "experiments.yml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    with pytest.raises(InputError) as caught:
        load_study(path)
    return str(caught.value)


def test_the_project_s_study() -> None:
    study = load_study(ROOT / "configs" / "experiments.yml")
    assert study.steps == ("exp1", "exp2", "exp3")
    assert study.group("real") == ["simonero", "quaero-emea", "quaero-medline", "e3c", "mantra"]
    assert study.zero_shot == ["llm"]
    assert "llm" not in study.trained


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (changed(experiments={"x": {"model": "cnn", "sources": ["b"]}}), "experiment x: source b is not defined"),
        (changed(suites={"s": {"sources": ["b"], "group": "real"}}), "suite s: source b is not defined"),
        (
            changed(suites={"s": {"sources": ["ro"], "group": "old"}}),
            "experiments.yml, suites.s.group: Input should be",
        ),
        (changed(suites={"s": {"sources": [], "group": "real"}}), "experiments.yml, suites.s.sources: "),
        (changed(sources={"b": {"lang": "ro"}}), "experiments.yml, sources.b.labels: missing."),
        (
            changed(sources={"b": {"labels": "quaero", "lang": "fr"}}),
            "sources.b: files and note missing: a source with labels 'quaero' needs them",
        ),
        (changed(sources={"b": {"labels": "synthetic"}}), "experiments.yml, sources.b.lang: missing."),
        (changed(sources={"b": {"labels": "ronec", "lang": "ro", "document": ""}}), "sources.b.document: unknown key."),
        (changed(sources={"b": {"labels": "x", "lang": "ro", "documents": "("}}), "not a regular expression"),
        (changed(sources={"b": {"labels": "ronec", "lang": "ro"}}), "sources news and b are the same text"),
        *(
            (changed(**{kind: {name: {}}}), f"{kind}.{name}.[key]: String should")
            for kind in ("sources", "experiments", "suites")
            for name in ("../b", "/b", "..", ".b", "a/b", "", "x" * 300)
        ),
        (
            changed(experiments={"seeds": {"model": "cnn", "sources": ["ro"]}}),
            "experiment seeds has the name of a fold",
        ),
        (changed(experiments={"x" * 65: {"model": "cnn", "sources": ["ro"]}}), "at most 64 characters"),
        (changed(experiments={"ro": {"model": "cnn", "sources": ["ro"]}}), "experiment ro has the name of a source"),
        (changed(experiments={"x": {"model": "cnn"}}), "experiments.x: a model needs sources"),
        (changed(experiments={"x": {"sources": ["ro"]}}), "experiments.x: a model needs sources"),
        (changed(suites={"news": {"sources": ["ro"], "group": "real"}}), "suite news has the name of another source"),
        (changed(steps=["base", "gone"]), "steps: experiment gone is not defined"),
        (changed(main_suite="gone"), "main_suite: suite gone is not defined"),
        (changed(claims={"gone": 0.5}), "claims: experiment gone is not defined"),
        (changed(comparisons={"steps": [["base", "gone"]]}), "comparisons steps: experiment gone is not defined"),
        (
            changed(curves={"base": "base", "sizes": [10, "ten"], "mixes": {}, "suites": {}}),
            "experiments.yml, curves.sizes.1: ",
        ),
        (
            changed(curves={"base": "gone", "sizes": [1], "mixes": {}, "suites": {}}),
            "curves: experiment gone is not defined",
        ),
        (
            changed(curves={"base": "base", "sizes": [1], "mixes": {}, "suites": {"ro": "gone"}}),
            "curves: mix gone is not defined",
        ),
        (
            changed(experiments={"robustness": {"model": "cnn", "sources": ["news"]}}),
            "experiment robustness has the name of a folder that other steps write",
        ),
        (changed(experiment={}), "experiments.yml, experiment: unknown key."),
        ({"sources": {}}, "experiments.yml, experiments: missing."),
        ([], "experiments.yml: Input should be a valid dictionary"),
    ],
)
def test_malformed_studies(tmp_path: Path, content: Any, expected: str) -> None:
    assert expected in refused(tmp_path, content)


@pytest.mark.parametrize("name", ["exp1/../exp1", "../exp1", "/exp1", "", "x" * 300])
@pytest.mark.parametrize("step", [evaluate, classify_errors])
def test_names_on_the_command_line(step: Any, name: str) -> None:
    done = CliRunner().invoke(step, [name])
    assert done.exit_code == 1
    assert done.stderr.startswith(f"✘ {name[:100]!r} is not a name (String should")
    assert done.stderr.endswith("Give the name of an experiment in configs/experiments.yml.\n")


@pytest.mark.parametrize("name", ["../x", "/x", "a/../b", "a/b/c", "x" * 300])
def test_names_of_encoders(name: str) -> None:
    with pytest.raises(InputError, match=r"^--name: String should .*\. Correct the option\.$"):
        load_pinned(ROOT / "configs" / "encoder.yml", name)


@pytest.mark.parametrize("key", ["asset", "mirror"])
@pytest.mark.parametrize("path", ["../../x", "/x", "a/../../x"])
def test_paths_of_downloads(tmp_path: Path, key: str, path: str) -> None:
    entry = {"asset": "a/b", "mirror": "a/b", "licence": "MIT", "git_blob": "0", key: path}
    (tmp_path / "downloads.yml").write_text(yaml.safe_dump({"own": entry}))
    with pytest.raises(InputError, match=rf"own\.file\.{key}: must be a path below the folder, without \.\."):
        load_downloads(tmp_path / "downloads.yml", ROOT / "project.yml")


def test_a_file_that_is_no_yaml(tmp_path: Path) -> None:
    path = tmp_path / "experiments.yml"
    path.write_text("sources: [")
    with pytest.raises(InputError, match=r"experiments.yml: not valid YAML"):
        load_study(path)


def test_a_source_like_another() -> None:
    study = Study.model_validate(changed(sources={"again": {"like": "real", "lang": "ro"}}))
    assert study.sources["again"] == study.sources["real"].model_copy(update={"lang": "ro"})


@pytest.mark.parametrize("like", ["gone", "x", 3, []])
def test_a_source_like_none(tmp_path: Path, like: object) -> None:
    expected = f"sources: source x: like needs the name of a source above it, not {like!r}"
    assert expected in refused(tmp_path, changed(sources={"x": {"like": like}}))


def test_a_missing_source_takes_its_experiments_and_suites_along() -> None:
    study = Study.model_validate(SMALL)
    missing = {"ro": "no such file"}
    left = study.without(missing)
    assert (list(left.sources), list(left.experiments), list(left.suites)) == (["news", "real"], ["base"], ["test"])
    assert reasons(study.experiments, missing) == {"more": "no such file"}
    assert reasons(study.suites, missing) == {"ro": "no such file"}
