from __future__ import annotations

import numpy as np
import pytest
import torch
from spacy.util import registry
from thinc.api import Adam, Linear, PyTorchWrapper, chain

from medner.model.optimizer import adamw

SETTINGS = {"L2": 0.01, "beta2": 0.98, "grad_clip": 1.0}


def moved(**settings: float) -> dict[str, float]:
    """How far an encoder of PyTorch and a layer of thinc move in one step of the same gradient."""
    torch.manual_seed(0)
    encoder = PyTorchWrapper(torch.nn.Sequential(torch.nn.Linear(2, 2, bias=False)))
    head = Linear(2, 2)
    model = chain(encoder, head)
    model.initialize(X=np.ones((1, 2), dtype="float32"))
    module = encoder.shims[0]._model
    before = {"encoder": module[0].weight.detach().numpy().copy(), "head": head.get_param("W").copy()}
    _, backprop = model.begin_update(np.ones((1, 2), dtype="float32"))
    backprop(np.ones((1, 2), dtype="float32"))
    model.finish_update(adamw(0.01, **SETTINGS, **settings))
    after = {"encoder": module[0].weight.detach().numpy(), "head": head.get_param("W")}
    return {name: float(np.abs(after[name] - before[name]).max()) for name in before}


def test_heads_learn_at_a_multiple_of_the_encoder_s_rate() -> None:
    same, faster = moved(), moved(head_rate=4.0)
    assert same["encoder"] == pytest.approx(0.01, rel=0.05)  # Adam's first step is the learning rate
    assert same["head"] == pytest.approx(0.01, rel=0.05)
    assert faster["encoder"] == same["encoder"]
    assert faster["head"] == pytest.approx(4 * same["head"], rel=0.01)


def test_configs_find_it() -> None:
    assert registry.get("optimizers", "medner.AdamW.v1") is adamw


def test_it_is_thinc_s_adam() -> None:
    """With gradients above and below the limit, and as small as epsilon.

    Decay comes before the step and not after it, hence the tolerance.
    """
    random = np.random.default_rng(0)
    start = random.normal(size=(40, 30)).astype("float32")
    gradients = [scale * random.normal(size=start.shape).astype("float32") for scale in (1, 0.001, 5, 0.01)]
    for gradient in gradients:
        gradient[:5] = 1e-8 * random.normal(size=(5, 30))
    mine, thincs = adamw(0.02, **SETTINGS), Adam(0.02, L2_is_weight_decay=True, **SETTINGS)
    found = []
    for optimizer in (mine, thincs):
        weights = start.copy()
        for gradient in gradients:
            weights, cleared = optimizer((1, "W"), weights, gradient.copy())
            assert not cleared.any()
        found.append((weights, optimizer.averages[1, "W"]))
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=2e-5)
