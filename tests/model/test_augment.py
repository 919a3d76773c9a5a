from __future__ import annotations

from pathlib import Path

import pytest
from conftest import ROOT
from spacy.tokens import DocBin
from spacy.training import Corpus, Example
from spacy.util import registry

from medner.data.readers.synthetic import read_synthetic
from medner.data.records import Tally
from medner.data.tokenizer import blank, reference_doc
from medner.model.augment import WAYS, hospital_text
from medner.model.configs import load_training_config

NLP = blank()
ALWAYS = dict.fromkeys(WAYS, 1.0)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    docs = DocBin(store_user_data=True)
    records = list(read_synthetic(ROOT / "assets" / "synthetic" / "ro" / "dev.jsonl", Tally()))[:60]
    for number, record in enumerate(records):
        doc, _ = reference_doc(NLP, record)
        doc.user_data["annotated"] = ["MEDICAL"] if number % 2 else ["MEDICAL", "PERSON"]
        doc.user_data["id"] = record.id
        docs.add(doc)
    path = tmp_path_factory.mktemp("corpus") / "train.spacy"
    docs.to_disk(path)
    return path


def texts(examples: list[Example]) -> list[str]:
    return [example.reference.text for example in examples]


def read(path: Path, **options: object) -> list[Example]:
    return list(Corpus(path, augmenter=hospital_text(**options))(NLP))  # type: ignore[arg-type]


def test_a_pass_has_as_many_examples_with_all_their_mentions_and_user_data(corpus: Path) -> None:
    plain = list(Corpus(corpus)(NLP))
    varied = read(corpus, rates=ALWAYS, joined=0.0)
    assert len(varied) == len(plain)
    for before, after in zip(plain, varied, strict=True):
        assert before.reference.text != after.reference.text
        assert [e.label_ for e in before.reference.ents] == [e.label_ for e in after.reference.ents]
        assert before.reference.user_data == after.reference.user_data
        assert after.predicted.text == after.reference.text
        for ent in after.reference.ents:
            assert ent.text == ent.text.strip()


def test_nothing_varies_at_a_rate_of_zero(corpus: Path) -> None:
    assert texts(read(corpus, rates=dict.fromkeys(WAYS, 0.0))) == texts(list(Corpus(corpus)(NLP)))


def test_the_same_seed_gives_the_same_text(corpus: Path) -> None:
    rates = dict.fromkeys(WAYS, 0.3)
    first, again, other = (texts(read(corpus, rates=rates, joined=0.2, seed=seed)) for seed in (1, 1, 2))
    assert first == again != other


def test_only_sentences_that_annotate_the_same_labels_are_joined(corpus: Path) -> None:
    joined = read(corpus, rates={}, joined=1.0)
    own = {text: number % 2 for number, text in enumerate(texts(list(Corpus(corpus)(NLP))))}
    for number, example in enumerate(joined[2:]):
        parts = [kind for text, kind in own.items() if text in example.reference.text]
        assert len(parts) > 1
        assert set(parts) == {number % 2}


def test_an_unknown_way_is_refused() -> None:
    with pytest.raises(ValueError, match="capitalls"):
        hospital_text({"capitalls": 0.1})


@pytest.mark.parametrize("name", ["transformer", "bio"])
def test_every_pass_of_a_training_varies_other_sentences(name: str, corpus: Path) -> None:
    batcher = load_training_config(ROOT / "configs" / f"{name}.cfg").interpolate()["training"]["batcher"]
    batches = registry.resolve({"batcher": batcher})["batcher"]
    plain = list(Corpus(corpus)(NLP))
    first, second = ([one for batch in batches(plain) for one in batch] for _ in range(2))
    assert len(first) == len(second) == len(plain)
    kept = [{id(example) for example in plain} & {id(example) for example in one} for one in (first, second)]
    assert 0.3 * len(plain) < len(kept[0]) < 0.9 * len(plain)
    assert kept[0] != kept[1]
    assert all(example.reference.vocab is plain[0].reference.vocab for example in first)
