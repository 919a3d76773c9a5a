from __future__ import annotations

from pathlib import Path

import pytest
from spacy.tokens import DocBin

from medner.data.docbins import read_docbin
from medner.data.tokenizer import blank
from medner.evaluation.learning_curves import RESAMPLES, Point, added, points, rows, write_part
from medner.evaluation.results import Run, write_counts
from medner.evaluation.scores import Counts
from medner.exceptions import InputError
from medner.study import Curves, Study, load_study

PLAN = Study(
    sources={"news": {}, "ro": {}, "fr": {}},
    experiments={"base": ("news",), "two": ("news", "ro"), "three": ("news", "ro", "fr"), "absent": ("news", "gone")},
    suites={"real": ("ro",)},
    curves=Curves("base", (3, 8, 500), {"ro": "two", "ro+fr": "three", "gone": "absent"}, {"real": "ro"}),
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
    found = [(p.mix, p.experiment, p.sentences, p.own) for p in points(PLAN, corpus, [0])]
    assert found == [
        ("ro", "base", 0, False), ("ro", "two", 3, True), ("ro", "two", 8, True), ("ro", "two", 10, False),
        ("ro+fr", "base", 0, False), ("ro+fr", "three", 3, True), ("ro+fr", "three", 8, True),
        ("ro+fr", "three", 30, False),
    ]  # fmt: skip
    assert added(PLAN, "ro+fr") == ("ro", "fr")


def test_a_smaller_draw_is_part_of_a_larger_one_and_sources_have_their_shares(corpus: Path) -> None:
    small, large = ids(PLAN, corpus, "ro+fr", 3), ids(PLAN, corpus, "ro+fr", 12)
    assert small[:5] == large[:5] == [f"news-{n}" for n in range(5)]
    assert set(small) < set(large)
    drawn = [name.split("-")[0] for name in large[5:]]
    assert (drawn.count("ro"), drawn.count("fr")) == (4, 8)
    assert ids(PLAN, corpus, "ro+fr", 12) == large
    assert ids(PLAN, corpus, "ro+fr", 12, seed=1) != large


def evaluated(folder: Path, hits: int, texts: int) -> Run:
    """A run that found the one mention of ``hits`` texts."""
    write_counts(folder, {"real": [Counts(1, 0, 0)] * hits + [Counts(0, 0, 1)] * (texts - hits)})
    real = {"f1": 2 * hits / (hits + texts), "units": texts, "tp": hits, "fp": 0, "fn": texts - hits}
    scores = {"real": real, "other": {"f1": 0.1}}
    return Run(folder, {"provenance": {}, "test": {"ro": {"annotated": ["MEDICAL"]}}, "suites": scores})


def test_rows_name_the_reference_and_have_the_same_resamples(tmp_path: Path) -> None:
    point = Point("ro", "two", 3, 7, own=True)
    runs = [(point, evaluated(tmp_path / str(hits), hits, 40)) for hits in (20, 20, 30)]
    one, same, better = rows(PLAN, runs)
    assert one | {"resampled": None} == {
        "mix": "ro", "sentences": 3, "seed": 7, "suite": "real", "reference": "ro",
        "f1": pytest.approx(2 / 3), "resampled": None,
    }  # fmt: skip
    assert one == same
    assert len(one["resampled"]) == RESAMPLES
    assert sum(one["resampled"]) / RESAMPLES == pytest.approx(2 / 3, abs=0.02)
    assert all(a <= b for a, b in zip(one["resampled"], better["resampled"], strict=True))  # its hits hold the other's
    (few,) = rows(PLAN, [(point, evaluated(tmp_path / "few", 2, 9))])
    assert few["resampled"] is None


def test_a_plan_without_curves(corpus: Path) -> None:
    with pytest.raises(InputError, match="has no curves"):
        list(points(Study(PLAN.sources, PLAN.experiments, PLAN.suites), corpus, [0]))


@pytest.mark.parametrize(
    ("curves", "message"),
    [
        ("{base: y, sizes: [1], mixes: {}, suites: {}}", r"curves use unknown experiments \['y'\]"),
        ("{base: x, sizes: [1], mixes: {}, suites: {s: z}}", r"curves' suites use unknown mixes \['z'\]"),
        ("{base: x}", "is no study of experiments"),
    ],
)
def test_malformed_curves(tmp_path: Path, curves: str, message: str) -> None:
    path = tmp_path / "experiments.yml"
    path.write_text(
        f"sources: {{a: {{labels: synthetic, lang: ro}}}}\nexperiments: {{x: [a]}}\nsuites: {{}}\ncurves: {curves}\n"
    )
    with pytest.raises(InputError, match=message):
        load_study(path)
