"""The Dagster UI over a small generated lake, started as a user starts it: `lake ui`.

Here: the environment `small`, the processes, GraphQL, and ending it all. Not here: the browser
(`browser.py`) and what is looked at.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from resources.settings import SHIPPED
from tests.servers.postgres import free_port

REPOSITORY = Path(__file__).parents[2]
LAKE = str(Path(sys.executable).with_name("lake"))
#: The generated sales have one dirty day, 200 days ago; some days before it are there, too.
DAYS = 245


def small_environment(folder: Path, scale: float = 0.1) -> dict[str, str]:
    """Variables of the environment `small`: `local` with a small sample, at home in `folder`."""
    environment: dict[str, Any] = yaml.safe_load((SHIPPED / "local.yaml").read_text("utf-8"))
    environment["sample"] = {"days": DAYS, "until": "yesterday", "scale": scale}
    shelf = folder / "environments"
    shelf.mkdir(parents=True)
    (shelf / "small.yaml").write_text(yaml.safe_dump(environment), encoding="utf-8")
    ours = ("LAKE_", "DAGSTER_")
    rest = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {
        **rest,
        "LAKE_HOME": str(folder / "home"),
        "LAKE_ENVIRONMENTS": str(shelf),
        "LAKE_ENV": "small",
    }


def lake(variables: Mapping[str, str], *arguments: str, code: int = 0) -> str:
    """A `lake` command, its exit code asserted; what it printed."""
    done = subprocess.run(
        [LAKE, *arguments],
        cwd=REPOSITORY,
        env=dict(variables),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == code, f"lake {arguments} ended with {done.returncode}:\n{said}"
    return said


@dataclass(frozen=True)
class Ui:
    """A running UI."""

    url: str
    home: Path
    variables: Mapping[str, str]

    def query(self, text: str, **variables: Any) -> dict[str, Any]:
        """The data of a GraphQL answer; errors are raised."""
        request = urllib.request.Request(
            f"{self.url}/graphql",
            json.dumps({"query": text, "variables": variables}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            document = json.load(answer)
        assert "errors" not in document, document["errors"]
        data: dict[str, Any] = document["data"]
        return data


@contextmanager
def running_ui(folder: Path, variables: Mapping[str, str]) -> Iterator[Ui]:
    """`lake ui` on a free port until the block ends; its output is kept in `<folder>/ui.log`."""
    port = free_port()
    log = folder / "ui.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [LAKE, "ui", "--port", str(port)],
            cwd=REPOSITORY,
            env=dict(variables),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    ui = Ui(f"http://127.0.0.1:{port}", Path(variables["LAKE_HOME"]), variables)
    try:
        _wait(ui, process, log)
        yield ui
    finally:
        _end(process)


_LOADED = "{ workspaceOrError { ... on Workspace { locationEntries { loadStatus } } } }"


def _wait(ui: Ui, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until GraphQL answers and the code location is loaded."""
    until = time.monotonic() + 180
    while time.monotonic() < until and process.poll() is None:
        try:
            entries = ui.query(_LOADED)["workspaceOrError"]["locationEntries"]
        except (OSError, KeyError):
            entries = []
        if entries and all(entry["loadStatus"] == "LOADED" for entry in entries):
            return
        time.sleep(0.5)
    raise AssertionError(f"The UI did not come up:\n{log.read_text()[-5000:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """`dagster dev` and its children share a session; from a script they ignore SIGTERM."""
    for how, seconds in ((signal.SIGINT, 20), (signal.SIGKILL, 10)):
        try:
            os.killpg(process.pid, how)
        except ProcessLookupError:
            return
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
    # Children that outlived `dagster dev` go with the last signal to the group.
