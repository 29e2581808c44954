"""Processes that end with this one, however it ends: with all their children, from any session.

Here: the keeper, a process of its own that starts others, logs what they say, and ends them when
its input is closed. Not here: what they are (`celery.py`). A single server needs none of it; those
of Airflow and Celery start processes of their own, which start others.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


@contextmanager
def kept(
    folder: Path,
    commands: Mapping[str, Sequence[str]],
    environment: Mapping[str, str],
    grace: float = 15.0,
) -> Iterator[None]:
    """Run `commands` during the block; what each says goes to `<folder>/<its name>.log`, and its
    process id to `.pid`.

    `grace` are the seconds from SIGTERM to SIGKILL.
    """
    for name in commands:
        (folder / f"{name}.log").touch()
    words = [
        sys.executable,
        "-I",
        str(Path(__file__)),
        str(folder),
        json.dumps(commands),
        str(grace),
    ]
    with subprocess.Popen(
        words, env=dict(environment), stdin=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            yield
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(grace + 30)


def ended(log: Path) -> bool:
    """Whether the process of this log has ended."""
    return log.read_bytes()[-80:].rpartition(b"\n")[2].startswith(b"keeper: ")


def _keep(folder: Path, commands: Mapping[str, Sequence[str]], grace: float) -> None:
    # Whose parent has gone becomes a child of this process, and is ended with it.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    running = {}
    for name, words in commands.items():
        with (folder / f"{name}.log").open("ab") as log:
            started = subprocess.Popen(
                words, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        running[started.pid] = name
        (folder / f"{name}.pid").write_text(str(started.pid))
    while not select.select([sys.stdin], [], [], 0.2)[0]:
        for pid, code in _reaped():
            if pid in running:
                name = running.pop(pid)
                with (folder / f"{name}.log").open("a") as log:
                    log.write(f"\nkeeper: {name} ended with {code}")
    for pid in running:
        os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + grace
    while running and time.monotonic() < until:
        for pid, _ in _reaped():
            running.pop(pid, None)
        time.sleep(0.1)
    while left := _descendants(os.getpid()):
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
        list(_reaped())


def _reaped() -> Iterator[tuple[int, int]]:
    """Children that have ended, and how; Airflow waits a minute for one that nobody reaps."""
    with suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG)) != (0, 0):
            yield found[0], os.waitstatus_to_exitcode(found[1])


def _descendants(ancestor: int) -> list[int]:
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name in brackets may hold blanks; after it: state, parent.
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = [ancestor]
    for one in found:
        found += [pid for pid, parent in parents.items() if parent == one]
    return found[1:]


if __name__ == "__main__":
    _keep(Path(sys.argv[1]), json.loads(sys.argv[2]), float(sys.argv[3]))
