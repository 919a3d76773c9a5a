"""What a run was made with: encoder, data, seed, config. Every pipeline and every metrics file carries it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import srsly
from pydantic import Field, ValidationError

from medner import __version__
from medner.data.manifests import Origin
from medner.exceptions import InputError
from medner.files import read_json, write_text
from medner.outputs import Output

META = "meta.json"
AUTHOR = "medner"
KEY = "medner"  # of the provenance in a pipeline's meta.json


class EncoderInfo(Output):
    """What a pipeline builds on: an encoder, or a language model that gave the labels itself.

    revision: of the model hub, or what the makers call it. untrained: whether the weights are random. parameters: None
    where nobody knows them (a language model behind an interface), 0 without an encoder. sha256: of the weights.
    learning_rate, head_rate, epochs: what the encoder asks for when it is fine-tuned; head_rate is the rate of all
    other parameters, as a multiple of the encoder's. embedded: whether it is the compact encoder that comes with the
    project.
    """

    name: str
    revision: str
    untrained: bool
    parameters: int | None
    vocabulary: int = 0
    sha256: str
    learning_rate: float | None = None
    head_rate: float | None = None
    epochs: int | None = None
    embedded: bool = False

    @property
    def title(self) -> str:
        """The encoder's name as tables show it."""
        return f"{self.name} (UNTRAINED weights)" if self.untrained else self.name


class Provenance(Output):
    """What a run was made with.

    sources: what it was trained on; empty for a language model's zero-shot labels. seed: None where several runs are
    described at once. corpus: SHA-256 of the training and dev files. config: SHA-256 of the config without its paths.
    overrides: settings that differ from the config. unusable: texts without a usable answer, by source (zero-shot
    only). made_with: arithmetic, threads and packages, which move scores as another seed does.
    """

    experiment: str
    encoder: EncoderInfo
    sources: dict[str, Origin]
    persons: str
    seed: int | None
    epochs: int
    documents: int
    corpus: dict[str, str] = Field(default={})
    config: str = ""
    overrides: dict[str, Any] = Field(default={})
    unusable: dict[str, int] = Field(default={})
    made_with: dict[str, str] = Field(default={})

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


def pipeline_name(experiment: str) -> str:
    """What an experiment's pipeline is called, and its package without the language."""
    return f"medner_{experiment}".replace("-", "_")


def stamp(pipeline: Path, provenance: Provenance) -> None:
    """Write a pipeline's provenance into its ``meta.json``, and what a package says of itself (version, licence)."""
    name = pipeline_name(provenance.experiment)
    about = {"name": name, "version": __version__, "author": AUTHOR, "license": licence(provenance.encoder)}
    about["description"] = (
        f"Medical NER, trained on {', '.join(provenance.sources)}; encoder: {provenance.encoder.title}"
    )
    meta = {**read_json(pipeline / META), **about, KEY: provenance.model_dump(mode="json")}
    write_text(pipeline / META, srsly.json_dumps(meta, indent=2) + "\n")


def licence(encoder: EncoderInfo | None) -> str:
    """The licence of a pipeline, as far as it is known: what is made from the compact encoder has that one's."""
    return "CC BY-SA 4.0" if encoder and encoder.embedded else "other: that of its encoder and training corpora"


def provenance_in(meta: Mapping[str, Any]) -> Provenance | None:
    """The provenance in a pipeline's metadata; None in a pipeline that the train step did not make."""
    try:
        return Provenance.model_validate(meta[KEY])
    except (KeyError, ValidationError):
        return None


def read_provenance(pipeline: Path) -> Provenance:
    """The provenance of a pipeline folder. Raises InputError for a pipeline that the train step did not make."""
    path = pipeline / META
    meta = read_json(path)
    provenance = provenance_in(meta) if isinstance(meta, Mapping) else None
    if provenance is None:
        what, remedy = "no provenance: the train step did not make this pipeline", "Train it with the train step"
        raise InputError(what, path=path, remedy=remedy)
    return provenance
