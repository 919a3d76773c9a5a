"""Fetch the public corpora: from where they already are, a mirror folder, or the network."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated

import srsly
import typer
from rich.progress import track

from medner.command_line import MIRROR_HELP, ROOT, folder_or_none, good, new_app, note, step
from medner.data.downloads import ABSENT, fetch, load_downloads, reachable, ronec_variant
from medner.exceptions import InputError
from medner.files import write_text

app = new_app()


@app.command(epilog="Example: python scripts/fetch.py --mirror /data/mirror")
@step
def main(
    mirror: Annotated[str, typer.Option(envvar="MEDNER_MIRROR", help=MIRROR_HELP)] = "",
    strict: Annotated[bool, typer.Option("--strict", help="Fail where a stand-in would have to be used.")] = False,
    root: Annotated[Path, typer.Option(help="Project folder that the files go into.")] = ROOT,
) -> None:
    """Fetch the corpora that configs/downloads.yml pins, verify them, and write assets/fetched/manifest.json.

    What cannot be had is named plainly. The committed sample takes RONEC's place; of the medical corpora, whatever is
    missing is left out of the study, with the suites and experiments that use it.
    """
    downloads = load_downloads(ROOT / "configs" / "downloads.yml", ROOT / "project.yml")
    is_reachable = functools.cache(reachable)
    origins = {
        d.name: fetch(d, root, folder_or_none(mirror), is_reachable)
        for d in track(downloads, description="Fetching", transient=True)
    }
    for download in downloads:
        origin = origins[download.name]
        if origin in ABSENT:
            note(f"{download.name}: {ABSENT[origin]}")
        else:
            good(f"{download.name}: {origin}")
    variant, message = ronec_variant(origins)
    if strict and variant != "v2":
        raise InputError(
            f"RONEC v2 is not complete and --strict allows no stand-in ({message})",
            remedy="Give a --mirror that holds it, or connect to the network",
        )
    (good if variant == "v2" else note)(f"Training and test data for source ronec: {message}.")
    manifest = {
        "ronec": {"variant": variant, "note": message},
        # "present" and "mirror" hold the same verified bytes: where they came from must not make later steps run again.
        "files": {
            d.name: {
                "path": d.asset,
                **d.checksum,
                "licence": d.licence,
                "available": origins[d.name] not in ABSENT,
                **({"reason": ABSENT[origins[d.name]]} if origins[d.name] in ABSENT else {}),
            }
            for d in downloads
        },
    }
    write_text(root / "assets" / "fetched" / "manifest.json", srsly.json_dumps(manifest, indent=2) + "\n")


if __name__ == "__main__":
    app()
