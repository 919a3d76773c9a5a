"""The two pages of the server, each in one file that loads nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import srsly
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from medner.files import source_hash

_FILES = PackageLoader("medner.serving", "page")
_PAGES = Environment(
    loader=ChoiceLoader([_FILES, PackageLoader("medner.report")]),  # the report's base.css has the colours
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def _source(name: str) -> str:
    return _FILES.get_source(_PAGES, name)[0].strip()


SCRIPT = _source("page.js")
# No page runs a script but this one, and none loads anything or sends text to another server.
POLICY = (
    f"default-src 'none'; script-src '{source_hash(SCRIPT)}'; style-src 'unsafe-inline'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@cache
def index_page() -> str:
    """The page that annotates a text with all pipelines and shows them side by side."""
    examples = srsly.json_loads(_source("examples.json"))
    script = Markup(SCRIPT)  # noqa: S704 - the project's own
    return _PAGES.get_template("index.html.j2").render(script=script, examples=examples)


def api_page(schema: Mapping[str, Any]) -> str:
    """The documentation of an interface, from its OpenAPI schema."""
    kinds = schema["components"]["schemas"]
    operations = [
        (method.upper(), path, operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]
    return _PAGES.get_template("api.html.j2").render(operations=operations, kinds=kinds, type_name=type_name)


def type_name(schema: Mapping[str, Any]) -> str:
    """A JSON schema's type in words, such as ``list of string``."""
    if "anyOf" in schema:
        return " or ".join(type_name(one) for one in schema["anyOf"])
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "items" in schema:
        return f"list of {type_name(schema['items'])}"
    if isinstance(schema.get("additionalProperties"), Mapping):
        return f"object of {type_name(schema['additionalProperties'])}"
    return str(schema.get("type", "any"))
