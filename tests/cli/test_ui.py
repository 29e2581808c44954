"""`lake ui` on an empty home: sources, history and the code location are there when it answers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from lake_assets.cli.main import cli
from tests.servers.postgres import free_port

ROOT = Path(__file__).parents[2]
QUERY = """{ workspaceOrError { ... on Workspace { locationEntries {
    name locationOrLoadError {
    __typename ... on RepositoryLocation { repositories { name } } } } } } }"""


def ask(port: int) -> dict[str, object]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql",
        json.dumps({"query": QUERY}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: dict[str, object] = json.load(answer)
        return found


@pytest.mark.server
def test_ui(tmp_path: Path) -> None:
    port = free_port()
    code = "from lake_assets.cli.main import main; main()"
    env = {**os.environ, "LAKE_HOME": str(tmp_path), "LAKE_ENV": "local"}
    env.pop("DAGSTER_HOME", None)
    # As a script starts it in the background: Ctrl-C is ignored there.
    background = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh"]
    process = subprocess.Popen(
        [*background, sys.executable, "-c", code, "ui", "--port", str(port)],
        cwd=tmp_path,
        env={**env, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        answer = None
        until = time.monotonic() + 300
        while answer is None:
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < until
            try:
                answer = ask(port)
            except OSError:
                time.sleep(0.5)
    finally:
        process.terminate()
        try:
            out, _ = process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, _ = process.communicate()
    assert process.returncode != -signal.SIGKILL, "it does not end"
    assert answer == {
        "data": {
            "workspaceOrError": {
                "locationEntries": [
                    {
                        "name": "lake",
                        "locationOrLoadError": {
                            "__typename": "RepositoryLocation",
                            "repositories": [{"name": "__repository__"}],
                        },
                    }
                ]
            }
        }
    }
    assert f"The UI comes up at http://127.0.0.1:{port}" in out
    assert sorted(file.name for file in (tmp_path / "sources").glob("*.duckdb")) == [
        "hana_bw.duckdb",
        "hana_db.duckdb",
    ]
    assert (tmp_path / "dagster" / "local" / "dagster.yaml").exists()


def test_a_taken_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_HOME", str(tmp_path))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = CliRunner().invoke(cli, ["ui", "--port", str(port)])
    assert result.exit_code == 2
    assert f"127.0.0.1:{port} cannot be used (Address already in use)" in result.stderr
    assert list(tmp_path.iterdir()) == []
