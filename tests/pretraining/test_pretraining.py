from __future__ import annotations

import gzip
import lzma
import shutil
import signal
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import spacy
import srsly
import torch
import yaml
from conftest import GOLDEN, ROOT
from hypothesis import given
from hypothesis import strategies as st
from pretrain import app
from safetensors.torch import load_file
from spacy.tokens import DocBin
from transformers import AutoModel, AutoTokenizer
from typer.testing import CliRunner, Result

from medner.data.overlap import Overlap
from medner.exceptions import InputError
from medner.files import sha256
from medner.model.encoder import load_pinned, prepare, read_export, read_manifest
from medner.pretraining.export import standardise
from medner.pretraining.objectives import new_encoder
from medner.pretraining.pieces import Sampler, read_pieces, split
from medner.pretraining.prepare import prepare_text, read_tokenizer, samplers
from medner.pretraining.recipe import Recipe, load_recipe
from medner.pretraining.run import pretrain
from medner.pretraining.text import Group, GroupSettings, Variation, find_groups, lines
from medner.pretraining.transplant import read_source
from medner.pretraining.vocabulary import VocabularyText, train_tokenizer

TEXT = [line for line in (GOLDEN / "synthetic" / "good.jsonl").read_text().split("\n") if line] * 20
SMALL: dict[str, Any] = {
    "name": "small",
    "vocabulary": 150,
    "vocabulary_characters": 20_000,
    "encoder": {
        "model_type": "modernbert", "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 16, "max_position_embeddings": 64, "reference_compile": False,
    },
    "objective": "mlm",
    "generator": {"num_hidden_layers": 1},
    "sequences": 8,
    "length": 32,
    "steps": 40,
    "learning_rate": 0.01,
    "warmup": 2,
    "decay": 0.25,
    "held_out": 0.2,
    "evaluate": 10,
    "save": 10,
    "groups": None,
}  # fmt: skip


@pytest.fixture
def text(tmp_path: Path) -> Path:
    folder = tmp_path / "text"
    folder.mkdir()
    (folder / "a.txt").write_text("\n".join(TEXT) + "\n\n")
    return folder


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yml"
    recipe = yaml.safe_load((ROOT / "configs" / "pretraining" / "from-scratch.yml").read_text())
    path.write_text(yaml.safe_dump(recipe | SMALL))
    return path


def train(folder: Path, text: Path, recipe: Recipe, steps: int | None = None, **options: Any) -> None:
    """Train until the end, or until a number of steps has been done and then the process is gone."""
    prepare_text(folder, [text], recipe)
    for at in pretrain(folder, recipe, seed=0, **options):
        if at.step == steps:
            return


def arguments(text: Path, config: Path, work: Path, output: Path, *options: str) -> list[str]:
    # No test parts: those of the checkout's corpus folder would be left out, and it may hold any or none.
    names = {"--config": config, "--work": work, "--output": output, "--tests": work / "no corpus"}
    return [str(text), *(str(part) for pair in names.items() for part in pair), *options]


def run(*parts: Any) -> Result:
    return CliRunner().invoke(app, arguments(*parts))


def refused(message: str, *parts: Any) -> str:
    """What the command says, in one line, as it refuses; a traceback would be another exception."""
    done = run(*parts)
    assert (done.exit_code, type(done.exception)) == (1, SystemExit), done.exception
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    return done.stderr


@torch.no_grad()
def spread(encoder: Any, pieces: torch.Tensor) -> float:
    """Standard deviation of the features around the mean of their dimension."""
    features = encoder(input_ids=pieces).last_hidden_state.flatten(0, 1)
    return float((features - features.mean(0)).square().mean().sqrt())


@pytest.mark.parametrize("objective", ["mlm", "rtd"])
def test_the_held_out_loss_falls(tmp_path: Path, text: Path, config: Path, objective: str) -> None:
    train(tmp_path / "work", text, load_recipe(config, objective=objective))
    log = list(srsly.read_jsonl(tmp_path / "work" / "log.jsonl"))
    assert [entry["step"] for entry in log] == [10, 20, 30, 40]
    losses = [entry["held_out"]["text"]["mlm"] for entry in log]
    assert losses[-1] < losses[0]
    assert set(log[0]["held_out"]["text"]) == ({"mlm"} if objective == "mlm" else {"mlm", "rtd"})
    assert srsly.read_json(tmp_path / "work" / "shares.json")[0]["share"] == 1.0


def test_interrupted_run_ends_with_the_same_weights(tmp_path: Path, text: Path, config: Path) -> None:
    recipe = load_recipe(config)
    train(tmp_path / "whole", text, recipe)
    train(tmp_path / "cut", text, recipe, steps=27)
    # As a kill leaves it while a checkpoint takes the place of the one before.
    (tmp_path / "cut" / ".checkpoint.tmp").mkdir()
    (tmp_path / "cut" / "checkpoint").rename(tmp_path / "cut" / ".checkpoint.tmp" / "old")
    assert next(pretrain(tmp_path / "cut", recipe, seed=0)).step == 21
    log = (tmp_path / "cut" / "log.jsonl").read_text()
    (tmp_path / "cut" / "log.jsonl").write_text(log + '{"step": 25}\n')
    train(tmp_path / "cut", text, recipe)
    whole, cut = (load_file(tmp_path / name / "checkpoint" / "model.safetensors") for name in ("whole", "cut"))
    assert whole.keys() == cut.keys()
    assert all((whole[key] == cut[key]).all() for key in whole)
    logs = [list(srsly.read_jsonl(tmp_path / name / "log.jsonl")) for name in ("whole", "cut")]
    assert [entry["held_out"] for entry in logs[0]] == [entry["held_out"] for entry in logs[1]]


def test_killed_process_continues_from_its_checkpoint(tmp_path: Path, text: Path, config: Path) -> None:
    parts = arguments(text, config, tmp_path / "work", tmp_path / "encoder", "--steps", "2000")
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "scripts" / "pretrain.py"), *parts], stdout=subprocess.DEVNULL
    )
    while not (tmp_path / "work" / "checkpoint").is_dir():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    step = srsly.read_json(tmp_path / "work" / "checkpoint" / "state.json")["step"]
    again = run(text, config, tmp_path / "work", tmp_path / "encoder", "--steps", str(step + 10))
    assert again.exit_code == 0, again.stderr
    assert srsly.read_json(tmp_path / "work" / "checkpoint" / "state.json")["step"] == step + 10


def test_export_gives_an_encoder_that_the_encoder_step_accepts(tmp_path: Path, text: Path, config: Path) -> None:
    output = tmp_path / "encoder"
    output.mkdir()
    (output / "README.md").write_text("card")
    done = run(text, config, tmp_path / "work", output)
    assert done.exit_code == 0, done.stderr
    assert "after 40 steps" in done.stdout
    assert (output / "README.md").read_text() == "card"
    stated = read_manifest(output)
    assert (stated.name, stated.learning_rate) == ("small", load_recipe(config).training.learning_rate)
    assert {str(tensor.dtype) for tensor in load_file(output / "model.safetensors").values()} == {"torch.float16"}
    settings = load_pinned(ROOT / "configs" / "encoder.yml", "small")
    used = prepare(tmp_path / "used", settings, output, mirror=None, strict=True, seed=0)
    assert used.sha256 == stated.sha256
    assert stated.revision == f"40 steps, {stated.sha256[:12]}"
    assert read_export(output).tokenizer_sha256 == sha256((output / "tokenizer.json").read_bytes())
    # what trains on top of it meets features of unit variance
    encoder, tokenizer = AutoModel.from_pretrained(output).float(), AutoTokenizer.from_pretrained(output)
    inputs = tokenizer(TEXT[:20], truncation=True, max_length=32, padding="max_length", return_tensors="pt")
    assert 0.8 < spread(encoder, inputs["input_ids"]) < 1.25
    # one may go on from it, though not with another tokenizer
    other = tmp_path / "other"
    shutil.copytree(output, other)
    (other / "tokenizer.json").write_bytes((output / "tokenizer.json").read_bytes() + b"\n")
    told = "other/tokenizer.json: not the file that manifest.json describes"
    refused(told, text, config, tmp_path / "more", tmp_path / "further", "--start", str(other))
    # and on other text
    (text / "a.txt").write_text("\n".join(reversed(TEXT)))
    more = run(text, config, tmp_path / "more", tmp_path / "further", "--start", str(output), "--steps", "10")
    assert more.exit_code == 0, more.stderr
    assert (tmp_path / "further" / "vocab.txt").read_bytes() == (output / "vocab.txt").read_bytes()
    assert read_manifest(tmp_path / "further").revision.startswith(f"10 steps from {stated.sha256[:12]}, ")


@pytest.mark.parametrize("factor", [0.1, 7.0])
@pytest.mark.parametrize("kind", ["bert", "modernbert"])
def test_standardise_gives_features_unit_variance(bert: Path, kind: str, factor: float) -> None:
    """Whatever their size, by scaling the last normalisation, which is where BERT ends as well."""
    settings = {name: value for name, value in SMALL["encoder"].items() if name != "reference_compile"}
    encoder = new_encoder(settings | {"model_type": kind}, AutoTokenizer.from_pretrained(bert))
    pieces = torch.randint(0, 100, (8, 32), generator=torch.Generator().manual_seed(0))
    standardise(encoder, pieces)
    last = encoder.final_norm if kind == "modernbert" else encoder.encoder.layer[-1].output.LayerNorm
    last.weight.data *= factor
    assert standardise(encoder, pieces) == pytest.approx(1 / factor, rel=1e-3)
    assert spread(encoder, pieces) == pytest.approx(1, rel=1e-3)


class Unnormalised(torch.nn.Module):
    """An encoder whose normalisation comes before its last layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embeddings, self.norm, self.last = torch.nn.Embedding(9, 4), torch.nn.LayerNorm(4), torch.nn.Linear(4, 4)

    def forward(self, input_ids: torch.Tensor) -> SimpleNamespace:
        return SimpleNamespace(last_hidden_state=self.last(self.norm(self.embeddings(input_ids))))


def test_standardise_leaves_encoders_without_a_final_norm_unchanged() -> None:
    torch.manual_seed(0)
    encoder = Unnormalised()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    assert standardise(encoder, torch.arange(9)[None]) == 1.0
    assert all((value == before[name]).all() for name, value in encoder.state_dict().items())


def test_features_of_the_embedded_encoder_have_unit_variance() -> None:
    folder = ROOT / "assets" / "encoder"
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = [row["text"] for row in srsly.read_jsonl(ROOT / "assets" / "synthetic" / "ro" / "test.jsonl")][:30]
    pieces = tokenizer(" ".join(texts), truncation=True, max_length=512, return_tensors="pt")["input_ids"]
    assert spread(AutoModel.from_pretrained(folder).float(), pieces) == pytest.approx(1, abs=0.15)


def test_every_text_format_gives_the_same_lines(tmp_path: Path) -> None:
    body = "Şcoala ţine.\r\n\r\nFièvre"
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf" + body.encode())
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(body.encode()))
    (tmp_path / "c.txt.xz").write_bytes(lzma.compress(body.encode()))
    (tmp_path / "notes.md").write_text("not read")
    (group,) = find_groups([tmp_path], None)
    assert [list(lines(path)) for path in group.files] == [["Școala ține.", "", "Fièvre"]] * 3


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"bine\nr\xe3u\n", "a.txt, line 2: not UTF-8. Save the file as UTF-8."),
        ("a.txt.xz", b"no archive", "a.txt.xz, after line 0: cannot be read (Input format not supported"),
        (
            "a.txt.gz",
            gzip.compress(b"Are HTA.", mtime=0)[:10] + b"\xff" * 40,
            "a.txt.gz, after line 0: cannot be read (",
        ),
        ("a.txt", b"", "group text has no text. Check its files."),
        ("a.doc", b"Fara text", "text: contains no text. Put UTF-8 files there (.txt, .txt.gz, .txt.xz, .spacy)."),
    ],
)
def test_unreadable_text_is_refused(tmp_path: Path, config: Path, name: str, content: bytes, message: str) -> None:
    folder = tmp_path / "text"
    folder.mkdir()
    (folder / name).write_bytes(content)
    done = run(folder, config, tmp_path / "work", tmp_path / "encoder")
    assert done.exit_code == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "encoder").exists()
    assert not (tmp_path / "work" / "text").exists()


def test_pattern_without_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"group ro: no file news/\*\.txt in"):
        find_groups([tmp_path], [GroupSettings(name="ro", weight=1, files=["news/*.txt"])])
    with pytest.raises(InputError, match="nonesuch: no such folder"):
        find_groups([tmp_path / "nonesuch"], None)


def test_lines_with_test_sentences_are_not_read(tmp_path: Path, text: Path, config: Path) -> None:
    nlp = spacy.blank("xx")
    tests = tmp_path / "corpus" / "suite" / "test.spacy"
    tests.parent.mkdir(parents=True)
    doc = nlp.make_doc(TEXT[0])
    doc.user_data = {"id": "a", "lang": "ro", "source": "suite"}
    DocBin(docs=[doc], store_user_data=True).to_disk(tests)
    recipe = load_recipe(config, groups=[{"name": "a", "weight": 1, "files": ["a.txt"]}])
    config.write_text(yaml.safe_dump(recipe.model_dump()))
    done = run(text, config, tmp_path / "work", tmp_path / "encoder", "--tests", str(tests.parent.parent))
    assert done.exit_code == 0, done.stderr
    about = srsly.read_json(tmp_path / "work" / "text.json")
    whole = tmp_path / "whole"
    prepare_text(whole, [text], recipe)
    assert about["left_out"] == {"a": 20}
    assert about["sizes"]["a"] < srsly.read_json(whole / "text.json")["sizes"]["a"]
    assert srsly.read_json(tmp_path / "work" / "shares.json")[0]["left_out"] == 20


def test_missing_test_corpus_is_reported(tmp_path: Path, text: Path, config: Path) -> None:
    options = ("--any-text", "--steps", "2", "--tests", str(tmp_path / "nothing"))
    done = run(text, config, tmp_path / "work", tmp_path / "encoder", *options)
    assert done.exit_code == 0, done.stderr
    assert "no text is left out" in done.stdout


def test_checkpoint_of_another_recipe_or_text_is_refused(tmp_path: Path, text: Path, config: Path) -> None:
    train(tmp_path / "work", text, load_recipe(config), steps=12)
    with pytest.raises(InputError, match="checkpoint: is a checkpoint of another recipe, seed, vocabulary or start"):
        train(tmp_path / "work", text, load_recipe(config, masked=0.3))
    (text / "b.txt").write_text("other text")
    with pytest.raises(InputError, match="work: was prepared from other text, another recipe"):
        train(tmp_path / "work", text, load_recipe(config))


def test_two_folders_of_one_name_are_refused(tmp_path: Path, text: Path, config: Path) -> None:
    other = tmp_path / "fr" / "text"
    other.mkdir(parents=True)
    (other / "a.txt").write_text("Elle va bien.\n")
    done = run(text, config, tmp_path / "work", tmp_path / "encoder", "--any-text", str(other))
    assert done.exit_code == 1
    assert "2 groups of text are named 'text'. Give folders of different names" in done.stderr
    assert not (tmp_path / "work").exists()


def test_start_belongs_to_the_run(tmp_path: Path, text: Path, config: Path, bert: Path) -> None:
    parts = (text, config, tmp_path / "work", tmp_path / "encoder", "--start")
    missing = run(*parts, str(tmp_path / "nonesuch"))
    assert missing.exit_code == 1
    assert f"{tmp_path / 'nonesuch' / 'model.safetensors'}: no such file. Give an encoder folder" in missing.stderr
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "model.safetensors").write_bytes((bert / "model.safetensors").read_bytes())
    assert "bare/tokenizer.json: not a readable tokenizer. Give an encoder" in run(*parts, str(bare)).stderr
    assert not (tmp_path / "work" / "text").exists()
    prepare_text(tmp_path / "work", [text], load_recipe(config))
    assert (
        "was prepared from other text, another recipe, another vocabulary or another start"
        in run(*parts, str(bert)).stderr
    )


def test_start_of_another_layout_is_refused(tmp_path: Path, text: Path, config: Path, bert: Path) -> None:
    work = tmp_path / "work"
    parts = (text, config, work, tmp_path / "encoder", "--start", str(bert))
    refused("does not fit the recipe (its model_type is bert, not modernbert)", *parts)
    assert not (work / "text").exists()


SHARES = {"capitals": 0.045, "lower_case": 0.025, "no_diacritics": 0.03, "capitals_no_diacritics": 0.015}


def test_varied_copies_are_chosen_by_the_line_alone() -> None:
    varied = Variation(**SHARES)
    lines = [f"Fièvre și {number}" for number in range(20_000)]
    copies = [varied.copy_of(line) for line in lines]
    assert copies == [varied.copy_of(line) for line in lines]
    kinds = {
        "capitals": "FIÈVRE ȘI",
        "lower_case": "fièvre și",
        "no_diacritics": "Fievre si",
        "capitals_no_diacritics": "FIEVRE SI",
    }
    for name, start in kinds.items():
        share = sum(copy.startswith(f"{start} ") for copy in copies) / len(lines)
        assert share == pytest.approx(SHARES[name], rel=0.2)
    assert all(copy.endswith(line.split()[-1]) for line, copy in zip(lines, copies, strict=True) if copy)
    assert Variation().copy_of("Fièvre") == ""
    assert Variation(no_diacritics=1).copy_of("Fièvre și tuse") == "Fievre si tuse"


def test_varied_copies_follow_their_file_without_test_sentences(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text(f"Fièvre {name}.\n\nSentence of a test part {name}.\n")
    group = Group("a", 1.0, (tmp_path / "a.txt", tmp_path / "b.txt"), tests=Overlap(["sentence of a test part a"]))
    plain = list(group.lines())
    assert plain == ["Fièvre a.", "", "", "Fièvre b.", "", "Sentence of a test part b.", ""]
    group.varied = Variation(capitals=1)
    copies = ["FIÈVRE A.", ""], ["FIÈVRE B.", "SENTENCE OF A TEST PART B.", ""]
    assert list(group.lines()) == [*plain[:3], *copies[0], *plain[3:], *copies[1]]
    assert group.left_out == 1


def test_held_out_loss_is_measured_at_one_masking_rate(tmp_path: Path, text: Path, config: Path) -> None:
    """Whatever the run trains with, so that the curves of two runs can be compared."""
    prepare_text(tmp_path / "work", [text], load_recipe(config))
    tokenizer = read_tokenizer(tmp_path / "work" / "text")
    trained, unseen = [], []
    for masked in (0.15, 0.6):
        both = samplers(tmp_path / "work", load_recipe(config, masked=masked), tokenizer, seed=0)
        trained.append(len(both[0].batch(0).masked))
        unseen.append([batch.masked.tolist() for batch in both[1].held_out("text", 4)])
    assert trained[1] > 2 * trained[0]
    assert unseen[0] == unseen[1]


BERT = {
    "model_type": "bert",
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}


@pytest.mark.parametrize("vocabulary", ["assets", "new"])
def test_transplant_from_the_command_line(
    tmp_path: Path, text: Path, config: Path, bert: Path, vocabulary: str
) -> None:
    recipe = yaml.safe_load(config.read_text()) | {"encoder": BERT, "steps": 2, "frozen": 1, "layers": [0]}
    config.write_text(yaml.safe_dump(recipe))
    wanted = ROOT / "assets" / "encoder" if vocabulary == "assets" else vocabulary
    options = ("--start", str(bert), "--vocabulary", str(wanted))
    done = run(text, config, tmp_path / "work", tmp_path / "encoder", *options)
    assert done.exit_code == 0, done.stderr
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "encoder")
    assert len(tokenizer) == 16_000 if vocabulary == "assets" else len(tokenizer) <= 150
    assert read_manifest(tmp_path / "encoder").vocabulary == len(tokenizer)
    written = load_file(tmp_path / "encoder" / "model.safetensors")
    assert not any(value.any() for name, value in written.items() if name.startswith("pooler."))
    told = refused("was prepared from other text, another recipe, another vocabulary", text, config, tmp_path / "work",
                   tmp_path / "encoder", "--start", str(bert))  # fmt: skip
    assert "work" in told


def test_body_does_not_learn_while_it_is_frozen(tmp_path: Path, text: Path, config: Path, bert: Path) -> None:
    changes = {"encoder": BERT, "frozen": 5, "save": 1, "weight_decay": 0.5}
    recipe, start = load_recipe(config, **changes), read_source(bert)
    work = tmp_path / "work"
    prepare_text(work, [text], recipe, start=start)

    def moved(steps: int) -> set[str]:
        before: dict[str, torch.Tensor] = {}
        for at in pretrain(work, recipe, seed=0, start=start):
            weights = load_file(work / "checkpoint" / "model.safetensors") if at.step > 1 else {}
            before = before or weights
            if at.step == steps:  # the checkpoint is that of the step before
                return {
                    name
                    for name in before
                    if name.startswith("weight/encoder.") and (before[name] != weights[name]).any()
                }
        raise AssertionError

    embeddings = "weight/encoder.embeddings.word_embeddings.weight"
    assert moved(6) == {embeddings}
    assert len(moved(10)) > 10  # goes on from step 5, and the body learns


def test_int8_weights_are_expanded_by_the_encoder_step(tmp_path: Path, text: Path, config: Path) -> None:
    output = tmp_path / "encoder"
    parts = (text, config, tmp_path / "work", output)
    assert run(*parts).exit_code == 0
    whole = load_file(output / "model.safetensors")
    assert run(*parts, "--weights", "int8").exit_code == 0
    assert [path.name for path in output.glob("*.safetensors")] == ["model.int8.safetensors"]
    settings = load_pinned(ROOT / "configs" / "encoder.yml", "small")
    used = prepare(tmp_path / "used", settings, output, mirror=None, strict=True, seed=0)
    assert used.learning_rate == load_recipe(config).training.learning_rate
    expanded = load_file(tmp_path / "used" / "model.safetensors")
    assert expanded.keys() == whole.keys()
    for name, value in whole.items():
        step = value.float().abs().amax(-1, keepdim=True) / 127
        assert ((expanded[name] - value.float()).abs() <= step * 0.51 + 1e-3).all()
    assert AutoModel.from_pretrained(tmp_path / "used").dtype == torch.float32
    # one may go on from it
    more = run(text, config, tmp_path / "more", tmp_path / "further", "--start", str(output), "--steps", "10")
    assert more.exit_code == 0, more.stderr
    path = output / "model.int8.safetensors"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError, match=r"model\.int8\.safetensors: cannot be read \("):
        prepare(tmp_path / "used", settings, output, mirror=None, strict=True, seed=0)


GROUP: dict[str, Any] = {"name": "a", "weight": 1, "files": ["a.txt"]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        *(({name: 0}, f"recipe.yml, {name}: Input should be greater than") for name in (
            "vocabulary", "vocabulary_characters", "masked", "sequences", "length", "steps", "learning_rate", "held_out",
            "evaluate", "save",
        )),
        ({"learning_rate": "fast"}, "learning_rate: Input should be a valid number"),
        ({"learning_rate": float("inf")}, "learning_rate: Input should be a finite number"),
        ({"vocabulary": 70_000}, "vocabulary: Input should be less than 65536"),
        ({"objective": "clm"}, "objective: Input should be 'mlm' or 'rtd'"),
        ({"sequenes": 8, "sequences": None}, "recipe.yml, sequenes: unknown key. Correct it; the files in configs/pretraining"),
        ({"training": {"lerning_rate": 0.1}}, "training.lerning_rate: unknown key"),
        ({"training": {"name": "another"}}, "training.name: unknown key"),
        ({"training": {"epochs": 0}}, "training.epochs: Input should be greater than or equal to 1"),
        ({"encoder": {"hiden_size": 8}}, "recipe.yml: no encoder can be built with these settings (modernbert has no setting hiden_size)"),
        ({"encoder": {"model_type": "modernbrt"}}, "no encoder can be built with these settings (Unrecognized model identifier: modernbrt."),
        ({"encoder": {"num_attention_heads": 3}}, "no encoder can be built with these settings (The hidden size (16) is not a multiple"),
        ({"encoder": {"num_attention_heads": 0}}, "no encoder can be built with these settings ("),
        ({"encoder": {"model_type": "bert", "max_position_embeddings": 16, "reference_compile": None}}, "no encoder can be built with these settings (The expanded size of the tensor"),
        ({"generator": {"num_hiden_layers": 1}}, "no encoder can be built with these settings (modernbert has no setting num_hiden_layers)"),
        ({"objective": "rtd", "generator": {"hidden_size": 32}}, "no encoder can be built with these settings ("),
        ({"varied": {"capitals": 0.7, "lower_case": 0.4}}, "recipe.yml, varied: the shares add up to 1.1, more than 1"),
        ({"varied": {"capitls": 0.7}}, "recipe.yml, varied.capitls: unknown key"),
        ({"layers": []}, "recipe.yml, layers: List should have at least 1 item"),
        ({"frozen": -1}, "recipe.yml, frozen: Input should be greater than or equal to 0"),
        ({"groups": [{**GROUP, "weight": 0}]}, "groups.0.weight: Input should be greater than 0"),
        ({"groups": [{"name": "a", "files": ["a.txt"]}]}, "groups.0.weight: missing"),
        ({"groups": [{"name": "a", "weight": 1}]}, "groups.0.files: missing"),
        ({"groups": [{**GROUP, "files": "a.txt"}]}, "groups.0.files: Input should be a valid list"),
        ({"groups": [{**GROUP, "files": ["/a.txt"]}]}, "group a: '/a.txt' is not a path below a folder"),
        ({"groups": [{**GROUP, "name": "ro/a"}]}, "groups.0.name: String should match"),
    ],
)  # fmt: skip
def test_bad_recipe_is_refused_before_text_is_read(
    tmp_path: Path, text: Path, config: Path, changes: dict[str, Any], message: str
) -> None:
    recipe = yaml.safe_load(config.read_text())
    if "encoder" in changes:
        settings = recipe["encoder"] | changes["encoder"]
        changes = {"encoder": {name: value for name, value in settings.items() if value is not None}}
    changed = {name: value for name, value in (recipe | changes).items() if value is not None}
    config.write_text(yaml.safe_dump(changed))
    refused(message, text, config, tmp_path / "work", tmp_path / "encoder")
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name: bert", "recipe.yml, vocabulary: missing"),
        ("", "recipe.yml: Input should be a valid dictionary"),
        ("{a", "recipe.yml: not valid YAML (while parsing"),
    ],
)
def test_file_without_recipe_is_refused(tmp_path: Path, text: Path, config: Path, content: str, message: str) -> None:
    config.write_text(content)
    refused(message, text, config, tmp_path / "work", tmp_path / "encoder")


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--objective", "clm", "✘ --objective: Input should be 'mlm' or 'rtd'. Correct the option."),
        ("--steps", "0", "✘ --steps: Input should be greater than or equal to 1. Correct the option."),
    ],
)
def test_bad_options_are_refused(
    tmp_path: Path, text: Path, config: Path, option: str, value: str, message: str
) -> None:
    refused(message, text, config, tmp_path / "work", tmp_path / "encoder", option, value)
    assert not (tmp_path / "work").exists()


def test_learning_rate_in_scientific_notation(config: Path) -> None:
    """YAML takes 3e-3, without a point, for a string."""
    config.write_text(
        yaml.safe_dump(yaml.safe_load(config.read_text())).replace("learning_rate: 0.01", "learning_rate: 3e-3")
    )
    assert yaml.safe_load(config.read_text())["learning_rate"] == "3e-3"
    assert load_recipe(config).learning_rate == 0.003


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "pretraining").glob("*.yml")), ids=lambda path: path.stem)
def test_the_committed_recipes_are_valid(path: Path) -> None:
    assert load_recipe(path).training.epochs == 6


@pytest.fixture
def trained(tmp_path: Path, text: Path, config: Path) -> Path:
    train(tmp_path / "work", text, load_recipe(config, steps=20))
    return tmp_path / "work"


def test_fewer_steps_than_the_checkpoint_are_refused(tmp_path: Path, text: Path, config: Path, trained: Path) -> None:
    parts = (text, config, trained, tmp_path / "encoder", "--steps")
    before = (trained / "shares.json").read_text()
    refused(
        "checkpoint: is a checkpoint of 20 steps already. Give --steps 20 or more, or another folder.", *parts, "10"
    )
    assert not (tmp_path / "encoder").exists()
    assert (trained / "shares.json").read_text() == before
    assert "after 20 steps" in run(*parts, "20").stdout
    assert read_manifest(tmp_path / "encoder").revision.startswith("20 steps")


def test_checkpoint_with_other_weights_is_refused(tmp_path: Path, text: Path, config: Path, trained: Path) -> None:
    shutil.copy(ROOT / "assets" / "encoder" / "model.safetensors", trained / "checkpoint")
    message = "checkpoint/model.safetensors: holds other weights than its recipe's. Remove the folder checkpoint"
    refused(message, text, config, trained, tmp_path / "encoder")


def test_log_with_a_truncated_last_line(tmp_path: Path, text: Path, config: Path, trained: Path) -> None:
    log = trained / "log.jsonl"
    log.write_text(log.read_text()[:-30])
    done = run(text, config, trained, tmp_path / "encoder")
    assert done.exit_code == 0, done.stderr
    assert [entry["step"] for entry in srsly.read_jsonl(log)] == [10, 30, 40]
    log.write_text("{\n" + log.read_text())
    refused(
        "log.jsonl, line 1: is not an entry of the log. Correct or remove the line.",
        text,
        config,
        trained,
        tmp_path / "b",
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("checkpoint/model.safetensors", "cannot be read ("),
        ("checkpoint/state.json", "is damaged. Remove the folder checkpoint to start again."),
        ("text.json", "is damaged. Remove text.json to read the text again."),
        ("text/text.pieces", "is damaged (it should hold"),
        ("text/tokenizer.json", "text: contains no readable tokenizer. Remove text.json to read the text again."),
    ],
)
def test_damaged_work_file_is_refused(
    tmp_path: Path, text: Path, config: Path, trained: Path, name: str, message: str
) -> None:
    whole = (trained / name).read_bytes()
    (trained / name).write_bytes(whole[: len(whole) // 2])
    parts = (text, config, trained, tmp_path / "encoder")
    told = refused(message, *parts)
    if "text.json" in told:
        (trained / "text.json").unlink()
    else:
        shutil.rmtree(trained / "checkpoint")
    assert run(*parts).exit_code == 0  # as it says


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("model.safetensors", "start/model.safetensors: cannot be read ("),
        (
            "tokenizer.json",
            "start/tokenizer.json: not a readable tokenizer. Give an encoder with its tokenizer.json.",
        ),
    ],
)
def test_damaged_start_is_refused(
    tmp_path: Path, text: Path, config: Path, bert: Path, name: str, message: str
) -> None:
    start = tmp_path / "start"
    shutil.copytree(bert, start)
    (start / name).write_bytes((start / name).read_bytes()[:500])
    parts = (text, config, tmp_path / "work", tmp_path / "encoder", "--start", str(start))
    refused(message, *parts)
    assert not (tmp_path / "work" / "text").exists()


def test_infinite_loss_stops_the_run(tmp_path: Path, text: Path, config: Path) -> None:
    with pytest.raises(InputError, match="the loss is infinite or NaN. Start again with a lower learning_rate"):
        train(tmp_path / "work", text, load_recipe(config, learning_rate=1e38))


@given(st.integers(1, 5000), st.floats(0.01, 0.5), st.data())
def test_split_keeps_every_piece_once(size: int, held_out: float, data: st.DataObject) -> None:
    pieces = np.arange(size, dtype=np.uint16)
    parts = split(pieces, held_out)
    every = min(max(2, round(1 / held_out)), size)
    out = pieces // max(1, size // every) % every == every - 1
    assert out.any()
    for part, wanted in zip(parts, (pieces[~out], pieces[out]), strict=True):
        assert (part[:] == wanted).all()
        assert (len(part), list(part)) == (len(wanted), list(wanted))
        places = slice(data.draw(st.integers(0, size)), data.draw(st.integers(0, size)))
        assert list(part[places]) == list(wanted[places])


def test_long_runs_are_held_out_of_long_texts() -> None:
    pieces = np.random.default_rng(0).integers(0, 60_000, 100_000).astype(np.uint16)
    out = np.arange(len(pieces)) // 4096 % 10 == 9
    train, unseen = split(pieces, 0.1)
    assert (train[:] == pieces[~out]).all()
    assert (unseen[:] == pieces[out]).all()


def test_pieces_stay_on_the_disk(tmp_path: Path) -> None:
    tokenizer, number = train_tokenizer(TEXT, 150), 4_000_000
    path = tmp_path / "a.pieces"
    np.resize(np.arange(5, len(tokenizer), dtype=np.uint16), number).tofile(path)
    tracemalloc.start()
    for part in split(read_pieces(path, number), 0.2):
        sampler = Sampler({"a": part}, {"a": 1.0}, tokenizer, sequences=8, length=32, masked=0.15, seed=3)
        assert sampler.batch(1).pieces.shape == (8, 32)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < path.stat().st_size / 10


def test_vocabulary_text_yields_the_lines_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n".join(TEXT))
    (tmp_path / "b.txt").write_text("Elle va bien.\n")
    groups = [Group("a", 3.0, (tmp_path / "a.txt",)), Group("b", 1.0, (tmp_path / "b.txt",))]
    text = VocabularyText(groups, 2000)
    assert list(text) == list(text)
    assert list(text).count("Elle va bien.") == -(-500 // len("Elle va bien."))  # read again until it has its share
    vocabulary = train_tokenizer(text, 150).get_vocab()
    assert vocabulary == train_tokenizer(list(text), 150).get_vocab()
    assert "bien" in vocabulary


def test_batches_mask_whole_words_and_depend_on_the_step_alone() -> None:
    tokenizer = train_tokenizer(TEXT, 150)
    ids = tokenizer(" ".join(TEXT), add_special_tokens=False)["input_ids"]
    groups = {"a": np.array(ids, dtype=np.uint16)}
    sampler = Sampler(groups, {"a": 1.0}, tokenizer, sequences=64, length=32, masked=0.15, seed=3)
    first, again, other = sampler.batch(4), sampler.batch(4), sampler.batch(5)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert not np.array_equal(first.pieces, other.pieces)
    assert first.pieces.shape == (64, 32)
    masked = np.zeros(first.pieces.shape, dtype=bool)
    masked.flat[first.masked] = True
    special = np.isin(first.pieces, [tokenizer.cls_token_id, tokenizer.sep_token_id])
    assert not masked[special].any()
    assert 0.05 < masked.mean() < 0.3
    inner = ~sampler.starts_word[first.pieces]
    assert (masked[:, 1:] == masked[:, :-1])[inner[:, 1:]].all()


def test_batch_masks_at_least_one_piece() -> None:
    tokenizer = train_tokenizer(TEXT, 150)
    ids = np.array(tokenizer(TEXT[0], add_special_tokens=False)["input_ids"], dtype=np.uint16)
    sampler = Sampler({"a": ids}, {"a": 1.0}, tokenizer, sequences=2, length=8, masked=1e-9, seed=0)
    assert len(sampler.batch(0).masked) == 1


def test_learning_rate_rises_stays_and_falls(config: Path) -> None:
    recipe = load_recipe(config)
    rates = [recipe.rate(step) for step in range(recipe.steps)]
    assert rates[0] == 0.005
    assert rates[1:30] == [0.01] * 29
    assert rates[-1] == pytest.approx(0.001)
