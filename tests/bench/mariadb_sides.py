"""What is measured of MariaDB → Parquet: the lake's way and connectorx's.

Here: functions that a measured process calls, each importing what it uses before its meter starts.
Not here: what they are compared by (`mariadb_read.py`).
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from tests.bench.meter import Meter
from tests.bench.sides import NOT_NULL, SUMS


def published(
    meter: Meter,
    host: str,
    port: int,
    user: str,
    table: str,
    span: list[str],
    root: str,
    types: dict[str, str],
) -> dict[str, Any]:
    """Read, counted and summed before and after, judge, reconcile, publish."""
    from lake_assets import publish
    from lake_assets.rules import Inspector
    from lake_assets.spec import Checks, ColumnSpec, Gates
    from resources import mariadb
    from resources.folder_store import FolderStore
    from resources.partition import Partition
    from resources.settings import Connection
    from resources.source import Column, Span, Table, Window
    from resources.types import parse_type

    columns = {n: ColumnSpec(type=t, nullable=n not in NOT_NULL) for n, t in types.items()}
    described = Table(
        columns=tuple(Column(n, n, parse_type(t), n not in NOT_NULL) for n, t in types.items()),
        table=table,
        window=Window("sale_date", "date"),
        sums=SUMS,
    )
    connection = Connection(kind="mariadb", host=host, port=port, database="bench", user=user)
    days = Span(date.fromisoformat(span[0]), date.fromisoformat(span[1]), "monthly")
    with meter():
        inspector = Inspector(Gates(), Checks(), columns, SUMS)
        with mariadb.connect("bench", connection) as source, source.read(described, days) as read:
            (outcome,) = publish.land(
                FolderStore(Path(root), "modern"),
                [Partition("raw", table, "monthly", span[0][:7])],
                read.schema,
                publish.by_column(read.batches, "sale_date", "monthly"),
                inspector,
                read.totals,
                lambda key: None,
            )
    assert outcome.published
    assert next(gate.rule for gate in outcome.gates) == "reconciled"
    return {"file": outcome.published.path, "rows": outcome.published.rows}


def by_connectorx(
    meter: Meter,
    host: str,
    port: int,
    user: str,
    table: str,
    span: list[str],
    file: str,
    types: dict[str, str],
) -> dict[str, Any]:
    """Its stream, cast back to the declared types (of decimals it makes decimal(38,10)), written by
    the same encoder. Nothing is counted, judged or published."""
    import connectorx
    import pyarrow as pa

    from resources.parquet import ParquetStream
    from resources.types import parse_type

    schema = pa.schema([(name, parse_type(kind).arrow()) for name, kind in types.items()])
    query = (
        f"SELECT {', '.join(types)} FROM {table} "
        f"WHERE sale_date >= '{span[0]}' AND sale_date < '{span[1]}' ORDER BY sale_date"
    )
    rows = 0
    with meter():
        batches = connectorx.read_sql(
            f"mysql://{user}@{host}:{port}/bench",
            query,
            return_type="arrow_stream",
            batch_size=65_536,
        )
        with Path(file).open("wb") as sink:
            stream = ParquetStream(sink, schema, "modern")
            for batch in batches:
                stream.write(batch.cast(schema))
                rows += batch.num_rows
            stream.close()
    return {"file": file, "rows": rows}
