"""project.yml: a command that can be skipped depends on all code that it runs, and workflows use every command."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

PROJECT = yaml.safe_load((ROOT / "project.yml").read_text())
COMMANDS = {command["name"]: command for command in PROJECT["commands"]}
ENTRY_POINTS = {
    name: ROOT / f"{module.partition(':')[0].replace('.', '/')}.py"
    for group in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"].values()
    for name, module in group.items()
}
PRINTS = {ROOT / "medner" / "command_line.py", ROOT / "medner" / "exceptions.py"}  # no result depends on these
SKIPPED = [name for name, command in COMMANDS.items() if not command.get("no_skip")]


def imports(path: Path) -> Iterator[str]:
    """Names that a file imports from the package, with the modules that they may be."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def closure(start: Iterable[Path]) -> set[Path]:
    """The project's files that these files import, directly or not, without those that only print."""
    found: set[Path] = set()
    waiting = list(start)
    while waiting:
        path = waiting.pop()
        if path in found | PRINTS:
            continue
        found.add(path)
        candidates = [ROOT / f"{name.replace('.', '/')}.py" for name in imports(path)]
        waiting += [candidate for candidate in candidates if candidate.is_file()]
    return found


def code_of(command: str) -> set[Path]:
    """What a command runs: its scripts, what its configs name, and all that these import."""
    about = COMMANDS[command]
    start = [ROOT / path for line in about["script"] for path in re.findall(r"scripts/\w+\.py", line)]
    for dep in about["deps"]:
        if dep.endswith(".cfg"):
            start += [ENTRY_POINTS[name] for name in re.findall(r'"(medner\.[\w.]+)"', (ROOT / dep).read_text())]
    return closure(start)


@pytest.mark.parametrize("command", SKIPPED)
def test_dependencies_cover_all_code_that_a_command_runs(command: str) -> None:
    deps = [ROOT / path for path in COMMANDS[command]["deps"]]
    missing = {
        str(path.relative_to(ROOT)) for path in code_of(command) if not any(path.is_relative_to(dep) for dep in deps)
    }
    assert not missing


@pytest.mark.parametrize("command", SKIPPED)
def test_dependencies_name_only_what_exists_and_is_used(command: str) -> None:
    code = code_of(command)
    for dep in COMMANDS[command]["deps"]:
        if dep.startswith(("scripts/", "medner/", "configs/")):
            assert (ROOT / dep).exists()
        if dep.startswith(("scripts/", "medner/")):
            assert any(path.is_relative_to(ROOT / dep) for path in code), f"{dep} is not used"


def test_every_command_has_help_and_outputs_and_is_part_of_a_workflow() -> None:
    assert all(command["help"] and command["outputs"] for command in COMMANDS.values())
    assert {name for workflow in PROJECT["workflows"].values() for name in workflow} == set(COMMANDS)
