from __future__ import annotations

import os
import pickle
import random
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import spacy
import torch
from conftest import ROOT, write_embedded
from spacy.language import Language
from spacy.tokens import Doc, DocBin, Span
from spacy.training import Corpus, Example
from spacy.util import fix_random_seed, registry

from medner.data.build import convert
from medner.data.records import Entity, Record, Tally
from medner.data.sources import Part
from medner.data.tokenizer import blank
from medner.model.bio import BioRecogniser, known_tags
from medner.model.temperature import calibrate

Spans = list[tuple[int, int, str]]
SMALL = {"width": 32, "depth": 2, "embed_size": 200, "window_size": 1, "maxout_pieces": 2, "subword_features": False}
CNN = {"@architectures": "spacy.HashEmbedCNN.v2", "pretrained_vectors": None, **SMALL}
MODEL = {"@architectures": "medner.BioTagger.v1", "tok2vec": CNN}
TRAIN = [
    ("Ana Pop are diabet zaharat .", [(0, 7, "PERSON"), (12, 26, "MEDICAL")]),
    ("Ion are gripă .", [(0, 3, "PERSON"), (8, 13, "MEDICAL")]),
    ("Domnul Ion doarme .", [(7, 10, "PERSON")]),
    ("Nimeni nu doarme .", []),
]


def gold(
    nlp: Language, text: str, spans: Iterable[tuple[int, int, str]], annotated: list[str] | None = None
) -> Example:
    doc = nlp.make_doc(text)
    doc.set_ents([doc.char_span(*span) for span in spans])
    if annotated is not None:
        doc.user_data["annotated"] = annotated
    return Example(nlp.make_doc(text), doc)


def train(nlp: Language, examples: list[Example], steps: int = 40) -> list[float]:
    """The losses of every step."""
    fix_random_seed(0)
    optimizer = nlp.initialize(lambda: examples)
    optimizer.learn_rate = 0.01
    losses = []
    for _ in range(steps):
        random.shuffle(examples)
        losses.append(sum(nlp.update(examples, sgd=optimizer, drop=0.1).values()))
    return losses


def with_bio() -> Language:
    nlp = blank()
    nlp.add_pipe("medner_bio", config={"model": MODEL})
    return nlp


def copy_of(nlp: Language) -> Language:
    return with_bio().from_bytes(nlp.to_bytes())


def bio_of(nlp: Language) -> BioRecogniser:
    pipe = nlp.get_pipe("medner_bio")
    assert isinstance(pipe, BioRecogniser)
    return pipe


def entities(doc: Doc) -> Spans:
    return [(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents]


def found(doc: Doc) -> list[tuple[str, str, float]]:
    """Entities with the probabilities that lie beside them."""
    group = doc.spans["entities"]
    return [(ent.text, ent.label_, float(p)) for ent, p in zip(group, group.attrs["scores"], strict=True)]


@pytest.fixture(scope="module")
def trained() -> Language:
    nlp = with_bio()
    losses = train(nlp, [gold(nlp, *one) for one in TRAIN])
    assert losses[-1] < losses[0] / 20
    return nlp


@pytest.mark.parametrize(("text", "expected"), TRAIN)
def test_it_learns(trained: Language, text: str, expected: Spans) -> None:
    doc = trained(text)
    assert entities(doc) == expected
    assert all(token.ent_iob_ in "BIO" for token in doc)


def test_scores_are_spacy_s(trained: Language) -> None:
    scores = trained.evaluate([gold(trained, *one) for one in TRAIN])
    assert (scores["ents_p"], scores["ents_r"], scores["ents_f"]) == (1.0, 1.0, 1.0)
    assert scores["ents_per_type"].keys() == {"PERSON", "MEDICAL"}


def test_labels_of_sources_that_do_not_annotate_them_are_not_scored(trained: Language) -> None:
    """MEDICAL is found in this text, and the gold document, which has none, cannot say that it is wrong."""
    text, spans = TRAIN[0]
    partial = gold(trained, text, spans[:1], annotated=["PERSON", "ORG"])
    assert trained.evaluate([partial])["ents_f"] == 1.0
    assert trained.evaluate([gold(trained, text, spans[:1])])["ents_p"] == 0.5


# Confidence


def test_every_entity_has_a_probability(trained: Language) -> None:
    doc = trained(TRAIN[0][0])
    assert [one[:2] for one in found(doc)] == [("Ana Pop", "PERSON"), ("diabet zaharat", "MEDICAL")]
    assert all(0.5 < probability <= 1 for _, _, probability in found(doc))
    assert [ent._.confidence for ent in doc.ents] == [probability for _, _, probability in found(doc)]
    assert doc[2:3]._.confidence is None
    assert trained.make_doc("Ion")[0:1]._.confidence is None


def test_confidence_survives_saving(trained: Language, tmp_path: Path) -> None:
    doc = trained(TRAIN[0][0])
    [from_docbin] = DocBin().from_bytes(DocBin(docs=[doc]).to_bytes()).get_docs(trained.vocab)
    doc.to_disk(tmp_path / "doc")
    from_disk, from_bytes = (
        Doc(trained.vocab).from_disk(tmp_path / "doc"),
        Doc(trained.vocab).from_bytes(doc.to_bytes()),
    )
    for other in (from_docbin, from_disk, from_bytes):
        assert found(other) == found(doc)
        assert [ent._.confidence for ent in other.ents] == [ent._.confidence for ent in doc.ents]


def test_temperature_changes_the_probability_alone(trained: Language) -> None:
    nlp = copy_of(trained)
    before = found(nlp(TRAIN[0][0]))
    bio_of(nlp).temperature = 3.0
    after = found(nlp(TRAIN[0][0]))
    assert [one[:2] for one in after] == [one[:2] for one in before]
    assert all(warm[2] < cold[2] for warm, cold in zip(after, before, strict=True))
    again = copy_of(nlp)
    assert bio_of(again).temperature == 3.0
    assert found(again(TRAIN[0][0])) == after


def dev(nlp: Language, *, wrong: int, annotated: list[str] | None = None) -> list[Example]:
    """Twenty times the same two entities, of which gold lacks MEDICAL ``wrong`` times."""
    text, spans = TRAIN[0]
    return [gold(nlp, text, spans[: 1 if number < wrong else 2], annotated) for number in range(20)]


def test_calibration_makes_confidence_the_share_that_is_right(trained: Language) -> None:
    nlp = copy_of(trained)
    before = found(nlp(TRAIN[0][0]))
    examples = dev(nlp, wrong=8)
    assert calibrate(nlp, examples) == {"medner_bio": bio_of(nlp).temperature}
    assert bio_of(nlp).temperature > 1
    after = found(nlp(TRAIN[0][0]))
    assert np.mean([one[2] for one in before]) > 0.95
    assert np.mean([one[2] for one in after]) == pytest.approx(0.8, abs=0.05)  # 32 of 40
    assert [one[:2] for one in after] == [one[:2] for one in before]
    assert not any(example.predicted.ents for example in examples)  # left as they were


@pytest.mark.parametrize("weight", [0.0, -1.0, 1.5])
def test_a_weight_that_is_none(weight: float) -> None:
    with pytest.raises(ValueError, match="medner_bio: unannotated is .*; it must be above 0, and 1 at most"):
        blank().add_pipe("medner_bio", config={"unannotated": weight})


def test_an_entity_below_the_threshold_is_left_out(trained: Language) -> None:
    nlp = copy_of(trained)
    less, more = sorted(one[2] for one in found(nlp(TRAIN[0][0])))
    bio_of(nlp).threshold = (less + more) / 2
    assert [one[2] for one in found(copy_of(nlp)(TRAIN[0][0]))] == [more]


def test_calibration_finds_the_threshold_of_the_best_f1(trained: Language) -> None:
    """The less probable of two entities goes if gold never has it."""
    nlp = copy_of(trained)
    text, spans = TRAIN[0]
    least = min(found(nlp(text)), key=lambda one: one[2])
    right = [span for span in spans if text[span[0] : span[1]] != least[0]]
    calibrate(nlp, [gold(nlp, text, right) for _ in range(20)])
    assert least[:2] not in [one[:2] for one in found(nlp(text))]
    calibrate(nlp, dev(nlp, wrong=0))
    assert bio_of(nlp).threshold == 0.0
    calibrate(nlp, [gold(nlp, text, []) for _ in range(20)])
    assert bio_of(nlp).threshold == 0.0  # where nothing is right, no threshold is better than another


def test_calibration_stays_within_limits_where_all_is_right(trained: Language) -> None:
    nlp = copy_of(trained)
    calibrate(nlp, dev(nlp, wrong=0))
    assert 0.5 <= bio_of(nlp).temperature < 1


def test_calibration_leaves_out_what_gold_cannot_judge(trained: Language) -> None:
    """Only the persons, which are all right; or nothing at all."""
    nlp = copy_of(trained)
    calibrate(nlp, dev(nlp, wrong=8, annotated=["PERSON"]))
    assert bio_of(nlp).temperature < 1
    nlp = copy_of(trained)
    assert calibrate(nlp, dev(nlp, wrong=8, annotated=[])) == {"medner_bio": 1.0}


def test_calibration_of_other_pipelines_does_nothing(trained: Language) -> None:
    assert calibrate(blank(), []) == {}
    assert calibrate(copy_of(trained), []) == {"medner_bio": 1.0}


# What is known of a sentence


TAGS = ["O", "B-MEDICAL", "I-MEDICAL", "B-PERSON", "I-PERSON"]


def known(example: Example) -> list[str]:
    """By word, the tags that are possible; * for all of them."""
    allowed = known_tags(example, ["MEDICAL", "PERSON"], unannotated=0.1) > -10
    return ["*" if row.all() else " ".join(np.array(TAGS)[row]) for row in allowed]


def test_without_a_list_every_label_is_annotated() -> None:
    assert known(gold(blank(), *TRAIN[0])) == ["B-PERSON", "I-PERSON", "O", "B-MEDICAL", "I-MEDICAL", "O"]


def test_a_word_may_bear_any_tag_of_a_label_that_is_not_annotated() -> None:
    example = gold(blank(), "Ana Pop are gripă", [(0, 7, "PERSON")], annotated=["PERSON", "LOC"])
    either = "O B-MEDICAL I-MEDICAL"
    assert known(example) == ["B-PERSON", "I-PERSON", either, either]


def test_a_mention_of_a_label_that_is_not_annotated_has_its_weight() -> None:
    example = gold(blank(), "Ana are gripă", [(0, 3, "PERSON")], annotated=["PERSON"])
    weights = np.exp(known_tags(example, ["MEDICAL", "PERSON"], unannotated=0.1))
    assert weights.tolist()[1] == pytest.approx([1, 0.1, 1, 0, 0])


def test_a_mention_ends_where_it_ends_though_its_label_is_not_annotated() -> None:
    example = gold(blank(), "Ana Pop are gripă", [(0, 3, "PERSON")], annotated=[])
    assert known(example) == ["B-PERSON", "O B-MEDICAL I-MEDICAL B-PERSON", "*", "*"]


def test_nothing_is_known_of_a_word_that_a_mention_starts_or_ends_inside() -> None:
    nlp = blank()
    reference = Doc(nlp.vocab, words=["Ana", "are", "Covid", "19x", "."], spaces=[True, True, False, True, False])
    reference.set_ents([Span(reference, 0, 1, label="PERSON"), Span(reference, 2, 3, label="MEDICAL")])
    assert known(Example(nlp.make_doc("Ana are Covid19x ."), reference)) == ["B-PERSON", "O", "*", "O"]


def test_nothing_is_known_without_annotation() -> None:
    nlp = blank()
    assert known(Example(nlp.make_doc("Ana are"), nlp.make_doc("Ana are"))) == ["*", "*"]


def test_mentions_of_other_labels_are_no_entities() -> None:
    assert known(gold(blank(), "Ana are Arad", [(8, 12, "LOC")])) == ["O", "O", "O"]


def test_white_space_belongs_to_the_entity_around_it() -> None:
    """And to none at an edge: it gets no tag."""
    text = "Ana  Pop \n are   diabet \t zaharat  ."
    nlp = blank()
    spans = [(0, 8, "PERSON"), (text.index("diabet"), text.index("  ."), "MEDICAL")]
    assert known(gold(nlp, text, spans)) == ["B-PERSON", "I-PERSON", "O", "B-MEDICAL", "I-MEDICAL", "O"]


def test_entities_hold_white_space_inside_and_none_at_their_edges(trained: Language) -> None:
    assert found(trained("Ana  Pop \n are   diabet \t zaharat  ."))[0][0] == "Ana  Pop"
    for text, spans in TRAIN:
        spaced = text.replace(" ", " \n ")
        doc = trained(spaced)
        assert [ent.text.split() for ent in doc.ents] == [text[start:end].split() for start, end, _ in spans]
        assert all(ent.text == ent.text.strip() for ent in doc.ents)


def test_what_cannot_be_seen_is_as_white_space(trained: Language) -> None:
    text, spans = TRAIN[0]
    doc = trained(text.replace(" ", " \u200b \u200e"))
    bare = [ent.text.replace("\u200b", "").replace("\u200e", "").split() for ent in doc.ents]
    assert bare == [text[start:end].split() for start, end, _ in spans]
    assert all(ent[0].text.strip("\u200b\u200e") and ent[-1].text.strip("\u200b\u200e") for ent in doc.ents)


def test_the_corpus_step_s_list_reaches_training(tmp_path: Path) -> None:
    part = Part([Record("1", "ro", "Ana are gripă", (Entity(8, 13, "MEDICAL"),))], Tally())
    convert(blank(), part, "monero", ["MEDICAL"])[0].to_disk(tmp_path / "train.spacy")
    [example] = Corpus(tmp_path / "train.spacy")(blank())
    assert known(example) == ["O B-PERSON I-PERSON", "O B-PERSON I-PERSON", "B-MEDICAL"]


# Two sources, each of which annotates what the other leaves out

NAMES = ["Ana", "Ion", "Dan", "Mara", "Radu", "Sorin", "Elena", "Vlad"]
DISEASES = ["gripă", "diabet", "astm", "otită", "gută", "rujeolă", "anemie", "angină"]
FORMS = ["{} are {} acum .", "Aici {} spune că are {} .", "{} nu mai are {} deloc .", "Despre {} și {} se vorbește ."]


def half_annotated(nlp: Language, *, mark: bool) -> tuple[list[Example], list[Example]]:
    """Training and test. A news source marks persons alone, a medical one diseases alone; their text is alike."""
    examples: list[list[Example]] = [[], []]
    draw = random.Random(0)
    for number in range(80):
        name, disease = draw.choice(NAMES), draw.choice(DISEASES)
        text = FORMS[number % len(FORMS)].format(name, disease)
        person = (text.index(name), text.index(name) + len(name), "PERSON")
        illness = (text.index(disease), text.index(disease) + len(disease), "MEDICAL")
        kept = person if number % 8 < 4 else illness
        examples[0].append(gold(nlp, text, [kept], [kept[2]] if mark else None))
        examples[1].append(gold(nlp, text, sorted([person, illness])))
    return examples[0], examples[1]


def test_two_half_annotated_sources_teach_both_labels() -> None:
    """ner takes what a source leaves out for O, and so loses about half; the lists of annotated labels keep it all."""
    f1 = {}
    for factory, config in (("ner", {}), ("medner_bio", {"model": MODEL, "unannotated": 1.0})):
        nlp = blank()
        nlp.add_pipe(factory, config=config)
        train_part, test_part = half_annotated(nlp, mark=True)
        train(nlp, train_part, steps=30)
        f1[factory] = nlp.evaluate(test_part)["ents_f"]
    unmarked = with_bio()
    train_part, test_part = half_annotated(unmarked, mark=False)
    train(unmarked, train_part, steps=30)
    assert f1["medner_bio"] == 1.0
    assert f1["ner"] < 0.8
    assert unmarked.evaluate(test_part)["ents_f"] < 0.8  # so it is the list that helps


# As a component of spaCy


def test_labels_are_those_of_the_data_sorted_and_saved(trained: Language, tmp_path: Path) -> None:
    assert bio_of(trained).labels == ("MEDICAL", "PERSON")
    trained.to_disk(tmp_path / "model")
    assert bio_of(spacy.load(tmp_path / "model")).labels == ("MEDICAL", "PERSON")


def test_a_label_can_be_added_before_initialisation_only(trained: Language) -> None:
    pipe = bio_of(with_bio())
    assert [pipe.add_label(label) for label in ("ORG", "LOC", "ORG")] == [1, 1, 0]
    assert pipe.labels == ("LOC", "ORG")
    assert bio_of(trained).add_label("PERSON") == 0
    with pytest.raises(ValueError, match="cannot learn 'LOC': its labels are MEDICAL, PERSON. Train it anew"):
        bio_of(trained).add_label("LOC")


def test_labels_can_be_given() -> None:
    nlp = with_bio()
    nlp.config["initialize"]["components"]["medner_bio"] = {"labels": ["PERSON"]}
    train(nlp, [gold(nlp, *one) for one in TRAIN])
    assert entities(nlp(TRAIN[0][0])) == [(0, 7, "PERSON")]


def test_a_corpus_without_entities_is_refused() -> None:
    nlp = with_bio()
    with pytest.raises(ValueError, match="medner_bio has no labels: no training document has an entity"):
        nlp.initialize(lambda: [gold(nlp, *TRAIN[3])])


def test_saving_is_exact_and_without_pickle(trained: Language, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: Any, **options: Any) -> None:
        raise AssertionError("pickled")

    for name in ("pickle.dump", "pickle.dumps", "pickle.load", "pickle.loads", "torch.save", "torch.load"):
        monkeypatch.setattr(name, refused)
    trained.to_disk(tmp_path / "model")
    from_disk, from_bytes = spacy.load(tmp_path / "model"), copy_of(trained)
    for nlp in (from_disk, from_bytes):
        assert bio_of(nlp).to_bytes() == bio_of(trained).to_bytes()
        for text, _ in TRAIN:
            assert found(nlp(text)) == found(trained(text))


def test_processes_can_be_spawned(trained: Language) -> None:
    """nlp.pipe(n_process=2) pickles components where processes are not forked."""
    pipe = pickle.loads(pickle.dumps(bio_of(trained)))
    assert found(pipe(trained.make_doc(TRAIN[0][0]))) == found(trained(TRAIN[0][0]))


def test_an_untrained_component_can_be_saved(tmp_path: Path) -> None:
    nlp = with_bio()
    bio_of(nlp).add_label("ORG")
    nlp.to_disk(tmp_path / "model")
    assert bio_of(spacy.load(tmp_path / "model")).labels == ("ORG",)


@pytest.mark.parametrize("texts", [[], [""], ["", ""], [" "], ["\n\n", ""], ["", "Ion are gripă .", " "]])
def test_texts_without_words(trained: Language, texts: list[str]) -> None:
    docs = list(trained.pipe(texts))
    assert [len(doc.ents) for doc in docs] == [2 if text.strip() else 0 for text in texts]
    assert all(len(doc.spans["entities"]) == len(doc.ents) for doc in docs)


@pytest.mark.parametrize("texts", [["Ion are gripă ."], [""], [" "], ["", "Ion are gripă .", " \n"]])
def test_updates_on_few_and_empty_examples(trained: Language, texts: list[str]) -> None:
    nlp = copy_of(trained)
    spans: Spans = [(0, 3, "PERSON")]
    losses = nlp.update([gold(nlp, text, spans if "Ion" in text else []) for text in texts], sgd=nlp.resume_training())
    assert np.isfinite(losses["medner_bio"])
    assert (losses["medner_bio"] > 0) == any(text.strip() for text in texts)
    assert all(np.isfinite(one[2]) for one in found(nlp("Ion are gripă .")))


def test_entities_that_are_there_already_stay(trained: Language) -> None:
    nlp = copy_of(trained)
    ruler: Any = nlp.add_pipe("entity_ruler", first=True)
    ruler.add_patterns([{"label": "DRUG", "pattern": "zaharat"}])
    doc = nlp(TRAIN[0][0])
    assert [(ent.text, ent.label_) for ent in doc.ents] == [("Ana Pop", "PERSON"), ("zaharat", "DRUG")]
    assert [one[0] for one in found(doc)] == ["Ana Pop"]
    assert doc.ents[1]._.confidence is None


def test_a_second_pass_changes_nothing(trained: Language) -> None:
    doc = trained(TRAIN[0][0])
    first = found(doc)
    assert found(trained(doc)) == first
    assert entities(doc) == TRAIN[0][1]


def test_sourced_into_another_pipeline(trained: Language) -> None:
    other = spacy.blank("ro")
    other.add_pipe("sentencizer")
    other.add_pipe("medner_bio", name="diseases", source=trained)
    assert entities(other(TRAIN[0][0])) == TRAIN[0][1]


def test_training_goes_on(trained: Language) -> None:
    nlp = copy_of(trained)
    optimizer, example = nlp.resume_training(), gold(nlp, "Doamna Vera râde .", [(7, 11, "PERSON")])
    losses = [nlp.update([example], sgd=optimizer)["medner_bio"] for _ in range(20)]
    assert losses[-1] < losses[0] / 2


def test_bf16_does_not_reach_it(trained: Language) -> None:
    """The encoder is computed in bf16; loss, gradient and probabilities are as without."""
    losses, outputs = [], []
    for on in (False, True):
        nlp = copy_of(trained)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=on):
            losses.append(nlp.update([gold(nlp, *TRAIN[0])], sgd=nlp.resume_training())["medner_bio"])
            outputs.append(found(nlp(TRAIN[0][0])))
    assert losses[0] == losses[1]
    assert outputs[0] == outputs[1]


def test_entry_points_name_what_configs_do() -> None:
    """So `spacy train configs/bio.cfg` needs no --code where medner is installed."""
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    for group in ("architectures", "scorers"):
        for name, value in points[f"spacy_{group}"].items():
            assert EntryPoint(name, value, group).load() is registry.get(group, name)
    assert points["spacy_factories"].keys() == {"medner_bio"}
    assert EntryPoint("medner_bio", points["spacy_factories"]["medner_bio"], "").load().__name__ == "make_bio"


# With a transformer


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a corpus, a tiny encoder and a pipeline that `spacy train configs/bio.cfg` made of them."""
    folder = tmp_path_factory.mktemp("project")
    nlp = blank()
    train_part, test_part = half_annotated(nlp, mark=True)
    for split, part in (("train", train_part), ("dev", test_part)):
        (folder / "corpus" / "exp3-bio").mkdir(parents=True, exist_ok=True)
        docs = DocBin(store_user_data=True, docs=[example.reference for example in part])
        docs.to_disk(folder / "corpus" / "exp3-bio" / f"{split}.spacy")
    write_embedded(folder / "training" / "encoder", [example.text for example in train_part], hidden=32)
    (folder / "training" / "logs").mkdir()
    code = f"""
import medner.data.tokenizer, medner.model.augment, medner.model.batches, medner.model.bio, medner.model.edges
from spacy.cli.train import train
train({str(ROOT / "configs" / "bio.cfg")!r}, "training/exp3-bio", overrides={{
    "components.ner.unannotated": 1.0, "training.max_epochs": 12, "training.eval_frequency": 20,
    "training.optimizer.learn_rate.initial_rate": 0.01,
    "training.optimizer.learn_rate.total_steps": 60, "training.optimizer.learn_rate.warmup_steps": 6}})
"""
    result = run(code, folder)
    assert result.returncode == 0, result.stderr
    return folder


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """One thread: torch's pool of threads does not survive a fork."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_the_config_trains(project: Path) -> None:
    nlp = spacy.load(project / "training" / "exp3-bio" / "model-best")
    assert nlp.pipe_names == ["transformer", "ner", "edges", "doc_cleaner"]
    examples = list(Corpus(project / "corpus" / "exp3-bio" / "dev.spacy")(nlp))
    assert nlp.evaluate(examples)["ents_f"] > 0.9
    doc = nlp(examples[0].text)
    assert len(doc.ents) == 2
    assert all(0.1 < ent._.confidence <= 1 for ent in doc.ents)


def test_calibration_reads_what_the_component_reads(project: Path) -> None:
    """The transformer's output, which later components clean away."""
    nlp = spacy.load(project / "training" / "exp3-bio" / "model-best")
    assert "doc_cleaner" in nlp.pipe_names
    examples = list(Corpus(project / "corpus" / "exp3-bio" / "dev.spacy")(nlp))
    whole = calibrate(nlp, examples)
    nlp.remove_pipe("doc_cleaner")
    assert calibrate(nlp, examples) == whole


def test_a_saved_pipeline_with_a_transformer_is_the_same_pipeline(project: Path, tmp_path: Path) -> None:
    nlp = spacy.load(project / "training" / "exp3-bio" / "model-best")
    nlp.to_disk(tmp_path / "again")
    again = spacy.load(tmp_path / "again")
    from_bytes = spacy.load(project / "training" / "exp3-bio" / "model-last").from_bytes(nlp.to_bytes())
    texts = [example.text for example in Corpus(project / "corpus" / "exp3-bio" / "dev.spacy")(nlp)]
    expected = [found(doc) for doc in nlp.pipe(texts)]
    assert sum(map(len, expected)) > len(texts)
    assert [found(doc) for doc in again.pipe(texts)] == expected
    assert [found(doc) for doc in from_bytes.pipe(texts)] == expected


def test_it_listens_to_a_transformer_wherever_it_goes(project: Path) -> None:
    """Sourced with its transformer, and with the listener replaced by an encoder of its own."""
    nlp = spacy.load(project / "training" / "exp3-bio" / "model-best")
    text = "Mara are astm acum ."
    expected = found(nlp(text))
    assert [one[0] for one in expected] == ["Mara", "astm"]
    other = blank()
    for name in ("transformer", "ner"):
        other.add_pipe(name, source=nlp)
    assert found(other(text)) == expected
    nlp.replace_listeners("transformer", "ner", ["model.tok2vec"])
    nlp.remove_pipe("transformer")
    assert [one[:2] for one in found(nlp(text))] == [one[:2] for one in expected]


@pytest.mark.parametrize("texts", [["Mara are astm acum ."], ["", "Mara are astm acum .", " "], [""], [" "]])
def test_updates_reach_the_transformer(project: Path, texts: list[str]) -> None:
    nlp = spacy.load(project / "training" / "exp3-bio" / "model-best")
    examples = [gold(nlp, text, [(0, 4, "MEDICAL")] if text.strip() else []) for text in texts]
    optimizer = nlp.resume_training()
    optimizer.learn_rate = 0.001  # the config's schedule begins at 0
    losses = [nlp.update(examples, sgd=optimizer) for _ in range(4)]
    assert np.isfinite([list(loss.values()) for loss in losses]).all()
    if any(text.strip() for text in texts):
        assert losses[0]["transformer"] > 0
        assert losses[-1]["ner"] < losses[0]["ner"]


def test_several_processes(project: Path) -> None:
    code = """
import spacy, medner.model.bio
nlp = spacy.load("training/exp3-bio/model-best")
texts = ["Mara are astm acum .", "", "Aici Vlad spune că are diabet ."] * 3
one, two = ([[(e.text, e.label_, e._.confidence) for e in doc.ents] for doc in nlp.pipe(texts, n_process=n, batch_size=2)]
            for n in (1, 2))
assert [[e[:2] for e in doc] for doc in one] == [[e[:2] for e in doc] for doc in two], (one, two)
assert sum(map(len, one)) == 12 and all(abs(a[2] - b[2]) < 1e-5 for x, y in zip(one, two) for a, b in zip(x, y))
"""
    result = run(code, project)
    assert result.returncode == 0, result.stderr


def test_a_package_carries_the_component(project: Path, tmp_path: Path) -> None:
    """`spacy package --code medner/model/bio.py` makes one that loads without medner."""
    options = {"name": "bio", "version": "1.0.0", "create_meta": False, "create_sdist": False, "create_wheel": False}
    pipeline = project / "training" / "exp3-bio" / "model-best"
    # In a process of its own: spaCy imports the code, which registers the component a second time.
    code = f"""
from pathlib import Path
from spacy.cli.package import package
package(Path({str(pipeline)!r}), Path({str(tmp_path)!r}), code_paths=[Path("{ROOT}/medner/model/bio.py")], **{options})
"""
    result = run(code, tmp_path)
    assert result.returncode == 0, result.stderr
    shutil.copytree(tmp_path / "xx_bio-1.0.0" / "xx_bio", tmp_path / "site" / "xx_bio")
    shutil.copy(tmp_path / "xx_bio-1.0.0" / "meta.json", tmp_path / "site" / "xx_bio")  # as its setup.py does
    code = """
import importlib.metadata, sys
found = importlib.metadata.distributions
importlib.metadata.distributions = lambda **options: (one for one in found(**options) if one.name != "medner")
sys.modules["medner"] = None  # importing it fails
import xx_bio
doc = xx_bio.load()("Mara are astm acum .")
assert [e.text for e in doc.ents] == ["Mara", "astm"] and all(e._.confidence > 0 for e in doc.ents)
"""
    result = run(code, tmp_path / "site")
    assert result.returncode == 0, result.stderr
