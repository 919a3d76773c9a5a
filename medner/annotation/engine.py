"""Entities of many texts, with any saved pipeline, as fast as one core computes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import spacy
import torch
from spacy.language import Language
from spacy.tokens import Doc

from medner.annotation.entities import About, Arithmetic, Entity
from medner.exceptions import InputError
from medner.model.bio import FACTORY, entity_scores
from medner.model.loading import load_pipeline
from medner.model.pipelines import named_pipeline


def load(model: str | Path, *, arithmetic: Arithmetic = "auto", threads: int = 1) -> Language:
    """A saved pipeline whose ``nlp.pipe`` is fast.

    model: a trained experiment, a pipeline's folder or the name of an installed package. arithmetic: ``auto`` is bf16
    where the processor multiplies it faster, else fp32 (``MEDNER_ARITHMETIC`` decides instead); ``int8`` is faster, but
    some entities differ. threads: of PyTorch in this process; more than one is slower on sentences, and many times
    slower beside other work. Raises InputError for what is not a pipeline, and as :func:`load_pipeline`.
    """
    from medner.model.inference import speed_up  # noqa: PLC0415 - needs spacy-transformers, which is slow to load

    named = named_pipeline(str(model))
    try:
        nlp = load_pipeline(Path(named)) if Path(named).is_dir() else spacy.load(named)
    except (OSError, ValueError) as error:
        what = f"not a pipeline that can be loaded ({' '.join(str(error).split())[:200]})"
        raise InputError(what, path=model, remedy="Give a pipeline's folder or the name of an installed one") from None
    torch.set_num_threads(threads)
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")  # 1,024 shapes of matrices would take 500 MB
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true" if threads > 1 else "false")
    return speed_up(nlp, int8=arithmetic == "int8")


def annotate_texts(nlp: Language, texts: Sequence[str]) -> list[list[Entity]]:
    """The entities of every text, sorted by start. A text that occurs several times is read once."""
    found: dict[str, list[Entity]] = {}
    unique = sorted(dict.fromkeys(texts), key=len)  # texts of a batch are padded to the longest
    for text, doc in zip(unique, nlp.pipe(unique), strict=True):
        found[text] = entities_of(doc)
        doc.user_data.clear()  # the transformer's output would fill the memory
    return [found[text] for text in texts]


def entities_of(doc: Doc) -> list[Entity]:
    """The entities of a document, with their confidence where the pipeline gave one."""
    scores = entity_scores(doc) or {}
    return [Entity(e.start_char, e.end_char, e.label_, e.text, scores.get((e.start, e.end, e.label))) for e in doc.ents]


def about(nlp: Language) -> About:
    """What the pipeline can be asked for."""
    finders = [name for name in nlp.pipe_names if "doc.ents" in nlp.get_pipe_meta(name).assigns]
    labels = {label for name in finders for label in nlp.pipe_labels.get(name, ())}
    return About(tuple(sorted(labels)), any(nlp.get_pipe_meta(name).factory == FACTORY for name in finders))
