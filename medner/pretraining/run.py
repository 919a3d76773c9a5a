"""The pre-training run: bf16 arithmetic over fp32 weights, a trapezoid schedule, checkpoints, a log, and the export."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import srsly
import torch
import yaml
from safetensors.torch import load_file, save_file

from medner.arithmetic import cpu_type
from medner.encoder import WEIGHTS, Manifest, write_manifest
from medner.exceptions import InputError
from medner.files import new_folder, read_text, restore_folder, sha256, write_bytes, write_text
from medner.leakage import Overlap
from medner.pretraining.objectives import build, new_encoder
from medner.pretraining.pieces import Sampler, read_pieces, shares, split, write_pieces
from medner.pretraining.text import find_groups, lines
from medner.pretraining.vocabulary import VocabularyText, train_tokenizer

HELD_OUT_BATCHES = 8  # per group and evaluation
STATE = "state.json"


@dataclass(frozen=True)
class Recipe:
    """``pretraining`` of ``configs/encoder.yml``.

    steps: batches read; warmup: steps of rising learning rate; decay: share of steps, at the end, of falling rate.
    sequences × length: pieces a batch. masked, held_out: shares. save, evaluate: every so many steps.
    """

    name: str
    vocabulary: int
    vocabulary_characters: int
    encoder: Mapping[str, Any]
    objective: str
    generator: Mapping[str, Any]
    masked: float
    sequences: int
    length: int
    steps: int
    learning_rate: float
    warmup: int
    decay: float
    weight_decay: float
    held_out: float
    evaluate: int
    save: int
    training: Mapping[str, Any]
    groups: Sequence[dict[str, Any]] | None = None

    def rate(self, step: int) -> float:
        """Learning rate of a step (from 0): up over ``warmup``, flat, down to zero over the last ``decay``."""
        falling = max(1, round(self.steps * self.decay))
        return self.learning_rate * min(1.0, (step + 1) / max(1, self.warmup), (self.steps - step) / falling)


def load_recipe(path: Path, **changes: Any) -> Recipe:
    """The recipe in an encoder configuration, with changes. Raises InputError for a malformed one."""
    try:
        return Recipe(**(yaml.safe_load(read_text(path))["pretraining"] | changes))
    except (yaml.YAMLError, KeyError, TypeError) as error:
        what = f"holds no pre-training recipe ({' '.join(str(error).split())})"
        raise InputError(what, path=path, remedy="Compare it with configs/encoder.yml in the repository") from None


@dataclass(frozen=True)
class Progress:
    """Where a run stands: steps done, pieces a second since the last report, losses of training (nats)."""

    step: int
    speed: float
    losses: Mapping[str, float]


def device_and_type() -> tuple[torch.device, torch.dtype]:
    """Where to compute, and in what: bf16 where the hardware multiplies it, else fp32."""
    if torch.cuda.is_available():
        return torch.device("cuda"), torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    return torch.device("cpu"), cpu_type()


def prepare_text(
    folder: Path, sources: Sequence[Path], recipe: Recipe, *, tests: Sequence[Path] = (), start: Path | None = None
) -> None:
    """Find the text, train the tokenizer, and write each group's pieces to ``folder``, once.

    tests: DocBin files; a line of text that holds one of their sentences, exactly or nearly, is not read.
    start: an encoder folder whose tokenizer to take instead.
    Raises InputError where an earlier preparation used other files, another recipe or another start, and from reading.
    """
    groups = find_groups(sources, recipe.groups)
    wanted = {
        "vocabulary": recipe.vocabulary,
        "groups": [[g.name, g.weight, _sizes(g.files)] for g in groups],
        "leave_out": _sizes(tests),
        **_origin(start),
    }
    marker = folder / "text.json"
    if marker.is_file():
        if srsly.json_loads(read_text(marker))["wanted"] != wanted:
            what = "was prepared from other text, another recipe or another start"
            raise InputError(what, path=folder, remedy="Give another folder, or remove it to start again")
        return
    from transformers import AutoTokenizer  # noqa: PLC0415 - slow to import

    if tests:
        overlap = Overlap(text for path in tests for text in lines(path))
        for group in groups:
            group.tests = overlap
    with new_folder(folder / "text") as work:
        if start is not None:
            try:
                tokenizer = AutoTokenizer.from_pretrained(start, use_fast=True, local_files_only=True)
            except (OSError, ValueError):
                remedy = "Give an encoder folder with its tokenizer"
                raise InputError("holds no tokenizer", path=start, remedy=remedy) from None
        else:
            sample = VocabularyText(groups, recipe.vocabulary_characters)
            tokenizer = train_tokenizer(sample, recipe.vocabulary, letter_count=RARE_LETTER)
        tokenizer.save_pretrained(work)
        tokenizer.save_vocabulary(str(work))
        sizes = {group.name: write_pieces(group, tokenizer, work / f"{group.name}.pieces") for group in groups}
        left_out = {group.name: group.left_out for group in groups}
    write_text(marker, srsly.json_dumps({"wanted": wanted, "sizes": sizes, "left_out": left_out}, indent=2) + "\n")


def _origin(start: Path | None) -> dict[str, str]:
    """What tells the encoder to go on from; nothing where there is none."""
    return {} if start is None else {"start": sha256(_weights(start).read_bytes())}


def _weights(start: Path) -> Path:
    path = start / WEIGHTS
    if not path.is_file():
        raise InputError("no such file", path=path, remedy="Give an encoder folder with safetensors weights")
    return path


def _sizes(files: Sequence[Path]) -> list[list[Any]]:
    return [[path.name, path.stat().st_size] for path in files]


RARE_LETTER = 100  # letters seen less often in the vocabulary text get no piece


def pretrain(folder: Path, recipe: Recipe, *, seed: int, start: Path | None = None) -> Iterator[Progress]:
    """Train on what :func:`prepare_text` left in ``folder``, from its last checkpoint if there is one.

    start: an encoder folder whose weights to begin with instead of random ones. Yields after every step; evaluations
    go to ``folder/log.jsonl``. Raises InputError for a checkpoint of another recipe or start, and for a start that does
    not fit.
    """
    from transformers import AutoTokenizer  # noqa: PLC0415 - slow to import

    tokenizer = AutoTokenizer.from_pretrained(folder / "text", use_fast=True)
    sampler, unseen, weights = _samplers(folder, recipe, tokenizer, seed)

    device, dtype = device_and_type()
    torch.manual_seed(seed)
    model = build(recipe.objective, recipe.encoder, tokenizer, recipe.generator)
    if start is not None:
        _begin_with(model, start)
    names = [name for name, _ in model.named_parameters()]
    masters = {name: p.detach().float().clone().to(device) for name, p in model.named_parameters()}
    model.to(device, dtype)
    live = dict(model.named_parameters())
    optimizer = torch.optim.AdamW(
        masters.values(),
        lr=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        betas=(0.9, 0.98),
        eps=1e-6,
        fused=True,
    )
    made = _fingerprint(recipe, seed, start)
    done, spent = _resume(folder, made, masters, optimizer)
    _publish(masters, live)
    log = folder / "log.jsonl"
    _forget_after(log, done)

    since = time.perf_counter()
    model.train()
    for step in range(done, recipe.steps):
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate(step)
        losses = _losses(model, sampler.batch(step), device, seed * 1_000_003 + step)
        losses["loss"].backward()  # type: ignore[no-untyped-call]
        for name in names:
            grad = live[name].grad
            masters[name].grad = None if grad is None else grad.float()
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
                "held_out": {
                    name: _evaluate(model, unseen.held_out(n, HELD_OUT_BATCHES), device, seed)
                    for n, name in enumerate(weights)
                },
            }
            with log.open("a", encoding="utf-8") as file:
                file.write(srsly.json_dumps(entry) + "\n")
        if last or (step + 1) % recipe.save == 0:
            _save(folder, made, step + 1, spent, masters, optimizer)
            since = time.perf_counter()
    sizes = {name: len(pieces) for name, pieces in zip(weights, sampler.groups, strict=True)}
    left_out = srsly.json_loads(read_text(folder / "text.json"))["left_out"]
    read = shares(sizes, left_out, weights, recipe.steps * recipe.sequences * recipe.length)
    write_text(folder / "shares.json", srsly.json_dumps(read, indent=2) + "\n")


def _samplers(folder: Path, recipe: Recipe, tokenizer: Any, seed: int) -> tuple[Sampler, Sampler, dict[str, float]]:
    """Batches of the text to train on and of the held-out text, and the weights of their groups."""
    text = srsly.json_loads(read_text(folder / "text.json"))
    weights = {name: weight for name, weight, _ in text["wanted"]["groups"]}
    parts = {
        name: split(read_pieces(folder / "text" / f"{name}.pieces", text["sizes"][name]), recipe.held_out)
        for name in weights
    }

    def sampler(part: int) -> Sampler:
        groups = {name: both[part] for name, both in parts.items()}
        size = {"sequences": recipe.sequences, "length": recipe.length}
        return Sampler(groups, weights, tokenizer, **size, masked=recipe.masked, seed=seed)

    return sampler(0), sampler(1), weights


def _losses(model: torch.nn.Module, batch: Any, device: torch.device, seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    pieces, masked = (torch.from_numpy(part).to(device) for part in batch)
    found: dict[str, torch.Tensor] = model(pieces, masked, generator)
    return found


@torch.no_grad()
def _evaluate(model: torch.nn.Module, batches: Iterator[Any], device: torch.device, seed: int) -> dict[str, float]:
    model.eval()
    found = [_losses(model, batch, device, seed + n) for n, batch in enumerate(batches)]
    model.train()
    return {name: round(sum(float(f[name]) for f in found) / len(found), 4) for name in found[0] if name != "loss"}


@torch.no_grad()
def _publish(masters: Mapping[str, torch.Tensor], live: Mapping[str, torch.nn.Parameter]) -> None:
    for name, value in masters.items():
        live[name].copy_(value)


def _begin_with(model: torch.nn.Module, start: Path) -> None:
    path = _weights(start)
    found = {key: value.float() for key, value in load_file(path).items()}
    try:
        model.encoder.load_state_dict(found)  # type: ignore[union-attr]
    except RuntimeError as error:
        what = f"does not fit the recipe ({str(error).splitlines()[1].strip()})"
        raise InputError(what, path=path, remedy="Take the recipe that the encoder was made with") from None


def _fingerprint(recipe: Recipe, seed: int, start: Path | None) -> str:
    """What must not change between a checkpoint and its continuation. ``steps`` may: that is how to train longer."""
    kept = {k: v for k, v in asdict(recipe).items() if k not in ("steps", "decay", "evaluate", "save", "training")}
    return sha256(srsly.json_dumps({"recipe": kept, "seed": seed, **_origin(start)}, sort_keys=True).encode())[:16]


def _save(
    folder: Path,
    made: str,
    step: int,
    seconds: float,
    masters: Mapping[str, torch.Tensor],
    optimizer: torch.optim.Optimizer,
) -> None:
    """A checkpoint: weights and optimizer state, as safetensors, in one folder that appears whole."""
    with new_folder(folder / "checkpoint") as work:
        tensors = {f"weight/{name}": value for name, value in masters.items()}
        names = {id(value): name for name, value in masters.items()}
        for parameter, moments in optimizer.state.items():
            tensors |= {f"{key}/{names[id(parameter)]}": value for key, value in moments.items()}
        save_file({key: value.contiguous() for key, value in tensors.items()}, work / WEIGHTS)
        state = {"step": step, "seconds": round(seconds, 1), "recipe": made}
        write_text(work / STATE, srsly.json_dumps(state) + "\n")


def _resume(
    folder: Path,
    made: str,
    masters: Mapping[str, torch.Tensor],
    optimizer: torch.optim.Optimizer,
) -> tuple[int, float]:
    """Take weights and optimizer state from the checkpoint, if there is one. Returns steps done and their seconds."""
    work = folder / "checkpoint"
    restore_folder(work)
    if not work.is_dir():
        return 0, 0.0
    state = srsly.json_loads(read_text(work / STATE))
    if state["recipe"] != made:
        what = "is a checkpoint of another recipe, seed or start"
        raise InputError(what, path=work, remedy="Give another folder, or remove it to start again")
    for key, value in load_file(work / WEIGHTS).items():
        kind, _, name = key.partition("/")
        if kind == "weight":
            masters[name].copy_(value)
        else:
            optimizer.state[masters[name]][kind] = value.to(masters[name].device)
    return int(state["step"]), float(state["seconds"])


def _forget_after(log: Path, done: int) -> None:
    """A killed run may have logged steps that its checkpoint does not hold."""
    if log.is_file():
        kept = [line for line in read_text(log).splitlines() if srsly.json_loads(line)["step"] <= done]
        write_text(log, "".join(f"{line}\n" for line in kept))


@torch.no_grad()
def standardise(encoder: torch.nn.Module, pieces: torch.Tensor) -> float:
    """Scale the normalisation that the encoder ends with so that its features vary by 1; returns the factor.

    pieces: (sequences, length). Features are taken around the mean of their dimension. While an encoder learns to
    guess words, nothing holds its features to a size, since the layers that guess can make up for any; they shrank to
    0.5 in 8,000 steps and to 0.2 in 15,000. What is trained on top of small features learns slowly. An encoder that
    does not end with a normalisation stays as it is, and the factor is 1.
    """
    encoder.eval()
    features = encoder(input_ids=pieces).last_hidden_state
    varying = (features - features.mean((0, 1))).square().mean().sqrt()
    factor = float(1 / varying)
    for norm in reversed([module for module in encoder.modules() if isinstance(module, torch.nn.LayerNorm)]):
        before = [parameter.clone() for parameter in norm.parameters()]
        for parameter in norm.parameters():
            parameter.mul_(factor)
        if torch.allclose(encoder(input_ids=pieces).last_hidden_state, features * factor, rtol=1e-3, atol=1e-3):
            return factor
        for parameter, value in zip(norm.parameters(), before, strict=True):
            parameter.copy_(value)
    return 1.0


def export(folder: Path, recipe: Recipe, target: Path) -> int:
    """Write the encoder of the last checkpoint into ``target``: config, tokenizer, fp16 safetensors, manifest, log.

    Returns their size in bytes. Other files there (a model card) stay. Raises InputError if there is no checkpoint.
    """
    from transformers import AutoTokenizer  # noqa: PLC0415 - slow to import

    restore_folder(folder / "checkpoint")
    tensors = load_file(_existing(folder / "checkpoint" / WEIGHTS))
    tokenizer = AutoTokenizer.from_pretrained(folder / "text", use_fast=True)
    encoder = new_encoder(recipe.encoder, tokenizer)
    prefix = "weight/encoder."
    encoder.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
    _, unseen, _ = _samplers(folder, recipe, tokenizer, seed=0)
    standardise(encoder, torch.from_numpy(unseen.batch(0).pieces))
    with new_folder(folder / "export") as work:
        encoder.half().save_pretrained(work, safe_serialization=True)
        tokenizer.save_pretrained(work)
        tokenizer.save_vocabulary(str(work))
        digest = sha256((work / WEIGHTS).read_bytes())
        steps = srsly.json_loads(read_text(folder / "checkpoint" / STATE))["step"]
        start = srsly.json_loads(read_text(folder / "text.json"))["wanted"].get("start")
        manifest = Manifest(
            name=recipe.name,
            revision=f"{steps} steps{f' from {start[:12]}' if start else ''}, {digest[:12]}",
            untrained=False,
            parameters=sum(p.numel() for p in encoder.parameters()),
            vocabulary=len(tokenizer),
            sha256=digest,
            **recipe.training,
        )
        write_manifest(work, manifest)
        for name in ("log.jsonl", "shares.json"):
            write_text(work / name, read_text(folder / name))
    files = sorted((folder / "export").iterdir())
    for path in files:
        write_bytes(target / path.name, path.read_bytes())
    return sum(path.stat().st_size for path in files)


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise InputError("no such file", path=path, remedy="Pre-train first")
    return path
