"""AdamW whose learning rate is not the same for a pre-trained encoder and for what is trained on top of it."""

from __future__ import annotations

from typing import Any

from thinc.optimizers import Optimizer
from thinc.types import FloatsXd

# (No spaCy registry decorator: pyproject.toml registers the function, as it does with all that configs name.)


class EncoderAdamW(Optimizer):
    """thinc's Adam with weight decay; the parameters of PyTorch modules learn at another rate than thinc's own.

    Pre-trained weights need small steps, while a component that starts at random must go a long way in few of them.
    """

    def __init__(self, learn_rate: Any, *, head_rate: float, **settings: Any) -> None:
        super().__init__(learn_rate, L2_is_weight_decay=True, **settings)
        self.head_rate = head_rate

    def __call__(
        self, key: tuple[int, str], weights: FloatsXd, gradient: FloatsXd, *, lr_scale: float = 1.0
    ) -> tuple[FloatsXd, FloatsXd]:
        """Update one parameter. PyTorch's have the name of their module and a dot before their own; thinc's do not."""
        scale = 1.0 if "." in key[1] else self.head_rate
        updated: tuple[FloatsXd, FloatsXd] = super().__call__(key, weights, gradient, lr_scale=lr_scale * scale)
        return updated


def adamw(
    learn_rate: Any, *, head_rate: float = 1.0, L2: float, beta1: float = 0.9, beta2: float, grad_clip: float
) -> EncoderAdamW:
    """What ``@optimizers = "medner.AdamW.v1"`` makes.

    learn_rate: of the encoder, a number or a schedule. head_rate: the rate of all other parameters, as a multiple of
    it. L2: weight decay (Loshchilov & Hutter 2019). grad_clip: greatest norm of one parameter's gradient.
    """
    return EncoderAdamW(learn_rate, head_rate=head_rate, L2=L2, beta1=beta1, beta2=beta2, grad_clip=grad_clip, eps=1e-8)
