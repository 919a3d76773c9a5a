"""The pre-training run: bf16 arithmetic over fp32 weights, a trapezoid schedule, checkpoints, a log, and the export."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import srsly
import torch
from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from medner.data.overlap import Overlap
from medner.exceptions import InputError
from medner.files import new_folder, read_text, restore_folder, sha256, write_bytes, write_text
from medner.model.arithmetic import cpu_type
from medner.model.encoder import MANIFEST, TOKENIZER, WEIGHTS, Export, check_export, write_manifest
from medner.pretraining.objectives import build, new_encoder
from medner.pretraining.pieces import Sampler, read_pieces, shares, split, write_pieces
from medner.pretraining.recipe import Recipe
from medner.pretraining.text import find_groups, lines
from medner.pretraining.vocabulary import VocabularyText, train_tokenizer

HELD_OUT_BATCHES = 8  # per group and evaluation
TEXT = "text.json"
LOG = "log.jsonl"
CHECKPOINT = "checkpoint"
STATE = "state.json"
READ_AGAIN = f"Remove {TEXT} to read the text again"
START_AGAIN = f"Remove the folder {CHECKPOINT} to start again"
_M = TypeVar("_M", bound=BaseModel)


class _Text(BaseModel):
    """What a folder's text was prepared from and for, and each group's pieces and lines left out."""

    wanted: dict[str, Any]
    sizes: dict[str, int]
    left_out: dict[str, int]


class _State(BaseModel):
    """What a checkpoint holds."""

    step: int
    seconds: float
    recipe: str


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
    if (folder / TEXT).is_file():
        if _text(folder).wanted != wanted:
            what = "was prepared from other text, another recipe or another start"
            raise InputError(what, path=folder, remedy="Give another folder, or remove it to start again")
        return
    if start is not None:
        if (start / MANIFEST).is_file():
            check_export(start)
        tokenizer = _tokenizer(start, "Give an encoder folder with its tokenizer")
        _begin_with(new_encoder(recipe.encoder, tokenizer), start)  # what does not fit is told before text is read
    if tests:
        overlap = Overlap(text for path in tests for text in lines(path))
        for group in groups:
            group.tests = overlap
    with new_folder(folder / "text", sign=TOKENIZER) as work:
        if start is None:
            sample = VocabularyText(groups, recipe.vocabulary_characters)
            tokenizer = train_tokenizer(sample, recipe.vocabulary, letter_count=RARE_LETTER)
        tokenizer.save_pretrained(work)
        tokenizer.save_vocabulary(str(work))
        sizes = {group.name: write_pieces(group, tokenizer, work / f"{group.name}.pieces") for group in groups}
        left_out = {group.name: group.left_out for group in groups}
    about = {"wanted": wanted, "sizes": sizes, "left_out": left_out}
    write_text(folder / TEXT, srsly.json_dumps(about, indent=2) + "\n")


def _read(path: Path, kind: type[_M], remedy: str) -> _M:
    """What an earlier call wrote. Raises InputError if it is damaged."""
    try:
        return kind.model_validate_json(read_text(path))
    except ValidationError:
        raise InputError("is damaged", path=path, remedy=remedy) from None


def _text(folder: Path) -> _Text:
    return _read(folder / TEXT, _Text, READ_AGAIN)


def _tokenizer(folder: Path, remedy: str) -> Any:
    from transformers import AutoTokenizer  # noqa: PLC0415 - slow to import

    try:
        return AutoTokenizer.from_pretrained(folder, use_fast=True, local_files_only=True)
    except Exception:  # the libraries raise whatever their parsers raise
        raise InputError("holds no tokenizer that can be read", path=folder, remedy=remedy) from None


def _tensors(path: Path, remedy: str) -> dict[str, torch.Tensor]:
    try:
        tensors: dict[str, torch.Tensor] = load_file(path)
        return tensors
    except (SafetensorError, OSError) as error:
        raise InputError(f"cannot be read ({error})", path=path, remedy=remedy) from None


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
    go to ``folder/log.jsonl``. Raises InputError for a checkpoint of another recipe or start or of more steps, for what
    is damaged, for a start that does not fit, and for a loss that has grown beyond all numbers.
    """
    tokenizer = _tokenizer(folder / "text", READ_AGAIN)
    sampler, unseen, weights = _samplers(folder, recipe, tokenizer, seed)

    device, dtype = device_and_type()
    torch.manual_seed(seed)
    model = build(recipe.objective, recipe.encoder, tokenizer, recipe.generator)
    if start is not None:
        _begin_with(model.encoder, start)
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
    read = shares(sizes, _text(folder).left_out, weights, recipe.steps * recipe.sequences * recipe.length)
    write_text(folder / "shares.json", srsly.json_dumps(read, indent=2) + "\n")


def _samplers(folder: Path, recipe: Recipe, tokenizer: Any, seed: int) -> tuple[Sampler, Sampler, dict[str, float]]:
    """Batches of the text to train on and of the held-out text, and the weights of their groups."""
    text = _text(folder)
    weights = {name: weight for name, weight, _ in text.wanted["groups"]}
    parts = {
        name: split(read_pieces(folder / "text" / f"{name}.pieces", text.sizes[name]), recipe.held_out)
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
    if not found["loss"].isfinite():
        raise InputError("the loss is no number any more", remedy="Start again with a lower learning_rate")
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


def _begin_with(encoder: Any, start: Path) -> None:
    path = _weights(start)
    tensors = _tensors(path, "Give another encoder folder, or fetch it again")
    try:
        encoder.load_state_dict({key: value.float() for key, value in tensors.items()})
    except RuntimeError as error:
        what = f"does not fit the recipe ({str(error).splitlines()[1].strip()})"
        raise InputError(what, path=path, remedy="Take the recipe that the encoder was made with") from None


def _fingerprint(recipe: Recipe, seed: int, start: Path | None) -> str:
    """What must not change between a checkpoint and its continuation. ``steps`` may: that is how to train longer."""
    kept = recipe.model_dump(exclude={"steps", "decay", "evaluate", "save", "training"})
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
    with new_folder(folder / CHECKPOINT, sign=STATE) as work:
        tensors = {f"weight/{name}": value for name, value in masters.items()}
        names = {id(value): name for name, value in masters.items()}
        for parameter, moments in optimizer.state.items():
            tensors |= {f"{key}/{names[id(parameter)]}": value for key, value in moments.items()}
        save_file({key: value.contiguous() for key, value in tensors.items()}, work / WEIGHTS)
        state = _State(step=step, seconds=round(seconds, 1), recipe=made)
        write_text(work / STATE, state.model_dump_json() + "\n")


def _checkpoint(folder: Path) -> tuple[_State, dict[str, torch.Tensor]] | None:
    """The last checkpoint, None if there is none. Raises InputError if it is damaged."""
    work = folder / CHECKPOINT
    restore_folder(work)
    if not work.is_dir():
        return None
    return _read(work / STATE, _State, START_AGAIN), _tensors(work / WEIGHTS, START_AGAIN)


def _resume(
    folder: Path,
    made: str,
    masters: Mapping[str, torch.Tensor],
    optimizer: torch.optim.Optimizer,
) -> tuple[int, float]:
    """Take weights and optimizer state from the checkpoint, if there is one. Returns steps done and their seconds."""
    found = _checkpoint(folder)
    if found is None:
        return 0, 0.0
    state, tensors = found
    if state.recipe != made:
        what = "is a checkpoint of another recipe, seed or start"
        remedy = "Give another folder, or remove it to start again"
        raise InputError(what, path=folder / CHECKPOINT, remedy=remedy)
    try:
        for name, master in masters.items():
            master.copy_(tensors.pop(f"weight/{name}"))
        for key, value in tensors.items():
            kind, _, name = key.partition("/")
            optimizer.state[masters[name]][kind] = value.to(masters[name].device)
    except (KeyError, RuntimeError):
        path = folder / CHECKPOINT / WEIGHTS
        raise InputError("holds other weights than its recipe's", path=path, remedy=START_AGAIN) from None
    return state.step, state.seconds


def _forget_after(log: Path, done: int) -> None:
    """A killed run may have logged steps that its checkpoint does not hold, the last of them without its end."""
    if not log.is_file():
        return
    kept = []
    for number, line in enumerate(read_text(log).split("\n")[:-1], start=1):
        try:
            if _Entry.model_validate_json(line).step <= done:
                kept.append(f"{line}\n")
        except ValidationError:
            what, remedy = "is no entry of the log", "Correct or remove the line"
            raise InputError(what, path=log, place=f"line {number}", remedy=remedy) from None
    write_text(log, "".join(kept))


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
    found = _checkpoint(folder)
    if found is None:
        raise InputError("holds no checkpoint", path=folder, remedy="Pre-train first")
    state, tensors = found
    tokenizer = _tokenizer(folder / "text", READ_AGAIN)
    encoder = new_encoder(recipe.encoder, tokenizer)
    prefix = "weight/encoder."
    encoder.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
    _, unseen, _ = _samplers(folder, recipe, tokenizer, seed=0)
    standardise(encoder, torch.from_numpy(unseen.batch(0).pieces))
    with new_folder(folder / "export", sign=MANIFEST) as work:
        encoder.half().save_pretrained(work, safe_serialization=True)
        tokenizer.save_pretrained(work)
        tokenizer.save_vocabulary(str(work))
        digest = sha256((work / WEIGHTS).read_bytes())
        start = _text(folder).wanted.get("start")
        manifest = Export(
            name=recipe.name,
            revision=f"{state.step} steps{f' from {start[:12]}' if start else ''}, {digest[:12]}",
            untrained=False,
            parameters=sum(p.numel() for p in encoder.parameters()),
            vocabulary=len(tokenizer),
            sha256=digest,
            tokenizer_sha256=sha256((work / TOKENIZER).read_bytes()),
            **recipe.training.model_dump(),
        )
        write_manifest(work, manifest)
        for name in (LOG, "shares.json"):
            write_text(work / name, read_text(folder / name))
    files = sorted((folder / "export").iterdir())
    for path in files:
        write_bytes(target / path.name, path.read_bytes())
    return sum(path.stat().st_size for path in files)
