"""Whatever bytes a reader is given, it reads them or raises InputError."""

from __future__ import annotations

import contextlib
import gzip
import os
import re
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import srsly
from conftest import GOLDEN, ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from summarise import app as summarise
from test_own_corpora import OWN, docbin, source
from typer.testing import CliRunner

from medner.data.docbins import read_docbin
from medner.data.readers.e3c import read_e3c
from medner.data.readers.monero import read_monero
from medner.data.readers.own import read_own
from medner.data.readers.ronec import read_ronec
from medner.data.readers.ronec_v1 import read_ronec_v1
from medner.data.readers.simonero import read_simonero
from medner.data.readers.synthetic import read_synthetic
from medner.data.records import Record, Tally
from medner.data.tokenizer import blank
from medner.evaluation.results import read_run
from medner.exceptions import InputError
from medner.files import packed, read_bytes, read_members
from medner.settings import load_settings
from medner.study import Study

NLP = blank()
HOSTILE = [
    b"\0", b"\xff", b"\xf0\x9f\x98\x80", b"[" * 3000, b"{" * 3000, b'"', b"-1", b"1e999", b"null", b"9" * 5000,
    b"\n", b"\r\n", b"\t", b"<a>", b"&x;", b"]]>", b"\xe2\x80\xa8",
]  # fmt: skip


def mutations(data: bytes) -> st.SearchStrategy[bytes]:
    """The data with a few places changed, cut out, repeated or replaced by something hostile."""
    at = st.integers(0, max(0, len(data) - 1))
    edit = st.tuples(at, st.integers(0, 40), st.sampled_from([*HOSTILE, b""]) | st.binary(max_size=4))

    def apply(edits: list[tuple[int, int, bytes]]) -> bytes:
        changed = data
        for start, length, new in edits:
            changed = changed[:start] + new + changed[start + length :]
        return changed

    return st.lists(edit, min_size=1, max_size=3).map(apply)


def own(kind: str) -> Callable[[Path], Iterable[Record]]:
    return lambda path: read_own(path, source(kind), Tally())


def first(folder: str, suffix: str) -> Path:
    return next(path for path in sorted((GOLDEN / folder).rglob(f"good*{suffix}")) if path.is_file())


READERS: dict[str, tuple[Callable[[Path], Iterable[Record]], Path]] = {
    "conll": (own("conll"), OWN / "conll" / "good.conll"),
    "jsonl": (own("jsonl"), OWN / "jsonl" / "doccano.jsonl"),
    "label-studio": (own("label-studio"), OWN / "label-studio" / "good.json"),
    "synthetic": (lambda path: read_synthetic(path, Tally()), GOLDEN / "synthetic" / "good.jsonl"),
    "ronec": (lambda path: read_ronec(path, Tally()), first("ronec", ".json")),
    "monero": (lambda path: read_monero(path, Tally()), first("monero", ".txt")),
    "simonero": (lambda path: read_simonero(path, Tally()), first("simonero", ".conllu")),
}
few = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
@few
def test_text_readers(name: str, data: st.DataObject, tmp_path: Path) -> None:
    reader, golden = READERS[name]
    path = tmp_path / golden.name
    path.write_bytes(data.draw(mutations(golden.read_bytes())))
    with contextlib.suppress(InputError):
        list(reader(path))


@given(data=st.data())
@few
def test_brat(data: st.DataObject, tmp_path: Path) -> None:
    folder = OWN / "brat" / "good" / "notes"
    members = {f"a{suffix}": data.draw(mutations((folder / f"a{suffix}").read_bytes())) for suffix in (".txt", ".ann")}
    (tmp_path / "a.zip").write_bytes(packed(members))
    with contextlib.suppress(InputError):
        list(own("brat")(tmp_path / "a.zip"))


@given(data=st.data())
@few
def test_e3c(data: st.DataObject, tmp_path: Path) -> None:
    golden = next(path for path in sorted((GOLDEN / "e3c" / "good").rglob("*.xml")))
    (tmp_path / "a.zip").write_bytes(packed({"a.xml": data.draw(mutations(golden.read_bytes()))}))
    with contextlib.suppress(InputError):
        list(read_e3c(tmp_path / "a.zip", Tally()))


@given(data=st.data())
@few
def test_archives(data: st.DataObject, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(data.draw(mutations(packed({"a.txt": b"Are HTA." * 50, "b.ann": b""}))))
    for reader in (read_members, lambda path: list(read_ronec_v1(path, Tally()))):
        with contextlib.suppress(InputError):
            reader(tmp_path / "a.zip")


@given(data=st.data())
@settings(few, max_examples=100)
def test_docbins_with_fields_changed(data: st.DataObject, tmp_path: Path) -> None:
    """Bytes changed below the compression, and whole fields replaced or removed."""
    path = docbin(tmp_path / "a.spacy", store_user_data=True)
    whole = zlib.decompress(path.read_bytes())
    if data.draw(st.booleans()):
        changed = data.draw(mutations(whole))
    else:
        fields: dict[str, Any] = srsly.msgpack_loads(whole)
        key = data.draw(st.sampled_from(sorted(fields)))
        integers = st.integers(-(2**63), 2**64 - 1)  # those that MessagePack has
        values = st.none() | integers | st.text(max_size=3) | st.binary(max_size=9) | st.lists(st.integers(0, 3))
        fields[key] = data.draw(values | st.dictionaries(st.text(max_size=2), integers, max_size=2))
        if data.draw(st.booleans()):
            del fields[key]
        changed = srsly.msgpack_dumps(fields)
    path.write_bytes(zlib.compress(changed))
    with contextlib.suppress(InputError):
        read_docbin(path, NLP)


@given(data=st.data())
@few
def test_settings(data: st.DataObject, tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_bytes(data.draw(mutations((ROOT / "configs" / "experiments.yml").read_bytes()[-3000:])))
    with contextlib.suppress(InputError):
        load_settings(tmp_path / "a.yml", Study)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: &a [1]\n" + "".join(f"b{n}: &b{n} [*a, *a]\n" for n in range(30)), "aliases such as [*]name are not read"),
        ("[" * 20_000, "nested too deeply|not valid YAML"),
        ("a: 2001-99-99", "not valid YAML"),
        ("a: 1\nb: {c: 1}\na: 2\n", "the key a of line 1 is there again in line 3: join the two"),
        ("a: 1\nb: {c: 1, c: 2}\n", "the key c of line 2 is there again in line 2: join the two"),
    ],
)
def test_hostile_yaml(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "a.yml").write_text(text)
    with pytest.raises(InputError, match=expected):
        load_settings(tmp_path / "a.yml", Study)


def test_an_encoding_that_xml_names_does_not_matter(tmp_path: Path) -> None:
    golden = next(path for path in sorted((GOLDEN / "e3c" / "good").rglob("*.xml")))
    body = golden.read_text().partition("?>")[2] or golden.read_text()
    (tmp_path / "a.xml").write_text(f'<?xml version="1.0" encoding="foo"?>{body}')
    assert list(read_e3c(tmp_path, Tally()))


def test_archives_and_gzip_files_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medner.files.LARGEST", 2**20)
    zeros = bytes(2**20 + 1)
    (tmp_path / "a.gz").write_bytes(gzip.compress(zeros, 1))
    (tmp_path / "a.zip").write_bytes(packed({"a.txt": zeros, "b.ann": b"x"}))
    with pytest.raises(InputError, match="more than 1 MiB once it is unpacked"):
        read_bytes(tmp_path / "a.gz")
    with pytest.raises(InputError, match="more than 1 MiB once it is unpacked"):
        read_members(tmp_path / "a.zip")
    assert read_members(tmp_path / "a.zip", ["*.ann"]) == {"b.ann": b"x"}


def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.zip")
    with pytest.raises(InputError, match="is not a file"):
        read_bytes(tmp_path / "a.zip")


@pytest.mark.parametrize("value", ["null", '"x"', "-5.0", "1e400", "{}"])
def test_scores_that_no_evaluation_writes(tmp_path: Path, value: str) -> None:
    path = tmp_path / "exp1"
    path.mkdir()
    text = (ROOT / "metrics" / "reference" / "offline" / "exp1" / "scores.json").read_text()
    (path / "scores.json").write_text(re.sub(r'"f1": ?[\d.]+', f'"f1":{value}', text, count=1))
    with pytest.raises(InputError, match="not what the evaluate step writes"):
        read_run(path)
    (path / "scores.json").write_text(re.sub(r'"suites": ?\{.*', f'"suites":{value}}}', text, count=1, flags=re.DOTALL))
    done = CliRunner().invoke(summarise, ["--metrics", str(tmp_path)])
    assert done.exit_code in (0, 1)
    assert isinstance(done.exception, SystemExit | None)
