"""What a language needs for generation (``configs/generation/<lang>.yml`` and its pools), and the price table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import Field

from medner import names
from medner.data.markup import MarkupError, parse
from medner.exceptions import InputError
from medner.files import read_text
from medner.settings import Settings, load_settings

Label = Literal["PERSON", "ORG", "LOC", "MEDICAL"]
LABELS: tuple[str, ...] = get_args(Label)
SPLITS = ("train", "dev", "test")

Weight = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
NonEmpty = Annotated[str, Field(min_length=1)]
Weights = Annotated[dict[NonEmpty, Weight], Field(min_length=1)]
_REMEDY = "Correct it; the repository's configs/generation holds examples"


class Genre(Settings):
    """A kind of text: its weight in the grid, its description in the prompt, its registers, and its mentions."""

    weight: Weight = 1
    about: NonEmpty
    registers: Weights
    mentions: dict[Label, Share] = Field(default={})  # share of its sentences that are given a pool entry of this label


class Density(Settings):
    """The number of conditions that a sentence is asked to hold; with 0, it is asked to hold no entity."""

    weight: Weight = 1
    about: NonEmpty
    medical: Annotated[int, Field(ge=0)]


class HardCase(Settings):
    """A request for a share of the sentences, beside their entities."""

    share: Share
    ask: NonEmpty


class Rules(Settings):
    """The rules of a language by which :mod:`medner.generation.gates` checks the guidelines."""

    articles: list[NonEmpty] = Field(default=[])  # never a first word; elided ones end with an apostrophe
    titles: list[NonEmpty] = Field(default=[])  # words that are not a name on their own
    not_entities: dict[Label, list[NonEmpty]] = Field(default={})  # forms that the guidelines leave unmarked


class Language(Settings):
    """One language: prompts, grid, rules. ``pools`` is relative to the file."""

    code: names.Language
    name: NonEmpty
    prompt_version: NonEmpty
    pools: Path
    sentences_per_request: Annotated[int, Field(ge=1, le=50)]
    tokens_per_sentence: Annotated[int, Field(ge=20)]  # at most, markup included; bounds what an answer can cost
    specialties: Weights
    genres: Annotated[dict[NonEmpty, Genre], Field(min_length=1)]
    densities: Annotated[dict[NonEmpty, Density], Field(min_length=1)]
    hard_cases: list[HardCase] = Field(default=[])
    rules: Rules = Rules()
    guidelines: NonEmpty
    system: NonEmpty
    user: NonEmpty
    annotator: NonEmpty
    examples: Annotated[list[NonEmpty], Field(min_length=1)]


@dataclass(frozen=True)
class Entry:
    """One line of a pool: a surface form, and the split that may use it."""

    split: str
    label: str
    form: str
    specialty: str = ""


class Price(Settings):
    """USD per million tokens; ``batch`` is the factor of the Batch API."""

    input: Annotated[float, Field(ge=0)]
    output: Annotated[float, Field(ge=0)]
    batch: Annotated[float, Field(gt=0, le=1)] = 1

    def cost(self, input_tokens: int, output_tokens: int, *, batch: bool = False) -> float:
        """USD for so many tokens."""
        full = (input_tokens * self.input + output_tokens * self.output) / 1_000_000
        return full * self.batch if batch else full


def load_language(code: str, folder: Path) -> Language:
    """The settings ``<folder>/<code>.yml``.

    Raises InputError for an unknown language, for malformed settings and for the pools of another language.
    """
    path = folder / f"{code}.yml"
    if not path.is_file():
        known = sorted(p.stem for p in folder.glob("*.yml") if p.stem != "prices")
        remedy = f"Use one of {', '.join(known) or 'none there'}, or write this file"
        raise InputError(f"no settings for language {code!r}", path=path, remedy=remedy)
    language = load_settings(path, Language, remedy=_REMEDY)
    if language.code != code:
        remedy = "Name the file after the language code"
        raise InputError(f"the code is {language.code!r}, not {code!r}", path=path, place="code", remedy=remedy)
    if language.pools.name in {other.stem for other in path.parent.glob("*.yml")} - {code}:
        remedy = f"Write pools of this language, and name their folder {code}"
        raise InputError(f"{language.pools} is the folder of another language", path=path, place="pools", remedy=remedy)
    known_places = {
        "system": ("language", "guidelines", "examples"),
        "annotator": ("language", "guidelines", "examples"),
        "user": ("count", "specialty", "genre", "register", "density", "briefs"),
    }
    for name, places in known_places.items():
        try:
            getattr(language, name).format(**dict.fromkeys(places, ""))
        except (KeyError, IndexError, ValueError, AttributeError) as error:
            remedy = f"Use only {', '.join(f'{{{place}}}' for place in places)}; write {{{{ and }}}} for braces"
            raise InputError(f"has a bad placeholder ({error})", path=path, place=name, remedy=remedy) from None
    for number, example in enumerate(language.examples):
        try:
            parse(example, LABELS)
        except MarkupError as error:
            remedy = "Correct the markup"
            raise InputError(str(error), path=path, place=f"examples.{number}", remedy=remedy) from None
    return language.model_copy(update={"pools": (path.parent / language.pools).resolve()})


def load_pools(language: Language) -> list[Entry]:
    """All entries of a language's pools: ``<pools>/<label>.tsv`` with columns split, (specialty,) kind, form.

    Raises InputError for a missing file, a line with other columns, an unknown split, or a specialty of the grid that
    has no condition in some split.
    """
    entries: list[Entry] = []
    for label in LABELS:
        path = language.pools / f"{label.lower()}.tsv"
        columns = ["split", "specialty", "kind", "form"] if label == "MEDICAL" else ["split", "kind", "form"]
        lines = [line.split("\t") for line in read_text(path).rstrip("\n").split("\n")]
        if lines[0] != columns:
            what = f"the first line must be {' '.join(columns)}, with tabs"
            raise InputError(what, path=path, place="line 1", remedy="Correct it")
        for number, cells in enumerate(lines[1:], start=2):
            row = dict(zip(columns, cells, strict=False))
            if len(cells) != len(columns) or not all(cells) or row["split"] not in SPLITS:
                what = f"needs {', '.join(columns)} with tabs between; split is one of {', '.join(SPLITS)}"
                raise InputError(what, path=path, place=f"line {number}", remedy="Correct or remove the line")
            if label == "MEDICAL" and row["specialty"] not in language.specialties:
                what = f"{row['specialty']!r} is not a specialty of the grid, so the form would never be asked for"
                raise InputError(what, path=path, place=f"line {number}", remedy="Correct it, or add it to the grid")
            entries.append(Entry(row["split"], label, row["form"], row.get("specialty", "")))
    covered = {entry.specialty for entry in entries}
    if missing := sorted(set(language.specialties) - covered):
        path = language.pools / "medical.tsv"
        raise InputError(f"no condition for {', '.join(missing)}", path=path, remedy="Add some, or drop the specialty")
    return entries


class _Prices(Settings):
    models: dict[str, Price]


def load_prices(path: Path) -> Mapping[str, Price]:
    """Prices by model name. Raises InputError for a malformed file."""
    return load_settings(path, _Prices, remedy=_REMEDY).models


def known_price(model: str, prices: Mapping[str, Price], path: Path) -> Price:
    """The price of a model. If there is none, raises InputError with the line to add."""
    if model not in prices:
        remedy = f"Add a line such as '{model}: {{input: 1.00, output: 4.00, batch: 0.5}}' (USD per million tokens)"
        raise InputError(f"no price for model {model!r}", path=path, place="models", remedy=remedy)
    return prices[model]
