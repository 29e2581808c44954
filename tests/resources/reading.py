"""What tests of sources share: tables that are declared, and reading all that one holds.

Here: what is the same for each driver of a server. Not here: a source's own names and types.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from resources.source import Column, Source, Span, Table, Totals
from resources.types import parse_type
from tests.servers.postgres import PostgresServer

#: Of the table that `build_windows` makes: the daily totals of July 2025, and its ids.
JULY = {"2025-07-01": Totals(1, {"id": 9}), "2025-07-31": Totals(1, {"id": 8})}
JULY_IDS = [9, 8]


def table(types: dict[str, str], name: str, **other: Any) -> Table:
    """Columns that are called the same in lake and source, by their types."""
    columns = tuple(Column(key, key, parse_type(type_)) for key, type_ in types.items())
    return Table(columns, table=name, **other)


def rows_of(source: Source, what: Table, span: Span | None = None) -> pa.Table:
    with source.read(what, span) as reading:
        return pa.Table.from_batches(reading.batches, reading.schema)


def build_windows(
    server: PostgresServer, database: str, type_: str, texts: list[str], rule: str = ""
) -> None:
    """The table `w`: ids from 10 down, with a `day` of `type_` for each text."""
    values = ", ".join(f"({10 - i}, '{text}'::{type_})" for i, text in enumerate(texts))
    server.execute(
        f"DROP TABLE IF EXISTS w; CREATE TABLE w (id int, day {type_} {rule});"
        f"INSERT INTO w VALUES {values}",
        database,
    )
