"""What several tests need: golden files, and one tiny encoder, built once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

settings.register_profile("medner", deadline=None)  # a busy machine is no failure
settings.load_profile("medner")

# Two test processes: with more threads than cores, PyTorch is several times slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# No test may reach a network: whoever tries finds a closed port on this machine.
os.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"
os.environ.pop("MEDNER_MIRROR", None)

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = Path(__file__).parent / "golden"


def write_encoder(folder: Path, texts: Iterable[str], *, vocabulary: int = 200, hidden: int = 16) -> None:
    """An encoder folder with mBERT's layout (config, vocabulary, safetensors): a tiny BERT with random weights."""
    import torch
    from transformers import BertConfig, BertModel

    from medner.pretraining.vocabulary import train_tokenizer

    tokenizer = train_tokenizer(texts, vocabulary)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=hidden, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=2 * hidden, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    tokenizer.save_vocabulary(str(folder))


def write_embedded(folder: Path, texts: Iterable[str], **options: Any) -> None:
    """An embedded encoder with its manifest."""
    from medner.files import read_bytes, sha256
    from medner.model.encoder import EncoderInfo, write_manifest

    write_encoder(folder, texts, **{k: v for k, v in options.items() if k in ("vocabulary", "hidden")})
    about = {k: v for k, v in options.items() if k in ("learning_rate", "head_rate", "epochs")}
    digest = sha256(read_bytes(folder / "model.safetensors"))
    identity = {"name": "tiny", "revision": "1", "untrained": False, "sha256": digest}
    write_manifest(folder, EncoderInfo(parameters=0, vocabulary=0, **identity, **about))


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the model hub would give it."""
    folder = tmp_path_factory.mktemp("hub") / "bert-base-multilingual-cased"
    write_encoder(folder, (GOLDEN / "synthetic" / "good.jsonl").read_text().split("\n"))
    return folder


@pytest.fixture
def api_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key that the loopback server takes, and no other server's address."""
    from llm_server import KEY

    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


@pytest.fixture
def llm() -> Iterator[Any]:
    """A loopback server that writes the committed Romanian sentences."""
    from llm_server import Llm, corpus, serving

    with serving(Llm(corpus())) as server:
        yield server


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Where a test generates to."""
    return tmp_path / "out" / "ro.jsonl"


@pytest.fixture(scope="session")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved pipeline that finds Arad, diabet zaharat, asthme and Maria Dobre."""
    from medner.data.tokenizer import blank

    nlp = blank()
    ruler = nlp.add_pipe("entity_ruler", config={"phrase_matcher_attr": "LOWER"})
    ruler.add_patterns(  # type: ignore[attr-defined]
        [
            {"label": "LOC", "pattern": "Arad"},
            {"label": "MEDICAL", "pattern": "diabet zaharat"},
            {"label": "MEDICAL", "pattern": "asthme"},
            {"label": "PERSON", "pattern": "Maria Dobre"},
        ]
    )
    folder = tmp_path_factory.mktemp("pipelines") / "rules"
    nlp.to_disk(folder)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium."""
    from browsing import chromium

    with chromium() as chrome:
        yield chrome


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Ray with two cores on this machine, as `--ray local` finds it."""
    ray = pytest.importorskip("ray", reason="needs medner[ray]")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_worker_niceness", "0")  # beside other tests, its workers would hardly run
        patch.setenv("RAY_raylet_start_wait_time_s", "300")
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
        yield
        ray.shutdown()
