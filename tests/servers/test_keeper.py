"""Nothing that a test has started outlives it, not even a daemon of a killed test's server."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.servers.keeper import ended, kept

#: Leaves a session of its own behind, as Airflow's processes do; told to end, it does not care.
_STUBBORN = "trap '' TERM; setsid sleep 1234 & echo $! > child; sleep 1234 & wait; wait"

_KILLED = """
import os, signal, sys
from pathlib import Path
from tests.servers.keeper import kept
words = ["bash", "-c", "setsid sleep 1234 & echo $! > child"]
with kept(Path(sys.argv[1]), {"orphan": words}, os.environ):
    child = Path(sys.argv[1], "child")
    while not (child.exists() and child.read_text().strip()): pass
    os.kill(os.getpid(), signal.SIGKILL)
"""


def soon(happened: Callable[[], bool], seconds: float = 60) -> bool:
    until = time.monotonic() + seconds
    while not (found := happened()) and time.monotonic() < until:
        time.sleep(0.05)
    return found


def begun(folder: Path) -> bool:
    return (folder / "child").exists() and (folder / "child").read_text().strip() != ""


def gone(folder: Path) -> bool:
    pid = (folder / "child").read_text().strip()
    return pid != "" and not Path("/proc", pid).exists()


def test_all_end_with_the_block(tmp_path: Path) -> None:
    commands = {"stubborn": ["bash", "-c", _STUBBORN], "brief": ["bash", "-c", "echo 안녕; exit 3"]}
    with kept(tmp_path, commands, os.environ, grace=0.5):
        assert soon(lambda: ended(tmp_path / "brief.log"))
        assert (tmp_path / "brief.log").read_text() == "안녕\n\nkeeper: brief ended with 3"
        assert soon(lambda: begun(tmp_path))
        assert not ended(tmp_path / "stubborn.log")
        assert not gone(tmp_path)
    assert gone(tmp_path)


def test_all_end_with_a_killed_process(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, str(tmp_path)], cwd=Path(__file__).parents[2], check=False
    )
    assert done.returncode == -9
    assert soon(lambda: gone(tmp_path))
