from __future__ import annotations

import dataclasses
import gzip
from pathlib import Path

import fetch as step
import pytest
import srsly
import yaml
from conftest import ROOT
from servers import serving
from typer.testing import CliRunner

from medner.exceptions import InputError
from medner.fetching import Download, fetch, load_downloads, reachable, ronec_variant
from medner.files import git_blob_id

DATA = b'[{"id": 1}]\n'
CLOSED = "http://127.0.0.1:9/train.json"
DOWNLOAD = Download("ronec-train", "assets/train.json", CLOSED, "ronec/train.json", git_blob_id(DATA), "MIT")


def mirror_with(folder: Path, data: bytes, name: str = "train.json") -> Path:
    (folder / "ronec").mkdir(parents=True)
    (folder / "ronec" / name).write_bytes(data)
    return folder


@pytest.mark.parametrize(("name", "data"), [("train.json", DATA), ("train.json.gz", gzip.compress(DATA))])
def test_the_mirror_is_asked_first_plain_or_gzipped(tmp_path: Path, name: str, data: bytes) -> None:
    mirror = mirror_with(tmp_path / "mirror", data, name)
    assert fetch(DOWNLOAD, tmp_path, mirror, lambda url: pytest.fail(f"asked the network for {url}")) == "mirror"
    assert (tmp_path / DOWNLOAD.asset).read_bytes() == DATA
    assert fetch(DOWNLOAD, tmp_path, None, lambda url: pytest.fail(f"asked the network for {url}")) == "present"


def test_a_checksum_that_differs_is_told_and_nothing_is_written(tmp_path: Path) -> None:
    mirror = mirror_with(tmp_path / "mirror", b"[]\n")
    with pytest.raises(InputError) as caught:
        fetch(DOWNLOAD, tmp_path, mirror, lambda _: False)
    assert str(caught.value) == (
        f"{mirror}/ronec/train.json: checksum differs: git blob {git_blob_id(b'[]' + bytes([10]))}, "
        f"expected {DOWNLOAD.git_blob}. Replace it with the ronec-train file of the pinned commit."
    )
    assert not (tmp_path / DOWNLOAD.asset).exists()


def test_the_network(tmp_path: Path) -> None:
    with serving({"/train.json": DATA}) as (address, asked):
        there = dataclasses.replace(DOWNLOAD, url=f"{address}/train.json")
        assert reachable(there.url)
        assert fetch(there, tmp_path, None, reachable) == "network"
        assert "/train.json" in asked
        gone = dataclasses.replace(DOWNLOAD, asset="assets/other.json", url=f"{address}/nonesuch.json")
        assert fetch(gone, tmp_path, None, reachable) == "missing"
        wrong = dataclasses.replace(there, asset="assets/wrong.json", git_blob="0" * 40)
        with pytest.raises(InputError, match="checksum differs"):
            fetch(wrong, tmp_path, None, reachable)
    assert (tmp_path / DOWNLOAD.asset).read_bytes() == DATA
    assert [p.name for p in (tmp_path / "assets").iterdir()] == ["train.json"]


def test_without_a_network(tmp_path: Path) -> None:
    assert not reachable(CLOSED)
    assert fetch(DOWNLOAD, tmp_path, None, reachable) == "missing"


def test_a_mirror_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder. Correct --mirror or MEDNER_MIRROR, or leave it out"):
        fetch(DOWNLOAD, tmp_path, tmp_path / "nonesuch", lambda _: False)


@pytest.mark.parametrize(
    ("present", "variant"),
    [
        (["ronec-train", "ronec-valid", "ronec-test", "ronec-v1"], "v2"),
        (["ronec-valid", "ronec-test", "ronec-v1"], "v1"),
        (["ronec-train", "ronec-v1"], "sample"),
        ([], "sample"),
    ],
)
def test_variants(present: list[str], variant: str) -> None:
    names = ["ronec-train", "ronec-valid", "ronec-test", "ronec-v1"]
    assert ronec_variant({n: "mirror" if n in present else "missing" for n in names})[0] == variant


def test_every_download_has_an_asset_at_the_pinned_commit() -> None:
    downloads = {d.name: d for d in load_downloads(ROOT / "configs" / "downloads.yml", ROOT / "project.yml")}
    pinned = "https://raw.githubusercontent.com/dumitrescustefan/ronec/5ca6a898d4fa42f27fd49501d4a3265e61e9340c/"
    assert all(d.url.startswith(pinned) for d in downloads.values())
    assert downloads["ronec-train"].git_blob == "2fe4ca48da4a6486373ce00ac739481fb7b2033a"


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The fetch step with all its URLs at a closed port."""
    config = yaml.safe_load((ROOT / "project.yml").read_text())
    for asset in config["assets"]:
        asset["url"] = CLOSED
    (tmp_path / "project.yml").write_text(yaml.safe_dump(config))
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    monkeypatch.setattr(step, "ROOT", tmp_path)
    return tmp_path


def test_the_step_names_its_stand_in(offline: Path) -> None:
    result = CliRunner().invoke(step.app, ["--root", str(offline)])
    assert result.exit_code == 0, result.output
    assert "SAMPLE in RONEC's format" in result.output
    manifest = srsly.read_json(offline / "assets" / "fetched" / "manifest.json")
    assert manifest["ronec"]["variant"] == "sample"


def test_the_step_is_strict_if_told(offline: Path) -> None:
    result = CliRunner().invoke(step.app, ["--root", str(offline), "--strict"])
    assert result.exit_code == 1
    assert "✘ RONEC v2 is not complete and --strict allows no stand-in" in result.output
    assert not (offline / "assets").exists()
