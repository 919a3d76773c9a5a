"""The committed corpora keep the promises of their data card."""

from __future__ import annotations

import itertools

import pytest
import yaml
from conftest import ROOT

from medner.data.leakage import shared_forms, surface_forms
from medner.data.overlap import Overlap, mention_keys
from medner.data.readers.ronec import read_ronec
from medner.data.readers.synthetic import read_synthetic
from medner.data.records import Record, Tally

FOLDER = ROOT / "assets" / "synthetic"
GENERIC = yaml.safe_load((FOLDER / "generic_nouns.yml").read_text())
SPLITS = ("train", "dev", "test")
CORPORA = {
    lang: {split: list(read_synthetic(FOLDER / lang / f"{split}.jsonl", Tally())) for split in SPLITS}
    for lang in ("ro", "fr")
}


@pytest.mark.parametrize("lang", CORPORA)
def test_no_form_of_one_split_occurs_in_another(lang: str) -> None:
    for a, b in itertools.combinations(SPLITS, 2):
        shared = shared_forms(
            mention_keys(CORPORA[lang][a]), surface_forms(CORPORA[lang][b], ["PERSON", "ORG", "MEDICAL"], GENERIC[lang])
        )
        assert shared == {"PERSON": [], "ORG": [], "MEDICAL": []}, (a, b)


@pytest.mark.parametrize("lang", CORPORA)
def test_ids_and_languages(lang: str) -> None:
    records = [record for split in SPLITS for record in CORPORA[lang][split]]
    assert len({record.id for record in records}) == len(records)
    assert {record.lang for record in records} == {lang}
    assert 0.05 <= sum(not record.entities for record in records) / len(records) <= 0.15


def test_the_sample_shares_no_sentence_across_splits() -> None:
    sample: dict[str, list[Record]] = {
        split: list(read_ronec(ROOT / "assets" / "sample" / f"{split}.json", Tally()))
        for split in ("train", "valid", "test")
    }
    assert sum(len(records) for records in sample.values()) >= 400
    assert all(record.id.startswith("sample-") for records in sample.values() for record in records)
    for a, b in itertools.combinations(sample, 2):
        overlap = Overlap(record.text for record in sample[a])
        assert [record.text for record in sample[b] if overlap.find(record.text)] == []
