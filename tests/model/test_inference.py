"""The faster forward pass finds what spacy-transformers' own finds, and aligns word-pieces as it does."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import spacy
import torch
from hypothesis import given
from hypothesis import strategies as st
from spacy.language import Language
from spacy.tokens import Doc
from spacy_transformers.align import get_alignment_via_offset_mapping

import medner
from medner.annotation.engine import annotate_texts, entities_of
from medner.annotation.entities import Arithmetic
from medner.data.tokenizer import blank
from medner.model.arithmetic import cpu_type
from medner.model.inference import align

TEXTS = [
    "Pacienta Maria Dobre, internată la Spitalul Județean Arad, are HTA și diabet zaharat tip 2.",
    "M. Lefèvre, suivi à l’Hôpital Saint-Louis  de Lyon,\n\tsouffre d’insuffisance cardiaque.",
    "",
    " ",
    "HTA",
    " ".join(["Fără febră, tuse sau dispnee de 3 zile; 120/80 mmHg."] * 40),  # several windows
]


@pytest.fixture(scope="module")
def saved(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transformer with random weights and an ``ner`` that finds something."""
    nlp = blank()
    model = {"@architectures": "spacy-transformers.TransformerModel.v3", "name": str(bert),
             "get_spans": {"@span_getters": "spacy-transformers.strided_spans.v1", "window": 64, "stride": 48}}  # fmt: skip
    nlp.add_pipe("transformer", config={"model": model})
    listener = {"@architectures": "spacy-transformers.TransformerListener.v1", "grad_factor": 1.0,
                "pooling": {"@layers": "reduce_mean.v1"}}  # fmt: skip
    ner = nlp.add_pipe("ner", config={"model": {"@architectures": "spacy.TransitionBasedParser.v2", "state_type": "ner",
        "extra_state_tokens": False, "hidden_width": 8, "maxout_pieces": 2, "use_upper": True, "tok2vec": listener}})  # fmt: skip
    for label in ("LOC", "MEDICAL", "PERSON"):
        ner.add_label(label)  # type: ignore[attr-defined]
    nlp.initialize()
    rng = np.random.default_rng(0)
    for node in ner.model.walk():  # type: ignore[attr-defined]
        for name in node.param_names:
            if node.has_param(name):
                node.set_param(name, rng.normal(size=node.get_param(name).shape).astype("f"))
    folder = tmp_path_factory.mktemp("saved") / "pipeline"
    nlp.to_disk(folder)
    return folder


@pytest.fixture(autouse=True)
def fp32(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MEDNER_ARITHMETIC", "fp32")
    cpu_type.cache_clear()
    yield
    cpu_type.cache_clear()


def vectors(nlp: Language, texts: list[str]) -> list[np.ndarray]:
    """Token vectors as the components after the transformer get them."""
    listener = nlp.get_pipe("ner").model.get_ref("tok2vec")  # type: ignore[attr-defined]
    docs = [nlp.make_doc(text) for text in texts]
    return list(listener.predict(list(nlp.get_pipe("transformer").pipe(docs))))  # type: ignore[attr-defined]


def test_loaded_pipelines_find_the_same(saved: Path) -> None:
    plain, fast = spacy.load(saved), medner.load(saved)
    assert torch.get_num_threads() == 1
    texts = random.Random(0).choices(TEXTS, k=60)
    found = annotate_texts(fast, texts)
    assert found == [entities_of(doc) for doc in plain.pipe(texts)]
    assert sum(map(len, found)) > 100
    for text, entities in zip(texts, found, strict=True):
        assert all(text[e.start : e.end] == e.text for e in entities)
    for one, other in zip(vectors(plain, texts), vectors(fast, texts), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize(("processor", "asked"), [("bf16", "auto"), ("bf16", "int8"), ("fp32", "int8")])
def test_fewer_bits_keep_the_vectors_nearly(
    saved: Path, monkeypatch: pytest.MonkeyPatch, processor: str, asked: Arithmetic
) -> None:
    exact = vectors(medner.load(saved), TEXTS)
    monkeypatch.setenv("MEDNER_ARITHMETIC", processor)
    cpu_type.cache_clear()
    rounded = vectors(medner.load(saved, arithmetic=asked), TEXTS)
    for one, other in zip(exact, rounded, strict=True):
        np.testing.assert_allclose(one, other, atol=0.2)
    assert any((one != other).any() for one, other in zip(exact, rounded, strict=True))


def test_a_loaded_pipeline_is_saved_and_trained_as_before(saved: Path, tmp_path: Path) -> None:
    fast = medner.load(saved)
    example = spacy.training.Example.from_dict(fast.make_doc("la Arad"), {"entities": [(3, 7, "LOC")]})
    losses = fast.update([example], sgd=fast.resume_training())
    assert losses["ner"] >= 0
    fast.to_disk(tmp_path / "again")
    assert spacy.load(tmp_path / "again")("la Arad").has_annotation("ENT_IOB")


@given(st.text(st.sampled_from("ab  .,\n'’-é"), max_size=40), st.data())
def test_alignment_is_that_of_spacy_transformers(text: str, data: st.DataObject) -> None:
    doc: Doc = blank().make_doc(text)
    if not len(doc):
        return
    cut = data.draw(st.integers(0, len(doc) - 1))
    windows = [doc[: cut + 1], doc[cut:]] if cut else [doc[:]]
    windows = [window for window in windows if len(window)]
    pieces = []
    for window in windows:
        ends = sorted(data.draw(st.lists(st.integers(0, len(window.text)), min_size=2, max_size=9)))
        pieces.append(np.array([(0, 0), *itertools.pairwise(ends)], dtype=np.int64))
    ours = align(doc, windows, pieces)
    longest = max(map(len, pieces))
    padded = np.stack([np.pad(piece, ((0, longest - len(piece)), (0, 0))) for piece in pieces])
    theirs = get_alignment_via_offset_mapping(windows, padded)
    place = {w * longest + n: sum(map(len, pieces[:w])) + n for w, own in enumerate(pieces) for n in range(len(own))}
    assert ours.lengths.tolist() == theirs.lengths.tolist()
    assert ours.dataXd.tolist() == [place[piece] for piece in theirs.dataXd.tolist()]
