"""The main path on a real PostgreSQL server, through Dagster: what must hold of every value.

Here: a million rows exact, ranges with a bad day, snapshots, environments that give the same lake.
Not here: processes that are killed (`test_killed_runs.py`), changed or absent sources
(`test_sources_that_change.py`).
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from lake_assets.sample.generate import write_duckdb
from lake_assets.sample.postgres import write_postgres
from resources.postgres import PostgresTables
from resources.settings import Sample
from tests.acceptance.lake import (
    Lake,
    hidden,
    open_lake,
    pg_environment,
    sales_pipeline,
    write_pipeline,
)
from tests.servers.postgres import PostgresServer
from tests.servers.sales_table import START, TYPES, assert_equal_rows, build_sales, server_rows

pytestmark = pytest.mark.server

DAYS = [(START + timedelta(days=n)).isoformat() for n in range(31)]
BAD = "2025-07-15"


@contextlib.contextmanager
def sales_lake(
    server: PostgresServer, folder: Path, database: str, **options: Any
) -> Iterator[Lake]:
    parquet = options.pop("parquet", "modern")
    environment = pg_environment(folder / "envs", server, database, parquet=parquet)
    pipelines = write_pipeline(folder / "pipelines", sales_pipeline(**options))
    with open_lake(folder / "home", [pipelines], environment.parent) as lake:
        yield lake


@pytest.fixture(scope="module")
def million(postgres_server: PostgresServer) -> str:
    database = postgres_server.create_database("million")
    build_sales(postgres_server, database, rows=1_000_000, days=31)
    return database


@pytest.fixture
def month(postgres_server: PostgresServer) -> str:
    """A thousand rows a day."""
    database = postgres_server.create_database("month")
    build_sales(postgres_server, database, rows=31_000, days=31)
    return database


def bare(table: pa.Table) -> pa.Table:
    """Without the partition column, which must be that of the rows."""
    assert pc.all(pc.equal(table["dt"], table["sale_date"])).as_py()
    return table.drop_columns(["dt"])


def test_a_million_rows_come_out_as_they_are(
    postgres_server: PostgresServer, million: str, tmp_path: Path
) -> None:
    with sales_lake(postgres_server, tmp_path, million) as lake:
        run = lake.run("raw/sales", first=DAYS[0], last=DAYS[-1])
        assert run.success
        assert lake.materialised_by("raw/sales", run) == set(DAYS)
        assert lake.store.keys("raw", "sales") == DAYS
        found = bare(lake.read("raw/sales", *DAYS))
        assert found.num_rows == 1_000_000
        assert_equal_rows(found, server_rows(postgres_server, million, TYPES))
        # What makes it hard is there.
        assert pc.max(found["amount"]).as_py() > 2**53
        assert found["comment"].null_count > 0
        assert pc.sum(pc.equal(found["comment"], "")).as_py() > 0
        assert pc.any(pc.match_substring(found["comment"], "\n")).as_py()
        assert lake.check("raw/sales", "gates") == {
            "succeeded": set(DAYS),
            "failed": set(),
        }

        # Again: the whole range byte by byte, and a day by itself.
        before = {day: lake.sha("raw/sales", day) for day in DAYS}
        again = lake.run("raw/sales", first=DAYS[0], last=DAYS[-1])
        assert lake.materialised_by("raw/sales", again) == set(DAYS)
        assert {day: lake.sha("raw/sales", day) for day in DAYS} == before
        assert lake.run("raw/sales", first=BAD).success
        assert lake.sha("raw/sales", BAD) == before[BAD]
        assert hidden(lake.settings.store_root) == []


@pytest.mark.parametrize("order_by", [["line_id"], None], ids=["ordered", "unordered"])
def test_old_readers_parquet_is_exact_too(
    postgres_server: PostgresServer, month: str, tmp_path: Path, order_by: list[str] | None
) -> None:
    with sales_lake(postgres_server, tmp_path, month, parquet="hive1", order_by=order_by) as lake:
        assert lake.run("raw/sales", first=DAYS[0], last=DAYS[-1]).success
        found = bare(lake.read("raw/sales", *DAYS))
        assert_equal_rows(found, server_rows(postgres_server, month, TYPES))
        before = lake.sha("raw/sales", BAD)
        assert lake.run("raw/sales", first=BAD).success
        assert_equal_rows(bare(lake.read("raw/sales", *DAYS)), found)
        if order_by:
            assert lake.sha("raw/sales", BAD) == before


def test_one_bad_day_of_31_keeps_its_old_file(
    postgres_server: PostgresServer, month: str, tmp_path: Path
) -> None:
    with sales_lake(postgres_server, tmp_path, month) as lake:
        first = lake.run("raw/sales", first=DAYS[0], last=DAYS[-1])
        assert first.success
        before = {day: lake.sha("raw/sales", day) for day in DAYS}
        for statement in (
            "DROP INDEX sales_line_id_idx",
            "UPDATE sales SET amount = amount + 1",
            f"INSERT INTO sales SELECT * FROM sales WHERE sale_date = '{BAD}' LIMIT 1",
        ):
            postgres_server.execute(statement, month)

        run = lake.run("raw/sales", first=DAYS[0], last=DAYS[-1])

        others = set(DAYS) - {BAD}
        assert not run.success
        assert lake.materialised_by("raw/sales", run) == others
        assert lake.materialised_by("raw/sales", first) == {BAD}
        after = {day: lake.sha("raw/sales", day) for day in DAYS}
        assert {day for day in DAYS if after[day] != before[day]} == others
        assert lake.check("raw/sales", "gates") == {
            "succeeded": others,
            "failed": {BAD},
        }
        assert lake.shown_as_failed("raw/sales") == {BAD}
        assert not lake.evaluation("raw/sales", "gates", BAD).passed
        assert lake.evaluation("raw/sales", "gates", DAYS[0]).passed
        assert run.message.startswith(
            "raw/sales: gates failed in 1 of 31 partitions, which keeps its old file:\n"
            f"{BAD}: unique(line_id): found rows too many: 1, allowed each key once"
        )
        assert "Correct the source or the gate" in run.message
        assert "pipelines/sales/pipeline.yaml" in run.message
        assert run.failure.metadata["lake/refused"].value == [BAD]
        assert run.count("STEP_RESTARTED") == run.count("STEP_UP_FOR_RETRY") == 0
        # 30 new days, one old: exactly so.
        now = server_rows(postgres_server, month, TYPES, where=f"sale_date <> '{BAD}'")
        assert_equal_rows(bare(lake.read("raw/sales", *sorted(others))), now)

        # Mended, the day is published and its check is green again.
        postgres_server.execute(
            "DELETE FROM sales a USING sales b WHERE a.line_id = b.line_id AND a.ctid > b.ctid",
            month,
        )
        assert lake.run("raw/sales", first=BAD).success
        assert lake.check("raw/sales", "gates")["failed"] == set()
        assert lake.shown_as_failed("raw/sales") == set()
        assert_equal_rows(
            bare(lake.read("raw/sales", *DAYS)), server_rows(postgres_server, month, TYPES)
        )


def test_rows_that_arrive_between_count_and_read_are_not_half_in(
    postgres_server: PostgresServer, month: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = server_rows(postgres_server, month, TYPES, where=f"sale_date = '{BAD}'")
    arrivals = []
    totals = PostgresTables._totals

    def then_rows_arrive(self: PostgresTables, *args: Any) -> Any:
        found = totals(self, *args)
        postgres_server.execute(
            "INSERT INTO sales SELECT (100000000 + line_id), order_id, sale_date, sold_at, "
            "store_cd, store_nm, item_cd, item_nm, qty, unit_price, amount, discount, cust_id, "
            f"comment FROM sales WHERE sale_date = '{BAD}'",
            month,
        )
        arrivals.append(BAD)
        return found

    with sales_lake(postgres_server, tmp_path, month) as lake:
        with monkeypatch.context() as patch:
            patch.setattr(PostgresTables, "_totals", then_rows_arrive)
            assert lake.run("raw/sales", first=BAD).success
        assert arrivals == [BAD]
        assert_equal_rows(bare(lake.read("raw/sales", BAD)), before)
        assert lake.run("raw/sales", first=BAD).success
        assert lake.read("raw/sales", BAD).num_rows == 2 * before.num_rows


def test_a_transaction_over_two_days_is_in_both_or_in_none(
    postgres_server: PostgresServer, month: str, tmp_path: Path
) -> None:
    """Another connection books pairs, one line on the first day and one on the last, all along."""
    stop = threading.Event()
    pairs = 0

    def book() -> None:
        nonlocal pairs
        with contextlib.closing(postgres_server.connect(month)) as connection:
            cursor = connection.cursor()
            while not stop.is_set():
                pairs += 1
                cursor.execute(
                    "INSERT INTO sales SELECT %s + n, 1, %s::date + (30 * n)::int, "
                    "now()::timestamp, 'S', '', 'PAIR', '', 1, 0, 10 - 20 * n, NULL, NULL, NULL "
                    "FROM generate_series(0, 1) n",
                    (200_000_000 + 2 * pairs, START),
                )

    def another() -> None:
        before, until = pairs, time.monotonic() + 60
        while pairs < before + 2:  # so that one of them is booked
            assert time.monotonic() < until
            time.sleep(0.01)

    with sales_lake(postgres_server, tmp_path, month) as lake:
        thread = threading.Thread(target=book)
        thread.start()
        try:
            counts = []
            for _ in range(3):
                another()
                assert lake.run("raw/sales", first=DAYS[0], last=DAYS[-1]).success
                found = lake.read("raw/sales", DAYS[0], DAYS[-1])
                booked = found.filter(pc.equal(found["item_cd"], "PAIR"))
                assert pc.sum(booked["amount"]).as_py() == 0
                counts.append(booked.num_rows)
                assert booked.num_rows % 2 == 0
        finally:
            stop.set()
            thread.join()
    assert 0 < counts[0] < counts[1] < counts[2] <= 2 * pairs


UNTIL = date(2026, 3, 10)
SAMPLE = Sample(days=70, until=UNTIL.isoformat(), scale=0.1)
SAMPLE_DAYS = [(UNTIL - timedelta(days=n)).isoformat() for n in reversed(range(70))]
MONTHS = ["2026-01", "2026-02"]


def test_local_and_postgres_give_the_same_lake(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """The shipped pipelines, unchanged, over equal tables in DuckDB and in PostgreSQL."""
    database = postgres_server.create_database("sample")
    write_duckdb(tmp_path / "local", SAMPLE, UNTIL)
    address = {
        "host": postgres_server.host,
        "port": postgres_server.port,
        "user": postgres_server.user,
        "dbname": database,
    }
    write_postgres(address, SAMPLE, UNTIL)
    environments = pg_environment(tmp_path / "envs", postgres_server, database).parent

    files: dict[str, dict[str, str]] = {}
    routes: dict[str, set[str]] = {}
    for env in ("local", "pg"):
        with open_lake(tmp_path / env, environments=environments, env=env) as lake:
            runs = [
                lake.run("raw/customer", "prep/customer_master"),
                lake.run(
                    "raw/bw_sales_result",
                    "prep/sales_result_daily",
                    first=SAMPLE_DAYS[0],
                    last=SAMPLE_DAYS[-1],
                ),
                lake.run(
                    "prep/sales_result_monthly",
                    "prep/sales_customer_rank_monthly",
                    first=MONTHS[0],
                    last=MONTHS[-1],
                ),
            ]
            for run in runs:
                assert run.success, run.message
            root = Path(lake.settings.store_root)
            files[env] = {
                f"{asset} {key}": lake.sha(asset, key)
                for asset in lake.store.assets()
                for key in lake.store.keys(*asset.split("/"))
            }
            assert len(files[env]) == len(list(root.rglob("*.parquet")))
            routes[env] = {
                str(event.step_materialization_data.materialization.metadata["lake/route"].value)
                for run in runs
                for event in run.events
                if event.is_step_materialization
            }
            rows = {
                asset: lake.read(asset, *lake.store.keys(*asset.split("/"))).num_rows
                for asset in lake.store.assets()
            }
            assert min(rows.values()) > 20, rows
    assert any("postgres" in route for route in routes["pg"])
    assert not any("postgres" in route for route in routes["local"])
    assert len(files["local"]) == 2 + 2 * 70 + 2 * 2
    # Every asset declares its order, so equal rows are equal bytes.
    assert files["local"] == files["pg"]
