"""Dagster's tutorial "Build an ETL pipeline": sales joined in DuckDB, and analyses of them.

Rebuilt after https://github.com/dagster-io/dagster (Apache-2.0), the folder
examples/docs_snippets/docs_snippets/guides/tutorials/etl_tutorial: ingestion, a join with a check,
analyses by month and by category that follow it by condition, a weekly schedule, and requests that
a sensor finds in a folder.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg


class DuckDBResource(dg.ConfigurableResource):
    """As that of dagster-duckdb, for what the tutorial does with it."""

    database: str

    @contextmanager
    def get_connection(self) -> Iterator[Any]:
        import duckdb

        with duckdb.connect(self.database) as connection:
            yield connection


ROWS = {
    "products": "(1, 'Lamp', 'Electronics', 30), (2, 'Atlas', 'Books', 20)",
    "sales_reps": "(1, 'Ada', 'Online'), (2, 'Bo', 'Shops')",
    "sales_data": "(date '2024-01-03', 1, 1, 2), (date '2024-02-04', 2, 2, 1)",
}
COLUMNS = {
    "products": "product_id, product_name, category, price",
    "sales_reps": "rep_id, rep_name, department",
    "sales_data": "date, rep_id, product_id, quantity",
}


def _ingest(duckdb: DuckDBResource, table: str) -> dg.MaterializeResult[Any]:
    with duckdb.get_connection() as conn:
        conn.execute(
            f"create or replace table {table} as "
            f"select * from (values {ROWS[table]}) t({COLUMNS[table]})"
        )
        (count,) = conn.execute(f"select count(*) from {table}").fetchone()
    return dg.MaterializeResult(metadata={"row_count": dg.MetadataValue.int(count)})


@dg.asset(compute_kind="duckdb", group_name="ingestion")
def products(duckdb: DuckDBResource) -> dg.MaterializeResult[Any]:
    return _ingest(duckdb, "products")


@dg.asset(compute_kind="duckdb", group_name="ingestion")
def sales_reps(duckdb: DuckDBResource) -> dg.MaterializeResult[Any]:
    return _ingest(duckdb, "sales_reps")


@dg.asset(compute_kind="duckdb", group_name="ingestion")
def sales_data(duckdb: DuckDBResource) -> dg.MaterializeResult[Any]:
    return _ingest(duckdb, "sales_data")


@dg.asset(compute_kind="duckdb", group_name="joins", deps=[sales_data, sales_reps, products])
def joined_data(duckdb: DuckDBResource) -> dg.MaterializeResult[Any]:
    with duckdb.get_connection() as conn:
        conn.execute(
            "create or replace view joined_data as select *, price * quantity as dollar_amount "
            "from sales_data left join sales_reps using (rep_id) "
            "left join products using (product_id)"
        )
        (count,) = conn.execute("select count(*) from joined_data").fetchone()
    return dg.MaterializeResult(metadata={"row_count": dg.MetadataValue.int(count)})


@dg.asset_check(asset=joined_data)
def missing_dimension_check(duckdb: DuckDBResource) -> dg.AssetCheckResult:
    with duckdb.get_connection() as conn:
        (count,) = conn.execute(
            "select count(*) from joined_data where rep_name is null or product_name is null"
        ).fetchone()
    return dg.AssetCheckResult(passed=count == 0, metadata={"missing dimensions": count})


monthly_partition = dg.MonthlyPartitionsDefinition(start_date="2024-01-01")
product_category_partition = dg.StaticPartitionsDefinition(
    ["Electronics", "Books", "Home and Garden", "Clothing"]
)


def _sum(duckdb: DuckDBResource, where: str) -> dg.MaterializeResult[Any]:
    with duckdb.get_connection() as conn:
        (total,) = conn.execute(
            f"select coalesce(sum(dollar_amount), 0)::int from joined_data where {where}"
        ).fetchone()
    return dg.MaterializeResult(metadata={"total": total})


@dg.asset(
    partitions_def=monthly_partition,
    compute_kind="duckdb",
    group_name="analysis",
    deps=[joined_data],
    automation_condition=dg.AutomationCondition.eager(),
)
def monthly_sales_performance(
    context: dg.AssetExecutionContext, duckdb: DuckDBResource
) -> dg.MaterializeResult[Any]:
    return _sum(duckdb, f"strftime(date, '%Y-%m') = '{context.partition_key[:-3]}'")


@dg.asset(
    deps=[joined_data],
    partitions_def=product_category_partition,
    group_name="analysis",
    compute_kind="duckdb",
    automation_condition=dg.AutomationCondition.eager(),
)
def product_performance(
    context: dg.AssetExecutionContext, duckdb: DuckDBResource
) -> dg.MaterializeResult[Any]:
    return _sum(duckdb, f"category = '{context.partition_key}'")


class AdhocRequestConfig(dg.Config):
    department: str
    product: str
    start_date: str
    end_date: str


@dg.asset(deps=["joined_data"], compute_kind="python")
def adhoc_request(config: AdhocRequestConfig, duckdb: DuckDBResource) -> dg.MaterializeResult[Any]:
    return _sum(
        duckdb,
        f"date >= '{config.start_date}' and date < '{config.end_date}' "
        f"and department = '{config.department}' and product_name = '{config.product}'",
    )


weekly_update_schedule = dg.ScheduleDefinition(
    name="analysis_update_job",
    target=dg.AssetSelection.keys("joined_data").upstream(),
    cron_schedule="0 0 * * 1",  # every Monday at midnight
)

adhoc_request_job = dg.define_asset_job(
    name="adhoc_request_job", selection=dg.AssetSelection.assets("adhoc_request")
)


@dg.sensor(job=adhoc_request_job)
def adhoc_request_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult:
    known = json.loads(context.cursor or "{}")
    files = Path(os.environ["ETL_TUTORIAL_DATA"], "requests").glob("*.json")
    found = {path.name: path.stat().st_mtime for path in files}
    requests = [
        dg.RunRequest(run_key=f"adhoc_request_{name}_{time}")
        for name, time in found.items()
        if known.get(name) != time
    ]
    return dg.SensorResult(run_requests=requests, cursor=json.dumps(found))


defs = dg.Definitions(
    assets=[
        *(products, sales_reps, sales_data, joined_data),
        *(monthly_sales_performance, product_performance, adhoc_request),
    ],
    asset_checks=[missing_dimension_check],
    schedules=[weekly_update_schedule],
    jobs=[adhoc_request_job],
    sensors=[adhoc_request_sensor],
    resources={"duckdb": DuckDBResource(database=dg.EnvVar("ETL_TUTORIAL_DATABASE"))},
)
