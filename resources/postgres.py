"""PostgreSQL as a source: streamed by DuckDB's extension, from one REPEATABLE READ snapshot.

Here: loading the extension, connecting, PostgreSQL's types and catalog, its errors in words. Not
here: the plan and course of a reading (`duckdb_tables.py`).
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Callable, Sequence
from functools import cache

import duckdb

from resources import sql, tls
from resources.duckdb_tables import DuckDBTables, extension, open_duckdb
from resources.errors import LakeError, PermanentError, TransientError
from resources.options import OPTIONS
from resources.settings import Connection
from resources.source import SourceColumn, Table
from resources.table_reader import Field
from resources.types import ColumnType, parse_type

#: libpq's words that a connection's `options` may give; they are shown in errors, so no secrets.
_OPTIONS = OPTIONS["postgres"]
_DEFAULTS = {"connect_timeout": 10, "application_name": "lake"}

_TYPES = {
    "smallint": "int16",
    "integer": "int32",
    "bigint": "int64",
    "real": "float32",
    "double precision": "float64",
    "boolean": "boolean",
    "date": "date",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
    "bytea": "binary",
    # Padding of char(n) is no part of the value: it goes, as in PostgreSQL's own cast to text.
    **dict.fromkeys(
        ("character varying", "character", "text", "name", "uuid", "json", "jsonb", "xml"), "string"
    ),
}
_SQL_TYPES = {
    "int8": "smallint",
    "int16": "smallint",
    "int32": "integer",
    "int64": "bigint",
    "float64": "double precision",
    "string": "text",
    "date": "date",
    "timestamp": "timestamp",
}
_RANGES = {"int8": 2**7, "int16": 2**15, "int32": 2**31, "int64": 2**63}

_COLUMNS = """
SELECT a.attname::text AS "name",
  CASE t.typtype WHEN 'd' THEN format_type(t.typbasetype, t.typtypmod)
    ELSE format_type(a.atttypid, a.atttypmod) END AS "shown",
  t.typtype = 'e' AS "is_enum",
  NOT (a.attnotnull OR t.typnotnull) AS "nullable"
FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
WHERE a.attrelid = to_regclass({}) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""
_TABLES = """
SELECT n.nspname || '.' || c.relname AS "name"
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f')
  AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
LIMIT 10000
"""

#: libpq's own words for a connection that broke.
_LOST = (
    "server closed the connection unexpectedly|SSL connection has been closed unexpectedly"
    "|no connection to the server|could not (?:receive data from|send data to) (?:the )?server"
    "|lost synchronization with server|without a reason from the server|SSL SYSCALL error"
)

#: libpq's words for a connection that it does not trust; `SSL SYSCALL error` is one that broke.
TLS = r"does not support SSL|SSL error|certificate"

#: What the server or libpq says → whether trying again may help, and what to do.
_ERRORS: tuple[tuple[str, type[LakeError], str], ...] = (
    (
        r"password authentication failed|no password supplied|authentication|no pg_hba\.conf entry"
        r"|role \".*\" does not exist|not permitted to log in",
        PermanentError,
        "check the connection's user and password, and that the server admits this host",
    ),
    (r"database \".*\" does not exist", PermanentError, "check the connection's database"),
    (r"could not translate host name", TransientError, "check the connection's host, and DNS"),
    (
        r"Connection refused|timeout expired|timed out|unreachable|No route to host|starting up",
        TransientError,
        "check that the server runs and the network lets this host reach it",
    ),
    (
        r"too many connections|too many clients|remaining connection slots|connection limit",
        TransientError,
        "fewer runs at a time (`pool`), or a higher limit on the server",
    ),
    (
        rf"terminating connection|shutting down|{_LOST}",
        TransientError,
        "the connection was lost while reading; try again",
    ),
    (
        r"invalid snapshot identifier|snapshot .*does not exist",
        TransientError,
        "the connection that held the state which others read was lost; try again",
    ),
    (
        r"could not serialize|deadlock detected|conflict with recovery|lock timeout"
        r"|statement timeout|out of shared memory|No space left|could not write",
        TransientError,
        "the server ended the statement; try again when it is less busy",
    ),
    (
        r"permission denied",
        PermanentError,
        "ask its owner to GRANT SELECT to the connection's user",
    ),
    (
        r"(relation|column|schema|function|operator|type) .*does not exist|syntax error",
        PermanentError,
        "mend the table, the columns or the query in the pipeline file",
    ),
)


@cache
def _engine(process: int) -> duckdb.DuckDBPyConnection:
    """One DuckDB a process, as loading the extension takes 0.13 CPU s; none survives a fork.

    One thread: the server sends one stream, and a second one only waits busily (1M rows × 14
    columns: 0.59–0.84 CPU s against 0.49–0.53). Nothing is kept in DuckDB.
    """
    db = open_duckdb(threads=1, memory_limit="512MB")
    file = extension("duckdb_extension_postgres_scanner")
    db.execute(f"LOAD {sql.literal(str(file), 'duckdb')}")
    return db


def connect(name: str, connection: Connection) -> PostgresTables:
    """The connection `name`, to be opened by `with`."""
    return PostgresTables(name, connection)


class PostgresTables(DuckDBTables):
    """Tables of a PostgreSQL server. Read through `postgres_query`, so its indexes are used."""

    dialect = "postgres"
    route = "DuckDB postgres_query (binary COPY)"

    def __init__(self, name: str, connection: Connection) -> None:
        super().__init__(name)
        self._connection = connection
        self._alias = f"source_{uuid.uuid4().hex}"

    @property
    def where(self) -> str:
        c = self._connection
        return f"{self.name!r} ({c.host}:{c.port or 5432}/{c.database})"

    def _open(self) -> duckdb.DuckDBPyConnection:
        c = self._connection
        options = {**_DEFAULTS, **c.options}
        for key in options:
            if key not in _OPTIONS:
                raise PermanentError(f"{self.where}: unknown option {key!r}; allowed: {_OPTIONS}.")
        if not (c.host and c.database and c.user):
            raise PermanentError(f"{self.where}: the environment gives no host, database or user.")
        db = _engine(os.getpid()).cursor()
        try:
            secret = {
                "HOST": c.host,
                "PORT": str(c.port or 5432),
                "DATABASE": c.database,
                "USER": c.user,
            }
            if c.password is not None:
                secret["PASSWORD"] = c.password.reveal()
            # Literals, as for the statements below: to bind values DuckDB imports pandas, 0.21
            # CPU s and 45 MB. A failing statement's text is shown to nobody (`server_words`).
            values = ", ".join(
                f"{key} {sql.literal(value, 'duckdb')}" for key, value in secret.items()
            )
            db.execute(f"CREATE SECRET {self._alias} (TYPE postgres, {values})")
            words = " ".join(f"{key}={_libpq(str(value))}" for key, value in options.items())
            db.execute(
                f"ATTACH {sql.literal(words, 'duckdb')} AS {self._alias} "
                f"(TYPE postgres, SECRET {self._alias}, READ_ONLY)"
            )
        except BaseException:
            self._shut(db)
            raise
        return db

    def _shut(self, db: duckdb.DuckDBPyConnection) -> None:
        db.execute(f"DETACH DATABASE IF EXISTS {self._alias}")
        db.execute(f"DROP SECRET IF EXISTS {self._alias}")
        db.close()

    def _run(
        self, cursor: duckdb.DuckDBPyConnection, statement: str, fields: Sequence[Field] = ()
    ) -> duckdb.DuckDBPyConnection:
        # PostgreSQL has no one-byte integer: it arrives as two and is narrowed here.
        small = [
            sql.quoted(f.column.name, "duckdb") for f in fields if f.column.type.name == "int8"
        ]
        casts = ", ".join(f"CAST({name} AS TINYINT) AS {name}" for name in small)
        selected = f"* REPLACE ({casts})" if small else "*"
        text = sql.literal(statement, "duckdb")
        return cursor.execute(f"SELECT {selected} FROM postgres_query('{self._alias}', {text})")

    def _share(self, cursor: duckdb.DuckDBPyConnection) -> str | None:
        # A standby before version 10 cannot.
        able = "NOT pg_is_in_recovery() OR current_setting('server_version_num')::int >= 100000"
        asked = f'SELECT CASE WHEN {able} THEN pg_export_snapshot() END AS "state"'
        row = self._run(cursor, asked).fetchone()
        return None if row is None else row[0]

    def _join(self, cursor: duckdb.DuckDBPyConnection, state: str) -> None:
        statement = f"SET TRANSACTION SNAPSHOT {sql.literal(state, 'postgres')}"
        values = (sql.literal(one, "duckdb") for one in (self._alias, statement))
        cursor.execute(f"CALL postgres_execute({', '.join(values)})")

    def _cancel(self, cursor: duckdb.DuckDBPyConnection) -> Callable[[], None]:
        row = self._run(cursor, 'SELECT pg_backend_pid() AS "pid"').fetchone()
        assert row is not None
        assert self._db is not None
        pid, other = int(row[0]), self._db

        def cancel() -> None:
            with other.cursor() as second:
                self._run(second, f'SELECT pg_cancel_backend({pid}) AS "done"').fetchall()

        return cancel

    def _columns(self, cursor: duckdb.DuckDBPyConnection, table: Table) -> list[SourceColumn]:
        if table.query is not None:
            return self._query_columns(cursor, table)
        assert table.table is not None
        name = sql.table_name(table.schema, table.table, "postgres")
        rows = self._run(cursor, _COLUMNS.format(sql.literal(name, "postgres"))).fetchall()
        return [
            SourceColumn(name, ColumnType("string") if enum else lake_type(shown), shown, null)
            for name, shown, enum, null in rows
        ]

    def _query_columns(self, cursor: duckdb.DuckDBPyConnection, table: Table) -> list[SourceColumn]:
        """A query's columns: DuckDB knows their names and precision, the server their types."""
        source = sql.relation(table, sql.ANY_SPAN, "postgres")
        plain = self._run(cursor, sql.statement(["*"], source, limit=0)).description or []
        typeof = [
            f'CAST(pg_typeof(q.{sql.quoted(one[0], "postgres")}) AS text) AS "type{i}"'
            for i, one in enumerate(plain)
        ]
        # One row even where the query has none.
        nothing = sql.statement(["*"], source, limit=0)
        statement = sql.statement(typeof, f"(SELECT 1) AS one LEFT JOIN ({nothing}) AS q ON true")
        shown = self._run(cursor, statement).fetchone() or ()
        columns = []
        for (name, duck, *_), word in zip(plain, shown, strict=True):
            bounded = word == "numeric" and str(duck).startswith("DECIMAL")
            exact = word + str(duck).removeprefix("DECIMAL") if bounded else word
            columns.append(SourceColumn(name, lake_type(exact), exact, True))
        return columns

    def _tables(self, cursor: duckdb.DuckDBPyConnection) -> list[str]:
        return [name for (name,) in self._run(cursor, _TABLES).fetchall()]

    def _number(self, found: SourceColumn) -> bool:
        return found.type is None and re.fullmatch(r"numeric(\(.*\))?", found.shown) is not None

    def _value(self, field: Field) -> str:
        want = field.column.type
        if field.step == "same":
            return field.sql
        if want.is_decimal:
            return f"CAST({field.sql} AS numeric({want.precision}, {want.scale}))"
        return f"CAST({field.sql} AS {_SQL_TYPES[want.name]})"

    def _proof(self, field: Field) -> str | None:
        value, have, want = field.sql, field.found.type, field.column.type
        proving = field.step == "prove"
        if want.is_decimal and proving:
            digits = want.precision - want.scale
            number = f"CAST({value} AS numeric)"
            return f"{number} = round({number}, {want.scale}) AND abs({number}) < 1e{digits}"
        if want.name in _RANGES and proving:
            bound = _RANGES[want.name]
            whole = "" if have and have.name in _RANGES else f"{value} = trunc({value}) AND "
            return f"{whole}{value} BETWEEN {-bound} AND {bound - 1}"
        if want.is_decimal and have and have.is_decimal:
            # DuckDB reads NaN, which numeric(18,2) may hold, as 0.00.
            return f"{value} <> 'NaN'::numeric"
        if have and have.name in ("date", "timestamp", "timestamptz"):
            # DuckDB's infinities and its last microsecond are not Arrow's or PostgreSQL's.
            day = f" AND {value} = date_trunc('day', {value})" if proving else ""
            last = "" if want.name == "date" else f" AND {value} < '294247-01-01'"
            return f"isfinite({value}){last}{day}"
        return None

    def _told(self, error: Exception, what: str) -> LakeError:
        said = server_words(str(error))
        if what == "connecting" and re.search(TLS, said):
            return untrusted(said, what, self.where)
        for pattern, kind, cure in _ERRORS:
            if re.search(pattern, said, re.IGNORECASE):
                return kind(f"{what}, connection {self.where}: {said}. What to do: {cure}.")
        # Unknown words (a server that speaks Korean, a rare failure). Not to be reached may pass;
        # a statement that was refused is refused again.
        kind = TransientError if what == "connecting" else PermanentError
        return kind(f"{what}, connection {self.where}: {said}.")


def untrusted(said: str, what: str, where: str) -> LakeError:
    """What is told of a server that TLS refused; `said` are libpq's words."""
    cure = f"{tls.cure(said, 'sslrootcert')}; see sslmode"
    return PermanentError(f"{what}, connection {where}: {said}. What to do: {cure}.")


def lake_type(shown: str) -> ColumnType | None:
    """The lake's equal of a type as `format_type` words it; None where there is none.

    >>> lake_type("character varying(8)"), lake_type("numeric")
    (ColumnType(name='string', precision=0, scale=0), None)
    """
    number = re.fullmatch(r"numeric\((\d+),(\d+)\)", shown)
    if number:
        precision, scale = int(number[1]), int(number[2])
        fits = precision <= 38 and scale <= precision
        return parse_type(f"decimal({precision},{scale})") if fits else None
    name = _TYPES.get(re.sub(r"\(.*?\)", "", shown))
    return ColumnType(name) if name else None


def server_words(text: str) -> str:
    """What the server or libpq said, of an error of DuckDB's: no statement, no value, no detail.

    PostgreSQL puts two blanks after the severity, in every language.
    """
    english = re.findall(r"\b(?:ERROR|FATAL|PANIC): {2}(.+)", text)
    tail = text.rpartition('": ')[2]  # after the quoted statement or options
    other = re.search(r"(?:^|failed: )[^\s:\"]+: {2}(.+)", tail)
    lost = re.search(_LOST, text)
    if english:
        said = english[-1]
    elif other:
        said = other[1]
    elif "Unable to connect" in text:
        said = tail.split("\n")[0].split(" failed: ")[-1]
    elif lost:
        said = lost[0]
    else:
        said = "the statement failed without a reason from the server"
    # Messages on input that cannot be converted quote it.
    said = re.sub(r'(: |\bvalue )"[^"]*"', r"\1(a value)", said)
    return said.strip().rstrip(".")


def _libpq(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
