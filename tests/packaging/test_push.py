"""What would be published, and what is; the hub itself is out of reach in tests."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest
import srsly
import yaml
from typer.testing import CliRunner, Result

from medner.cli import app
from medner.packaging import hub

NAME = "xx_medner_ro_fr"
INSIDE = f"{NAME}/{NAME}-1.2.0"
SECRET = "hf_secret"
META = {
    "lang": "xx",
    "license": "CC BY-SA 4.0",
    "languages": ["ro", "fr"],
    "performance": {"ents_p": 0.7, "ents_r": 0.6, "ents_f": 0.65},
}


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    path = tmp_path / f"{NAME}-1.2.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{NAME}/__init__.py", "")
        archive.writestr(f"{NAME}/bio.py", "# code")
        archive.writestr(f"{NAME}/meta.json", "{}")
        archive.writestr(f"{INSIDE}/README.md", "# The card\n")
        archive.writestr(f"{INSIDE}/config.cfg", "[nlp]")
        archive.writestr(f"{INSIDE}/meta.json", srsly.json_dumps(META))
        archive.writestr(f"{INSIDE}/ner/model", b"1234")
        archive.writestr(f"{NAME}-1.2.0.dist-info/METADATA", "")
    path.with_name(f"{path.name}.sha256").write_text(f"abc  {path.name}\n")
    return path


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "get_token", lambda: SECRET)


def push(*arguments: object) -> Result:
    result = CliRunner().invoke(app, ["push", *map(str, arguments)])
    assert SECRET not in result.output
    return result


STABLE = f"{NAME}-any-py3-none-any.whl"
FILES = {"README.md", "bio.py", "config.cfg", "meta.json", "ner/model", STABLE, f"{STABLE}.sha256"}


def test_a_dry_run_says_what_would_be_published(wheel: Path) -> None:
    result = push(wheel, "--account", "hospital", "--private", "--dry-run")
    assert result.exit_code == 0
    first, *files = result.stdout.splitlines()
    assert first == f"Would publish hospital/{NAME} (private), version 1.2.0:"
    assert {line.split()[1] for line in files} == FILES
    assert f"{4:>13,}  ner/model" in files


def test_without_a_token_it_says_so_too(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "get_token", lambda: None)
    result = push(wheel)
    assert result.exit_code == 1
    assert f"Would publish YOUR-ACCOUNT/{NAME} (public)" in result.stdout
    assert "no token for the model hub, so nothing is published. Set HF_TOKEN" in result.stderr


def test_without_network_it_is_one_line(wheel: Path) -> None:
    result = push(wheel)
    assert result.exit_code == 1
    assert result.stderr.startswith("✘ the model hub cannot be reached, or refuses")
    assert len(result.stderr.splitlines()) == 1


class Hub:
    """Takes what is uploaded."""

    def __init__(self, token: str) -> None:
        assert token == SECRET

    def whoami(self) -> dict[str, str]:
        return {"name": "me"}

    def create_repo(self, name: str, *, private: bool, exist_ok: bool) -> str:
        assert exist_ok
        assert not private
        return f"https://hub/{name}"

    def upload_folder(self, *, repo_id: str, folder_path: Path, commit_message: str) -> None:
        assert (repo_id, commit_message) == (f"me/{NAME}", "Better")
        self.uploaded.update({str(p.relative_to(folder_path)): p.read_bytes() for p in folder_path.rglob("*.*")})

    uploaded: dict[str, bytes] = {}  # noqa: RUF012 - emptied by the test


def test_what_is_published(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Hub.uploaded.clear()
    monkeypatch.setattr(hub, "HfApi", Hub)
    result = push(wheel, "--message", "Better")
    assert result.exit_code == 0, result.output
    assert f"pip install https://hub/me/{NAME}/resolve/main/{STABLE}" in result.stdout
    assert Hub.uploaded[STABLE] == wheel.read_bytes()
    assert Hub.uploaded[f"{STABLE}.sha256"] == f"abc  {STABLE}\n".encode()
    empty, metadata, card = Hub.uploaded["README.md"].decode().split("---\n")
    assert (empty, card) == ("", "\n# The card\n")
    found: dict[str, Any] = yaml.safe_load(metadata)
    assert found["license"] == "cc-by-sa-4.0"
    assert found["language"] == ["ro", "fr"]
    assert found["tags"] == ["spacy", "token-classification"]
    assert [one["value"] for one in found["model-index"][0]["results"][0]["metrics"]] == [0.7, 0.6, 0.65]


@pytest.mark.parametrize("content", [b"no zip", b""])
def test_what_is_no_wheel_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / f"{NAME}-1.2.0-py3-none-any.whl"
    path.write_bytes(content)
    result = push(path, "--dry-run")
    assert result.exit_code == 1
    assert "the wheel is damaged" in result.stderr
    assert "not a wheel of a pipeline" in push(tmp_path / "other.whl", "--dry-run").stderr


def test_another_package_is_refused(tmp_path: Path) -> None:
    path = tmp_path / f"{NAME}-1.2.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{NAME}/__init__.py", "")
    assert "has no xx_medner_ro_fr/xx_medner_ro_fr-1.2.0/meta.json" in push(path, "--dry-run").stderr
