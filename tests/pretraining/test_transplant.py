from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import GOLDEN, ROOT
from safetensors.torch import load_file, save_file
from transformers import AutoModel, BertTokenizerFast

from medner.exceptions import InputError
from medner.pretraining.objectives import new_encoder
from medner.pretraining.prepare import pieces_of, read_tokenizer
from medner.pretraining.recipe import load_recipe
from medner.pretraining.transplant import Source, initial_embeddings, keep_layers, read_source, transplant
from medner.pretraining.vocabulary import train_tokenizer

TEXT = (GOLDEN / "synthetic" / "good.jsonl").read_text()
SIZES: dict[str, Any] = {
    "model_type": "bert", "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32,
    "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An encoder of three layers with an English vocabulary, whose tokenizer pads, as some do."""
    folder = tmp_path_factory.mktemp("source")
    words = ["pneumonia with fever", "the patient has pneumonia and severe fever", "diabetes mellitus"] * 30
    tokenizer = train_tokenizer(words, 90)
    torch.manual_seed(0)
    new_encoder(SIZES, tokenizer).save_pretrained(folder)
    tokenizer.backend_tokenizer.enable_padding(length=64)
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="module")
def source(folder: Path) -> Source:
    return read_source(folder)


@pytest.fixture(scope="module")
def ours() -> Any:
    """A tokenizer of another vocabulary, some of whose pieces the source has too."""
    return train_tokenizer(TEXT.split("\n") + ["Pneumonia feverul mellitus"] * 50, 300)


def started(source: Source, tokenizer: Any, layers: list[int] | None = None, **changes: Any) -> Any:
    """An encoder that starts from a source."""
    encoder = new_encoder(SIZES | changes, tokenizer)
    transplant(source, encoder, pieces_of(tokenizer), layers, seed=0)
    return encoder.eval()


@torch.no_grad()
def features(encoder: Any, pieces: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = encoder(input_ids=pieces).last_hidden_state
    return found


def test_own_vocabulary_gives_the_features_of_the_source(folder: Path, source: Source) -> None:
    tokenizer = BertTokenizerFast(tokenizer_object=source.tokenizer)
    text = torch.randint(0, len(tokenizer), (4, 20), generator=torch.Generator().manual_seed(0))
    wanted = features(AutoModel.from_pretrained(folder).eval(), text)
    assert torch.allclose(features(started(source, tokenizer), text), wanted, atol=1e-4)


def test_overlapping_pieces_have_the_embedding_of_the_source(source: Source) -> None:
    theirs = source.tensors["embeddings.word_embeddings.weight"]
    numbers = source.tokenizer.get_vocab()
    pieces = ["[MASK]", "fever", "Fever", "Féver", "##ia", "##ÌA"]
    forms = ["[MASK]", "fever", "fever", "fever", "##ia", "##ia"]
    found = initial_embeddings(theirs, source.tokenizer, pieces, seed=0)
    assert (found == theirs[[numbers[form] for form in forms]]).all()


def test_other_pieces_have_the_mean_of_their_source_pieces(source: Source) -> None:
    """With a tenth of a standard deviation of noise; not the embedding of padding, which tokenizer.json asks for."""
    theirs = source.tensors["embeddings.word_embeddings.weight"]
    numbers = source.tokenizer.get_vocab()
    pieces = ["feverfever", "##feverfever", "\N{GREEK SMALL LETTER PSI}"]
    assert not set(pieces) & set(numbers)
    found = initial_embeddings(theirs, source.tokenizer, pieces, seed=0)
    for piece, row in zip(pieces[:2], found, strict=False):
        spelt = source.tokenizer.encode(piece.removeprefix("##"), add_special_tokens=False).tokens
        spelt[0] = f"##{spelt[0]}" if piece.startswith("##") and f"##{spelt[0]}" in numbers else spelt[0]
        away = (row - theirs[[numbers[part] for part in spelt]].mean(0)) / theirs.std(0)
        assert 0.03 < float(away.std()) < 0.3
    assert torch.isfinite(found).all()


def test_same_seed_gives_the_same_start(source: Source, ours: Any) -> None:
    pieces = pieces_of(ours)
    theirs = source.tensors["embeddings.word_embeddings.weight"]
    first, again, other = (initial_embeddings(theirs, source.tokenizer, pieces, seed=seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert not (first == other).all()
    known = [number for number, piece in enumerate(pieces) if piece in source.tokenizer.get_vocab()]
    assert (first[known] == other[known]).all()


def test_layers_are_kept_in_the_order_given(source: Source, ours: Any) -> None:
    body = started(source, ours, [0, 2], num_hidden_layers=2).state_dict()
    name = "encoder.layer.{}.attention.self.query.weight".format
    assert (body[name(1)] == source.tensors[name(2)]).all()
    assert keep_layers({"a.layers.1.b": torch.ones(1)}, [1, 1]).keys() == {"a.layers.0.b", "a.layers.1.b"}
    assert keep_layers(source.tensors, None) == dict(source.tensors)


def test_weights_saved_with_a_head_and_a_pooler(tmp_path: Path, folder: Path, ours: Any) -> None:
    """As a masked language model is saved: the body under a prefix, and what is not part of it beside."""
    shutil.copytree(folder, tmp_path / "mlm")
    tensors = {f"bert.{name}": value for name, value in load_file(folder / "model.safetensors").items()}
    more = {"bert.pooler.dense.weight": torch.ones(16, 16), "cls.predictions.bias": torch.ones(90)}
    save_file(tensors | more, tmp_path / "mlm" / "model.safetensors")
    body, wanted = (started(read_source(path), ours).state_dict() for path in (tmp_path / "mlm", folder))
    assert body.keys() == wanted.keys()
    assert all((body[name] == wanted[name]).all() for name in body)


@pytest.mark.parametrize(
    ("changes", "layers", "message"),
    [
        ({"hidden_size": 32}, None, "does not fit the recipe (size mismatch for embeddings."),
        ({"num_hidden_layers": 2}, None, 'does not fit the recipe (Unexpected key(s) in state_dict: "encoder.layer.2'),
        ({"num_hidden_layers": 4}, None, 'does not fit the recipe (Missing key(s) in state_dict: "encoder.layer.3'),
        ({"num_attention_heads": 4}, None, "does not fit the recipe (its num_attention_heads is 2, not 4)"),
        ({"num_hidden_layers": 2}, [0, 3], "does not fit the recipe (it has no layer 3; its layers are 0 to 2)"),
    ],
)
def test_source_that_does_not_fit_is_refused(
    source: Source, ours: Any, changes: dict[str, Any], layers: list[int] | None, message: str
) -> None:
    with pytest.raises(InputError) as told:
        started(source, ours, layers, **changes)
    assert message in str(told.value)
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 500


def test_source_without_embeddings_is_refused(tmp_path: Path, folder: Path, ours: Any) -> None:
    shutil.copytree(folder, tmp_path / "source")
    tensors = load_file(folder / "model.safetensors")
    del tensors["embeddings.word_embeddings.weight"]
    save_file(tensors, tmp_path / "source" / "model.safetensors")
    with pytest.raises(InputError, match="it has no embeddings.word_embeddings.weight"):
        started(read_source(tmp_path / "source"), ours)


def test_source_with_more_pieces_than_embeddings_is_refused(tmp_path: Path, folder: Path, ours: Any) -> None:
    shutil.copytree(folder, tmp_path / "source")
    ours.backend_tokenizer.save(str(tmp_path / "source" / "tokenizer.json"))
    with pytest.raises(InputError, match=r"\(its tokenizer has a piece \d+, its embeddings are \d+\)"):
        started(read_source(tmp_path / "source"), ours)


PARTS = {
    "attention.self.query": "attn.q_proj",
    "attention.self.key": "attn.k_proj",
    "attention.self.value": "attn.v_proj",
    "attention.output.dense": "attn.o_proj",
    "intermediate.dense": "mlp.fc1",
    "output.dense": "mlp.fc2",
}
NORMS = {
    "attention.output.LayerNorm": "attention_output_norm_layernorm",
    "output.LayerNorm": "mlp_output_norm_layernorm",
}


def write_onnx(folder: Path, path: Path) -> None:
    """The weights of an encoder folder as ONNX Runtime's model builder names and lays them out."""
    onnx = pytest.importorskip("onnx")
    tensors = {name: value.numpy() for name, value in load_file(folder / "model.safetensors").items()}
    arrays = {f".model.{name}": value for name, value in tensors.items() if name.endswith("_embeddings.weight")}
    for kind in ("weight", "bias"):
        arrays[f"model.layers.-1.embeddings_norm_layernorm.{kind}"] = tensors[f"embeddings.LayerNorm.{kind}"]
    for number in range(SIZES["num_hidden_layers"]):
        theirs, ours = f"model.layers.{number}", f"encoder.layer.{number}"
        for name, other in PARTS.items():
            arrays[f"{theirs}.{other}.MatMul.weight"] = tensors[f"{ours}.{name}.weight"].T.copy()
            arrays[f"{theirs}.{other}.Add.bias"] = tensors[f"{ours}.{name}.bias"]
        for name, other in NORMS.items():
            for kind in ("weight", "bias"):
                arrays[f"{theirs}.{other}.{kind}"] = tensors[f"{ours}.{name}.{kind}"]
    assert len(arrays) == len(tensors) - 2  # no pooler
    initializers = [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()]
    path.parent.mkdir(parents=True)
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([], "main_graph", [], [], initializers)), path)


def test_onnx_file_gives_the_same_start(tmp_path: Path, folder: Path, ours: Any) -> None:
    path = tmp_path / "onnx" / "model.onnx"
    write_onnx(folder, path)
    with pytest.raises(InputError, match="tokenizer.json: not a readable tokenizer"):
        read_source(path)
    shutil.copy(folder / "tokenizer.json", tmp_path)
    body, wanted = (started(read_source(start), ours).state_dict() for start in (path, folder))
    assert all((body[name] == wanted[name]).all() for name in wanted)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"model\.onnx: cannot be read \("):
        read_source(path)


def test_onnx_without_its_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnx", None)
    with pytest.raises(InputError, match=r"model\.onnx: needs the package onnx\. pip install -e '\.\[transplant\]'\."):
        read_source(tmp_path / "model.onnx")


def test_folder_without_config_is_refused(tmp_path: Path, folder: Path) -> None:
    shutil.copytree(folder, tmp_path / "source")
    (tmp_path / "source" / "config.json").unlink()
    with pytest.raises(InputError, match=r"config\.json: no such file"):
        read_source(tmp_path / "source")


def test_embedded_encoder_starts_unchanged() -> None:
    """ModernBERT's layout, and a vocabulary of 16,000 pieces."""
    source = read_source(ROOT / "assets" / "encoder")
    recipe = load_recipe(ROOT / "configs" / "pretraining" / "from-scratch.yml")
    tokenizer = read_tokenizer(ROOT / "assets" / "encoder")
    encoder = new_encoder(recipe.encoder, tokenizer)
    transplant(source, encoder, pieces_of(tokenizer), None, seed=0)
    assert all((value == source.tensors[name]).all() for name, value in encoder.state_dict().items())
