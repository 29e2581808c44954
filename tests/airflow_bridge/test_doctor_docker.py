"""Hosts of containers, asked over a real socket; what listens there is a stand-in of Docker."""

from __future__ import annotations

import gc
import socketserver
import threading
import warnings
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from airflow_bridge.doctor_checks import DagFile
from airflow_bridge.doctor_docker import of_dockers


class _DockerStandIn(BaseHTTPRequestHandler):
    """A stand-in of Docker: it has one image."""

    def do_GET(self) -> None:
        known = {"/images/site/there:1/json": 200, "/images/broken/json": 500}
        self.send_response(known.get(self.path, 404))
        self.end_headers()

    def address_string(self) -> str:
        return "a socket"

    def log_message(self, *_words: object) -> None:
        pass


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The stand-in over a socket and over TCP."""
    path = tmp_path / "docker.sock"
    with (
        socketserver.ThreadingUnixStreamServer(str(path), _DockerStandIn) as local,
        socketserver.ThreadingTCPServer(("127.0.0.1", 0), _DockerStandIn) as far,
    ):
        for server in (local, far):
            threading.Thread(target=server.serve_forever, daemon=True).start()
        yield {
            "socket": f"unix:/{path}",  # as unix://var/run/docker.sock
            "tcp": f"tcp://127.0.0.1:{far.server_address[1]}",
            "nobody": f"unix://{tmp_path}/nobody.sock",
            "ssh": "ssh://user:geheim@host",
            "typo": "tcp://user:geheim@host:2375x",
        }
        local.shutdown()
        far.shutdown()


def test_a_socket_that_nobody_listens_at_is_closed(hosts: dict[str, str]) -> None:
    task = {"task": {"task_id": "a"}, "docker": {"docker_url": hosts["nobody"], "image": "i"}}
    file = DagFile(Path("d.py"), "0.1.0", "lake", "r", {"command": "c run", "tasks": [task]})
    gc.collect()  # what other tests have left
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ResourceWarning)
        list(of_dockers([file], 10))
        gc.collect()
    assert [one for one in told if "socket" in str(one.message)] == []


@pytest.mark.parametrize(
    ("host", "image", "result", "found"),
    [
        ("socket", "site/there:1", "ok", "Docker answers, and has the image"),
        ("tcp", "site/there:1", "ok", "Docker answers, and has the image"),
        ("tcp", "site/gone:1", "warning", "Docker answers, and has no such image: the first"),
        ("socket", "broken", "failed", "answers 500 when asked for the image"),
        ("nobody", "site/there:1", "failed", "no answer: No such file or directory"),
        ("ssh", "site/there:1", "not tried", "only looked at over a socket or plain TCP"),
        ("typo", "site/there:1", "failed", "its address cannot be one"),
    ],
)
def test_hosts_and_images(
    hosts: dict[str, str], host: str, image: str, result: str, found: str
) -> None:
    task = {"task": {"task_id": "a"}, "docker": {"docker_url": hosts[host], "image": image}}
    plain = {"task": {"task_id": "b"}}
    pipeline = {"command": "c run", "tasks": [task, plain, task]}
    file = DagFile(Path("daily.py"), "0.1.0", "lake", "remake", pipeline)
    [check] = of_dockers([file], 10)
    assert check.result == result
    assert check.found.startswith(found)
    assert bool(check.cure) == (result in ("failed", "warning"))
    assert "geheim" not in str(check)
