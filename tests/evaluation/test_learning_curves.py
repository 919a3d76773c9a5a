from __future__ import annotations

from pathlib import Path

import pytest
from made import run, scores, suite_score
from spacy.tokens import DocBin

from medner.data.docbins import read_docbin
from medner.data.tokenizer import blank
from medner.evaluation.learning_curves import RESAMPLES, Point, added, points, rows, write_part
from medner.evaluation.results import Run
from medner.evaluation.scores import Counts
from medner.exceptions import InputError
from medner.study import Study

STUDY = Study.model_validate(
    {
        "sources": {
            "news": {"labels": "ronec", "lang": "ro"},
            "ro": {"labels": "synthetic", "lang": "ro"},
            "fr": {"labels": "synthetic", "lang": "fr"},
            "gone": {"labels": "synthetic", "lang": "it"},
        },
        "experiments": {
            "base": {"model": "cnn", "sources": ["news"]},
            "two": {"model": "cnn", "sources": ["news", "ro"]},
            "three": {"model": "cnn", "sources": ["news", "ro", "fr"]},
            "absent": {"model": "cnn", "sources": ["news", "gone"]},
        },
        "suites": {"real": {"sources": ["ro"], "group": "real"}},
        "curves": {
            "base": "base",
            "sizes": [3, 8, 500],
            "mixes": {"ro": "two", "ro+fr": "three", "gone": "absent"},
            "suites": {"real": "ro"},
        },
    }
)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    nlp = blank()
    for source, size in (("news", 5), ("ro", 10), ("fr", 20)):
        docs = DocBin(store_user_data=True)
        for number in range(size):
            doc = nlp(f"{source} {number}")
            doc.user_data = {"id": f"{source}-{number}", "source": source, "lang": "ro"}
            docs.add(doc)
        (tmp_path / source).mkdir()
        docs.to_disk(tmp_path / source / "train.spacy")
    for name in ("two", "three"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "train.spacy").touch()
    return tmp_path


def ids(study: Study, corpus: Path, mix: str, sentences: int, seed: int = 0) -> list[str]:
    path = write_part(study, corpus, Point(mix, "any", sentences, seed, own=True))
    return [record.id for record in read_docbin(path, blank())]


def test_sizes_up_to_all_of_it(corpus: Path) -> None:
    found = [(p.mix, p.experiment, p.sentences, p.own) for p in points(STUDY, corpus, [0])]
    assert found == [
        ("ro", "base", 0, False), ("ro", "two", 3, True), ("ro", "two", 8, True), ("ro", "two", 10, False),
        ("ro+fr", "base", 0, False), ("ro+fr", "three", 3, True), ("ro+fr", "three", 8, True),
        ("ro+fr", "three", 30, False),
    ]  # fmt: skip
    assert added(STUDY, "ro+fr") == ("ro", "fr")


def test_points_know_what_a_language_model_read_and_wrote_for_them(corpus: Path) -> None:
    """Each source has its share; a mix that people made a part of has no tokens."""
    tokens = {"ro": (90.0, 3.0), "fr": (60.0, 30.0)}
    sources = {name: source.model_copy(update={"tokens": tokens.get(name)}) for name, source in STUDY.sources.items()}
    study = STUDY.model_copy(update={"sources": sources})
    found = {(p.mix, p.sentences): p.tokens for p in points(study, corpus, [0])}
    assert found["ro", 0] == (0, 0)
    assert found["ro", 3] == (270, 9)
    assert found["ro+fr", 30] == (pytest.approx(90 * 10 + 60 * 20), pytest.approx(3 * 10 + 30 * 20))
    sources["fr"] = STUDY.sources["fr"]
    found = {(p.mix, p.sentences): p.tokens for p in points(study, corpus, [0])}
    assert (found["ro", 8], found["ro+fr", 8]) == ((720, 24), None)


def test_a_smaller_draw_is_part_of_a_larger_one_and_sources_have_their_shares(corpus: Path) -> None:
    small, large = ids(STUDY, corpus, "ro+fr", 3), ids(STUDY, corpus, "ro+fr", 12)
    assert small[:5] == large[:5] == [f"news-{n}" for n in range(5)]
    assert set(small) < set(large)
    drawn = [name.split("-")[0] for name in large[5:]]
    assert (drawn.count("ro"), drawn.count("fr")) == (4, 8)
    assert ids(STUDY, corpus, "ro+fr", 12) == large
    assert ids(STUDY, corpus, "ro+fr", 12, seed=1) != large


def evaluated(metrics: Path, hits: int, texts: int) -> Run:
    """A run that found the one mention of ``hits`` texts."""
    counts = [Counts(1, 0, 0)] * hits + [Counts(0, 0, 1)] * (texts - hits)
    suites = {"real": suite_score(counts=Counts(hits, 0, texts - hits), units=texts), "other": suite_score()}
    return run(metrics, scores(suites=suites), {"real": counts})


def test_rows_name_the_reference_and_have_the_same_resamples(tmp_path: Path) -> None:
    point = Point("ro", "two", 3, 7, own=True)
    runs = [(point, evaluated(tmp_path / str(hits), hits, 40)) for hits in (20, 20, 30)]
    one, same, better = rows(STUDY, runs)
    assert (one.mix, one.sentences, one.seed, one.suite, one.reference) == ("ro", 3, 7, "real", "ro")
    assert one.f1 == pytest.approx(2 / 3, abs=1e-6)
    assert one == same
    assert one.resampled is not None
    assert better.resampled is not None
    assert len(one.resampled) == RESAMPLES
    assert sum(one.resampled) / RESAMPLES == pytest.approx(2 / 3, abs=0.02)
    assert all(a <= b for a, b in zip(one.resampled, better.resampled, strict=True))  # its hits hold the other's
    (few,) = rows(STUDY, [(point, evaluated(tmp_path / "few", 2, 9))])
    assert few.resampled is None


def test_a_study_without_curves(corpus: Path) -> None:
    with pytest.raises(InputError, match="has no curves"):
        list(points(STUDY.model_copy(update={"curves": None}), corpus, [0]))
