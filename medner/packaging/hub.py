"""Publishes a wheel on a model hub, in the layout of spacy-huggingface-hub."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import srsly
import yaml
from huggingface_hub import HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, OfflineModeIsEnabled
from requests import RequestException

from medner.exceptions import InputError
from medner.files import BROKEN_ZIP, read_text, write_text
from medner.model.provenance import META
from medner.packaging.names import README, SUM, WHEEL

ACCOUNT = "YOUR-ACCOUNT"  # stands for the account of a token that is not at hand


@dataclass(frozen=True)
class Repository:
    """What is published: a folder, and the name of its repository without the account."""

    name: str
    version: str
    folder: Path

    @property
    def files(self) -> list[tuple[str, int]]:
        """Every file and its size in bytes."""
        found = (path for path in sorted(self.folder.rglob("*")) if path.is_file())
        return [(path.relative_to(self.folder).as_posix(), path.stat().st_size) for path in found]


@contextmanager
def repository(wheel: Path) -> Iterator[Repository]:
    """A temporary folder with what is published of a wheel.

    The pipeline lies at its top, so that the hub shows its config and card; the wheel is beside it under a name
    without a version, so that its address stays. Raises InputError for anything but a wheel of a pipeline.
    """
    remedy = "Make one with medner package"
    name = WHEEL.fullmatch(wheel.name)
    if not wheel.is_file() or name is None:
        raise InputError("not a wheel of a pipeline", path=wheel, remedy=remedy)
    package, version = name["package"], name["version"]
    inside = f"{package}/{package}-{version}/"
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / package
        try:
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(work, [one for one in archive.namelist() if one.startswith(f"{package}/")])
        except BROKEN_ZIP as error:
            raise InputError(f"the wheel is damaged ({error})", path=wheel, remedy=remedy) from None
        if not (Path(work) / inside / META).is_file():
            raise InputError(f"the wheel has no {inside}{META}", path=wheel, remedy=remedy)
        (folder / "__init__.py").unlink()
        shutil.copytree(Path(work) / inside, folder, dirs_exist_ok=True)
        shutil.rmtree(Path(work) / inside)
        stable = folder / f"{package}-any-py3-none-any.whl"
        shutil.copyfile(wheel, stable)
        checksum = wheel.with_name(wheel.name + SUM)
        if checksum.is_file():
            digest = read_text(checksum).split()[0]
            write_text(stable.with_name(stable.name + SUM), f"{digest}  {stable.name}\n")
        meta: dict[str, Any] = srsly.read_json(folder / META)
        write_text(folder / README, card_metadata(meta, package) + "\n" + read_text(folder / README))
        yield Repository(package, version, folder)


def card_metadata(meta: Mapping[str, Any], package: str) -> str:
    """The metadata that a model hub reads at the top of a card, in YAML, as spacy-huggingface-hub writes them."""
    licence = str(meta.get("license", "")).partition(":")[0].replace(" ", "-").lower()
    found: dict[str, Any] = {
        "tags": ["spacy", "token-classification"],
        "language": list(meta.get("languages", [])) or ["multilingual" if meta["lang"] == "xx" else meta["lang"]],
        "license": licence or "other",
    }
    performance = meta.get("performance", {})
    if "ents_f" in performance:
        kinds = (("Precision", "precision", "ents_p"), ("Recall", "recall", "ents_r"), ("F Score", "f_score", "ents_f"))
        metrics = [
            {"name": f"NER {name}", "type": kind, "value": round(performance[key], 4)} for name, kind, key in kinds
        ]
        task = {"name": "NER", "type": "token-classification"}
        found["model-index"] = [{"name": package, "results": [{"task": task, "metrics": metrics}]}]
    return f"---\n{yaml.safe_dump(found, sort_keys=False)}---\n"


def token() -> str | None:
    """The token of the environment (``HF_TOKEN``), or of an earlier ``huggingface-cli login``; None without one."""
    found: str | None = get_token()
    return found


def publish(found: Repository, account: str, message: str, *, private: bool) -> str:
    """Upload a repository; returns its address. account: a user or an organisation, empty for the token's own.

    Raises InputError where the hub is out of reach or refuses.
    """
    api = HfApi(token=token())
    try:
        owner = account or api.whoami()["name"]
        name = f"{owner}/{found.name}"
        address = api.create_repo(name, private=private, exist_ok=True)
        api.upload_folder(repo_id=name, folder_path=found.folder, commit_message=message)
    except (HfHubHTTPError, HFValidationError, OfflineModeIsEnabled, RequestException) as error:
        what = f"the model hub cannot be reached, or refuses ({' '.join(str(error).split())[:200]})"
        remedy = "Check the network, the token's right to write and the account; --dry-run shows what would be done"
        raise InputError(what, remedy=remedy) from None
    return str(address)
