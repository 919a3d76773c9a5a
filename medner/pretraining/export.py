"""The encoder folder that a pre-training run leaves: features of unit size, weights packed, a manifest."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import torch
from safetensors.torch import save_file

from medner.exceptions import InputError
from medner.files import new_folder, read_text, sha256, write_bytes, write_text
from medner.model.encoder import MANIFEST, TOKENIZER, Export, write_manifest
from medner.model.weights import PACKED_WEIGHTS, WEIGHTS, pack
from medner.pretraining.checkpoint import load_checkpoint
from medner.pretraining.objectives import new_encoder
from medner.pretraining.prepare import read_text_state, read_tokenizer, samplers
from medner.pretraining.recipe import Recipe
from medner.pretraining.run import LOG, SHARES


class Format(StrEnum):
    """How weights are written: fp16, or int8 with one scale a row, which takes half the space."""

    fp16 = "fp16"
    int8 = "int8"


FILES = {Format.fp16: WEIGHTS, Format.int8: PACKED_WEIGHTS}


@torch.no_grad()
def standardise(encoder: torch.nn.Module, pieces: torch.Tensor) -> float:
    """Scale the normalisation that the encoder ends with so that its features vary by 1; returns the factor.

    pieces: (sequences, length). Features are taken around the mean of their dimension. While an encoder learns to
    guess words, nothing holds its features to a size, since the layers that guess can make up for any; they shrank to
    0.5 in 8,000 steps and to 0.2 in 15,000. What is trained on top of small features learns slowly. An encoder that
    does not end with a normalisation stays as it is, and the factor is 1.
    """
    encoder.eval()
    features = encoder(input_ids=pieces).last_hidden_state
    varying = (features - features.mean((0, 1))).square().mean().sqrt()
    factor = float(1 / varying)
    for norm in reversed([module for module in encoder.modules() if isinstance(module, torch.nn.LayerNorm)]):
        before = [parameter.clone() for parameter in norm.parameters()]
        for parameter in norm.parameters():
            parameter.mul_(factor)
        if torch.allclose(encoder(input_ids=pieces).last_hidden_state, features * factor, rtol=1e-3, atol=1e-3):
            return factor
        for parameter, value in zip(norm.parameters(), before, strict=True):
            parameter.copy_(value)
    return 1.0


def export(folder: Path, recipe: Recipe, target: Path, weights: Format = Format.fp16) -> int:
    """Write the encoder of the last checkpoint into ``target``: config, tokenizer, weights, manifest, log, shares.

    Returns their size in bytes. Other files there (a model card) stay. Raises InputError if there is no checkpoint.
    """
    found = load_checkpoint(folder)
    if found is None:
        raise InputError("contains no checkpoint", path=folder, remedy="Pre-train first")
    state, tensors = found
    tokenizer = read_tokenizer(folder / "text")
    encoder = new_encoder(recipe.encoder, tokenizer)
    encoder.load_state_dict({name: tensors[f"weight/encoder.{name}"] for name in encoder.state_dict()})
    _, unseen = samplers(folder, recipe, tokenizer, seed=0)
    standardise(encoder, torch.from_numpy(unseen.batch(0).pieces))
    with new_folder(folder / "export", sign=MANIFEST) as work:
        packed = pack(encoder.state_dict())
        encoder.half().save_pretrained(work, safe_serialization=True)
        if weights == Format.int8:
            (work / WEIGHTS).unlink()
            save_file(packed, work / PACKED_WEIGHTS)
        tokenizer.save_pretrained(work)
        tokenizer.save_vocabulary(str(work))
        digest = sha256((work / FILES[weights]).read_bytes())
        start = read_text_state(folder).wanted.get("start")
        manifest = Export(
            name=recipe.name,
            revision=f"{state.step} steps{f' from {start[:12]}' if start else ''}, {digest[:12]}",
            untrained=False,
            parameters=sum(p.numel() for p in encoder.parameters()),
            vocabulary=len(tokenizer),
            sha256=digest,
            tokenizer_sha256=sha256((work / TOKENIZER).read_bytes()),
            **recipe.training.model_dump(),
        )
        write_manifest(work, manifest)
        for name in (LOG, SHARES):
            write_text(work / name, read_text(folder / name))
    files = sorted((folder / "export").iterdir())
    for path in files:
        write_bytes(target / path.name, path.read_bytes())
    for name in set(FILES.values()) - {path.name for path in files}:
        (target / name).unlink(missing_ok=True)  # of an export in the other format
    return sum(path.stat().st_size for path in files)
