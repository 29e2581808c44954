"""Hive as a source of tables: described, counted before and after, read partition by partition.

Here: the statements of one reading, Hive's types, the step from them to the declared ones. Not
here: the session and the bytes of results (`hive.py`, `hive_wire.py`), what is planned for every
system alike (`table_reader.py`), and the lake's own tables in Hive (`hive_tables.py`).

Hive has no snapshot, so count and sums are taken before and after the rows and must agree. And it
has no index: an ORDER BY goes through one reducer. So where the window is a column by which the
table is partitioned, each key is a statement of its own that reads that partition, and rows are
sorted only where `order_by` asks for it. Where it is an ordinary column every statement reads the
whole table, so there is one, sorted by that column if more than one key has rows.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager

import pyarrow as pa

from resources import sql
from resources.errors import LakeError, PermanentError
from resources.hive import HiveConnection
from resources.partition import window
from resources.settings import Connection
from resources.source import Reading, SourceColumn, Span, Table, Totals
from resources.table_reader import (
    Field,
    TableReader,
    add,
    arrow_schema,
    moment_of,
    sum_of,
)
from resources.types import ColumnType, parse_type

_TYPES = {
    "tinyint": "int8",
    "smallint": "int16",
    "int": "int32",
    "bigint": "int64",
    "float": "float32",
    "double": "float64",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamp",
    "binary": "binary",
    **dict.fromkeys(("string", "varchar", "char"), "string"),
}


def connect(name: str, connection: Connection) -> HiveSource:
    """The connection `name`, to be opened by `with`."""
    return HiveSource(name, connection)


class HiveSource(TableReader):
    """Tables of a HiveServer2."""

    dialect = "hive"
    route = "HiveServer2, columns of the wire"

    def __init__(self, name: str, connection: Connection) -> None:
        super().__init__(name)
        self._hive = HiveConnection(name, connection)

    @property
    def where(self) -> str:
        return self._hive.where

    @property
    def version(self) -> str:
        return self._hive.version()

    def __enter__(self) -> HiveSource:
        self._hive.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._hive.__exit__(*exc)

    def describe(self, table: Table) -> list[SourceColumn]:
        return self._described(table)[0]

    def peek(self, table: Table, rows: int, span: Span | None = None) -> pa.Table:
        fields = self._planned(self.describe(table), table)
        where = self._where(table, fields, span)
        select = sql.statement(
            self._selected(fields), sql.relation(table, span, "hive"), where, limit=rows
        )
        schema = arrow_schema(table.columns)
        return pa.Table.from_batches(self._batches(table, fields, select), schema)

    @contextmanager
    def read(self, table: Table, span: Span | None = None) -> Iterator[Reading]:
        self._check_span(table, span)
        described, partitioned_by = self._described(table)
        fields = self._planned(described, table)
        before = self._totals(table, fields, span)
        selects = self._selects(table, fields, span, sorted(before), partitioned_by)
        with closing(self._rows(table, fields, span, selects, before)) as batches:
            yield Reading(
                schema=arrow_schema(table.columns),
                batches=batches,
                totals=before,
                route=self.route,
                reconciled="before and after",
            )

    # -- one reading, step by step --

    def _described(self, table: Table) -> tuple[list[SourceColumn], set[str]]:
        """The columns, and which of them are the folders of the table's partitions.

        Hive's names have no upper case and mean any: one that is declared keeps its spelling.
        """
        if table.query is not None:
            select = sql.statement(["*"], sql.relation(table, sql.ANY_SPAN, "hive"), limit=0)
            with self._about(table):
                described, keys = self._hive.columns(select), set[str]()
        else:
            described, keys = self._columns(table)
        spelled = {column.source.casefold(): column.source for column in table.columns}
        return [
            SourceColumn(spelled.get(name.casefold(), name), lake_type(shown), shown, True)
            for name, shown in described
        ], {spelled.get(key.casefold(), key) for key in keys}

    def _columns(self, table: Table) -> tuple[list[tuple[str, str]], set[str]]:
        assert table.table is not None
        name = sql.table_name(table.schema, table.table, "hive")
        try:
            with self._about(table):
                lines = self._hive.rows(f"DESCRIBE {name}")
        except PermanentError as error:
            if not re.search("not found|does not exist", str(error)):
                raise
            hint = sql.similar(table.shown, self._tables(table)) or "."
            raise PermanentError(
                f"{self._of(table)}: there is no such table, or the user may not see it{hint}"
            ) from None
        # The columns with those of partitions at their end; then a heading, and those once more.
        named = [(line[0].strip(), (line[1] or "").strip()) for line in lines]
        end = next((i for i, (one, _) in enumerate(named) if not one or one[0] == "#"), len(named))
        keys = {one for one, shown in named[end:] if one and one[0] != "#" and shown}
        return named[:end], keys

    def _tables(self, table: Table) -> list[str]:
        inside = f" IN {sql.quoted(table.schema, 'hive')}" if table.schema else ""
        try:
            found = self._hive.rows(f"SHOW TABLES{inside}")
        except PermanentError:  # there is no such database
            return []
        return [".".join(filter(None, (table.schema, line[0]))) for line in found]

    def _selects(
        self,
        table: Table,
        fields: Sequence[Field],
        span: Span | None,
        keys: Sequence[str],
        partitioned_by: set[str],
    ) -> list[str]:
        """The statements that give the rows, partitions one after another."""
        order = list(table.order_by)
        spans = [span]
        if span is not None:
            _, field, _ = self._window(table, fields)
            if field.column.source in partitioned_by:
                spans = [Span(*window(span.cadence, key), span.cadence) for key in keys]
            if table.split is None and (order or len(keys) > len(spans)):
                order = [field.column.name, *(one for one in order if one != field.column.name)]
        return [
            sql.statement(
                self._selected(fields),
                sql.relation(table, one, "hive"),
                self._where(table, fields, one),
                order_by=[sql.quoted(name, "hive") for name in order],
            )
            for one in spans
        ]

    def _rows(
        self,
        table: Table,
        fields: Sequence[Field],
        span: Span | None,
        selects: Sequence[str],
        before: Mapping[str, Totals],
    ) -> Generator[pa.RecordBatch, None, None]:
        for select in selects:
            yield from self._batches(table, fields, select)
        self._check_unchanged(table, span, before, self._totals(table, fields, span))

    def _batches(
        self, table: Table, fields: Sequence[Field], select: str
    ) -> Iterator[pa.RecordBatch]:
        found = pa.schema([(f.column.name, _arrow(f.found)) for f in fields])
        schema = arrow_schema(table.columns)
        with self._about(table), closing(self._hive.batches(select, found)) as batches:
            for batch in batches:
                columns = [
                    self._become(table, field, values)
                    for field, values in zip(fields, batch.columns, strict=True)
                ]
                yield pa.RecordBatch.from_arrays(columns, schema=schema)

    def _become(self, table: Table, field: Field, values: pa.Array) -> pa.Array:
        """A column in its declared type; PermanentError where a value would not be the same."""
        declared = field.column.type.arrow()
        if values.type == declared:
            return values
        try:
            if pa.types.is_integer(values.type) and pa.types.is_decimal(declared):
                values = values.cast(pa.decimal128(38, 0))  # which holds every integer
            there = values.cast(declared)
            if pa.types.is_date(declared) and not there.cast(values.type).equals(values):
                raise pa.ArrowInvalid
        except pa.ArrowInvalid:
            raise PermanentError(
                f"{self._of(table)}: a value of {field.column.source!r} ({field.found.shown}) "
                f"cannot become {field.column.type.name} unchanged. Declare a wider type, or "
                "exclude the rows by a `filter`."
            ) from None
        return there

    def _selected(self, fields: Sequence[Field]) -> list[str]:
        return [f"{self._value(f)} AS {sql.quoted(f.column.name, 'hive')}" for f in fields]

    def _value(self, field: Field) -> str:
        # Padding of char(n) is no part of the value.
        padded = field.found.shown.startswith("char(")
        return f"CAST({field.sql} AS STRING)" if padded else field.sql

    def _number(self, found: SourceColumn) -> bool:
        return False

    def _summed(self, field: Field) -> str:
        """What is added up: a sum of bigints would silently begin anew beyond 2^63."""
        name = field.found.type.name if field.found.type else ""
        return f"CAST({field.sql} AS DECIMAL(38, 0))" if name.startswith("int") else field.sql

    def _totals(
        self, table: Table, fields: Sequence[Field], span: Span | None
    ) -> dict[str, Totals]:
        """Count and sums per partition; rows without a day are refused, as no partition has them.

        They are asked for with the others: where the column is an ordinary one all rows are read
        anyway, and a table has one partition for them.
        """
        by_name = {field.column.name: field for field in fields}
        sums = [by_name[name] for name in table.sums]
        selected = ["count(*)", *(f"sum({self._summed(field)})" for field in sums)]
        where, group = self._chosen(table, fields), list[str]()
        if span is not None:
            kind, field, _ = self._window(table, fields)
            length = {"yyyymmdd": 100}.get(kind.kind, 13 if span.cadence == "hourly" else 10)
            group = [f"substring(CAST({field.sql} AS STRING), 1, {length})"]
            if not self._bounds_itself(table):
                number = self._exact(field.found)
                inside = sql.window_condition(field.sql, kind.kind, span, "hive", number=number)
                where.append(f"({inside}) OR {field.sql} IS NULL")
        source = sql.relation(table, span, "hive")
        with self._about(table):
            rows = self._hive.rows(
                sql.statement([*(group or ["NULL"]), *selected], source, where, group_by=group)
            )
        partial: dict[str, list[Totals]] = {}
        for moment, count, *values in rows:
            if span is not None and moment is None:
                raise PermanentError(
                    f"{self._of(table)}: {count} rows have NULL in the window column "
                    f"{field.column.source!r}, so they are in no partition. Exclude them by a "
                    f"`filter` ({field.column.name} IS NOT NULL), or choose another window."
                )
            key = "" if span is None else self._key(table, moment_of(moment), span)
            pairs = zip(sums, values, strict=True)
            partial.setdefault(key, []).append(
                Totals(count, {one.column.name: sum_of(one, value) for one, value in pairs})
            )
        return {key: add(parts) for key, parts in sorted(partial.items())}

    @contextmanager
    def _about(self, table: Table) -> Iterator[None]:
        """Errors of the session say which table it was about."""
        try:
            yield
        except LakeError as error:
            told = str(error)
            raise type(error)(
                f"{table.shown} of {told}" if told.startswith(self.where) else told
            ) from None


def lake_type(shown: str) -> ColumnType | None:
    """The lake's equal of Hive's type; None where there is none.

    >>> lake_type("decimal(18,2)"), lake_type("array<int>")
    (ColumnType(name='decimal(18,2)', precision=18, scale=2), None)
    """
    if shown.startswith("decimal("):
        return parse_type(shown)
    name = _TYPES.get(re.sub(r"\(\d+\)$", "", shown))
    return ColumnType(name) if name else None


def _arrow(found: SourceColumn) -> pa.DataType:
    """As what a column is taken from the wire: lists and structs come as JSON text."""
    return found.type.arrow() if found.type else pa.string()
