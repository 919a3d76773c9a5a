from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import ROOT, write_embedded
from servers import serving

from medner.encoder import Manifest, load_settings, prepare, read_manifest
from medner.exceptions import InputError

SETTINGS = load_settings(ROOT / "configs" / "encoder.yml")
REVISION = "3f076fdb1ab68d5b2880cb87a0886f315b8146f8"
TEXTS = ["Pacienta cu HTA din Iași.", "Fără febră, fără frisoane."] * 3


@pytest.fixture
def embedded(tmp_path: Path) -> Path:
    folder = tmp_path / "embedded"
    write_embedded(folder, TEXTS, vocabulary=100, learning_rate=0.001, epochs=7)
    return folder


def make(target: Path, embedded: Path, name: str | None = None, **options: Any) -> Manifest:
    settings = load_settings(ROOT / "configs" / "encoder.yml", name)
    return prepare(target, settings, embedded, **({"mirror": None, "strict": False, "seed": 0} | options))


def test_the_pinned_encoder() -> None:
    assert (SETTINGS["name"], SETTINGS["revision"]) == ("bert-base-multilingual-cased", REVISION)


def test_from_a_mirror(tmp_path: Path, bert: Path, embedded: Path) -> None:
    (bert / "pytorch_model.bin").write_bytes(b"never read")
    manifest = make(tmp_path / "encoder", embedded, mirror=bert.parent)
    (bert / "pytorch_model.bin").unlink()
    assert manifest == read_manifest(tmp_path / "encoder")
    assert (manifest.name, manifest.revision, manifest.untrained) == ("bert-base-multilingual-cased", REVISION, False)
    assert manifest.learning_rate is None
    assert not list((tmp_path / "encoder").glob("*.bin"))


def test_an_encoder_of_one_s_own_in_a_mirror_keeps_its_wishes(tmp_path: Path, embedded: Path) -> None:
    shutil.copytree(embedded, tmp_path / "mirror" / "own")
    manifest = make(tmp_path / "encoder", embedded, "own", mirror=tmp_path / "mirror", strict=True)
    assert (manifest.name, manifest.revision, manifest.learning_rate, manifest.epochs) == ("own", "1", 0.001, 7)
    assert not manifest.embedded


def test_from_the_hub(tmp_path: Path, bert: Path) -> None:
    repository = SETTINGS["repository"]
    files = {f"/{repository}/resolve/{REVISION}/{p.name}": p.read_bytes() for p in bert.iterdir()}
    siblings = ",".join(f'{{"rfilename": "{p.name}"}}' for p in bert.iterdir())
    info = f'{{"id": "{repository}", "sha": "{REVISION}", "siblings": [{siblings}]}}'.encode()
    files |= {f"/api/models/{repository}/revision/{REVISION}": info, "/": b"ok"}
    with serving(files, REVISION) as (address, asked):
        # The client reads its endpoint when it is imported: a process of its own.
        environment = {
            **os.environ,
            "HF_ENDPOINT": address,
            "HF_HOME": str(tmp_path / "home"),
            "HF_HUB_DISABLE_XET": "1",
        }

        def run(*options: str) -> subprocess.CompletedProcess[str]:
            command = [
                sys.executable,
                str(ROOT / "scripts" / "encoder.py"),
                "--output",
                str(tmp_path / "encoder"),
                *options,
            ]
            return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

        unknown = run("--name", "no/such")
        assert unknown.returncode == 1
        assert "✘ the model hub has no encoder 'no/such' at revision main. Correct the name" in unknown.stderr
        assert not (tmp_path / "encoder").exists()
        found = run("--strict")
    assert found.returncode == 0, found.stderr
    assert any(REVISION in path for path in asked)
    manifest = read_manifest(tmp_path / "encoder")
    assert (manifest.name, manifest.revision, manifest.untrained) == ("bert-base-multilingual-cased", REVISION, False)
    assert (tmp_path / "encoder" / "model.safetensors").read_bytes() == (bert / "model.safetensors").read_bytes()


def test_the_embedded_encoder_takes_its_place_and_says_so(tmp_path: Path, embedded: Path) -> None:
    manifest = make(tmp_path / "encoder", embedded)
    assert manifest == read_manifest(tmp_path / "encoder")
    assert (manifest.name, manifest.embedded, manifest.untrained) == ("tiny", True, False)
    assert (manifest.learning_rate, manifest.epochs) == (0.001, 7)
    assert manifest.parameters > 0
    assert make(tmp_path / "named", embedded, "tiny", strict=True) == manifest


def test_untrained_weights_depend_on_the_seed_alone(tmp_path: Path, embedded: Path) -> None:
    state = torch.random.get_rng_state()
    first, again, other = (
        make(tmp_path / name, embedded, "untrained", seed=seed) for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert torch.equal(torch.random.get_rng_state(), state)
    assert first.untrained
    assert first.title == "tiny-untrained (UNTRAINED weights)"
    assert first.sha256 == again.sha256 != other.sha256
    assert (tmp_path / "a" / "vocab.txt").read_bytes() == (embedded / "vocab.txt").read_bytes()


def test_strict_refuses_the_embedded_encoder(tmp_path: Path, embedded: Path) -> None:
    with pytest.raises(InputError, match="the model hub is out of reach, and --strict allows no other"):
        make(tmp_path / "encoder", embedded, strict=True)
    assert not (tmp_path / "encoder").exists()


def test_embedded_weights_must_be_those_of_the_manifest(tmp_path: Path, embedded: Path, bert: Path) -> None:
    shutil.copy(bert / "model.safetensors", embedded)
    shutil.copy(bert / "config.json", embedded)
    with pytest.raises(InputError, match=r"embedded: the weights are not those of its manifest \(sha256 \w{12}…, not"):
        make(tmp_path / "encoder", embedded)
    (embedded / "model.safetensors").unlink()
    (embedded / "pytorch_model.bin").write_bytes(b"code")
    with pytest.raises(
        InputError, match=r"lacks model.safetensors \(pytorch_model.bin is a pickle and is never loaded"
    ):
        make(tmp_path / "encoder", embedded)
    assert not (tmp_path / "encoder").exists()


def test_a_pickle_is_refused(tmp_path: Path, bert: Path, embedded: Path) -> None:
    folder = tmp_path / "mirror" / "bert-base-multilingual-cased"
    shutil.copytree(bert, folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InputError) as caught:
        make(tmp_path / "encoder", embedded, mirror=tmp_path / "mirror")
    assert str(caught.value) == (
        f"{folder}: the encoder folder lacks model.safetensors (pytorch_model.bin is a pickle and is never loaded). "
        "Save the encoder with safetensors and its vocabulary."
    )
    assert not (tmp_path / "encoder").exists()


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path, bert: Path, embedded: Path) -> None:
    folder = tmp_path / "mirror" / "bert-base-multilingual-cased"
    shutil.copytree(bert, folder)
    (folder / "tokenizer.json").unlink()
    words = (folder / "vocab.txt").read_text()
    (folder / "vocab.txt").write_text(words + "\n".join(f"word{n}" for n in range(500)) + "\n")
    with pytest.raises(InputError, match=r"the tokenizer has \d+ pieces but the weights only \d+"):
        make(tmp_path / "encoder", embedded, mirror=tmp_path / "mirror")


def test_damaged_weights_are_told(tmp_path: Path, bert: Path, embedded: Path) -> None:
    folder = tmp_path / "mirror" / "bert-base-multilingual-cased"
    shutil.copytree(bert, folder)
    (folder / "model.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(InputError, match="the encoder cannot be loaded"):
        make(tmp_path / "encoder", embedded, mirror=tmp_path / "mirror")


def test_a_folder_without_a_manifest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(InputError, match="is no encoder manifest. Run the encoder step."):
        read_manifest(tmp_path)
