"""What is measured of a JDBC driver: the lake's way, and JayDeBeApi's cursor.

Here: functions that a measured process calls; Java runs and the connection is open before the meter
starts. Not here: what they are compared by (`jdbc_read.py`).
"""

from __future__ import annotations

from datetime import date
from typing import Any

from tests.bench.meter import Meter

JAR, DRIVER = "/usr/share/java/postgresql.jar", "org.postgresql.Driver"


def read(
    meter: Meter,
    host: str,
    port: int,
    user: str,
    table: str,
    span: list[str],
    types: dict[str, str],
    route: str,
) -> dict[str, Any]:
    """Every row of `span` as Arrow batches, counted and summed in one snapshot."""
    import time

    from resources.jdbc import connect
    from resources.settings import Connection
    from resources.source import Column, Span, Table, Window
    from resources.types import parse_type

    described = Table(
        columns=tuple(Column(n, n, parse_type(t)) for n, t in types.items()),
        schema="public",
        table=table,
        window=Window("sale_date", "date"),
        sums=("amount", "discount"),
    )
    url = f"jdbc:postgresql://{host}:{port}/bench"
    options: dict[str, str | int | bool] = {
        "jar": JAR,
        "driver": DRIVER,
        "url": url,
        "route": route,
    }
    where = Connection(
        kind="tibero", host=host, port=port, database="bench", user=user, options=options
    )
    days = Span(date.fromisoformat(span[0]), date.fromisoformat(span[1]), "monthly")
    with connect("bench", where) as source:
        started = time.monotonic()
        with meter(), source.read(described, days) as reading:
            rows = sum(batch.num_rows for batch in reading.batches)
        assert reading.totals is not None
        assert rows == sum(part.rows for part in reading.totals.values())
        return {"rows": rows, "seconds": time.monotonic() - started, "route": reading.route}


def by_cursor(
    meter: Meter, host: str, port: int, user: str, table: str, span: list[str], rows: int
) -> dict[str, Any]:
    """The first `rows` of the same rows by JayDeBeApi's `fetchmany`, kept nowhere."""
    import time

    import jaydebeapi

    url = f"jdbc:postgresql://{host}:{port}/bench?defaultRowFetchSize=2000"
    connection = jaydebeapi.connect(DRIVER, url, {"user": user}, JAR)
    connection.jconn.setAutoCommit(False)
    cursor = connection.cursor()
    started, found = time.monotonic(), 0
    with meter():
        cursor.execute(
            f"SELECT * FROM \"{table}\" WHERE sale_date >= DATE '{span[0]}' "
            f"AND sale_date < DATE '{span[1]}' ORDER BY sale_date LIMIT {rows:d}"
        )
        while fetched := cursor.fetchmany(2000):
            found += len(fetched)
    return {"rows": found, "seconds": time.monotonic() - started}
