"""Stand-ins for a NameNode, where the real servers are not needed or cannot be made to fail.

Here: a front to the real NameNode that loses answers, and a standby without servers. Both speak
HTTP only as far as WebHDFS's first step needs: no bytes of files pass through. Not here: the
servers, a real standby among them (`hdfs.py`).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import requests

from tests.servers.hdfs import HdfsServer

Answer = tuple[int, dict[str, str], bytes]

#: Word for word what Hadoop 2.7 says.
_STANDBY = {
    "RemoteException": {
        "exception": "StandbyException",
        "javaClassName": "org.apache.hadoop.ipc.StandbyException",
        "message": "Operation category READ is not supported in state standby",
    }
}


@dataclass
class Front:
    """The address to use instead of the NameNode's, and what was asked there (operation names)."""

    url: str
    asked: list[str] = field(default_factory=list)
    _losses: list[str] = field(default_factory=list)

    def lose_answer(self, operation: str) -> None:
        """The next such operation is done, but its answer never comes: the connection is cut."""
        self._losses.append(operation)

    def _loses(self, operation: str) -> bool:
        if operation not in self._losses:
            return False
        self._losses.remove(operation)
        return True


@contextmanager
def standby_namenode() -> Iterator[Front]:
    """A stand-in that refuses everything as a standby does: 403, StandbyException.

    A real one (`running_hdfs(standby=True)`) refuses all but CREATE, for which it names a DataNode.
    """
    body = json.dumps(_STANDBY).encode()
    answer = (403, {"Content-Type": "application/json"}, body)
    with _serving(lambda method, path, body: answer) as front:
        yield front


@contextmanager
def fronted_namenode(hdfs: HdfsServer) -> Iterator[Front]:
    """A front that passes every request on to `hdfs` and hands back its answers, or loses them."""

    def forward(method: str, path: str, body: bytes) -> Answer:
        answer = requests.request(method, hdfs.url + path, data=body, allow_redirects=False)
        names = ("Content-Type", "Location")
        headers = {name: answer.headers[name] for name in names if name in answer.headers}
        return answer.status_code, headers, answer.content

    with _serving(forward) as front:
        yield front


@contextmanager
def _serving(respond: Callable[[str, str, bytes], Answer]) -> Iterator[Front]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            operation = parse_qs(urlsplit(self.path).query).get("op", ["?"])[0].upper()
            front.asked.append(operation)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, headers, content = respond(self.command, self.path, body)
            if front._loses(operation):
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_DELETE = answer

        def log_message(self, format: str, *arguments: object) -> None:
            """Nothing: tests print what they need."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    front = Front(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield front
    finally:
        server.shutdown()
        server.server_close()
