"""Start from a pre-trained body of another vocabulary, so that little text in one's own languages goes a long way.

Much of what a transformer's body has learnt holds for any language; its embeddings are tied to a vocabulary. The body
is kept, and each piece of the new vocabulary starts from source embeddings of related pieces. The idea is that of
WECHSEL (Minixhofer, Paischer & Rekabsaz, NAACL 2022) and FOCUS (Dobler & de Melo, EMNLP 2023). Both find related pieces
by static embeddings, WECHSEL with a bilingual dictionary, FOCUS with the pieces that both vocabularies hold. Here the
form decides, since medical words share their roots in English, French and Romanian.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from medner.exceptions import InputError
from medner.files import read_json, sha256
from medner.model.encoder import MANIFEST, TOKENIZER, check_export
from medner.model.weights import POOLER, check_finite, read_weights, weights_file
from medner.pretraining.text import without_diacritics

INNER = "##"  # begins a piece that continues a word
NOISE = 0.1  # standard deviations, added to a mean: pieces that the same source pieces spell must not stay equal
UNRELATED = 0.3  # standard deviations around the mean embedding, for a piece that the source cannot spell
LAYER = re.compile(r"(.*\blayers?\.)(\d+)(\..*)")
COMPARED = ("model_type", "num_attention_heads")  # what the sizes of tensors do not show
# How ONNX Runtime's model builder names the tensors of a BERT, and how transformers does.
ONNX_NAMES = {
    ".model.embeddings.": "embeddings.",
    "model.layers.-1.embeddings_norm_layernorm.": "embeddings.LayerNorm.",
    "model.layers.": "encoder.layer.",
    ".attention_output_norm_layernorm.": ".attention.output.LayerNorm.",
    ".mlp_output_norm_layernorm.": ".output.LayerNorm.",
    ".attn.q_proj.": ".attention.self.query.",
    ".attn.k_proj.": ".attention.self.key.",
    ".attn.v_proj.": ".attention.self.value.",
    ".attn.o_proj.": ".attention.output.dense.",
    ".mlp.fc1.": ".intermediate.dense.",
    ".mlp.fc2.": ".output.dense.",
    ".Add.": ".",
}


@dataclass(frozen=True)
class Source:
    """A pre-trained encoder to start from.

    tensors: its weights in fp32, named as transformers names them. config: its config.json, empty for an ONNX file.
    sha256: of its weights.
    """

    path: Path
    tensors: Mapping[str, Tensor]
    tokenizer: Tokenizer
    config: Mapping[str, Any]
    sha256: str


def read_source(path: Path) -> Source:
    """Read an encoder folder, or an ``.onnx`` file with its tokenizer.json beside it or in the folder above.

    Raises InputError for what is missing or damaged, and where ONNX cannot be read for want of the package.
    """
    if path.suffix == ".onnx":
        folder = path.parent if (path.parent / TOKENIZER).is_file() else path.parent.parent
        tensors, digest = _onnx(path)
        return Source(path, tensors, _tokenizer(folder / TOKENIZER), {}, digest)
    tensors = read_weights(path)
    if (path / MANIFEST).is_file():
        check_export(path)
    digest = sha256(weights_file(path).read_bytes())
    tokenizer, config = _tokenizer(path / TOKENIZER), read_json(path / "config.json")
    return Source(path, tensors, tokenizer, config if isinstance(config, dict) else {}, digest)


def _tokenizer(path: Path) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception:  # the library raises plain exceptions
        what, remedy = "not a readable tokenizer", "Give an encoder with its tokenizer.json"
        raise InputError(what, path=path, remedy=remedy) from None
    tokenizer.no_padding()  # a file may ask for texts padded to a length, and a piece would be mostly padding
    tokenizer.no_truncation()
    return tokenizer


def _onnx(path: Path) -> tuple[dict[str, Tensor], str]:
    try:
        import onnx  # noqa: PLC0415 - an optional dependency
    except ImportError:
        raise InputError("needs the package onnx", path=path, remedy="pip install -e '.[transplant]'") from None
    try:
        arrays = {part.name: onnx.numpy_helper.to_array(part) for part in onnx.load(path).graph.initializer}
    except Exception as error:  # protobuf's and the operating system's
        what = f"cannot be read ({' '.join(str(error).split())[:200]})"
        raise InputError(what, path=path, remedy="Fetch it again, with the data file beside it if it has one") from None
    tensors = {}
    for name, array in arrays.items():
        value = torch.tensor(array).float()
        if name.endswith(".MatMul.weight"):  # (in, out); transformers has (out, in)
            name, value = name.replace(".MatMul.", "."), value.T.contiguous()  # noqa: PLW2901
        for old, new in ONNX_NAMES.items():
            name = name.replace(old, new)  # noqa: PLW2901
        tensors[name] = value
    check_finite(tensors, path)
    return tensors, sha256(b"".join(array.tobytes() for array in arrays.values()))


def initial_embeddings(embeddings: Tensor, source: Tokenizer, pieces: Sequence[str], *, seed: int) -> Tensor:
    """(pieces, width) embeddings to begin with, from the source's (source pieces, width).

    A piece takes the embedding of the same form, else of its lower-cased form without diacritics, else the mean of the
    source pieces that spell it, with a little noise. The same ones for the same seed.
    """
    vocabulary = source.get_vocab()
    mean, deviation = embeddings.mean(0), embeddings.std(0)
    generator = torch.Generator().manual_seed(seed)

    def embedding(piece: str) -> Tensor:
        form = piece if piece in vocabulary else without_diacritics(piece.lower())
        if form in vocabulary:
            return embeddings[vocabulary[form]]
        numbers = _spelt(form, source, vocabulary)
        noise = torch.randn(embeddings.shape[1], generator=generator)
        if numbers:
            return embeddings[numbers].mean(0) + NOISE * deviation * noise
        return mean + UNRELATED * deviation * noise

    return torch.stack([embedding(piece) for piece in pieces])


def _spelt(form: str, source: Tokenizer, vocabulary: Mapping[str, int]) -> list[int]:
    """The source pieces of a piece; a piece that continues a word begins with one that does, where there is one."""
    spelt = source.encode(form.removeprefix(INNER), add_special_tokens=False).tokens
    if form.startswith(INNER) and spelt and INNER + spelt[0] in vocabulary:
        spelt[0] = INNER + spelt[0]
    unknown = getattr(source.model, "unk_token", None)
    return [vocabulary[piece] for piece in spelt if piece != unknown]


def keep_layers(tensors: Mapping[str, Tensor], layers: Sequence[int] | None) -> dict[str, Tensor]:
    """The tensors with only some of the layers, in the order given (from 0); None keeps all."""
    kept = {}
    for name, value in tensors.items():
        match = LAYER.fullmatch(name)
        if match is None or layers is None:
            kept[name] = value
            continue
        before, number, after = match.groups()
        kept |= {f"{before}{new}{after}": value for new, old in enumerate(layers) if old == int(number)}
    return kept


def transplant(source: Source, encoder: Any, pieces: Sequence[str], layers: Sequence[int] | None, *, seed: int) -> None:
    """Load the source's body, and embeddings of ``pieces``, into an encoder of transformers.

    With the source's own pieces, the encoder's features are the source's. What is not part of the body, such as BERT's
    pooler, is left out. Raises InputError, naming the first fault, for a source of other sizes or settings or that
    lacks tensors, and for layers that it does not have.
    """
    remedy = "Give the recipe the settings of the source's encoder, and as many layers as are kept"

    def misfit(why: str) -> InputError:
        return InputError(f"does not fit the recipe ({why})", path=source.path, remedy=remedy)

    for setting in COMPARED:
        theirs, ours = source.config.get(setting), getattr(encoder.config, setting, None)
        if theirs not in (None, ours):
            raise misfit(f"its {setting} is {theirs}, not {ours}")
    prefix = f"{encoder.base_model_prefix}."  # of a model that was saved with the layers that guess
    named = {name.removeprefix(prefix): value for name, value in source.tensors.items()}
    found = {int(match[2]) for name in named if (match := LAYER.fullmatch(name))}
    if missing := sorted(set(layers or ()) - found):
        raise misfit(f"it has no layer {missing[0]}; its layers are 0 to {max(found, default=0)}")
    own = encoder.state_dict()
    body = {name: value for name, value in own.items() if name.startswith(POOLER)}
    body |= {
        name: value
        for name, value in keep_layers(named, layers).items()
        if (name in own and name not in body) or LAYER.fullmatch(name)  # a layer too many must not pass unnoticed
    }
    matrix = encoder.get_input_embeddings().weight
    embeddings = next(name for name, parameter in encoder.named_parameters() if parameter is matrix)
    if embeddings not in body:
        raise misfit(f"it has no {embeddings}")
    if (last := max(source.tokenizer.get_vocab().values())) >= len(body[embeddings]):
        raise misfit(f"its tokenizer has a piece {last}, its embeddings are {len(body[embeddings])}")
    body[embeddings] = initial_embeddings(body[embeddings], source.tokenizer, pieces, seed=seed)
    try:
        encoder.load_state_dict(body)
    except RuntimeError as error:
        raise misfit(str(error).splitlines()[1].strip()[:200]) from None
