"""A lake on a real HDFS with a real Hive: steps that register, SQL that Hive runs, what goes wrong.

Here: through Dagster, as a site runs it. Not here: statements and types (`test_hive_tables.py`).
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from lake_assets import registration
from resources import hive_tables
from resources.errors import TransientError
from resources.hive import HiveConnection
from resources.hive_tables import Change
from resources.settings import SHIPPED, Connection, Settings
from tests.acceptance.lake import Lake, command, ended, open_lake, write_pipeline
from tests.servers.hdfs import HdfsServer
from tests.servers.hive import HiveServer
from tests.servers.postgres import free_port

pytestmark = pytest.mark.server

DAYS = ["2025-07-01", "2025-07-02", "2025-07-03"]

#: In words that Hive and DuckDB share, but for the types' names.
BY_REGION = """\
WITH kept AS (
  SELECT S.region, S.amount, S.sold_at, S.qty, c.name
  FROM sales S LEFT JOIN client c ON c.id = S.customer
  WHERE S.amount >= $least AND S.dt = $partition_start
), sales AS (SELECT * FROM kept WHERE region <> $word OR region IS NULL)
SELECT region, COUNT(*) AS lines, CAST(SUM(amount) AS DECIMAL(20,2)) AS amount,
       MAX(name) AS name, CAST(COALESCE(MIN(region), 'x') = '' AS BOOLEAN) AS empty,
       CAST(SUM(amount) AS DOUBLE) / 3 AS third, CAST($partition AS {text}) AS made_of
FROM sales GROUP BY region
"""
STAMPS = """\
SELECT region, CAST(MAX(sold_at) AS TIMESTAMP) AS newest, CAST(MAX(qty) AS SMALLINT) AS most,
       CAST(MAX(rate) AS DECIMAL(6,5)) AS rate
FROM sales GROUP BY region
"""

SALES = {
    "id": "int64",
    "sold_on": "date",
    "region": "string",
    "amount": "decimal(18,2)",
    "qty": "int16",
    "rate": "decimal(5,5)",
    "sold_at": "timestamp",
    "approved_at": "timestamptz",
    "customer": "int32",
}


def pipeline(**changes: Any) -> dict[str, Any]:
    by_region = {
        "title": "지역별 매출",
        "inputs": ["raw/sales", "raw/client"],
        "engine": "hive",
        "sql": BY_REGION.format(text="STRING"),
        "order_by": ["region"],
        "columns": {
            "region": {"type": "string", "title": '지역; it\'s "${env:PATH}"'},
            "lines": "int64",
            "amount": "decimal(20,2)",
            "name": "string",
            "empty": "boolean",
            "third": "float64",
            "made_of": "string",
        },
        "gates": {"expect": {"positive": "amount >= 0"}},
        **changes,
    }
    stamps = {
        "title": "시각",
        "inputs": ["raw/sales"],
        "engine": "hive",
        "sql": STAMPS,
        "columns": {
            "region": "string",
            "newest": "timestamp",
            "most": "int16",
            "rate": "decimal(6,5)",
        },
    }
    month = {
        "title": "월 매출",
        "partitions": {"monthly": {"start": "2025-07-01", "end": "2025-08-01"}},
        "inputs": ["prep/by_region"],
        "engine": "hive",
        "sql": "SELECT CAST(SUM(lines) AS BIGINT) AS lines, COUNT(DISTINCT dt) AS days\n"
        "FROM by_region",
        "columns": {"lines": "int64", "days": "int64"},
    }
    return {
        "version": 1,
        "title": "매출",
        "description": "하이브에서",
        "owner": "team:data",
        "tags": ["0.ETL", "1.Start:SAP", "2.End:HDFS", "매출"],
        "partitions": {"daily": {"start": DAYS[0], "end": "2025-07-04"}},
        "run": {"retries": 2, "retry_delay": 0},
        "params": {
            "least": {"type": "float", "default": -1000.5, "help": "최소"},
            "word": {"type": "string", "default": "${env:PATH}' \\ 제외\n", "help": "제외"},
        },
        "sources": {
            "sales": {
                "title": "매출",
                "connection": "hana_bw",
                "table": "sales",
                "window": {"column": "sold_on"},
                "columns": SALES,
            },
            "client": {
                "title": "고객",
                "connection": "hana_bw",
                "table": "client",
                "partitions": "none",
                "columns": {"id": "int32", "name": "string"},
            },
        },
        "datasets": {
            "by_region": by_region,
            "in_duckdb": {
                **by_region,
                "engine": "duckdb",
                "files": "many",
                "sql": BY_REGION.format(text="VARCHAR"),
            },
            "stamps": stamps,
            "month": month,
        },
    }


def write_source(file: Path, worst: int = -5) -> None:
    """Three days of sales; `worst` is the amount of one line of the second."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(str(file)) as database:
        database.execute("SET TimeZone = 'Asia/Seoul'")
        database.execute(
            "CREATE OR REPLACE TABLE sales AS SELECT n AS id, DATE '2025-07-01' + (n % 3)::INT "
            "AS sold_on, CASE WHEN n = 1 AND $worst < -5 THEN '환불' WHEN n % 7 = 0 THEN NULL "
            "WHEN n % 7 = 1 THEN '' WHEN n % 7 = 2 THEN '부산' || chr(10) || chr(92) || chr(39) "
            "WHEN n % 7 = 3 THEN '${env:PATH}' ELSE '서울' END AS region, "
            "CASE WHEN n = 1 THEN $worst ELSE n / 4 END::DECIMAL(18,2) AS amount, "
            "(n % 300)::SMALLINT AS qty, (n % 2 / 10)::DECIMAL(5,5) AS rate, "
            "TIMESTAMP '2025-07-01 23:59:59.123456' + (n % 3) * INTERVAL 1 DAY AS sold_at, "
            "TIMESTAMPTZ '2025-07-01 00:00:00+09' AS approved_at, (n % 5)::INT AS customer "
            "FROM range(1000) t(n)",
            {"worst": worst},
        )
        database.execute(
            "CREATE OR REPLACE TABLE client AS SELECT n::INT AS id, '고객 ' || n AS name "
            "FROM range(4) t(n)"
        )


@contextmanager
def hive_lake(
    hdfs: HdfsServer, hive: HiveServer, folder: Path, root: str, **changes: Any
) -> Iterator[Lake]:
    """`root` '' is an environment without HDFS and Hive, whose sources are the same."""
    environment = yaml.safe_load((SHIPPED / "local.yaml").read_text(encoding="utf-8"))
    if root:
        environment["store"] = {
            "root": root,
            "connection": "hdfs",
            "parquet": "hive1",
            "hive": "hive",
        }
        environment["connections"]["hdfs"] = {"kind": "hdfs", "url": hdfs.url, "user": "hive"}
        environment["connections"]["hive"] = {
            **{"kind": "hive", "host": hive.host, "port": hive.port, "user": hive.user}
        }
    environment["sample"] = None
    (folder / "envs").mkdir(parents=True, exist_ok=True)
    name = "site" if root else "nowhere"
    (folder / "envs" / f"{name}.yaml").write_text(yaml.safe_dump(environment))
    pipelines = write_pipeline(folder / "pipelines", pipeline(**changes))
    with open_lake(folder / name, [pipelines], folder / "envs", env=name) as lake:
        if not Path(lake.settings.connection("hana_bw").path or "").exists():
            write_source(Path(lake.settings.connection("hana_bw").path or ""))
        yield lake


@pytest.fixture
def root(hdfs_server: HdfsServer, hive_server: HiveServer) -> Iterator[str]:
    """A lake's folder of its own. Its databases are `raw` and `prep`, so they go after the test."""
    root = f"/data/lake/{secrets.token_hex(4)}"
    hdfs_server.make_folder(root, "hive")
    yield root
    with connected(hive_server) as hive:
        for layer in ("raw", "prep"):
            hive.run(f"DROP DATABASE IF EXISTS {layer} CASCADE")


@contextmanager
def connected(server: HiveServer) -> Iterator[HiveConnection]:
    connection = Connection(kind="hive", host=server.host, port=server.port, user=server.user)
    with HiveConnection("hive", connection) as hive:
        yield hive


def rows(lake: Lake, asset: str, *keys: str) -> list[tuple[Any, ...]]:
    found = lake.read(asset, *keys)
    return sorted(
        (tuple(row.values()) for row in found.to_pylist()),
        key=lambda row: [str(one) for one in row],
    )


def location(hive: HiveConnection, asset: str, day: str) -> str:
    """Where Hive reads a partition, as it says itself."""
    name = asset.replace("/", ".")
    told = hive.rows(f"DESCRIBE FORMATTED {name} PARTITION (dt='{day}')")
    [found] = [str(row[1]).strip() for row in told if str(row[0]).strip() == "Location:"]
    return found


def folder_of(lake: Lake, asset: str, key: str) -> str:
    return lake.store.folders([lake.partition(asset, key)])[0]


def test_hive_makes_what_duckdb_makes_and_shows_it(
    hdfs_server: HdfsServer, hive_server: HiveServer, root: str, tmp_path: Path
) -> None:
    with hive_lake(hdfs_server, hive_server, tmp_path, root) as lake:
        assert lake.run("raw/client").success
        inputs = lake.run("raw/sales", first=DAYS[0], last=DAYS[-1])
        assert inputs.success, inputs.message
        made = lake.run(
            "prep/by_region", "prep/in_duckdb", "prep/stamps", first=DAYS[0], last=DAYS[-1]
        )
        assert made.success, made.message
        assert lake.materialised_by("prep/by_region", made) == set(DAYS)
        for day in DAYS:
            assert rows(lake, "prep/by_region", day) == rows(lake, "prep/in_duckdb", day)
            assert folder_of(lake, "prep/by_region", day).endswith("/rows")
        found = lake.read("prep/by_region", DAYS[0])
        assert found.schema.types[:6] == lake.read("prep/in_duckdb", DAYS[0]).schema.types[:6]
        # n % 3 = 0, n % 7 = 2: n = 9, 30, 51 … 996; each n / 4.
        [busan] = [row for row in found.to_pylist() if (row["region"] or "").startswith("부산")]
        numbers = range(9, 1000, 21)
        assert busan["lines"] == len(numbers) == 48
        assert busan["amount"] * 100 == sum(n * 25 for n in numbers)
        assert busan["made_of"] == DAYS[0]
        # The files are sorted, as order_by says.
        regions = found["region"].to_pylist()
        assert regions == sorted(regions, key=lambda one: (one is not None, (one or "").encode()))
        stamps = {row["region"]: row for row in lake.read("prep/stamps", DAYS[1]).to_pylist()}
        assert str(stamps["서울"]["newest"]) == "2025-07-02 23:59:59.123456"
        assert str(stamps["서울"]["rate"]) == "0.10000"
        assert lake.read("prep/stamps", DAYS[1]).schema.field("most").type == "int16"
        assert lake.run("prep/month", first="2025-07").success
        with connected(hive_server) as hive:
            for asset in ("by_region", "in_duckdb", "stamps"):
                told = hive.rows(f"SELECT dt, count(*) FROM prep.{asset} GROUP BY dt ORDER BY dt")
                kept = [(day, lake.read(f"prep/{asset}", day).num_rows) for day in DAYS]
                assert told == kept
            assert hive.rows("SELECT days, ym FROM prep.month") == [(3, "2025-07")]
            [(newest,)] = hive.rows(
                "SELECT newest FROM prep.stamps WHERE dt = '2025-07-02' AND region = '서울'"
            )
            assert str(newest) == "2025-07-02 23:59:59.123456"
            assert [row[0] for row in hive.rows("SHOW TABLES IN prep LIKE 'lake_tmp*'")] == []
            comments = {row[0]: row[2] for row in hive.rows("DESCRIBE prep.by_region")}
            assert comments["region"] == '지역; it\'s "${env:PATH}"'
            comments = {row[0]: row[2] for row in hive.rows("DESCRIBE raw.sales")}
            assert comments["approved_at"] == "UTC 시각"
        # Where there is no Hive, the same file runs in DuckDB.
        with hive_lake(hdfs_server, hive_server, tmp_path, "") as nowhere:
            assert nowhere.run("raw/client").success
            assert nowhere.run("raw/sales", first=DAYS[0]).success
            run = nowhere.run("prep/by_region", "prep/stamps", first=DAYS[0])
            assert run.success, run.message
            for asset in ("prep/by_region", "prep/stamps"):
                assert rows(nowhere, asset, DAYS[0]) == rows(lake, asset, DAYS[0])


def test_a_failed_gate_keeps_what_was_and_a_lost_location_is_found_again(
    hdfs_server: HdfsServer, hive_server: HiveServer, root: str, tmp_path: Path
) -> None:
    with hive_lake(hdfs_server, hive_server, tmp_path, root) as lake:
        source = Path(lake.settings.connection("hana_bw").path or "")
        for asset in ("raw/client", "raw/sales", "prep/by_region"):
            first = None if asset == "raw/client" else DAYS[0]
            run = lake.run(asset, first=first, last=first and DAYS[1])
            assert run.success, run.message
        kept = rows(lake, "prep/by_region", DAYS[1])
        folder = folder_of(lake, "prep/by_region", DAYS[1])
        write_source(source, worst=-900)  # a region of its own, whose sum is not positive
        assert lake.run("raw/sales", first=DAYS[1]).success
        run = lake.run("prep/by_region", first=DAYS[1])
        assert not run.success
        assert "expect(positive)" in run.message
        assert run.failure.metadata["lake/refused"].value == [DAYS[1]]
        assert rows(lake, "prep/by_region", DAYS[1]) == kept
        assert folder_of(lake, "prep/by_region", DAYS[1]) == folder
        with connected(hive_server) as hive:
            place = location(hive, "prep/by_region", DAYS[1])
            assert hive_tables.path_of(place) == folder
            # A location that was lost: the next run, of another day, finds it.
            hive.run("USE prep")
            hive.run(
                f"ALTER TABLE by_region PARTITION (dt='{DAYS[1]}') SET LOCATION '{place}_lost'"
            )
            assert hive.rows(f"SELECT * FROM prep.by_region WHERE dt = '{DAYS[1]}'") == []
            before = folder_of(lake, "prep/by_region", DAYS[0])
            assert lake.run("prep/by_region", first=DAYS[0]).success
            after = folder_of(lake, "prep/by_region", DAYS[0])
            assert after != before
            assert location(hive, "prep/by_region", DAYS[0]).endswith(after)
            assert location(hive, "prep/by_region", DAYS[1]) == place


def test_a_changed_schema_is_refused_before_anything_is_written(
    hdfs_server: HdfsServer, hive_server: HiveServer, root: str, tmp_path: Path
) -> None:
    with hive_lake(hdfs_server, hive_server, tmp_path, root) as lake:
        assert lake.run("raw/client").success
        before = folder_of(lake, "raw/client", ""), lake.read("raw/client")
        info = lake.store.stat(lake.partition("raw/client"))
        with connected(hive_server) as hive:
            hive.run("ALTER TABLE raw.client REPLACE COLUMNS (id bigint, old string)")
        run = lake.run("raw/client")
        assert not run.success
        assert run.count("STEP_UP_FOR_RETRY") == 0
        for told in (
            "column id is bigint, declared int",
            "column old string is no longer declared",
            "new: name string",
            "Nothing was written.",
            "DROP TABLE `raw`.`client`;",
        ):
            assert told in run.message
        assert lake.store.stat(lake.partition("raw/client")) == info
        assert (folder_of(lake, "raw/client", ""), lake.read("raw/client")) == before


def test_hive_that_fails_after_publishing_takes_nothing_from_the_lake(
    hdfs_server: HdfsServer,
    hive_server: HiveServer,
    root: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[HiveConnection] = []
    connect = registration.connect

    def dies(settings: Settings) -> HiveConnection:
        """Is there before the step writes, and not any more after it."""
        opened.append(connect(settings))
        if len(opened) == 1:
            return opened[0]
        gone = Connection(kind="hive", host=hive_server.host, port=free_port(), user="hive")
        return HiveConnection("hive", gone)

    monkeypatch.setattr(registration, "WAITS", (0.0, 0.0))
    with hive_lake(hdfs_server, hive_server, tmp_path, root) as lake:
        with monkeypatch.context() as patch:
            patch.setattr(registration, "connect", dies)
            run = lake.run("raw/sales", first=DAYS[0], last=DAYS[-1])
        assert len(opened) == 1 + 3
        assert not run.success
        assert run.count("STEP_UP_FOR_RETRY") == 0
        assert "published in the lake and recorded" in run.message
        assert "lake hive sync raw/sales" in run.message
        assert lake.materialised_by("raw/sales", run) == set(DAYS)
        assert lake.read("raw/sales", *DAYS).num_rows == 1000
        # What reads it in Hive says so instead of reading less.
        assert lake.run("raw/client").success
        reader = lake.run("prep/by_region", first=DAYS[0])
        assert "of its input raw/sales, Hive does not have what the lake has" in reader.message

        def lake_hive(*words: str) -> tuple[int, str]:
            process = command(
                tmp_path / "site",
                "hive",
                *words,
                environments=tmp_path / "envs",
                pipelines=tmp_path / "pipelines",
                env="site",
            )
            code, out, err = ended(process)
            return code, out + err

        code, told = lake_hive("check", "raw/sales", "--json")
        assert code == 1, told
        [asset] = json.loads(told)["assets"]
        assert [one["what"] for one in asset["changes"]] == ["3 partitions not registered"]
        code, told = lake_hive("sync", "raw/sales", "--dry-run")
        assert code == 0, told
        assert "ALTER TABLE `raw`.`sales` ADD IF NOT EXISTS\nPARTITION (`dt`='2025-07-01')" in told
        code, told = lake_hive("sync", "key:raw/*")
        assert code == 0, told
        assert told.endswith(" assets: 1 brought in line\n")
        assert lake_hive("check", "raw/sales") == (0, "1 assets: 0 not in line\n")
        assert lake.run("prep/by_region", first=DAYS[0]).success


def test_registering_is_tried_again(
    hdfs_server: HdfsServer,
    hive_server: HiveServer,
    root: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The statement is lost once on the way."""
    changes = hive_tables.changes
    failed: list[int] = []

    def once(*args: Any) -> list[Change]:
        if not failed:
            failed.append(1)
            raise TransientError("the connection was lost")
        return changes(*args)

    monkeypatch.setattr(registration, "WAITS", (0.0,))
    monkeypatch.setattr(hive_tables, "changes", once)
    with hive_lake(hdfs_server, hive_server, tmp_path, root) as lake:
        run = lake.run("raw/sales", first=DAYS[0])
        assert run.success, run.message
        with connected(hive_server) as hive:
            assert hive.rows("SELECT count(*) FROM raw.sales") == [(334,)]
