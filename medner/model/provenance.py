"""What a run was made with: encoder, data, seed, config. Every pipeline and every metrics file carries it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict


class EncoderInfo(BaseModel):
    """What a pipeline builds on: an encoder, or a language model that gave the labels itself.

    parameters: None where nobody knows them (a language model behind an interface), 0 without an encoder.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    revision: str
    untrained: bool
    parameters: int | None
    vocabulary: int = 0
    sha256: str
    learning_rate: float | None = None
    epochs: int | None = None
    embedded: bool = False


class SourceInfo(BaseModel):
    """What is said of a source wherever its results are shown."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    note: str
    stand_in: bool


class Provenance(BaseModel):
    """What a run was made with.

    sources: what it was trained on; empty for a language model's zero-shot labels. seed: None where several runs are
    described at once. corpus: SHA-256 of the training and dev files. config: SHA-256 of the config without its paths.
    overrides: settings that differ from the config. unusable: texts without a usable answer, by source (zero-shot
    only). made_with: packages and arithmetic, which move scores as another seed does.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    experiment: str
    encoder: EncoderInfo
    sources: dict[str, SourceInfo]
    persons: str
    seed: int | None
    epochs: int
    documents: int
    corpus: Mapping[str, str] = {}
    config: str = ""
    overrides: Mapping[str, Any] = {}
    unusable: Mapping[str, int] = {}
    made_with: Mapping[str, str] = {}

    @property
    def settings(self) -> dict[str, Any]:
        """What was decided before the training, with the seed: all but packages and arithmetic."""
        return self.model_dump(exclude={"made_with"})

    @property
    def kind(self) -> str:
        """``transformer`` or ``cnn``; empty for what was not trained."""
        if not self.sources:
            return ""
        return "transformer" if self.encoder.parameters else "cnn"
