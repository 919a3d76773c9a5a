"""A pipeline's encoder run by ONNX Runtime instead of PyTorch, for comparison; the rest of the pipeline stays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from spacy.language import Language
from spacy_transformers.pipeline_component import Transformer
from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput

from medner.exceptions import InputError


class _Exported(torch.nn.Module):
    """What is exported: ids and mask, [sequences, pieces], to the last layer's vectors."""

    def __init__(self, encoder: torch.nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        states: Tensor = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        return states


class _Session(torch.nn.Module):
    """An encoder that calls ONNX Runtime, with one thread."""

    def __init__(self, path: Path) -> None:
        import onnxruntime  # noqa: PLC0415 - no dependency of the project

        super().__init__()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.device = torch.device("cpu")

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **_: Tensor) -> BaseModelOutput:
        inputs = {"input_ids": input_ids.numpy(), "attention_mask": attention_mask.numpy()}
        return BaseModelOutput(last_hidden_state=torch.from_numpy(self.session.run(None, inputs)[0]))


def use_onnx_runtime(nlp: Language, folder: Path, *, int8: bool) -> Language:
    """Have a pipeline of :func:`medner.load` call ONNX Runtime for its encoder; it is changed, and returned.

    folder: for the exported files. int8: ONNX Runtime's dynamic quantisation. Raises InputError where it is missing.
    """
    try:
        from onnxruntime.quantization import quantize_dynamic  # noqa: PLC0415
    except ImportError:
        remedy = "Leave out the ways that name it, or install it: pip install onnxruntime==1.31.1 onnx"
        raise InputError("ONNX Runtime is missing", remedy=remedy) from None
    for name, pipe in nlp.pipeline:
        if isinstance(pipe, Transformer):
            path = folder / f"{name}.onnx"
            _export(pipe.model.transformer, path)
            if int8:
                quantised = folder / f"{name}-int8.onnx"
                quantize_dynamic(path, quantised)
                path = quantised
            shim: Any = pipe.model.layers[0].shims[0]
            shim._model = shim._hfmodel.transformer = _Session(path)
    return nlp


def _export(encoder: torch.nn.Module, path: Path) -> None:
    sample = torch.ones(2, 24, dtype=torch.long)
    axes = {0: "sequences", 1: "pieces"}
    names = ("input_ids", "attention_mask", "states")
    with torch.inference_mode():
        torch.onnx.export(
            _Exported(encoder).eval(),
            (sample, sample),
            str(path),
            input_names=list(names[:2]),
            output_names=[names[2]],
            dynamic_axes=dict.fromkeys(names, axes),
            dynamo=False,  # the other exporter needs another package
        )
