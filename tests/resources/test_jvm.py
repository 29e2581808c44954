"""Java lives in this process: forks, signals, its end, and machines that have none.

Not here: what drivers read in it (`test_jdbc.py`, `test_jdbc_postgres.py`).
"""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from resources import jvm
from resources.errors import PermanentError
from resources.jdbc import connect
from tests.servers.h2 import WORD, H2Server

pytestmark = pytest.mark.server


@pytest.fixture
def running(h2_server: H2Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Java runs in this process, and a connection is open in it."""
    monkeypatch.setenv("TIBERO_WORD", WORD)
    with connect("tibero", h2_server.connection("lake")):
        yield


def test_a_forked_process_collects_its_garbage(running: None) -> None:
    """JPype asks Java to do so too when the process has grown; there nobody answers any more."""
    child = os.fork()
    if child == 0:
        grown = []
        for _ in range(4):
            grown.append(b"x" * (200 << 20))
            gc.collect()
        os._exit(0)
    until = time.monotonic() + 120
    while not (found := os.waitpid(child, os.WNOHANG))[0] and time.monotonic() < until:
        time.sleep(0.05)
    if not found[0]:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert found == (child, 0)


def test_a_forked_process_is_told_what_to_do(running: None) -> None:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            jvm.java("'tibero'")
        except PermanentError as error:
            os.write(write, str(error).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        assert "forked off one in which Java runs, and Java does not survive a fork" in pipe.read()
    os.waitpid(child, 0)


_LIFE = """
import os, signal, sys, threading, time
before = set(sys.modules)
from resources import jdbc, jvm
assert "jpype" not in sys.modules
def ended(*_):
    print("cleaned up", flush=True)
    raise SystemExit(7)
signal.signal(signal.SIGTERM, ended)
jvm.java("here")
print("ready", flush=True)
time.sleep(600)
"""


def test_java_leaves_signals_to_python_and_ends_with_it() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _LIFE], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.terminate()
        assert process.stdout.read() == "cleaned up\n"
        assert process.wait(120) == 7


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        ("os.environ['JAVA_HOME'] = '/nowhere'", None),
        (
            "import jpype; jpype.getDefaultJVMPath = jpype._core.getDefaultJVMPath = missing",
            "no Java was found. Install a runtime, version 11 or newer",
        ),
        ("sys.modules['jpype'] = None", "pip install 'lake[tibero]'"),
    ],
)
def test_a_machine_without_java_is_told_so(prepare: str, said: str | None) -> None:
    text = (
        "import os, sys\n"
        "def missing(*_):\n    import jpype\n    raise jpype.JVMNotFoundException('x')\n"
        f"{prepare}\n"
        "from resources import jvm\nfrom resources.errors import LakeError\n"
        "try:\n    jvm.java('here'); print('started')\nexcept LakeError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert (said or "started") in done.stdout
