"""A tiny trained pipeline with confidences."""

from __future__ import annotations

from pathlib import Path

from made import provenance, source
from spacy.language import Language
from spacy.training import Example
from spacy.util import fix_random_seed

from medner.data.tokenizer import blank
from medner.model.provenance import Provenance, stamp

TEXT = "Ana Pop are diabet ."
CNN = {"width": 32, "depth": 2, "embed_size": 200, "window_size": 1, "maxout_pieces": 2, "subword_features": False}
MODEL = {
    "@architectures": "medner.BioTagger.v1",
    "tok2vec": {"@architectures": "spacy.HashEmbedCNN.v2", "pretrained_vectors": None, **CNN},
}
MADE_WITH = provenance("exp2-bio", sources={"ronec": source("RONEC v1"), "med-ro": source("synthetic | text")})


def train(folder: Path, made_with: Provenance | None = MADE_WITH) -> Language:
    """Train a pipeline that knows one sentence, and write it."""
    fix_random_seed(0)
    nlp = blank()
    nlp.add_pipe("medner_bio", config={"model": MODEL})
    gold = nlp.make_doc(TEXT)
    gold.set_ents([gold.char_span(0, 7, "PERSON"), gold.char_span(12, 18, "MEDICAL")])
    example = Example(nlp.make_doc(TEXT), gold)
    optimizer = nlp.initialize(lambda: [example])
    optimizer.learn_rate = 0.01
    for _ in range(20):
        nlp.update([example], sgd=optimizer)
    # What training leaves in a config: names of functions that a loaded pipeline does not need.
    nlp.config["initialize"]["before_init"] = {"@callbacks": "medner.tokenizer.v1"}
    folder.parent.mkdir(exist_ok=True)
    nlp.to_disk(folder)
    if made_with:
        stamp(folder, made_with)
    return nlp
