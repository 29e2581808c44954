"""Stand-ins behind the wire: HTTP servers of this process in place of a company's services.

Here: serving, on a free port of this machine alone, and which stand-in an environment's
`options: {standin: …}` means. Not here: what they answer (`weather.py`, `search_index.py`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resources.settings import Settings


@dataclass(frozen=True)
class Request:
    """`target` is path and query as they came; names of headers are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """`cut`: after so many bytes of the body the connection is lost."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None


Service = Callable[[Request], Answer]


@contextmanager
def serving(service: Service) -> Iterator[str]:
    """Serve during the block; gives the address, `http://127.0.0.1:<port>`."""
    server = _server(service)
    try:
        yield _address(server)
    finally:
        server.shutdown()
        server.server_close()


def weather(settings: Settings) -> str:
    """The KMA's forecasts, for as long as the process runs."""
    from lake_assets.sample.weather import WeatherStandin

    return _address(_server(WeatherStandin()))


def search(settings: Settings) -> str:
    """Elasticsearch with the sample's DLP events, for as long as the process runs."""
    from lake_assets.sample.dlp_events import index
    from lake_assets.sample.search_writes import WritableSearch

    return _address(_server(WritableSearch({"dlp-events": index(settings.sample)})))


def _address(server: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


def _server(service: Service) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16  # one packet for headers and body, or each request waits 40 ms
        disable_nagle_algorithm = True

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            names = {name.lower(): value for name, value in self.headers.items()}
            found = service(Request(self.command, self.path, names, body))
            self.send_response(found.status)
            for name, value in found.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(found.body)))
            self.end_headers()
            self.wfile.write(found.body[: found.cut])
            self.close_connection = found.cut is not None

        do_GET = do_POST = do_DELETE = do_PUT = _answer

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: requests hold keys."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server
