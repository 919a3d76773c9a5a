from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from medner.exceptions import InputError
from medner.files import git_blob_id, new_folder, restore_folder, write_bytes, write_text


@contextmanager
def unprivileged(folder: Path) -> Iterator[None]:
    """A folder that may not be written into; root may write anywhere, so it steps down for the while."""
    folder.chmod(0o555)
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o755)


@contextmanager
def full_disk() -> Iterator[None]:
    """Files cannot grow beyond 100 bytes."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)


def test_read_only_folder(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    target = tmp_path / "out.json"
    with unprivileged(tmp_path), pytest.raises(InputError) as caught:
        write_text(target, "x")
    assert str(caught.value) == (
        f"{target}: cannot be written (Permission denied). Check permissions and free space, then run the step again."
    )
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(InputError, match=r"x: cannot be written \(No such file or directory\)"):
        write_text(Path("x"), "y")


def test_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    write_text(target, "old")
    with full_disk(), pytest.raises(InputError, match=r"cannot be written \(File too large\)"):
        write_bytes(target, b"x" * 1000)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "corpus"
    with new_folder(target, sign="[abc]") as folder:
        (folder / "a").write_text("1")
    with pytest.raises(InputError, match="cannot be written"), full_disk(), new_folder(target, sign="[abc]") as folder:
        write_bytes(folder / "b", b"x" * 1000)
    assert [p.name for p in target.iterdir()] == ["a"]
    with new_folder(target, sign="[abc]") as folder:
        (folder / "c").write_text("2")
    assert [p.name for p in target.iterdir()] == ["c"]
    assert list(tmp_path.iterdir()) == [target]


def test_a_link_to_a_folder_stays_one(tmp_path: Path) -> None:
    """`training` on another disk, say."""
    (tmp_path / "disk").mkdir()
    link = tmp_path / "training"
    link.symlink_to(tmp_path / "disk" / "training")
    for name in ("a", "b"):
        with new_folder(link, sign="[abc]") as folder:
            (folder / name).write_text(name)
    assert link.is_symlink()
    assert [path.name for path in (tmp_path / "disk" / "training").iterdir()] == ["b"]
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["training"]


def test_an_error_that_is_no_refusal_to_write_is_not_told_as_one(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no weights here"), new_folder(tmp_path / "model", sign="[abc]"):
        raise OSError("no weights here")
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_of_its_kind_is_never_replaced(tmp_path: Path) -> None:
    """`--output ~` by mistake must cost nobody a file."""
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="holds other files, which would be lost"), new_folder(tmp_path, sign="a.json"):
        pass
    with pytest.raises(InputError, match="is a file"), new_folder(tmp_path / "thesis.tex", sign="a.json"):
        pass
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("thesis.tex", "years of work")]
    (tmp_path / "empty").mkdir()
    for _ in range(2):
        with new_folder(tmp_path / "empty", sign="a.json") as folder:
            (folder / "a.json").touch()


CUT_OFF = """
import os, signal, sys
from pathlib import Path
from medner import files
from medner.files import new_folder

target, moment, how = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
calls = 0
if sys.argv[4] == "one by one":
    files._exchange = lambda one, other: False

def cut(event, _):
    global calls
    if event in ("os.rename", "os.remove", "os.rmdir"):
        calls += 1
        if calls == moment:
            if how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise KeyboardInterrupt

with new_folder(target, sign="[abc]") as folder:
    for name in ("a", "b"):
        (folder / name).write_text("new")
    sys.addaudithook(cut)
"""


@pytest.mark.parametrize("how", ["kill", "interrupt"])
@pytest.mark.parametrize("system", ["exchanges", "one by one"])
def test_a_folder_is_never_lost_while_it_is_replaced(tmp_path: Path, how: str, system: str) -> None:
    target = tmp_path / "checkpoint"
    for moment in range(1, 100):  # before every single change that is made to the folders
        with new_folder(target, sign="[abc]") as folder:
            for name in ("a", "b"):
                (folder / name).write_text("old")
        command = [sys.executable, "-c", CUT_OFF, str(target), str(moment), how, system]
        done = subprocess.run(command, check=False, capture_output=True)
        if how == "kill" and system == "one by one":
            restore_folder(target)
        found = [(target / name).read_text() for name in ("a", "b")]
        assert found in (["old", "old"], ["new", "new"])
        if done.returncode == 0:
            break
    assert moment > 3
    assert found == ["new", "new"]
    assert list(tmp_path.iterdir()) == [target]


HOLD = """
import sys
from pathlib import Path
from medner.files import new_folder

with new_folder(Path(sys.argv[1]), sign="[abc]") as folder:
    (folder / "a").write_text("first")
    print(flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_run(target: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that is writing the folder until its standard input is closed."""
    command = [sys.executable, "-c", HOLD, str(target)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        process.stdout.readline()
        yield process


def test_a_folder_has_one_writer_at_a_time(tmp_path: Path) -> None:
    target = tmp_path / "a.b"
    with another_run(target) as first:
        with pytest.raises(InputError) as caught, new_folder(target, sign="[abc]"):
            pass
        assert str(caught.value) == f"{target}: another run is writing it. Wait for its end, or name another."
        for other in ("a", "b", "a.b.c"):  # names that begin or end alike
            with new_folder(tmp_path / other, sign="[abc]") as folder:
                (folder / "a").touch()
        first.communicate()
        assert first.returncode == 0
    assert (target / "a").read_text() == "first"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "a.b", "a.b.c", "b"]


def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path: Path) -> None:
    with another_run(tmp_path / "a") as first:
        first.kill()
    (tmp_path / ".report.md.tmp").write_text("much that was cut")  # as write_text leaves it
    with new_folder(tmp_path / "a", sign="[abc]") as folder:
        (folder / "b").touch()
    write_text(tmp_path / "report.md", "x")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b", "report.md"]
    assert (tmp_path / "report.md").read_text() == "x"


def test_a_way_through_the_folder_itself(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with new_folder(tmp_path / "exp1" / ".." / "exp1", sign="[abc]") as folder:
            (folder / name).touch()
        assert [path.name for path in (tmp_path / "exp1").iterdir()] == [name]


def test_git_blob_id() -> None:
    assert git_blob_id(b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    assert git_blob_id(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"
