"""SAP HANA (ERP and BW) as a source: hdbcli's rows, count and sums in their snapshot.

Here: connecting, HANA's types and catalog, its errors in words. Not here: the course of a reading
(`dbapi_tables.py`).

hdbcli gives no Arrow, and decimals and moments as Python objects; so the server writes those as
text, which is exact (a TIMESTAMP has 100 ns, Python's has µs) and becomes Arrow column by column.
"""

from __future__ import annotations

import importlib
import re
from typing import Any

from resources import sql, tls
from resources.dbapi_tables import FETCH_ROWS, SNAPSHOT, DbapiTables, kind_of
from resources.errors import LakeError, PermanentError, TransientError
from resources.options import OPTIONS
from resources.settings import Connection
from resources.source import SourceColumn, Span, Table, Window
from resources.table_reader import Field
from resources.types import ColumnType, parse_type

#: hdbcli's words that a connection's `options` may give. It takes any word without a complaint.
_OPTIONS = OPTIONS["hana"]
#: Milliseconds. A session that is lost must not come back by itself: its snapshot would not.
_DEFAULTS = {"connectTimeout": 15_000, "reconnect": False, "autocommit": False}

_TYPES = {
    "TINYINT": "int16",  # 0 to 255
    "SMALLINT": "int16",
    "INTEGER": "int32",
    "BIGINT": "int64",
    "REAL": "float32",
    "DOUBLE": "float64",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "SECONDDATE": "timestamp",
    "TIMESTAMP": "timestamp",
    **dict.fromkeys(("BINARY", "VARBINARY", "BLOB"), "binary"),
    **dict.fromkeys(("CHAR", "NCHAR", "VARCHAR", "NVARCHAR", "ALPHANUM", "SHORTTEXT"), "string"),
    **dict.fromkeys(("CLOB", "NCLOB", "TEXT"), "string"),
}
_SIZED = ("CHAR", "NCHAR", "VARCHAR", "NVARCHAR", "ALPHANUM", "SHORTTEXT", "BINARY", "VARBINARY")

#: Codes of types in a cursor's description, as HANA's network protocol numbers them.
_CODES = {
    **{1: "TINYINT", 2: "SMALLINT", 3: "INTEGER", 4: "BIGINT", 5: "DECIMAL", 6: "REAL"},
    **{7: "DOUBLE", 8: "CHAR", 9: "VARCHAR", 10: "NCHAR", 11: "NVARCHAR", 12: "BINARY"},
    **{13: "VARBINARY", 14: "DATE", 15: "TIME", 16: "TIMESTAMP", 25: "CLOB", 26: "NCLOB"},
    **{27: "BLOB", 28: "BOOLEAN", 29: "VARCHAR", 30: "NVARCHAR", 33: "VARBINARY", 51: "TEXT"},
    **{52: "SHORTTEXT", 55: "ALPHANUM", 61: "TIMESTAMP", 62: "SECONDDATE", 63: "DATE"},
    **{64: "TIME", 71: "BLOB", 72: "CLOB", 73: "NCLOB"},
}

_FORMATS = {
    "DATE": "YYYY-MM-DD",
    "TIME": "HH24:MI:SS",
    "SECONDDATE": "YYYY-MM-DD HH24:MI:SS",
    "TIMESTAMP": "YYYY-MM-DD HH24:MI:SS.FF7",
}

_COLUMNS = """
SELECT COLUMN_NAME, DATA_TYPE_NAME, LENGTH, SCALE, IS_NULLABLE FROM (
  SELECT SCHEMA_NAME, TABLE_NAME AS NAME, COLUMN_NAME, DATA_TYPE_NAME, LENGTH, SCALE, IS_NULLABLE,
    POSITION FROM SYS.TABLE_COLUMNS
  UNION ALL
  SELECT SCHEMA_NAME, VIEW_NAME AS NAME, COLUMN_NAME, DATA_TYPE_NAME, LENGTH, SCALE, IS_NULLABLE,
    POSITION FROM SYS.VIEW_COLUMNS
) AS c
WHERE SCHEMA_NAME = {} AND NAME = ?
ORDER BY POSITION
"""
_TABLES = """
SELECT SCHEMA_NAME || '.' || NAME FROM (
  SELECT SCHEMA_NAME, TABLE_NAME AS NAME FROM SYS.TABLES
  UNION ALL
  SELECT SCHEMA_NAME, VIEW_NAME AS NAME FROM SYS.VIEWS
) AS t
WHERE SCHEMA_NAME NOT LIKE '%SYS%'
LIMIT 10000
"""

_Cure = tuple[type[LakeError], str]
_ERRORS: tuple[tuple[_Cure, tuple[int, ...]], ...] = (
    (
        (PermanentError, "check the connection's user and password, and that it is not locked"),
        (10, 332, 414, 415, 416, 417),
    ),
    (
        (PermanentError, "mend the table, the columns or the query in the pipeline file"),
        (257, 259, 260, 261, 262, 264, 268, 276, 328, 337, 362, 397),
    ),
    (
        (PermanentError, "ask its owner to GRANT SELECT to the connection's user"),
        (258,),
    ),
    (
        (TransientError, "the server ended the statement; try again when it is less busy"),
        (4, 129, 131, 133, 138, 139, 146, 613),
    ),
    (
        (TransientError, "fewer runs at a time (`pool`), or a higher limit on the server"),
        (589,),
    ),
    (
        (TransientError, "check that the server runs and the network lets this host reach it"),
        (-10709,),
    ),
    (
        (TransientError, "the connection was lost while reading; try again"),
        (-10108, -10806, -10807, -10821),
    ),
)
_BY_CODE = {code: cure for cure, codes in _ERRORS for code in codes}
#: Codes whose words name tables, columns, rights and addresses; others may quote a value.
_NAMING = (257, 258, 259, 260, 261, 262, 268, 276, 328, 337, 362, 397)


def connect(name: str, connection: Connection) -> HanaTables:
    """The connection `name`, to be opened by `with`."""
    try:
        driver = importlib.import_module("hdbcli.dbapi")
    except ImportError:
        raise PermanentError(
            f"{name!r}: the driver hdbcli is not installed; pip install 'lake[hana]'."
        ) from None
    return HanaTables(name, connection, driver)


class HanaTables(DbapiTables):
    """Tables and views of a HANA database."""

    dialect = "hana"
    route = "hdbcli rows"

    def __init__(self, name: str, connection: Connection, driver: Any) -> None:
        super().__init__(name)
        self._connection, self._driver = connection, driver
        for key in connection.options:
            if key not in _OPTIONS:
                raise PermanentError(f"{self.where}: unknown option {key!r}; allowed: {_OPTIONS}.")

    @property
    def where(self) -> str:
        c = self._connection
        database = f"/{c.database}" if c.database else ""
        return f"{self.name!r} ({c.host}:{c.port or 30015}{database})"

    @property
    def _failures(self) -> tuple[type[Exception], ...]:
        return (self._driver.Error,)

    def _open(self) -> Any:
        c = self._connection
        further = {"databaseName": c.database} if c.database else {}
        return self._driver.connect(
            address=c.host,
            port=c.port or 30015,
            user=c.user,
            password=c.password.reveal() if c.password is not None else "",
            **{**_DEFAULTS, **c.options, **further},
        )

    def _begin(self, cursor: Any) -> str:
        # Of a transaction: its statements read what was committed when the first one began.
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        return SNAPSHOT

    def _rows_cursor(self) -> Any:
        cursor = self._db.cursor()
        cursor.setfetchsize(FETCH_ROWS)
        return cursor

    def _columns(self, cursor: Any, table: Table) -> list[SourceColumn]:
        if table.query is not None:
            source = sql.relation(table, sql.ANY_SPAN, "hana")
            cursor.execute(sql.statement(["*"], source, limit=0))
            found = [(name, *_described(*more)) for name, *more in cursor.description]
            return [
                SourceColumn(name, lake_type(shown), shown, null) for name, shown, null in found
            ]
        named = "?" if table.schema is not None else "CURRENT_SCHEMA"
        bound = (table.table,) if table.schema is None else (table.schema, table.table)
        cursor.execute(_COLUMNS.format(named), bound)
        columns = []
        for name, of_type, length, scale, nullable in cursor.fetchall():
            shown = shown_type(of_type, length, scale)
            columns.append(SourceColumn(name, lake_type(shown), shown, nullable == "TRUE"))
        return columns

    def _tables(self, cursor: Any) -> list[str]:
        cursor.execute(_TABLES)
        return [name for (name,) in cursor.fetchall()]

    def _number(self, found: SourceColumn) -> bool:
        return found.shown in ("DECIMAL", "SMALLDECIMAL")

    def _long(self, found: SourceColumn) -> bool:
        return found.shown in ("CLOB", "NCLOB", "TEXT", "BLOB")

    def _fetched(self, field: Field) -> str:
        base = field.found.shown.partition("(")[0]
        kind = kind_of(field)
        if base == "BOOLEAN":
            yes, no = ("'true'", "'false'") if kind == "text" else (1, 0)
            return f"CASE WHEN {field.sql} = TRUE THEN {yes} WHEN {field.sql} = FALSE THEN {no} END"
        if kind != "text" or base in ("VARCHAR", "NVARCHAR", "SHORTTEXT", "CLOB", "NCLOB", "TEXT"):
            return field.sql
        if base in ("CHAR", "NCHAR"):
            return f"RTRIM({field.sql})"
        form = _FORMATS.get(base)
        more = f", {sql.literal(form, 'hana')}" if form else ""
        return f"TO_NVARCHAR({field.sql}{more})"

    def _moment(self, field: Field, window: Window, span: Span, instant: bool) -> str:
        if window.kind == "yyyymmdd":
            return f"TO_NVARCHAR({field.sql})"
        form = "YYYY-MM-DD HH24" if span.cadence == "hourly" else "YYYY-MM-DD"
        return f"TO_NVARCHAR({field.sql}, '{form}')"

    def _told(self, error: Exception, what: str) -> LakeError:
        code = int(getattr(error, "errorcode", 0) or 0)
        text = str(getattr(error, "errortext", "") or error).strip()
        named = code in _NAMING or code < 0
        # Neither places in a statement that nobody sees nor those in OpenSSL's sources.
        beside = r":? line \d+ col \d+.*|: error code: .*"
        words = re.sub(beside, "", text) if named else text.partition(":")[0]
        said = f"{what}, connection {self.where}: {words.rstrip('.')} (error {code})"
        secured = re.search(r"SSL|[Cc]ertificate|RTE:\[3000\d\d\]", text)
        cure = _BY_CODE.get(code)
        if secured and code < 0:
            do = f"{tls.cure(text, 'sslTrustStore')}; see encrypt and sslHostNameInCertificate"
            cure = (PermanentError, do)
        if cure is None:
            # Not to be reached may pass; a statement that was refused is refused again.
            return (TransientError if what == "connecting" else PermanentError)(f"{said}.")
        return cure[0](f"{said}. What to do: {cure[1]}.")


def _described(code: int, *more: Any) -> tuple[str, bool]:
    """Type and nullability out of a column's description: the rest of PEP 249's seven."""
    _, size, precision, scale, nullable = more
    base = _CODES.get(code, f"type {code}")
    if base == "DECIMAL":
        # Without precision the scale is said to be 32767.
        bounded = scale is not None and 0 <= scale <= 38
        return (f"DECIMAL({precision},{scale})" if bounded else "DECIMAL"), bool(nullable)
    return shown_type(base, size, scale), bool(nullable)


def shown_type(base: str, length: int | None, scale: int | None) -> str:
    """The type as HANA's own SQL writes it.

    >>> shown_type("DECIMAL", 34, None), shown_type("NVARCHAR", 10, None)
    ('DECIMAL', 'NVARCHAR(10)')
    """
    if base == "DECIMAL":
        return base if scale is None else f"DECIMAL({length},{scale})"
    return f"{base}({length})" if base in _SIZED and length is not None else base


def lake_type(shown: str) -> ColumnType | None:
    """The lake's equal of a type as HANA writes it; None where there is none.

    >>> lake_type("SECONDDATE"), lake_type("DECIMAL")
    (ColumnType(name='timestamp', precision=0, scale=0), None)
    """
    if shown.startswith("DECIMAL("):
        return parse_type(shown.lower())
    name = _TYPES.get(shown.partition("(")[0])
    return ColumnType(name) if name else None
