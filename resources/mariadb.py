"""MariaDB as a source: streamed by DuckDB's extension, counted before and after.

Here: loading the extension, connecting, MariaDB's types and catalog, its errors in words. Not here:
the plan and course of a reading (`duckdb_tables.py`).
"""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Mapping, Sequence
from functools import cache

import duckdb

from resources import sql, tls
from resources.duckdb_tables import DuckDBTables, extension, open_duckdb
from resources.errors import LakeError, PermanentError, TransientError
from resources.options import OPTIONS
from resources.partition import Cadence
from resources.settings import Connection
from resources.source import SourceColumn, Table, WindowKind
from resources.table_reader import Field
from resources.types import ColumnType, parse_type

#: The client library's words that a connection's `options` may give.
_OPTIONS = OPTIONS["mariadb"]
_SSL_MODES = ("disabled", "preferred", "required", "verify_ca", "verify_identity")

#: What the extension would do by itself, and the lake does not want.
_SETTINGS = {
    "mysql_session_time_zone": "+00:00",  # TIMESTAMP is an instant: it comes as its UTC wall time
    "mysql_tinyint1_as_boolean": "false",
    "mysql_query_timeout_enabled": "false",  # MySQL would end a reading after five minutes
}

_INTS = {"tinyint": 1, "smallint": 2, "mediumint": 3, "int": 4, "bigint": 8}
_LAKE_INTS = {1: "int8", 2: "int16", 3: "int32", 4: "int32", 8: "int64"}
_WIDER = {1: "int16", 2: "int32", 3: "int32", 4: "int64", 8: "decimal(20,0)"}
_BYTES = ("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob")
_TEXTS = (
    *("char", "varchar", "tinytext", "text", "mediumtext", "longtext"),
    *("enum", "set", "json", "uuid", "inet4", "inet6"),
)
_TYPES = {
    "bit(1)": "boolean",
    "float": "float32",
    "double": "float64",
    "date": "date",
    "datetime": "timestamp",
    "timestamp": "timestamptz",
    "year": "int16",
    **dict.fromkeys(_BYTES, "binary"),
    **dict.fromkeys(_TEXTS, "string"),
}
_RANGES = {"int8": 2**7, "int16": 2**15, "int32": 2**31, "int64": 2**63}

_COLUMNS = """
SELECT column_name AS `name`, column_type AS `shown`, is_nullable = 'YES' AS `nullable`
FROM information_schema.columns
WHERE table_schema = coalesce({}, database()) AND table_name = {}
ORDER BY ordinal_position
"""
_TABLES = """
SELECT concat(table_schema, '.', table_name) AS `name` FROM information_schema.tables
WHERE table_schema NOT IN ('information_schema', 'mysql', 'performance_schema', 'sys') LIMIT 10000
"""

#: What the server or its client says → whether trying again may help, and what to do.
_ERRORS: tuple[tuple[str, type[LakeError], str], ...] = (
    (
        r"Access denied|is not allowed to connect|Authentication plugin",
        PermanentError,
        "check the connection's user, password and rights, and that the server admits this host",
    ),
    (r"Unknown database", PermanentError, "check the connection's database"),
    (r"Unknown (MySQL )?server host", TransientError, "check the connection's host, and DNS"),
    (
        r"Can't connect|Connection refused|timed out|unreachable|No route to host",
        TransientError,
        "check that the server runs and the network lets this host reach it",
    ),
    (
        r"Too many connections|max_user_connections|max_connections",
        TransientError,
        "fewer runs at a time (`pool`), or a higher limit on the server",
    ),
    (
        r"Lost connection|server has gone away|Server shutdown in progress|was killed"
        r"|Connection was killed|Query execution was interrupted",
        TransientError,
        "the connection was lost while reading; try again",
    ),
    (
        r"Lock wait timeout|Deadlock found|No space left|is full|Record has changed",
        TransientError,
        "the server ended the statement; try again when it is less busy",
    ),
    (
        r"command denied|denied to user",
        PermanentError,
        "ask its owner to GRANT SELECT to the connection's user",
    ),
    (
        r"doesn't exist|Unknown column|SQL syntax|Unknown table",
        PermanentError,
        "mend the table, the columns or the query in the pipeline file",
    ),
)


@cache
def _engine(process: int) -> duckdb.DuckDBPyConnection:
    """One DuckDB a process with the extension loaded; none survives a fork."""
    db = open_duckdb(threads=1, memory_limit="512MB")
    file = extension("duckdb_extension_mysql_scanner")
    db.execute(f"LOAD {sql.literal(str(file), 'duckdb')}")
    for key, value in _SETTINGS.items():
        db.execute(f"SET GLOBAL {key} = {sql.literal(value, 'duckdb')}")
    return db


def connect(name: str, connection: Connection) -> MariaDBTables:
    """The connection `name`, to be opened by `with`."""
    return MariaDBTables(name, connection)


class MariaDBTables(DuckDBTables):
    """Tables of a MariaDB server. Read through `mysql_query`, so its indexes are used.

    `mysql_query` takes a connection of its own for every statement, whatever transaction DuckDB is
    in (1.5.5, seen by its connection_id): totals are taken before and after.
    """

    dialect = "mysql"
    route = "DuckDB mysql_query"
    one_snapshot = False

    def __init__(self, name: str, connection: Connection) -> None:
        super().__init__(name)
        self._connection = connection
        self._alias = f"source_{uuid.uuid4().hex}"

    @property
    def where(self) -> str:
        c = self._connection
        return f"{self.name!r} ({c.host}:{c.port or 3306}/{c.database})"

    def _open(self) -> duckdb.DuckDBPyConnection:
        c = self._connection
        check_options(self.where, c.options)
        if not (c.host and c.database and c.user):
            raise PermanentError(f"{self.where}: the environment gives no host, database or user.")
        db = _engine(os.getpid()).cursor()
        try:
            secret = {
                "HOST": c.host,
                "PORT": str(c.port or 3306),
                "DATABASE": c.database,
                "USER": c.user,
                **{key.upper(): str(value) for key, value in c.options.items()},
            }
            if c.password is not None:
                secret["PASSWORD"] = c.password.reveal()
            values = ", ".join(
                f"{key} {sql.literal(value, 'duckdb')}" for key, value in secret.items()
            )
            db.execute(f"CREATE SECRET {self._alias} (TYPE mysql, {values})")
            # The extension asks for a compressed stream: a fifth of this side's CPU, and more of
            # the server's.
            db.execute(
                f"ATTACH 'compression=disabled' AS {self._alias} "
                f"(TYPE mysql, SECRET {self._alias}, READ_ONLY)"
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
        # Widths that the protocol has not, and instants, are made here; proved beforehand.
        names = [sql.quoted(f.column.name, "duckdb") for f in fields]
        casts = [
            f"CAST({name} AS {f.column.type.duckdb()}) AS {name}"
            for f, name in zip(fields, names, strict=True)
        ]
        text = sql.literal(statement, "duckdb")
        return cursor.execute(
            f"SELECT {', '.join(casts) or '*'} FROM mysql_query('{self._alias}', {text})"
        )

    def _columns(self, cursor: duckdb.DuckDBPyConnection, table: Table) -> list[SourceColumn]:
        if table.query is not None:
            return self._query_columns(cursor, table)
        assert table.table is not None
        names = (sql.literal(one, "mysql") for one in (table.schema, table.table))
        rows = self._run(cursor, _COLUMNS.format(*names)).fetchall()
        return [
            SourceColumn(name, lake_type(shown), shown, bool(null)) for name, shown, null in rows
        ]

    def _query_columns(self, cursor: duckdb.DuckDBPyConnection, table: Table) -> list[SourceColumn]:
        """A query's columns in the words of what arrives: the server names no types of its own."""
        source = sql.relation(table, sql.ANY_SPAN, "mysql")
        plain = self._run(cursor, sql.statement(["*"], source, limit=0)).description or []
        return [
            SourceColumn(name, _ARRIVING.get(str(shown)) or _decimal(str(shown)), str(shown), True)
            for name, shown, *_ in plain
        ]

    def _tables(self, cursor: duckdb.DuckDBPyConnection) -> list[str]:
        return [name for (name,) in self._run(cursor, _TABLES).fetchall()]

    def _number(self, found: SourceColumn) -> bool:
        return found.type is None and found.shown.startswith("decimal")

    def _value(self, field: Field) -> str:
        want, shown = field.column.type, field.found.shown
        if want.name == "string":
            # Text of a binary collation, and JSON, would arrive as bytes.
            text = f"CAST({field.sql} AS CHAR CHARACTER SET utf8mb4)"
            return f"{text} COLLATE utf8mb4_general_ci"
        if want.is_decimal and not _well_told(shown):
            return f"CAST({field.sql} AS CHAR)"
        return field.sql

    def _proof(self, field: Field) -> str | None:
        value, have, want = field.sql, field.found.type, field.column.type
        if want.is_decimal and field.step == "prove":
            digits = want.precision - want.scale
            return f"{value} = round({value}, {want.scale}) AND abs({value}) < 1e{digits}"
        if want.name in _RANGES and field.step == "prove":
            bound = _RANGES[want.name]
            whole = "" if have and have.name in _RANGES else f"{value} = truncate({value}, 0) AND "
            return f"{whole}{value} BETWEEN {-bound} AND {bound - 1}"
        if have and have.name in ("date", "timestamp", "timestamptz"):
            # 0000-00-00, and days such as 2025-00-10, would arrive as NULL.
            day = " AND CAST({0} AS TIME(6)) = 0" if field.step == "prove" else ""
            real = "{0} >= '0001-01-01' AND day({0}) > 0 AND month({0}) > 0"
            return (real + day).format(value)
        return None

    def _cure(self, field: Field) -> str:
        cure = super()._cure(field)
        if field.column.type.name not in ("date", "timestamp", "timestamptz"):
            return cure
        read = f"NULLIF({sql.quoted(field.column.source, self.dialect)}, '0000-00-00')"
        return (
            "A zero date (0000-00-00, or a month or day of 00) is no day here: read it as NULL "
            f"by a `query` ({read}). Else: {cure[0].lower()}{cure[1:]}"
        )

    def _text(self, expression: str) -> str:
        return f"CAST({expression} AS CHAR)"

    def _time_of(self, column: str, kind: WindowKind, cadence: Cadence, instant: bool) -> str:
        if kind == "yyyymmdd":
            return f"CAST({column} AS CHAR) COLLATE utf8mb4_general_ci"
        local = f"convert_tz({column}, '+00:00', '+09:00')" if instant else column
        if cadence == "hourly":
            return f"CAST(date_format({local}, '%Y-%m-%d %H:00:00') AS DATETIME)"
        return f"CAST({local} AS DATE)"

    def _told(self, error: Exception, what: str) -> LakeError:
        said = server_words(str(error))
        if what == "connecting" and re.search(r"SSL|TLS|[Cc]ertificate", said):
            cure = f"{tls.cure(said, 'ssl_ca')}; see ssl_mode"
            return PermanentError(f"{what}, connection {self.where}: {said}. What to do: {cure}.")
        for pattern, kind, cure in _ERRORS:
            if re.search(pattern, said):
                return kind(f"{what}, connection {self.where}: {said}. What to do: {cure}.")
        kind = TransientError if what == "connecting" else PermanentError
        return kind(f"{what}, connection {self.where}: {said}.")


def check_options(where: str, options: Mapping[str, object]) -> str:
    """The ssl_mode; PermanentError where options would not do what they say.

    Without a CA the client (Connector/C 3.4) believes anybody even as `verify_identity`, and with
    one even as `preferred`: both would be no proof, and are refused.
    """
    for key in options:
        if key not in _OPTIONS:
            raise PermanentError(f"{where}: unknown option {key!r}; allowed: {_OPTIONS}.")
    mode = str(options.get("ssl_mode", "preferred")).lower()
    if mode not in _SSL_MODES:
        raise PermanentError(f"{where}: ssl_mode {mode!r}; allowed: {_SSL_MODES}.")
    trusted = "ssl_ca" in options or "ssl_capath" in options
    if mode.startswith("verify") and not trusted:
        raise PermanentError(
            f"{where}: ssl_mode {mode} proves nothing without a CA: give the company's as "
            "`ssl_ca: FILE`."
        )
    if trusted and mode in ("disabled", "preferred"):
        raise PermanentError(
            f"{where}: a CA proves nothing with ssl_mode {mode}: write `ssl_mode: verify_identity`."
        )
    return mode


_ARRIVING = {
    "VARCHAR": ColumnType("string"),
    "TINYINT": ColumnType("int8"),
    "SMALLINT": ColumnType("int16"),
    "INTEGER": ColumnType("int32"),
    "BIGINT": ColumnType("int64"),
    "UINTEGER": ColumnType("int64"),
    "UBIGINT": parse_type("decimal(20,0)"),
    "FLOAT": ColumnType("float32"),
    "DOUBLE": ColumnType("float64"),
    "DATE": ColumnType("date"),
    "TIMESTAMP": ColumnType("timestamp"),
    "BLOB": ColumnType("binary"),
}


def _decimal(shown: str) -> ColumnType | None:
    return parse_type(shown.lower()) if shown.startswith("DECIMAL(") else None


def _well_told(shown: str) -> bool:
    """Whether DuckDB learns a decimal's precision: of unsigned ones, and those without digits
    after the point, it takes one digit too few; those of more than 38 digits it makes a DOUBLE."""
    scale = re.fullmatch(r"decimal\((\d+),(\d+)\)", shown, re.IGNORECASE)
    return scale is not None and int(scale[1]) <= 38 and int(scale[2]) > 0


def lake_type(shown: str) -> ColumnType | None:
    """The lake's equal of a column's type as MariaDB words it; None where there is none.

    >>> lake_type("bigint(20) unsigned").name, lake_type("tinyint(1)").name
    ('decimal(20,0)', 'int8')
    """
    word = shown if shown == "bit(1)" else re.split(r"[( ]", shown, maxsplit=1)[0]
    number = re.fullmatch(r"decimal\((\d+),(\d+)\).*", shown)
    if number:
        precision, scale = int(number[1]), int(number[2])
        return parse_type(f"decimal({precision},{scale})") if precision <= 38 else None
    if word in _INTS:
        names = _WIDER if "unsigned" in shown else _LAKE_INTS
        return parse_type(names[_INTS[word]])
    name = _TYPES.get(word)
    return ColumnType(name) if name else None


def server_words(text: str) -> str:
    """What the server or its client said, of an error of DuckDB's: no statement, no value."""
    said = re.sub(r"(?s)\n+LINE \d+: .*", "", text)
    # The statement stands between the first and the last quotation mark.
    said = re.sub(r'(?s)^.*Failed to [\w ]+ MySQL [\w ]+ ".*": ', "", said)
    said = re.sub(r"^(\w+ )*Error: ", "", said)
    said = re.sub(r"((?:: |\bvalue |\bstring ))(['\"]).*?\2", r"\1(a value)", said)
    # A connection that breaks in mid-stream leaves no words at all.
    return said.strip().split("\n")[0].strip().rstrip(".") or "Lost connection to the server"
