"""What several tests need: golden files, and one tiny encoder, built once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
settings.load_profile("untimed")

# No test may reach a network: whoever tries finds a closed port on this machine.
os.environ["HF_ENDPOINT"] = "http://127.0.0.1:9"
os.environ.pop("MEDNER_MIRROR", None)

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with mBERT's layout (config, vocabulary, safetensors): a tiny BERT with random weights."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    from medner.encoder import train_tokenizer

    folder = tmp_path_factory.mktemp("hub") / "bert-base-multilingual-cased"
    texts = (GOLDEN / "synthetic" / "good.jsonl").read_text().split("\n")
    tokenizer = train_tokenizer(texts, 200)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    BertForMaskedLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    tokenizer.save_vocabulary(str(folder))
    return folder
