"""SQL Server as a source: by its own driver's Arrow reader, or by pymssql's rows.

Here: the two drivers, SQL Server's types and catalog, its errors in words. Not here: the course of
a reading (`dbapi_tables.py`).

`mssql-python` gives Arrow batches; where it is not installed, or `options: {driver: pymssql}` says
so, pymssql gives rows, and the metadata names it. Both get the same values: texts as Unicode from
the server, whatever code page its columns have (Korean_Wansung: ks_c_5601), and what the driver
would cut (100 ns, money, NUMERIC as Python objects) as the server's own text.

Count and sums share a snapshot where the database allows it (ALTER DATABASE … SET
ALLOW_SNAPSHOT_ISOLATION ON); elsewhere they are taken before and after.
"""

from __future__ import annotations

import contextlib
import importlib
import re
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

import pyarrow as pa

from resources import sql
from resources.dbapi_tables import (
    BEFORE_AND_AFTER,
    FETCH_BYTES,
    FETCH_ROWS,
    SNAPSHOT,
    DbapiTables,
    kind_of,
)
from resources.errors import LakeError, PermanentError, TransientError
from resources.options import OPTIONS
from resources.settings import Connection
from resources.source import SourceColumn, Span, Table, Window
from resources.table_reader import Field
from resources.types import ColumnType, parse_type

#: An option of the connection → the words `mssql-python` has for it.
_OPTIONS = {
    "encrypt": "Encrypt",
    "trustServerCertificate": "TrustServerCertificate",
    "serverCertificate": "ServerCertificate",
    "hostNameInCertificate": "HostnameInCertificate",
    "serverSPN": "ServerSPN",
}
#: `trustedConnection`: Kerberos, by the ticket that this process has; user and password are unused.
_ALLOWED = OPTIONS["sqlserver"]
_DRIVERS = ("mssql-python", "pymssql")
_LOGIN_TIMEOUT = 15
#: The widest text that is bound in memory at once; longer ones are fetched piece by piece.
_WIDEST = 4000

_TYPES = {
    "tinyint": "int16",  # 0 to 255
    "smallint": "int16",
    "int": "int32",
    "bigint": "int64",
    "real": "float32",
    "float": "float64",
    "bit": "boolean",
    "date": "date",
    "smalldatetime": "timestamp",
    "datetime": "timestamp",
    "datetime2": "timestamp",
    "datetimeoffset": "timestamptz",
    "money": "decimal(19,4)",
    "smallmoney": "decimal(10,4)",
    **dict.fromkeys(("binary", "varbinary", "image", "timestamp", "rowversion"), "binary"),
    **dict.fromkeys(
        ("char", "nchar", "varchar", "nvarchar", "text", "ntext", "xml", "uniqueidentifier"),
        "string",
    ),
}
_PLAIN = ("char", "nchar", "varchar", "nvarchar", "text", "ntext")

_COLUMNS = """
SELECT c.name, COALESCE(t.name, TYPE_NAME(c.user_type_id)), c.max_length, c.precision, c.scale,
  c.is_nullable
FROM sys.columns AS c LEFT JOIN sys.types AS t ON t.user_type_id = c.system_type_id
WHERE c.object_id = OBJECT_ID({})
ORDER BY c.column_id
"""
_QUERY_COLUMNS = """
SELECT name, system_type_name, is_nullable, error_message
FROM sys.dm_exec_describe_first_result_set({}, NULL, 0)
ORDER BY column_ordinal
"""
_TABLES = """
SELECT TOP (10000) CONCAT(s.name, N'.', o.name)
FROM sys.objects AS o JOIN sys.schemas AS s ON s.schema_id = o.schema_id
WHERE o.type IN ('U', 'V')
"""
_SNAPSHOT = "SELECT snapshot_isolation_state FROM sys.databases WHERE name = DB_NAME()"

_LOGIN = (PermanentError, "check the connection's user and password")
#: pymssql 2.4 keeps the server's words of the first login of a process that fails, and no others'.
_REFUSED = (PermanentError, "check the connection's user, password and database")
_DATABASE = (PermanentError, "check the connection's database, and that the user may open it")
_MEND = (PermanentError, "mend the table, the columns or the query in the pipeline file")
_GRANT = (PermanentError, "ask its owner to GRANT SELECT to the connection's user")
_LOADED = (
    PermanentError,
    "install what it needs (Debian: libltdl7, libkrb5-3), or set options: {driver: pymssql}",
)
_TLS = (
    PermanentError,
    "have this machine trust the company's CA (update-ca-certificates), write host (or "
    "hostNameInCertificate) as the certificate has it, and see encrypt and serverCertificate (that "
    "very certificate) in the connection's options",
)
_BUSY = (TransientError, "the server ended the statement; try again when it is less busy")
_UNREADY = (TransientError, "the database is not ready; try again later")
_FULL = (TransientError, "fewer runs at a time (`pool`), or a higher limit on the server")
_UNREACHED = (
    TransientError,
    "check that the server runs and the network lets this host reach it",
)
_LOST = (TransientError, "the connection was lost while reading; try again")

_Cure = tuple[type[LakeError], str]
#: Numbers of errors, SQL Server's and DB-Library's (from 20000) → what they mean.
_NUMBERS: tuple[tuple[_Cure, tuple[int, ...]], ...] = (
    (_LOGIN, (18452, 18456, 18486, 18487, 18488)),
    (_DATABASE, (911, 916, 4060, 4064)),
    (_MEND, (102, 156, 207, 208, 209, 319, 1033, 4104, 8120)),
    (_GRANT, (229, 230, 262, 297, 300, 371)),
    (_BUSY, (701, 802, 1105, 1204, 1205, 1222, 3960, 3961, 8645, 8651, 9002)),
    (_UNREADY, (922, 927, 945, 976, 983, 6005, 17830, 18401, 40197, 40501, 40613, 49918)),
    (_FULL, (17809,)),
    (_REFUSED, (20018,)),
    (_UNREACHED, (20002, 20009, 20012, 20013, 20015)),
    (_LOST, (64, 233, 596, 10053, 10054, 20003, 20004, 20006, 20017, 20047)),
)
_BY_NUMBER = {number: cure for cure, numbers in _NUMBERS for number in numbers}

#: mssql-python tells no number: its word for the SQLSTATE, or the server's own words.
_WORDS: tuple[tuple[str, _Cure], ...] = (
    (r"Invalid authorization|Login failed", _LOGIN),
    (r"Cannot open database", _DATABASE),
    (r"permission was denied", _GRANT),
    (r"[Cc]ertificate|SSL Provider|Encryption not supported", _TLS),
    (r"Serialization failure|deadlock|update conflict|Rerun the|[Ll]ock request time", _BUSY),
    (r"[Mm]emory resources|insufficient .*memory|is full due to|Timeout expired", _BUSY),
    (r"shutdown is in progress|being recovered|single.user|not currently available", _UNREADY),
    (r"Communication link failure|Connection does not exist|Connection not open", _LOST),
    (r"Failed to load the driver", _LOADED),
    (r"unable to establish|rejected the connection|TCP Provider", _UNREACHED),
    (r"not found|Invalid object name|Invalid column name|Incorrect syntax|Ambiguous", _MEND),
)


def connect(name: str, connection: Connection) -> SqlServer:
    """The connection `name`, to be opened by `with`."""
    asked = connection.options.get("driver")
    if asked is not None and asked not in _DRIVERS:
        raise PermanentError(f"{name!r}: unknown driver {asked!r}; allowed: {_DRIVERS}.")
    for driver, of in (("mssql-python", SqlServerArrow), ("pymssql", SqlServerRows)):
        if asked in (None, driver):
            try:
                return of(name, connection, importlib.import_module(driver.replace("-", "_")))
            except (ImportError, OSError) as error:
                absent = f"{driver} ({type(error).__name__})"
    raise PermanentError(
        f"{name!r}: the driver {absent} cannot be imported; pip install 'lake[sqlserver]'."
    )


class SqlServer(DbapiTables):
    """Tables of a SQL Server database. Subclasses are the drivers."""

    dialect = "tsql"
    count = "COUNT_BIG(*)"

    def __init__(self, name: str, connection: Connection, driver: Any) -> None:
        super().__init__(name)
        self._connection, self._driver = connection, driver
        for key in connection.options:
            if key not in _ALLOWED:
                raise PermanentError(f"{self.where}: unknown option {key!r}; allowed: {_ALLOWED}.")

    @abstractmethod
    def _judged(self, error: Exception) -> tuple[_Cure | None, str]:
        """What the error means, where that is known, and the server's own words."""

    @property
    def where(self) -> str:
        c = self._connection
        return f"{self.name!r} ({c.host}:{c.port or 1433}/{c.database})"

    @property
    def _login_timeout(self) -> int:
        return int(self._connection.options.get("loginTimeout", _LOGIN_TIMEOUT))

    @property
    def _password(self) -> str:
        secret = self._connection.password
        return secret.reveal() if secret is not None else ""

    def _begin(self, cursor: Any) -> str:
        cursor.execute(_SNAPSHOT)
        row = cursor.fetchone()
        allowed = row is not None and row[0] == 1
        level = "SNAPSHOT" if allowed else "READ COMMITTED"
        cursor.execute(f"SET TRANSACTION ISOLATION LEVEL {level}")
        cursor.execute("BEGIN TRANSACTION")
        return SNAPSHOT if allowed else BEFORE_AND_AFTER

    def _end(self) -> None:
        with contextlib.closing(self._db.cursor()) as cursor:
            cursor.execute("IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION")

    def _columns(self, cursor: Any, table: Table) -> list[SourceColumn]:
        if table.query is not None:
            bound = sql.bind(
                table.query, sql.query_values(table, sql.ANY_SPAN), "tsql", table.shown
            )
            cursor.execute(_QUERY_COLUMNS.format(sql.literal(bound, "tsql")))
            rows = cursor.fetchall()
            for *_, message in rows:
                if message:
                    raise PermanentError(f"{self._of(table)}: {message.rstrip('.')}.")
            return [
                SourceColumn(name, lake_type(shown), shown, bool(null))
                for name, shown, null, _ in rows
            ]
        assert table.table is not None
        name = sql.table_name(table.schema, table.table, "tsql")
        cursor.execute(_COLUMNS.format(sql.literal(name, "tsql")))
        columns = []
        for name, of_type, length, precision, scale, nullable in cursor.fetchall():
            shown = _shown(of_type, length, precision, scale)
            columns.append(SourceColumn(name, lake_type(shown), shown, bool(nullable)))
        return columns

    def _tables(self, cursor: Any) -> list[str]:
        cursor.execute(_TABLES)
        return [name for (name,) in cursor.fetchall()]

    def _number(self, found: SourceColumn) -> bool:
        return False

    def _long(self, found: SourceColumn) -> bool:
        return found.shown.endswith("(max)") or found.shown in ("text", "ntext", "image", "xml")

    def _sorted(self, field: Field) -> str:
        # Under most collations 'a' and 'A' are equal, and so lie next to each other in any order.
        text = field.found.shown.partition("(")[0] in _PLAIN
        return f"{self._fetched(field)} COLLATE Latin1_General_BIN2" if text else field.sql

    def _fetched(self, field: Field) -> str:
        base, _, rest = field.found.shown.partition("(")
        if kind_of(field) == "text":
            return _text(field.sql, base, rest.rstrip(")"))
        if base in ("timestamp", "rowversion"):
            return f"CAST({field.sql} AS binary(8))"
        return f"CAST({field.sql} AS varbinary(max))" if base == "image" else field.sql

    def _moment(self, field: Field, window: Window, span: Span, instant: bool) -> str:
        if window.kind == "yyyymmdd":
            return f"CONVERT(varchar(40), {field.sql})"
        moment = f"SWITCHOFFSET({field.sql}, '+09:00')" if instant else field.sql
        length = 13 if span.cadence == "hourly" else 10
        return f"CONVERT(varchar({length}), CAST({moment} AS datetime2(0)), 120)"

    def _first(self, selected: Sequence[str], source: str, where: Sequence[str], rows: int) -> str:
        first, *others = selected
        return sql.statement([f"TOP ({rows:d}) {first}", *others], source, where)

    def _told(self, error: Exception, what: str) -> LakeError:
        cure, words = self._judged(error)
        said = f"{what}, connection {self.where}: {_without_values(words)}"
        if cure is None:
            # Not to be reached may pass; a statement that was refused is refused again.
            return (TransientError if what == "connecting" else PermanentError)(f"{said}.")
        return cure[0](f"{said}. What to do: {cure[1]}.")


class SqlServerArrow(SqlServer):
    """By mssql-python, whose C++ makes Arrow of what arrives."""

    route = "mssql-python, Arrow"

    @property
    def _failures(self) -> tuple[type[Exception], ...]:
        parse = importlib.import_module("mssql_python.exceptions").ConnectionStringParseError
        return (self._driver.Error, parse, pa.ArrowException, RuntimeError)

    def _open(self) -> Any:
        c = self._connection
        words = {word: c.options[key] for key, word in _OPTIONS.items() if key in c.options}
        said = {word: _yes(value) for word, value in words.items()}
        return self._driver.connect(
            "",
            autocommit=True,
            timeout=self._login_timeout,
            Server=f"{c.host},{c.port or 1433}",
            Database=c.database,
            **self._login(),
            **said,
        )

    def _login(self) -> dict[str, Any]:
        if _yes(self._connection.options.get("trustedConnection", "no")) == "yes":
            return {"Trusted_Connection": "yes"}
        return {"UID": self._connection.user, "PWD": self._password}

    def _fetched(self, field: Field) -> str:
        base, _, size = field.found.shown.partition("(")
        # The driver's Arrow has microseconds, and cuts the rest without a word.
        whole = base in ("datetime2", "datetimeoffset") and int(size.rstrip(")")) <= 6
        native = whole or base in ("decimal", "numeric", "date", "datetime", "smalldatetime")
        if native and field.column.type.name != "string":
            return field.sql
        return super()._fetched(field)

    def _arrow(self, cursor: Any) -> Iterator[Sequence[pa.Array]] | None:
        # Bound in memory as wide as the types allow: nvarchar(4000) is 8 kB a row, empty or not.
        widths = (4 * min(int(one[3] or _WIDEST), _WIDEST) for one in cursor.description)
        rows = max(1, min(FETCH_ROWS, FETCH_BYTES // sum(widths)))
        batches = iter(lambda: cursor.arrow_batch(rows), None)
        return (batch.columns for batch in takewhile(lambda one: one.num_rows, batches))

    def _judged(self, error: Exception) -> tuple[_Cure | None, str]:
        text = str(error)
        cure = next((cure for words, cure in _WORDS if re.search(words, text)), None)
        return cure, text.rpartition("]")[2].strip().rstrip(".") or type(error).__name__


class SqlServerRows(SqlServer):
    """By pymssql: rows of Python values."""

    route = "pymssql rows"

    @property
    def _failures(self) -> tuple[type[Exception], ...]:
        return (self._driver.Error, OSError)

    def _open(self) -> Any:
        c = self._connection
        further = [
            key for key in ("trustedConnection", *_OPTIONS) if key != "encrypt" and key in c.options
        ]
        if further:
            raise PermanentError(
                f"{self.where}: the driver pymssql checks no certificate and has no Kerberos, so "
                f"{', '.join(further)} would say nothing; take them out, or install mssql-python."
            )
        encrypt = {"yes": "require", "no": "off", "": "default"}
        asked = _yes(c.options.get("encrypt", ""))
        if asked not in encrypt:
            raise PermanentError(f"{self.where}: encrypt {asked!r}; pymssql knows yes and no.")
        return self._driver.connect(
            server=c.host,
            port=str(c.port or 1433),
            database=c.database,
            user=c.user,
            password=self._password,
            login_timeout=self._login_timeout,
            appname="lake",
            charset="UTF-8",
            autocommit=True,
            encryption=encrypt[asked],
        )

    def _judged(self, error: Exception) -> tuple[_Cure | None, str]:
        # (number, text), in one tuple or two arguments; what could not be sent has no number.
        first, *others = error.args or ("",)
        number, text = first if isinstance(first, tuple) else (first, *others, first)[:2]
        words = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
        server, found, library = words.partition("DB-Lib error message ")
        if found and not server.strip():
            number, server = int(library.split(",")[0]), library.split("\n")[1]
        cure = _BY_NUMBER.get(number) if isinstance(number, int) else None
        said = server.strip().rstrip(".") or type(error).__name__
        return cure, f"{said} (error {number})" if isinstance(number, int) else said


def _yes(value: str | int | bool) -> str:
    """An option as the driver's words want it: yes and no; a file's name stays as it is."""
    known = {"true": "yes", "false": "no", "yes": "yes", "no": "no"}
    return known.get(str(value).lower(), str(value))


def _text(column: str, base: str, size: str) -> str:
    """SQL text of the column's value as exact text."""
    if base in _PLAIN:
        # n characters of a code page are n in Unicode; more than 4000 have no bounded type.
        bounded = size.isdigit() and int(size) <= 4000
        text = f"CAST({column} AS nvarchar({size if bounded else 'max'}))"
        return f"RTRIM({text})" if base in ("char", "nchar") else text
    if base == "bit":
        return f"CASE WHEN {column} = 1 THEN 'true' WHEN {column} = 0 THEN 'false' END"
    if base in ("money", "smallmoney"):
        return f"CONVERT(varchar(41), CAST({column} AS decimal(19, 4)))"
    if base == "datetimeoffset":
        column = f"CAST(SWITCHOFFSET({column}, '+00:00') AS datetime2(7))"
    if base in ("datetimeoffset", "datetime2", "datetime", "smalldatetime", "date", "time"):
        return f"CONVERT(varchar(27), {column}, 121)"
    bounded = base in ("decimal", "numeric", "tinyint", "smallint", "int", "bigint")
    return f"CONVERT(varchar(41), {column})" if bounded else f"CAST({column} AS nvarchar(max))"


def _shown(base: str, length: int, precision: int, scale: int) -> str:
    """The type as SQL Server's own tools write it."""
    if base in ("decimal", "numeric"):
        return f"{base}({precision},{scale})"
    if base in ("datetime2", "datetimeoffset", "time"):
        return f"{base}({scale})"
    if base in ("char", "varchar", "binary", "varbinary"):
        return f"{base}({'max' if length == -1 else length})"
    if base in ("nchar", "nvarchar"):
        return f"{base}({'max' if length == -1 else length // 2})"
    return base


def lake_type(shown: str) -> ColumnType | None:
    """The lake's equal of a type as SQL Server words it; None where there is none.

    >>> lake_type("money"), lake_type("sql_variant")
    (ColumnType(name='decimal(19,4)', precision=19, scale=4), None)
    """
    base = shown.partition("(")[0]
    if base in ("decimal", "numeric"):
        return parse_type(shown.replace("numeric", "decimal"))
    name = _TYPES.get(base)
    return parse_type(name) if name else None


def _without_values(words: str) -> str:
    """What the server said, without the values it quotes: they may be personal."""
    return re.sub(r"(?i)(value |values? is |data )'[^']*'", r"\1(a value)", words.split("\n")[0])
