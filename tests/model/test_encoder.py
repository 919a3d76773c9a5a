from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import srsly
import torch
from conftest import ROOT, write_embedded
from servers import serving
from transformers import AutoModel

from medner.exceptions import InputError
from medner.files import sha256
from medner.model.encoder import (
    EncoderInfo,
    Export,
    check_export,
    load_pinned,
    prepare,
    read_export,
    read_manifest,
    write_manifest,
)

PINNED = load_pinned(ROOT / "configs" / "encoder.yml")
PICKLES = ("pytorch_model.bin", "training_args.bin", "model.pt", "vocabulary.pkl")
REVISION = "3f076fdb1ab68d5b2880cb87a0886f315b8146f8"
TEXTS = ["Pacienta cu HTA din Iași.", "Fără febră, fără frisoane."] * 3


@pytest.fixture
def embedded(tmp_path: Path) -> Path:
    folder = tmp_path / "embedded"
    write_embedded(folder, TEXTS, vocabulary=100, learning_rate=0.001, epochs=7)
    return folder


def make(target: Path, embedded: Path, name: str = "", **options: Any) -> EncoderInfo:
    pinned = load_pinned(ROOT / "configs" / "encoder.yml", name)
    return prepare(target, pinned, embedded, **({"mirror": None, "strict": False, "seed": 0} | options))


def test_the_pinned_encoder() -> None:
    assert (PINNED.name, PINNED.revision) == ("bert-base-multilingual-cased", REVISION)


def test_from_a_mirror(tmp_path: Path, bert: Path, embedded: Path) -> None:
    shutil.copytree(bert, tmp_path / "mirror" / bert.name)
    for name in PICKLES:
        (tmp_path / "mirror" / bert.name / name).write_bytes(b"never read")
    manifest = make(tmp_path / "encoder", embedded, mirror=tmp_path / "mirror")
    assert manifest == read_manifest(tmp_path / "encoder")
    assert (manifest.name, manifest.revision, manifest.untrained) == ("bert-base-multilingual-cased", REVISION, False)
    assert manifest.learning_rate is None
    assert not {path.name for path in (tmp_path / "encoder").iterdir()} & set(PICKLES)


def test_an_exported_encoder_in_a_mirror_keeps_its_hyperparameters(tmp_path: Path, embedded: Path) -> None:
    shutil.copytree(embedded, tmp_path / "mirror" / "own")
    manifest = make(tmp_path / "encoder", embedded, "own", mirror=tmp_path / "mirror", strict=True)
    assert (manifest.name, manifest.revision, manifest.learning_rate, manifest.epochs) == ("own", "1", 0.001, 7)
    assert not manifest.embedded


def test_from_the_hub(tmp_path: Path, bert: Path) -> None:
    repository = PINNED.repository
    contents = {p.name: p.read_bytes() for p in bert.iterdir()} | dict.fromkeys(PICKLES, b"never read")
    files = {f"/{repository}/resolve/{REVISION}/{name}": content for name, content in contents.items()}
    siblings = ",".join(f'{{"rfilename": "{name}"}}' for name in contents)
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
                str(ROOT / "scripts" / "prepare_encoder.py"),
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
    assert not [path for path in asked if path.endswith(PICKLES)]
    assert not {path.name for path in (tmp_path / "encoder").iterdir()} & set(PICKLES)
    manifest = read_manifest(tmp_path / "encoder")
    assert (manifest.name, manifest.revision, manifest.untrained) == ("bert-base-multilingual-cased", REVISION, False)
    assert (tmp_path / "encoder" / "model.safetensors").read_bytes() == (bert / "model.safetensors").read_bytes()


def test_the_embedded_encoder_is_the_fallback(tmp_path: Path, embedded: Path) -> None:
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
    with pytest.raises(
        InputError, match="no mirror holds bert.*, the model hub is out of reach, and --strict allows no other encoder"
    ):
        make(tmp_path / "encoder", embedded, strict=True)
    assert not (tmp_path / "encoder").exists()


def test_embedded_weights_must_be_those_of_the_manifest(tmp_path: Path, embedded: Path, bert: Path) -> None:
    shutil.copy(bert / "model.safetensors", embedded)
    shutil.copy(bert / "config.json", embedded)
    message = r"embedded/model.safetensors: not the file that manifest.json describes \(SHA-256 \w{12}…, not \w{12}…\)"
    with pytest.raises(InputError, match=message):
        make(tmp_path / "encoder", embedded)
    assert not (tmp_path / "encoder").exists()


def reorder(folder: Path) -> None:
    """Give two pieces of tokenizer.json each other's number, as a tokenizer trained on other text would."""
    content = srsly.read_json(folder / "tokenizer.json")
    pieces = content["model"]["vocab"]
    one, other = list(pieces)[-2:]
    pieces[one], pieces[other] = pieces[other], pieces[one]
    srsly.write_json(folder / "tokenizer.json", content)


def export(folder: Path) -> None:
    """Write the manifest that scripts/pretrain.py writes."""
    stated, digest = read_manifest(folder), sha256((folder / "tokenizer.json").read_bytes())
    write_manifest(folder, Export(**stated.model_dump(), tokenizer_sha256=digest))


@pytest.mark.parametrize("place", ["embedded", "mirror"])
def test_a_tokenizer_that_does_not_match_the_manifest(tmp_path: Path, embedded: Path, place: str) -> None:
    export(embedded)
    (embedded / "vocab.txt").unlink()  # nothing else could tell
    own = tmp_path / "mirror" / "own"
    shutil.copytree(embedded, own)
    name, folder = ("tiny", embedded) if place == "embedded" else ("own", own)
    whole = make(tmp_path / "encoder", embedded, name, mirror=own.parent)
    assert whole == read_manifest(tmp_path / "encoder")
    reorder(folder)
    with pytest.raises(InputError, match=rf"{folder}/tokenizer.json: not the file that manifest.json describes"):
        make(tmp_path / "again", embedded, name, mirror=own.parent)
    assert not (tmp_path / "again").exists()


def test_the_tokenizer_s_checksum_is_not_part_of_a_run_s_identity(tmp_path: Path, embedded: Path) -> None:
    """Provenance is compared with that of runs made before; it holds the encoder step's manifest."""
    before = make(tmp_path / "before", embedded)
    export(embedded)
    assert make(tmp_path / "after", embedded) == before
    assert read_manifest(embedded) == EncoderInfo.model_validate(read_manifest(embedded).model_dump())
    files = [(tmp_path / name / "manifest.json").read_text() for name in ("before", "after")]
    assert files[0] == files[1]
    assert "tokenizer" not in files[0]


def test_the_committed_encoder_matches_its_manifest() -> None:
    check_export(ROOT / "assets" / "encoder")
    assert read_export(ROOT / "assets" / "encoder").tokenizer_sha256


@pytest.mark.parametrize("name", PICKLES)
def test_a_pickle_beside_embedded_weights_is_refused(tmp_path: Path, embedded: Path, name: str) -> None:
    (embedded / name).write_bytes(b"code")
    with pytest.raises(
        InputError, match=f"embedded: {name} is a pickle, which can run code when it is loaded. Remove it"
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
    with pytest.raises(
        InputError, match="the tokenizer has 658 pieces, but the weights are for 158. Use the tokenizer"
    ):
        make(tmp_path / "encoder", embedded, mirror=tmp_path / "mirror")


def test_a_tokenizer_of_another_order_is_refused(tmp_path: Path, bert: Path, embedded: Path) -> None:
    folder = tmp_path / "mirror" / "bert-base-multilingual-cased"
    shutil.copytree(bert, folder)
    reorder(folder)
    message = rf"{folder}: piece \d+ of the tokenizer is not '.+', as vocab.txt says. Use the tokenizer"
    with pytest.raises(InputError, match=message):
        make(tmp_path / "encoder", embedded, mirror=tmp_path / "mirror")
    assert not (tmp_path / "encoder").exists()


@pytest.mark.parametrize(("embeddings", "fits"), [(158, True), (192, True), (1000, False)])
def test_embeddings_may_be_padded(tmp_path: Path, bert: Path, embedded: Path, embeddings: int, fits: bool) -> None:
    folder = tmp_path / "mirror" / "bert-base-multilingual-cased"
    shutil.copytree(bert, folder)
    model = AutoModel.from_pretrained(bert)
    model.resize_token_embeddings(embeddings)
    model.save_pretrained(folder)
    if fits:
        assert make(tmp_path / "encoder", embedded, mirror=tmp_path / "mirror").vocabulary == 158
    else:
        with pytest.raises(InputError, match="the tokenizer has 158 pieces, but the weights are for 1,000"):
            make(tmp_path / "encoder", embedded, mirror=tmp_path / "mirror")


def test_damaged_weights(tmp_path: Path, bert: Path, embedded: Path) -> None:
    folder = tmp_path / "mirror" / "bert-base-multilingual-cased"
    shutil.copytree(bert, folder)
    (folder / "model.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(InputError, match="the encoder cannot be loaded"):
        make(tmp_path / "encoder", embedded, mirror=tmp_path / "mirror")


def test_a_folder_without_a_manifest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(
        InputError, match=r"not what the encoder step writes \(name: missing\). Run the encoder step again."
    ):
        read_manifest(tmp_path)


def test_a_tokenizer_that_is_no_json_is_named(tmp_path: Path, bert: Path, embedded: Path) -> None:
    folder = shutil.copytree(bert, tmp_path / "mirror" / "bert-base-multilingual-cased")
    (folder / "tokenizer.json").write_text('{"version": ')
    with pytest.raises(InputError, match="tokenizer.json is malformed"):
        make(tmp_path / "encoder", embedded, mirror=tmp_path / "mirror")
