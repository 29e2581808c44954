"""What is measured of PostgreSQL → Parquet: the lake's way and its peers'.

Here: functions that a measured process calls, each importing what it uses before its meter starts.
Not here: what they are compared by.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.meter import Meter

if TYPE_CHECKING:
    from resources.source import Source

#: What the table itself declares NOT NULL.
NOT_NULL = (
    *("line_id", "order_id", "sale_date", "sold_at", "store_cd", "store_nm"),
    *("item_cd", "item_nm", "unit_price", "amount"),
)
SUMS = ("amount", "discount")


def published(
    meter: Meter,
    host: str,
    port: int,
    user: str,
    table: str,
    span: list[str] | None,
    root: str,
    types: dict[str, str],
    kind: str = "postgres",
) -> dict[str, Any]:
    """Read, judge, reconcile, publish. `span` None: all of the table as one partition.

    `kind`: of the connection, or `dbapi` for psycopg2 as a driver that has no other way.
    """
    from lake_assets import publish
    from lake_assets.rules import Inspector
    from lake_assets.spec.columns import ColumnSpec
    from lake_assets.spec.rules import Checks, Gates
    from resources.folder_store import FolderStore
    from resources.partition import Partition
    from resources.source import Column, Span, Table, Window
    from resources.types import parse_type

    columns = {n: ColumnSpec(type=t, nullable=n not in NOT_NULL) for n, t in types.items()}
    described = Table(
        columns=tuple(Column(n, n, parse_type(t), n not in NOT_NULL) for n, t in types.items()),
        schema=None if kind == "mariadb" else "public",
        table=table,
        window=Window("sale_date", "date") if span else None,
        sums=SUMS,
    )
    connect = _connector(kind, host, port, user)
    if span:
        days = Span(date.fromisoformat(span[0]), date.fromisoformat(span[1]), "monthly")
        partition = Partition("raw", table, "monthly", span[0][:7])
    else:
        days, partition = None, Partition("raw", table)
    with meter():
        inspector = Inspector(Gates(), Checks(), columns, SUMS)
        with connect() as source, source.read(described, days) as read:
            (outcome,) = publish.land(
                FolderStore(Path(root), "modern"),
                [partition],
                read.schema,
                publish.by_column(read.batches, "sale_date", "monthly")
                if span
                else publish.of_one("", read.batches),
                inspector,
                read.totals,
                lambda key: None,
            )
    assert outcome.published
    assert next(gate.rule for gate in outcome.gates) == "reconciled"
    return {"file": outcome.published.path, "rows": outcome.published.rows}


def _connector(kind: str, host: str, port: int, user: str) -> Callable[[], Source]:
    if kind == "dbapi":
        from tests.servers.postgres_dbapi import PostgresDbapi

        address = {"host": host, "port": port, "user": user, "dbname": "bench"}
        return lambda: PostgresDbapi(address)
    from resources.settings import Connection

    module = importlib.import_module(f"resources.{kind}")
    connection = Connection(kind=kind, host=host, port=port, database="bench", user=user)
    return lambda: module.connect("bench", connection)  # type: ignore[no-any-return]


def copied(
    meter: Meter,
    host: str,
    port: int,
    user: str,
    table: str,
    span: list[str],
    file: str,
    extension: str,
    dressed: bool = False,
) -> dict[str, Any]:
    """The same threads as ours, which uses one: the server sends one stream.

    `dressed`: with what ours imports, as the process of a step has it whoever reads the rows.
    """
    import duckdb

    if dressed:
        from lake_assets import publish  # noqa: F401
        from resources import postgres  # noqa: F401

    select = (
        f"SELECT * FROM \"{table}\" WHERE sale_date >= date ''{span[0]}'' "
        f"AND sale_date < date ''{span[1]}''"
    )
    with meter():
        db = duckdb.connect(config={"threads": 1})
        db.execute(f"LOAD '{extension}'")
        db.execute(
            f"ATTACH 'host={host} port={port} user={user} dbname=bench' AS pg "
            "(TYPE postgres, READ_ONLY)"
        )
        db.execute(
            f"COPY (SELECT * FROM postgres_query('pg', '{select}')) TO '{file}' "
            "(FORMAT parquet, CODEC zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 131072)"
        )
        db.close()
    return {"file": file}


def pandas_written(
    meter: Meter, host: str, port: int, user: str, table: str, span: list[str], file: str
) -> dict[str, Any]:
    """What a notebook does: `read_sql`, `to_parquet`."""
    import pandas as pd
    import pyarrow.parquet  # noqa: F401 - the import is no part of what is measured
    import sqlalchemy

    with meter():
        engine = sqlalchemy.create_engine(f"postgresql+psycopg2://{user}@{host}:{port}/bench")
        frame = pd.read_sql(
            sqlalchemy.text(
                f'SELECT * FROM "{table}" WHERE sale_date >= :start AND sale_date < :end'
            ),
            engine,
            params={"start": span[0], "end": span[1]},
        )
        frame.to_parquet(file)
    return {"rows": len(frame)}
