"""The code of this project that a pipeline runs: what a wheel has to carry, since it installs without medner."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
from collections.abc import Iterator, Mapping
from importlib.metadata import packages_distributions, requires, version
from pathlib import Path

from spacy.util import registry, walk_dict
from thinc.api import Config

OURS = "medner"
# What a distribution computes with, though its requirements leave the version open: another one moves scores.
BENEATH = {"spacy-transformers": ("transformers", "torch")}
_IMPORT = re.compile(rf"^(\s*)from {OURS}\.(?:\w+\.)*(\w+) import ", re.MULTILINE)


def registered_modules(config: Config) -> set[str]:
    """The modules of all functions that the config of a loaded pipeline names, as far as loading needs them.

    What ``[training]`` and ``[initialize]`` name is not needed.
    """
    lang = config["nlp"]["lang"]
    named = {
        (path[-1].removeprefix("@"), value)
        for section in ("nlp", "components")
        for path, value in walk_dict(config[section])
        if path[-1].startswith("@")
    }
    named |= {("factories", component["factory"]) for component in config["components"].values()}
    own = {(kind, f"{lang}.{name}") for kind, name in named if registry.has(kind, f"{lang}.{name}")}
    return {str(registry.find(kind, name)["module"]) for kind, name in named | own if registry.has(kind, name)}


def sources(modules: set[str]) -> dict[str, str]:
    """The source of those of the modules that are this project's, and of all that they import, by file name.

    In a wheel they stand side by side: imports from this project are made relative. Raises ValueError where that is not
    possible.
    """
    found: dict[str, str] = {}
    waiting = {module for module in modules if _is_ours(module)}
    done: set[str] = set()
    while waiting:
        module = waiting.pop()
        done.add(module)
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None:
            raise ValueError(f"{module} has no source")
        path = Path(spec.origin)
        if path.name in found:
            raise ValueError(f"two files are named {path.name}")
        source = path.read_text(encoding="utf-8")
        waiting |= {other for other in imports(source) if _is_ours(other)} - done
        found[path.name] = _IMPORT.sub(r"\1from .\2 import ", source)
        if left := sorted(other for other in imports(found[path.name]) if _is_ours(other)):
            raise ValueError(f"{path} imports {', '.join(left)} in a way that cannot be made relative")
    return dict(sorted(found.items()))


def imports(source: str) -> Iterator[str]:
    """The modules that a source imports from, without relative ones."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def requirements(modules: set[str], code: Mapping[str, str]) -> list[str]:
    """What a wheel requires, in the versions that are installed: spaCy and what its code and its config name.

    What spaCy requires itself is left to it.
    """
    distributions: Mapping[str, list[str]] = packages_distributions()
    used = modules | {module for source in code.values() for module in imports(source)}
    packages = {module.partition(".")[0] for module in used} - sys.stdlib_module_names - {OURS}
    names = {"spacy"} | {distributions[package][0] for package in packages if package in distributions}
    names |= {beneath for name in names for beneath in BENEATH.get(name, ())}
    names -= {re.split(r"[^\w.-]", requirement, maxsplit=1)[0] for requirement in requires("spacy") or []}
    # Without the local part (2.13.0+cpu): it says which build is installed here.
    return sorted(f"{name}=={version(name).partition('+')[0]}" for name in names)


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == OURS
