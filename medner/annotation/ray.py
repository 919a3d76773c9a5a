"""``medner annotate --ray``: the same work by Ray Data, on one machine or on a cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medner.annotation.inputs import FORMATS as READ
from medner.annotation.inputs import STDIN, Document, Reading, check_document, find_files, read_documents
from medner.annotation.outputs import SUFFIXES, other_keys
from medner.annotation.run import Job, annotate_documents, check_wishes, is_wanted
from medner.cluster import explained, start_ray
from medner.exceptions import InputError
from medner.files import new_folder

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 256  # documents in a batch
SHARE = 0.5  # of a core that Ray counts for a worker: with all cores taken, nothing could be read or written
BLOCK = 2 * ROWS  # documents in a file of the output, about
PARQUET = "parquet"
FORMATS = ("jsonl", PARQUET)
EXTRA = "medner:extra"  # column for a document's other keys, as JSON


def annotate_on_ray(job: Job, address: str) -> int:
    """Write the documents with their entities into files in the folder ``job.output``; returns how many there are.

    Inputs are those that :func:`medner.annotation.run.run` reads, or files and folders of Parquet, whose other columns
    are kept. Every machine of the cluster has to see them, the pipeline and the output under the same path. The folder
    appears when all is done. A worker that dies is replaced, and its batch is annotated again. Raises InputError for
    bad input, and if the output is there already.
    """
    tables = _parquet_files(job.inputs)
    to = job.to or (PARQUET if tables else "jsonl")
    _check_options(job, tables)
    files = [] if tables else find_files(job.inputs, job.reading, (job.output,))
    if Path(job.model).is_dir():
        job = replace(job, model=str(Path(job.model).resolve()))
    ray = start_ray(address)
    try:
        ray.get(ray.remote(num_cpus=SHARE, max_calls=1)(_check_pipeline).remote(job))
        rows = ray.data.read_parquet(tables) if tables else _documents(ray, files, job.reading)
        if tables:
            _check_columns(rows, job)
        if job.limit:
            rows = rows.limit(job.limit)
        annotated = rows.repartition(target_num_rows_per_block=BLOCK).map_batches(
            _Worker,
            fn_constructor_args=(job, not tables and to == PARQUET),
            batch_format="pyarrow",
            batch_size=ROWS,
            compute=ray.data.ActorPoolStrategy(
                size=job.processes or max(1, int(ray.cluster_resources().get("CPU", 1)))
            ),
            num_cpus=SHARE,
        )
        with new_folder(job.output, sign="*") as folder:
            if to == PARQUET:
                annotated.write_parquet(str(folder))
            else:
                annotated.write_datasink(_json_lines(folder))
            if not (count := sum(_count(file) for file in folder.iterdir())):
                raise InputError("the input has no document", remedy="Check the files, and --from")
            return count
    except (ray.exceptions.RayError, ValueError) as error:  # pyarrow's errors are ValueErrors
        raise explained(error) from None


def _check_options(job: Job, tables: Sequence[str]) -> None:
    """Raises InputError for an output that is there, and for what goes neither with Ray nor with Parquet."""
    wishes = {"--resume": job.resume, "--skip-bad": job.skip_bad, "standard input": STDIN in job.inputs}
    if refused := [wish for wish, asked in wishes.items() if asked]:
        raise InputError(f"--ray does not go with {', '.join(refused)}", remedy="Leave one of them out")
    if tables and job.reading != Reading(field=job.reading.field, wrapped=job.reading.wrapped):
        what = "--from, --lines, --column and --encoding do not go with Parquet"
        raise InputError(what, remedy="Leave them out; --field names the column of the text")
    if job.to not in ("", *FORMATS):
        raise InputError(f"--to is {job.to!r}", remedy=f"Ray writes {' and '.join(FORMATS)}")
    if job.output.suffix and job.output.suffix in SUFFIXES:
        raise InputError("--ray writes a folder", path=job.output, remedy="Name one without that suffix")
    if job.output.exists() and (not job.output.is_dir() or any(job.output.iterdir())):
        raise InputError("already exists", path=job.output, remedy="Name a new folder")


def _parquet_files(inputs: Sequence[str]) -> list[str]:
    """The Parquet files among the inputs. Raises InputError where there are files of other known formats as well."""
    paths = [Path(given) for given in inputs]
    files = [file for path in paths for file in (sorted(path.rglob("*")) if path.is_dir() else [path])]
    found = [str(file.resolve()) for file in files if file.suffix == f".{PARQUET}" and file.is_file()]
    others = [file for file in files if Path(file.name.removesuffix(".gz")).suffix.lower() in READ]
    if found and others:
        raise InputError("is beside Parquet files", path=others[0], remedy="Annotate them in two runs")
    return found


def _check_pipeline(job: Job) -> None:
    from medner.annotation.engine import about, load  # noqa: PLC0415 - slow to import, and not needed in the parent

    check_wishes(job.model, about(load(job.model, arithmetic=job.arithmetic)), job.labels, job.min_confidence)


def _check_columns(rows: Any, job: Job) -> None:
    import pyarrow as pa  # noqa: PLC0415

    kinds = dict(zip(rows.schema().names, rows.schema().types, strict=True))
    field = job.reading.field
    if field not in kinds:
        remedy = f"Name it with --field: {', '.join(kinds)}"
        raise InputError(f"has no column {field!r}", path=job.inputs[0], remedy=remedy)
    if not (pa.types.is_string(kinds[field]) or pa.types.is_large_string(kinds[field])):
        raise InputError(f"column {field!r} holds {kinds[field]}, not text", path=job.inputs[0], remedy="Name another")


def _documents(ray: Any, files: Sequence[str], reading: Reading) -> Any:
    items = [{"file": str(Path(file).resolve()), "name": file} for file in files]
    read = partial(_read, reading=reading)
    return ray.data.from_items(items).map_batches(read, batch_format="pyarrow", batch_size=1)


def _read(batch: pa.Table, *, reading: Reading) -> Iterator[pa.Table]:
    """The documents of a file as columns id, text and extra. Raises the first one's InputError."""
    import pyarrow as pa  # noqa: PLC0415

    (name,) = batch.column("name").to_pylist()
    (file,) = batch.column("file").to_pylist()
    rows: list[dict[str, str]] = []
    kinds = pa.schema([(key, pa.string()) for key in ("id", "text", EXTRA)])
    for document in read_documents([file], reading):
        if isinstance(document, InputError):
            raise document
        id = name + document.id.removeprefix(file) if document.id.startswith(file) else document.id
        rows.append({"id": id, "text": document.text, EXTRA: json.dumps(document.extra, ensure_ascii=False)})
        if len(rows) == ROWS:
            yield pa.Table.from_pylist(rows, kinds)
            rows = []
    yield pa.Table.from_pylist(rows, kinds)


class _Worker:
    """Annotates batches; the pipeline is loaded once, in the worker.

    unfold: write a document's other keys as columns.
    """

    def __init__(self, job: Job, unfold: bool) -> None:
        from medner.annotation.engine import annotate_texts, load  # noqa: PLC0415

        self.job, self.unfold = job, unfold
        self.find = partial(annotate_texts, load(job.model, arithmetic=job.arithmetic))

    def __call__(self, batch: pa.Table) -> pa.Table:
        """The batch with a column ``entities``."""
        import pyarrow as pa  # noqa: PLC0415

        job = self.job
        field = "text" if EXTRA in batch.column_names else job.reading.field
        found: list[list[dict[str, Any]]] = []
        documents, find = _texts(batch, field, job), partial(map, self.find)
        for document, entities in annotate_documents(documents, find, wrapped=job.reading.wrapped):
            if isinstance(document, InputError):
                raise document
            found.append([one._asdict() for one in entities if is_wanted(one, job.labels, job.min_confidence)])
        if self.unfold:
            rows = [_unfolded(row) for row in batch.to_pylist()]
            columns = dict.fromkeys(key for row in rows for key in row)  # from_pylist takes those of the first row
            batch = pa.Table.from_pylist([{key: row.get(key) for key in columns} for row in rows])
        dropped = {"entities", field} if not job.keep_text else {"entities"}
        batch = batch.drop_columns([name for name in batch.column_names if name in dropped])
        kind = {"start": pa.int64(), "end": pa.int64(), "label": pa.string(), "text": pa.string()}
        return batch.append_column(
            "entities", pa.array(found, pa.list_(pa.struct({**kind, "confidence": pa.float64()})))
        )


def _unfolded(row: dict[str, Any]) -> dict[str, Any]:
    """A row with the other keys of its document first, each a column of its own."""
    return {**other_keys(json.loads(row.pop(EXTRA, "{}")), "text", "entities"), **row}


def _texts(batch: pa.Table, field: str, job: Job) -> Iterator[Document | InputError]:
    """The texts of a batch. Parquet has not been read by this project's reader, so they are checked."""
    ids = batch.column("id").to_pylist() if "id" in batch.column_names else range(len(batch))
    for id, text in zip(ids, batch.column(field).to_pylist(), strict=True):
        place = f"document {id}" if "id" in batch.column_names else ""
        if text is None:
            yield InputError(f"has no {field!r}", path=job.inputs[0], place=place, remedy="Give it a text")
        else:
            yield check_document(Document(str(id), text), job.inputs[0], place)


def _json_lines(folder: Path) -> Any:
    from ray.data.datasource import BlockBasedFileDatasink  # noqa: PLC0415 - an extra

    class JsonLines(BlockBasedFileDatasink):  # type: ignore[misc]
        """Writes rows, with a document's other keys put back first."""

        def write_block_to_file(self, block: Any, file: Any) -> None:
            for row in block.to_arrow().to_pylist():
                file.write((json.dumps(_unfolded(row), ensure_ascii=False, default=str) + "\n").encode())

    return JsonLines(str(folder), file_format="jsonl")


def _count(file: Path) -> int:
    """The documents in a file of the output."""
    if file.suffix == f".{PARQUET}":
        import pyarrow.parquet as pq  # noqa: PLC0415 - an extra

        return int(pq.read_metadata(file).num_rows)
    with file.open("rb") as lines:
        return sum(1 for _ in lines)
