"""Faults of a real HDFS and of those who write to it: nothing is lost, doubled or mixed.

Here: writers killed at many moments, a NameNode and a DataNode that die in mid-write, a quota in
mid-write, two writers, readers during replaces. Not here: what HDFS refuses at once, standby and
dead URLs (`tests/resources/test_hdfs_store.py`).
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lake_assets import sql_engine
from resources import file_store, hdfs
from resources.errors import TransientError
from resources.hdfs_store import HdfsStore
from tests.resources.stores import DAY, OnHdfs, hdfs_of, new_folder, noise, publish, publish_many
from tests.servers.hdfs import HdfsServer

pytestmark = pytest.mark.server

#: 300,000 rows are 2.6 MB in three row groups: several pieces of an upload, ranges of a reading.
ROWS = 300_000
OLD, NEW = noise(1, ROWS), noise(2, ROWS)


@pytest.fixture
def place(hdfs_server: HdfsServer) -> OnHdfs:
    return new_folder(hdfs_server)


def child(work: Callable[[], object]) -> int:
    """Fork, so that no moment is spent on starting Python; the child's id."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return pid


def version(store: HdfsStore) -> int:
    """Which of the two the partition is; anything else fails."""
    table = store.read([DAY], OLD.schema.names)
    found = [n for n, whole in ((1, OLD), (2, NEW)) if table.equals(whole)]
    assert found, f"{table.num_rows} rows that are neither the old partition nor the new one"
    assert store.keys("raw", "sales") == [DAY.key]
    return found[0]


def hidden(place: OnHdfs) -> list[str]:
    return [name for name in place.names("raw/sales") if name.startswith(".")]


# Killed writers ---------------------------------------------------------------------------------

STEPS = ("make", "upload", "status", "rename", "remove")


def killed_around(place: OnHdfs, step: str, after: bool, way: Callable[..., Any]) -> None:
    """Kill a writer before or after one request of its publish, the last of that kind."""
    store, counted = place.store(), {"left": -1, "seen": 0}
    call = getattr(store.hdfs, step)

    def around(*words: Any, **options: Any) -> Any:
        counted["seen"] += 1
        last = counted["seen"] == counted["left"]
        if last and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = call(*words, **options)
        if last:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(store.hdfs, step, around)
    reading, writing = os.pipe()

    def count() -> None:
        way(store, DAY, OLD)
        os.write(writing, str(counted["seen"]).encode())

    os.waitpid(child(count), 0)
    counted["left"] = int(os.read(reading, 9))
    os.close(reading)
    os.close(writing)
    _killed(child(lambda: way(store, DAY, NEW)))


def killed_after(place: OnHdfs, seconds: float, way: Callable[..., Any]) -> None:
    """Kill a writer after so long, wherever that hits."""

    def work() -> None:
        way(place.store(), DAY, NEW)
        signal.pause()

    pid = child(work)
    time.sleep(seconds)
    os.kill(pid, signal.SIGKILL)
    _killed(pid)


def _killed(pid: int) -> None:
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize("way", [publish, publish_many], ids=["one", "many"])
def test_killed_at_fifty_moments(
    place: OnHdfs, way: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten at its requests to the NameNode, the others spread over the time that it takes."""
    store = place.store()
    way(store, DAY, OLD)
    started = time.perf_counter()
    way(store, DAY, OLD)
    took = time.perf_counter() - started
    moments: list[Callable[[], None]] = [
        *(
            lambda step=step, after=after: killed_around(place, step, after, way)  # type: ignore[misc]
            for step in STEPS
            for after in (False, True)
        ),
        *(
            lambda n=n: killed_after(place, took * (n + 0.5) / 34, way)  # type: ignore[misc]
            for n in range(40)
        ),
    ]
    assert len(moments) == 50
    seen, littered = [], 0
    for kill in moments:
        way(store, DAY, OLD)
        before = len(hidden(place))
        kill()
        littered += len(hidden(place)) > before
        seen.append(version(store))
    print(f"old {seen.count(1)}, new {seen.count(2)}, left a hidden file {littered}")
    assert seen.count(1) >= 15
    assert seen.count(2) >= 3
    assert littered >= 10  # or the kills came too late to say anything
    monkeypatch.setattr(file_store, "GRACE", -1.0)
    monkeypatch.setattr("resources.hdfs_store.GRACE", -1.0)
    assert len(store.sweep()) >= littered
    assert hidden(place) == []
    publish(store, DAY, NEW)
    assert version(store) == 2


# Servers that die -------------------------------------------------------------------------------


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that starts again may take its time here: what it takes is the machine's."""
    monkeypatch.setattr(hdfs, "_PAUSES", (*hdfs._PAUSES, *[1.0] * 60))


def arriving(server: HdfsServer) -> set[tuple[Path, int]]:
    """The blocks of which the DataNode has some bytes and not all."""
    found = set()
    for file in (server.folder / "data").rglob("rbw/blk_*"):
        with suppress(FileNotFoundError):  # complete in between
            if file.suffix != ".meta" and file.stat().st_size:
                found.add((file, file.stat().st_ino))
    return found


def broken(server: HdfsServer, place: OnHdfs, after: int, breakage: Callable[[], object]) -> str:
    """Write over OLD, break something after so many row groups of three; what is told.

    0: after all, when the file is complete and hidden.
    """
    store, before, until = place.store(), arriving(server), time.monotonic() + 60

    def on_its_way() -> bool:  # of the first row group the writer has all itself
        return hidden(place) != [] and (after == 1 or not arriving(server) <= before)

    with store.writer(DAY, NEW.schema) as writer:

        def work() -> None:
            for number, batch in enumerate(NEW.to_batches(131_072), 1):
                writer.write(batch)
                if number == after:
                    while not on_its_way():
                        assert time.monotonic() < until
                        time.sleep(0.05)
                    time.sleep(0.3)  # what was written is on its way
                    breakage()
            writer.close()
            if after == 0:
                breakage()
            writer.publish()

        with pytest.raises(TransientError) as caught:
            work()
    return str(caught.value)


@pytest.mark.usefixtures("patient")
def test_the_namenode_starts_again_in_mid_write(breakable_hdfs: HdfsServer) -> None:
    """What was on its way is an error, never a short file; the next try succeeds by itself."""
    place = new_folder(breakable_hdfs)
    store = place.store()
    publish(store, DAY, OLD)

    def restart() -> None:
        breakable_hdfs.kill_namenode()
        breakable_hdfs.restart_namenode(wait=False)

    for after in (1, 2, 3):
        assert "took only part of" in broken(breakable_hdfs, place, after, restart)
        # It answers, but knows no DataNode for a second: that is waited for.
        publish(store, DAY, OLD)
        assert version(store) == 1
    publish(store, DAY, NEW)
    assert version(store) == 2


@pytest.mark.usefixtures("patient")
def test_the_namenode_is_gone_between_upload_and_rename(breakable_hdfs: HdfsServer) -> None:
    """A short absence is waited for; the file that is complete is published then, once."""
    place = new_folder(breakable_hdfs)
    store = place.store()
    publish(store, DAY, OLD)
    with store.writer(DAY, NEW.schema) as writer:
        for batch in NEW.to_batches(131_072):
            writer.write(batch)
        writer.close()
        breakable_hdfs.kill_namenode()
        back = threading.Timer(1.0, lambda: breakable_hdfs.restart_namenode(wait=False))
        back.start()
        writer.publish()
        back.join()
    breakable_hdfs.wait_until_writable()
    assert version(store) == 2
    assert hidden(place) == []


def test_no_namenode_any_more(breakable_hdfs: HdfsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdfs, "_PAUSES", (0.1, 0.2))
    place = new_folder(breakable_hdfs)
    store = place.store()
    publish(store, DAY, OLD)
    said = broken(breakable_hdfs, place, 0, breakable_hdfs.kill_namenode)
    assert f"no NameNode can be reached: {breakable_hdfs.url} refused the connection" in said
    assert [one.name for one in threading.enumerate() if one.name.startswith("upload")] == []
    breakable_hdfs.restart_namenode()
    assert version(store) == 1


def test_a_datanode_is_lost_in_mid_write(
    breakable_hdfs: HdfsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hdfs, "_PAUSES", (0.1, 0.2))
    place = new_folder(breakable_hdfs)
    store = place.store()
    publish(store, DAY, OLD)
    assert "the connection to the DataNode 127.0.0.1:" in broken(
        breakable_hdfs, place, 2, breakable_hdfs.kill_datanode
    )
    with pytest.raises(TransientError, match="DataNode"):
        store.read([DAY])
    breakable_hdfs.restart_datanode()
    assert version(store) == 1
    publish(store, DAY, NEW)
    assert version(store) == 2


@pytest.mark.usefixtures("patient")
def test_a_datanode_starts_again_amid_a_reading(breakable_hdfs: HdfsServer) -> None:
    """The ranges that failed are asked for again: the reading goes on."""
    store = new_folder(breakable_hdfs).store()
    publish(store, DAY, OLD)
    reader = store.batches([DAY], OLD.schema.names)
    first = next(reader)
    breakable_hdfs.kill_datanode()
    back = threading.Timer(0.5, lambda: breakable_hdfs.restart_datanode(wait=False))
    back.start()
    rest = reader.read_all()
    back.join()
    breakable_hdfs.wait_until_writable()
    assert pa.concat_tables([pa.Table.from_batches([first]), rest]).equals(OLD)


def test_a_first_url_in_standby_and_another_that_takes_over(hdfs_pair: HdfsServer) -> None:
    """A real pair: the active one is found, and again when they change places in mid-write."""
    urls = f"{hdfs_pair.standby_url};{hdfs_pair.url}"
    place = new_folder(hdfs_pair)
    store = HdfsStore(hdfs_of(urls), place.root, "modern")
    publish(store, DAY, OLD)
    assert version(store) == 1
    with store.writer(DAY, NEW.schema) as writer:
        for batch in NEW.to_batches(131_072):
            writer.write(batch)
        writer.close()
        hdfs_pair.fail_over()
        writer.publish()
    assert version(store) == 2
    assert store.keys("raw", "sales") == [DAY.key]


# Several at once --------------------------------------------------------------------------------


def _replacing(place: OnHdfs, versions: range) -> int:
    def work() -> None:
        store = place.store()
        for value in versions:
            publish(store, DAY, noise(value, ROWS))

    return child(work)


def _reads(read: Callable[[], pa.Table], pids: list[int]) -> tuple[list[int], int]:
    """Read until the writers are through: the versions that were seen, the errors to try again."""
    seen, again, codes = [], 0, []
    while len(codes) < len(pids):
        for pid in pids:
            done, status = os.waitpid(pid, os.WNOHANG) if pid not in dict(codes) else (0, 0)
            if done:
                codes.append((pid, os.waitstatus_to_exitcode(status)))
        with suppress(TransientError):
            table = read()
            values = np.unique(table["value"].to_numpy())
            assert (table.num_rows, len(values)) == (ROWS, 1)
            whole = noise(int(values[0]), ROWS)["noise"].to_numpy()
            assert np.array_equal(table["noise"].to_numpy(), whole)
            seen.append(int(values[0]))
            continue
        again += 1
    assert [code for _, code in codes] == [0] * len(pids)
    return seen, again


def _by_sql(store: HdfsStore, spill: Path) -> pa.Table:
    view = sql_engine.View(store.files([DAY]), OLD.schema.names, {"dt": "DATE"})
    sql = "SELECT value, noise FROM s ORDER BY id"
    with sql_engine.query(
        "prep/x", sql, {"s": view}, {}, [], store.duckdb_files(), spill
    ) as reader:
        return reader.read_all()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["arrow", "sql"])
def test_a_reader_during_a_hundred_replaces(place: OnHdfs, tmp_path: Path, how: str) -> None:
    store = place.store()
    publish(store, DAY, noise(0, ROWS))
    pid = _replacing(place, range(1, 101))
    read = (lambda: store.read([DAY])) if how == "arrow" else lambda: _by_sql(store, tmp_path)
    seen, again = _reads(read, [pid])
    print(f"{len(seen)} readings of {len(set(seen))} versions, {again} errors to try again")
    assert seen == sorted(seen)
    assert len(set(seen)) > 20


def test_two_writers_of_one_partition(place: OnHdfs) -> None:
    store = place.store()
    publish(store, DAY, noise(0, ROWS))
    pids = [_replacing(place, range(1, 61, 2)), _replacing(place, range(2, 61, 2))]
    seen, again = _reads(lambda: store.read([DAY]), pids)
    print(f"{len(seen)} readings of {len(set(seen))} versions, {again} errors to try again")
    assert len(set(seen)) > 5
    last = set(store.read([DAY])["value"].to_pylist())
    assert last in ({59}, {60})
    assert hidden(place) == []
    assert place.names(DAY.path) == ["part-0.parquet"]
