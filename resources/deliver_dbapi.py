"""Deliveries to systems that have a DB-API driver and no more: SQL Server and HANA.

Here: rows bound and executed in one transaction that is committed when all of them are counted.
Not here: connecting, catalogs and errors, which are the sources' (`sqlserver.py`, `hana.py`), and
systems with a way of their own (`deliver_postgres.py`, `deliver_mariadb.py`).

There is no temporary table in between, so what does not fit is noticed in the transaction, which is
rolled back. A rerun gives the same rows, and writes them again.
"""

from __future__ import annotations

import hashlib
import re
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from resources import hana, sqlserver
from resources.dbapi_tables import DbapiTables
from resources.deliver import Delivery, Receipt
from resources.deliver_tables import LOCK_SECONDS, Counted, TableDelivery
from resources.deliver_values import Room
from resources.digests import Digests
from resources.errors import LakeError, PermanentError, TransientError
from resources.settings import Connection
from resources.source import SourceColumn, Table
from resources.sql import literal
from resources.types import ColumnType, parse_type

#: Rows and Arrow's bytes bound at a time: 14 columns of so many rows are 20 MB of Python.
_ROWS, _BYTES = 16_384, 16 << 20


def deliver(name: str, connection: Connection, delivery: Delivery) -> Receipt:
    """Write one partition: all of it, or nothing."""
    of = {"sqlserver": SqlServerDelivery, "hana": HanaDelivery}[connection.kind]
    module = {"sqlserver": sqlserver, "hana": hana}[connection.kind]
    return of(name, module.connect(name, connection), delivery).run()


class DbapiDelivery(TableDelivery):
    """One delivery through a source's own driver. Subclasses are the systems."""

    #: What stands for a bound value.
    mark = "?"

    def __init__(self, name: str, reader: DbapiTables, delivery: Delivery) -> None:
        super().__init__(name, delivery)
        self._reader = reader
        self.dialect = reader.dialect
        self.route = f"{reader.route}, bound inserts"

    @property
    def where(self) -> str:
        return self._reader.where

    @property
    def _failures(self) -> tuple[type[Exception], ...]:
        return self._reader._failures

    def _connect(self) -> Any:
        return self._reader._open()

    def _told(self, error: Exception, what: str) -> LakeError:
        told = self._reader._told(error, what)
        return type(told)(f"{told} Nothing was written.")

    @abstractmethod
    def _room(self, found: SourceColumn) -> Room:
        """A column in the system's words as what it holds."""

    def _rooms(self, cursor: Any) -> list[Room]:
        table = Table((), schema=self.target.schema_, table=self.target.name)
        return [self._room(one) for one in self._reader._columns(cursor, table)]

    def _tables(self, cursor: Any) -> list[str]:
        return self._reader._tables(cursor)

    def _write(self, cursor: Any, batches: Counted) -> bool:
        self._fill(cursor, iter(batches))
        self._check_count(cursor, batches.rows)
        return True

    def _fill(self, cursor: Any, batches: Iterator[pa.RecordBatch]) -> None:
        self._before = 0
        self._added = 0
        if self.target.mode == "replace":
            where = f" WHERE {' AND '.join(self.own)}" if self.own else ""
            cursor.execute(f"DELETE FROM {self.table}{where}")
        else:
            self._before = self._count(cursor, self.table)
        self._keys = Digests()
        for batch in batches:
            self.bytes += batch.nbytes
            step = max(1, min(_ROWS, batch.num_rows * _BYTES // max(batch.nbytes, 1)))
            for start in range(0, batch.num_rows, step):
                part = batch.slice(start, step)
                rows = list(zip(*map(self._bound, part.columns), strict=True))
                new = rows if self.target.mode == "replace" else self._updated(cursor, rows)
                self._added += len(new)
                if new:
                    self._inserted(cursor, new)
        self._refuse_twice(self._keys.settle())

    def _inserted(self, cursor: Any, rows: Sequence[tuple[Any, ...]]) -> None:
        cursor.executemany(self._insert, rows)

    def _bound(self, values: pa.Array) -> list[Any]:
        found: list[Any] = values.to_pylist()
        return found

    @property
    def _insert(self) -> str:
        columns = self._written(", ".join(self.columns))
        marks = ", ".join([self.mark] * len(self.columns))
        return f"INSERT INTO {self._written(self.table)} ({columns}) VALUES ({marks})"

    def _written(self, name: str) -> str:
        """A name beside bound values: of drivers that look for %s, a % is two."""
        return name.replace("%", "%%") if self.mark == "%s" else name

    def _updated(self, cursor: Any, rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """The rows whose key is not there yet; the others have changed theirs."""
        self._note_keys(rows)
        keys = [self.columns.index(one) for one in self.key]
        rest = [place for place in range(len(self.columns)) if place not in keys]
        names = [self._written(one) for one in self.columns]
        sets = ", ".join(f"{names[place]} = {self.mark}" for place in rest or keys)
        where = " AND ".join(f"{names[place]} = {self.mark}" for place in keys)
        update = f"UPDATE {self._written(self.table)} SET {sets} WHERE {where}"
        new = []
        for row in rows:
            values = [row[place] for place in (*(rest or keys), *keys)]
            cursor.execute(update, values)
            if cursor.rowcount == 0:
                new.append(row)
        return new

    def _note_keys(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """For `settle`; twice among rows that are sent together, the database would refuse them."""
        places = [self.columns.index(one) for one in self.key]
        keys = [repr([row[place] for place in places]) for row in rows]
        self._keys.add(keys)
        self._refuse_twice(len(keys) - len(set(keys)))

    def _check_count(self, cursor: Any, rows: int) -> None:
        if self.target.mode == "replace":
            found, wanted = self._count(cursor, self.table, self.own), rows
        else:
            found, wanted = self._count(cursor, self.table) - self._before, self._added
        if found != wanted:
            raise PermanentError(
                f"{self.delivery.what}, {self.at}: {found:,} rows are there of {wanted:,} "
                "delivered: a trigger or a rule of the target's changes what is written. Nothing "
                "was written; ask its owner."
            )


_SIZED = re.compile(r"(?i)(n?)(?:var)?char\((\d+|max)\)")


class SqlServerDelivery(DbapiDelivery):
    """Texts of a code page (varchar) take what their collation's has; nvarchar all of Unicode."""

    _pages: dict[str, int]

    def __init__(self, name: str, reader: DbapiTables, delivery: Delivery) -> None:
        super().__init__(name, reader, delivery)
        self.mark = "%s" if isinstance(reader, sqlserver.SqlServerRows) else "?"

    def _lock(self, cursor: Any) -> None:
        cursor.execute("SET XACT_ABORT ON")
        cursor.execute("BEGIN TRANSACTION")
        name = literal(f"lake {hashlib.sha256(self.table.encode()).hexdigest()[:32]}", "tsql")
        cursor.execute(
            f"DECLARE @got int; EXEC @got = sp_getapplock @Resource = {name}, "
            f"@LockMode = 'Exclusive', @LockTimeout = {LOCK_SECONDS * 1000}; SELECT @got"
        )
        if cursor.fetchone()[0] < 0:
            raise TransientError(
                f"{self.delivery.what}, {self.at}: another delivery to this table has been running "
                f"for {LOCK_SECONDS} s. Nothing was written; try again when it is done."
            )

    def _commit(self, db: Any) -> None:
        db.cursor().execute("COMMIT TRANSACTION")

    def _rooms(self, cursor: Any) -> list[Room]:
        cursor.execute(
            "SELECT name, CAST(COLLATIONPROPERTY(collation_name, 'CodePage') AS int) "
            f"FROM sys.columns WHERE object_id = OBJECT_ID({literal(self.table, 'tsql')})"
        )
        self._pages = {name: page for name, page in cursor.fetchall() if page}
        return super()._rooms(cursor)

    def _room(self, found: SourceColumn) -> Room:
        base, _, size = found.shown.partition("(")
        text = _SIZED.fullmatch(found.shown)
        fine = base in ("datetime2", "datetimeoffset") and int(size.rstrip(")") or 0) >= 6
        rounded = found.type is not None and found.type.name.startswith("timestamp") and not fine
        other = base in ("tinyint", "xml", "uniqueidentifier", "timestamp", "rowversion", "text")
        money = {"money": "decimal(18,4)", "smallmoney": "decimal(9,4)"}.get(found.shown)
        page = self._pages.get(found.name, 1252)
        bounded = int(text[2]) if text and text[2] != "max" else None
        narrow = text is not None and not text[1]
        return Room(
            name=found.name,
            shown=found.shown,
            type=parse_type(money) if money else None if rounded or other else found.type,
            nullable=found.nullable,
            length=None if narrow else bounded,
            length_bytes=bounded if narrow else None,
            codec=(None if page == 65001 else f"cp{page}") if narrow else None,
            wide=True,
            padded=base in ("char", "nchar"),
            flags=base == "bit",
            finite=True,
        )


class HanaDelivery(DbapiDelivery):
    """VARCHAR is for ASCII in HANA; texts of any language need NVARCHAR."""

    def _lock(self, cursor: Any) -> None:
        # Readers are not kept waiting; it ends with the transaction.
        cursor.execute(f"LOCK TABLE {self.table} IN EXCLUSIVE MODE")

    def _room(self, found: SourceColumn) -> Room:
        base = found.shown.partition("(")[0]
        text = _SIZED.fullmatch(found.shown)
        plain = found.type != ColumnType("string") or bool(text) or base in ("NCLOB", "SHORTTEXT")
        return Room(
            name=found.name,
            shown=found.shown,
            type=found.type if plain and base not in ("SECONDDATE", "TINYINT") else None,
            nullable=found.nullable,
            every_number=False,
            length=int(text[2]) if text else None,
            codec="ascii" if base in ("VARCHAR", "CHAR") else None,
            wide=True,
            padded=base in ("CHAR", "NCHAR"),
            finite=True,
        )
