"""What only a store on a disk has: locks, what is on it before what, what the system refuses.

Not here: what holds on HDFS too (`test_store.py`) and killed writers (`test_kill.py`).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from resources.errors import LakeError, PermanentError, TransientError
from resources.folder_store import FolderStore
from tests.resources.stores import DAY, LITTER, numbers, publish


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "lake", "modern")


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def in_child(work: Callable[[], object]) -> int:
    """Run `work` in a forked process; 0 where it returned, 1 where it raised."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException as error:
            print(f"child: {error!r}", file=sys.stderr)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_the_order_of_what_reaches_the_disk(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """New folders, then the file, then its new name: no crash shows a name without its rows."""
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace

    def name(fd: int) -> str:
        path = Path(f"/proc/self/fd/{fd}").readlink()
        return "file" if path.name.startswith(".part") else str(path.relative_to(store.root.parent))

    monkeypatch.setattr(os, "fsync", lambda fd: (steps.append(name(fd)), fsync(fd))[1])
    monkeypatch.setattr(os, "replace", lambda a, b: (steps.append("rename"), replace(a, b))[1])
    day = "lake/raw/sales/dt=2025-07-01"
    publish(store, DAY, numbers(1))
    assert steps == [".", "lake", "lake/raw", "lake/raw/sales", "file", "rename", day]
    steps.clear()
    publish(store, DAY, numbers(2))
    assert steps == ["file", "rename", day]


def test_a_reader_never_sees_a_mixture(store: FolderStore) -> None:
    """100 replaces by another process while this one reads three row groups over and over."""
    rows = 300_000
    publish(store, DAY, numbers(0, rows))
    pid = os.fork()
    if pid == 0:
        try:
            for version in range(1, 101):
                publish(store, DAY, numbers(version, rows))
            os._exit(0)
        finally:
            os._exit(1)
    seen, done = [], 0
    while not done:
        done, status = os.waitpid(pid, os.WNOHANG)
        table = store.read([DAY])
        values = np.unique(table["value"].to_numpy())
        assert (table.num_rows, len(values)) == (rows, 1)
        seen.append(int(values[0]))
    assert os.waitstatus_to_exitcode(status) == 0
    assert seen == sorted(seen)
    assert len(set(seen)) > 5


# Litter -----------------------------------------------------------------------------------------


def test_litter_goes_and_locked_files_stay(store: FolderStore) -> None:
    path = Path(publish(store, DAY, numbers(1)))
    other = store.root / "raw/other/dt=2025-01-01"
    other.mkdir(parents=True)
    (path.parent / LITTER).write_bytes(b"half")
    (other / LITTER).write_bytes(b"half")
    (other / ".part-0.parquet.note").touch()  # not a name that a writer gives
    with store.writer(DAY, numbers(1).schema) as writer:
        assert names(path.parent) == sorted(["part-0.parquet", Path(writer.hidden_path).name])
        assert store.sweep() == [str(other / LITTER)]
        assert names(other) == [".part-0.parquet.note"]
        assert Path(writer.hidden_path).exists()
        writer.close()
        assert store.sweep() == []  # complete, not yet published: still its writer's
        writer.publish()
    assert names(path.parent) == ["part-0.parquet"]


def test_a_sweep_between_create_and_lock(
    store: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worst moment: the file exists and is not locked yet. It is taken, and another made."""
    swept: list[str] = []
    flock = fcntl.flock

    def late(fd: int, how: int) -> None:
        if not swept and not how & fcntl.LOCK_NB:
            swept.append("now")
            swept.extend(store.sweep())
        flock(fd, how)

    monkeypatch.setattr(fcntl, "flock", late)
    table = numbers(7)
    publish(store, DAY, table)
    assert len(swept) == 2
    assert store.read([DAY], ["id", "value"]).equals(table)


def test_writers_and_sweepers_side_by_side(store: FolderStore) -> None:
    """Two writers of one partition in two processes sweep for each other, a third sweeps all."""

    def write(value: int) -> None:
        for _ in range(150):
            publish(store, DAY, numbers(value))

    def sweep() -> None:
        while True:
            store.sweep()

    publish(store, DAY, numbers(0))
    pids = []
    for work in (sweep, lambda: write(1), lambda: write(2)):
        pids.append(os.fork())
        if pids[-1] == 0:
            try:
                work()
                os._exit(0)
            finally:
                os._exit(1)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids[1:]]
    os.kill(pids[0], signal.SIGKILL)
    os.waitpid(pids[0], 0)
    assert codes == [0, 0]
    assert set(store.read([DAY])["value"].to_pylist()) in ({1}, {2})
    assert names(store.root / DAY.path) == ["part-0.parquet"]


def test_a_started_program_does_not_inherit_the_lock(store: FolderStore) -> None:
    with store.writer(DAY, numbers(1).schema) as writer:
        listed = subprocess.run(
            ["ls", "-l", "/proc/self/fd"],
            close_fds=False,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
        assert Path(writer.hidden_path).name not in listed


def _open_below(root: Path) -> list[str]:
    """Of this process's descriptors those of a store; other tests' servers have some too."""
    found = []
    for one in names(Path("/proc/self/fd")):
        with contextlib.suppress(FileNotFoundError):  # that of the listing itself
            found.append(str(Path(f"/proc/self/fd/{one}").readlink()))
    return [one for one in found if one.startswith(str(root))]


def test_no_descriptor_is_left_open(store: FolderStore) -> None:
    publish(store, DAY, numbers(1))
    before = _open_below(store.root)
    for _ in range(3):
        publish(store, DAY, numbers(1))
        store.read([DAY])
        store.stat(DAY)
        store.writer(DAY, numbers(1).schema).discard()
        store.sweep()
    assert _open_below(store.root) == before == []


# What the system refuses ------------------------------------------------------------------------


def _file_for_folder(store: FolderStore) -> None:
    (store.root / "raw").mkdir(parents=True)
    (store.root / "raw/sales").touch()


def _folder_for_file(store: FolderStore) -> None:
    (store.root / DAY.path / "part-0.parquet").mkdir(parents=True)


@pytest.mark.parametrize(
    ("arrange", "error", "says"),
    [
        (_file_for_folder, PermanentError, "raw/sales.*: Not a directory. A file stands where"),
        (_folder_for_file, PermanentError, "part-0.parquet: Is a directory. A folder stands"),
        (lambda s: s.root.touch(), PermanentError, "lake.*: Not a directory"),
    ],
)
def test_what_stands_in_the_way(
    store: FolderStore, arrange: Callable[[FolderStore], None], error: type[LakeError], says: str
) -> None:
    arrange(store)
    before = sorted(store.root.rglob("*"))
    with pytest.raises(error, match=says):
        publish(store, DAY, numbers(1))
    assert sorted(store.root.rglob("*")) == before


@pytest.mark.parametrize(
    ("code", "error", "says"),
    [
        (errno.ENOSPC, TransientError, "No space left on device. Free space on its disk"),
        (errno.EDQUOT, TransientError, "Free space in your quota"),
        (errno.EIO, TransientError, "Input/output error"),
        (errno.EROFS, PermanentError, "mounted read-only"),
    ],
)
@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_disk_that_refuses_leaves_the_old_partition(
    store: FolderStore,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    error: type[LakeError],
    says: str,
    call: str,
) -> None:
    path = Path(publish(store, DAY, numbers(1)))

    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        with pytest.raises(error, match=says) as caught:
            publish(store, DAY, numbers(2))
    assert str(path.parent) in str(caught.value)
    assert set(store.read([DAY])["value"].to_pylist()) == {1}
    assert names(path.parent) == ["part-0.parquet"]


def test_a_real_limit_in_mid_write(store: FolderStore) -> None:
    """RLIMIT_FSIZE: the kernel cuts a write short, then refuses the next."""
    path = Path(publish(store, DAY, numbers(1)))
    noise = pa.table({"x": pa.array(np.random.default_rng(0).random(200_000))})

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
        with pytest.raises(TransientError, match=r"File too large. .*ulimit -f"):
            publish(store, DAY, noise)
        assert names(path.parent) == ["part-0.parquet"]

    assert in_child(work) == 0
    assert set(store.read([DAY])["value"].to_pylist()) == {1}


def test_no_right_to_write() -> None:
    with tempfile.TemporaryDirectory() as folder:  # pytest's own lets nobody else in
        Path(folder).chmod(0o755)
        store = FolderStore(folder, "modern")
        path = Path(publish(store, DAY, numbers(1)))
        path.parent.chmod(0o555)

        def work() -> None:
            if os.getuid() == 0:
                os.setuid(65534)
            with pytest.raises(PermanentError, match=r"Permission denied\. Give the") as caught:
                publish(store, DAY, numbers(2))
            assert str(path.parent) in str(caught.value)
            assert set(store.read([DAY])["value"].to_pylist()) == {1}

        assert in_child(work) == 0


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_files_have_the_rights_that_the_umask_gives(store: FolderStore) -> None:
    assert Path(publish(store, DAY, numbers(1))).stat().st_mode & 0o777 == 0o644
