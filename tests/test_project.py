"""project.yml: a command that can be skipped depends on all code that it runs, and workflows use every command."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from conftest import ROOT

PROJECT = yaml.safe_load((ROOT / "project.yml").read_text())
COMMANDS = {command["name"]: command for command in PROJECT["commands"]}
SKIPPED = [name for name, command in COMMANDS.items() if not command.get("no_skip")]


def imports(path: Path) -> Iterator[str]:
    """Names that a file imports from the package, with the modules that they may be."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def closure(script: Path) -> set[Path]:
    """The project's files that a script imports, directly or not."""
    found: set[Path] = set()
    waiting = [script]
    while waiting:
        path = waiting.pop()
        if path in found:
            continue
        found.add(path)
        candidates = [
            folder / f"{name.replace('.', '/')}.py" for name in imports(path) for folder in (ROOT, script.parent)
        ]
        waiting += [candidate for candidate in candidates if candidate.is_file()]
    return found


def scripts(command: str) -> list[Path]:
    return [ROOT / path for line in COMMANDS[command]["script"] for path in re.findall(r"scripts/\w+\.py", line)]


@pytest.mark.parametrize("command", SKIPPED)
def test_dependencies_cover_all_code_that_a_command_runs(command: str) -> None:
    deps = [ROOT / path for path in COMMANDS[command]["deps"]]
    code = {path for script in scripts(command) for path in closure(script)}
    missing = {str(path.relative_to(ROOT)) for path in code if not any(path.is_relative_to(dep) for dep in deps)}
    assert not missing


@pytest.mark.parametrize("command", SKIPPED)
def test_dependencies_name_only_what_exists_and_is_used(command: str) -> None:
    code = {path for script in scripts(command) for path in closure(script)}
    for dep in COMMANDS[command]["deps"]:
        if dep.startswith(("scripts/", "medner/", "configs/")):
            assert (ROOT / dep).exists()
        if dep.startswith(("scripts/", "medner/")):
            assert any(path.is_relative_to(ROOT / dep) for path in code), f"{dep} is not used"


def test_every_command_has_help_and_outputs_and_is_part_of_a_workflow() -> None:
    assert all(command["help"] and command["outputs"] for command in COMMANDS.values())
    assert {name for workflow in PROJECT["workflows"].values() for name in workflow} == set(COMMANDS)
