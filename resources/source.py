"""What every source of tables offers, and how one is opened.

Here: the description of what to read, what a reading gives back, and which module serves which
kind of connection. Not here: how any one system does it (`postgres.py`, `duckdb_source.py`).
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from resources import standins
from resources.described import Described, shown
from resources.errors import PermanentError
from resources.limits import Limits
from resources.partition import Cadence
from resources.types import ColumnType

if TYPE_CHECKING:
    import pyarrow as pa

    from resources.settings import Connection, Settings

WindowKind = Literal["date", "timestamp", "yyyymmdd"]


@dataclass(frozen=True)
class Column:
    """One column to read: its name in the lake, its name in the source, its declared type.

    Values of a `personal` one stand in no message.
    """

    name: str
    source: str
    type: ColumnType
    nullable: bool = True
    personal: bool = False


@dataclass(frozen=True)
class Window:
    """The column (its name in the lake) by which rows fall into partitions."""

    column: str
    kind: WindowKind


#: What a column by which a partition is split may hold.
KeyValue = int | Decimal | date | str


@dataclass(frozen=True)
class Split:
    """The rows whose `column` is `low` or more and below `high`; None is no bound on that side.

    `null`: those in which it is NULL, and no others.
    """

    column: str
    low: KeyValue | None = None
    high: KeyValue | None = None
    null: bool = False


@dataclass(frozen=True)
class Table:
    """What to read: `table` (with `schema`) or `query`, both in the source's own names, or `of`.

    `of` describes what is no table: files, an index, an API, its templates filled in.

    `filter` is an SQL condition over the lake's column names, in DuckDB's dialect; `params` are
    the values of its `:name` placeholders (and of those in `query`). `equal` says what some columns
    (text, by their names in the lake) have in every row that is read. `split` is the part of a
    partition that is read, `state` the one state of the source to read, as `shared` gave it.
    """

    columns: tuple[Column, ...]
    schema: str | None = None
    table: str | None = None
    query: str | None = None
    window: Window | None = None
    filter: str | None = None
    equal: Mapping[str, str] = field(default_factory=dict)
    order_by: tuple[str, ...] = ()
    sums: tuple[str, ...] = ()
    params: Mapping[str, str | int | float | bool | date] = field(default_factory=dict)
    of: Described | None = None
    split: Split | None = None
    state: str | None = None

    @property
    def shown(self) -> str:
        if self.of is not None:
            return shown(self.of)
        return ".".join(filter(None, (self.schema, self.table))) or "(query)"


@dataclass(frozen=True)
class Span:
    """Days in Asia/Seoul, `start` included, `end` not; read as partitions of `cadence`.

    Of hours the ends are naive timestamps.
    """

    start: date
    end: date
    cadence: Cadence


@dataclass(frozen=True)
class SourceColumn:
    """A column as the source itself describes it. `type` is None where no lake type is its equal.

    `shown` is the source's own word for the type: `numeric(18,2)`, `timestamp without time zone`.
    """

    name: str
    type: ColumnType | None
    shown: str
    nullable: bool


@dataclass(frozen=True)
class Totals:
    """What the source itself counts for one partition. A sum over no value is 0."""

    rows: int
    sums: Mapping[str, Decimal | int | float]


@dataclass(frozen=True)
class Reading:
    """A stream of rows with what the source says of them.

    `batches` have exactly the declared columns, in order, in their declared Arrow types. With a
    window they are sorted by the window column (then `order_by`), so partitions come one after
    another. `totals` maps partition key to totals, '' for a reading without window; partitions
    without rows are absent; None where the source cannot count (files, an API), which then watches
    by itself that nothing changes. `reconciled` says how the totals relate to the rows: `same
    snapshot` or `before and after`, or what was watched.
    """

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]
    totals: Mapping[str, Totals] | None
    route: str
    reconciled: str


class Source(Protocol):
    """One open connection to a system of tables; a context manager."""

    def __enter__(self) -> Source: ...

    def __exit__(self, *exc: object) -> None: ...

    def describe(self, table: Table) -> list[SourceColumn]:
        """The columns the source has, in its order; PermanentError where there is no such table."""
        ...

    def read(self, table: Table, span: Span | None = None) -> AbstractContextManager[Reading]:
        """Stream the rows of `span` (all where None) as Arrow, with totals per partition."""
        ...

    def peek(self, table: Table, rows: int) -> pa.Table:
        """The first few rows, in the declared types."""
        ...


@dataclass(frozen=True)
class Survey:
    """What a source says of a partition at once: its totals, and the ends of a column in it.

    The ends are None where there are none, or were not asked for. `nullable`: whether the source
    lets the column be NULL; `route`: how its rows are read.
    """

    totals: Totals
    low: KeyValue | None
    high: KeyValue | None
    nullable: bool
    route: str


@runtime_checkable
class Splittable(Source, Protocol):
    """A source of which parts of a partition can be asked for, over several connections."""

    def survey(self, table: Table, span: Span | None, column: str, *, ends: bool) -> Survey:
        """Totals and ends of one partition, in one statement."""
        ...

    def shared(self, table: Table) -> AbstractContextManager[str | None]:
        """One state of the source for as long as the block lasts, for this connection and others.

        They get it by `Table.state`. None where the system cannot share one.
        """
        ...


#: Kind of connection → the module that reads it: `connect(name, connection) -> Source`.
_MODULES = {
    "duckdb": "resources.duckdb_source",
    "elasticsearch": "resources.elasticsearch",
    "hana": "resources.hana",
    "hdfs": "resources.hdfs_files",
    "hive": "resources.hive_source",
    "http": "resources.open_api",
    "mariadb": "resources.mariadb",
    "postgres": "resources.postgres",
    "sftp": "resources.sftp",
    "sqlserver": "resources.sqlserver",
    "storage": "resources.storage",
    "tibero": "resources.jdbc",
}


def open_source(settings: Settings, name: str, *, wait: bool = True) -> Source:
    """Open the connection `name`, within its limits.

    Without `wait`, one that has no session free is a BusyError at once. Drivers are imported here,
    not when a graph loads.
    """
    source, limits = unlimited(settings, name), settings.connection(name).limits
    if limits == Limits():
        return source
    from resources.limited import LimitedSource, Place

    place = Place(settings.home / "limits", f"{settings.env}.{name}")
    return LimitedSource(source, name, limits, place, wait=wait)


def unlimited(settings: Settings, name: str) -> Source:
    """The same whatever its limits, for who looks at the connection itself."""
    connection: Connection = standins.behind(settings, settings.connection(name))
    module = _MODULES.get(connection.kind)
    if module is None:
        raise PermanentError(
            f"The connection {name!r} is of kind {connection.kind!r} (environment "
            f"{settings.env!r}), which cannot be read as tables yet; can be: "
            f"{', '.join(sorted(_MODULES))}."
        )
    source: Source = importlib.import_module(module).connect(name, connection)
    return source
