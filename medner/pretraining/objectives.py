"""What the encoder is asked while it learns: which word was masked, or which words a small model has replaced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoConfig, AutoModel

from medner.exceptions import InputError
from medner.model.arithmetic import cpu_type
from medner.model.weights import POOLER
from medner.pretraining.vocabulary import train_tokenizer


class Guess(nn.Module):
    """Scores of all pieces at some places, by the model's own embeddings."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        embeddings = encoder.get_input_embeddings()
        pieces, width = embeddings.weight.shape
        self.dense = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.bias = nn.Parameter(torch.zeros(pieces))

    def forward(self, model: Any, shown: Tensor, places: Tensor) -> Tensor:
        """(places, pieces) scores, fp32. shown: (sequences, length); places: flat indices into it."""
        hidden = model(input_ids=shown).last_hidden_state
        hidden = hidden.reshape(-1, hidden.shape[-1])[places]
        hidden = self.norm(functional.gelu(self.dense(hidden)))
        scores: Tensor = hidden @ model.get_input_embeddings().weight.T + self.bias
        return scores.float()


class MaskedLanguageModel(nn.Module):
    """Predict masked pieces (Devlin et al. 2019): 80 % [MASK], 10 % another piece, 10 % left as they are."""

    def __init__(self, encoder: Any, mask: int, **_: Any) -> None:
        super().__init__()
        self.encoder = encoder
        self.mask = mask
        self.guess = Guess(encoder)

    def forward(self, pieces: Tensor, masked: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Losses by name for a batch of (sequences, length) pieces; ``loss`` is what training minimises (nats)."""
        truth = pieces.flatten()[masked]
        draw = torch.rand(len(masked), generator=generator).to(truth.device)
        other = torch.randint(0, self.guess.bias.numel(), (len(masked),), generator=generator).to(truth)
        shown = torch.where(draw < 0.8, self.mask, torch.where(draw < 0.9, other, truth))
        corrupted = pieces.flatten().index_put((masked,), shown).view_as(pieces)
        loss = functional.cross_entropy(self.guess(self.encoder, corrupted, masked), truth)
        return {"loss": loss, "mlm": loss}


class ReplacedTokenDetection(nn.Module):
    """Tell replaced pieces from original ones (ELECTRA, Clark et al. 2020).

    A generator of fewer layers, discarded after training, proposes pieces for the masked places; the encoder judges
    every place. Both share the embeddings of pieces; the judge's loss counts 50 times.
    """

    WEIGHT = 50.0

    def __init__(self, encoder: Any, mask: int, generator: Any) -> None:
        super().__init__()
        self.encoder = encoder
        self.mask = mask
        self.generator = generator
        self.generator.set_input_embeddings(encoder.get_input_embeddings())
        self.guess = Guess(encoder)
        width = encoder.config.hidden_size
        self.judge = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, 1))

    def forward(self, pieces: Tensor, masked: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Losses by name for a batch of (sequences, length) pieces; ``loss`` is what training minimises (nats)."""
        flat = pieces.flatten()
        truth = flat[masked]
        corrupted = flat.index_fill(0, masked, self.mask).view_as(pieces)
        scores = self.guess(self.generator, corrupted, masked)
        guessing = functional.cross_entropy(scores, truth)
        with torch.no_grad():  # a sample from the generator's softmax, by its cumulative distribution
            heights = scores.softmax(-1).cumsum(-1)
            drawn = torch.rand((len(masked), 1), generator=generator).to(heights) * heights[:, -1:]
            proposed = torch.searchsorted(heights, drawn).flatten().clamp_max(scores.shape[-1] - 1)
        shown = flat.index_put((masked,), proposed).view_as(pieces)
        replaced = (shown != pieces).flatten()
        verdict = self.judge(self.encoder(input_ids=shown).last_hidden_state).flatten().float()
        detecting = functional.binary_cross_entropy_with_logits(verdict, replaced.float())
        return {"loss": guessing + self.WEIGHT * detecting, "mlm": guessing, "rtd": detecting}


OBJECTIVES: Mapping[str, type[MaskedLanguageModel | ReplacedTokenDetection]] = {
    "mlm": MaskedLanguageModel,
    "rtd": ReplacedTokenDetection,
}


def _attention() -> str:
    """On a CPU, PyTorch's fused attention is 4 to 26 % faster than plain products in fp32, and 7 % slower in bf16."""
    plain = cpu_type() == torch.bfloat16 and not torch.cuda.is_available()
    return "eager" if plain else "sdpa"


def new_encoder(settings: Mapping[str, Any], tokenizer: Any) -> Any:
    """A transformer of transformers' ``model_type`` with random weights. Raises InputError for unknown settings.

    BERT's pooler, which nothing uses, is zero: transformers warns of a model that lacks it.
    """
    ends = {"pad_token_id": "pad", "cls_token_id": "cls", "sep_token_id": "sep"}
    numbers = {name: getattr(tokenizer, f"{end}_token_id") for name, end in ends.items()}
    try:
        _check_names(settings)
        config = AutoConfig.for_model(vocab_size=len(tokenizer), **numbers, **settings)
        encoder = AutoModel.from_config(config, attn_implementation=_attention())
    except Exception as error:  # the library raises whatever its parts raise
        raise _refused(error) from None
    for name, parameter in encoder.named_parameters():
        if name.startswith(POOLER):
            parameter.data.zero_()
    return encoder


def _refused(error: Exception) -> InputError:
    what = f"no encoder can be built with these settings ({' '.join(str(error).split())[:200]})"
    return InputError(what, remedy="Give a model_type of transformers and its settings")


def _check_names(settings: Mapping[str, Any]) -> None:
    """Raise ValueError for a setting that the model type does not have; transformers would ignore it."""
    known = AutoConfig.for_model(settings.get("model_type"))
    for name in settings:
        if not hasattr(known, name):
            raise ValueError(f"{known.model_type} has no setting {name}")


def build(name: str, settings: Mapping[str, Any], tokenizer: Any, generator: Mapping[str, Any]) -> nn.Module:
    """The model of an objective, with random weights; ``generator`` holds how its generator's settings differ.

    Raises InputError for unknown settings.
    """
    encoder = new_encoder(settings, tokenizer)
    helper = new_encoder({**settings, **generator}, tokenizer) if name == "rtd" else None
    return OBJECTIVES[name](encoder, mask=tokenizer.mask_token_id, generator=helper)


def try_out(name: str, settings: Mapping[str, Any], generator: Mapping[str, Any], length: int) -> None:
    """Build the model of an objective for a few pieces and have it read one sequence of ``length``.

    Raises InputError where it cannot, and for unknown settings, those of a generator that is not used among them.
    """
    tokenizer = train_tokenizer(["a"], 10)
    model = build(name, settings, tokenizer, generator)
    pieces = torch.full((1, length), tokenizer.unk_token_id)
    try:
        _check_names({**settings, **generator})
        with torch.no_grad():
            model(pieces, torch.tensor([1]), torch.Generator())
    except Exception as error:  # the library raises whatever its parts raise
        raise _refused(error) from None
