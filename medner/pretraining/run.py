"""The pre-training run: fp32 weights, bf16 arithmetic where it is faster, a trapezoid schedule, checkpoints, a log."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import srsly
import torch
from pydantic import BaseModel, ValidationError

from medner.exceptions import InputError
from medner.files import read_text, sha256, write_text
from medner.model.arithmetic import cpu_type
from medner.model.encoder import TOKENIZER
from medner.outputs import write_output
from medner.pretraining.checkpoint import CHECKPOINT, State, resume, save_checkpoint
from medner.pretraining.objectives import build
from medner.pretraining.pieces import Batch, Sampler, shares
from medner.pretraining.prepare import pieces_of, read_text_state, read_tokenizer, samplers
from medner.pretraining.recipe import Recipe
from medner.pretraining.transplant import Source, transplant

HELD_OUT_BATCHES = 8  # per group and evaluation
LOG = "log.jsonl"
SHARES = "shares.json"


class _Entry(BaseModel):
    """A line of the log, as far as it is read again."""

    step: int


@dataclass(frozen=True)
class Progress:
    """Where a run stands: steps done, pieces a second since the last report, losses of training (nats)."""

    step: int
    speed: float
    losses: Mapping[str, float]


def device_and_type() -> tuple[torch.device, torch.dtype]:
    """Where to compute, and in what: a GPU and bf16 where there are, else the CPU and its faster type."""
    if torch.cuda.is_available():
        return torch.device("cuda"), torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    return torch.device("cpu"), cpu_type()


def pretrain(folder: Path, recipe: Recipe, *, seed: int, start: Source | None = None) -> Iterator[Progress]:
    """Train on what ``prepare_text`` left in ``folder``, from its last checkpoint if there is one.

    start: the encoder whose body to begin with instead of random weights. Yields after every step; evaluations go to
    ``folder/log.jsonl``. Raises InputError for a checkpoint of another recipe or start or of more steps, for what is
    damaged, for a start that does not fit, and for a loss that is infinite or NaN.
    """
    tokenizer = read_tokenizer(folder / "text")
    sampler, unseen = samplers(folder, recipe, tokenizer, seed)

    device, dtype = device_and_type()
    torch.manual_seed(seed)
    model = build(recipe.objective, recipe.encoder, tokenizer, recipe.generator)
    if start is not None:
        transplant(start, model.encoder, pieces_of(tokenizer), recipe.layers, seed=seed)
    masters = {name: p.detach().float().clone().to(device) for name, p in model.named_parameters()}
    model.to(device, dtype)
    live = dict(model.named_parameters())
    body = _body(model)
    optimizer = torch.optim.AdamW(
        masters.values(),
        lr=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        betas=(0.9, 0.98),
        eps=1e-6,
        fused=True,
    )
    made = _fingerprint(folder, recipe, seed, start)
    done, spent = resume(folder, made, masters, optimizer)
    if done > recipe.steps:
        what = f"is a checkpoint of {done:,} steps already"
        raise InputError(what, path=folder / CHECKPOINT, remedy=f"Give --steps {done} or more, or another folder")
    _publish(masters, live)
    log = folder / LOG
    _forget_after(log, done)

    since = time.perf_counter()
    model.train()
    for step in range(done, recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate(step)
        for parameter in body:
            parameter.requires_grad_(step >= recipe.frozen)
        losses = _losses(model, sampler.batch(step), device, seed * 1_000_003 + step)
        losses["loss"].backward()  # type: ignore[no-untyped-call]
        for name, master in masters.items():
            grad = live[name].grad
            master.grad = None if grad is None else grad.float()
            live[name].grad = None
        torch.nn.utils.clip_grad_norm_(list(masters.values()), 1.0)
        optimizer.step()
        _publish(masters, live)
        now = time.perf_counter()
        values = {name: float(value.detach()) for name, value in losses.items()}
        yield Progress(step + 1, recipe.sequences * recipe.length / (now - since), values)
        spent, since = spent + now - since, time.perf_counter()
        last = step + 1 == recipe.steps
        if last or (step + 1) % recipe.evaluate == 0:
            entry = {
                "step": step + 1,
                "pieces": (step + 1) * recipe.sequences * recipe.length,
                "seconds": round(spent, 1),
                "train": {name: round(value, 4) for name, value in values.items()},
                "held_out": _evaluate(model, unseen, device, seed),
            }
            with log.open("a", encoding="utf-8") as file:
                file.write(srsly.json_dumps(entry) + "\n")
        if last or (step + 1) % recipe.save == 0:
            state = State(step=step + 1, seconds=round(spent, 1), recipe=made)
            save_checkpoint(folder, state, masters, optimizer)
            since = time.perf_counter()
    _write_shares(folder, recipe, sampler)


def _body(model: Any) -> list[torch.nn.Parameter]:
    """The encoder's parameters, but for the embeddings of pieces."""
    embeddings = model.encoder.get_input_embeddings().weight
    return [parameter for parameter in model.encoder.parameters() if parameter is not embeddings]


def _losses(model: torch.nn.Module, batch: Batch, device: torch.device, seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    pieces, masked = (torch.from_numpy(part).to(device) for part in batch)
    found: dict[str, torch.Tensor] = model(pieces, masked, generator)
    if not found["loss"].isfinite():
        raise InputError("the loss is infinite or NaN", remedy="Start again with a lower learning_rate")
    return found


@torch.no_grad()
def _evaluate(model: torch.nn.Module, unseen: Sampler, device: torch.device, seed: int) -> dict[str, dict[str, float]]:
    """Mean losses (nats) on each group's held-out text."""
    model.eval()
    means = {}
    for group in unseen.groups:
        batches = enumerate(unseen.held_out(group, HELD_OUT_BATCHES))
        found = [_losses(model, batch, device, seed + number) for number, batch in batches]
        names = [name for name in found[0] if name != "loss"]
        means[group] = {name: round(sum(float(losses[name]) for losses in found) / len(found), 4) for name in names}
    model.train()
    return means


@torch.no_grad()
def _publish(masters: Mapping[str, torch.Tensor], live: Mapping[str, torch.nn.Parameter]) -> None:
    for name, value in masters.items():
        live[name].copy_(value)


def _fingerprint(folder: Path, recipe: Recipe, seed: int, start: Source | None) -> str:
    """What must not change between a checkpoint and its continuation. ``steps`` may: that is how to train longer."""
    kept = {
        "recipe": recipe.model_dump(exclude={"steps", "decay", "evaluate", "save", "training"}),
        "seed": seed,
        "start": start.sha256 if start else None,
        "tokenizer": sha256((folder / "text" / TOKENIZER).read_bytes()),
    }
    return sha256(srsly.json_dumps(kept, sort_keys=True).encode())[:16]


def _write_shares(folder: Path, recipe: Recipe, sampler: Sampler) -> None:
    text = read_text_state(folder)
    sizes = {name: len(pieces) for name, pieces in sampler.groups.items()}
    seen = recipe.steps * recipe.sequences * recipe.length
    write_output(folder / SHARES, shares(sizes, text.left_out, text.weights, seen))


def _forget_after(log: Path, done: int) -> None:
    """Drop log entries of steps that the checkpoint does not hold, and a last line that a kill cut off."""
    if not log.is_file():
        return
    kept = []
    for number, line in enumerate(read_text(log).split("\n")[:-1], start=1):
        try:
            if _Entry.model_validate_json(line).step <= done:
                kept.append(f"{line}\n")
        except ValidationError:
            what, remedy = "is not an entry of the log", "Correct or remove the line"
            raise InputError(what, path=log, place=f"line {number}", remedy=remedy) from None
    write_text(log, "".join(kept))
