"""The encoder folder that training starts from: fetched at a pinned revision, or the embedded encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from medner.data.downloads import reachable
from medner.exceptions import InputError
from medner.files import new_folder, read_bytes, read_json, read_text, sha256
from medner.model.normalisation import normalise
from medner.model.provenance import EncoderInfo
from medner.model.weights import AUTO_MAP, POOLER, WEIGHTS, check_finite, expand, weights_file
from medner.outputs import read_output, write_output
from medner.settings import Settings, load_settings

MANIFEST = "manifest.json"
TOKENIZER = "tokenizer.json"
WORDPIECES = "vocab.txt"
# All that is ever copied or downloaded: a pickle (pytorch_model.bin) can run code when it is loaded.
VOCABULARIES = (WORDPIECES, TOKENIZER, "sentencepiece.bpe.model")
FILES = ("config.json", "tokenizer_config.json", "special_tokens_map.json", *VOCABULARIES, WEIGHTS)
PICKLES = (".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth")
USED = 0.25  # least share of the embeddings that have a piece: padding is 2 % at most, but half where pieces are few
HUB_SECONDS = 5
LONGEST = 2048  # word-pieces that an encoder without position embeddings reads at once, beyond what it was trained on
UNVERIFIED = "unverified"  # the revision of a folder that says nothing of where it comes from
UNTRAINED = "untrained"  # the name that asks for the embedded encoder with random weights: the floor of comparisons
UNTRAINED_RATE = 0.001  # the learning rate at which random weights do best (assets/encoder/README.md)


class Export(EncoderInfo):
    """The manifest of an encoder that ``scripts/pretrain.py`` wrote, by which the encoder step checks it.

    tokenizer_sha256: of tokenizer.json; older exports do not say. The encoder step's own manifest, and so the
    provenance of pipelines, leaves it out: a tokenizer belongs to its weights.
    """

    tokenizer_sha256: str | None = None


class Pinned(Settings):
    """The encoder that ``configs/encoder.yml`` names, at a revision of the model hub.

    replaceable: whether the embedded encoder may take its place.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?$", max_length=100)]
    repository: str
    revision: str
    replaceable: bool = True


def read_manifest(folder: Path) -> EncoderInfo:
    """The manifest of an encoder folder. Raises InputError if the encoder step has not written one."""
    return read_output(folder / MANIFEST, EncoderInfo, "encoder")


def read_export(folder: Path) -> Export:
    """The manifest of an encoder folder, with what an export says of the tokenizer. Raises as :func:`read_manifest`."""
    return read_output(folder / MANIFEST, Export, "encoder")


def load_pinned(path: Path, name: str = "") -> Pinned:
    """``configs/encoder.yml``; another ``name`` asks for that encoder (newest revision) and no other.

    Raises InputError if the file lacks a key or has an unknown one, and for what cannot be an encoder's name.
    """
    pinned = load_settings(path, Pinned)
    if name in ("", pinned.name):
        return pinned
    return load_settings(
        path, Pinned, changes={"name": name, "repository": name, "revision": "main", "replaceable": False}
    )


def prepare(
    target: Path, pinned: Pinned, embedded: Path, *, mirror: Path | None, strict: bool, seed: int
) -> EncoderInfo:
    """Fill ``target`` with encoder, tokenizer and manifest, from the mirror, the hub, or the ``embedded`` folder.

    The tokenizer gets the rules of :mod:`medner.model.normalisation`, and a limit that the encoder can read.
    The embedded encoder is taken where neither mirror nor hub has the pinned one and it is replaceable, and where it is
    the pinned one itself. The name ``untrained`` stands for the embedded encoder with random weights from ``seed``.
    Raises InputError where ``strict`` forbids this fallback, as :func:`load_encoder`, and for an encoder that is
    pickled, that does not match its tokenizer, or that does not match its manifest. Nothing is written then.
    """
    with new_folder(target, sign=MANIFEST) as folder:
        if pinned.name == UNTRAINED:
            manifest = _without_training(embedded, folder, seed)
        elif pinned.name == read_manifest(embedded).name:
            manifest = _embedded(embedded, folder)
        elif mirror and (source := mirror / pinned.name).is_dir():
            if (source / MANIFEST).is_file():
                manifest = _exported(source, folder, pinned.name)
            else:
                _copy(source, folder)
                manifest = _inspect(folder, source, pinned.name, UNVERIFIED)
        elif commit := _download(folder, pinned):
            manifest = _inspect(folder, pinned.repository, pinned.name, commit)
        elif strict or not pinned.replaceable:
            raise InputError(
                f"no mirror holds the encoder {pinned.name}, and the model hub is out of reach",
                remedy=f"Correct the name, give a --mirror with a folder {pinned.name}/, or connect to the network",
            )
        else:
            manifest = _embedded(embedded, folder)
        _prepare_tokenizer(folder)
        write_manifest(folder, manifest)
    return manifest


def check_export(folder: Path) -> None:
    """Raise InputError if an encoder folder's weights or tokenizer are not those of its manifest."""
    stated = read_export(folder)
    for name, wanted in ((weights_file(folder).name, stated.sha256), (TOKENIZER, stated.tokenizer_sha256)):
        if wanted is not None and (found := sha256(read_bytes(folder / name))) != wanted:
            what = f"not the file that {MANIFEST} describes (SHA-256 {found[:12]}…, not {wanted[:12]}…)"
            raise InputError(what, path=folder / name, remedy="Fetch the encoder again, or pre-train again")


def write_manifest(folder: Path, manifest: EncoderInfo) -> None:
    """Write an encoder folder's manifest."""
    write_output(folder / MANIFEST, manifest)


def _embedded(source: Path, folder: Path) -> EncoderInfo:
    """Copy the embedded encoder. Raises InputError as :func:`_exported`, and for pickles, which it never needs."""
    if pickles := _pickles(source):
        what = f"{', '.join(pickles)} is a pickle, which can run code when it is loaded"
        raise InputError(what, path=source, remedy="Remove it; weights are kept as safetensors")
    return _exported(source, folder, read_manifest(source).name).model_copy(update={"embedded": True})


def _exported(source: Path, folder: Path, name: str) -> EncoderInfo:
    """Copy an encoder that ``scripts/pretrain.py`` wrote; its manifest says how to fine-tune it.

    Raises InputError if its weights or its tokenizer are not those of its manifest.
    """
    stated = read_export(source)
    _copy(source, folder)
    check_export(source)
    manifest = _inspect(folder, source, name, stated.revision)
    return manifest.model_copy(update=stated.model_dump(include={"learning_rate", "head_rate", "epochs"}))


def _without_training(source: Path, folder: Path, seed: int) -> EncoderInfo:
    import torch  # noqa: PLC0415 - slow to import

    trained = _embedded(source, folder)
    model, _ = load_encoder(folder, source)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = type(model)(model.config)
    model.save_pretrained(folder, safe_serialization=True)
    digest = sha256(read_bytes(folder / WEIGHTS))
    return trained.model_copy(
        update={
            "name": f"{trained.name}-untrained",
            "revision": f"seed {seed}",
            "untrained": True,
            "sha256": digest,
            "learning_rate": UNTRAINED_RATE,
        }
    )


def _copy(source: Path, folder: Path) -> None:
    missing = [name for name in ("config.json", weights_file(source).name) if not (source / name).is_file()]
    if not any((source / name).is_file() for name in VOCABULARIES):
        missing.append(" or ".join(VOCABULARIES))
    if missing:
        pickled = ", ".join(_pickles(source))
        why = f" ({pickled} is a pickle and is never loaded)" if pickled else ""
        raise InputError(
            f"the encoder folder lacks {', '.join(missing)}{why}",
            path=source,
            remedy="Save the encoder with safetensors and its vocabulary",
        )
    for name in FILES:
        if (source / name).is_file():
            (folder / name).write_bytes(read_bytes(source / name))
    expand(source, folder)


def _pickles(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix in PICKLES)


def _download(folder: Path, pinned: Pinned) -> str:
    """Fetch the pinned files from the hub; their commit, or nothing if it is out of reach.

    Raises InputError for an unknown encoder.
    """
    from huggingface_hub import constants, snapshot_download  # noqa: PLC0415 - slow to import, rarely needed
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError  # noqa: PLC0415

    repository, revision = pinned.repository, pinned.revision
    if not reachable(constants.ENDPOINT, HUB_SECONDS):
        return ""
    try:
        cache = snapshot_download(repository, revision=revision, allow_patterns=list(FILES), etag_timeout=HUB_SECONDS)
    except (RepositoryNotFoundError, RevisionNotFoundError):
        what = f"the model hub has no encoder {repository!r} at revision {revision}"
        raise InputError(what, remedy="Correct the name, or give a --mirror that holds it") from None
    except (OSError, ValueError):  # the client's network errors are OSErrors
        return ""
    _copy(Path(cache), folder)
    return Path(cache).name  # the client's cache has a folder for each commit


def load_encoder(folder: Path, source: Path | str = "") -> tuple[Any, Any]:
    """An encoder and its tokenizer, as transformers loads them.

    source: what messages name, if not the folder. Raises InputError if they cannot be loaded, if their files name code
    that comes with them, which is never run, if a weight is missing or not finite, or if there is one for a part that
    the encoder lacks. transformers would start from random weights with a mere warning.
    """
    from tokenizers import Tokenizer  # noqa: PLC0415
    from transformers import AutoModel, AutoTokenizer  # noqa: PLC0415 - slow to import

    source, remedy = source or folder, "Fetch it again"
    for path in (folder / "config.json", folder / "tokenizer_config.json"):
        if path.is_file() and isinstance(settings := read_json(path), dict) and AUTO_MAP in settings:
            what = f"{path.name} names code that comes with the encoder ({AUTO_MAP}), which is never run"
            raise InputError(what, path=source, remedy="Take an encoder of a type that transformers knows")
    if (folder / TOKENIZER).is_file():
        try:
            Tokenizer.from_file(str(folder / TOKENIZER))
        except Exception as error:  # what the library raises; transformers would speak of another format
            what = f"{TOKENIZER} is malformed ({' '.join(str(error).split())[:200]})"
            raise InputError(what, path=source, remedy=remedy) from None
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True, trust_remote_code=False)
        model, found = AutoModel.from_pretrained(
            folder, use_safetensors=True, trust_remote_code=False, output_loading_info=True
        )
    except Exception as error:  # the libraries raise whatever their parsers raise
        what = f"the encoder cannot be loaded ({' '.join(str(error).split())[:200]})"
        raise InputError(what, path=source, remedy=remedy) from None
    parts = {name for name, _ in model.named_children()}
    kept = [name.removeprefix(f"{model.base_model_prefix}.") for name in found["unexpected_keys"]]
    missing = sorted(name for name in found["missing_keys"] if not name.startswith(POOLER))
    # What an encoder was pre-trained with on top, such as BERT's `cls`, is no part of it.
    unexpected = sorted(name for name in kept if name.partition(".")[0] in parts)
    for what, names in (("the weights lack", missing), ("the config has no place for the weights", unexpected)):
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise InputError(f"{what} {', '.join(names[:3])}{more}", path=source, remedy=remedy)
    check_finite(model.state_dict(), source)
    return model, tokenizer


def _inspect(folder: Path, source: Path | str, name: str, revision: str) -> EncoderInfo:
    """Load the encoder once, as training will, and describe it."""
    model, tokenizer = load_encoder(folder, source)
    _match(tokenizer, model.config.vocab_size, folder, source)
    return EncoderInfo(
        name=name,
        revision=revision,
        untrained=False,
        parameters=sum(p.numel() for p in model.parameters()),
        vocabulary=len(tokenizer),
        sha256=sha256(read_bytes(folder / WEIGHTS)),
    )


def _prepare_tokenizer(folder: Path) -> None:
    """Write the folder's tokenizer anew, with the rules for text as hospitals have it.

    Word-pieces beyond its limit are cut off without a word. Rotary position encodings have no limit.
    """
    from transformers import AutoConfig, AutoTokenizer  # noqa: PLC0415

    tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True)
    config = AutoConfig.from_pretrained(folder)
    rotary = any("rope_theta" in key for key in config.to_dict())
    tokenizer.model_max_length = LONGEST if rotary else min(tokenizer.model_max_length, config.max_position_embeddings)
    normalise(tokenizer)
    tokenizer.save_pretrained(folder)


def _match(tokenizer: Any, embeddings: int, folder: Path, source: Path | str) -> None:
    """Raise InputError for a tokenizer that cannot be the one that the encoder was trained with.

    Without a manifest, only its size and the list of word-pieces beside it can tell.
    """
    remedy = "Use the tokenizer that the encoder was trained with"
    if not USED * embeddings <= len(tokenizer) <= embeddings:
        what = f"the tokenizer has {len(tokenizer):,} pieces, but the weights are for {embeddings:,}"
        raise InputError(what, path=source, remedy=remedy)
    if (folder / WORDPIECES).is_file():
        pieces = tokenizer.get_vocab()
        listed = read_text(folder / WORDPIECES).removesuffix("\n").split("\n")
        for piece, number in {piece: number for number, piece in enumerate(listed)}.items():
            if pieces.get(piece) != number:
                what = f"piece {number} of the tokenizer is not {piece!r}, as {WORDPIECES} says"
                raise InputError(what, path=source, remedy=remedy)
