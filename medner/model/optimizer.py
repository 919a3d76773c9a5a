"""AdamW for the configs: much faster on a CPU than thinc's, and with a rate of its own for what is not pre-trained.

(No spaCy registry decorator: pyproject.toml registers :func:`adamw`, as it does with all that configs name.)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from thinc.backends import get_array_ops
from thinc.optimizers import Optimizer
from thinc.types import FloatsXd


class AdamW(Optimizer):
    """thinc's Adam with weight decay and averages; PyTorch's parameters learn at another rate than thinc's own.

    Pre-trained weights need small steps, while a component that starts at random must go a long way in few of them. On
    a CPU, PyTorch makes the update, in one pass over memory (``benchmarks/training.py``).
    """

    def __init__(self, learn_rate: Any, *, head_rate: float, **settings: Any) -> None:
        super().__init__(learn_rate, L2_is_weight_decay=True, **settings)
        self.head_rate = head_rate
        self._fused: dict[tuple[int, str], torch.optim.AdamW] = {}

    def __call__(
        self, key: tuple[int, str], weights: FloatsXd, gradient: FloatsXd, *, lr_scale: float = 1.0
    ) -> tuple[FloatsXd, FloatsXd]:
        """Update one parameter. PyTorch's have the name of their module and a dot before their own; thinc's do not."""
        is_encoder = "." in key[1]
        lr_scale *= 1.0 if is_encoder else self.head_rate
        if not isinstance(weights, np.ndarray):
            updated: tuple[FloatsXd, FloatsXd] = super().__call__(key, weights, gradient, lr_scale=lr_scale)
            return updated
        self.nr_update[key] += 1
        parameter = torch.nn.Parameter(torch.from_numpy(weights))
        parameter.grad = torch.from_numpy(gradient)
        self._step(key, parameter, self.learn_rate * lr_scale)
        parameter.grad.zero_()
        if not is_encoder:  # thinc averages PyTorch's parameters as well, and never uses the result
            average = self.averages.setdefault(key, np.zeros_like(weights))
            get_array_ops(weights).update_averages(average, weights, self.nr_update[key])
        return weights, gradient

    def _step(self, key: tuple[int, str], parameter: torch.nn.Parameter, rate: float) -> None:
        """One step in place. The moments of a parameter stay, while the array that holds it may be another one."""
        if key not in self._fused:
            betas = (self.b1, self.b2)
            self._fused[key] = torch.optim.AdamW(
                [parameter], betas=betas, eps=self.eps, weight_decay=self.L2, fused=True
            )
        (group,) = self._fused[key].param_groups
        (held,) = group["params"]
        held.data, held.grad, group["lr"] = parameter.data, parameter.grad, rate
        # thinc adds epsilon before the second moment is corrected, PyTorch afterwards. It matters where gradients are
        # as small as epsilon, as those of rare word-pieces are.
        group["eps"] = self.eps / (1 - self.b2 ** self.nr_update[key]) ** 0.5
        torch.nn.utils.clip_grad_norm_([held], self.grad_clip)
        self._fused[key].step()


def adamw(
    learn_rate: Any, *, head_rate: float = 1.0, L2: float, beta1: float = 0.9, beta2: float, grad_clip: float
) -> AdamW:
    """What ``@optimizers = "medner.AdamW.v1"`` makes.

    learn_rate: of the encoder, a number or a schedule. head_rate: the rate of all other parameters, as a multiple of
    it. L2: weight decay (Loshchilov & Hutter 2019). grad_clip: greatest norm of one parameter's gradient.
    """
    return AdamW(learn_rate, head_rate=head_rate, L2=L2, beta1=beta1, beta2=beta2, grad_clip=grad_clip, eps=1e-8)
