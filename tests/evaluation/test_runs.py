from __future__ import annotations

import pytest
from spacy.cli._util import parse_config_overrides

from medner.evaluation.runs import as_arguments


def test_overrides_survive_the_way_into_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"a.flag": True, "a.none": None, "a.rate": 0.98, "a.steps": 3, "paths.train": "a folder/x.spacy"}
    monkeypatch.setenv("SPACY_CONFIG_OVERRIDES", as_arguments(said))
    assert parse_config_overrides([]) == said
