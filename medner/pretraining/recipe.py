"""How an encoder is pre-trained (``configs/pretraining/``), checked before any text is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from medner.exceptions import InputError
from medner.pretraining.objectives import try_out
from medner.pretraining.text import GroupSettings, Variation
from medner.settings import Settings, load_settings

Number = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
REMEDY = "Correct it; the files in configs/pretraining of the repository are examples"


class Tuning(Settings):
    """How the encoder should be fine-tuned; goes into its manifest, where ``EncoderInfo`` describes it."""

    learning_rate: Positive | None = None
    head_rate: Positive | None = None
    epochs: Number | None = None


class Recipe(Settings):
    """A file of ``configs/pretraining/``.

    steps: batches read; warmup: steps of rising learning rate; decay: share of steps, at the end, of falling rate.
    sequences × length: pieces a batch. masked, held_out: shares. save, evaluate: every so many steps.
    layers: which layers of a start are kept (from 0), all where nothing is said; frozen: first steps, in which only the
    embeddings learn, and not the body between them and the output. varied: lines read a second time, changed.
    """

    name: Annotated[str, Field(min_length=1)]
    vocabulary: Annotated[int, Field(ge=1, lt=2**16)]
    vocabulary_characters: Number
    encoder: dict[str, Any]
    objective: Literal["mlm", "rtd"]
    generator: dict[str, Any]
    masked: Annotated[float, Field(gt=0, lt=1)]
    sequences: Number
    length: Annotated[int, Field(ge=3)]  # [CLS], a piece, [SEP]
    steps: Number
    learning_rate: Positive
    warmup: NotNegative
    decay: Annotated[float, Field(ge=0, le=1)]
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    held_out: Annotated[float, Field(gt=0, le=0.5)]
    evaluate: Number
    save: Number
    training: Tuning
    layers: Annotated[list[NotNegative], Field(min_length=1)] | None = None
    frozen: NotNegative = 0
    varied: Variation = Variation()
    groups: list[GroupSettings] | None = None

    def rate(self, step: int) -> float:
        """Learning rate of a step (from 0): up over ``warmup``, flat, down to zero over the last ``decay``."""
        falling = max(1, round(self.steps * self.decay))
        return self.learning_rate * min(1.0, (step + 1) / max(1, self.warmup), (self.steps - step) / falling)


def load_recipe(path: Path, **changes: Any) -> Recipe:
    """The recipe in a file; ``changes`` that are not None replace its values.

    Raises InputError for a malformed one, and for an encoder that cannot be built or cannot read such sequences.
    """
    given = {name: value for name, value in changes.items() if value is not None}
    recipe = load_settings(path, Recipe, changes=given, remedy=REMEDY)
    try:
        try_out(recipe.objective, recipe.encoder, recipe.generator, recipe.length)
    except InputError as error:
        raise InputError(error.what, path=path, remedy=error.remedy) from None
    return recipe
