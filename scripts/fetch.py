"""Fetch the public corpora and verify them."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from medner.command_line import MIRROR_HELP, ROOT, good, mirror_or_none, new_app, note, note_missing, step
from medner.data.downloads import ABSENT, fetch, fetch_manifest, load_downloads, reachable
from medner.data.manifests import MANIFEST
from medner.exceptions import InputError
from medner.outputs import write_output

app = new_app()


@app.command(epilog="Example: python scripts/fetch.py --mirror /data/mirror")
@step
def main(
    mirror: Annotated[str, typer.Option(envvar="MEDNER_MIRROR", help=MIRROR_HELP)] = "",
    strict: Annotated[bool, typer.Option("--strict", help="Fail if RONEC v2 is not complete.")] = False,
    root: Annotated[Path, typer.Option(help="Project folder to write the files to.")] = ROOT,
) -> None:
    """Fetch the corpora in configs/downloads.yml, verify them, and write assets/fetched/manifest.json.

    A file that is already there is kept; others come from the mirror folder or the network. If RONEC is out of reach,
    the committed sample replaces it. If a medical corpus is out of reach, the suites and experiments that use it are
    left out of the study.
    """
    downloads = load_downloads(ROOT / "configs" / "downloads.yml", ROOT / "project.yml")
    copies, is_reachable = mirror_or_none(mirror), functools.cache(reachable)
    outcomes = {
        item.name: fetch(item, root, copies, is_reachable)
        for item in track(downloads, description="Fetching", transient=True)
    }
    for name, outcome in outcomes.items():
        if outcome not in ABSENT:
            good(f"{name}: {outcome}")
    note_missing("Not fetched", {name: ABSENT[outcome] for name, outcome in outcomes.items() if outcome in ABSENT})
    manifest = fetch_manifest(downloads, outcomes)
    ronec = manifest.ronec
    if strict and ronec.variant != "v2":
        what = f"RONEC v2 is not complete and --strict allows no stand-in ({ronec.note})"
        raise InputError(what, remedy="Give a --mirror that holds it, or connect to the network")
    (good if ronec.variant == "v2" else note)(f"Data of source ronec: {ronec.note}.")
    write_output(root / "assets" / "fetched" / MANIFEST, manifest, exclude_none=True)


if __name__ == "__main__":
    app()
