"""The plan of reading a table, whatever system has it: types, conditions, partitions, totals.

Here: which declared type a source's type can become without loss, which rows are asked for, to
which partition a moment belongs, sums exactly. Not here: the course of a reading and the driver
(`duckdb_tables.py`, `hive_source.py`), nor how a value becomes SQL text (`sql.py`).
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Context, Decimal
from typing import Any, Literal

import pyarrow as pa

from resources import sql
from resources.errors import PermanentError, TransientError
from resources.partition import key_at
from resources.source import Column, SourceColumn, Span, Split, Survey, Table, Totals, Window
from resources.types import ColumnType, parse_type
from resources.yamlfile import nearest

_DIGITS = {"int8": 3, "int16": 5, "int32": 10, "int64": 19}
_INTS = tuple(_DIGITS)

Step = Literal["same", "widen", "prove"]


def step(found: SourceColumn, declared: ColumnType, *, number: bool) -> Step | None:
    """How a source's column becomes the declared type; None where that could lose something.

    `number`: an exact number whose size the source does not bound (`numeric`, `HUGEINT`).
    """
    have, want = found.type, declared
    if number:
        fits = want.is_decimal or want.name in _INTS
        return "prove" if fits else ("widen" if want.name == "string" else None)
    if have is None:
        return "widen" if want.name == "string" else None
    if have == want:
        return "same"
    if have.name in _INTS:
        if want.name in _INTS:
            return "widen" if _DIGITS[want.name] > _DIGITS[have.name] else "prove"
        if want.is_decimal:
            wide = want.precision - want.scale >= _DIGITS[have.name]
            return "widen" if wide else "prove"
        if want.name == "float64" and have.name != "int64":
            return "widen"
    if have.is_decimal:
        if want.is_decimal:
            whole = want.precision - want.scale >= have.precision - have.scale
            return "widen" if whole and want.scale >= have.scale else "prove"
        if want.name in _INTS:
            return "prove"
    pairs: dict[tuple[str, str], Step] = {
        ("float32", "float64"): "widen",
        ("date", "timestamp"): "widen",
        ("timestamp", "date"): "prove",
    }
    if want.name == "string" and (have.name in (*_INTS, "boolean") or have.is_decimal):
        return "widen"
    return pairs.get((have.name, want.name))


@dataclass(frozen=True)
class Field:
    """A declared column with what the source has for it, and the step between them."""

    column: Column
    found: SourceColumn
    step: Step
    sql: str
    """The column in the source, as SQL text: `q."AMT"`."""


class TableReader(ABC):
    """What every source of tables plans in the same way. Subclasses are the systems."""

    dialect: sql.Dialect
    route: str

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    @abstractmethod
    def where(self) -> str:
        """The connection and its address, for messages: `'postgres' (host:5432/db)`."""

    @abstractmethod
    def describe(self, table: Table) -> list[SourceColumn]: ...

    @abstractmethod
    def peek(self, table: Table, rows: int) -> pa.Table: ...

    @abstractmethod
    def _number(self, found: SourceColumn) -> bool:
        """Whether the column holds exact numbers of no bounded size."""

    @abstractmethod
    def _value(self, field: Field) -> str:
        """The column as SQL text, cast to the declared type where it is another."""

    def _summed(self, field: Field) -> str:
        """What is added up; systems whose sums have the bounds of their values cast it."""
        return field.sql

    def _of(self, table: Table) -> str:
        return f"{table.shown} of {self.where}"

    @contextmanager
    def shared(self, table: Table) -> Iterator[str | None]:
        """No state that other connections could read, where a system does not say otherwise."""
        yield None

    def survey(self, table: Table, span: Span | None, column: str, *, ends: bool) -> Survey:
        """Count, sums and the ends of `column` in one statement, read as a free query is."""
        fields = self._planned(self.describe(table), table)
        by_name = {field.column.name: field for field in fields}
        key, sums = by_name[column], [by_name[name] for name in table.sums]
        asked = [("n", "int64", "count(*)")]
        if ends:
            asked += [(end, key.column.type.name, f"{end}({key.sql})") for end in ("min", "max")]
        for place, field in enumerate(sums):
            text, kind = f"sum({self._summed(field)})", "float64"
            if self._exact(field.found):
                kind = f"decimal(38,{field.column.type.scale})"
                text = f"CAST({text} AS {kind.upper()})"
            asked.append((f"sum{place}", kind, text))
        query = sql.statement(
            [f"{text} AS {sql.quoted(name, self.dialect)}" for name, _, text in asked],
            sql.relation(table, span, self.dialect),
            self._where(table, fields, span),
        )
        columns = tuple(Column(name, name, parse_type(kind)) for name, kind, _ in asked)
        try:
            (row,) = self.peek(Table(columns, query=query, state=table.state), 1).to_pylist()
        except (ValueError, OverflowError):  # infinity of PostgreSQL: no date of Python's
            raise PermanentError(
                f"{self._of(table)}: the ends of {key.column.source!r} are no values that a "
                "partition can be cut between. Give `bounds` in `splits` instead of a count."
            ) from None
        told = {f.column.name: sum_of(f, row[f"sum{i}"]) for i, f in enumerate(sums)}
        low, high = row.get("min"), row.get("max")
        totals = Totals(row["n"], told)
        return Survey(totals, low, high, key.found.nullable, self.route)

    def _planned(self, described: Sequence[SourceColumn], table: Table) -> list[Field]:
        """Every declared column with its plan; all that is wrong with them at once."""
        found = {column.name: column for column in described}
        fields: list[Field] = []
        wrong: list[str] = []
        for column in table.columns:
            have = found.get(column.source)
            if have is None:
                wrong.append(f"no column {column.source!r}; {nearest(column.source, found)}")
                continue
            how = step(have, column.type, number=self._number(have))
            if how is None:
                cure = f"declare {have.type.name}" if have.type else "declare string"
                wrong.append(
                    f"column {column.source!r} is {have.shown}, which cannot become "
                    f"{column.type.name} without loss; {cure}, or cast it in a `query`"
                )
                continue
            text = f"q.{sql.quoted(column.source, self.dialect)}"
            fields.append(Field(column, have, how, text))
        if wrong:
            raise PermanentError(f"{self._of(table)}: " + "; ".join(wrong) + ".")
        return fields

    def _check_unchanged(
        self,
        table: Table,
        span: Span | None,
        before: Mapping[str, Totals],
        after: Mapping[str, Totals],
    ) -> None:
        """TransientError where the source tells other totals after the reading than before."""
        changed = differing(before, after)
        if changed:
            where = ", ".join(changed[:3]) if span is not None else "all of it"
            raise TransientError(
                f"{self._of(table)}: changed while being read ({where}): its count or sums before "
                "and after differ. Try again when its writer is done."
            )

    def _check_span(self, table: Table, span: Span | None) -> None:
        """PermanentError where a partition is asked of a table that has no window."""
        if span is not None and table.window is None:
            raise PermanentError(
                f"{self._of(table)}: a partition can be read only where `window` says which "
                "column holds the day."
            )

    def _where(self, table: Table, fields: Sequence[Field], span: Span | None) -> list[str]:
        where = self._chosen(table, fields)
        if span is not None and not self._bounds_itself(table):
            window, field, instant = self._window(table, fields)
            number = self._exact(field.found)
            where.append(
                sql.window_condition(
                    field.sql, window.kind, span, self.dialect, instant=instant, number=number
                )
            )
        return where

    def _chosen(self, table: Table, fields: Sequence[Field]) -> list[str]:
        """The conditions on rows that are in any partition."""
        where = []
        if table.filter is not None:
            columns = [field.column for field in fields]
            where.append(sql.condition(table.filter, columns, table.params, self.dialect))
        by_name = {field.column.name: field for field in fields}
        where += [
            f"{self._value(by_name[name])} = {sql.literal(value, self.dialect)}"
            for name, value in table.equal.items()
        ]
        if table.split is not None:
            where.append(self._within(table, table.split, by_name[table.split.column]))
        return where

    def _within(self, table: Table, split: Split, field: Field) -> str:
        """Which rows are in a part of a partition; every row is in exactly one of its parts."""
        have = field.found.type.name if field.found.type else ""
        if (field.column.type.name == "string") != (have == "string"):
            raise PermanentError(
                f"{self._of(table)}: {field.column.source!r} is {field.found.shown} there, whose "
                f"order is not that of {field.column.type.name}, so the partition cannot be split "
                "by it. Split by another column."
            )
        if split.null:
            return f"{field.sql} IS NULL"
        parts = [
            f"{field.sql} {sign} {sql.literal(end, self.dialect)}"
            for sign, end in ((">=", split.low), ("<", split.high))
            if end is not None
        ]
        return " AND ".join(parts) or f"{field.sql} IS NOT NULL"

    def _order(self, table: Table) -> list[str]:
        """The columns that rows come sorted by: a split is of one partition, so of one window."""
        window = [table.window.column] if table.window and table.split is None else []
        return list(dict.fromkeys([*window, *table.order_by]))

    def _bounds_itself(self, table: Table) -> bool:
        """A query that uses `:start` or `:end` chooses its days itself; they are then checked."""
        if table.query is None:
            return False
        return bool({"start", "end"} & set(sql.placeholders(table.query, self.dialect)))

    def _window(self, table: Table, fields: Sequence[Field]) -> tuple[Window, Field, bool]:
        window = table.window
        assert window is not None
        field = next(f for f in fields if f.column.name == window.column)
        have = field.found.type.name if field.found.type else ""
        if have in ("date", "timestamp", "timestamptz"):
            fits = window.kind != "yyyymmdd"
        else:
            fits = window.kind == "yyyymmdd" and (have == "string" or self._exact(field.found))
        if not fits:
            raise PermanentError(
                f"{self._of(table)}: the window column {field.column.source!r} is "
                f"{field.found.shown}, so its kind cannot be {window.kind}."
            )
        return window, field, have == "timestamptz"

    def _exact(self, found: SourceColumn) -> bool:
        """Whether the column holds exact numbers, of bounded size or not."""
        of_type = found.type is not None and (found.type.name in _INTS or found.type.is_decimal)
        return of_type or self._number(found)

    def _key(self, table: Table, value: Any, span: Span) -> str:
        when = _as_time(value)
        if when is None or not span.start <= when < span.end:
            window = next(
                c for c in table.columns if table.window and c.name == table.window.column
            )
            shown = "a personal value" if window.personal else f"{value!s:.40}"
            unit = "hour" if span.cadence == "hourly" else "day"
            raise PermanentError(
                f"{self._of(table)}: the window column has {shown}, which is no {unit} from "
                f"{span.start} to before {span.end}. Mend the rows, exclude them by a `filter`, "
                "or let the query keep to :start and :end."
            )
        return key_at(span.cadence, when)


def arrow_schema(columns: Sequence[Column]) -> pa.Schema:
    """The declared columns as Arrow."""
    return pa.schema([(column.name, column.type.arrow()) for column in columns])


def _as_time(value: Any) -> date | None:
    """The day of a DATE or of yyyymmdd, a timestamp itself; None for anything else.

    A number may be written with places after the point, as its type has them: 20250701.00.
    """
    if isinstance(value, date):
        return value
    text = str(value)
    if not re.fullmatch(r"[0-9]{8}(\.0+)?", text):
        return None
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:8]))
    except ValueError:
        return None


def sum_of(field: Field, value: str | Decimal | float | None) -> Decimal | int | float:
    """A sum as the source tells it: text, or a number as the driver has it."""
    declared = field.column.type
    if declared.name.startswith("float"):
        return float(value or 0)
    exact = Decimal(value or 0)
    return exact if declared.is_decimal else int(exact)


def moment_of(text: Any) -> Any:
    """`2025-07-01` or `2025-07-01 09` as what it says; any other text as it is."""
    if text is None:
        return None
    read = {10: date.fromisoformat, 13: datetime.fromisoformat}.get(len(str(text)), str)
    try:
        return read(text)
    except ValueError:
        return text


def differing(before: Mapping[str, Totals], after: Mapping[str, Totals]) -> list[str]:
    """The partitions of which the source tells other totals after than before."""
    keys = sorted({*before, *after})
    return [key for key in keys if not _equal(before.get(key), after.get(key))]


def _equal(one: Totals | None, other: Totals | None) -> bool:
    if one is None or other is None or one.rows != other.rows:
        return False
    # Floats are added in any order; everything else is exact.
    return all(
        math.isclose(value, other.sums[name], rel_tol=1e-9)
        if isinstance(value, float)
        else value == other.sums[name]
        for name, value in one.sums.items()
    )


#: A sum has more digits than the 28 that Python's own context keeps.
_EXACT = Context(prec=100)


def add(parts: Sequence[Totals]) -> Totals:
    def total(values: Sequence[Any]) -> Any:
        first, *rest = values
        for value in rest:
            exact = isinstance(first, Decimal) or isinstance(value, Decimal)
            first = _EXACT.add(first, value) if exact else first + value
        return first

    sums: Mapping[str, Any] = {
        name: total([part.sums[name] for part in parts]) for name in parts[0].sums
    }
    return Totals(sum(part.rows for part in parts), sums)
