"""A pipeline folder is whole and harmless, or one message says what is wrong with it."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import srsly
import torch
from spacy.tokens import Doc, Span
from spacy.training import Example

from medner.data.tokenizer import blank
from medner.exceptions import InputError
from medner.model.loading import load_pipeline


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, bert: Path) -> Path:
    """A pipeline with every kind of component that the project trains."""
    nlp = blank()
    encoder = {"@architectures": "spacy-transformers.TransformerModel.v3", "name": str(bert)}
    nlp.add_pipe("transformer", config={"model": encoder})
    for name in ("ner", "medner_bio"):
        nlp.add_pipe(name)
    doc = Doc(nlp.vocab, words=["Are", "HTA"])
    gold = doc.copy()
    gold.set_ents([Span(gold, 1, 2, label="MEDICAL")])
    nlp.initialize(lambda: [Example(doc, gold)])
    folder = tmp_path_factory.mktemp("trained") / "model-best"
    nlp.to_disk(folder)
    return folder


@pytest.fixture
def pipeline(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "model-best")


def test_a_whole_pipeline_is_loaded(pipeline: Path) -> None:
    assert load_pipeline(pipeline).pipe_names == ["transformer", "ner", "medner_bio"]
    with pytest.raises(InputError, match=r"nowhere: no such pipeline. Check the name, or train it first"):
        load_pipeline(pipeline / "nowhere")


EMPTY = ("vocab/key2row", "vocab/lookups.bin", "vocab/vectors", "vocab/vectors.cfg")


@pytest.mark.parametrize("damage", ["gone", "empty", "half", "zeros"])
def test_every_damaged_file_is_told(pipeline: Path, damage: str) -> None:
    """Files that hold nothing in our pipelines may be missing."""
    for path in sorted(path for path in pipeline.rglob("*") if path.is_file()):
        data = path.read_bytes()
        if damage == "gone":
            path.unlink()
            if str(path.relative_to(pipeline)) in EMPTY:
                continue
        else:
            path.write_bytes({"empty": b"", "half": data[: len(data) // 2], "zeros": bytes(len(data))}[damage])
        with pytest.raises(InputError) as caught:
            load_pipeline(pipeline)
        assert str(caught.value).startswith(f"{pipeline}: the pipeline ")
        assert str(caught.value).endswith(". Restore the folder, or train it again.")
        path.write_bytes(data)


def repacked(pipeline: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what a pipeline holds of its encoder."""
    path = pipeline / "transformer" / "model"
    model = srsly.read_msgpack(path)
    packed = srsly.msgpack_loads(model["shims"][1][0])
    change(packed)
    model["shims"][1][0] = srsly.msgpack_dumps(packed)
    srsly.write_msgpack(path, model)


def lose_weights(packed: dict[str, Any]) -> None:
    state = torch.load(io.BytesIO(packed["state"]))
    state.pop("encoder.layer.0.output.dense.weight")
    saved = io.BytesIO()
    torch.save(state, saved)
    packed["state"] = saved.getvalue()


def tokenizer_config(packed: dict[str, Any]) -> None:
    settings = json.loads(packed["tokenizer"]["tokenizer_config.json"])
    settings["auto_map"] = {"AutoTokenizer": ["code.T", None]}
    packed["tokenizer"]["tokenizer_config.json"] = json.dumps(settings).encode()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda packed: packed["tokenizer"].update({"../../x": b"x"}), r"transformer/model holds a file '../../x', wh"),
        (lambda packed: packed["tokenizer"].update({"/tmp/x": b"x"}), r"holds a file '/tmp/x', which is no plain file"),
        (lambda packed: packed["tokenizer"].update({"..": b"x"}), r"holds a file '\.\.', which is no plain file name"),
        (
            lambda packed: packed["tokenizer"]["kwargs"].update(trust_remote_code=True),
            "a tokenizer option trust_remote",
        ),
        (lambda packed: packed["config"].update(auto_map={"AutoModel": "code.M"}, model_type="own"), "never run"),
        (tokenizer_config, r"names code that comes with the encoder \(auto_map\), which is never run"),
        (lose_weights, "the pipeline cannot be loaded .Error loading saved torch state_dict"),
    ],
)
def test_what_an_encoder_within_a_pipeline_may_not_hold(
    pipeline: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    repacked(pipeline, change)
    before = sorted(pipeline.parent.parent.rglob("*"))
    with pytest.raises(InputError, match=message):
        load_pipeline(pipeline)
    assert sorted(pipeline.parent.parent.rglob("*")) == before
