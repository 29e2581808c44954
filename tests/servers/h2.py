"""A real H2 server in its Oracle mode: a stand-in for Tibero, of which there is none to be had.

Here: starting Debian's jar on a free port, killing and restarting it, statements as its owner. Not
here: tables (those are their tests'), and what only Tibero itself could show.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from resources import jvm
from resources.settings import Connection
from tests.servers.postgres import PATIENCE, NoServer, free_port

JAR = Path("/usr/share/java/h2.jar")
DRIVER = "org.h2.Driver"
OWNER, WORD = "SA", "gehe'im\\ \"1"


@dataclass
class H2Server:
    """A running server; `OWNER` may do everything in a database that it makes."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    host: str = "127.0.0.1"
    owners: dict[str, Any] = field(default_factory=dict)

    def url(self, database: str) -> str:
        return f"jdbc:h2:tcp://{self.host}:{self.port}/./{database};MODE=Oracle"

    def connection(self, database: str, **other: Any) -> Connection:
        """How the lake reaches it; the password is the environment's TIBERO_WORD."""
        options = {"driver": DRIVER, "jar": str(JAR), "url": self.url(database)}
        address: dict[str, Any] = {
            "kind": "tibero",
            "host": self.host,
            "port": self.port,
            "database": database,
            "user": OWNER,
            "password": "env:TIBERO_WORD",
            **other,
        }
        return Connection(**{**address, "options": {**options, **other.get("options", {})}})

    def connect(self, database: str) -> Any:
        """A `java.sql.Connection` as the owner; what it does is committed at once."""
        driver = jvm.driver("H2", str(JAR), DRIVER)
        words = jvm.java("H2").JClass("java.util.Properties")()
        words.setProperty("user", OWNER)
        words.setProperty("password", WORD)
        return driver.connect(
            self.url(database) + ";WRITE_DELAY=0;DB_CLOSE_DELAY=-1;MAX_MEMORY_ROWS=1000000", words
        )

    def execute(self, database: str, *statements: str) -> list[list[str | None]]:
        """Run statements; what the last gives, each value in the driver's own words."""
        if database not in self.owners:
            self.owners[database] = self.connect(database)
        with closing(self.owners[database].createStatement()) as asked:
            rows = []
            for statement in statements:
                if asked.execute(statement):
                    result = asked.getResultSet()
                    places = range(1, result.getMetaData().getColumnCount() + 1)
                    rows = []
                    while result.next():
                        found = [result.getString(place) for place in places]
                        rows.append([None if one is None else str(one) for one in found])
            return rows

    def start(self) -> None:
        """Start it (again) on the same port, and wait until it answers."""
        self.process = _started(self.folder, self.port)

    def kill(self) -> None:
        self.owners.clear()
        self.process.kill()
        self.process.wait()


def _started(folder: Path, port: int) -> subprocess.Popen[bytes]:
    command = [
        *("setpriv", "--pdeathsig", "KILL", "java", "-Xmx512m", "-cp", str(JAR)),
        *("org.h2.tools.Server", "-tcp", "-tcpPort", str(port), "-ifNotExists"),
        *("-baseDir", str(folder)),
    ]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if process.poll() is not None:
            raise NoServer(f"H2 ended: {(folder / 'log').read_text()[-500:]}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return process
        time.sleep(0.1)
    process.kill()
    raise NoServer(f"H2 did not answer within {PATIENCE} s")


@contextmanager
def running_h2() -> Iterator[H2Server]:
    """A server for the duration of the block (about a second to start)."""
    if shutil.which("java") is None or not JAR.exists():
        raise NoServer("no Java or no H2; `apt-get install default-jdk-headless libh2-java`")
    folder = Path(tempfile.mkdtemp(prefix="lake-h2-"))
    server: H2Server | None = None
    try:
        port = free_port()
        server = H2Server(folder, port, _started(folder, port))
        yield server
    finally:
        if server is not None:
            server.kill()
        shutil.rmtree(folder, ignore_errors=True)
