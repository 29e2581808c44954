"""Reading tables through any Python DB-API driver: described, counted, streamed, reconciled.

Here: the course of one reading over a cursor, and what is told where a value does not fit. Not
here: one system's SQL, types and errors (`hana.py`, `sqlserver.py`), the plan for every system
alike (`table_reader.py`), and columns of Python values as Arrow (`dbapi_columns.py`).

A connection that is cut in mid-stream is a TransientError: nothing of the partition that was being
written is published, and the retry reads it again, and no other.
"""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import pyarrow as pa

from resources import dbapi_columns, sql
from resources.dbapi_columns import Kind, UnfitError, become
from resources.errors import LakeError, PermanentError, TransientError
from resources.source import Reading, SourceColumn, Span, Table, Totals, Window
from resources.table_reader import (
    Field,
    TableReader,
    add,
    arrow_schema,
    moment_of,
    sum_of,
)

#: Rows a fetch asks for, each of which becomes a batch: 14 columns of them are 20 MB of Python.
FETCH_ROWS = 16_384
#: Of rows with long texts so many are fetched at first, then as many as this has room for.
FIRST_ROWS, FETCH_BYTES = 256, 32 << 20

SNAPSHOT, BEFORE_AND_AFTER = "same snapshot", "before and after"


class DbapiTables(TableReader):
    """A source of tables behind a DB-API connection. Subclasses are the systems."""

    #: What counts rows without overflowing.
    count = "count(*)"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._db: Any = None

    # -- what a system says --

    @abstractmethod
    def _open(self) -> Any:
        """A connection of the driver's, its transactions not committed by themselves."""

    @property
    @abstractmethod
    def _failures(self) -> tuple[type[Exception], ...]:
        """What the driver raises."""

    @abstractmethod
    def _told(self, error: Exception, what: str) -> LakeError:
        """The driver's error in words for a person, by its code, without secrets or values."""

    @abstractmethod
    def _begin(self, cursor: Any) -> str:
        """Begin a transaction; SNAPSHOT where all its statements see one state."""

    def _end(self) -> None:
        """End the transaction."""
        self._db.rollback()

    @abstractmethod
    def _columns(self, cursor: Any, table: Table) -> list[SourceColumn]:
        """What the system says of the table's or the query's columns; none: no such table."""

    @abstractmethod
    def _tables(self, cursor: Any) -> list[str]:
        """The tables there are, as `schema.table`."""

    @abstractmethod
    def _fetched(self, field: Field) -> str:
        """The column as SQL text that gives the driver what `kind_of` names, padding cut."""

    @abstractmethod
    def _moment(self, field: Field, window: Window, span: Span, instant: bool) -> str:
        """SQL text of the day (of hours: `2025-07-01 09`) that a window column says, as text."""

    def _stop(self, cursor: Any) -> None:
        """End a statement whose rows are no longer wanted; by default closing does."""

    def _long(self, found: SourceColumn) -> bool:
        """Whether one value of the column may be very large."""
        return False

    def _sorted(self, field: Field) -> str:
        """The column as SQL text that sorts equal values next to each other, and no others."""
        return field.sql

    def _rows_cursor(self) -> Any:
        """A cursor that streams; drivers that fetch all at once have another one for that."""
        return self._db.cursor()

    def _arrow(self, cursor: Any) -> Iterator[Sequence[pa.Array]] | None:
        """The columns of an executed statement as the driver's own Arrow, where it has that."""
        return None

    def _first(self, selected: Sequence[str], source: str, where: Sequence[str], rows: int) -> str:
        return sql.statement(selected, source, where, limit=rows)

    # -- what everyone may ask --

    def __enter__(self) -> DbapiTables:
        with self._errors("connecting"):
            self._db = self._open()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._db is not None:
            with contextlib.suppress(*self._failures):
                self._db.close()
            self._db = None

    def describe(self, table: Table) -> list[SourceColumn]:
        with self._transaction(table) as (cursor, _), self._errors(table.shown):
            return self._described(cursor, table)

    def peek(self, table: Table, rows: int, span: Span | None = None) -> pa.Table:
        with self._transaction(table) as (cursor, _):
            with self._errors(table.shown):
                fields = self._planned(self._described(cursor, table), table)
                where = self._where(table, fields, span)
                source = sql.relation(table, span, self.dialect)
                select = self._first(self._selected(fields), source, where, rows)
            with closing(self._batches(table, fields, select)) as batches:
                return pa.Table.from_batches(batches, arrow_schema(table.columns))

    @contextmanager
    def read(self, table: Table, span: Span | None = None) -> Iterator[Reading]:
        self._check_span(table, span)
        with self._transaction(table) as (cursor, reconciled):
            with self._errors(table.shown):
                fields = self._planned(self._described(cursor, table), table)
                self._no_null_days(cursor, table, fields, span)
                totals = self._totals(cursor, table, fields, span)
                by_name = {field.column.name: field for field in fields}
                select = sql.statement(
                    self._selected(fields),
                    sql.relation(table, span, self.dialect),
                    self._where(table, fields, span),
                    order_by=[self._sorted(by_name[name]) for name in self._order(table)],
                )
            once = reconciled == SNAPSHOT
            rows = self._rows(cursor, table, fields, span, select, totals, once)
            with closing(rows) as batches:
                yield Reading(
                    schema=arrow_schema(table.columns),
                    batches=batches,
                    totals=totals,
                    route=self.route,
                    reconciled=reconciled,
                )

    # -- one reading, step by step --

    @contextmanager
    def _transaction(self, table: Table) -> Iterator[tuple[Any, str]]:
        """A cursor in a transaction of its own, and how its totals relate to its rows."""
        if self._db is None:
            raise PermanentError(f"{self.where} is not open; use it in a `with` block.")
        with self._errors(table.shown):
            cursor = self._db.cursor()
            reconciled = self._begin(cursor)
        try:
            yield cursor, reconciled
        finally:
            # On a connection that is lost both fail, and what lost it is told already.
            with contextlib.suppress(*self._failures):
                cursor.close()
            with contextlib.suppress(*self._failures):
                self._end()

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except LakeError:
            raise
        except self._failures as error:
            told = self._told(error, what)
            # The driver's own text may hold the address, a statement or a value; nobody who
            # prints the chain of exceptions shall see it.
            with contextlib.suppress(AttributeError):  # of Java's they cannot be set
                error.args = (type(error).__name__,)
            raise told from None

    def _described(self, cursor: Any, table: Table) -> list[SourceColumn]:
        found = self._columns(cursor, table)
        if not found:
            hint = sql.similar(table.shown, self._tables(cursor)) or "."
            raise PermanentError(
                f"{self._of(table)}: there is no such table, or the user may not see it{hint}"
            )
        return found

    def _selected(self, fields: Sequence[Field]) -> list[str]:
        return [
            f"{self._fetched(field)} AS {sql.quoted(field.column.name, self.dialect)}"
            for field in fields
        ]

    def _value(self, field: Field) -> str:
        text = field.found.type is not None and field.found.type.name == "string"
        return field.sql if text else self._fetched(field)

    def _no_null_days(
        self, cursor: Any, table: Table, fields: Sequence[Field], span: Span | None
    ) -> None:
        """Refuse a table with rows that belong to no day: no partition would ever have them.

        A query that bounds itself is asked with its totals instead.
        """
        if span is None or self._bounds_itself(table):
            return
        _, field, _ = self._window(table, fields)
        if not field.found.nullable:
            return
        where = [f"{field.sql} IS NULL", *self._chosen(table, fields)]
        source = sql.relation(table, span, self.dialect)
        cursor.execute(sql.statement([f"{self.count} AS n"], source, where))
        row = cursor.fetchone()
        if row[0]:
            raise PermanentError(
                f"{self._of(table)}: {row[0]} rows have NULL in the window column "
                f"{field.column.source!r}, so they are in no partition. Exclude them by a "
                f"`filter` ({field.column.name} IS NOT NULL), or choose another window."
            )

    def _totals(
        self, cursor: Any, table: Table, fields: Sequence[Field], span: Span | None
    ) -> dict[str, Totals]:
        """Count and sums per partition."""
        by_name = {field.column.name: field for field in fields}
        sums = [by_name[name] for name in table.sums]
        selected = [f"{self.count} AS n"]
        selected += [f"sum({self._summed(f)}) AS sum{i}" for i, f in enumerate(sums)]
        group = []
        if span is not None:
            window, field, instant = self._window(table, fields)
            group = [self._moment(field, window, span, instant)]
            selected.append(f"{group[0]} AS moment")
        cursor.execute(
            sql.statement(
                selected,
                sql.relation(table, span, self.dialect),
                self._where(table, fields, span),
                group_by=group,
            )
        )
        partial: dict[str, list[Totals]] = {}
        for row in cursor.fetchall():
            pairs = zip(sums, row[1:], strict=False)
            found = Totals(int(row[0]), {f.column.name: sum_of(f, value) for f, value in pairs})
            key = "" if span is None else self._key(table, moment_of(row[-1]), span)
            partial.setdefault(key, []).append(found)
        return {key: add(parts) for key, parts in sorted(partial.items())}

    def _summed(self, field: Field) -> str:
        """What is added up: exact numbers without the bounds of their own type."""
        if not self._exact(field.found):
            return field.sql
        have = field.found.type
        bounded = have is not None and have.is_decimal
        scale = have.scale if have and bounded else field.column.type.scale
        return f"CAST({field.sql} AS DECIMAL(38, {scale}))"

    def _rows(
        self,
        cursor: Any,
        table: Table,
        fields: Sequence[Field],
        span: Span | None,
        select: str,
        totals: dict[str, Totals],
        snapshot: bool,
    ) -> Generator[pa.RecordBatch, None, None]:
        """The rows; without a snapshot, whether the totals are as before; whether all came."""
        came = 0
        for batch in self._batches(table, fields, select):
            came += batch.num_rows
            yield batch
        if not snapshot:
            with self._errors(table.shown):
                after = self._totals(cursor, table, fields, span)
            self._check_unchanged(table, span, totals, after)
        counted = sum(part.rows for part in totals.values())
        if came != counted:
            # mssql-python 1.16 takes a connection that is cut for the end of the rows.
            raise TransientError(
                f"{self._of(table)}: {came} rows came of {counted} that were counted: the "
                "connection was lost, or the table changed while being read. Try again."
            )

    def _batches(
        self, table: Table, fields: Sequence[Field], select: str
    ) -> Generator[pa.RecordBatch, None, None]:
        schema = arrow_schema(table.columns)
        rows, done = None, False
        try:
            with self._errors(table.shown):
                rows = self._rows_cursor()
                rows.execute(select)
                arrow = self._arrow(rows)
            fetched = self._fetches(table, fields, rows) if arrow is None else arrow
            while True:
                with self._errors(table.shown):
                    columns = next(fetched, None)
                if columns is None:
                    break
                yield self._fitted(table, fields, list(columns), schema)
            done = True
        finally:
            with contextlib.suppress(*self._failures):
                if rows is not None:
                    if not done:
                        self._stop(rows)
                    rows.close()

    def _fetches(
        self, table: Table, fields: Sequence[Field], cursor: Any
    ) -> Iterator[list[pa.Array]]:
        """Batch after batch as columns of what the driver gives."""
        kinds = [kind_of(field) for field in fields]
        long = any(self._long(field.found) for field in fields)
        asked = FIRST_ROWS if long else FETCH_ROWS
        while rows := cursor.fetchmany(asked):
            columns = []
            for field, kind, values in zip(fields, kinds, zip(*rows, strict=True), strict=True):
                try:
                    columns.append(dbapi_columns.column(values, kind))
                except UnfitError as error:
                    raise self._unfit(table, field, "", str(error)) from None
            yield columns
            size = sum(column.nbytes for column in columns) // len(rows) or 1
            if long or size * asked > FETCH_BYTES:
                asked = max(1, min(FETCH_ROWS, FETCH_BYTES // size))

    def _fitted(
        self,
        table: Table,
        fields: Sequence[Field],
        columns: Sequence[pa.Array],
        schema: pa.Schema,
    ) -> pa.RecordBatch:
        """The columns in their declared types; the first value that does not fit is told."""
        fitted = []
        for field, values in zip(fields, columns, strict=True):
            declared = field.column.type
            try:
                fitted.append(become(values, declared))
            except UnfitError as error:
                place = dbapi_columns.first_unfit(values, declared)
                keys = [f for f in fields if f.column.name in table.order_by] or list(fields[:3])
                pairs = [
                    f"{f.column.name} {columns[fields.index(f)][place].as_py()!s:.40}"
                    for f in keys
                    if not f.column.personal and f is not field
                ]
                key = f" (at {', '.join(pairs)})" if pairs else ""
                raise self._unfit(table, field, key, str(error)) from None
        return pa.RecordBatch.from_arrays(fitted, schema=schema)

    def _unfit(self, table: Table, field: Field, key: str, why: str) -> PermanentError:
        because = f": {why}" if why else ""
        return PermanentError(
            f"{self._of(table)}: a value of {field.column.source!r} ({field.found.shown}) cannot "
            f"become {field.column.type.name} unchanged{key}{because}. Declare a wider type, "
            "exclude the row by a `filter`, or cast the column in a `query`."
        )


def kind_of(field: Field) -> Kind:
    """As what a column is fetched; decimals and moments as text, which is exact and quick."""
    have, want = field.found.type, field.column.type
    if want.name == "string" or have is None or have.is_decimal:
        return "text"
    if have.name.startswith("int"):
        return "int"
    if have.name.startswith("float"):
        return "float"
    others: dict[str, Kind] = {"boolean": "bool", "binary": "bytes"}
    return others.get(have.name, "text")
