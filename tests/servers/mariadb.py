"""A real MariaDB server of the tests' own: a fresh data folder that goes, a free port.

Here: starting, stopping, statements as root. Not here: tables and the fixture
(`tests/conftest.py`).
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pymysql

from tests.servers.authority import Certificate
from tests.servers.postgres import PATIENCE, NoServer, free_port

_SETTINGS = (
    "--bind-address=127.0.0.1",
    "--skip-log-bin",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-buffer-pool-size=64M",
    "--performance-schema=OFF",
    "--character-set-server=utf8mb4",
    "--skip-name-resolve",
)


@dataclass
class MariaDBServer:
    """A running server; root needs no password."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    host: str = "127.0.0.1"
    settings: tuple[str, ...] = ()

    def execute(self, *statements: str, database: str | None = None) -> list[tuple[Any, ...]]:
        """Run statements as root; the rows of the last."""
        with contextlib.closing(
            pymysql.connect(
                host=self.host,
                port=self.port,
                user="root",
                database=database,
                autocommit=True,
                charset="utf8mb4",
            )
        ) as connection:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def start(self) -> None:
        """Start it (again) on the same port, and wait until it answers."""
        self.process = _started(self.folder, self.port, self.settings)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def _user() -> list[str]:
    """MariaDB refuses to run as root."""
    if os.getuid() != 0:
        return []
    for name in ("mysql", "nobody"):
        with contextlib.suppress(KeyError):
            pwd.getpwnam(name)
            return [f"--user={name}"]
    raise NoServer("MariaDB does not run as root, and there is no user mysql or nobody")


def _started(folder: Path, port: int, settings: tuple[str, ...]) -> subprocess.Popen[bytes]:
    command = [
        *("setpriv", "--pdeathsig", "KILL", "mariadbd", "--no-defaults", *_user(), *_SETTINGS),
        *settings,
        *(f"--datadir={folder}/data", f"--socket={folder}/socket", f"--port={port}"),
    ]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if process.poll() is not None:
            raise NoServer(f"mariadbd ended: {(folder / 'log').read_text()[-500:]}")
        with contextlib.suppress(pymysql.Error):
            pymysql.connect(host="127.0.0.1", port=port, user="root").close()
            return process
        time.sleep(0.1)
    process.kill()
    raise NoServer(f"mariadbd did not answer within {PATIENCE} s")


def _tls(folder: Path, certificate: Certificate | None) -> tuple[str, ...]:
    if certificate is None:
        return ()
    words = []
    for name, file in (("cert", certificate.file), ("key", certificate.key)):
        own = shutil.copy(file, folder / f"{name}.pem")
        for user in _user():
            shutil.chown(own, user.removeprefix("--user="))
        words.append(f"--ssl-{name}={own}")
    return tuple(words)


@contextmanager
def running_mariadb(
    *settings: str, certificate: Certificate | None = None
) -> Iterator[MariaDBServer]:
    """A server for the duration of the block (about two seconds to start).

    `settings` are words of its command line beside our own, which they overrule; with a
    `certificate` it has TLS.
    """
    if shutil.which("mariadbd") is None or shutil.which("mariadb-install-db") is None:
        raise NoServer("no mariadbd; `apt-get install mariadb-server-core mariadb-client-core`")
    folder = Path(tempfile.mkdtemp(prefix="lake-mariadb-"))
    server: MariaDBServer | None = None
    try:
        for user in _user():
            shutil.chown(folder, user.removeprefix("--user="))
        subprocess.run(
            [
                *("mariadb-install-db", "--no-defaults", f"--datadir={folder}/data", *_user()),
                *("--auth-root-authentication-method=normal", "--skip-test-db"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        settings += _tls(folder, certificate)
        port = free_port()
        process = _started(folder, port, settings)
        server = MariaDBServer(folder, port, process, settings=settings)
        yield server
    finally:
        if server is not None:
            server.kill()
        shutil.rmtree(folder, ignore_errors=True)
