"""Hours, weeks and one name of many, read from the sources that DuckDB reaches.

Here: what a window and an equality take, on a DuckDB file and on a real PostgreSQL alike. Not here:
days and months, values and errors, which are each source's own (`test_duckdb_source.py` …).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from resources import duckdb_source, postgres
from resources.errors import PermanentError
from resources.settings import Connection
from resources.source import Column, Source, Span, Table, Window
from resources.types import parse_type
from tests.servers.postgres import PostgresServer

Fill = Callable[[str], AbstractContextManager[Source]]

ROWS = """
  (1, '2025-06-29 23:59:59.999999', 'P100', 7), (2, '2025-06-30 00:00:00', 'P200', 7),
  (3, '2025-07-01 09:00:00', 'P100', 7), (4, '2025-07-01 09:59:59.999999', 'P200', 8),
  (5, '2025-07-01 10:00:00', 'P100', 7), (6, '2025-07-01 09:30:00', NULL, 7),
  (7, '2025-07-01 09:30:00', 'p100', 7), (8, '2025-07-06 23:59:59', 'P100', 8),
  (9, '2025-07-07 00:00:00', 'P100', 7)"""


@pytest.fixture(params=["duckdb", pytest.param("postgres", marks=pytest.mark.server)])
def fill(request: pytest.FixtureRequest, tmp_path: Path) -> Fill:
    """Makes a table by statements, and opens the source that has it."""
    if request.param == "duckdb":

        def in_file(statements: str) -> AbstractContextManager[Source]:
            path = tmp_path / "s.duckdb"
            with duckdb.connect(str(path)) as made:
                made.execute("SET TimeZone = 'Asia/Seoul'")
                made.execute(statements)
            return duckdb_source.connect("s", Connection(kind="duckdb", path=str(path)))

        return in_file
    server: PostgresServer = request.getfixturevalue("postgres_server")
    database = server.create_database("hours")

    def on_server(statements: str) -> AbstractContextManager[Source]:
        server.execute(statements, database)
        address: dict[str, Any] = {"host": server.host, "port": server.port, "user": server.user}
        return postgres.connect("s", Connection(kind="postgres", database=database, **address))

    return on_server


def table(at: str = "timestamp", **other: Any) -> Table:
    types = {"id": "int32", "at": at, "plant": "string", "code": "string"}
    columns = tuple(Column(name, name, parse_type(type_)) for name, type_ in types.items())
    given = {"window": Window("at", "timestamp"), "sums": ("id",), "order_by": ("id",), **other}
    return Table(columns, **{"table": "events", **given})


def read(source: Source, what: Table, span: Span | None) -> tuple[dict[str, int], list[int]]:
    """The counts that the source gives for each partition, and the ids that come."""
    with source.read(what, span) as reading:
        totals = {key: one.rows for key, one in reading.totals.items()}
        sums = sum(one.sums["id"] for one in reading.totals.values())
        ids = pa.Table.from_batches(reading.batches, reading.schema)["id"].to_pylist()
    assert sum(ids) == sums
    return totals, ids


NINE = Span(datetime(2025, 7, 1, 9), datetime(2025, 7, 1, 11), "hourly")
WEEK = Span(date(2025, 6, 30), date(2025, 7, 7), "weekly")
CASES: list[tuple[Span | None, dict[str, str], dict[str, int], list[int]]] = [
    (NINE, {}, {"2025-07-01-09": 4, "2025-07-01-10": 1}, [3, 6, 7, 4, 5]),
    (NINE, {"plant": "P100"}, {"2025-07-01-09": 1, "2025-07-01-10": 1}, [3, 5]),
    (WEEK, {}, {"2025-06-30": 7}, [2, 3, 6, 7, 4, 5, 8]),
    (WEEK, {"plant": "P200"}, {"2025-06-30": 2}, [2, 4]),
    (None, {"plant": "P100"}, {"": 5}, [1, 3, 5, 8, 9]),
    # A number that is declared as text is compared as text.
    (None, {"code": "8"}, {"": 2}, [4, 8]),
    (None, {"plant": "'; DROP TABLE events; --\\"}, {"": 0}, []),
]


@pytest.mark.parametrize("type_", ["TIMESTAMP", "TIMESTAMPTZ"])
def test_what_is_read(fill: Fill, type_: str) -> None:
    made = (
        f'CREATE TABLE events (id INTEGER, "at" {type_} NOT NULL, plant VARCHAR(8), code INTEGER);'
    )
    at = "timestamptz" if type_ == "TIMESTAMPTZ" else "timestamp"
    with fill(f"{made} INSERT INTO events VALUES {ROWS}") as source:
        for span, equal, totals, ids in CASES:
            what = table(at, equal=equal, **({} if span else {"window": None}))
            found = read(source, what, span)
            assert found == (totals, ids), (span, equal)


def test_rows_of_another_name_may_have_no_time(fill: Fill) -> None:
    made = 'CREATE TABLE events (id INTEGER, "at" TIMESTAMP, plant VARCHAR(8), code INTEGER);'
    more = ", (10, NULL, 'P200', 7)"
    with fill(f"{made} INSERT INTO events VALUES {ROWS}{more}") as source:
        assert read(source, table(equal={"plant": "P100"}), NINE)[1] == [3, 5]
        for equal in ({}, {"plant": "P200"}):
            with pytest.raises(PermanentError, match="1 rows have NULL in the window column 'at'"):
                read(source, table(equal=equal), NINE)


def test_a_query_is_given_its_hours(fill: Fill) -> None:
    made = 'CREATE TABLE events (id INTEGER, "at" TIMESTAMP, plant VARCHAR(8), code INTEGER);'
    query = 'SELECT * FROM events WHERE "at" >= :start AND "at" < :end'
    with fill(f"{made} INSERT INTO events VALUES {ROWS}") as source:
        one = table(table=None, query=query, equal={"plant": "P100"})
        assert read(source, one, NINE) == ({"2025-07-01-09": 1, "2025-07-01-10": 1}, [3, 5])
        beyond = 'SELECT * FROM events WHERE "at" >= :start'
        with pytest.raises(PermanentError, match="is no hour from 2025-07-01 09:00:00 to before"):
            read(source, table(table=None, query=beyond), NINE)
