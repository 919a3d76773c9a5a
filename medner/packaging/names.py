"""Names of pipelines' packages, of their wheels, and of the files in them."""

from __future__ import annotations

import re

from medner.exceptions import InputError

README = "README.md"
SUM = ".sha256"  # ends the name of the file with a wheel's checksum
WHEEL = re.compile(r"(?P<package>\w+)-(?P<version>[\w.]+)-py3-none-any\.whl")
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_VERSION = re.compile(r"\d+(\.\d+)*((a|b|rc|\.post|\.dev)\d+)?")  # of PEP 440, without epochs and local parts


def package_name(lang: str, name: str) -> str:
    """How a pipeline's package is called: ``xx_medner_ro_fr``, with or without the language in ``name``.

    Raises InputError for an invalid name.
    """
    if not _NAME.fullmatch(name):
        what = f"{name!r} is not a package name"
        raise InputError(what, remedy="Use a-z, 0-9 and single underscores, as in medner_ro_fr")
    return f"{lang}_{name.removeprefix(f'{lang}_')}"


def wheel_name(package: str, version: str) -> str:
    """The file of a version of a package. Raises InputError for an invalid version."""
    if not _VERSION.fullmatch(version):
        raise InputError(f"{version!r} is not a version", remedy="Give numbers with full stops, as in 1.0.0")
    return f"{package}-{version}-py3-none-any.whl"
