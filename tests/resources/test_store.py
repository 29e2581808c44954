"""The folder store: where partitions lie, publishing whole or not at all, litter, reading."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.errors import LakeError, NotYetError, PermanentError, TransientError, UsageError
from resources.folder_store import FolderStore
from resources.partition import Partition

DAY = Partition("raw", "sales", "daily", "2025-07-01")
LITTER = ".part-0.parquet.0123456789abcdef"


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "lake", "modern")


def numbers(value: int, rows: int = 3) -> pa.Table:
    """Rows that all hold `value`, so that a mixture of two versions shows."""
    return pa.table({"id": pa.array(np.arange(rows)), "value": pa.array(np.full(rows, value))})


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def publish(store: FolderStore, partition: Partition, table: pa.Table) -> str:
    with store.writer(partition, table.schema) as writer:
        for batch in table.to_batches():
            writer.write(batch)
        return writer.publish().path


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


# Where partitions lie ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("partition", "path", "column"),
    [
        (DAY, "raw/sales/dt=2025-07-01", "dt"),
        (Partition("prep", "a1_b", "monthly", "2024-02"), "prep/a1_b/ym=2024-02", "ym"),
        (Partition("raw", "customer"), "raw/customer", None),
    ],
)
def test_path(partition: Partition, path: str, column: str | None) -> None:
    assert (partition.path, partition.column) == (path, column)
    assert Partition.of(partition.layer, partition.name, partition.key) == partition


@pytest.mark.parametrize(
    ("layer", "name", "cadence", "key", "says"),
    [
        ("raw", "Sales", None, "", "names match"),
        ("..", "sales", None, "", "names match"),
        ("raw", "sales/../x", None, "", "names match"),
        ("raw", "sales\n", None, "", "names match"),
        ("raw", "sales", None, "2025-07-01", "has no partitions"),
        ("raw", "sales", "daily", "", "write it as 2025-07-01"),
        ("raw", "sales", "daily", "2025-02-29", "write it as 2025-07-01"),
        ("raw", "sales", "daily", "20250701", "write it as 2025-07-01"),
        ("raw", "sales", "daily", "2025-W01-1", "write it as 2025-07-01"),
        ("raw", "sales", "daily", "２０２５-07-01", "write it as 2025-07-01"),
        ("raw", "sales", "daily", "2025-07-01\n", "write it as 2025-07-01"),
        ("raw", "sales", "monthly", "2025-13", "write it as 2025-07"),
        ("raw", "sales", "monthly", "2025-07-01", "write it as 2025-07"),
    ],
)
def test_words_that_are_no_partition(
    layer: str, name: str, cadence: Any, key: str, says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        Partition(layer, name, cadence, key)


@given(st.dates())
def test_every_day_and_month_has_its_path(day: date) -> None:
    assert Partition.of("raw", "s", day.isoformat()).path == f"raw/s/dt={day.isoformat()}"
    month = day.isoformat()[:7]
    assert Partition.of("raw", "s", month).path == f"raw/s/ym={month}"
    assert Partition.of("raw", "s", day.isoformat()).value.as_py() == day


_WORDS = st.text() | st.text("ab_1./=-", max_size=10) | st.text("0123456789-", max_size=10)


@given(_WORDS, _WORDS, _WORDS)
def test_no_words_lead_out_of_the_store(layer: str, name: str, key: str) -> None:
    try:
        path = Partition.of(layer, name, key).path
    except ValueError:
        return
    shape = r"[a-z][a-z0-9_]*/[a-z][a-z0-9_]*(/dt=\d{4}-\d\d-\d\d|/ym=\d{4}-\d\d)?"
    assert re.fullmatch(shape, path, re.ASCII)


def test_what_there_is(store: FolderStore) -> None:
    month = Partition("prep", "totals", "monthly", "2025-06")
    assert (store.assets(), store.keys("raw", "sales"), store.stat(DAY)) == ([], [], None)
    for key in ("2025-07-03", "2025-07-01", "2025-07-02"):
        publish(store, Partition("raw", "sales", "daily", key), numbers(1))
    publish(store, month, numbers(1))
    publish(store, Partition("raw", "customer"), numbers(1))
    for nonsense in ("raw/sales/dt=2025-02-30", "raw/sales/dt=2025-07-09", "raw/x", "raw/.y", "z"):
        (store.root / nonsense).mkdir(parents=True)
    (store.root / "raw/sales/dt=2025-07-09" / LITTER).touch()
    (store.root / "raw/sales/dt=2025-02-30/part-0.parquet").touch()
    (store.root / "README").touch()
    assert store.keys("raw", "sales") == ["2025-07-01", "2025-07-02", "2025-07-03"]
    assert store.keys("raw", "customer") == [""]
    assert store.keys("prep", "totals") == ["2025-06"]
    assert store.assets() == ["prep/totals", "raw/customer", "raw/sales"]
    assert store.exists(month)
    assert not store.exists(Partition("prep", "totals", "monthly", "2025-07"))


# Publishing -------------------------------------------------------------------------------------


def test_nothing_is_seen_before_it_is_published(store: FolderStore) -> None:
    old, new = numbers(1), numbers(2)
    publish(store, DAY, old)
    with store.writer(DAY, new.schema) as writer:
        writer.write(new.to_batches()[0])
        assert store.read([DAY], ["id", "value"]).equals(old)
        written = writer.close()
        assert writer.close() == written
        assert pq.read_table(writer.hidden_path).equals(new)
        assert store.read([DAY], ["id", "value"]).equals(old)
        assert store.keys("raw", "sales") == ["2025-07-01"]
        published = writer.publish()
    assert store.read([DAY], ["id", "value"]).equals(new)
    data = Path(published.path).read_bytes()
    info = store.stat(DAY)
    assert info is not None
    assert (info.rows, info.bytes, info.path) == (3, len(data), published.path)
    assert (published.rows, published.bytes) == (3, len(data)) == (written.rows, written.bytes)
    assert published.sha256 == written.sha256 == hashlib.sha256(data).hexdigest()
    assert names(Path(published.path).parent) == ["part-0.parquet"]


def _raise(writer: Any) -> None:
    raise KeyError("mine")


@pytest.mark.parametrize(
    "leave",
    [lambda w: None, lambda w: w.close(), lambda w: w.discard(), _raise],
    ids=["written", "closed", "discarded", "raised"],
)
def test_leaving_without_publish_keeps_the_old_partition(
    store: FolderStore, leave: Callable[[Any], None]
) -> None:
    old = numbers(1)
    path = publish(store, DAY, old)
    before = Path(path).read_bytes()
    with suppress(KeyError), store.writer(DAY, old.schema) as writer:
        writer.write(numbers(2).to_batches()[0])
        leave(writer)
    assert Path(path).read_bytes() == before
    assert names(Path(path).parent) == ["part-0.parquet"]


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


def test_two_writers_the_last_wins_whole(store: FolderStore) -> None:
    first, second = numbers(1, 200_000), numbers(2, 150_000)
    with store.writer(DAY, first.schema) as one, store.writer(DAY, first.schema) as two:
        assert one.hidden_path != two.hidden_path
        for a, b in zip(first.to_batches(9_999), second.to_batches(9_999), strict=False):
            one.write(a)
            two.write(b)
        for a in first.to_batches(9_999)[len(second.to_batches(9_999)) :]:
            one.write(a)
        one_done = one.publish()
        assert store.read([DAY], ["id", "value"]).equals(first)
        two_done = two.publish()
    assert store.read([DAY], ["id", "value"]).equals(second)
    assert (one_done.rows, two_done.rows) == (200_000, 150_000)


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


def test_a_reader_that_began_keeps_its_rows(store: FolderStore) -> None:
    days = [Partition("raw", "s", "daily", f"2025-07-0{n}") for n in (1, 2)]
    for day in days:
        publish(store, day, numbers(1, 300_000))
    reader = store.batches(days, ["value"])
    first = next(reader)
    for day in days:
        publish(store, day, numbers(2, 300_000))
    rest = reader.read_all()
    # The first file and the last one (it told the columns) were open; each file is of one version.
    values = np.concatenate([first["value"].to_numpy(), rest["value"].to_numpy()])
    assert len(values) == 600_000
    assert set(values) == {1}


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


def test_no_descriptor_is_left_open(store: FolderStore) -> None:
    publish(store, DAY, numbers(1))
    before = names(Path("/proc/self/fd"))
    for _ in range(3):
        publish(store, DAY, numbers(1))
        store.read([DAY])
        store.stat(DAY)
        store.writer(DAY, numbers(1).schema).discard()
        store.sweep()
    assert names(Path("/proc/self/fd")) == before


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


# Reading ----------------------------------------------------------------------------------------


def days(store: FolderStore, count: int) -> list[Partition]:
    made = []
    for n in range(count):
        key = (date(2025, 7, 1) + timedelta(days=n)).isoformat()
        made.append(Partition("raw", "sales", "daily", key))
        publish(store, made[-1], numbers(n, 2))
    return made


def test_columns_and_partitions_are_pruned(store: FolderStore) -> None:
    made = days(store, 3)
    table = store.read(made[1:], ["dt", "value"])
    assert table.schema == pa.schema({"dt": pa.date32(), "value": pa.int64()})
    second, third = date(2025, 7, 2), date(2025, 7, 3)
    assert table.to_pydict() == {"dt": [second, second, third, third], "value": [1, 1, 2, 2]}
    assert store.read(made, ["dt"])["dt"].to_pylist() == sorted(
        [date(2025, 7, 1)] * 2 + [second] * 2 + [third] * 2
    )
    assert store.read([made[0]]).schema.names == ["id", "value", "dt"]


def test_a_month_has_text_and_a_whole_asset_no_column(store: FolderStore) -> None:
    month, whole = Partition("prep", "m", "monthly", "2025-07"), Partition("raw", "c")
    publish(store, month, numbers(1, 1))
    publish(store, whole, numbers(1, 1))
    assert store.read([month]).to_pylist() == [{"id": 0, "value": 1, "ym": "2025-07"}]
    assert store.read([month]).schema.field("ym").type == pa.string()
    assert store.read([whole]).to_pylist() == [{"id": 0, "value": 1}]


def test_no_rows_have_columns(store: FolderStore) -> None:
    publish(store, DAY, numbers(1, 0))
    table = store.read([DAY])
    assert (table.num_rows, table.schema.names) == (0, ["id", "value", "dt"])


def test_batches_are_a_stream(store: FolderStore) -> None:
    publish(store, DAY, numbers(1, 300_000))
    before, peak, rows = pa.total_allocated_bytes(), 0, 0
    for batch in store.batches([DAY]):
        rows += batch.num_rows
        peak = max(peak, pa.total_allocated_bytes() - before)
    assert rows == 300_000
    assert peak < 2 * 131_072 * 20


@pytest.mark.parametrize("count", [2, 12])
def test_missing_partitions_are_named(store: FolderStore, count: int) -> None:
    made = days(store, 1)
    absent = [Partition("raw", "sales", "daily", f"2024-01-{n:02}") for n in range(1, count + 1)]
    with pytest.raises(NotYetError) as caught:
        store.read([*absent, *made])
    message = str(caught.value)
    assert message.startswith(f"{count} of {count + 1} partitions are not in the store")
    named = [one.path for one in absent if one.path in message]
    assert len(named) == min(count, 10)
    assert ("and 2 more" in message) is (count == 12)
    with pytest.raises(NotYetError):
        store.files(absent)


def test_an_unknown_column_is_told_with_the_nearest(store: FolderStore) -> None:
    with pytest.raises(UsageError, match=r"raw/sales has no column 'valeu'; did you mean 'value'"):
        store.batches(days(store, 1), ["valeu"])


@pytest.mark.parametrize("partitions", [[], [DAY, Partition("prep", "m", "monthly", "2025-07")]])
def test_one_cadence_at_a_time(store: FolderStore, partitions: list[Partition]) -> None:
    with pytest.raises(ValueError, match="one cadence"):
        store.read(partitions)


def _versions(store: FolderStore, old: pa.Table, new: pa.Table) -> list[Partition]:
    made = [Partition("raw", "s", "daily", f"2025-07-0{n}") for n in (1, 2)]
    for one, table in zip(made, (old, new), strict=True):
        publish(store, one, table)
    return made


def test_the_last_partition_says_what_the_columns_are(store: FolderStore) -> None:
    old = pa.table({"gone": ["x"], "b": pa.array([1], pa.int32()), "a": ["old"]})
    new = pa.table({"a": ["new"], "b": pa.array([2**40]), "added": [1.5]})
    table = store.read(_versions(store, old, new), ["a", "b", "added"])
    assert table.to_pylist() == [
        {"a": "old", "b": 1, "added": None},
        {"a": "new", "b": 2**40, "added": 1.5},
    ]
    assert table.schema.field("b").type == pa.int64()


NAIVE, ZONED = pa.timestamp("us"), pa.timestamp("us", "UTC")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (pa.array(["007"]), pa.array([7])),
        (pa.array([7]), pa.array(["007"])),
        (pa.array([0]).cast(NAIVE), pa.array([0]).cast(ZONED)),
        (pa.array([2**40]), pa.array([1], pa.int32())),
        (pa.array([1]).cast(pa.decimal128(19)), pa.array([1])),
    ],
)
@pytest.mark.parametrize("profile", ["modern", "hive1"])
def test_types_that_are_not_akin_are_not_cast(
    tmp_path: Path, profile: Any, old: pa.Array, new: pa.Array
) -> None:
    store = FolderStore(tmp_path, profile)
    made = _versions(store, pa.table({"a": old}), pa.table({"a": new}))
    with pytest.raises(PermanentError, match=r"2025-07-01.*Materialise this partition again"):
        store.read(made)


@pytest.mark.parametrize("profile", ["modern", "hive1"])
def test_instants_keep_their_zone(tmp_path: Path, profile: Any) -> None:
    store = FolderStore(tmp_path, profile)
    table = pa.table(
        {"z": pa.array([1_751_328_000_000_001]).cast(ZONED), "n": pa.array([1]).cast(NAIVE)}
    )
    publish(store, DAY, table)
    assert store.read([DAY], ["z", "n"]).equals(table)


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"not parquet at all"])
def test_a_damaged_file_is_told(store: FolderStore, damage: bytes) -> None:
    path = Path(publish(store, DAY, numbers(1)))
    path.write_bytes(damage)
    for read in (lambda: store.read([DAY]), lambda: store.stat(DAY)):
        with pytest.raises(PermanentError, match=r"dt=2025-07-01.*not a whole Parquet file"):
            read()


def test_the_partition_column_is_not_stored(store: FolderStore) -> None:
    table = pa.table({"dt": pa.array([0], pa.int32()).cast(pa.date32())})
    with pytest.raises(ValueError, match="'dt' is the partition's own"):
        store.writer(DAY, table.schema)


def test_duckdb_reads_the_files(store: FolderStore) -> None:
    made = days(store, 3)
    (store.root / DAY.path / LITTER).write_bytes(b"half")
    relation = duckdb.sql(
        "SELECT dt, sum(value) FROM read_parquet(?, hive_partitioning = true, "
        "hive_types = {'dt': DATE}) GROUP BY dt ORDER BY dt",
        params=[store.files(made[1:])],
    )
    assert relation.fetchall() == [(date(2025, 7, 2), 2), (date(2025, 7, 3), 4)]


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_files_have_the_rights_that_the_umask_gives(store: FolderStore) -> None:
    assert Path(publish(store, DAY, numbers(1))).stat().st_mode & 0o777 == 0o644
