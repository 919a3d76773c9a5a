from __future__ import annotations

from pathlib import Path

import pytest
from made import provenance
from spacy.language import Language
from spacy.pipeline import EntityRuler
from spacy.tokens import DocBin

from medner.data.manifests import CorpusManifest
from medner.data.records import Entity, Record
from medner.data.tokenizer import blank, reference_doc
from medner.evaluation.pipelines import (
    as_prediction,
    describe_tests,
    predict,
    read_examples,
    spacy_scores,
    training_mentions,
)
from medner.evaluation.scores import TestSource
from medner.exceptions import InputError
from medner.files import sha256

RECORDS = [
    Record("1", "ro", "Ana Pop are HTA.", (Entity(0, 7, "PERSON"), Entity(12, 15, "MEDICAL"))),
    Record("2", "ro", "Fără Covid19x.", (Entity(5, 12, "MEDICAL"),)),  # ends inside a token
]


@pytest.fixture
def nlp() -> Language:
    """A pipeline that finds HTA and, wrongly, Fără."""
    nlp = blank()
    ruler = nlp.add_pipe("entity_ruler")
    assert isinstance(ruler, EntityRuler)
    ruler.add_patterns([{"label": "MEDICAL", "pattern": "HTA"}, {"label": "PERSON", "pattern": "Fără"}])
    return nlp


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    docbin = DocBin(store_user_data=True)
    for record in RECORDS:
        doc, _ = reference_doc(blank(), record)
        doc.user_data = {"id": record.id, "source": "med-ro", "lang": record.lang}
        docbin.add(doc)
    (tmp_path / "med-ro").mkdir()
    docbin.to_disk(tmp_path / "med-ro" / "test.spacy")
    return tmp_path


def test_from_a_test_file_to_predictions(nlp: Language, corpus: Path) -> None:
    """Tokens are the pipeline's own, not those of the gold document, whose tokens are split where mentions need it."""
    found = list(predict(nlp, read_examples(nlp, corpus / "med-ro" / "test.spacy")))
    first, second = map(as_prediction, found)
    assert (first.id, first.source, first.lang, first.text) == ("1", "med-ro", "ro", "Ana Pop are HTA.")
    assert first.gold == RECORDS[0].entities
    assert first.predicted == (Entity(12, 15, "MEDICAL"),)
    assert (second.gold, second.predicted) == (RECORDS[1].entities, (Entity(0, 4, "PERSON"),))
    assert [second.text[start:end] for start, end in second.tokens] == ["Fără", "Covid19x", "."]
    scores = spacy_scores(nlp, found, seconds=2.0)
    assert (scores["ents_p"], scores["ents_r"], scores["speed"]) == (0.5, pytest.approx(1 / 3), 8 / 2)


def test_what_a_run_is_measured_on(corpus: Path) -> None:
    about = {"note": "n", "stand_in": False, "annotated": ["LOC"], "documents": "^(\\w+)", "splits": {}}
    manifest = CorpusManifest.model_validate(
        {
            "sources": {"med-ro": about, "unused": about}, "persons": "named", "experiments": {},
            "suites": {"both": ["med-ro"]}, "skipped": {}, "sha256": {},
        }
    )  # fmt: skip
    mark = sha256((corpus / "med-ro" / "test.spacy").read_bytes())
    assert describe_tests(corpus, manifest) == {
        "med-ro": TestSource(note="n", stand_in=False, annotated=("LOC",), documents="^(\\w+)", sha256=mark)
    }


def test_seen_refers_to_the_file_that_the_model_was_trained_on(nlp: Language, corpus: Path) -> None:
    path = corpus / "med-ro" / "test.spacy"
    about = provenance("exp9", corpus={"train": sha256(path.read_bytes())})
    assert training_mentions(nlp, path, about) == {("PERSON", "ana pop"), ("MEDICAL", "hta"), ("MEDICAL", "covid")}
    other = provenance("exp9", corpus={"train": "another"})
    with pytest.raises(InputError, match=r"test.spacy: is not what exp9 was trained on\. Train it again, or make"):
        training_mentions(nlp, path, other)
