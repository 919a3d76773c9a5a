from __future__ import annotations

from pathlib import Path

import made
import pytest
import srsly

from medner.exceptions import InputError
from medner.model.provenance import read_provenance, write_provenance


def test_provenance_travels_with_the_pipeline(tmp_path: Path) -> None:
    srsly.write_json(tmp_path / "meta.json", {"lang": "xx"})
    with pytest.raises(InputError, match=r"does not say what it was trained with\. Train it with the train step\."):
        read_provenance(tmp_path)
    about = made.provenance(seed=3)
    write_provenance(tmp_path, about)
    assert read_provenance(tmp_path) == about
    assert srsly.read_json(tmp_path / "meta.json")["lang"] == "xx"


def test_damaged_provenance(tmp_path: Path) -> None:
    srsly.write_json(tmp_path / "meta.json", {"medner": {"experiment": "exp1"}})
    with pytest.raises(InputError, match=r"meta.json, medner.encoder: missing\. Train it with the train step\."):
        read_provenance(tmp_path)


def test_arithmetic_and_packages_are_not_settings() -> None:
    settings = made.provenance(made_with={"torch": "1"}).settings
    assert settings == made.provenance(made_with={"torch": "2"}).settings
    assert settings != made.provenance(config="ab").settings
