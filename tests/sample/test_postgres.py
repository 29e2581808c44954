"""The generated tables loaded into a real PostgreSQL: the same rows, exact types."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from lake_assets.loader import SHIPPED, read_pipelines
from lake_assets.pipeline import assets
from lake_assets.sample.generate import dirty_day, tables, write_duckdb
from lake_assets.sample.postgres import write_postgres
from lake_assets.source_reading import source_table
from lake_assets.spec.sources import SourceSpec
from resources.settings import Sample, load_settings
from resources.source import Span, open_source
from tests.servers.environment import write_pg_environment
from tests.servers.postgres import PostgresServer

SAMPLE = Sample(days=210, until="2026-02-28", scale=0.1)
TODAY = date(2026, 3, 1)
ORDERS = {
    "KNA1": '"KUNNR"',
    "ZFIT0010": '"BELNR", "BUZEI"',
    "ZFIT0020": '"BELNR", "BUZEI"',
    "/BIC/AZSD_O0100": '"DOC_NUMBER", "S_ORD_ITEM"',
}


@pytest.mark.server
def test_postgres_has_what_duckdb_has(tmp_path: Path, postgres_server: PostgresServer) -> None:
    database = postgres_server.create_database("sample_equal")
    address = {
        "host": postgres_server.host,
        "port": postgres_server.port,
        "user": postgres_server.user,
        "dbname": database,
    }
    first = write_postgres(address, SAMPLE, TODAY)
    assert write_postgres(address, SAMPLE, TODAY) == first  # replaced, not appended

    rows: Counter[str] = Counter()
    built = {g.connection: g for g in write_duckdb(tmp_path, SAMPLE, TODAY)}
    with closing(postgres_server.connect(database)) as server, server.cursor() as cursor:
        for table in tables(SAMPLE, TODAY):
            # Digits only, so that both sort alike; the dirty day's two lines are equal anyway.
            order = ORDERS[table.table]
            query = f"SELECT * FROM {table.target} ORDER BY {order}"
            cursor.execute(query)
            found = cursor.fetchall()
            with duckdb.connect(str(built[table.connection].path), read_only=True) as con:
                wanted = con.execute(query).fetchall()
            assert found == wanted
            rows[table.connection] += len(found)
            assert first[f"{table.connection}.{table.table}"] == len(found)

        assert rows == {name: one.rows for name, one in built.items()}

        cursor.execute(
            """SELECT column_name, data_type, character_maximum_length, numeric_precision,
                      numeric_scale FROM information_schema.columns WHERE table_schema = 'SAPBW'"""
        )
        types = {name: kind for name, *kind in cursor.fetchall()}
    assert types["AMOUNT"] == ["numeric", None, 18, 2]
    assert types["REQTSN"] == ["numeric", None, 23, 0]
    assert types["CALDAY"] == ["character", 8, None, None]
    assert types["/BIC/ZMATTXT"] == ["character varying", 60, None, None]
    assert types["/BIC/ZSALESP"][0] == "bigint"
    assert types["CHANGED_AT"][0] == "timestamp without time zone"


@pytest.mark.server
def test_pipelines_read_the_same_from_either(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    """No pipeline file differs between `local` and `pg`: types, rows and totals are equal."""
    database = postgres_server.create_database("sample_either")
    address = {
        "host": postgres_server.host,
        "port": postgres_server.port,
        "user": postgres_server.user,
        "dbname": database,
    }
    write_postgres(address, SAMPLE, TODAY)
    write_duckdb(tmp_path, SAMPLE, TODAY)
    file = write_pg_environment(
        tmp_path / "environments", postgres_server.port, database, postgres_server.user
    )
    environ = {"LAKE_HOME": str(tmp_path), "LAKE_ENVIRONMENTS": str(file.parent)}
    dirty = dirty_day(SAMPLE, TODAY)
    assert dirty is not None
    spans = {
        None: None,
        "daily": Span(dirty, dirty + timedelta(days=3), "daily"),
        "monthly": Span(date(2026, 2, 1), date(2026, 3, 1), "monthly"),
    }
    pipelines, mistakes = read_pipelines([SHIPPED])
    assert mistakes == []
    checked = 0
    for asset in (asset for pipeline in pipelines for asset in assets(pipeline)):
        if not isinstance(asset.spec, SourceSpec) or asset.spec.described:
            continue  # files, indices and APIs are the same in every environment
        checked += 1
        found = {}
        for env in ("local", "pg"):
            settings = load_settings(env, environ)
            table = source_table(asset, asset.spec, {}, settings)
            with open_source(settings, asset.spec.connection) as source:
                types = {column.name: column.type for column in source.describe(table)}
                assert [types[column.source] for column in table.columns] == [
                    column.type for column in table.columns
                ]
                span = spans[asset.partitions.cadence if asset.partitions else None]
                with source.read(table, span) as reading:
                    rows = [row for batch in reading.batches for row in batch.to_pylist()]
                    found[env] = (reading.schema, rows, dict(reading.totals))
        assert found["local"] == found["pg"]
        # Every row of the sample has its day.
        assert (len(found["pg"][1]) > 100) != (asset.name == "sales_line_undated")
    assert checked == 6
