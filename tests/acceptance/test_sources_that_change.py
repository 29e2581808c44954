"""Sources that changed, or cannot be reached: one clear message, and the lake keeps what it has.

Here: columns renamed, retyped and new on a real PostgreSQL server; hosts, passwords and secrets
that are wrong; what is retried and what is not. Not here: bad rows (`test_postgres_lake.py`).
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from resources.postgres import PostgresTables
from tests.acceptance.lake import (
    TRIES,
    Lake,
    hidden,
    open_lake,
    pg_environment,
    sales_pipeline,
    write_pipeline,
)
from tests.servers.postgres import PostgresServer, free_port
from tests.servers.sales_table import START, TYPES, assert_equal_rows, build_sales, server_rows

pytestmark = pytest.mark.server

DAY = START.isoformat()
FILE = "pipelines/sales/pipeline.yaml"


@pytest.fixture
def days(postgres_server: PostgresServer) -> str:
    database = postgres_server.create_database("changing")
    build_sales(postgres_server, database, rows=2_000, days=2)
    return database


def lake_files(folder: Path, on_drift: str = "warn") -> Path:
    return write_pipeline(folder / "pipelines", sales_pipeline(on_drift=on_drift))


def tries(lake: Lake, run: Any) -> int:
    return run.count("STEP_START") + run.count("STEP_RESTARTED")


@pytest.mark.parametrize("on_drift", ["warn", "fail"])
@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("ADD COLUMN 매장등급 text", "매장등급: not declared"),
        ("ALTER COLUMN qty TYPE bigint", "qty: bigint, declared int32"),
        ("ALTER COLUMN amount TYPE numeric(20,3)", "amount: numeric(20,3), declared decimal(18,2)"),
    ],
    ids=["new", "wider", "longer"],
)
def test_drift_warns_or_stops(
    postgres_server: PostgresServer,
    days: str,
    tmp_path: Path,
    change: str,
    found: str,
    on_drift: str,
) -> None:
    environment = pg_environment(tmp_path / "envs", postgres_server, days)
    with open_lake(tmp_path, [lake_files(tmp_path, on_drift)], environment.parent) as lake:
        assert lake.run("raw/sales", first=DAY).success
        before = lake.sha("raw/sales", DAY)
        postgres_server.execute("UPDATE sales SET amount = amount + 1", days)
        expected = server_rows(postgres_server, days, TYPES, where=f"sale_date = '{DAY}'")
        postgres_server.execute(f"ALTER TABLE sales {change}", days)

        run = lake.run("raw/sales", first=DAY)

        said = f"drift: found {found}, allowed the declared columns and types"
        if on_drift == "fail":
            assert not run.success
            assert lake.sha("raw/sales", DAY) == before
            assert lake.check("raw/sales", "gates")["failed"] == {DAY}
            assert run.message.startswith(
                f"raw/sales: gates failed in 1 of 1 partitions, which keeps its old file:\n{DAY}: "
            )
            assert said in run.message
            assert FILE in run.message
            assert tries(lake, run) == 1
        else:
            assert run.success
            assert_equal_rows(lake.read("raw/sales", DAY).drop_columns(["dt"]), expected)
            assert lake.check("raw/sales", "gates")["succeeded"] == {DAY}
            assert lake.check("raw/sales", "drift")["failed"] == {""}
            shown = lake.evaluation("raw/sales", "drift")
            assert said in (shown.description or "")
            assert shown.severity.value == "WARN"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "RENAME COLUMN discount TO discnt",
            ["raw/sales: public.sales no longer has: 'discount'", "discnt", FILE],
        ),
        (
            "ALTER COLUMN qty TYPE text",
            ["public.sales", "column 'qty' is text", "cannot become int32", "declare string"],
        ),
        (
            "ALTER COLUMN amount TYPE numeric(20,3) USING amount + 0.001",
            ["public.sales", "values of 'amount' (numeric(20,3))", "decimal(18,2)", "line_id "],
        ),
        ("RENAME TO sold", ["public.sales", "there is no such table", "public.sold"]),
    ],
    ids=["renamed", "text", "misfits", "table"],
)
def test_what_cannot_be_read_is_told_and_nothing_is_published(
    postgres_server: PostgresServer, days: str, tmp_path: Path, change: str, said: list[str]
) -> None:
    environment = pg_environment(tmp_path / "envs", postgres_server, days)
    with open_lake(tmp_path, [lake_files(tmp_path)], environment.parent) as lake:
        assert lake.run("raw/sales", first=DAY).success
        before = lake.sha("raw/sales", DAY)
        postgres_server.execute(f"ALTER TABLE sales {change}", days)
        run = lake.run("raw/sales", first=DAY)
        assert not run.success
        assert [word for word in said if word not in run.message] == [], run.message
        assert "Traceback" not in run.message
        assert run.failure.metadata["lake/exit_code"].value == 65
        assert tries(lake, run) == 1
        assert lake.sha("raw/sales", DAY) == before
        assert lake.materialised_by("raw/sales", run) == set()
        assert hidden(lake.settings.store_root) == []


@pytest.mark.parametrize(
    ("address", "said", "exit_code", "attempts"),
    [
        (
            lambda: {"port": free_port()},
            ["connection 'hana_bw' (127.0.0.1:", "Connection refused", "check that the server"],
            1,
            TRIES,
        ),
        (
            lambda: {"host": "no-such-host.invalid"},
            ["connection 'hana_bw' (no-such-host.invalid:", "check the connection's host"],
            1,
            TRIES,
        ),
        (
            lambda: {"user": "lake_reader", "password": "env:LAKE_TEST_PASSWORD"},
            ["connection 'hana_bw' (127.0.0.1:", "password authentication failed", "password"],
            65,
            1,
        ),
        (
            lambda: {"user": "lake_reader", "password": "env:LAKE_TEST_NOT_SET"},
            ["The secret env:LAKE_TEST_NOT_SET is not set", "export LAKE_TEST_NOT_SET="],
            65,
            1,
        ),
        (
            lambda: {"user": "lake_reader", "password": "file:/no/such/secret"},
            ["The secret file:/no/such/secret cannot be read", "No such file"],
            65,
            1,
        ),
        (
            lambda: {"database": "no_such_database"},
            ["no_such_database", "does not exist", "check the connection's database"],
            65,
            1,
        ),
    ],
    ids=["refused", "dns", "password", "variable", "file", "database"],
)
def test_a_connection_that_fails_is_told_once_and_retried_only_if_it_may_pass(
    postgres_server: PostgresServer,
    days: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    address: Any,
    said: list[str],
    exit_code: int,
    attempts: int,
) -> None:
    postgres_server.execute("DROP ROLE IF EXISTS lake_reader")
    postgres_server.create_role("lake_reader", "right-password")
    monkeypatch.setenv("LAKE_TEST_PASSWORD", "wr0ng-Passw0rd")
    monkeypatch.delenv("LAKE_TEST_NOT_SET", raising=False)
    environment = pg_environment(tmp_path / "envs", postgres_server, days, **address())
    with open_lake(tmp_path, [lake_files(tmp_path)], environment.parent) as lake:
        run = lake.run("raw/sales", first=DAY)
        assert not run.success
        assert [word for word in said if word not in run.message] == [], run.message
        assert run.message.count("\n") == 0
        assert "wr0ng-Passw0rd" not in run.message
        assert run.failure.metadata["lake/exit_code"].value == exit_code
        assert tries(lake, run) == attempts
        assert lake.store.assets() == []
        assert lake.materialised_by("raw/sales", run) == set()
        assert not any(Path(lake.settings.store_root).rglob("*.parquet*"))


def test_a_connection_lost_amid_a_range_loses_nothing_that_is_done(
    postgres_server: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server ends the session while it sends rows; the next try reads the range anew."""
    database = postgres_server.create_database("lost")
    build_sales(postgres_server, database, rows=300_000, days=31)
    keys = [(START + timedelta(days=n)).isoformat() for n in range(31)]
    batches = PostgresTables._batches
    lost = []

    def ended_by_the_server(self: PostgresTables, *args: Any) -> Any:
        for number, batch in enumerate(batches(self, *args)):
            if number == 5 and len(lost) < times:
                lost.append(number)
                postgres_server.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    f"WHERE datname = '{database}' AND pid <> pg_backend_pid()"
                )
            yield batch

    monkeypatch.setattr(PostgresTables, "_batches", ended_by_the_server)
    environment = pg_environment(tmp_path / "envs", postgres_server, database)
    with open_lake(tmp_path, [lake_files(tmp_path)], environment.parent) as lake:
        times = TRIES
        run = lake.run("raw/sales", first=keys[0], last=keys[-1])
        assert not run.success
        assert len(lost) == tries(lake, run) == TRIES
        assert "the connection was lost while reading; try again" in run.message
        done = lake.materialised_by("raw/sales", run)
        assert 0 < len(done) < 31
        assert done == set(lake.store.keys("raw", "sales"))
        assert lake.check("raw/sales", "gates") == {"succeeded": done, "failed": set()}
        assert hidden(lake.settings.store_root) == []

        times = TRIES + 1
        run = lake.run("raw/sales", first=keys[0], last=keys[-1])
        assert run.success
        assert tries(lake, run) == 2
        assert lake.materialised_by("raw/sales", run) == set(keys)
        assert lake.check("raw/sales", "gates")["succeeded"] == set(keys)
        expected = server_rows(postgres_server, database, TYPES)
        assert_equal_rows(lake.read("raw/sales", *keys).drop_columns(["dt"]), expected)
