"""Deliveries as the lake runs them: each partition for itself, stale by what it was made of.

The database is DuckDB, the SFTP server is the stand-in of the local environment.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest

from lake_assets.cli.run import history_of
from lake_assets.plan import Plan, plan
from lake_assets.targets import Ask, targets
from tests.acceptance.lake import Lake, command, ended, open_lake, write_pipeline

DAYS = ["2025-07-01", "2025-07-02", "2025-07-03"]
COLUMNS = {"id": "int64", "sold_on": "date", "name": {"type": "string", "pii": "masked"}}
PIPELINE: dict[str, Any] = {
    "version": 1,
    "title": "매출",
    "description": "시험",
    "owner": "team:data",
    "tags": ["0.ETL", "1.Start:SAP", "2.End:SFTP", "매출"],
    "partitions": {"daily": {"start": DAYS[0]}},
    "schedule": {"cron": "0 6 * * *"},
    "run": {"retries": 0},
    "sources": {
        "sales": {
            "title": "매출",
            "connection": "hana_bw",
            "table": "sales",
            "window": {"column": "sold_on"},
            "columns": COLUMNS,
            "order_by": ["id"],
        }
    },
    "deliveries": {
        "sales": {
            "title": "파일",
            "from": "raw/sales",
            "connection": "sftp",
            "file": {"path": "out/{today:%Y%m%d}.csv", "format": "csv"},
            "columns": {"id": "번호", "name": "이름"},
        },
        "sales_table": {
            "title": "표",
            "from": "raw/sales",
            "connection": "postgres",
            "table": {"schema": "dw", "name": "sales", "mode": "replace"},
        },
        "sales_by_key": {
            "title": "키",
            "from": "raw/sales",
            "connection": "mariadb",
            "table": {"name": "sales", "mode": "upsert", "key": ["id"]},
            "columns": {"id": "id", "name": "name"},
        },
    },
}
OUT = ("out/sftp/sales", "out/postgres/sales_table", "out/mariadb/sales_by_key")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "home"
    (made / "sources").mkdir(parents=True)
    source(
        made,
        "CREATE TABLE sales (id BIGINT, sold_on DATE, name VARCHAR)",
        "INSERT INTO sales VALUES (1, '2025-07-01', '가'), (2, '2025-07-02', NULL), "
        "(3, '2025-07-02', '')",
    )
    return made


def source(home: Path, *statements: str) -> None:
    with duckdb.connect(str(home / "sources" / "hana_bw.duckdb")) as db:
        for statement in statements:
            db.execute(statement)


@pytest.fixture
def lake(home: Path, tmp_path: Path) -> Iterator[Lake]:
    pipelines = write_pipeline(tmp_path / "pipelines", PIPELINE)
    with open_lake(home, [pipelines], env="local") as found:
        yield found


def there(home: Path, name: str, table: str) -> list[Any]:
    with duckdb.connect(str(home / "sources" / f"{name}.duckdb"), read_only=True) as db:
        return db.execute(f"SELECT * FROM {table} ORDER BY id").fetchall()


def planned(lake: Lake) -> Plan:
    graph = lake.definitions.get_repository_def().asset_graph
    wanted = targets(graph, Ask(("key:out/*/*",), start=DAYS[0], end=DAYS[2]))
    return plan(graph, history_of(lake.settings, lake.instance, graph), wanted)


def stale(lake: Lake) -> dict[str, tuple[tuple[str, ...], str]]:
    return {
        key.to_user_string(): (step.partitions, step.reasons[key])
        for wave in planned(lake).waves
        for step in wave
        for key in step.assets
    }


def test_each_partition_is_delivered_and_known(lake: Lake, home: Path) -> None:
    assert lake.run("raw/sales", first=DAYS[0], last=DAYS[2]).success
    done = lake.run(*OUT, first=DAYS[0], last=DAYS[2])
    assert done.success
    folder = home / "sftp" / "out"
    assert {one.name: one.read_text() for one in folder.iterdir()} == {
        "20250701.csv": '"번호","이름"\n1,"가"\n',
        "20250702.csv": '"번호","이름"\n2,\n3,""\n',
        "20250703.csv": '"번호","이름"\n',
    }
    day, second = date(2025, 7, 1), date(2025, 7, 2)
    assert there(home, "postgres", "dw.sales") == [
        (1, day, "가", day),
        (2, second, None, second),
        (3, second, "", second),
    ]
    assert there(home, "mariadb", "sales") == [(1, "가"), (2, None), (3, "")]
    told = _metadata(lake, "out/sftp/sales", DAYS[1])
    assert told["lake/target"].startswith("out/20250702.csv of 'sftp' (127.0.0.1:")
    assert told["lake/sha256"] == told["lake/data_version"]
    assert (told["dagster/partition_row_count"], told["lake/bytes"]) == (2, 26)
    assert told["lake/route"] == "csv, temporary name, read back, posix-rename"
    assert "***" in told["lake/preview"]
    table = _metadata(lake, "out/postgres/sales_table", DAYS[1])
    assert table["lake/overwrote"] == "rows of dw.sales where dt = 2025-07-02 of postgres"
    assert stale(lake) == {}
    # Nothing of it is in the store.
    assert lake.store.assets() == ["raw/sales"]


def _metadata(lake: Lake, asset: str, key: str) -> dict[str, Any]:
    wanted = dg.AssetRecordsFilter(dg.AssetKey(asset.split("/")), asset_partitions=[key])
    (record,) = lake.instance.fetch_materializations(wanted, limit=1).records
    found = record.asset_materialization
    assert found is not None
    return {name: value.value for name, value in found.metadata.items()}


def test_an_index_of_the_local_environment(home: Path, tmp_path: Path) -> None:
    """Behind the wire of `es` in `local` is a stand-in, for as long as the process runs."""
    delivery: dict[str, Any] = {
        "title": "색인",
        "from": "raw/sales",
        "connection": "es",
        "index": {"name": "sales", "id": ["id"], "mode": "replace", "make": True},
    }
    pipeline = write_pipeline(tmp_path / "one", {**PIPELINE, "deliveries": {"sales": delivery}})
    with open_lake(home, [pipeline], env="local") as lake:
        assert lake.run("raw/sales", first=DAYS[0], last=DAYS[1]).success
        for told in ("documents of sales where dt = 2025-07-02 of es", "nothing: it was equal"):
            assert lake.run("out/es/sales", first=DAYS[0], last=DAYS[1]).success
            metadata = _metadata(lake, "out/es/sales", DAYS[1])
            assert metadata["lake/overwrote"] == told
            assert metadata["dagster/partition_row_count"] == 2


def test_stale_is_what_was_made_of_something_else(lake: Lake, home: Path) -> None:
    for assets in (("raw/sales",), OUT):
        assert lake.run(*assets, first=DAYS[0], last=DAYS[2]).success
    source(home, "UPDATE sales SET name = '나' WHERE id = 2")
    assert lake.run("raw/sales", first=DAYS[0], last=DAYS[2]).success
    assert stale(lake) == dict.fromkeys(OUT, ((DAYS[1],), "input raw/sales changed"))
    before = {one.name: one.stat().st_ino for one in (home / "sftp" / "out").iterdir()}
    assert lake.run(*OUT, first=DAYS[0], last=DAYS[2]).success
    after = {one.name: one.stat().st_ino for one in (home / "sftp" / "out").iterdir()}
    assert [name for name in before if before[name] != after[name]] == ["20250702.csv"]
    assert there(home, "mariadb", "sales")[1] == (2, "나")
    assert _metadata(lake, OUT[1], DAYS[0])["lake/overwrote"] == "nothing: it was equal"


def test_what_is_not_there_is_not_yet_delivered(lake: Lake) -> None:
    assert lake.run("raw/sales", first=DAYS[0]).success
    run = lake.run("out/sftp/sales", first=DAYS[0], last=DAYS[1])
    assert not run.success
    assert "raw/sales/dt=2025-07-02" in run.message
    assert run.failure.metadata["lake/exit_code"].value == 75
    assert lake.materialised_by("out/sftp/sales", run) == {DAYS[0]}


def test_a_file_where_the_folder_should_be(lake: Lake, home: Path) -> None:
    assert lake.run("raw/sales", first=DAYS[0]).success
    (home / "sftp").mkdir()
    (home / "sftp" / "out").write_text("x")
    run = lake.run("out/sftp/sales", first=DAYS[0])
    assert not run.success
    assert "The old file is as it was" in run.message


def test_the_command_says_what_would_be_overwritten(lake: Lake, home: Path, tmp_path: Path) -> None:
    assert lake.run("raw/sales", first=DAYS[0], last=DAYS[1]).success
    words = ("run", "out/sftp/sales", "--from", DAYS[0], "--to", DAYS[1], "--dry-run")
    pipelines = tmp_path / "pipelines"
    code, out, err = ended(command(home, *words, "--json", pipelines=pipelines, env="local"))
    assert (code, err) == (0, "")
    assert json.loads(out)["overwrites"] == {
        "out/sftp/sales": [
            "the file out/20250701.csv of sftp",
            "the file out/20250702.csv of sftp",
        ]
    }
    code, out, _ = ended(command(home, *words, pipelines=pipelines, env="local"))
    assert (
        "out/sftp/sales would overwrite (the target is not looked at)\n"
        "  the file out/20250701.csv of sftp\n"
    ) in out
    code, out, err = ended(command(home, *words[:-1], pipelines=pipelines, env="local"))
    assert code == 0, err
    assert (home / "sftp" / "out" / "20250702.csv").exists()
