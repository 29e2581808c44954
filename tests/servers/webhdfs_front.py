"""A front before the real NameNode that loses its answers, as a network does on a bad day.

Here: passing requests on and cutting connections; no bytes of files come by, which go straight to
the DataNode. Not here: the servers, and what they can be made to do themselves (`hdfs.py`).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import requests

from tests.servers.hdfs import HdfsServer


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
def fronted_namenode(hdfs: HdfsServer) -> Iterator[Front]:
    """A front that passes every request on to `hdfs` and hands back its answers, or loses them."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            operation = parse_qs(urlsplit(self.path).query).get("op", ["?"])[0].upper()
            front.asked.append(operation)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = requests.request(
                self.command, hdfs.url + self.path, data=body, allow_redirects=False
            )
            if front._loses(operation):
                self.close_connection = True
                return
            self.send_response(answer.status_code)
            for name in ("Content-Type", "Location"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

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
