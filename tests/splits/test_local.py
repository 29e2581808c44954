"""Splits through Dagster on the local environment's DuckDB: what a run says, keeps and limits."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pyarrow as pa
import pytest

from lake_assets.definitions import build_definitions
from resources.errors import PermanentError
from resources.limited import BusyError
from resources.source import open_source
from tests.splits.lake import Lake, left, made, rows, witness

COLUMNS = {
    "k": {"type": "int64"},
    "day": {"type": "date"},
    "d": {"type": "decimal(38,2)"},
    "who": {"type": "string", "pii": "masked"},
}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    with duckdb.connect(str(tmp_path / "own.duckdb")) as db:
        db.execute(
            "CREATE TABLE t AS SELECT i AS k, DATE '2025-07-01' + CAST(i % 62 AS INTEGER) AS day, "
            "CAST('999999999999999999999999999999999.01' AS DECIMAL(38,2)) AS d, "
            "'P' || i % 7 AS who FROM range(1000) r(i)"
        )
    return Lake(tmp_path, {"hana_bw": connection(tmp_path)})


def connection(folder: Path, **limits: int) -> dict[str, Any]:
    return {"kind": "duckdb", "path": str(folder / "own.duckdb"), "limits": limits}


def source(**other: Any) -> dict[str, Any]:
    plain = {"connection": "hana_bw", "table": "t", "columns": COLUMNS, "sums": ["d"]}
    return {**plain, "order_by": ["k"], "gates": {"unique": ["k"]}, **other}


MONTHS = {
    "partitions": {"monthly": {"start": "2025-07-01", "end": "2025-09-01"}},
    "window": {"column": "day"},
}


def test_a_run_of_months_tells_its_splits(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    work = lake.work("split", **source(**MONTHS, splits={"column": "k", "count": 3}))
    monkeypatch.setenv("DAGSTER_HOME", str(lake.folder))
    definitions = build_definitions(work.settings, [work.asset.pipeline])
    with dg.DagsterInstance.ephemeral() as instance:
        job = definitions.resolve_implicit_global_asset_job_def()
        tags = {
            "dagster/asset_partition_range_start": "2025-07",
            "dagster/asset_partition_range_end": "2025-08",
        }
        result = job.execute_in_process(instance=instance, tags=tags)
        assert result.success
        records = instance.fetch_materializations(dg.AssetKey(["raw", "big"]), limit=10).records
        said = [entry.user_message for entry in instance.all_logs(result.run_id)]
    told = {
        record.partition_key: record.asset_materialization.metadata
        for record in records
        if record.asset_materialization
    }
    assert sorted(told) == ["2025-07", "2025-08"]
    first = told["2025-07"]
    assert first["lake/route"].value == "DuckDB file, 4 splits by k, same snapshot"
    table = str(first["lake/splits"].value).splitlines()
    assert len(table) == 8
    assert table[2].startswith("| k < ")
    assert table[5].startswith("| k NULL | 0 |")
    assert sum(int(line.split(" | ")[1]) for line in table[2:6]) == 504
    progress = [line for line in said if "raw/big 2025-07: split " in line]
    assert len(progress) == 4
    assert progress[-1].endswith("4 of 4 are there")


def test_bounds_of_a_personal_column_are_not_told(lake: Lake) -> None:
    asked = source(splits={"column": "who", "bounds": ["P3", "P5"]})
    _, outcome = made(lake.work("split", **{**asked, "order_by": ["who", "k"]}))
    assert rows(outcome).num_rows == 1000
    told = str(outcome.more["splits"])
    assert "P3" not in told
    assert [line.split(" | ")[0] for line in told.splitlines()[2:6]] == ["| 1", "| 2", "| 3", "| 4"]


def test_sums_of_38_digits_add_up(lake: Lake) -> None:
    """Each split's own sum has more digits than Python's decimals keep by themselves."""
    _, outcome = made(lake.work("split", **source(splits={"column": "k", "count": 7})))
    assert rows(outcome).num_rows == 1000


def test_a_gate_that_refuses_keeps_no_splits(lake: Lake) -> None:
    asked = source(splits={"column": "k", "count": 2}, gates={"rows": {"max": 10}})
    work = lake.work("split", **asked)
    _, outcome = made(work)
    assert outcome.published is None
    assert left(work) == []


def test_a_query_is_split_too(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    query = "SELECT k, day, d, who FROM t WHERE day >= :start AND day < :end"
    asked = {**source(**MONTHS, splits={"column": "k", "count": 2}), "query": query}
    del asked["table"]
    monkeypatch.setitem(asked, "connection", "postgres")
    own = Lake(lake.folder, {"postgres": connection(lake.folder)})
    _, outcome = made(own.work("split", **asked), "2025-07")
    assert outcome.rows == 504
    keys = rows(outcome).column("k").to_pylist()
    assert keys == sorted(keys)  # by `order_by` alone, not day after day


def test_partitions_of_names_are_split_each(lake: Lake) -> None:
    named = {
        "partitions": {"named": {"column": "who_cd", "values": ["P0", "P1"]}},
        "window": {"name": "who"},
        "splits": {"column": "k", "bounds": [500]},
    }
    work = lake.work("split", **source(**named))
    _, outcome = made(work, "P1")
    assert outcome.rows == 143
    assert set(rows(outcome).column("who").to_pylist()) == {"P1"}


@pytest.fixture
def taken(lake: Lake) -> Iterator[None]:
    """Another process has one of two sessions."""
    folder = lake.folder / "split" / "limits"
    folder.mkdir(parents=True)
    lock = os.open(folder / "own.hana_bw.0.lock", os.O_RDONLY | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    yield
    os.close(lock)


@pytest.mark.usefixtures("taken")
def test_connections_that_others_use_are_not_waited_for(lake: Lake) -> None:
    own = Lake(lake.folder, {"hana_bw": connection(lake.folder, connections=2)})
    work = own.work("split", **source(splits={"column": "k", "count": 4}))
    with (
        open_source(work.settings, "hana_bw"),
        pytest.raises(BusyError),
        open_source(work.settings, "hana_bw", wait=False),
    ):
        pass
    _, outcome = made(work)
    assert outcome.rows == 1000
    assert "1 connections" in str(outcome.more["splits"])


def test_splits_end_in_any_order(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first split waits until all others are there; the partition is the same."""
    plain = lake.work("plain", **source())
    work = lake.work("split", **source(splits={"column": "k", "count": 4}))
    _, whole = made(plain)
    from resources.staged import Staging

    keep = Staging.keep

    def late(self: Staging, number: int, *args: Any) -> Any:
        if number == 0:
            while len([one for one in left(work) if one.endswith(".json")]) < 5:
                time.sleep(0.01)
        return keep(self, number, *args)

    monkeypatch.setattr(Staging, "keep", late)
    _, outcome = made(work)
    assert outcome.published.sha256 == whole.published.sha256  # type: ignore[union-attr]
    assert rows(outcome) == rows(whole)


def test_a_mistake_ends_all_and_keeps_nothing(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    work = lake.work("split", **source(splits={"column": "k", "count": 8}))

    begun = threading.Event()

    def wrong(reader: Any, cursor: Any, statement: str) -> None:
        if "< 125" in statement:
            begun.set()
            raise PermanentError("t: a value does not fit")
        begun.wait(20)
        time.sleep(0.3)  # the others are at it when it happens

    seen = witness(monkeypatch, wrong)
    with pytest.raises(PermanentError, match="a value does not fit"):
        made(work)
    assert len(seen) < 9
    assert left(work) == []


def test_nobody_reads_on_when_the_run_is_stopped(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is complete stays; no thread is left."""
    from lake_assets.materialise import materialise

    work = lake.work("split", **source(splits={"column": "k", "count": 4}))
    from lake_assets.rules import Inspector

    def stopped(self: Inspector, batch: pa.RecordBatch) -> None:
        raise KeyboardInterrupt

    before = set(threading.enumerate())  # other tests' servers may have some
    with monkeypatch.context() as patch:
        patch.setattr(Inspector, "see", stopped)
        with pytest.raises(KeyboardInterrupt):
            list(materialise(work, [""]))
    assert set(threading.enumerate()) <= before
    assert "plan.json" in left(work)
    route, outcome = made(work)
    assert "an earlier attempt" in route
    assert outcome.rows == 1000
