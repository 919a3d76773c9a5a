from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import srsly
import torch
from conftest import ROOT, write_embedded
from safetensors.torch import load_file, save_file
from servers import serving
from transformers import AutoModel, AutoTokenizer

from medner.exceptions import InputError
from medner.files import sha256
from medner.model.encoder import (
    UNTRAINED_RATE,
    EncoderInfo,
    Export,
    check_export,
    load_encoder,
    load_pinned,
    prepare,
    read_export,
    read_manifest,
    write_manifest,
)
from medner.model.weights import read_weights

PINNED = load_pinned(ROOT / "configs" / "encoder.yml")
PICKLES = ("pytorch_model.bin", "training_args.bin", "model.pt", "vocabulary.pkl")
REVISION = "3f076fdb1ab68d5b2880cb87a0886f315b8146f8"
TEXTS = ["Pacienta cu HTA din Iași.", "Fără febră, fără frisoane."] * 3


@pytest.fixture
def embedded(tmp_path: Path) -> Path:
    folder = tmp_path / "embedded"
    write_embedded(folder, TEXTS, vocabulary=100, learning_rate=0.002, head_rate=4.0, epochs=7)
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
    # Nothing in the folder tells whether it is the pinned revision.
    assert (manifest.name, manifest.revision, manifest.untrained) == (bert.name, "unverified", False)
    assert manifest.learning_rate is None
    assert not {path.name for path in (tmp_path / "encoder").iterdir()} & set(PICKLES)


def test_an_exported_encoder_in_a_mirror_keeps_its_hyperparameters(tmp_path: Path, embedded: Path) -> None:
    shutil.copytree(embedded, tmp_path / "mirror" / "own")
    manifest = make(tmp_path / "encoder", embedded, "own", mirror=tmp_path / "mirror", strict=True)
    assert (manifest.name, manifest.revision) == ("own", "1")
    assert (manifest.learning_rate, manifest.head_rate, manifest.epochs) == (0.002, 4.0, 7)
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
    assert (manifest.learning_rate, manifest.epochs) == (0.002, 7)
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
    assert (first.learning_rate, first.epochs) == (UNTRAINED_RATE, 7)
    assert (tmp_path / "a" / "vocab.txt").read_bytes() == (embedded / "vocab.txt").read_bytes()


def test_strict_refuses_the_embedded_encoder(tmp_path: Path, embedded: Path) -> None:
    with pytest.raises(InputError, match="no mirror holds the encoder bert.*, and the model hub is out of reach"):
        make(tmp_path / "encoder", embedded, strict=True)
    assert not (tmp_path / "encoder").exists()


def test_an_encoder_that_was_asked_for_is_not_replaced(tmp_path: Path, embedded: Path) -> None:
    with pytest.raises(InputError, match="no mirror holds the encoder no/such, and .* Correct the name"):
        make(tmp_path / "encoder", embedded, "no/such")
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


@pytest.mark.parametrize("name", ["", "tiny"])
def test_the_tokenizer_reads_text_as_hospitals_have_it(tmp_path: Path, bert: Path, embedded: Path, name: str) -> None:
    """That of mBERT's layout and the embedded one; the mirror's own folder stays as it is."""
    shutil.copytree(bert, tmp_path / "mirror" / bert.name)
    before = {path.name: path.read_bytes() for path in (tmp_path / "mirror" / bert.name).iterdir()}
    make(tmp_path / "encoder", embedded, name, mirror=tmp_path / "mirror")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "encoder", use_fast=True)
    odd = unicodedata.normalize("NFD", "Fără\xa0fe\u00adbră.......")
    assert tokenizer.tokenize(odd) == tokenizer.tokenize("Fără febră...")
    assert tokenizer.model_max_length == 512
    assert {path.name: path.read_bytes() for path in (tmp_path / "mirror" / bert.name).iterdir()} == before


def test_the_committed_encoder_reads_on_beyond_what_it_was_trained_on(tmp_path: Path) -> None:
    """Its positions are rotary: a window of many word-pieces need not be cut off."""
    make(tmp_path / "encoder", ROOT / "assets" / "encoder", "medner-ro-fr-small")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "encoder", use_fast=True)
    assert tokenizer.model_max_length == 2048
    model = AutoModel.from_pretrained(tmp_path / "encoder").eval()
    with torch.no_grad():
        found = model(torch.full((1, 700), 100)).last_hidden_state
    assert found.shape[1] == 700
    assert found.isfinite().all()


Weights = dict[str, torch.Tensor]
FIRST = "encoder.layer.0.output.dense.weight"


def without(weights: Weights, *begins: str) -> Weights:
    return {name: value for name, value in weights.items() if not name.startswith(begins)}


def spoilt(weights: Weights, value: float) -> Weights:
    tensor = weights[FIRST].clone()
    tensor[3, 5] = value
    return weights | {FIRST: tensor}


def changed(folder: Path, weights: Callable[[Weights], Weights], **settings: Any) -> None:
    """Change an encoder folder's weights and settings."""
    path, config = folder / "model.safetensors", folder / "config.json"
    save_file(weights(load_file(path)), path, metadata={"format": "pt"})
    config.write_text(json.dumps(json.loads(config.read_text()) | settings))


DAMAGE: list[tuple[Callable[[Weights], Weights], dict[str, Any], str]] = [
    (lambda w: without(w, FIRST), {}, f"the weights lack {FIRST}. Fetch it again"),
    (lambda w: {}, {}, "the weights lack embeddings"),
    (lambda w: {f"x.{name}": value for name, value in w.items()}, {}, r"the weights lack .* and \d+ more"),
    (lambda w: dict(list(w.items())[::2]), {}, "the weights lack"),
    (lambda w: w, {"num_hidden_layers": 2}, "the weights lack encoder.layer.1.attention.output.LayerNorm.bias"),
    (lambda w: w, {"num_hidden_layers": 0}, "the config has no place for the weights encoder.layer.0.attention"),
    (lambda w: {f"bert.{name}": value for name, value in w.items()}, {"num_hidden_layers": 0}, "no place .* encoder.l"),
    (lambda w: spoilt(w, float("nan")), {}, f"the weights {FIRST} are not all finite numbers"),
    (lambda w: spoilt(w, float("-inf")), {}, f"the weights {FIRST} are not all finite numbers"),
    (lambda w: w, {"hidden_size": 32}, "the encoder cannot be loaded"),
    (lambda w: w, {"model_type": "no such"}, "the encoder cannot be loaded"),
    (
        lambda w: w,
        {"model_type": "own", "auto_map": {"AutoConfig": "code.Config", "AutoModel": "code.Model"}},
        r"config.json names code that comes with the encoder \(auto_map\), which is never run. Take an encoder",
    ),
    (lambda w: w, {"auto_map": {"AutoModel": "somebody/else--code.Model"}}, "which is never run"),
]


@pytest.mark.parametrize("number", range(len(DAMAGE)))
def test_an_encoder_that_is_not_whole_is_refused(tmp_path: Path, bert: Path, embedded: Path, number: int) -> None:
    """transformers would start from random weights."""
    weights, settings, message = DAMAGE[number]
    folder = tmp_path / "mirror" / bert.name
    shutil.copytree(bert, folder)
    (folder / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    changed(folder, weights, **settings)
    with pytest.raises(InputError, match=f"{folder}: .*{message}"):
        make(tmp_path / "encoder", embedded, mirror=tmp_path / "mirror")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["embedded", "mirror"]


def test_code_of_a_tokenizer_is_never_run(bert: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(bert, tmp_path / "bert")
    config = srsly.read_json(folder / "tokenizer_config.json")
    srsly.write_json(folder / "tokenizer_config.json", config | {"auto_map": {"AutoTokenizer": ["code.T", None]}})
    with pytest.raises(InputError, match="tokenizer_config.json names code that comes with the encoder"):
        load_encoder(folder)


def test_what_is_not_part_of_an_encoder_may_be_there_or_not(bert: Path, tmp_path: Path) -> None:
    """Encoders are saved with what they were pre-trained with, such as mBERT, and without a pooler."""
    folder = shutil.copytree(bert, tmp_path / "bert")
    changed(
        folder,
        lambda w: (
            {f"bert.{name}": value for name, value in without(w, "pooler.").items()}
            | {"cls.predictions.bias": torch.zeros(3), "bert.embeddings.position_ids": torch.arange(512)[None]}
        ),
    )
    model, _ = load_encoder(folder)
    assert torch.equal(model.state_dict()[FIRST], AutoModel.from_pretrained(bert).state_dict()[FIRST])


def test_packed_weights_are_finite(tmp_path: Path, embedded: Path) -> None:
    changed(embedded, lambda w: spoilt(w, float("inf")))
    with pytest.raises(InputError, match=f"model.safetensors: the weights {FIRST} are not all finite numbers"):
        read_weights(embedded)


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
