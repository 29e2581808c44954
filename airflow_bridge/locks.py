"""No two tries at one partition of an asset at a time.

Here: a lock for each asset × partition in the instance's folder, and earlier tries of the same task
that another host has not ended. Not here: publishing, which is safe without it (the last one wins
whole); a lock keeps a cleared try from working for nothing and from overlapping the next.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import dagster as dg

from airflow_bridge.errors import NotYetError
from airflow_bridge.metadata import PREFIX
from airflow_bridge.stop import PROCESS_TAG, end_lost

#: A try that was told to end needs GRACE seconds; then the next one may go on.
WAIT = 60.0

_TASK = (f"{PREFIX}dag_id", f"{PREFIX}run_id", f"{PREFIX}task_id")


@contextmanager
def claimed(
    instance: dg.DagsterInstance,
    assets: Sequence[str],
    partitions: Sequence[str],
    tags: Mapping[str, str],
    say: Callable[[str], None],
) -> Iterator[None]:
    """Hold `assets` × `partitions`; NotYetError where another process does not let go of them.

    One file an asset, one byte of it a partition: days that run side by side do not meet, a year's
    range needs no year of files, and a killed process holds nothing.
    """
    folder = Path(instance.root_directory) / "locks"
    folder.mkdir(exist_ok=True)
    files = []
    try:
        for asset in assets:
            path = folder / hashlib.sha256(asset.encode()).hexdigest()[:32]
            files.append(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666))
            for partition in partitions:
                _lock(files[-1], asset, partition, say)
        end_lost(instance)
        _await_earlier(instance, tags, say)
        yield
    finally:
        for file in files:
            os.close(file)


def _lock(file: int, asset: str, partition: str, say: Callable[[str], None]) -> None:
    place = int.from_bytes(hashlib.sha256(partition.encode()).digest()[:7], "big")
    until = time.monotonic() + WAIT
    told = False
    while True:
        with suppress(BlockingIOError, PermissionError):
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
            return
        shown = f"{asset} {partition}".strip()
        if time.monotonic() > until:
            raise NotYetError(
                f"Another process on this host makes {shown} and has not ended in {WAIT:.0f} s; "
                "this task is tried again. See which one in the runs of the Dagster UI."
            )
        if not told:
            say(f"{shown}: waiting for another process that makes it")
            told = True
        time.sleep(0.2)


def _await_earlier(
    instance: dg.DagsterInstance, tags: Mapping[str, str], say: Callable[[str], None]
) -> None:
    """Airflow has one try of a task at a time: an earlier one that still runs is ending or lost.

    On this host the lock has seen to it; on another its run is waited for, then ended in its name.
    """
    task = {name: tags[name] for name in _TASK if name in tags}
    if len(task) < len(_TASK):
        return
    running = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    asked = dg.RunsFilter(tags=task, statuses=running)
    until = time.monotonic() + WAIT
    while True:
        earlier = [run for run in instance.get_runs(asked) if not _is_here(run)]
        if not earlier:
            return
        if time.monotonic() > until:
            for run in earlier:
                where = run.tags.get(PROCESS_TAG, "an unknown process")
                instance.report_run_failed(run, f"{where} did not end it; a later try goes on.")
            return
        say(f"waiting for an earlier try on another host, run {earlier[0].run_id}")
        time.sleep(5.0)


def _is_here(run: dg.DagsterRun) -> bool:
    return run.tags.get(PROCESS_TAG, "").rpartition(":")[0] == socket.gethostname()
