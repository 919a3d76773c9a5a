"""Write the report: one page, the same in Markdown, and slides. No file loads anything from elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from medner.files import new_folder, source_hash, write_text
from medner.report.blocks import Missing, Section
from medner.report.inputs import Inputs
from medner.report.sections import sections
from medner.tables import html_text, markdown_text

QUESTION = (
    "Does medical text written by a language model, in your language and in a related one, improve named entity "
    "recognition where no annotated corpus exists?"
)


def write_report(inputs: Inputs, output: Path) -> list[Missing]:
    """Write ``index.html``, ``report.md`` and ``slides.html`` into the folder, which is replaced as a whole.

    Returns what was left out. The same inputs give the same bytes. Raises InputError where it cannot be written.
    """
    shown, missing = sections(inputs)
    with new_folder(output, sign="slides.html") as folder:
        for name, text in render(shown, missing).items():
            write_text(folder / name, text)
    return missing


def render(shown: list[Section], missing: list[Missing]) -> dict[str, str]:
    """The three files by name."""
    pages = _environment(autoescape=True)
    pages.filters["code"] = html_text
    plain = _environment(autoescape=False)  # Markdown: every value goes through the filter of that name
    plain.filters["markdown"] = markdown_text
    # A policy in the page itself: it makes no request, and runs no script but the slides' own.
    script = pages.loader.get_source(pages, "slides.js")[0].strip()  # type: ignore[union-attr]
    values = {"question": QUESTION, "sections": shown, "missing": missing, "script_hash": source_hash(script)}
    values["script"] = Markup(script)  # noqa: S704 - the project's own
    return {
        "index.html": pages.get_template("index.html.j2").render(values),
        "slides.html": pages.get_template("slides.html.j2").render(values),
        "report.md": re.sub(r"\n{3,}", "\n\n", plain.get_template("report.md.j2").render(values)).strip() + "\n",
    }


def _environment(*, autoescape: bool) -> Environment:
    return Environment(
        loader=PackageLoader("medner.report"),
        autoescape=autoescape,  # noqa: S701 - off for Markdown alone, whose filter escapes
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
