"""What is measured of a JDBC driver: the lake's way, and JayDeBeApi's cursor.

Here: functions that a measured process calls; Java runs and the connection is open before the meter
starts. Not here: what they are compared by (`jdbc_read.py`).
"""

from __future__ import annotations

from datetime import date
from typing import Any

from tests.bench.meter import Meter


def read(
    meter: Meter,
    where: dict[str, Any],
    schema: str | None,
    table: str,
    span: list[str] | None,
    types: dict[str, str],
    route: str,
) -> dict[str, Any]:
    """Every row (of `span`) as Arrow batches, counted and summed in one snapshot."""
    import time

    from resources.jdbc import connect
    from resources.settings import Connection
    from resources.source import Column, Span, Table, Window
    from resources.types import parse_type

    described = Table(
        columns=tuple(Column(n, n, parse_type(t)) for n, t in types.items()),
        schema=schema,
        table=table,
        window=Window("sale_date", "date") if span else None,
        sums=("amount", "discount"),
    )
    options = {**where["options"], "route": route}
    connection = Connection(kind="tibero", **{**where, "options": options})
    ends = [date.fromisoformat(day) for day in span or ()]
    days = Span(ends[0], ends[1], "monthly") if ends else None
    with connect("bench", connection) as source:
        started = time.monotonic()
        with meter(), source.read(described, days) as reading:
            rows = sum(batch.num_rows for batch in reading.batches)
        assert reading.totals is not None
        assert rows == sum(part.rows for part in reading.totals.values())
        return {"rows": rows, "seconds": time.monotonic() - started, "route": reading.route}


def by_cursor(
    meter: Meter, driver: str, jar: str, url: str, words: dict[str, str], query: str
) -> dict[str, Any]:
    """The rows of `query` by JayDeBeApi's `fetchmany`, kept nowhere."""
    import time

    import jaydebeapi

    connection = jaydebeapi.connect(driver, url, words, jar)
    connection.jconn.setAutoCommit(False)
    cursor = connection.cursor()
    started, found = time.monotonic(), 0
    with meter():
        cursor.execute(query)
        while fetched := cursor.fetchmany(2000):
            found += len(fetched)
    return {"rows": found, "seconds": time.monotonic() - started}
