"""Pipelines that find given words, and a server that runs beside a test."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from medner.annotation.entities import Entity
from medner.serving.api import PipelineInfo, Served

Words = Mapping[str, tuple[str, float | None]]  # label and confidence of the words that a pipeline finds


class Finder:
    """Finds words. calls: the texts of every call."""

    def __init__(self, words: Words) -> None:
        self.words = words
        self.calls: list[list[str]] = []

    def __call__(self, texts: Sequence[str]) -> list[list[Entity]]:
        self.calls.append(list(texts))
        return [self.entities(text) for text in texts]

    def entities(self, text: str) -> list[Entity]:
        pattern = "|".join(re.escape(word) for word in self.words)
        return [
            Entity(match.start(), match.end(), self.words[match[0]][0], match[0], self.words[match[0]][1])
            for match in re.finditer(pattern, text)
        ]


def served(name: str, words: Words, trained_on: Mapping[str, str] | None = None) -> Served:
    """A pipeline that finds these words."""
    labels = sorted({label for label, _ in words.values()})
    has_confidence = any(confidence is not None for _, confidence in words.values())
    info = PipelineInfo(name=name, labels=labels, has_confidence=has_confidence, trained_on=dict(trained_on or {}))
    return Served(info, Finder(words))


@contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """The address of a server with the app."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        server.should_exit = True
        thread.join(10)
