"""Whether the hosts of containers answer, and have the images of the tasks.

Here: one question to Docker's API, over a socket or plain TCP. Not here: the other checks
(`doctor_checks.py`), and running containers, which Airflow's operator does.
"""

from __future__ import annotations

import shlex
import socket
from collections.abc import Iterator, Sequence
from http.client import HTTPConnection, HTTPException
from urllib.parse import quote, urlsplit

from airflow_bridge.airflow_cli import hidden
from airflow_bridge.doctor_checks import Check, DagFile, needs_of_files


def of_dockers(files: Sequence[DagFile], seconds: float) -> Iterator[Check]:
    """Of each host and image that tasks name."""
    for host, image in needs_of_files(files).dockers:
        name = f"{image} on {hidden(host)}"
        if not host.startswith(("unix://", "tcp://", "http://")):
            why = "only looked at over a socket or plain TCP"
            yield Check("containers", name, "not tried", why)
            continue
        try:
            status = _status(host, f"/images/{quote(image, safe='/:@')}/json", seconds)
        except ValueError:
            why = "its address cannot be one"
            cure = "name it tcp://host:2375: metadata {'airflow/docker_url': …}"
            yield Check("containers", name, "failed", why, cure)
            continue
        except (OSError, HTTPException) as error:
            why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            cure = "is Docker up there, and may the worker's user reach it?"
            yield Check("containers", name, "failed", f"no answer: {why}", cure)
            continue
        if status == 200:
            yield Check("containers", name, "ok", "Docker answers, and has the image")
        elif status == 404:
            cure = f"there: docker pull {shlex.quote(image)}"
            found = "Docker answers, and has no such image: the first task pulls it, or fails"
            yield Check("containers", name, "warning", found, cure)
        else:
            found = f"answers {status} when asked for the image"
            yield Check("containers", name, "failed", found, "is it Docker that listens there?")


def _status(host: str, path: str, seconds: float) -> int:
    """The status of an answer of the API at `unix://…` or `tcp://…`."""
    parts = urlsplit(host)
    local = parts.scheme == "unix"
    name, port = ("localhost", None) if local else (parts.hostname or "", parts.port or 2375)
    connection = HTTPConnection(name, port, timeout=seconds)
    try:
        if local:
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.settimeout(seconds)
            # Docker's clients take unix://var/run/docker.sock too.
            connection.sock.connect("/" + host[len("unix://") :].lstrip("/"))
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()
