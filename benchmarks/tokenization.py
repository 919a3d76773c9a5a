"""The recall that the tokenizer allows: gold entities on token boundaries, spaCy's `xx` tokenizer beside the project's.

Example: python benchmarks/tokenization.py --mirror /data/mirror
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import spacy
import typer

from medner.command_line import ROOT
from medner.data.downloads import mirrored
from medner.data.labels import load_scheme, map_record
from medner.data.manifests import MANIFEST, read_fetch_manifest
from medner.data.readers.ronec import read_ronec
from medner.data.readers.synthetic import read_synthetic
from medner.data.records import Record, Tally
from medner.data.sources import medical_splits, missing_sources
from medner.data.tokenizer import blank, ceiling
from medner.study import load_study


def main(
    mirror: Annotated[
        str, typer.Option(envvar="MEDNER_MIRROR", help="Mirror folder with ronec/test.json; else the sample.")
    ] = "",
) -> None:
    """Print both tokenizers for RONEC test, the synthetic corpora and the medical suites that are fetched, by label."""
    scheme = load_scheme(ROOT / "configs" / "labels.yml", "all")
    ronec = mirrored(Path(mirror), "ronec/test.json") if mirror else None
    path = ronec or ROOT / "assets" / "sample" / "test.json"
    sets: dict[str, list[Record]] = {
        "RONEC v2 test" if ronec else "sample test": [
            map_record(r, scheme.corpus("ronec"), Tally(), path=path) for r in read_ronec(path, Tally())
        ]
    }
    for lang in ("ro", "fr"):
        files = sorted((ROOT / "assets" / "synthetic" / lang).glob("*.jsonl"))
        sets[f"synthetic {lang}"] = [record for file in files for record in read_synthetic(file, Tally())]
    fetched = ROOT / "assets" / "fetched"
    if (fetched / MANIFEST).is_file():  # the fetch step has run
        found = read_fetch_manifest(fetched).files
        study = load_study(ROOT / "configs" / "experiments.yml")
        study = study.without(missing_sources(study, found))
        wanted = [name for name, about in study.sources.items() if about.files]
        paths = {name: ROOT / about.path for name, about in found.items()}
        for name, splits in medical_splits(study, wanted, paths, scheme).items():
            sets |= {f"{name} test": part.records for split, part in splits.items() if split == "test"}
    print("| corpus | tokenizer | " + " | ".join(scheme.labels) + " | all |\n|" + " --- |" * (len(scheme.labels) + 3))
    for name, records in sets.items():
        for tokenizer, nlp in (("xx", spacy.blank("xx")), ("medner", blank())):
            counts = ceiling(nlp, records)
            cells = [
                f"{counts[label][0] / counts[label][1]:.2%}" if label in counts else "-" for label in scheme.labels
            ]
            on, total = (sum(column) for column in zip(*counts.values(), strict=True))
            print(
                f"| {name} | {tokenizer} | "
                + " | ".join(cells)
                + f" | {on / total:.2%} ({total - on} of {total:,} off) |"
            )


if __name__ == "__main__":
    typer.run(main)
