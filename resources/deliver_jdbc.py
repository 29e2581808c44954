"""Deliveries to Tibero by its JDBC driver: bound batches in one transaction, counted before commit.

Here: values bound as the driver takes them exactly, and what Oracle's kin does silently that must
not be: '' as NULL, a character that the database lacks as another. Not here: connecting, types and
errors, which are the source's (`jdbc.py`, `jdbc_errors.py`), and the course (`deliver_dbapi.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from typing import Any

import pyarrow as pa

from resources import jdbc, jdbc_errors
from resources.deliver import Delivery, Receipt
from resources.deliver_dbapi import DbapiDelivery
from resources.deliver_values import Room, unfit
from resources.errors import LakeError, PermanentError
from resources.settings import Connection
from resources.source import Column, SourceColumn
from resources.sql import literal
from resources.types import parse_type

#: Of `java.sql`: the level at which what others commit is seen, as locks want it; and what a
#: driver says that does not count the rows of each statement of a batch.
_READ_COMMITTED, _NO_COUNT = 2, -2
#: Characters that one question echoes: a VARCHAR has 4,000 bytes.
_ECHOED = 500

_SIZED = re.compile(r"(N?)(?:VARCHAR2?|CHAR|CHARACTER|CHARACTER VARYING)\((\d+)\)")
_UNBOUNDED = ("NUMBER", "NUMERIC", "DECIMAL", "DECFLOAT")
_DAY = parse_type("date")


def deliver(name: str, connection: Connection, delivery: Delivery) -> Receipt:
    """Write one partition: all of it, or nothing."""
    return JdbcDelivery(name, jdbc.connect(name, connection), delivery).run()


class JdbcDelivery(DbapiDelivery):
    """One delivery over one `java.sql.Connection`."""

    _reader: jdbc.JdbcTables

    def __init__(self, name: str, reader: jdbc.JdbcTables, delivery: Delivery) -> None:
        super().__init__(name, reader, delivery)
        self.route = "JDBC, bound batches"
        self._rooms_of: dict[str, Room] = {}
        self._echoed: set[str] = set()

    # -- what the system says

    def _connect(self) -> Any:
        self._reader.__enter__()
        connection = self._reader._db.jconn
        connection.setTransactionIsolation(_READ_COMMITTED)
        return _Session(connection)

    def _lock(self, cursor: Any) -> None:
        # Readers are not kept waiting; it ends with the transaction.
        cursor.execute(f"LOCK TABLE {self.table} IN EXCLUSIVE MODE")

    def _tables(self, cursor: Any) -> list[str]:
        return self._reader._tables(cursor)

    def _rooms(self, cursor: Any) -> list[Room]:
        found = super()._rooms(self._reader._db.cursor())
        self._rooms_of = {one.name: one for one in found}
        return found

    def _room(self, found: SourceColumn) -> Room:
        base = found.shown.partition("(")[0]
        sized = _SIZED.fullmatch(found.shown)
        its = found.type
        if found.shown in ("DATE", "TIMESTAMP(0)"):
            its = _DAY  # it has hours to the second, of which a date needs none
        elif its is not None and its.name.startswith("timestamp"):
            digits = re.search(r"\((\d+)\)", found.shown)
            its = its if digits and int(digits[1]) >= 6 else None
        unbounded = found.shown in _UNBOUNDED
        return Room(
            name=found.name,
            shown=found.shown,
            type=its,
            nullable=found.nullable,
            every_number=unbounded,
            length=int(sized[2]) if sized else None,
            padded=base in ("CHAR", "NCHAR", "CHARACTER"),
            flags=unbounded or (its is not None and its.is_decimal and its.scale == 0),
            empty=False,
        )

    def _told(self, error: Exception, what: str) -> LakeError:
        state = jdbc_errors.state_of(error)
        if state[:2] in ("22", "23"):
            why = (
                "a value does not fit its column: texts are counted in bytes where the column is"
                if state[:2] == "22"
                else "a constraint of the table does not hold: correct the rows, or have it changed"
            )
            return PermanentError(
                f"{self.delivery.what}, {self.at}: {why} (SQLSTATE {state}). Nothing was written."
            )
        told = super()._told(error, what)
        return type(told)(
            str(told).replace("GRANT SELECT", "GRANT SELECT, INSERT, UPDATE, DELETE, LOCK")
        )

    # -- writing

    @property
    def own(self) -> list[str]:
        # A text that is compared with a DATE would be read by NLS_DATE_FORMAT.
        by_name = {column.name: column for column in self.delivery.columns}
        return [
            f"{self.quoted(by_name[name].source)} = "
            + literal(
                date.fromisoformat(value) if by_name[name].type.name == "date" else value,
                self.dialect,
            )
            for name, value in self.delivery.replaced.items()
        ]

    def _mark(self, column: Column) -> str:
        """What stands for a value; moments go as text with their form, which no setting reads."""
        form = {
            "date": "TO_DATE(?, 'YYYY-MM-DD')",
            "timestamp": "TO_TIMESTAMP(?, 'YYYY-MM-DD HH24:MI:SS.FF6')",
            "timestamptz": "TO_TIMESTAMP_TZ(?, 'YYYY-MM-DD HH24:MI:SS.FF6 TZH:TZM')",
        }
        return form.get(column.type.name, "?")

    @property
    def _insert(self) -> str:
        marks = ", ".join(map(self._mark, self.delivery.columns))
        return f"INSERT INTO {self.table} ({', '.join(self.columns)}) VALUES ({marks})"

    def _fill(self, cursor: Any, batches: Iterator[pa.RecordBatch]) -> None:
        self._cursor = cursor
        super()._fill(cursor, self._kept(batches))

    def _kept(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The batches whose characters the database has, each asked for once."""
        texts = [one for one in self.delivery.columns if one.type.name == "string"]
        for batch in batches:
            for column in texts:
                values = [one for one in batch.column(column.name).to_pylist() if one]
                new = {sign for sign in set("".join(values)) if sign > "\x7f"} - self._echoed
                lost = self._lost(sorted(new))
                if lost:
                    found = batch.column(column.name).to_pylist()
                    at = next(n for n, one in enumerate(found) if one and lost & set(one))
                    why = "has a character that the database's encoding lacks"
                    raise unfit(self.delivery, batch, at, column, why, self.at)
                self._echoed |= new
            yield batch

    def _lost(self, signs: Sequence[str]) -> set[str]:
        lost: set[str] = set()
        for start in range(0, len(signs), _ECHOED):
            some = signs[start : start + _ECHOED]
            back = self._echo("".join(some))
            lost |= {sign for sign in some if sign not in back}
        return lost

    def _echo(self, text: str) -> str:
        """A text as the database gives it back."""
        self._cursor.execute("SELECT CAST(? AS VARCHAR(4000)) FROM DUAL", [text])
        return str(self._cursor.fetchone()[0])

    def _bound(self, values: pa.Array) -> list[Any]:
        """Values as the binders take them: moments and decimals as text."""
        of = values.type
        if pa.types.is_date(of):
            found: list[Any] = values.cast(pa.string()).to_pylist()
            return found
        if pa.types.is_timestamp(of):
            zone = " +00:00" if of.tz else ""
            wall = values.cast(pa.timestamp("us")).cast(pa.string()).to_pylist()
            return [None if one is None else one + zone for one in wall]
        if pa.types.is_decimal(of):
            return [None if one is None else format(one, "f") for one in values.to_pylist()]
        return super()._bound(values)

    def _binder(self, column: Column) -> Binder:
        name = "decimal" if column.type.is_decimal else column.type.name
        if name == "boolean" and not _flagged(self._rooms_of[column.source]):
            name = "true boolean"
        return _binder(self._reader._jpype, name)

    def _updated(self, cursor: Any, rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        self._note_keys(rows)
        keys = [self.columns.index(one) for one in self.key]
        rest = [place for place in range(len(self.columns)) if place not in keys] or keys
        marked = [
            f"{name} = {self._mark(column)}"
            for name, column in zip(self.columns, self.delivery.columns, strict=True)
        ]
        sets = ", ".join(marked[place] for place in rest)
        where = " AND ".join(marked[place] for place in keys)
        order = [*rest, *keys]
        counts = cursor.batch(
            f"UPDATE {self.table} SET {sets} WHERE {where}",
            [[row[place] for place in order] for row in rows],
            [self._binder(self.delivery.columns[place]) for place in order],
        )
        return [row for row, count in zip(rows, counts, strict=True) if count == 0]

    def _inserted(self, cursor: Any, rows: Sequence[tuple[Any, ...]]) -> None:
        cursor.batch(self._insert, rows, list(map(self._binder, self.delivery.columns)))


def _flagged(room: Room) -> bool:
    return room.flags and (room.type is None or room.type.name != "boolean")


#: Puts a value into a place of a `java.sql.PreparedStatement`.
Binder = Callable[[Any, int, Any], None]


def _binder(jpype: Any, name: str) -> Binder:
    number = jpype.JClass("java.math.BigDecimal")
    puts: dict[str, tuple[int, Binder]] = {
        "decimal": (2, lambda to, place, one: to.setBigDecimal(place, number(one))),
        "boolean": (4, lambda to, place, one: to.setInt(place, int(one))),
        "true boolean": (16, lambda to, place, one: to.setBoolean(place, one)),
        "binary": (-3, lambda to, place, one: to.setBytes(place, one)),
        **dict.fromkeys(
            ("float32", "float64"), (8, lambda to, place, one: to.setDouble(place, one))
        ),
        **dict.fromkeys(
            ("int8", "int16", "int32", "int64"),
            (-5, lambda to, place, one: to.setLong(place, one)),
        ),
    }
    text: tuple[int, Binder] = (12, lambda to, place, one: to.setString(place, one))
    null, put = puts.get(name, text)

    def bind(to: Any, place: int, one: Any) -> None:
        if one is None:
            to.setNull(place, null)
        else:
            put(to, place, one)

    return bind


class _Session:
    """A `java.sql.Connection` in DB-API's words, its errors Java's own."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def cursor(self) -> _Cursor:
        return _Cursor(self._connection)

    def commit(self) -> None:
        self._connection.commit()

    def rollback(self) -> None:
        self._connection.rollback()

    def close(self) -> None:
        self._connection.close()


class _Cursor:
    """One statement after another; of a result the first row, as text."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._first: tuple[Any, ...] | None = None

    def execute(self, statement: str, texts: Sequence[str] = ()) -> None:
        prepared = self._connection.prepareStatement(statement)
        try:
            for place, text in enumerate(texts, 1):
                prepared.setString(place, text)
            self._first = None
            if prepared.execute():
                result = prepared.getResultSet()
                if result.next():
                    count = result.getMetaData().getColumnCount()
                    self._first = tuple(result.getString(place + 1) for place in range(count))
        finally:
            prepared.close()

    def fetchone(self) -> tuple[Any, ...] | None:
        return self._first and tuple(None if one is None else str(one) for one in self._first)

    def batch(
        self, statement: str, rows: Sequence[Sequence[Any]], binders: Sequence[Binder]
    ) -> list[int]:
        """How many rows each row of values changed."""
        if not rows:
            return []
        prepared = self._connection.prepareStatement(statement)
        try:
            for row in rows:
                for place, (bind, value) in enumerate(zip(binders, row, strict=True), 1):
                    bind(prepared, place, value)
                prepared.addBatch()
            counts = list(prepared.executeBatch())
            if statement.startswith("UPDATE") and _NO_COUNT in counts:
                # Some drivers do not count in a batch. Done again one by one, they do.
                counts = [self._single(prepared, row, binders) for row in rows]
            return counts
        finally:
            prepared.close()

    def _single(self, prepared: Any, row: Sequence[Any], binders: Sequence[Binder]) -> int:
        for place, (bind, value) in enumerate(zip(binders, row, strict=True), 1):
            bind(prepared, place, value)
        return int(prepared.executeUpdate())
