from __future__ import annotations

import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest
import spacy
import srsly
import torch
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st
from made import provenance
from test_files import another_run

from medner.exceptions import InputError
from medner.model.arithmetic import cpu_type
from medner.model.configs import config_sha256, load_training_config
from medner.model.curve import Evaluation, read_log
from medner.model.provenance import EncoderInfo, read_provenance, stamp
from medner.model.training import NO_ENCODER, Training, made_with, overrides, schedule, train

CONFIG = load_training_config(ROOT / "configs" / "transformer.cfg")
RATE = "training.optimizer.learn_rate.initial_rate"
HEAD_RATE = "training.optimizer.head_rate"


def encoder(**wishes: float) -> EncoderInfo:
    about = {"name": "e", "revision": "r", "untrained": False, "parameters": 1, "vocabulary": 1, "sha256": ""}
    return EncoderInfo.model_validate(about | wishes)


@given(st.integers(1, 20_000), st.integers(1, 50))
def test_the_last_evaluation_comes_at_the_end(documents: int, epochs: int) -> None:
    chosen = schedule(documents, 16, epochs)
    steps, every = int(chosen["training.optimizer.learn_rate.total_steps"]), int(chosen["training.eval_frequency"])
    assert steps == -(-documents // 16) * epochs
    last = (steps - 1) // every * every  # spaCy counts steps from 0
    assert steps - 1 - last < max(10, epochs)
    assert (steps - 1) // every >= min(steps - 1, epochs)
    assert 1 <= chosen["training.optimizer.learn_rate.warmup_steps"] <= max(1, steps * 0.1 + 0.5)


@pytest.mark.parametrize(
    ("manifest", "asked", "epochs", "rate"),
    [
        (encoder(), None, 3, None),  # the study's
        (encoder(learning_rate=1e-3, epochs=10), None, 10, 1e-3),  # the encoder's
        (encoder(learning_rate=1e-3, epochs=10), 20, 20, 1e-3),  # the user's
    ],
)
def test_epochs_and_learning_rate(manifest: EncoderInfo, asked: int | None, epochs: int, rate: float | None) -> None:
    chosen = overrides(CONFIG, manifest, 100, epochs=asked, seed=7)
    assert (chosen["training.max_epochs"], chosen.get(RATE), chosen["system.seed"]) == (epochs, rate, 7)
    assert HEAD_RATE not in chosen


def test_the_head_s_rate_is_the_encoder_s_wish_where_the_optimizer_has_one() -> None:
    assert overrides(CONFIG, encoder(head_rate=4.0), 100, epochs=None, seed=0)[HEAD_RATE] == 4.0
    other = CONFIG.copy()
    del other["training"]["optimizer"]["head_rate"]
    assert HEAD_RATE not in overrides(other, encoder(head_rate=4.0), 100, epochs=None, seed=0)


def test_another_run_that_trains_into_the_same_folder_is_told_at_once(tmp_path: Path) -> None:
    training = Training(Path("never read.cfg"), "log.jsonl", {}, provenance(), NO_ENCODER, None, words=1)
    with another_run(tmp_path / "same") as first:
        for target in (tmp_path / "same", tmp_path / "same" / ".." / "same"):
            with pytest.raises(InputError, match="same: another run is writing it. Wait for its end, or name another"):
                train(tmp_path, training, target, gpu=-1)
        first.communicate()
    assert (tmp_path / "same" / "a").read_text() == "first"


def test_what_a_config_says_is_part_of_a_run_s_identity(tmp_path: Path) -> None:
    text = (ROOT / "configs" / "cnn.cfg").read_text()
    other = {
        "same": text.replace("exp3-cnn", "other") + "\n# a comment\n",
        "dropout": re.sub(r"^dropout = .*", "dropout = 0.77", text, flags=re.MULTILINE),
    }
    found = {}
    for name, changed in {"own": text, **other}.items():
        assert name == "own" or changed != text
        (tmp_path / f"{name}.cfg").write_text(changed)
        found[name] = config_sha256(load_training_config(tmp_path / f"{name}.cfg"))
    assert found["own"] == found["same"] != found["dropout"]


def test_arithmetic_threads_and_versions_are_recorded() -> None:
    about = made_with(NO_ENCODER, gpu=-1)
    assert about["threads"] == str(torch.get_num_threads())
    assert "threads" not in made_with(NO_ENCODER, gpu=0)
    assert about["arithmetic"] == "fp32"  # the CNN multiplies in nothing else
    assert about["spacy"] == spacy.__version__
    assert made_with(encoder(), gpu=0)["arithmetic"] == "fp32"
    assert made_with(encoder(), gpu=-1)["arithmetic"] == ("bf16" if cpu_type() == torch.bfloat16 else "fp32")


def test_provenance_travels_with_the_pipeline(tmp_path: Path) -> None:
    srsly.write_json(tmp_path / "meta.json", {"lang": "xx"})
    with pytest.raises(InputError, match=r"no provenance: .* Train it with the train step\."):
        read_provenance(tmp_path)
    about = provenance(seed=3)
    stamp(tmp_path, about)
    assert read_provenance(tmp_path) == about
    assert srsly.read_json(tmp_path / "meta.json")["lang"] == "xx"


ROW = '{"epoch": %d, "step": %d, "losses": {"ner": 2.5}, "scores": {"ents_f": %s, "ents_p": 50.0, "ents_r": 20.0}, "score": 0}\n'


def test_the_curve_and_its_best_evaluation(tmp_path: Path) -> None:
    """Of equal ones the last is best: spaCy saves model-best again where a score is reached again."""
    log = tmp_path / "log.jsonl"
    log.write_text(ROW % (0, 0, "0.0") + ROW % (1, 20, "40.0") + ROW % (2, 40, "40.0") + ROW % (3, 60, "30.0"))
    found = read_log(log)
    assert found.best == Evaluation(epoch=2, step=40, p=0.5, r=0.2, f1=0.4, losses={"ner": 2.5})
    assert [evaluation.f1 for evaluation in found.evaluations] == [0.0, 0.4, 0.4, 0.3]
    log.write_text("")
    with pytest.raises(InputError, match=r"log.jsonl: no evaluation\. Train again\."):
        read_log(log)


@pytest.mark.parametrize("line", ["{", '{"epoch": 1}', "[]", ROW % (0, 0, "null")])
def test_damaged_logs(tmp_path: Path, line: str) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(ROW % (0, 0, "0.0") + line)
    with pytest.raises(InputError, match=r"line 2: not an evaluation of spaCy's logger .* Train again\."):
        read_log(log)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps what was freed")
def test_large_blocks_go_back_to_the_system() -> None:
    program = """
from random import Random
import torch
from medner.model.training import give_memory_back
give_memory_back()
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6
size, random, kept = [], Random(0), []
for _ in range(40):
    gradient = torch.ones(16_000, 256)
    kept.append(torch.ones(random.randrange(1000, 50_000)))
    other = torch.ones(16_000, 256)
    del gradient
    size.append(resident())
print(size[-1] - size[4])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 30  # MB; without it some 500
