"""``medner annotate --ray``: folders of JSON Lines or Parquet annotated by Ray Data, on one machine or on a cluster."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medner.annotation.entities import Arithmetic
from medner.exceptions import InputError

if TYPE_CHECKING:
    import pyarrow as pa

LOCAL = "local"  # the address that starts Ray on this machine
ROWS = 256  # documents in a batch
SHARE = 0.5  # of a core that Ray counts for a worker: with all cores taken, nothing could be read or written
BLOCK = 2 * ROWS  # documents in a file of the output, about
FORMATS = ("jsonl", "parquet")


def annotate_on_ray(
    inputs: Sequence[str],
    model: str,
    output: Path,
    *,
    address: str,
    format: str = "",
    field: str = "text",
    arithmetic: Arithmetic = "auto",
    labels: Sequence[str] = (),
    min_confidence: float = 0.0,
    processes: int = 0,
) -> int:
    """Write the inputs' rows with a column ``entities`` into the folder ``output``; returns the number of rows.

    inputs: folders or files of JSON Lines or Parquet whose rows have the same keys; every machine of the cluster has to
    see them, ``model`` and ``output`` under the same path. address: of a cluster, ``auto`` for the running one,
    ``local`` to start Ray here. format: of the output, jsonl or parquet; empty: that of the input. A worker that dies
    is replaced, and its batch is annotated again. Raises InputError for what cannot be read, and if ``output`` is not
    empty.
    """
    try:
        import ray  # noqa: PLC0415 - an extra
    except ImportError:
        raise InputError("--ray needs Ray", remedy="Install it: pip install 'medner[ray]'") from None
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError("already exists", path=output, remedy="Name a new folder")
    if format not in ("", *FORMATS):
        raise InputError(f"--to is {format!r}", remedy=f"Ray writes {' and '.join(FORMATS)}")
    paths, found = _files(inputs)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no telemetry
    ray.init(address=None if address == LOCAL else address, log_to_driver=False, ignore_reinit_error=True)
    ray.data.DataContext.get_current().enable_progress_bars = False
    read = ray.data.read_json if found == "jsonl" else ray.data.read_parquet
    rows = read(paths, **({"lines": True} if found == "jsonl" else {}))
    if field not in (columns := rows.schema().names):
        raise InputError(f"has no column {field!r}", path=inputs[0], remedy=f"Name it: {', '.join(columns)}")
    workers = processes or max(1, int(ray.cluster_resources().get("CPU", 1)))
    annotated = rows.repartition(target_num_rows_per_block=BLOCK).map_batches(
        _Worker,
        fn_constructor_args=(model, arithmetic, field, tuple(labels), min_confidence),
        batch_format="pyarrow",
        batch_size=ROWS,
        compute=ray.data.ActorPoolStrategy(size=workers),
        num_cpus=SHARE,
    )
    write = annotated.write_json if (format or found) == "jsonl" else annotated.write_parquet
    write(str(output.resolve()))
    return int(rows.count())


def _files(inputs: Sequence[str]) -> tuple[list[str], str]:
    """The inputs' files, and their format. Raises InputError where there are none, or more than one format."""
    files: list[Path] = []
    for given in inputs:
        path = Path(given)
        if not path.exists():
            raise InputError("no such file or folder", path=given, remedy="Check the path")
        files += sorted(path.rglob("*")) if path.is_dir() else [path]
    by_format = {format: [str(file.resolve()) for file in files if file.suffix == f".{format}"] for format in FORMATS}
    known = {format: names for format, names in by_format.items() if names}
    if len(known) != 1:
        what = "has neither" if not known else "has both"
        remedy = "Ray reads .jsonl or .parquet files; leave out --ray for others"
        raise InputError(f"{what} JSON Lines and Parquet", path=inputs[0], remedy=remedy)
    ((format, names),) = known.items()
    return names, format


class _Worker:
    """Annotates batches; the pipeline is loaded once, in the worker."""

    def __init__(
        self, model: str, arithmetic: Arithmetic, field: str, labels: tuple[str, ...], min_confidence: float
    ) -> None:
        from medner.annotation.engine import about, annotate_texts, load  # noqa: PLC0415
        from medner.annotation.run import check_wishes  # noqa: PLC0415

        nlp = load(model, arithmetic=arithmetic)
        check_wishes(model, about(nlp), labels, min_confidence)
        self.field, self.labels, self.min_confidence = field, labels, min_confidence
        self.find = partial(annotate_texts, nlp)

    def __call__(self, batch: pa.Table) -> pa.Table:
        """The batch with a column ``entities``."""
        import pyarrow as pa  # noqa: PLC0415

        from medner.annotation.inputs import Document  # noqa: PLC0415
        from medner.annotation.run import annotate_documents, is_wanted  # noqa: PLC0415

        texts = batch.column(self.field).to_pylist()
        documents = [Document(str(number), text or "") for number, text in enumerate(texts)]
        found: list[list[dict[str, Any]]] = [
            [entity._asdict() for entity in entities if is_wanted(entity, self.labels, self.min_confidence)]
            for _, entities in annotate_documents(documents, partial(map, self.find))
        ]
        kind = {"start": pa.int64(), "end": pa.int64(), "label": pa.string(), "text": pa.string()}
        entities = pa.array(found, pa.list_(pa.struct({**kind, "confidence": pa.float64()})))
        if "entities" in batch.column_names:
            batch = batch.drop_columns(["entities"])
        return batch.append_column("entities", entities)
