"""Hostile text stays text and, in a real browser, the report looks right."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import browsing
import pytest
from conftest import ROOT
from made_report import SCHEME, everything, read, report_md

from medner.data.records import Entity
from medner.report.inputs import read_inputs
from medner.report.pages import write_report
from medner.report.sections.errors import mark
from medner.study import load_study
from medner.tables import markdown_text

SCRIPT, IMAGE = "<script>alert(1)</script>", '"><img src=x onerror=alert(2)>'
HOSTILE = f"{SCRIPT} {IMAGE} {{{{ 7 * 7 }}}} $x_1$ |*`"


def test_displacy_markup_is_escaped() -> None:
    drawn = str(mark(HOSTILE, [Entity(0, len(SCRIPT), IMAGE)]))
    assert "<script" not in drawn
    assert "<img" not in drawn
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in drawn


def test_markdown_has_no_markup_from_text(tmp_path: Path) -> None:
    assert markdown_text("a|b *c* <i> [x](y)") == r"a\|b \*c\* &lt;i> [x\](y)"
    assert markdown_text("`spacy project run all` and `<b>`") == r"`spacy project run all` and \`&lt;b>\`"
    text = report_md(everything(tmp_path, HOSTILE))
    assert "<script" not in text
    assert "<img" not in text
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(widths) == 1, table


# --- in a browser -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hostile_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A full report in which every text is hostile."""
    metrics = everything(tmp_path_factory.mktemp("hostile"), HOSTILE)
    write_report(read(metrics), metrics / "report")
    return metrics / "report"


@pytest.fixture(scope="module")
def ordinary_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A full report of the made-up study."""
    metrics = everything(tmp_path_factory.mktemp("ordinary"), "o boală")
    write_report(read(metrics), metrics / "report")
    return metrics / "report"


def reference(name: str, output: Path) -> Path:
    study = load_study(ROOT / "configs" / "experiments.yml")
    metrics = ROOT / "metrics" / "reference" / name
    write_report(read_inputs(metrics, output / "no corpus", study, SCHEME, ROOT / "project.yml"), output / "report")
    return output / "report"


@pytest.fixture(scope="module")
def real_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a real study, in its size."""
    return reference("mirror", tmp_path_factory.mktemp("real"))


def show(browser: Any, page: Path, width: int, **options: Any) -> None:
    browsing.show(browser, page.as_uri(), width, **options)
    browser.execute_script("document.querySelectorAll('details').forEach((fold) => (fold.open = true))")


@pytest.mark.parametrize("made", ["hostile_report", "real_report"])
@pytest.mark.parametrize("name", ["index.html", "slides.html"])
@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_overflows(browser: Any, request: pytest.FixtureRequest, made: str, name: str, width: int) -> None:
    show(browser, request.getfixturevalue(made) / name, width)
    assert browser.execute_script("return innerWidth") == width
    assert browser.execute_script("return document.scrollingElement.scrollWidth") <= width
    assert browsing.outside(browser) == []


@pytest.mark.parametrize("name", ["index.html", "slides.html"])
def test_text_stays_text(browser: Any, hostile_report: Path, name: str) -> None:
    show(browser, hostile_report / name, 1280)
    assert browser.execute_script("return document.images.length") == 0
    scripts = browser.execute_script("return [...document.scripts].map((s) => s.textContent)")
    assert len(scripts) == (1 if name == "slides.html" else 0)
    assert not any("alert" in script for script in scripts)
    assert SCRIPT in browser.execute_script("return document.body.textContent")
    assert IMAGE in browser.execute_script("return document.body.textContent")
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_every_figure_has_words(browser: Any, hostile_report: Path) -> None:
    show(browser, hostile_report / "index.html", 1280)
    unnamed = browser.execute_script(
        "return [...document.querySelectorAll('svg')].filter((svg) => !svg.closest('[role=img]')?.getAttribute('aria-label')"
        "?.trim()).length"
    )
    assert unnamed == 0
    assert browser.execute_script("return document.querySelectorAll('svg').length") >= 8
    without_numbers = "return [...document.querySelectorAll('figure')].filter((f) => !f.querySelector('table')).length"
    assert browser.execute_script(without_numbers) == 0
    ids = browser.execute_script("return [...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))
    anchors = browser.execute_script("return [...document.querySelectorAll('nav a')].map((a) => a.hash.slice(1))")
    assert anchors
    assert set(anchors) <= set(ids)


def test_dark_mode_reaches_the_plots(browser: Any, hostile_report: Path) -> None:
    colours = {}
    for dark in (False, True):
        show(browser, hostile_report / "index.html", 1280, dark=dark)
        colours[dark] = browser.execute_script(
            "const text = document.querySelector('.panel svg text');"
            "return [getComputedStyle(document.body).backgroundColor, getComputedStyle(text).fill]"
        )
    assert colours[False][0] == "rgb(255, 255, 255)"
    assert all(light != dark for light, dark in zip(colours[False], colours[True], strict=True))


def test_slides_turn_with_the_keyboard_and_print_one_a_page(browser: Any, hostile_report: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    page = hostile_report / "slides.html"
    show(browser, page, 1280, height=720)
    slides = browser.execute_script("return document.querySelectorAll('.slide').length")
    focused = "return [...document.querySelectorAll('.slide')].indexOf(document.activeElement)"
    body = browser.find_element(By.TAG_NAME, "body")
    seen = []
    for key in (Keys.HOME, Keys.ARROW_RIGHT, Keys.PAGE_DOWN, Keys.ARROW_LEFT, Keys.END, Keys.ARROW_RIGHT):
        body.send_keys(key)
        seen.append(browser.execute_script(focused))
    assert seen == [0, 1, 2, 1, slides - 1, slides - 1]
    assert 8 <= slides <= 14
    pdf = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"])
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == slides


@pytest.mark.parametrize("made", ["ordinary_report", "real_report"])
def test_print_cuts_nothing_off(browser: Any, request: pytest.FixtureRequest, made: str) -> None:
    """Printed, nothing scrolls: what does not fit on its slide or beside the margin of A4 is lost."""
    folder = request.getfixturevalue(made)
    show(browser, folder / "slides.html", 1280, height=720, media="print")
    cut = browser.execute_script(
        "return [...document.querySelectorAll('.slide, .slide .table')].filter((e) => e.scrollHeight > e.clientHeight + 1"
        " || e.scrollWidth > e.clientWidth + 1).map((e) => `${e.ariaLabel}: ${e.scrollWidth} × ${e.scrollHeight}`)"
    )
    assert cut == []
    assert browser.execute_script("return document.querySelector('.slide').clientHeight") == 720
    show(browser, folder / "index.html", 687, media="print")  # 210 mm less two margins of 14, at 96 pixels an inch
    wide = browser.execute_script(
        "return [...document.querySelectorAll('.table')].filter((e) => e.scrollWidth > e.clientWidth + 1)"
        ".map((e) => `${e.ariaLabel}: ${e.scrollWidth}`)"
    )
    assert wide == []
    assert browser.execute_script("return document.scrollingElement.scrollWidth") <= 687
