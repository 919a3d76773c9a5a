"""The page in a real browser: it shows what the server finds, and hostile text stays text."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import srsly
from browsing import outside, show
from made_server import running, served

from medner.serving.api import create_app

SCRIPT, IMAGE = "<script>alert(1)</script>", '"><img src=x onerror=alert(2)>'
HOSTILE = f"Ana {SCRIPT} {IMAGE} 🩺 {{{{ 7 * 7 }}}} HTA\n&lt;b&gt; {'x' * 500}"
RONEC = {"ronec": f"news {IMAGE}"}
EXP1 = served("exp1", {"Ana": ("PERSON", None)}, RONEC)
EXP2 = served("exp2", {"Ana": ("ORG", None), "HTA": ("MEDICAL", None)}, {**RONEC, "med-ro": "synthetic"})
BIO = served(
    f"bio {IMAGE}",
    {"Ana": ("PERSON", 0.9), "HTA": ("MEDICAL", 0.4), SCRIPT: (IMAGE, 0.2), "x" * 500: ("LONG", 0.5)},
)
Read = Callable[..., Any]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A server with pipelines with and without confidence."""
    with running(create_app([EXP1, EXP2, BIO])) as found:
        yield found


@pytest.fixture(scope="module")
def plain() -> Iterator[str]:
    """A server with pipelines without confidence."""
    with running(create_app([EXP1])) as found:
        yield found


def wait(browser: Any, condition: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 20, poll_frequency=0.05).until(lambda found: found.execute_script(f"return {condition}"))


def annotate(browser: Any, address: str, text: str, width: int = 1280, *, dark: bool = False) -> None:
    """Open the page and annotate a text by keyboard."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    show(browser, address, width, dark=dark)
    wait(browser, "document.querySelectorAll('.pipeline').length")  # the first example
    area = browser.find_element(By.ID, "text")
    browser.execute_script("arguments[0].value = arguments[1]", area, text)
    area.send_keys(Keys.CONTROL, Keys.ENTER)
    wait(browser, f"document.querySelector('.text')?.textContent === {json.dumps(text)}")


def marks(browser: Any) -> list[list[list[str]]]:
    """Text and label of the entities, by pipeline."""
    found = browser.execute_script(
        "return [...document.querySelectorAll('.pipeline')].map((p) => [...p.querySelectorAll('mark')]"
        ".map((m) => [m.textContent, m.dataset.label]))"
    )
    return list(found)


def test_pipelines_stand_side_by_side(browser: Any, address: str) -> None:
    annotate(browser, address, "🩺 Ana are HTA.")
    assert marks(browser) == [
        [["Ana", "PERSON"]], [["Ana", "ORG"], ["HTA", "MEDICAL"]], [["Ana", "PERSON"], ["HTA", "MEDICAL"]],
    ]  # fmt: skip
    lefts = browser.execute_script(
        "return [...document.querySelectorAll('.pipeline')].map((p) => p.getBoundingClientRect().left)"
    )
    assert lefts == sorted(set(lefts))
    counts = browser.execute_script("return [...document.querySelectorAll('.count')].map((p) => p.textContent)")
    assert counts[:2] == ["1 entity", "2 entities; 2 added, 1 missing compared with exp1"]
    assert browser.execute_script("return document.querySelectorAll('mark.new').length") == 3
    colours = browser.execute_script(
        "return [...document.querySelectorAll('.pipeline:nth-child(2) mark')].map((m) => getComputedStyle(m).backgroundColor)"
    )
    assert len(set(colours)) == 2


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("page", ["", "docs"])
def test_nothing_overflows(browser: Any, address: str, width: int, page: str) -> None:
    if page:
        show(browser, address + page, width)
    else:
        annotate(browser, address, HOSTILE, width)
    assert browser.execute_script("return innerWidth") == width
    assert browser.execute_script("return document.scrollingElement.scrollWidth") <= width
    assert outside(browser) == []


def test_text_stays_text(browser: Any, address: str) -> None:
    annotate(browser, address, HOSTILE)
    assert browser.execute_script("return document.images.length") == 0
    assert browser.execute_script("return document.scripts.length") == 1
    assert ["<script>alert(1)</script>", IMAGE] in marks(browser)[2]
    assert browser.execute_script("return document.querySelectorAll('.pipeline h3')[2].textContent") == BIO.info.name
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_no_other_server_is_asked(browser: Any, address: str) -> None:
    annotate(browser, address, "Ana are HTA.")
    asked = browser.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert set(asked) <= {f"{address}{path}" for path in ("health", "annotate", "favicon.ico")} | {"data:,"}


def slide(browser: Any, value: float) -> None:
    browser.execute_script(
        "const slider = document.getElementById('threshold'); slider.value = arguments[0];"
        "slider.dispatchEvent(new Event('input'))",
        value,
    )


def test_the_slider_keeps_confident_entities_and_those_without_confidence(browser: Any, address: str) -> None:
    annotate(browser, address, "Ana are HTA.")
    slide(browser, 0.5)
    assert [len(found) for found in marks(browser)] == [1, 2, 1]
    assert browser.execute_script("return document.getElementById('chosen').textContent") == "0.50"
    slide(browser, 0)
    assert [len(found) for found in marks(browser)] == [1, 2, 2]
    title = browser.execute_script("return document.querySelectorAll('.pipeline')[2].querySelector('mark').title")
    assert title == "PERSON, confidence 0.90"


def test_without_confidence_there_is_no_slider(browser: Any, plain: str) -> None:
    annotate(browser, plain, "Ana are HTA.")
    assert browser.execute_script("return getComputedStyle(document.getElementById('confidence')).display") == "none"
    assert browser.execute_script("return document.getElementById('compare').hidden")


def test_labels_can_be_hidden(browser: Any, address: str) -> None:
    annotate(browser, address, "Ana are HTA.")
    browser.execute_script(
        "[...document.querySelectorAll('#labels label')].find((l) => l.textContent === 'MEDICAL').querySelector('input').click()"
    )
    assert [len(found) for found in marks(browser)] == [1, 1, 1]


def test_it_works_by_keyboard(browser: Any, address: str) -> None:
    from selenium.webdriver.common.keys import Keys

    annotate(browser, address, "Ana are HTA.")
    focused = (
        "return document.activeElement.id || document.activeElement.dataset.label || document.activeElement.textContent"
    )
    stops = []
    for _ in range(40):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        stops.append(browser.execute_script(focused))
        if stops[-1] == "ORG":  # of the second pipeline
            break
    assert "Romanian: news" in stops
    assert {"threshold", "download", "PERSON"} <= set(stops)
    assert stops[-1] == "ORG"
    assert browser.execute_script("return document.getElementById('detail').textContent").startswith("Ana · ORG")
    browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    assert browser.execute_script(focused) == "MEDICAL"
    same = browser.execute_script("return document.querySelectorAll('mark.same').length")
    assert same == 1  # the third pipeline's


def test_examples_are_annotated(browser: Any, plain: str) -> None:
    show(browser, plain, 1280)
    wait(browser, "document.querySelectorAll('.pipeline').length")
    examples = browser.execute_script("return [...document.querySelectorAll('.example-text')].map((e) => e.lang)")
    assert examples == ["ro", "ro", "fr", "fr"]
    browser.execute_script("document.querySelectorAll('.example-text')[2].click()")
    wait(browser, "document.querySelector('.text').textContent.includes('Lille')")


def test_dark_mode(browser: Any, address: str) -> None:
    colours = {}
    for dark in (False, True):
        annotate(browser, address, "Ana are HTA.", dark=dark)
        colours[dark] = browser.execute_script(
            "return [document.body, document.querySelector('mark'), document.querySelector('textarea')]"
            ".map((element) => getComputedStyle(element).backgroundColor)"
        )
    assert colours[False][0] == "rgb(255, 255, 255)"
    assert all(light != dark for light, dark in zip(colours[False], colours[True], strict=True))


def test_what_is_shown_can_be_downloaded(browser: Any, address: str, tmp_path: Path) -> None:
    annotate(browser, address, "Ana are HTA.")
    slide(browser, 0.5)
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)})
    browser.execute_script("document.getElementById('download').click()")
    file = tmp_path / "entities.json"
    for _ in range(100):
        if file.is_file() and file.stat().st_size:  # Chromium first puts an empty file in its place
            break
        browser.execute_async_script("setTimeout(arguments[0], 50)")
    saved = srsly.read_json(file)
    assert (saved["text"], saved["min_confidence"]) == ("Ana are HTA.", 0.5)
    ana = {"start": 0, "end": 3, "label": "PERSON", "text": "Ana", "confidence": 0.9}
    assert saved["annotations"][BIO.info.name] == [ana]


def test_what_is_wrong_is_shown(browser: Any, address: str) -> None:
    from selenium.webdriver.common.by import By

    annotate(browser, address, "Ana are HTA.")
    for text, expected in (("  ", "Paste a text"), ("a" * 100_001, "at most 1,000 texts and 100,000 characters")):
        browser.execute_script("document.getElementById('text').value = arguments[0]", text)
        browser.find_element(By.CSS_SELECTOR, "button.main").click()
        wait(browser, f"document.getElementById('problem').textContent.includes({json.dumps(expected)})")
        assert browser.execute_script("return document.getElementById('result').hidden")
