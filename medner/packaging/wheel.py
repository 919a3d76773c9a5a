"""A trained pipeline as a wheel, made by ``spacy package``."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import srsly
from build import BuildBackendException, ProjectBuilder
from spacy.cli.package import package

from medner.annotation.engine import load
from medner.command_line import ROOT
from medner.exceptions import InputError
from medner.files import read_json, read_text, write_text
from medner.model.provenance import META
from medner.packaging.code import registered_modules, requirements, sources
from medner.packaging.names import README, SUM

EPOCH = "315532800"  # 1980, the first date of a zip archive: the same pipeline gives the same bytes
LICENCE = "LICENSE"
IMPORT = """
try:  # with medner installed, its own code registers these functions
    import {module}
except ImportError:
    from . import {name}
"""


def build_wheel(pipeline: Path, output: Path, file: str, about: Mapping[str, Any], readme: str) -> Path:
    """Write a wheel into the folder ``output``, with its SHA-256 in a file beside it.

    pipeline: its folder. file: the wheel's name. about: what its ``meta.json`` says in addition, ``name`` (without the
    language) and ``version`` among it. readme: the model card. The wheel has the code of this project that the
    pipeline's config names, and requires all else in the versions that are installed. Needs no network. Raises
    InputError if the pipeline cannot be loaded, and if the wheel cannot be built or written.
    """
    modules = registered_modules(load(pipeline).config)
    code = sources(modules)
    meta = {**read_json(pipeline / META), **about, "requirements": requirements(modules, code)}
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output, prefix=".", suffix=".tmp") as work:
            folder = _source_folder(pipeline, Path(work), meta, readme, modules, code)
            built = Path(ProjectBuilder(folder, runner=_run).build("wheel", Path(work) / "dist"))
            with built.open("rb") as content:
                digest = hashlib.file_digest(content, "sha256").hexdigest()
            wheel = built.replace(output / file)
    except OSError as error:
        remedy = "Check permissions and free space"
        raise InputError(f"cannot be written ({error.strerror or error})", path=output, remedy=remedy) from None
    except BuildBackendException as error:
        raise InputError(f"the wheel cannot be built ({error})", remedy="Check the installed setuptools") from None
    write_text(wheel.with_name(file + SUM), f"{digest}  {file}\n")  # as sha256sum writes and checks it
    return wheel


def _source_folder(
    pipeline: Path, work: Path, meta: Mapping[str, Any], readme: str, modules: set[str], code: Mapping[str, str]
) -> Path:
    """What ``spacy package`` writes for setuptools, with our code, requirements and model card."""
    srsly.write_json(work / META, dict(meta))
    package(pipeline, work, meta_path=work / META, create_sdist=False, create_wheel=False, silent=True)
    name = f"{meta['lang']}_{meta['name']}"
    folder = work / f"{name}-{meta['version']}"
    # spaCy has added medner itself to the requirements: it is installed here.
    write_text(folder / META, srsly.json_dumps({**srsly.read_json(folder / META), **meta}, indent=2))
    for target in (folder, folder / name / folder.name):
        write_text(target / README, readme)
    for module, source in code.items():
        write_text(folder / name / module, source)
    start = folder / name / "__init__.py"
    ours = [module for module in sorted(modules) if f"{module.rpartition('.')[2]}.py" in code]
    lines = [IMPORT.format(module=module, name=module.rpartition(".")[2]) for module in ours]
    write_text(start, start.read_text(encoding="utf-8") + "".join(lines))
    write_text(folder / LICENCE, read_text(ROOT / LICENCE))  # of the code
    return folder


def _run(cmd: Sequence[str], cwd: str | None = None, extra_environ: Mapping[str, str] | None = None) -> None:
    """Run a step of the build without its output, except in the message of a failure."""
    environment = {**os.environ, **(extra_environ or {}), "SOURCE_DATE_EPOCH": EPOCH}
    done = subprocess.run(cmd, cwd=cwd, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise InputError(f"the wheel cannot be built ({lines[-1] if lines else cmd[0]})", remedy="Check setuptools")
