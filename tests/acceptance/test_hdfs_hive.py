"""A million rows from PostgreSQL to a real HDFS, read back through real HiveServer2s in two zones.

Here: that nothing changes on that way, by Hive's own SQL and value by value. Not here: Hive as an
engine and what goes wrong (`test_hive_engine.py`), faults of HDFS (`test_hdfs_faults.py`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from resources.hive import open_hive
from resources.settings import Settings, load_settings
from resources.source import Column, Span, Table, Window, open_source
from resources.sql import quoted
from resources.types import parse_type
from tests.acceptance.lake import (
    command,
    ended,
    open_lake,
    pg_environment,
    sales_pipeline,
    write_pipeline,
)
from tests.servers.hdfs import HdfsServer
from tests.servers.hive import HiveServer, running_hive
from tests.servers.postgres import PostgresServer
from tests.servers.sales_table import START, TYPES, assert_equal_rows, build_sales, server_rows

pytestmark = [pytest.mark.server, pytest.mark.slow]

ROWS = 1_000_000
DAYS = [(START + timedelta(days=n)).isoformat() for n in range(31)]
ROOT = "/data/lake/million"


@contextlib.contextmanager
def published(
    postgres: PostgresServer, hdfs: HdfsServer, hives: dict[str, HiveServer], folder: Path
) -> Iterator[dict[str, Settings]]:
    """The lake with all days in it, as the environments of each Hive see it."""
    database = postgres.create_database("to_hive")
    build_sales(postgres, database, rows=ROWS, days=len(DAYS))
    environment = pg_environment(folder / "envs", postgres, database)
    content = yaml.safe_load(environment.read_text())
    content["store"] = {"root": ROOT, "connection": "hdfs", "parquet": "hive1", "hive": "hive"}
    content["connections"]["hdfs"] = {"kind": "hdfs", "url": hdfs.url, "user": "lake"}
    for name, hive in hives.items():
        address = {"kind": "hive", "host": hive.host, "port": hive.port, "user": hive.user}
        content["connections"]["hive"] = address
        (folder / "envs" / f"{name}.yaml").write_text(yaml.safe_dump(content))
    pipelines = write_pipeline(folder / "pipelines", sales_pipeline())
    first, *others = hives
    with open_lake(folder / "home", [pipelines], folder / "envs", env=first) as lake:
        run = lake.run("raw/sales", first=DAYS[0], last=DAYS[-1])
        assert run.success, run.message
        assert lake.materialised_by("raw/sales", run) == set(DAYS)
    for name in others:
        words = {"environments": folder / "envs", "pipelines": pipelines, "env": name}
        code, out, err = ended(command(folder / "home", "hive", "sync", "raw/sales", **words))  # type: ignore[arg-type]
        assert code == 0, out + err
    environ = {"LAKE_HOME": str(folder / "home"), "LAKE_ENVIRONMENTS": str(folder / "envs")}
    yield {name: load_settings(name, environ) for name in hives}


@pytest.fixture(scope="module")
def lakes(
    postgres_server: PostgresServer,
    hdfs_server: HdfsServer,
    hive_server: HiveServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Settings]]:
    assert hive_server.time_zone == "Asia/Seoul"
    folder = tmp_path_factory.mktemp("million")
    with running_hive(hdfs_server, time_zone="UTC") as utc:
        hives = {"seoul": hive_server, "utc": utc}
        with published(postgres_server, hdfs_server, hives, folder) as settings:
            yield settings
            with open_hive(settings["seoul"], "hive") as hive:
                hive.run("DROP DATABASE raw CASCADE")


def facts(dialect: str) -> list[str]:
    """What is asked of every column, in SQL of both but for the name of a text."""
    asked = ["count(*)"]
    for name, type_ in TYPES.items():
        column = quoted(name, dialect)  # type: ignore[arg-type]
        found = f"sum(CASE WHEN {column} {{}} THEN 1 ELSE 0 END)"
        asked.append(found.format("IS NULL"))
        if type_ == "string":
            asked.append(found.format("= ''"))
            asked.append(found.format("RLIKE '[가-힣]'" if dialect == "hive" else "~ '[가-힣]'"))
            asked.append(f"sum(length({column}))")
        elif type_ in ("date", "timestamp"):
            text = f"CAST({{}}({column}) AS {'STRING' if dialect == 'hive' else 'text'})"
            asked += [text.format("min"), text.format("max")]
        else:
            # A sum of integers as a decimal: Hive's own begins anew beyond 2^63.
            exact = f"CAST({column} AS decimal(38, 0))" if type_.startswith("int") else column
            asked += [f"sum({exact})", f"min({column})", f"max({column})"]
    return asked


def plain(row: tuple[Any, ...]) -> list[Any]:
    """Hive shows a whole second as `.0`, PostgreSQL without."""
    return [one.removesuffix(".0") if isinstance(one, str) else one for one in row]


@pytest.mark.parametrize("zone", ["seoul", "utc"])
def test_hive_counts_adds_and_orders_as_postgres_does(
    lakes: dict[str, Settings], postgres_server: PostgresServer, zone: str
) -> None:
    with contextlib.closing(postgres_server.connect("to_hive")) as connection:
        cursor = connection.cursor()
        cursor.execute(f"SELECT {', '.join(facts('postgres'))} FROM sales")
        expected = cursor.fetchone()
    with open_hive(lakes[zone], "hive") as hive:
        [found] = hive.rows(f"SELECT {', '.join(facts('hive'))} FROM raw.sales")
        days = hive.rows("SELECT count(*) FROM raw.sales WHERE dt <> sale_date")
    named = zip(facts("hive"), plain(found), plain(expected), strict=True)
    assert [(what, ours, theirs) for what, ours, theirs in named if ours != theirs] == []
    assert found[0] == ROWS
    assert days == [(0,)]


@pytest.mark.parametrize("zone", ["seoul", "utc"])
def test_every_value_comes_back_through_hive(
    lakes: dict[str, Settings], postgres_server: PostgresServer, zone: str
) -> None:
    """The lake's table read as a source, as any other table of Hive would be."""
    columns = {**TYPES, "dt": "date"}
    table = Table(
        columns=tuple(Column(name, name, parse_type(type_)) for name, type_ in columns.items()),
        schema="raw",
        table="sales",
        window=Window("dt", "date"),
        sums=("amount", "qty", "cust_id"),
    )
    span = Span(START, START + timedelta(len(DAYS)), "daily")
    with open_source(lakes[zone], "hive") as source, source.read(table, span) as reading:
        found = pa.Table.from_batches(reading.batches, reading.schema)
        assert sorted(reading.totals) == DAYS
        assert sum(one.rows for one in reading.totals.values()) == ROWS
    assert found["dt"].equals(found["sale_date"])
    assert_equal_rows(found.drop_columns(["dt"]), server_rows(postgres_server, "to_hive", TYPES))
