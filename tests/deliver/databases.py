"""A database to deliver to, of each kind there is here, in the same words.

Here: statements as its owner, rows as they stand there, the connection of a user who may do what
the runbook says and no more. Not here: the tests (`test_tables.py`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import psycopg2

from resources.settings import Connection
from tests.servers.mariadb import MariaDBServer
from tests.servers.postgres import PostgresServer

PASSWORD = "gehe'im\\ \"1"


@dataclass(frozen=True)
class Database:
    """`rows` gives a SELECT's, `words` translates types, `grant` gives the rights on a table."""

    kind: str
    connection: Connection
    execute: Callable[..., None]
    rows: Callable[[str], list[tuple[Any, ...]]]
    words: dict[str, str]
    quote: str = '"'
    grant: Callable[[str], None] = lambda table: None

    def make(self, name: str, columns: Sequence[tuple[str, str]], *rules: str) -> None:
        declared = [f"{self.quoted(n)} {self.words.get(t, t)}" for n, t in columns]
        self.execute(f"DROP TABLE IF EXISTS {self.quoted(name)}")
        self.execute(f"CREATE TABLE {self.quoted(name)} ({', '.join([*declared, *rules])})")
        self.grant(self.quoted(name))

    def quoted(self, name: str) -> str:
        return self.quote + name.replace(self.quote, self.quote * 2) + self.quote


@contextlib.contextmanager
def postgres(server: PostgresServer) -> Iterator[Database]:
    server.create_database("target")
    # It stays from one module of tests to the next: it has rights in databases that stay, too.
    with contextlib.suppress(psycopg2.errors.DuplicateObject):
        server.create_role("deliverer", PASSWORD)
    connection = psycopg2.connect(
        host=server.host, port=server.port, user=server.user, dbname="target"
    )
    connection.autocommit = True

    def rows(select: str) -> list[tuple[Any, ...]]:
        cursor = connection.cursor()
        cursor.execute(select)
        return [
            tuple(bytes(one) if isinstance(one, memoryview) else one for one in row)
            for row in cursor.fetchall()
        ]

    def execute(*statements: str) -> None:
        for statement in statements:
            connection.cursor().execute(statement)

    yield Database(
        "postgres",
        Connection(
            kind="postgres",
            host=server.host,
            port=server.port,
            database="target",
            user="deliverer",
            password="env:DELIVER_WORD",
        ),
        execute,
        rows,
        {"double": "double precision", "blob": "bytea", "instant": "timestamptz"},
        grant=lambda table: execute(
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO deliverer"
        ),
    )
    connection.close()


@contextlib.contextmanager
def mariadb(server: MariaDBServer) -> Iterator[Database]:
    word = PASSWORD.replace("\\", "\\\\").replace("'", "''")
    server.execute(
        "DROP DATABASE IF EXISTS target",
        "CREATE DATABASE target",
        f"CREATE OR REPLACE USER deliverer@'127.0.0.1' IDENTIFIED BY '{word}'",
        "GRANT CREATE TEMPORARY TABLES ON target.* TO deliverer@'127.0.0.1'",
        "SET GLOBAL time_zone = '+09:00'",
    )

    def execute(*statements: str) -> None:
        server.execute("SET time_zone = '+00:00'", *statements, database="target")

    yield Database(
        "mariadb",
        Connection(
            kind="mariadb",
            host=server.host,
            port=server.port,
            database="target",
            user="deliverer",
            password="env:DELIVER_WORD",
        ),
        execute,
        lambda select: server.execute("SET time_zone = '+00:00'", select, database="target"),
        {
            **{"timestamp": "datetime(6)", "instant": "timestamp(6) NULL", "text": "longtext"},
            **{"smallint": "smallint", "boolean": "boolean"},
        },
        "`",
        grant=lambda table: execute(
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO deliverer@'127.0.0.1'"
        ),
    )
    # The server stays for other tests, which find its zone as it was.
    server.execute("SET GLOBAL time_zone = 'SYSTEM'")


@contextlib.contextmanager
def duckdb_file(folder: Path) -> Iterator[Database]:
    path = folder / "target.duckdb"

    def rows(select: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(path)) as db:
            db.execute("SET TimeZone = 'UTC'")
            return db.execute(select).fetchall()

    def execute(*statements: str) -> None:
        with duckdb.connect(str(path)) as db:
            for statement in statements:
                db.execute(statement)

    yield Database(
        "duckdb",
        Connection(kind="duckdb", path=str(path)),
        execute,
        rows,
        {"instant": "timestamptz"},
    )
