"""The course of `resources/dbapi_tables.py` on a real wire: PostgreSQL through psycopg2.

Here: a source as small as the base class allows, for tests and measurements. Not here: how the lake
reads PostgreSQL (`resources/postgres.py`), and the systems that have a DB-API driver only.
"""

from __future__ import annotations

import uuid
from typing import Any

import psycopg2

from resources import sql
from resources.dbapi_tables import BEFORE_AND_AFTER, SNAPSHOT, DbapiTables, kind_of
from resources.errors import LakeError, PermanentError, TransientError
from resources.postgres import _COLUMNS, _TABLES, lake_type
from resources.source import SourceColumn, Span, Table, Window
from resources.table_reader import Field
from resources.types import ColumnType

#: Classes of SQLSTATE after which trying again may help: connection, resources, the operator.
_PASSING = ("08", "53", "57", "40")


class PostgresDbapi(DbapiTables):
    """`snapshot` False: as of a system that has none. `streamed` False: a cursor of the client."""

    dialect = "postgres"
    route = "psycopg2 rows"

    def __init__(
        self, address: dict[str, Any], *, snapshot: bool = True, streamed: bool = True
    ) -> None:
        super().__init__("postgres")
        self._address, self._snapshot, self._streamed = address, snapshot, streamed

    @property
    def where(self) -> str:
        return f"'postgres' (127.0.0.1:{self._address['port']})"

    @property
    def _failures(self) -> tuple[type[Exception], ...]:
        return (psycopg2.Error,)

    def _open(self) -> Any:
        return psycopg2.connect(**self._address)

    def _begin(self, cursor: Any) -> str:
        if not self._snapshot:
            return BEFORE_AND_AFTER
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        return SNAPSHOT

    def _rows_cursor(self) -> Any:
        return self._db.cursor(name=f"rows_{uuid.uuid4().hex}" if self._streamed else None)

    def _stop(self, cursor: Any) -> None:
        self._db.cancel()

    def _columns(self, cursor: Any, table: Table) -> list[SourceColumn]:
        if table.query is not None:
            cursor.execute(sql.statement(["*"], sql.relation(table, sql.ANY_SPAN, "postgres")))
            found = [(one.name, one.type_code) for one in cursor.description]
            names = {23: "integer", 20: "bigint", 25: "text"}
            return [
                SourceColumn(name, lake_type(names[code]), names[code], True)
                for name, code in found
            ]
        assert table.table is not None
        name = sql.table_name(table.schema, table.table, "postgres")
        cursor.execute(_COLUMNS.format(sql.literal(name, "postgres")))
        return [
            SourceColumn(name, ColumnType("string") if enum else lake_type(shown), shown, null)
            for name, shown, enum, null in cursor.fetchall()
        ]

    def _tables(self, cursor: Any) -> list[str]:
        cursor.execute(_TABLES)
        return [name for (name,) in cursor.fetchall()]

    def _number(self, found: SourceColumn) -> bool:
        return found.type is None and found.shown.startswith("numeric")

    def _long(self, found: SourceColumn) -> bool:
        return found.shown == "json"

    def _fetched(self, field: Field) -> str:
        if field.found.type and field.found.type.name == "timestamptz":
            return f"CAST({field.sql} AT TIME ZONE 'UTC' AS text)"
        return f"CAST({field.sql} AS text)" if kind_of(field) == "text" else field.sql

    def _moment(self, field: Field, window: Window, span: Span, instant: bool) -> str:
        moment = f"{field.sql} AT TIME ZONE 'Asia/Seoul'" if instant else field.sql
        if window.kind == "yyyymmdd":
            return f"CAST({moment} AS text)"
        hours = " HH24" if span.cadence == "hourly" else ""
        return f"to_char({moment}, 'YYYY-MM-DD{hours}')"

    def _told(self, error: Exception, what: str) -> LakeError:
        code = getattr(error, "pgcode", None)
        lost = code is None or code[:2] in _PASSING
        kind = TransientError if lost else PermanentError
        return kind(f"{what}, connection {self.where}: SQLSTATE {code}.")
