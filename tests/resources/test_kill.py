"""A publish killed by SIGKILL: the old partition stays whole or the new one is, and no litter
outlives the next run.

Here: a forked child that publishes over an older partition and is killed at a given step of its
file work, stopped between two steps and killed there, or killed at a moment in time. Not here:
errors that a process survives (`test_store.py`).
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from resources.folder_store import FolderStore
from resources.partition import Partition

DAY = Partition("raw", "sales", "daily", "2025-07-01")
STEPS, GAP, TIMED = 34, 12, 8  # 54 moments

Step = Callable[[str], None]


def rows(version: int, count: int = 400_000) -> pa.Table:
    """Four row groups that compress badly, so that a publish is many writes."""
    random = np.random.default_rng(version)
    return pa.table(
        {
            "id": pa.array(np.arange(count)),
            "version": pa.array(np.full(count, version)),
            "noise": pa.array(random.random(count)),
        }
    )


OLD, NEW = rows(1), rows(2)


def publish(store: FolderStore, table: pa.Table) -> None:
    with store.writer(DAY, table.schema) as writer:
        for batch in table.to_batches(max_chunksize=50_000):
            writer.write(batch)
        writer.close()
        writer.publish()


def instrument(step: Step) -> None:
    """Call `step` around each call that changes the disk or the lock; only in a child.

    A write is done by halves, so that a kill finds a torn one.
    """
    write = os.write

    def halves(fd: int, data: Any) -> int:
        half = memoryview(data)[: max(1, len(data) // 2)]
        step("before write")
        done = write(fd, half)
        step("amid write")
        return done

    def around(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **options: Any) -> Any:
            step(f"before {name}")
            result = call(*args, **options)
            step(f"after {name}")
            return result

        return called

    os.write = halves
    for name in ("open", "fsync", "replace", "close"):
        setattr(os, name, around(name, getattr(os, name)))
    fcntl.flock = around("flock", fcntl.flock)


def child(work: Callable[[], None]) -> int:
    """Fork, so that no moment is spent on starting Python; the child's id."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    return pid


def steps_of_a_publish(store: FolderStore) -> list[str]:
    """All steps, by letting one child go through."""
    reading, writing = os.pipe()

    def work() -> None:
        names: list[str] = []
        plain = os.write
        instrument(names.append)
        publish(store, NEW)
        plain(writing, "\n".join(names).encode())

    pid = child(work)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        names = pipe.read().split("\n")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    return names


def killed_at(number: int) -> Callable[[FolderStore], None]:
    """Kill at the step of that number."""

    def run(store: FolderStore) -> None:
        left = [number]

        def step(name: str) -> None:
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1

        def work() -> None:
            instrument(step)
            publish(store, NEW)

        _killed(child(work))

    return run


def killed_between_close_and_rename(count: int) -> Callable[[FolderStore], None]:
    """Stop before the rename, the closed file complete and hidden; kill there from outside."""

    def run(store: FolderStore) -> None:
        table = NEW.slice(0, count)
        reading, writing = os.pipe()

        def stop(*_: object) -> None:
            os.write(writing, b"closed")
            signal.pause()

        def work() -> None:
            os.replace = stop
            publish(store, table)

        pid = child(work)
        assert os.read(reading, 6) == b"closed"
        os.close(reading)
        os.close(writing)
        (hidden,) = (p for p in (store.root / DAY.path).iterdir() if p.name.startswith("."))
        assert pq.read_table(hidden).equals(table)
        assert store.sweep() == []  # its writer lives
        os.kill(pid, signal.SIGKILL)
        _killed(pid)
        assert version(store) == 1

    return run


def killed_after(fraction: float) -> Callable[[FolderStore], None]:
    """Kill after a fraction of the time that a publish takes, wherever that hits."""

    def run(store: FolderStore) -> None:
        started = time.perf_counter()
        publish(store, OLD)
        took = time.perf_counter() - started

        def work() -> None:
            publish(store, NEW)
            signal.pause()

        pid = child(work)
        time.sleep(took * fraction)
        os.kill(pid, signal.SIGKILL)
        _killed(pid)

    return run


def _killed(pid: int) -> None:
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def version(store: FolderStore) -> int:
    """Which of the two the partition is; anything else fails."""
    table = store.read([DAY], OLD.schema.names)
    found = [n for n, whole in ((1, OLD), (2, NEW)) if table.equals(whole)]
    assert found, f"{table.num_rows} rows that are neither the old partition nor the new one"
    assert store.keys("raw", "sales") == [DAY.key]
    return found[0]


def files(store: FolderStore) -> list[str]:
    return sorted(path.name for path in (store.root / DAY.path).iterdir())


def test_killed_while_publishing(tmp_path: Path) -> None:
    store = FolderStore(tmp_path, "modern")
    publish(store, OLD)
    names = steps_of_a_publish(store)
    rename = names.index("before replace")
    assert names.count("amid write") > 20
    assert names[rename - 1] == "after fsync"
    # All steps around the rename, the rest spread evenly over the publish.
    near = range(rename - 3, min(rename + 6, len(names)))
    spread = np.linspace(0, rename - 4, STEPS - len(near)).astype(int).tolist()
    moments = [
        *((number, killed_at(number)) for number in [*spread, *near]),
        *((rename, killed_between_close_and_rename(40_000 * n)) for n in range(GAP)),
        *((None, killed_after((n + 0.5) / TIMED)) for n in range(TIMED)),
    ]
    assert len(moments) >= 50
    seen, littered = [], 0
    for number, kill in moments:
        publish(store, OLD)
        assert files(store) == ["part-0.parquet"]
        kill(store)
        littered += len(files(store)) > 1
        seen.append(version(store))
        if number is not None:
            assert seen[-1] == (1 if number <= rename else 2), names[number]
    assert seen.count(1) > 40
    assert seen.count(2) >= 3
    assert littered >= 40  # or the kills came too late to say anything
    publish(store, NEW)
    assert files(store) == ["part-0.parquet"]
    assert version(store) == 2


def test_the_first_publish_killed_leaves_no_partition(tmp_path: Path) -> None:
    store = FolderStore(tmp_path, "modern")
    killed_at(20)(store)
    assert store.keys("raw", "sales") == []
    assert not store.exists(DAY)
    assert len(store.sweep()) == 1
    assert store.sweep() == []
