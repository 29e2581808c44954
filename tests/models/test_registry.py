"""MLflow as the lake speaks to it: first use, addresses, servers that are not there or refuse."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from lake_assets.models.registry import Registry
from resources.errors import PermanentError, TransientError
from resources.settings import Settings, load_settings


def settings(home: Path, uri: str = "sqlite:///{home}/mlflow/mlflow.db") -> Settings:
    """The local environment with another MLflow."""
    local = load_settings("local", {"LAKE_HOME": str(home)})
    environment = local.environment.model_copy(update={"mlflow": uri})
    return Settings("local", home, environment)


_FIRST_USE = """
import sys
from pathlib import Path
from lake_assets.models.registry import Registry
from tests.models.test_registry import settings
registry = Registry(settings(Path(sys.argv[1])))
run = registry.begin("model/late", sys.argv[2], {})
registry.finish(run, sys.argv[2])
"""


def test_first_use_by_several_processes_at_once(tmp_path: Path) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "default", "-c", _FIRST_USE, str(tmp_path), f"2024-0{number}"],
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        for number in (1, 2, 3)
    ]
    said = [one.communicate(timeout=600)[1] for one in started]
    assert [one.returncode for one in started] == [0, 0, 0], said
    assert not [line for text in said for line in text.splitlines() if "mlflow" in line.lower()]
    import mlflow

    client = mlflow.MlflowClient(settings(tmp_path).mlflow_uri)
    (experiment,) = client.search_experiments(filter_string="name = 'model/late'")
    runs = client.search_runs([experiment.experiment_id])
    assert sorted(run.info.run_name for run in runs) == ["2024-01", "2024-02", "2024-03"]


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("http://me:geheim@mlflow:5000", "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASS"),
        ("postgresql://me:geheim@db/mlflow", "write postgresql://db/mlflow"),
        ("file:///tmp/mlruns", "neither a server nor SQLite"),
    ],
)
def test_addresses_that_are_refused(tmp_path: Path, uri: str, words: str) -> None:
    with pytest.raises(PermanentError) as caught:
        Registry(settings(tmp_path, uri))
    message = str(caught.value)
    assert "geheim" not in message
    if "db/mlflow" not in words:
        assert words in message


def test_a_server_that_is_not_there_is_transient_and_soon_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(TransientError) as caught:
        Registry(settings(tmp_path, "http://127.0.0.1:9")).champion("late")
    assert "MLflow at http://127.0.0.1:9" in str(caught.value)
    assert "Does the server run" in str(caught.value)


@contextmanager
def answering(status: int) -> Iterator[str]:
    """A server that answers everything with one status."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"no")

        do_POST = do_GET

        def log_message(self, *words: object) -> None:
            """Silent."""

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (401, PermanentError, "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"),
        (403, PermanentError, "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"),
        (503, TransientError, "Does the server run"),
    ],
)
def test_a_server_that_refuses(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    error: type[Exception],
    words: str,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "geheim")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "lake")
    with answering(status) as uri, pytest.raises(error) as caught:
        Registry(settings(tmp_path, uri)).champion("late")
    assert words in str(caught.value)
    assert "geheim" not in str(caught.value)
