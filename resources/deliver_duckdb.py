"""Deliveries to a DuckDB file, the local environment's stand-in for every database.

Here: opening it for writing, making the table where there is none (nobody else would), DuckDB's
columns. Not here: the course of a delivery (`deliver_staged.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from resources import duckdb_source
from resources.deliver import Delivery, Receipt
from resources.deliver_staged import StagedDelivery
from resources.deliver_values import Room
from resources.duckdb_tables import open_duckdb
from resources.errors import LakeError, PermanentError
from resources.settings import Connection, writable
from resources.sql import literal, quoted
from resources.types import ColumnType

_COLUMNS = """
SELECT column_name, data_type, is_nullable, column_default IS NOT NULL
FROM duckdb_columns()
WHERE database_name = 'out' AND lower(schema_name) = lower({})
  AND lower(table_name) = lower({}) ORDER BY column_index
"""


def deliver(name: str, connection: Connection, delivery: Delivery) -> Receipt:
    """Write one partition: all of it, or nothing."""
    return DuckDBDelivery(name, connection, delivery).run()


class DuckDBDelivery(StagedDelivery):
    dialect = "duckdb"
    route = "DuckDB file"

    def __init__(self, name: str, connection: Connection, delivery: Delivery) -> None:
        super().__init__(name, delivery)
        self._connection = connection
        self._reader = duckdb_source.DuckDBFile(name, connection)

    @property
    def where(self) -> str:
        return self._reader.where

    @property
    def _failures(self) -> tuple[type[Exception], ...]:
        return (duckdb.Error,)

    @property
    def table(self) -> str:
        return f"out.{self._schema}.{quoted(self.target.name, 'duckdb')}"

    @property
    def _schema(self) -> str:
        return quoted(self.target.schema_ or "main", "duckdb")

    def _connect(self) -> Any:
        path = self._connection.path
        if path is None:
            raise PermanentError(f"{self.where}: the environment gives no path.")
        writable(Path(path).parent)
        db = open_duckdb(threads=2, memory_limit="1GB")
        try:
            db.execute(f"ATTACH {literal(path, 'duckdb')} AS out")
            db.execute("SET enable_external_access = false")
            db.execute("BEGIN")
        except BaseException:
            db.close()
            raise
        return _Open(db)

    def _lock(self, cursor: Any) -> None:
        """A file that one program has open for writing no other can open."""

    def _rooms(self, cursor: Any) -> list[Room]:
        rooms = self._found(cursor)
        if not rooms:
            # The stand-in of a database has no owner who would make the table.
            columns = ", ".join(
                f"{self.quoted(column.source)} {column.type.duckdb()}"
                for column in self.delivery.columns
            )
            cursor.execute(f"CREATE SCHEMA IF NOT EXISTS out.{self._schema}")
            cursor.execute(f"CREATE TABLE {self.table} ({columns})")
            rooms = self._found(cursor)
        return rooms

    def _found(self, cursor: Any) -> list[Room]:
        names = (
            literal(one or "main", "duckdb") for one in (self.target.schema_, self.target.name)
        )
        cursor.execute(_COLUMNS.format(*names))
        return [
            room(name, shown, bool(nullable), bool(filled))
            for name, shown, nullable, filled in cursor.fetchall()
        ]

    def _tables(self, cursor: Any) -> list[str]:
        return []

    def _make_stage(self, cursor: Any) -> None:
        cursor.execute(
            f"CREATE TEMPORARY TABLE {self.quoted(self.stage)} AS "
            f"SELECT {', '.join(self.columns)} FROM {self.table} LIMIT 0"
        )

    def _fill(self, cursor: Any, batches: Iterator[pa.RecordBatch]) -> None:
        for batch in batches:
            self.bytes += batch.nbytes
            cursor.register("delivered", pa.Table.from_batches([batch]))
            cursor.execute(f"INSERT INTO {self.quoted(self.stage)} SELECT * FROM delivered")
            cursor.unregister("delivered")

    def _upsert(self, cursor: Any) -> bool:
        rest = [one for one in self.columns if one not in self.key]
        on = " AND ".join(f"t.{one} = s.{one}" for one in self.key)
        stage, changed = self.quoted(self.stage), 0
        if rest:
            sets = ", ".join(f"{one} = s.{one}" for one in rest)
            cursor.execute(
                f"UPDATE {self.table} AS t SET {sets} FROM {stage} AS s "
                f"WHERE {on} AND ({self._differ()})"
            )
            changed = cursor.fetchone()[0]
        columns = ", ".join(self.columns)
        cursor.execute(
            f"INSERT INTO {self.table} ({columns}) SELECT {columns} FROM {stage} AS s "
            f"WHERE NOT EXISTS (SELECT 1 FROM {self.table} AS t WHERE {on})"
        )
        return bool(changed + cursor.fetchone()[0])

    def _told(self, error: Exception, what: str) -> LakeError:
        return self._reader._told(error, what)


class _Open:
    """A DuckDB connection with the words of DB-API: it is its own cursor."""

    def __init__(self, db: duckdb.DuckDBPyConnection) -> None:
        self._db = db

    def cursor(self) -> duckdb.DuckDBPyConnection:
        return self._db

    def commit(self) -> None:
        self._db.execute("COMMIT")
        self._db.execute("BEGIN")

    def rollback(self) -> None:
        self._db.execute("ROLLBACK")

    def close(self) -> None:
        self._db.close()


def room(name: str, shown: str, nullable: bool, filled: bool) -> Room:
    """A column in DuckDB's words as what it holds."""
    type_ = duckdb_source.lake_type(shown)
    # Unsigned numbers take no negative ones, moments of fewer digits are cut, an ENUM is no text.
    exact = not re.match(r"U|ENUM|JSON|TIMESTAMP_", shown)
    return Room(
        name=name,
        shown=shown,
        type=type_ if exact else None,
        nullable=nullable,
        optional=nullable or filled,
        every_number=False,
        zero=True,
        flags=type_ == ColumnType("int8"),
    )
