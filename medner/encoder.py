"""The encoder folder that training starts from: fetched at a pinned revision, or a stand-in that says so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import srsly
import yaml

from medner.exceptions import InputError
from medner.fetching import reachable
from medner.files import new_folder, read_bytes, read_text, sha256, write_text
from medner.records import CEDILLA_TO_COMMA

MANIFEST = "manifest.json"
WEIGHTS = "model.safetensors"
# All that is ever copied or downloaded: a pickle (pytorch_model.bin) can run code when it is loaded.
VOCABULARIES = ("vocab.txt", "tokenizer.json", "sentencepiece.bpe.model")
FILES = ("config.json", "tokenizer_config.json", "special_tokens_map.json", *VOCABULARIES, WEIGHTS)
HUB_SECONDS = 5


@dataclass(frozen=True)
class Manifest:
    """What the encoder folder holds; goes into every model, metrics file and report made with it."""

    name: str
    revision: str
    untrained: bool
    parameters: int
    vocabulary: int
    sha256: str
    learning_rate: float | None = None
    epochs: int | None = None

    @property
    def title(self) -> str:
        """The encoder's name as tables show it."""
        return f"{self.name} (UNTRAINED weights)" if self.untrained else self.name


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an encoder folder. Raises InputError if the encoder step has not written one."""
    path = folder / MANIFEST
    try:
        return Manifest(**srsly.json_loads(read_text(path)))
    except (ValueError, TypeError):
        raise InputError("is no encoder manifest", path=path, remedy="Run the encoder step") from None


def load_settings(path: Path, name: str | None = None) -> Mapping[str, Any]:
    """``configs/encoder.yml``; another ``name`` replaces the pinned encoder (its newest revision is then taken)."""
    try:
        settings = dict(yaml.safe_load(read_text(path)))
        if name and name != settings["name"]:
            settings |= {"name": name, "repository": name, "revision": "main"}
        settings["stand_in"]["bert"], settings["stand_in"]["training"]
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        what = f"is no encoder configuration ({' '.join(str(error).split())})"
        raise InputError(what, path=path, remedy="Compare it with configs/encoder.yml in the repository") from None
    return settings


def prepare(
    target: Path, settings: Mapping[str, Any], texts: Iterable[str], *, mirror: Path | None, strict: bool, seed: int
) -> Manifest:
    """Fill ``target`` with encoder, tokenizer and manifest, from the mirror, the hub, or as the stand-in.

    texts: what the stand-in's tokenizer is trained on (read only if it is needed). seed: of its random weights.
    Raises InputError where ``strict`` forbids the stand-in, and for an encoder that is damaged, pickled or whose
    tokenizer does not match its weights; nothing is written then.
    """
    with new_folder(target) as folder:
        if mirror and (source := mirror / settings["name"]).is_dir():
            _copy(source, folder)
            manifest = _inspect(folder, source, settings)
        elif _download(folder, settings):
            manifest = _inspect(folder, settings["repository"], settings)
        elif strict:
            raise InputError(
                f"{settings['name']} is in no mirror, the model hub is out of reach, and --strict allows no stand-in",
                remedy=f"Give a --mirror with a folder {settings['name']}/, or connect to the network",
            )
        else:
            manifest = _build_stand_in(folder, settings["stand_in"], texts, seed)
        write_text(folder / MANIFEST, srsly.json_dumps(asdict(manifest), indent=2) + "\n")
    return manifest


def _copy(source: Path, folder: Path) -> None:
    missing = [name for name in ("config.json", WEIGHTS) if not (source / name).is_file()]
    if not any((source / name).is_file() for name in VOCABULARIES):
        missing.append(" or ".join(VOCABULARIES))
    if missing:
        pickled = ", ".join(
            sorted(p.name for p in source.iterdir() if p.suffix in (".bin", ".pt", ".pth", ".pkl", ".ckpt"))
        )
        why = f" ({pickled} is a pickle and is never loaded)" if pickled else ""
        raise InputError(
            f"the encoder folder lacks {', '.join(missing)}{why}",
            path=source,
            remedy="Save the encoder with safetensors and its vocabulary",
        )
    for name in FILES:
        if (source / name).is_file():
            (folder / name).write_bytes(read_bytes(source / name))


def _download(folder: Path, settings: Mapping[str, Any]) -> bool:
    """Fetch the pinned files from the hub; False if it is out of reach. InputError if it does not know the encoder."""
    from huggingface_hub import constants, snapshot_download  # noqa: PLC0415 - slow to import, rarely needed
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError  # noqa: PLC0415

    repository, revision = settings["repository"], settings["revision"]
    if not reachable(constants.ENDPOINT, HUB_SECONDS):
        return False
    try:
        cache = snapshot_download(repository, revision=revision, allow_patterns=list(FILES), etag_timeout=HUB_SECONDS)
    except (RepositoryNotFoundError, RevisionNotFoundError):
        what = f"the model hub has no encoder {repository!r} at revision {revision}"
        raise InputError(what, remedy="Correct the name, or give a --mirror that holds it") from None
    except (OSError, ValueError):  # the client's network errors are OSErrors
        return False
    _copy(Path(cache), folder)
    return True


def _inspect(folder: Path, source: Path | str, settings: Mapping[str, Any]) -> Manifest:
    """Load the encoder once, as training will, and describe it."""
    from transformers import AutoModel, AutoTokenizer  # noqa: PLC0415

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, use_fast=True)
        model = AutoModel.from_pretrained(folder, use_safetensors=True)
    except Exception as error:  # the libraries raise whatever their parsers raise
        what = f"the encoder cannot be loaded ({str(error).splitlines()[0]})"
        raise InputError(what, path=source, remedy="Fetch it again") from None
    if len(tokenizer) > model.config.vocab_size:
        raise InputError(
            f"the tokenizer has {len(tokenizer)} pieces but the weights only {model.config.vocab_size}",
            path=source,
            remedy="Use the tokenizer that the encoder was trained with",
        )
    return Manifest(
        name=settings["name"],
        revision=settings["revision"],
        untrained=False,
        parameters=sum(p.numel() for p in model.parameters()),
        vocabulary=len(tokenizer),
        sha256=sha256(read_bytes(folder / WEIGHTS)),
    )


def _build_stand_in(folder: Path, settings: Mapping[str, Any], texts: Iterable[str], seed: int) -> Manifest:
    import torch  # noqa: PLC0415
    from transformers import BertConfig, BertModel  # noqa: PLC0415

    tokenizer = train_tokenizer(texts, settings["vocabulary"])
    tokenizer.save_pretrained(folder)
    tokenizer.save_vocabulary(str(folder))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = BertModel(BertConfig(vocab_size=len(tokenizer), **settings["bert"]))
    model.save_pretrained(folder, safe_serialization=True)
    return Manifest(
        name=settings["name"],
        revision=f"seed {seed}",
        untrained=True,
        parameters=sum(p.numel() for p in model.parameters()),
        vocabulary=len(tokenizer),
        sha256=sha256(read_bytes(folder / WEIGHTS)),
        **settings["training"],
    )


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Any:
    """A cased WordPiece tokenizer with BERT's layout, trained on texts; cedilla ş/ţ are read as comma-below ș/ț.

    Returns a ``BertTokenizerFast`` of at most ``vocabulary`` pieces, the same one for the same texts.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers  # noqa: PLC0415
    from transformers import BertTokenizerFast  # noqa: PLC0415

    cedillas = [normalizers.Replace(chr(old), chr(new)) for old, new in CEDILLA_TO_COMMA.items()]
    normalizer = normalizers.Sequence([*cedillas, normalizers.BertNormalizer(lowercase=False, strip_accents=False)])

    def empty(model: Any) -> Any:
        tokenizer = Tokenizer(model)
        tokenizer.normalizer = normalizer
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        return tokenizer

    texts = list(texts)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    # The trainer numbers word-inner letters in the order of a hash table, and breaks ties by number: another vocabulary
    # each time. Naming them beforehand fixes the order.
    letters = sorted({letter for text in texts for letter in normalizer.normalize_str(text) if not letter.isspace()})
    inner = [f"##{letter}" for letter in letters]
    trained = empty(models.WordPiece(unk_token="[UNK]"))  # noqa: S106 - a word-piece, no password
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary, special_tokens=[*special, *inner], initial_alphabet=letters, show_progress=False
    )
    trained.train_from_iterator(texts, trainer)
    tokenizer = empty(models.WordPiece(vocab=trained.get_vocab(), unk_token="[UNK]"))  # noqa: S106
    tokenizer.decoder = decoders.WordPiece()
    ends = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return BertTokenizerFast(tokenizer_object=tokenizer, do_lower_case=False, strip_accents=False, model_max_length=512)
