"""The encoder on RONEC as others report it: all 15 classes, RONEC's own persons, strict F1 on v2's test part.

The pipeline is exp1's (configs/exp1.cfg); only the labels differ. Figures to compare with are in the RONEC paper and
in Romanian encoders' papers. The `fetch`, `encoder` and `corpus` steps must have run.

Example: python benchmarks/ronec_classes.py --seeds 0,1,2
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import srsly
import typer

from medner.command_line import ROOT
from medner.data.build import convert
from medner.data.labels import CorpusLabels, Scheme, load_scheme
from medner.data.manifests import read_fetch_manifest
from medner.data.sources import ronec_splits
from medner.data.tokenizer import blank

V2_NAMES = {"ORGANIZATION": "ORG", "NUMERIC_VALUE": "NUMERIC"}  # v1's labels that v2 spells differently
V1_ONLY = frozenset({"PRODUCT"})


def every_class(scheme: Scheme) -> Scheme:
    """The project's scheme with RONEC's 15 classes in place of its own four."""

    def own(known: CorpusLabels) -> CorpusLabels:
        labels = {*known.map, *known.drop} - V1_ONLY
        mapped = {label: V2_NAMES.get(label, label) for label in labels}
        return CorpusLabels(map=mapped, drop=V1_ONLY, nominal_persons=known.nominal_persons)

    corpora = {name: own(scheme.corpus(name)) for name in ("ronec", "ronec-v1")}
    labels = tuple(sorted(corpora["ronec"].annotated))
    return scheme.model_copy(update={"labels": labels, "persons": "all", "corpora": corpora})


def run(*command: object, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=sys.stderr,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{command[0]} failed, see above")


def main(
    seeds: Annotated[str, typer.Option(help="Seeds, separated by commas.")] = "0",
    epochs: Annotated[str, typer.Option(help="As for the train step.")] = "auto",
) -> None:
    """Train and evaluate once per seed; print strict precision, recall and F1, then F1 by class of the last seed."""
    scheme = every_class(load_scheme(ROOT / "configs" / "labels.yml"))
    variant = read_fetch_manifest(ROOT / "assets" / "fetched").ronec.variant
    parts = ronec_splits(variant, ROOT / "assets" / "fetched", ROOT / "assets" / "sample", scheme)
    found = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for split, part in parts.items():
            convert(blank(), part, "ronec")[0].to_disk(folder / f"{split}.spacy")
        paths = " ".join(f"--paths.{split} {folder / split}.spacy" for split in ("train", "dev"))
        for seed in seeds.split(","):
            model = folder / seed
            options = ("--seed", seed, "--epochs", epochs, "--output", model)
            run("scripts/train.py", "exp1", *options, SPACY_CONFIG_OVERRIDES=f"{paths} --paths.log {folder / 'log'}")
            scores = folder / f"{seed}.json"
            run("-m", "spacy", "evaluate", model / "model-best", folder / "test.spacy", "--output", scores)
            found.append(srsly.read_json(scores))
    print(
        f"RONEC {variant}, {len(scheme.labels)} classes, persons: all, {len(parts['train'].records):,} sentences train"
    )
    for seed, scores in zip(seeds.split(","), found, strict=True):
        print(f"seed {seed}: P {scores['ents_p']:.3f}  R {scores['ents_r']:.3f}  F1 {scores['ents_f']:.3f}")
    f1s = [scores["ents_f"] for scores in found]
    if len(f1s) > 1:
        print(f"F1 {statistics.mean(f1s):.3f} ± {statistics.stdev(f1s):.3f} (standard deviation over seeds)")
    for label, scores in sorted(found[-1]["ents_per_type"].items()):
        print(f"{label:12} {scores['f']:.3f}")


if __name__ == "__main__":
    typer.run(main)
