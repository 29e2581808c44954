"""A real MLflow server of the tests' own: SQLite and artifacts in a folder, a free port.

Here: starting and stopping it. Not here: what is asked of it (`tests/models`).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers.postgres import free_port

#: Seconds until it answers: 11 here, more where several tests start servers.
_PATIENCE = 120.0


@contextmanager
def running_mlflow(folder: Path) -> Iterator[str]:
    """A server over `folder`; its address. Artifacts go through it, as on a server elsewhere."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    words = ["--backend-store-uri", f"sqlite:///{folder}/server.db", "--workers", "1"]
    words += ["--artifacts-destination", str(folder / "artifacts"), "--port", str(port)]
    # Without it the server starts a queue for evaluation jobs, which takes half a minute.
    environ = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [Path(sys.executable).with_name("mlflow"), "server", *words],
            cwd=folder,
            env=environ,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait(server, f"http://127.0.0.1:{port}", folder / "log")
        yield f"http://127.0.0.1:{port}"
    finally:
        # Its workers are processes of its own group.
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _wait(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"MLflow did not start: {log.read_text()[-2000:]}")
