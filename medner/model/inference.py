"""A faster forward pass for the transformers of saved pipelines; what ``nlp.pipe`` finds stays the same.

spacy-transformers pads every batch to its longest window, in batches too large for the cache, makes a string of every
word-piece, and aligns words and word-pieces with sets in Python. Here windows are sorted by length, batches are small,
and the alignment is arithmetic on arrays.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from spacy.language import Language
from spacy.tokens import Doc, Span
from spacy_transformers.data_classes import FullTransformerBatch, TransformerData, WordpieceBatch
from spacy_transformers.layers.transformer_model import TransformerModel
from spacy_transformers.layers.transformer_model import forward as slow_forward
from spacy_transformers.pipeline_component import Transformer
from thinc.api import torch2xp
from thinc.types import Ragged
from torch.ao.nn.quantized.dynamic import Linear as Int8Linear
from torch.ao.quantization import per_channel_dynamic_qconfig
from transformers.modeling_outputs import BaseModelOutput

from medner.model.arithmetic import cpu_type, mixed_precision

PIECES = 512  # word-pieces in a batch, padding included: the activations of a layer stay in the processor's cache
DOCUMENTS = 256  # nlp.pipe's batch size: the windows of so many documents are sorted, and their vectors in memory
WORDS = 1 << 16  # of all documents in one call of the forward pass

Array = np.ndarray[Any, np.dtype[np.int64]]


def speed_up(nlp: Language, *, int8: bool = False) -> Language:
    """Have ``nlp.pipe`` use :func:`fast_forward` where a component is a transformer of spacy-transformers.

    int8: multiply matrices in int8 (weights once, with one scale a row; activations as they come): faster on most
    processors, and not the same numbers. The pipeline is changed, and returned; ``doc._.trf_data`` lacks the
    word-pieces' strings.
    """
    nlp.batch_size = DOCUMENTS
    for _, pipe in nlp.pipeline:
        if isinstance(pipe, Transformer) and _can(pipe.model):
            pipe.model._func = fast_forward
            pipe.cfg["max_batch_items"] = WORDS
            if int8:
                _quantise(pipe.model)
    return nlp


def _can(model: TransformerModel) -> bool:
    """Whether the forward pass is the one that is replaced here, with a tokenizer that gives offsets."""
    config = model.transformer.config
    return (
        model._func is slow_forward
        and model.tokenizer.is_fast
        and model.tokenizer.padding_side == "right"
        and not (config.output_attentions or config.output_hidden_states)
    )


def _quantise(model: TransformerModel) -> None:
    quantise: Any = torch.ao.quantization.quantize_dynamic
    with warnings.catch_warnings():
        # These functions will leave PyTorch one day, which is no concern of who annotates.
        warnings.filterwarnings("ignore", message="torch.quantize_per_tensor, torch.quantize_per_channel")
        quantised = quantise(model.transformer, {torch.nn.Linear: per_channel_dynamic_qconfig}, torch.qint8)
    shim = model.layers[0].shims[0]
    shim._model = shim._hfmodel.transformer = quantised


def fast_forward(
    model: TransformerModel, docs: list[Doc], is_train: bool
) -> tuple[FullTransformerBatch, Callable[..., Any]]:
    """What the forward function of spacy-transformers computes, without strings and padding."""
    if is_train:
        return slow_forward(model, docs, is_train)  # type: ignore[no-any-return]
    nested: list[list[Span]] = model.attrs["get_spans"](docs)
    spans = [span for windows in nested for span in windows]
    backend = model.tokenizer.backend_tokenizer
    backend.no_padding()
    backend.no_truncation()
    longest = model.tokenizer.model_max_length
    encodings = backend.encode_batch([span.text for span in spans])
    hidden = _hidden_states(model, [encoding.ids[:longest] for encoding in encodings])
    data: list[TransformerData] = []
    number = 0
    for doc, windows in zip(docs, nested, strict=True):
        places = range(number, number + len(windows))
        number += len(windows)
        if not windows or not len(windows[0]):
            data.append(TransformerData.empty())
            continue
        offsets = [np.asarray(encodings[place].offsets[:longest], dtype=np.int64) for place in places]
        states = [hidden[place] for place in places]
        vectors = states[0] if len(states) == 1 else model.ops.xp.concatenate(states)
        output = BaseModelOutput(last_hidden_state=vectors[None])
        data.append(TransformerData(WordpieceBatch.empty(), output, align(doc, windows, offsets)))
    nothing = Ragged(np.zeros(0, dtype="i"), np.zeros(0, dtype="i"))  # type: ignore[arg-type]
    return FullTransformerBatch(nested, WordpieceBatch.empty(), BaseModelOutput(), nothing, data), _no_backprop


def _no_backprop(*_: Any) -> Any:
    raise ValueError("this forward pass was for prediction")


def align(doc: Doc, windows: Sequence[Span], offsets: Sequence[Array]) -> Ragged:
    """For every token from the first window's first on, the word-pieces that share a character with it.

    windows: parts of the document, in order; they may overlap. offsets: by window, first character and the one after
    the last of every piece, [pieces, 2], in the window. A word-piece counts from the first window's first piece.
    """
    starts = np.asarray(doc.to_array("IDX"), dtype=np.int64)
    tokens, pieces = [], []
    before = 0
    for window, own in zip(windows, offsets, strict=True):
        begin = starts[window.start : window.end] - starts[window.start]
        filled = np.flatnonzero(own[:, 1] > own[:, 0])  # not those that the tokenizer adds
        first = np.searchsorted(begin, own[filled, 0], side="right") - 1
        count = np.searchsorted(begin, own[filled, 1] - 1, side="right") - first
        piece = np.repeat(filled, count)
        within = np.arange(len(piece)) - np.repeat(count.cumsum() - count, count)
        tokens.append(np.repeat(first, count) + within + window.start - windows[0].start)
        pieces.append(piece + before)
        before += len(own)
    token, piece = np.concatenate(tokens), np.concatenate(pieces)
    if len(windows) > 1:
        order = np.argsort(token, kind="stable")
        token, piece = token[order], piece[order]
    lengths = np.bincount(token, minlength=windows[-1].end - windows[0].start)
    return Ragged(piece.astype("i"), lengths.astype("i"))  # type: ignore[arg-type]


def _hidden_states(model: TransformerModel, ids: Sequence[list[int]]) -> list[Any]:
    """The last layer's vectors of every window, [pieces, width], as arrays of the model's library."""
    transformer, tokenizer = model.transformer, model.tokenizer
    int8 = any(isinstance(module, Int8Linear) for module in transformer.modules())  # takes fp32 alone
    bf16 = transformer.device.type == "cpu" and cpu_type() == torch.bfloat16 and not int8
    found: list[Any] = [None] * len(ids)
    transformer.eval()
    with torch.inference_mode(), mixed_precision(training=False) if bf16 else nullcontext():
        for batch in _batches([len(one) for one in ids]):
            longest = len(ids[batch[-1]])
            padded = np.full((len(batch), longest), tokenizer.pad_token_id or 0, dtype=np.int64)
            mask = np.zeros((len(batch), longest), dtype=np.int64)
            for row, place in enumerate(batch):
                padded[row, : len(ids[place])] = ids[place]
                mask[row, : len(ids[place])] = 1
            inputs = {"input_ids": torch.from_numpy(padded), "attention_mask": torch.from_numpy(mask)}
            if "token_type_ids" in tokenizer.model_input_names:
                inputs["token_type_ids"] = torch.zeros_like(inputs["input_ids"])
            inputs = {name: tensor.to(transformer.device) for name, tensor in inputs.items()}
            states: Any = torch2xp(transformer(**inputs).last_hidden_state)
            for row, place in enumerate(batch):
                found[place] = states[row, : len(ids[place])]
    return found


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Places of sequences, shortest first, in batches of :data:`PIECES` at most; a longer sequence is alone."""
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and lengths[place] * (len(batch) + 1) > PIECES:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch
