"""Reading tables by way of DuckDB, whatever stands behind it: the proof, totals, the stream.

Here: the statements of one reading and their one transaction, Arrow batches. Not here: what is
planned for every system alike (`table_reader.py`), and how one is reached, describes itself and
words its errors (`postgres.py`, `duckdb_source.py`).
"""

from __future__ import annotations

import contextlib
import importlib.util
import tempfile
import uuid
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from resources import sql
from resources.errors import LakeError, PermanentError
from resources.partition import Cadence
from resources.source import Reading, SourceColumn, Span, Table, Totals, WindowKind
from resources.table_reader import Field, TableReader, add, arrow_schema, sum_of

#: Rows of an Arrow batch. A million rows × 14 columns cost 0.45–0.48 CPU s from 2k to 64k rows a
#: batch; memory over the connected process grows with it: 12 MB at 16k, 21 at 32k, 71 at 128k
#: (DuckDB doubles its buffers while it fills them). The writer makes row groups of its own size.
BATCH_ROWS = 16_384


def open_duckdb(*, threads: int, memory_limit: str) -> duckdb.DuckDBPyConnection:
    """An empty DuckDB that loads nothing by itself and spills into the system's temp folder."""
    db = duckdb.connect(
        ":memory:",
        config={
            "allow_unsigned_extensions": "false",
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "threads": threads,
            "memory_limit": memory_limit,
            # Its own: a DuckDB that ends deletes every DuckDB's files in a folder it shared.
            "temp_directory": f"{tempfile.gettempdir()}/lake-duckdb-{uuid.uuid4().hex}",
        },
    )
    db.execute("SET GLOBAL TimeZone = 'UTC'")  # instants leave as UTC, wherever this runs
    return db


def extension(wheel: str) -> Path:
    """The file of one of DuckDB's extensions, out of its wheel; DuckDB checks its signature."""
    spec = importlib.util.find_spec(wheel)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for file in Path(folder).glob(f"extensions/v{duckdb.__version__}/*.duckdb_extension"):
            return file
    raise PermanentError(
        f"DuckDB's extension for this system is not installed: "
        f"pip install {wheel.replace('_', '-', 2)}=={duckdb.__version__}."
    )


class DuckDBTables(TableReader):
    """A source of tables that a DuckDB connection reaches. Subclasses are the systems."""

    #: Whether all statements of a transaction see one state of the source.
    one_snapshot = True

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._db: duckdb.DuckDBPyConnection | None = None
        self._held: duckdb.DuckDBPyConnection | None = None

    @abstractmethod
    def _open(self) -> duckdb.DuckDBPyConnection:
        """A DuckDB connection with the system attached."""

    @abstractmethod
    def _run(
        self, cursor: duckdb.DuckDBPyConnection, statement: str, fields: Sequence[Field] = ()
    ) -> duckdb.DuckDBPyConnection:
        """Execute a SELECT in the system's dialect."""

    @abstractmethod
    def _columns(self, cursor: duckdb.DuckDBPyConnection, table: Table) -> list[SourceColumn]:
        """What the system says of the table's or the query's columns; none: no such table."""

    @abstractmethod
    def _tables(self, cursor: duckdb.DuckDBPyConnection) -> list[str]:
        """The tables there are, as `schema.table`."""

    @abstractmethod
    def _proof(self, field: Field) -> str | None:
        """A condition that holds of every value that arrives unchanged; None: all do."""

    @abstractmethod
    def _told(self, error: Exception, what: str) -> LakeError:
        """The driver's error in words for a person, without secrets or values."""

    def _cancel(self, cursor: duckdb.DuckDBPyConnection) -> Callable[[], None]:
        """What stops the running statement of `cursor`'s transaction, prepared beforehand."""
        return cursor.interrupt

    def _share(self, cursor: duckdb.DuckDBPyConnection) -> str | None:
        """What makes the state that `cursor`'s transaction sees that of others; None: nothing."""
        return None

    def _join(self, cursor: duckdb.DuckDBPyConnection, state: str) -> None:
        """Let `cursor`'s transaction, in which nothing ran yet, see a state that is shared."""

    def __enter__(self) -> DuckDBTables:
        with self._errors("connecting"):
            self._db = self._open()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._db is not None:
            self._shut(self._db)
            self._db = None

    def _shut(self, db: duckdb.DuckDBPyConnection) -> None:
        db.close()

    def describe(self, table: Table) -> list[SourceColumn]:
        with self._transaction(table) as cursor, self._errors(table.shown):
            return self._described(cursor, table)

    def peek(self, table: Table, rows: int, span: Span | None = None) -> pa.Table:
        with self._transaction(table) as cursor, self._errors(table.shown):
            fields = self._fields(cursor, table)
            where = self._where(table, fields, span)
            source = sql.relation(table, span, self.dialect)
            select = sql.statement(self._selected(fields), source, where, limit=rows)
            reader = self._run(cursor, select, fields).to_arrow_reader(BATCH_ROWS)
            self._check_schema(table, reader.schema)
            return reader.read_all()

    @contextmanager
    def shared(self, table: Table) -> Iterator[str | None]:
        """This connection's own statements run in the transaction that others see by its state."""
        with self._transaction(table) as cursor:
            with self._errors(table.shown):
                state = self._share(cursor)
            self._held = None if state is None else cursor
            try:
                yield state
            finally:
                self._held = None

    @contextmanager
    def read(self, table: Table, span: Span | None = None) -> Iterator[Reading]:
        self._check_span(table, span)
        with self._transaction(table) as cursor:
            with self._errors(table.shown):
                fields = self._fields(cursor, table)
                self._no_null_days(cursor, table, fields, span)
                totals = self._totals(cursor, table, fields, span)
                where = self._where(table, fields, span)
                by_name = {field.column.name: field for field in fields}
                select = sql.statement(
                    self._selected(fields),
                    sql.relation(table, span, self.dialect),
                    where,
                    order_by=[by_name[name].sql for name in self._order(table)],
                )
                reader = self._run(cursor, select, fields).to_arrow_reader(BATCH_ROWS)
                self._check_schema(table, reader.schema)
            try:
                yield Reading(
                    schema=reader.schema,
                    batches=self._rows(cursor, reader, table, fields, span, totals),
                    totals=totals,
                    route=self.route,
                    reconciled="same snapshot" if self.one_snapshot else "before and after",
                )
            finally:
                # Whoever keeps the reading keeps the reader, and that the database, open.
                reader.close()

    # -- one reading, step by step --

    @contextmanager
    def _transaction(self, table: Table) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor of its own in one transaction, so that all its statements see one state.

        Whatever still runs when the block ends is stopped in the system too: without that a
        ROLLBACK waits for the server to send the rest (18 s of a 10M-row sort).
        """
        if self._db is None:
            raise PermanentError(f"{self.where} is not open; use it in a `with` block.")
        if self._held is not None:
            yield self._held
            return
        cursor = self._db.cursor()
        broken = contextlib.suppress(duckdb.Error, pa.ArrowException, OSError)
        cancel: Callable[[], None] | None = None
        try:
            with self._errors(table.shown):
                cursor.execute("BEGIN")
                if table.state is not None:
                    self._join(cursor, table.state)
                cancel = self._cancel(cursor)
            yield cursor
        finally:
            if cancel is not None:
                with broken:
                    cancel()
            # Always, and before the cursor goes: a transaction on a lost connection that is left
            # to DuckDB's destructor ends the whole process (C++ terminate).
            with broken:
                cursor.execute("ROLLBACK")
            cursor.close()

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            told = self._told(error, what)
            # The driver's own text may hold the address, a statement or a value; nobody who
            # prints the chain of exceptions shall see it.
            error.args = (type(error).__name__,)
            raise told from None

    def _described(self, cursor: duckdb.DuckDBPyConnection, table: Table) -> list[SourceColumn]:
        found = self._columns(cursor, table)
        if not found:
            hint = sql.similar(table.shown, self._tables(cursor)) or "."
            raise PermanentError(
                f"{self._of(table)}: there is no such table, or the user may not see it{hint}"
            )
        return found

    def _fields(self, cursor: duckdb.DuckDBPyConnection, table: Table) -> list[Field]:
        return self._planned(self._described(cursor, table), table)

    def _selected(self, fields: Sequence[Field]) -> list[str]:
        names = [sql.quoted(field.column.name, self.dialect) for field in fields]
        return [f"{self._value(f)} AS {name}" for f, name in zip(fields, names, strict=True)]

    def _no_null_days(
        self,
        cursor: duckdb.DuckDBPyConnection,
        table: Table,
        fields: Sequence[Field],
        span: Span | None,
    ) -> None:
        """Refuse a table with rows that belong to no day: no partition would ever have them.

        Asked only where the source lets the column be NULL: elsewhere it is no question, and where
        there is an index on the column the count comes from it. A query that bounds itself is
        asked with its totals instead.
        """
        if span is None or self._bounds_itself(table):
            return
        _, field, _ = self._window(table, fields)
        if not field.found.nullable:
            return
        where = [f"{field.sql} IS NULL", *self._chosen(table, fields)]
        source = sql.relation(table, span, self.dialect)
        rows = self._run(cursor, sql.statement(['count(*) AS "n"'], source, where)).fetchone()
        if rows and rows[0]:
            raise PermanentError(
                f"{self._of(table)}: {rows[0]} rows have NULL in the window column "
                f"{field.column.source!r}, so they are in no partition. Exclude them by a "
                f"`filter` ({field.column.name} IS NOT NULL), or choose another window."
            )

    def _totals(
        self,
        cursor: duckdb.DuckDBPyConnection,
        table: Table,
        fields: Sequence[Field],
        span: Span | None,
    ) -> dict[str, Totals]:
        """Count and sums per partition, and the proof that every value arrives unchanged."""
        by_name = {field.column.name: field for field in fields}
        day = "CAST(NULL AS DATE)"
        if span is not None:
            window, field, instant = self._window(table, fields)
            day = self._time_of(field.sql, window.kind, span.cadence, instant)
        proofs = [(f, proof) for f in fields if (proof := self._proof(f)) is not None]
        sums = [by_name[name] for name in table.sums]
        selected = [f'{day} AS "day"', 'count(*) AS "rows"']
        # As text: the sum of a bigint is a number without bounds, which DuckDB would make DOUBLE.
        selected += [f'{self._text(f"sum({f.sql})")} AS "sum{i}"' for i, f in enumerate(sums)]
        selected += [
            f'coalesce(sum(CASE WHEN NOT ({proof}) THEN 1 ELSE 0 END), 0) AS "misfits{i}"'
            for i, (_, proof) in enumerate(proofs)
        ]
        where = self._where(table, fields, span)
        source = sql.relation(table, span, self.dialect)
        group = ["1"] if span is not None else []
        statement = sql.statement(selected, source, where, group_by=group)
        rows = self._run(cursor, statement).fetchall()
        for i, (field, proof) in enumerate(proofs):
            misfits = int(sum(row[2 + len(sums) + i] for row in rows))
            if misfits:
                example = self._example(cursor, table, fields, source, [*where, f"NOT ({proof})"])
                raise PermanentError(
                    f"{self._of(table)}: {misfits} values of {field.column.source!r} "
                    f"({field.found.shown}) cannot become {field.column.type.name} unchanged"
                    f"{example}. {self._cure(field)}"
                )
        partial: dict[str, list[Totals]] = {}
        for row in rows:
            values = {f.column.name: sum_of(f, row[2 + i]) for i, f in enumerate(sums)}
            key = "" if span is None else self._key(table, row[0], span)
            partial.setdefault(key, []).append(Totals(row[1], values))
        return {key: add(parts) for key, parts in sorted(partial.items())}

    def _cure(self, field: Field) -> str:
        """What to do about values that do not fit."""
        return "Declare a wider type, or exclude the rows by a `filter`."

    def _example(
        self,
        cursor: duckdb.DuckDBPyConnection,
        table: Table,
        fields: Sequence[Field],
        source: str,
        where: Sequence[str],
    ) -> str:
        """The key of one row, ` (for example order_id 17)`, where the table declares an order."""
        keys = [f for f in fields if f.column.name in table.order_by and not f.column.personal]
        if not keys:
            return ""
        selected = [f'{self._text(f.sql)} AS "key{i}"' for i, f in enumerate(keys)]
        row = self._run(cursor, sql.statement(selected, source, where, limit=1)).fetchone()
        assert row is not None
        pairs = [f"{f.column.name} {value}" for f, value in zip(keys, row, strict=True)]
        return f" (for example {', '.join(pairs)})"

    def _check_schema(self, table: Table, found: pa.Schema) -> None:
        wanted = arrow_schema(table.columns)
        if not found.equals(wanted):
            pairs = zip(found, wanted, strict=True)
            off = [f"{a.name}: {a.type} for {b.type}" for a, b in pairs if a != b]
            raise PermanentError(
                f"{self._of(table)}: DuckDB reads other types than declared: {'; '.join(off)}. "
                "Declare the columns as they are read."
            )

    def _text(self, expression: str) -> str:
        """An expression as text, in the system's words."""
        return f"CAST({expression} AS VARCHAR)"

    def _time_of(self, column: str, kind: WindowKind, cadence: Cadence, instant: bool) -> str:
        """As `sql.time_of`, in the system's words."""
        return sql.time_of(column, kind, cadence, instant=instant)

    def _rows(
        self,
        cursor: duckdb.DuckDBPyConnection,
        reader: pa.RecordBatchReader,
        table: Table,
        fields: Sequence[Field],
        span: Span | None,
        before: Mapping[str, Totals],
    ) -> Iterator[pa.RecordBatch]:
        yield from self._batches(reader, table)
        if not self.one_snapshot:
            with self._errors(table.shown):
                after = self._totals(cursor, table, fields, span)
            self._check_unchanged(table, span, before, after)

    def _batches(self, reader: pa.RecordBatchReader, table: Table) -> Iterator[pa.RecordBatch]:
        while True:
            with self._errors(table.shown):
                try:
                    batch = reader.read_next_batch()
                except StopIteration:
                    return
            yield batch
