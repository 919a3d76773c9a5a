"""The commands ``medner package`` and ``medner push``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medner.command_line import DEFAULT_HELP, ROOT, good, note
from medner.exceptions import InputError


def package(
    model: Annotated[str, typer.Argument(help=f"Experiment or folder; none: {DEFAULT_HELP}.")] = "",
    name: Annotated[str, typer.Option(help="Name of the package, without xx_; empty: medner_EXPERIMENT.")] = "",
    version: Annotated[str, typer.Option(help="Version of the package.")] = "0.1.0",
    output: Annotated[Path, typer.Option(help="Folder to write into.")] = Path("dist"),
    metrics: Annotated[Path, typer.Option(help="Folder that holds the experiments' metrics.")] = ROOT / "metrics",
    licence: Annotated[str, typer.Option(help="Licence of the pipeline; empty: what its encoder requires.")] = "",
) -> None:
    """Make a wheel of a pipeline, with its code, a model card and pinned requirements; write its SHA-256.

    Example: medner package exp3 --name medner_ro_fr
    """
    try:
        from medner.packaging.wheel import build_wheel
    except ModuleNotFoundError as error:
        if error.name != "build":
            raise
        raise InputError("build is not installed", remedy="Run: pip install -e '.[package]'") from None
    from medner.model.pipelines import default_pipeline, pipeline_folder
    from medner.model.provenance import pipeline_name
    from medner.packaging.card import read_subject, render
    from medner.packaging.names import package_name, wheel_name

    if not model:
        model = default_pipeline()
        note(f"Pipeline: {model}")
    pipeline = pipeline_folder(model)
    subject = read_subject(pipeline, metrics, ROOT)
    if not subject.scores:
        note(f"The model card has no scores: {subject.no_scores}")
    licence = licence or subject.licence
    full = package_name(subject.lang, name or pipeline_name(subject.name or "pipeline"))
    file = wheel_name(full, version)
    card = render(subject, full, version, file, licence)
    about = {
        "name": full.removeprefix(f"{subject.lang}_"),
        "version": version,
        "description": subject.description,
        "license": licence,
        "languages": sorted(set(subject.languages.values())),
    }
    wheel = build_wheel(pipeline, output, file, about, card)
    good(f"Wrote {wheel} ({wheel.stat().st_size / 1e6:.0f} MB) and its SHA-256; install it with: pip install {wheel}")


def push(
    wheel: Annotated[Path, typer.Argument(help="Wheel that medner package wrote.")],
    account: Annotated[str, typer.Option(help="User or organisation of the model hub; empty: the token's.")] = "",
    message: Annotated[str, typer.Option(help="Message of the commit.")] = "Update spaCy pipeline",
    private: Annotated[bool, typer.Option("--private", help="Make a new repository private.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be published.")] = False,
) -> None:
    """Publish a wheel on the Hugging Face Hub, with the pipeline and its model card, as spacy-huggingface-hub does.

    The token comes from the environment variable HF_TOKEN or from an earlier login.

    Example: medner push dist/xx_medner_ro_fr-0.1.0-py3-none-any.whl --dry-run
    """
    from medner.packaging.hub import ACCOUNT, publish, repository, token

    with repository(wheel) as found:
        is_allowed = token() is not None
        if dry_run or not is_allowed:
            kind = "private" if private else "public"
            typer.echo(f"Would publish {account or ACCOUNT}/{found.name} ({kind}), version {found.version}:")
            for file, size in found.files:
                typer.echo(f"{size:>13,}  {file}")
        if dry_run:
            return
        if not is_allowed:
            raise InputError("no token for the model hub, so nothing is published", remedy="Set HF_TOKEN")
        address = publish(found, account, message, private=private)
        good(f"Published {address}")
        typer.echo(f"pip install {address}/resolve/main/{found.name}-any-py3-none-any.whl")
