from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from made_server import Finder, served

from medner.annotation.entities import Entity
from medner.serving import api, batching
from medner.serving.api import PipelineInfo, Served, create_app

EXP1 = served("exp1", {"Ana": ("PERSON", None)})
BIO = served("bio", {"Ana": ("PERSON", 0.9), "HTA": ("MEDICAL", 0.4)}, {"med-ro": "synthetic"})
SECRET = "Vasilescu"


def send(app: Any, *requests: tuple[str, str, dict[str, Any]]) -> list[httpx.Response]:
    """The responses to requests that are sent at the same time."""

    async def all_of_them() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await asyncio.gather(*(client.request(method, path, **more) for method, path, more in requests))

    return asyncio.run(all_of_them())


def ask(app: Any, **question: Any) -> httpx.Response:
    return send(app, ("POST", "/annotate", {"json": question}))[0]


def test_a_text_with_all_pipelines() -> None:
    response = ask(create_app([EXP1, BIO]), text="Ana 🩺 are HTA.")
    ana = {"start": 0, "end": 3, "label": "PERSON", "text": "Ana"}
    hta = {"start": 10, "end": 13, "label": "MEDICAL", "text": "HTA", "confidence": 0.4}
    assert response.status_code == 200
    assert response.json() == {
        "annotations": {"exp1": [[{**ana, "confidence": None}]], "bio": [[{**ana, "confidence": 0.9}, hta]]}
    }
    assert response.headers["cache-control"] == "no-store"


def test_a_list_with_chosen_pipelines() -> None:
    response = ask(create_app([EXP1, BIO]), text=["HTA", "", "Ana"], pipelines=["bio"])
    found = response.json()["annotations"]
    assert [[entity["text"] for entity in one] for one in found["bio"]] == [["HTA"], [], ["Ana"]]
    assert found.keys() == {"bio"}


def test_health_says_what_is_served() -> None:
    health = send(create_app([EXP1, BIO], max_characters=50), ("GET", "/health", {}))[0].json()
    assert health["status"] == "ok"
    assert health["max_characters"] == 50
    assert health["pipelines"][1] == {
        "name": "bio", "labels": ["MEDICAL", "PERSON"], "has_confidence": True, "trained_on": {"med-ro": "synthetic"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("question", "status", "detail"),
    [
        ({"text": "Ana", "pipelines": ["exp9"]}, 404, "there is no pipeline 'exp9'; there are exp1"),
        ({"text": "a" * 51}, 413, "at most 1,000 texts and 50 characters a request"),
        ({"text": ["a" * 26, "b" * 26]}, 413, "at most 1,000 texts and 50 characters a request"),
        ({"text": [""] * 1001}, 413, "at most 1,000 texts and 50 characters a request"),
        ({"texts": [SECRET]}, 422, "body.text: Field required; body.texts: Extra inputs are not permitted"),
        ({"text": [1]}, 422, "body.text.list[str].0: Input should be a valid string"),
    ],
)  # fmt: skip
def test_requests_that_are_refused(question: dict[str, Any], status: int, detail: str) -> None:
    response = ask(create_app([EXP1], max_characters=50), **question)
    assert response.status_code == status
    assert detail in response.json()["detail"]
    assert SECRET not in response.text


@pytest.mark.parametrize("body", [b"", b"{", b'"\xff"', b'{"text": "\\ud800"}', b'{"\\udfff": 1}', b"[]"])
def test_bodies_that_are_no_question(body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    response = send(create_app([EXP1]), ("POST", "/annotate", {"content": body, "headers": headers}))[0]
    assert response.status_code in (400, 422)
    assert response.json()["detail"]


def test_a_body_that_is_too_large_is_not_read() -> None:
    body = {"content": b" " * (50 * api.BYTES_A_CHARACTER + api.BYTES_MORE + 1)}
    assert send(create_app([EXP1], max_characters=50), ("POST", "/annotate", body))[0].status_code == 413


class Slow(Finder):
    """A pipeline whose first call ends when it is told to."""

    def __init__(self) -> None:
        super().__init__({"Ana": ("PERSON", None)})
        self.goes_on = threading.Event()

    def __call__(self, texts: Sequence[str]) -> list[list[Entity]]:
        found = super().__call__(texts)
        assert self.goes_on.wait(20)
        return found


def info(name: str) -> PipelineInfo:
    return PipelineInfo(name=name, labels=["PERSON"], has_confidence=False, trained_on={})


async def _crowd(app: Any, slow: Slow, texts: Sequence[str]) -> list[httpx.Response]:
    """The first text alone, and the others while it is being annotated."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        waiting = []
        for text in texts:
            waiting.append(asyncio.create_task(client.post("/annotate", json={"text": text})))
            while not slow.calls:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.3)
        slow.goes_on.set()
        return list(await asyncio.gather(*waiting))


def crowd(slow: Slow, texts: Sequence[str]) -> list[httpx.Response]:
    return asyncio.run(_crowd(create_app([Served(info("slow"), slow)]), slow, texts))


def test_concurrent_requests_are_annotated_together() -> None:
    slow = Slow()
    texts = [f"{'x' * number} Ana" for number in range(20)]
    starts = [response.json()["annotations"]["slow"][0][0]["start"] for response in crowd(slow, texts)]
    assert starts == [number + 1 for number in range(20)]  # everyone has their own answer
    assert [len(call) for call in slow.calls] == [1, 19]


def test_a_batch_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow()
    monkeypatch.setattr(batching, "BATCH", 10)
    assert all(response.status_code == 200 for response in crowd(slow, ["Ana"] * 7))
    assert [len(call) for call in slow.calls] == [1, 3, 3]


def test_more_than_can_wait_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow()
    monkeypatch.setattr(batching, "WAITING", 7)
    first, second, third = crowd(slow, ["Ana"] * 3)
    assert (first.status_code, second.status_code, third.status_code) == (200, 200, 503)
    assert third.headers["retry-after"]
    assert ask(create_app([EXP1]), text="a longer text than may wait").status_code == 200  # when nothing else does


class Failing(Slow):
    """A pipeline that fails on one text, with a message that quotes it."""

    def __call__(self, texts: Sequence[str]) -> list[list[Entity]]:
        found = super().__call__(texts)
        if any(SECRET in text for text in texts):
            raise ValueError(f"cannot read {texts}")
        return found


def test_a_failure_stays_with_its_request_and_no_text_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    responses = crowd(Failing(), ["Ana", SECRET, "Ana"])
    assert [response.status_code for response in responses] == [200, 500, 200]
    assert "ValueError" in caplog.text
    assert "test_api.py" in caplog.text
    assert SECRET not in caplog.text + responses[1].text


def test_an_error_of_the_server_is_logged_without_its_message(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: Any) -> None:
        raise RuntimeError(SECRET)

    monkeypatch.setattr(batching.Batcher, "annotate", broken)
    assert ask(create_app([EXP1]), text="Ana").status_code == 500
    assert "RuntimeError" in caplog.text
    assert SECRET not in caplog.text


def test_pages_need_no_network() -> None:
    app = create_app([EXP1])
    pages = send(app, ("GET", "/", {}), ("GET", "/docs", {}), ("GET", "/openapi.json", {}))
    assert [page.status_code for page in pages] == [200, 200, 200]
    for page in pages[:2]:
        assert not re.search(r"""(?:src|href|action)=["']?(?:https?:)?//|@import|url\((?!["']?data:)""", page.text)
        assert "connect-src 'self'" in page.headers["content-security-policy"]
    for kind in pages[2].json()["components"]["schemas"]:
        assert f'id="{kind}"' in pages[1].text
