"""A DuckDB file as a source: the generated sources of the local environment, opened read-only.

Here: attaching the file, DuckDB's types, its errors in words. Not here: the plan and course of a
reading (`duckdb_tables.py`), nor the SQL over datasets that the lake itself runs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import duckdb

from resources import sql
from resources.duckdb_tables import DuckDBTables, open_duckdb
from resources.errors import LakeError, PermanentError, TransientError
from resources.settings import Connection
from resources.source import SourceColumn, Table
from resources.table_reader import Field
from resources.types import SIMPLE, ColumnType, parse_type

_TYPES = {
    # Small enough for the next signed type, so nothing is lost; the value is cast when read.
    "UTINYINT": "int16",
    "USMALLINT": "int32",
    "UINTEGER": "int64",
    "TIMESTAMP WITH TIME ZONE": "timestamptz",
    "TIMESTAMP_S": "timestamp",
    "TIMESTAMP_MS": "timestamp",
    "JSON": "string",
    "UUID": "string",
    **{ColumnType(name).duckdb(): name for name in SIMPLE if name != "timestamptz"},
}
_NUMBERS = ("UBIGINT", "HUGEINT", "UHUGEINT", "BIGNUM")


def connect(name: str, connection: Connection) -> DuckDBFile:
    """The connection `name`, to be opened by `with`."""
    return DuckDBFile(name, connection)


class DuckDBFile(DuckDBTables):
    """Tables of one DuckDB file."""

    dialect = "duckdb"
    route = "DuckDB file"

    def __init__(self, name: str, connection: Connection) -> None:
        super().__init__(name)
        self._path = connection.path

    @property
    def where(self) -> str:
        return f"{self.name!r} ({self._path})"

    def _open(self) -> duckdb.DuckDBPyConnection:
        if self._path is None:
            raise PermanentError(f"{self.where}: the environment gives no path.")
        if not Path(self._path).is_file():
            raise PermanentError(
                f"{self.where}: there is no such file. In the environment `local` it is generated: "
                "run `lake demo`."
            )
        # An ORDER BY over a whole table sorts here; beyond the limit it spills.
        db = open_duckdb(threads=2, memory_limit="1GB")
        try:
            db.execute(f"ATTACH {sql.literal(self._path, 'duckdb')} AS src (READ_ONLY)")
            # A free query reads this file and nothing else of the machine.
            db.execute("SET enable_external_access = false")
        except BaseException:
            db.close()
            raise
        return db

    def _share(self, cursor: duckdb.DuckDBPyConnection) -> str | None:
        return "file"  # nobody can write to it while it is open

    def _run(
        self, cursor: duckdb.DuckDBPyConnection, statement: str, fields: Sequence[Field] = ()
    ) -> duckdb.DuckDBPyConnection:
        cursor.execute("USE src")
        return cursor.execute(statement)

    def _columns(self, cursor: duckdb.DuckDBPyConnection, table: Table) -> list[SourceColumn]:
        if table.query is None:
            assert table.table is not None
            known = self._run(
                cursor,
                "SELECT 1 FROM information_schema.tables WHERE table_catalog = 'src' AND "
                f"lower(table_schema) = lower({sql.literal(table.schema or 'main', 'duckdb')}) AND "
                f"lower(table_name) = lower({sql.literal(table.table, 'duckdb')})",
            ).fetchone()
            if known is None:
                return []
            what = sql.table_name(table.schema, table.table, "duckdb")
        else:
            what = sql.statement(["*"], sql.relation(table, sql.ANY_SPAN, "duckdb"))
        rows = self._run(cursor, f"DESCRIBE {what}").fetchall()
        return [SourceColumn(row[0], lake_type(row[1]), row[1], row[2] == "YES") for row in rows]

    def _tables(self, cursor: duckdb.DuckDBPyConnection) -> list[str]:
        rows = self._run(
            cursor,
            "SELECT table_schema || '.' || table_name FROM information_schema.tables "
            "WHERE table_catalog = 'src'",
        ).fetchall()
        return [name for (name,) in rows]

    def _number(self, found: SourceColumn) -> bool:
        return found.shown in _NUMBERS

    def _value(self, field: Field) -> str:
        want = field.column.type.duckdb()
        # Wider words for one lake type (UTINYINT, TIMESTAMP_S) need the cast although it is "same".
        return field.sql if field.found.shown == want else f"CAST({field.sql} AS {want})"

    def _proof(self, field: Field) -> str | None:
        value, have = field.sql, field.found
        if field.step == "prove":
            there = f"TRY_CAST({value} AS {field.column.type.duckdb()})"
            back = f"TRY_CAST({there} AS {have.shown}) IS NOT DISTINCT FROM {value}"
            dated = have.type is not None and have.type.name == "timestamp"
            return f"isfinite({value}) AND {back}" if dated else back
        if have.type and have.type.name in ("date", "timestamp", "timestamptz"):
            return f"isfinite({value})"
        return None

    def _told(self, error: Exception, what: str) -> LakeError:
        text = str(error).split("\n")[0]
        if isinstance(error, duckdb.IOException | duckdb.ConnectionException) or re.search(
            r"lock|already attached|different configuration", text
        ):
            return TransientError(
                f"{what}, connection {self.where}: the file is in use or cannot be read "
                f"({type(error).__name__}). Wait until its writer has closed it, then try again."
            )
        said = duckdb.CatalogException | duckdb.BinderException | duckdb.PermissionException
        if isinstance(error, said):
            return PermanentError(f"{what}, connection {self.where}: {text}")
        # Other messages may quote a value.
        return PermanentError(
            f"{what}, connection {self.where}: {type(error).__name__}; the values or the "
            "statement cannot be processed. Check the declared types, the filter and the query."
        )


def lake_type(shown: str) -> ColumnType | None:
    """The lake's equal of DuckDB's type; None where there is none.

    >>> lake_type("DECIMAL(18,2)"), lake_type("HUGEINT")
    (ColumnType(name='decimal(18,2)', precision=18, scale=2), None)
    """
    if shown.startswith("DECIMAL("):
        return parse_type(shown.lower())
    if shown.startswith("ENUM("):
        return ColumnType("string")
    name = _TYPES.get(shown)
    return ColumnType(name) if name else None
