"""How an encoder is pre-trained (``pretraining`` of ``configs/encoder.yml``), checked before any text is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError

from medner.exceptions import InputError
from medner.files import read_text
from medner.pretraining.objectives import try_out
from medner.pretraining.text import GroupSettings
from medner.settings import Settings, first_fault

Number = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Tuning(Settings):
    """How the encoder wants to be fine-tuned; goes into its manifest."""

    learning_rate: Positive | None = None
    epochs: Number | None = None


class Recipe(Settings):
    """``pretraining`` of ``configs/encoder.yml``.

    steps: batches read; warmup: steps of rising learning rate; decay: share of steps, at the end, of falling rate.
    sequences × length: pieces a batch. masked, held_out: shares. save, evaluate: every so many steps.
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
    warmup: Annotated[int, Field(ge=0)]
    decay: Annotated[float, Field(ge=0, le=1)]
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    held_out: Annotated[float, Field(gt=0, le=0.5)]
    evaluate: Number
    save: Number
    training: Tuning
    groups: list[GroupSettings] | None = None

    def rate(self, step: int) -> float:
        """Learning rate of a step (from 0): up over ``warmup``, flat, down to zero over the last ``decay``."""
        falling = max(1, round(self.steps * self.decay))
        return self.learning_rate * min(1.0, (step + 1) / max(1, self.warmup), (self.steps - step) / falling)


def load_recipe(path: Path, **changes: Any) -> Recipe:
    """The recipe in an encoder configuration, with changes.

    Raises InputError for a malformed one, and for an encoder that cannot be built or cannot read such sequences.
    """
    remedy = "Compare it with configs/encoder.yml in the repository"
    try:
        recipe = Recipe.model_validate({**yaml.safe_load(read_text(path))["pretraining"], **changes})
    except ValidationError as error:
        what, place = first_fault(error)
        if place[0] in changes:
            raise InputError(what, place=f"--{place[0]}", remedy="Correct it") from None
        raise InputError(what, path=path, place=".".join(map(str, ("pretraining", *place))), remedy=remedy) from None
    except (yaml.YAMLError, KeyError, TypeError) as error:
        what = f"holds no pre-training recipe ({' '.join(str(error).split())})"
        raise InputError(what, path=path, remedy=remedy) from None
    try:
        try_out(recipe.objective, recipe.encoder, recipe.generator, recipe.length)
    except InputError as error:
        raise InputError(error.what, path=path, place="pretraining", remedy=error.remedy) from None
    return recipe
