"""Records become Dagster assets: what Dagster is told, and what a run reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import duckdb
import pytest

from airflow_bridge.metadata import read_hints
from lake_assets import source_reading, versions
from lake_assets.builder import asset_key, code_version
from lake_assets.definitions import build_definitions
from lake_assets.loader import load_pipelines
from lake_assets.pipeline import Pipeline, assets
from resources.errors import NotYetError, PermanentError
from resources.partition import Partition
from resources.settings import Settings, load_settings
from resources.store import open_store

SALES = """
version: 1
title: 매출
description: 하루 매출
owner: team:sales
tags: ["0.ETL", "1.Start:SAP", "2.End:HDFS", 매출]
partitions: {daily: {start: "2025-01-01"}}
schedule: {cron: "0 6 * * *"}
params:
  rate: {type: float, default: 0.1, help: 세율}
run: {queue: s21, pool: bw, retries: 2, retry_delay: 0}
sources:
  sales:
    title: 매출 원본
    connection: hana_bw
    schema: SAPBW
    table: /BIC/SALES
    window: {column: day}
    columns:
      id: {type: int64, source: ID, nullable: false, title: 번호}
      day: {type: date, source: TAG}
      amount: {type: "decimal(18,2)", source: BETRAG}
      buyer: {type: string, source: KÄUFER, pii: masked}
    order_by: [id]
    sums: [amount]
    gates: {unique: [id]}
    checks: {range: {amount: {min: 0}}, fresh: 2d}
datasets:
  tax:
    title: 세금
    inputs: {s: raw/sales}
    sql: SELECT id, CAST(amount * $rate AS DECIMAL(18,2)) AS tax, dt FROM s
    range: true
    columns: {id: int64, tax: "decimal(18,2)"}
    order_by: [id]
  best:
    title: 최고
    inputs: [raw/sales]
    transform: transform.py:best
    columns: {day: date, amount: "decimal(18,2)"}
"""

MONTH = """
version: 1
title: 월 매출
description: 한 달 매출
owner: owner@example.com
tags: ["0.PREP", "1.Start:HDFS", "2.End:HDFS", 월 매출]
datasets:
  month:
    title: 월 매출
    partitions: {monthly: {start: "2025-01-01"}}
    inputs: [prep/tax]
    sql: SELECT count(*) AS n, CAST(sum(tax) AS DECIMAL(18,2)) AS tax, min(dt) AS first FROM tax
    columns: {n: int64, tax: "decimal(18,2)", first: date}
"""

TRANSFORM = """
import polars as pl
import pyarrow as pa

def best(sales: pl.LazyFrame, *, partition: str) -> pa.Table:
    top = sales.select(pl.col("day"), pl.col("amount")).sort("amount").last().collect()
    assert str(top["day"][0]) == partition
    return top.to_arrow()
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("LAKE_HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "sources").mkdir(parents=True)
    with duckdb.connect(str(tmp_path / "home" / "sources" / "hana_bw.duckdb")) as source:
        source.execute("CREATE SCHEMA SAPBW")
        source.execute(
            'CREATE TABLE SAPBW."/BIC/SALES" AS SELECT i AS "ID", '
            "DATE '2025-01-01' + CAST(i // 10 AS INTEGER) AS \"TAG\", "
            'CAST(i * 1.25 AS DECIMAL(18,2)) AS "BETRAG", '
            "'홍길동' || i AS \"KÄUFER\" FROM range(600) t(i)"
        )
    return load_settings("local")


def write(folder: Path, **files: str) -> list[Pipeline]:
    for name, text in files.items():
        (folder / "pipelines" / name).mkdir(parents=True, exist_ok=True)
        (folder / "pipelines" / name / "pipeline.yaml").write_text(text)
    (folder / "pipelines" / "sales" / "transform.py").write_text(TRANSFORM)
    return load_pipelines([folder / "pipelines"])


@pytest.fixture
def lake(settings: Settings, tmp_path: Path) -> Iterator[tuple[dg.Definitions, dg.DagsterInstance]]:
    pipelines = write(tmp_path, sales=SALES, month=MONTH)
    (tmp_path / "instance").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "instance")) as instance:
        yield build_definitions(settings, pipelines), instance


def run(
    lake: tuple[dg.Definitions, dg.DagsterInstance],
    *keys: str,
    partition: str | None = None,
    to: str | None = None,
    config: Mapping[str, Any] | None = None,
) -> dg.ExecuteInProcessResult:
    defs, instance = lake
    tags = {}
    if to:
        tags = {
            "dagster/asset_partition_range_start": partition or "",
            "dagster/asset_partition_range_end": to,
        }
    return defs.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance,
        asset_selection=[asset_key(key) for key in keys],
        partition_key=None if to else partition,
        tags=tags,
        raise_on_error=False,
        run_config={"ops": dict(config)} if config else None,
    )


def checks(result: dg.ExecuteInProcessResult) -> dict[tuple[str, str, str | None], bool]:
    return {
        (one.asset_key.to_user_string(), one.check_name, one.partition): one.passed
        for one in result.get_asset_check_evaluations()
    }


def test_a_day_and_its_metadata(lake: tuple[dg.Definitions, dg.DagsterInstance]) -> None:
    result = run(lake, "raw/sales", partition="2025-01-03")
    assert result.success
    (event,) = result.get_asset_materialization_events()
    materialisation = event.materialization
    found = {key: value.value for key, value in materialisation.metadata.items()}
    assert found["dagster/partition_row_count"] == 10
    assert found["lake/route"].endswith("same snapshot")
    assert found["lake/path"].endswith("raw/sales/dt=2025-01-03/part-0.parquet")
    assert len(found["lake/data_version"]) == 64
    assert materialisation.tags["dagster/data_version"] == found["lake/data_version"]
    # A person's name is masked in the preview; the rest can be read.
    assert "| 20 | 2025-01-03 | 25.00 | *** |" in found["lake/preview"]
    assert checks(result) == {
        ("raw/sales", "gates", "2025-01-03"): True,
        ("raw/sales", "checks", "2025-01-03"): True,
        ("raw/sales", "drift", None): True,
    }


def test_a_range_is_one_run_with_each_day_in_the_history(
    lake: tuple[dg.Definitions, dg.DagsterInstance], settings: Settings
) -> None:
    result = run(
        lake, "raw/sales", "prep/tax", "prep/best", partition="2025-01-01", to="2025-01-31"
    )
    assert result.success
    days = [f"2025-01-{day:02}" for day in range(1, 32)]
    store = open_store(settings)
    for name in ("raw/sales", "prep/tax", "prep/best"):
        found = versions.latest(lake[1], asset_key(name), days)
        assert sorted(found) == days
        assert len({one.data_version for one in found.values()}) == 31
        assert found["2025-01-02"].rows == (1 if name == "prep/best" else 10)
        assert {one.partition for one in found.values() if name == "raw/sales"} <= set(days)
    tax = store.read([Partition("prep", "tax", "daily", "2025-01-02")])
    assert tax.column_names == ["id", "tax", "dt"]
    assert str(tax["tax"][1].as_py()) == "1.38"
    assert tax["dt"].unique().to_pylist() == [date(2025, 1, 2)]

    # The month is made of exactly its days.
    result = run(lake, "prep/month", partition="2025-01")
    assert result.success
    month = store.read([Partition("prep", "month", "monthly", "2025-01")]).to_pylist()
    assert [(row["n"], row["first"], row["ym"]) for row in month] == [
        (310, date(2025, 1, 1), "2025-01")
    ]


def test_a_range_equals_its_days(
    lake: tuple[dg.Definitions, dg.DagsterInstance], settings: Settings
) -> None:
    store = open_store(settings)

    def contents() -> list[str]:
        found = versions.latest(lake[1], asset_key("prep/tax"), ["2025-01-01", "2025-01-02"])
        return [found[key].data_version for key in sorted(found)]

    run(lake, "raw/sales", "prep/tax", partition="2025-01-01", to="2025-01-02")
    together = contents()
    for day in ("2025-01-01", "2025-01-02"):
        run(lake, "raw/sales", "prep/tax", partition=day)
    assert contents() == together
    assert store.keys("prep", "tax") == ["2025-01-01", "2025-01-02"]


def test_a_bad_day_keeps_its_file_and_is_the_only_red_one(
    lake: tuple[dg.Definitions, dg.DagsterInstance], settings: Settings
) -> None:
    run(lake, "raw/sales", partition="2025-01-02")
    before = versions.latest(lake[1], asset_key("raw/sales"), ["2025-01-02"])["2025-01-02"]
    with duckdb.connect(str(settings.home / "sources" / "hana_bw.duckdb")) as source:
        source.execute(
            'INSERT INTO SAPBW."/BIC/SALES" SELECT * FROM SAPBW."/BIC/SALES" WHERE "ID" = 15'
        )
    result = run(lake, "raw/sales", partition="2025-01-01", to="2025-01-03")
    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    error = failure.step_failure_data.error
    assert error is not None
    said = failure.step_failure_data.user_failure_data
    assert said is not None
    assert "gates failed in 1 of 3 partitions" in str(said.description)
    assert "2025-01-02: unique(id): found rows too many: 1" in str(said.description)
    red = {key[2] for key, passed in checks(result).items() if key[1] == "gates" and not passed}
    assert red == {"2025-01-02"}
    found = versions.latest(
        lake[1], asset_key("raw/sales"), ["2025-01-01", "2025-01-02", "2025-01-03"]
    )
    assert found["2025-01-02"] == before
    assert found["2025-01-01"].run_id == found["2025-01-03"].run_id == result.run_id
    rows = open_store(settings).read([Partition("raw", "sales", "daily", "2025-01-02")])
    assert rows.num_rows == 10
    # Permanent: no second try, though the asset has two retries.
    assert not [event for event in result.all_events if event.is_step_restarted]


def _broken(lake: tuple[dg.Definitions, dg.DagsterInstance], settings: Settings, sql: str) -> str:
    with duckdb.connect(str(settings.home / "sources" / "hana_bw.duckdb")) as source:
        source.execute(sql)
    result = run(lake, "raw/sales", partition="2025-01-01", to="2025-01-05")
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    said = failure.step_failure_data.user_failure_data
    assert said is not None
    return str(said.description)


def test_a_value_that_does_not_fit_fails_its_own_days_alone(
    lake: tuple[dg.Definitions, dg.DagsterInstance], settings: Settings
) -> None:
    said = _broken(
        lake,
        settings,
        'ALTER TABLE SAPBW."/BIC/SALES" ALTER "BETRAG" TYPE DECIMAL(30,2); '
        'UPDATE SAPBW."/BIC/SALES" SET "BETRAG" = 1e20 WHERE "ID" IN (15, 35)',
    )
    first, second = said.splitlines()
    assert first.startswith("2025-01-02: ")
    assert second.startswith("2025-01-04: ")
    assert "'BETRAG'" in first
    assert open_store(settings).keys("raw", "sales") == ["2025-01-01", "2025-01-03", "2025-01-05"]


def test_what_is_not_there_yet_hides_no_day_that_has_to_be_mended(
    lake: tuple[dg.Definitions, dg.DagsterInstance],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The reading is a stand-in: a file that cannot be read, and one that is not there."""

    def reading(*given: Any) -> Iterator[Any]:
        times = given[5]
        if times[0] == "2025-01-02":
            raise NotYetError("there is no such file")
        raise PermanentError(f"unfit {times}")
        yield

    monkeypatch.setattr(source_reading, "_reading", reading)
    assert _broken(lake, settings, "SELECT 1") == "2025-01-01: unfit ['2025-01-01']"


def test_what_is_wrong_in_no_one_day_is_told_once(
    lake: tuple[dg.Definitions, dg.DagsterInstance], settings: Settings
) -> None:
    said = _broken(lake, settings, 'ALTER TABLE SAPBW."/BIC/SALES" ALTER "BETRAG" TYPE VARCHAR')
    assert said.startswith("2025-01-01, 2025-01-02: ")
    assert len(said.splitlines()) == 1
    assert open_store(settings).keys("raw", "sales") == []


def test_parameters_reach_the_sql(
    lake: tuple[dg.Definitions, dg.DagsterInstance], settings: Settings
) -> None:
    run(lake, "raw/sales", partition="2025-01-01")
    config = {"prep__tax": {"config": {"rate": 0.5}}}
    assert run(lake, "prep/tax", partition="2025-01-01", config=config).success
    table = open_store(settings).read([Partition("prep", "tax", "daily", "2025-01-01")])
    assert str(table["tax"][2].as_py()) == "1.25"


def test_rows_are_compared_with_the_day_before_in_the_same_run(
    settings: Settings, tmp_path: Path
) -> None:
    with duckdb.connect(str(settings.home / "sources" / "hana_bw.duckdb")) as source:
        source.execute('DELETE FROM SAPBW."/BIC/SALES" WHERE "ID" BETWEEN 22 AND 29')
    text = SALES.replace("fresh: 2d", "rows: {change: 0.5}")
    defs = build_definitions(settings, write(tmp_path, sales=text))
    (tmp_path / "i").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "i")) as instance:
        result = run((defs, instance), "raw/sales", partition="2025-01-01", to="2025-01-04")
        assert result.success
        # Day 3 has 2 rows after 10, day 4 has 10 after 2.
        red = {key[2] for key, passed in checks(result).items() if not passed}
        assert red == {None, "2025-01-03", "2025-01-04"}


def test_instants_read_alike_in_both_profiles(settings: Settings, tmp_path: Path) -> None:
    with duckdb.connect(str(settings.home / "sources" / "hana_bw.duckdb")) as source:
        source.execute("SET TimeZone = 'UTC'")
        source.execute(
            "CREATE TABLE instants AS SELECT TIMESTAMPTZ '2025-01-01 15:00:00.000001' AS seen_at"
        )
    text = """
version: 1
title: 시각
description: 시각
owner: team:a
tags: ["0.ETL", "1.Start:SAP", "2.End:HDFS", 시각]
sources:
  instants: {title: 시각, connection: hana_bw, table: instants, columns: {seen_at: timestamptz}}
datasets:
  local:
    title: 서울
    inputs: [raw/instants]
    sql: SELECT seen_at, CAST(seen_at AS VARCHAR) AS seoul FROM instants
    columns: {seen_at: timestamptz, seoul: string}
"""
    pipelines = write(tmp_path, sales=SALES, instants=text)
    for profile in ("modern", "hive1"):
        environment = settings.environment.model_copy(
            update={"store": settings.store.model_copy(update={"parquet": profile})}
        )
        one = Settings(env=profile, home=settings.home, environment=environment)
        defs = build_definitions(one, pipelines)
        result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
            asset_selection=[asset_key("raw/instants"), asset_key("prep/local")]
        )
        assert result.success
        (row,) = open_store(one).read([Partition("prep", "local")]).to_pylist()
        assert row["seoul"] == "2025-01-02 00:00:00.000001+09"
        assert row["seen_at"] == datetime(2025, 1, 1, 15, 0, 0, 1, tzinfo=ZoneInfo("UTC"))


QUERY = """
version: 1
title: 질의
description: 질의
owner: team:a
tags: ["0.ETL", "1.Start:SAP", "2.End:HDFS", 질의]
partitions: {daily: {start: "2025-01-01"}}
params: {least: {type: int, default: 12, help: 최소}}
sources:
  big:
    title: 큰 것
    connection: CONNECTION
    query: |
      SELECT QUOTED AS id, CAST("TAG" AS date) AS tag FROM "SAPBW"."/BIC/SALES"
      WHERE "TAG" >= :start AND "TAG" < :end AND "ID" >= :least -- :no
    window: {column: tag}
    columns: {id: int64, tag: date}
    order_by: [id]
"""


@pytest.mark.parametrize(
    ("connection", "quoted", "local"),
    [
        ("sqlserver", "[ID]", ""),
        ("tibero", 'nvl("ID", 0)', ""),
        ("hana_bw", '"ID"', 'SELECT "ID" AS id, "TAG" AS tag FROM SAPBW."/BIC/SALES" '
         'WHERE "TAG" >= :start AND "TAG" < :end AND "ID" >= :least'),
    ],
)  # fmt: skip
def test_a_free_query_runs_where_the_connection_is_another_system(
    settings: Settings, tmp_path: Path, connection: str, quoted: str, local: str
) -> None:
    sources = settings.home / "sources"
    if connection != "hana_bw":
        (sources / "hana_bw.duckdb").rename(sources / f"{connection}.duckdb")
    text = QUERY.replace("CONNECTION", connection).replace("QUOTED", quoted)
    if local:
        text = text.replace("    window:", f"    local_query: |\n      {local}\n    window:")
    defs = build_definitions(settings, write(tmp_path, sales=SALES, query=text))
    (tmp_path / "i").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "i")) as instance:
        assert run((defs, instance), "raw/big", partition="2025-01-02").success
    rows = open_store(settings).read([Partition("raw", "big", "daily", "2025-01-02")])
    assert rows["id"].to_pylist() == list(range(12, 20))


def test_what_is_not_there_yet_is_said(lake: tuple[dg.Definitions, dg.DagsterInstance]) -> None:
    result = run(lake, "prep/month", partition="2025-01")
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    said = failure.step_failure_data.user_failure_data
    assert said is not None
    assert said.metadata["lake/exit_code"].value == 75
    assert "prep/tax" in str(said.description)


def test_dagster_knows_the_asset(lake: tuple[dg.Definitions, dg.DagsterInstance]) -> None:
    graph = lake[0].resolve_asset_graph()
    node = graph.get(asset_key("raw/sales"))
    assert node.group_name == "sales"
    assert node.owners == ["team:sales"]
    assert node.kinds == {"hana_bw", "parquet"}
    assert node.parent_keys == {dg.AssetKey(["src", "hana_bw", "sales"])}
    assert {key.name for key in node.check_keys} == {"gates", "checks", "drift"}
    assert node.description is not None
    assert node.description.startswith("매출 원본")
    assert node.backfill_policy == dg.BackfillPolicy.multi_run(31)
    hints = read_hints("raw/sales", node.metadata)
    assert (hints.queue, hints.pool, hints.retries) == ("s21", "bw", 2)
    columns = {c.name: c for c in node.metadata["dagster/column_schema"].columns}
    assert columns["id"].description == "번호"
    assert columns["id"].constraints.nullable is False
    assert columns["buyer"].tags == {"pii": "masked"}
    external = graph.get(dg.AssetKey(["src", "hana_bw", "sales"]))
    assert external.is_external
    assert "/BIC/SALES" in str(external.description)


def test_a_tick_means_the_day_that_is_whole(
    lake: tuple[dg.Definitions, dg.DagsterInstance],
) -> None:
    schedule = lake[0].resolve_schedule_def("sales_schedule")
    assert schedule.execution_timezone == "Asia/Seoul"
    # 06:00 in Seoul is 21:00 UTC of the day before: the partition is not the UTC date's.
    moment = datetime(2025, 7, 2, 6, tzinfo=ZoneInfo("Asia/Seoul"))
    with dg.build_schedule_context(
        lake[1], scheduled_execution_time=moment, repository_def=lake[0].get_repository_def()
    ) as context:
        data = schedule.evaluate_tick(context)
    assert data.run_requests is not None
    assert [request.partition_key for request in data.run_requests] == ["2025-07-01"]


def test_once_is_a_job_that_airflow_runs_a_single_time(settings: Settings, tmp_path: Path) -> None:
    once = SALES.replace('cron: "0 6 * * *"', 'cron: "@once"')
    repository = build_definitions(settings, write(tmp_path, sales=once)).get_repository_def()
    assert repository.get_job("sales").metadata["airflow/schedule"].value == "@once"
    assert repository.schedule_defs == []


def test_code_version_follows_what_decides_the_rows(tmp_path: Path) -> None:
    def version(text: str, transform: str = TRANSFORM) -> dict[str, str]:
        (pipeline,) = [one for one in write(tmp_path, sales=text) if one.name == "sales"]
        (pipeline.folder / "transform.py").write_text(transform)
        return {asset.key: code_version(asset) for asset in assets(pipeline)}

    first = version(SALES)

    def changed(text: str, transform: str = TRANSFORM) -> list[str]:
        return [key for key, value in version(text, transform).items() if value != first[key]]

    assert (
        changed(SALES.replace("title: 세금", "title: 부가세").replace("team:sales", "team:a")) == []
    )
    assert changed(SALES.replace("retries: 2", "retries: 3")) == []
    assert changed(SALES.replace("$rate AS", "2 * $rate AS")) == ["prep/tax"]
    assert changed(SALES.replace("default: 0.1", "default: 0.2")) == ["prep/tax", "prep/best"]
    assert changed(SALES.replace("source: BETRAG", "source: NETTO")) == ["raw/sales"]
    assert changed(SALES, TRANSFORM + "\n# changed") == ["prep/best"]


def test_hand_written_assets_stand_beside(settings: Settings, tmp_path: Path) -> None:
    write(tmp_path, sales=SALES)
    (tmp_path / "pipelines" / "sales" / "assets.py").write_text(
        "import dagster as dg\nimport polars as pl\n\n"
        '@dg.asset(key=["prep", "by_hand"], deps=[["raw", "sales"]])\n'
        "def by_hand() -> pl.DataFrame:\n"
        '    return pl.DataFrame({"n": [1]})\n'
    )
    defs = build_definitions(settings, load_pipelines([tmp_path / "pipelines"]))
    result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
        asset_selection=[dg.AssetKey(["prep", "by_hand"])]
    )
    assert result.success
    assert open_store(settings).read([Partition("prep", "by_hand")]).to_pylist() == [{"n": 1}]
