"""The shipped pipelines: valid records whose SQL and transform give the declared columns.

The SQL of the sales pipelines runs here on DuckDB over the generated rows themselves, without the
lake between; that of the receivables has a test of its own (`test_receivables.py`).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pytest

from lake_assets.preps.catalogue import CATALOGUE
from lake_assets.sample.generate import dirty_day, tables
from lake_assets.spec.pipeline import PipelineSpec
from lake_assets.spec.rules import Rules
from lake_assets.spec.sources import SourceSpec
from resources.settings import Sample
from resources.types import parse_type
from resources.yamlfile import YamlFile

FOLDER = Path(__file__).parents[2] / "lake_assets" / "pipelines"
NAMES = ("bw_sales_result_daily", "bw_sales_result_monthly", "customer_master")
PIPELINES = {
    file.parent.name: YamlFile(file).record(PipelineSpec)
    for file in sorted(FOLDER.glob("*/pipeline.yaml"))
}
#: The tables; an index and an API are the stand-ins', not generated ones.
SOURCES = {
    name: spec
    for pipeline in PIPELINES.values()
    for name, spec in pipeline.sources.items()
    if spec.described is None
}
SAMPLE = Sample(days=280, until="2026-04-30", scale=1)
TODAY = date(2026, 5, 1)
MONTH = (date(2026, 3, 1), date(2026, 4, 1))


@pytest.fixture(scope="module")
def lake() -> Iterator[duckdb.DuckDBPyConnection]:
    """The generated tables, and views `raw.*` over them as the lake would hold them."""
    con = duckdb.connect()
    con.execute("CREATE SCHEMA raw")
    con.execute("CREATE SCHEMA prep")
    for table in tables(SAMPLE, TODAY):
        con.execute(f'CREATE SCHEMA IF NOT EXISTS "{table.schema}"')
        con.execute(f"CREATE TABLE {table.target} ({table.declaration})")
        for batch in table.batches:
            con.from_arrow(batch).insert_into(table.target)
    for name, spec in SOURCES.items():
        columns = [f'"{c.source}" AS {alias}' for alias, c in spec.columns.items()]
        if spec.window:
            source = spec.columns[spec.window.column].source
            columns.append(f"""strptime("{source}", '%Y%m%d')::DATE AS dt""")
        con.execute(
            f"CREATE VIEW raw.{name} AS SELECT {', '.join(columns)} "
            f'FROM "{spec.schema_}"."{spec.table}"'
        )
    yield con
    con.close()


def run(
    lake: duckdb.DuckDBPyConnection, pipeline: str, dataset: str, start: date, end: date
) -> duckdb.DuckDBPyRelation:
    """A dataset's SQL over the days from `start` to `end` of its inputs, and its steps."""
    spec = PIPELINES[pipeline]
    made = spec.datasets[dataset]
    for alias, key in made.named_inputs.items():
        layer, name = key.split("/")
        days = f"WHERE dt >= '{start}' AND dt < '{end}'" if name != "customer" else ""
        if key == "prep/customer_master":
            run(lake, "customer_master", "customer_master", start, end).create_view("master_rows")
            layer, name, days = "main", "master_rows", ""
        lake.execute(f"CREATE OR REPLACE VIEW {alias} AS SELECT * FROM {layer}.{name} {days}")
    assert made.sql is not None
    values = {
        "partition": f"{start}",
        "partition_start": start,
        "partition_end": end,
        **{name: param.default for name, param in spec.params.items()},
    }
    used = lake.extract_statements(made.sql)[0].named_parameters
    rows = lake.execute(made.sql, {name: values[name] for name in used}).to_arrow_table()
    for one in made.steps or ():
        rows = CATALOGUE[one.name].function(rows, **one.params)
    return lake.from_arrow(rows)


def sales_daily(lake: duckdb.DuckDBPyConnection, start: date, end: date) -> pa.Table:
    return run(lake, NAMES[0], "sales_result_daily", start, end).to_arrow_table()


def declared(pipeline: str, dataset: str) -> dict[str, str]:
    columns = PIPELINES[pipeline].datasets[dataset].columns
    return {name: column.parsed.duckdb() for name, column in columns.items()}


def broken(rows: duckdb.DuckDBPyRelation, rules: Rules, columns: dict[str, Any]) -> list[str]:
    """The rules that some row breaks, as conditions."""
    conditions = [f"{name} IS NOT NULL" for name in rules.not_null]
    conditions += [f"{name} IS NOT NULL" for name, c in columns.items() if not c.nullable]
    for name, accepted in rules.accepted.items():
        conditions.append(f"{name} IN ({', '.join(repr(value) for value in accepted)})")
    for name, bounds in rules.range.items():
        conditions += [f"{name} >= {bounds.min}"] if bounds.min is not None else []
        conditions += [f"{name} <= {bounds.max}"] if bounds.max is not None else []
    conditions += rules.expect.values()
    found = [c for c in conditions if rows.filter(f"NOT ({c})").count("*").fetchone() != (0,)]
    if rules.unique:
        keys = ", ".join(rules.unique)
        if rows.count("*").fetchone() != rows.aggregate(keys).count("*").fetchone():
            found.append(f"unique {keys}")
    return found


@pytest.mark.parametrize("name", PIPELINES)
def test_people_can_read_it(name: str) -> None:
    pipeline = PIPELINES[name]
    korean = [pipeline.title, pipeline.description]
    for asset in (*pipeline.sources.values(), *pipeline.datasets.values()):
        korean += [asset.title, asset.description]
        korean += [column.title or "" for column in asset.columns.values()]
    assert [text for text in korean if not any("가" <= letter <= "힣" for letter in text)] == []
    assert pipeline.named_schedules or name == "days_split_upload"  # its periods are asked for


@pytest.mark.parametrize(("name", "spec"), SOURCES.items(), ids=SOURCES)
def test_sources_declare_what_is_there(
    lake: duckdb.DuckDBPyConnection, name: str, spec: SourceSpec
) -> None:
    found = lake.table(f'"{spec.schema_}"."{spec.table}"')
    there = dict(zip(found.columns, map(str, found.types), strict=True))
    for column in spec.columns.values():
        assert there[column.source or ""] == column.parsed.duckdb()
    # KNA1's client column is left out; everything else is declared, but of a table split by days.
    assert name.startswith("sales_line_") or set(there) - {
        column.source for column in spec.columns.values()
    } <= {"MANDT"}


def test_personal_data_is_marked() -> None:
    marked = {
        (name, column): spec.pii
        for pipeline in PIPELINES.values()
        for name, asset in {**pipeline.sources, **pipeline.datasets}.items()
        for column, spec in asset.columns.items()
        if spec.pii != "none"
    }
    assert marked == {
        ("customer", "name"): "masked",
        ("customer", "representative"): "masked",
        ("customer", "business_no"): "secret",
        ("customer", "phone"): "masked",
        ("customer", "street"): "masked",
        ("customer_master", "name"): "masked",
        ("customer_master", "representative"): "masked",
        ("customer_master", "business_no"): "secret",
        ("customer_master", "phone"): "masked",
        ("bw_sales_result", "sales_rep"): "masked",
        **{
            ("dlp_log", name): "masked"
            for name in ("user_id", "user_name", "host", "ip", "file_name")
        },
        ("sales_customer_rank_monthly", "name"): "masked",
    }


@pytest.mark.parametrize(
    ("pipeline", "dataset", "start", "end"),
    [
        (NAMES[0], "sales_result_daily", date(2026, 3, 3), date(2026, 3, 4)),
        (NAMES[0], "sales_result_daily", *MONTH),
        (NAMES[1], "sales_result_monthly", *MONTH),
        (NAMES[2], "customer_master", *MONTH),
    ],
)
def test_sql_gives_the_declared_columns_and_keeps_its_rules(
    lake: duckdb.DuckDBPyConnection, pipeline: str, dataset: str, start: date, end: date
) -> None:
    made = PIPELINES[pipeline].datasets[dataset]
    rows = run(lake, pipeline, dataset, start, end)
    found = dict(zip(rows.columns, map(str, rows.types), strict=True))
    wanted = declared(pipeline, dataset)
    assert found == ({"dt": "DATE", **wanted} if made.range else wanted)
    assert rows.count("*").fetchone() > (100,)
    one_day = rows.filter("dt = '2026-03-03'") if end == MONTH[1] and made.range else rows
    assert broken(one_day, made.gates, dict(made.columns)) == []
    assert broken(one_day, made.checks, {}) == []


def test_master_is_cleaned(lake: duckdb.DuckDBPyConnection) -> None:
    rows = run(lake, NAMES[2], "customer_master", *MONTH)
    assert rows.filter(r"regexp_matches(name, '㈜|\(주\)|주식회사|^\s|\s$|\s\s')").fetchall() == []
    assert rows.filter("representative = '' OR payment_terms = ''").fetchall() == []
    regions = dict(rows.aggregate("region, count(*) AS n").fetchall())
    assert len(regions) == 18
    assert 0 < regions["미상"] < 0.1 * sum(regions.values())
    undated, closed = lake.execute(
        "SELECT count(*) FILTER (created_on = '00000000'), count(*) FILTER (deletion_flag = 'X') "
        "FROM raw.customer"
    ).fetchall()[0]
    assert rows.filter("created_on IS NULL").count("*").fetchone() == (undated,) > (0,)
    assert rows.filter("NOT active").count("*").fetchone() == (closed,) > (0,)


def test_gates_stop_the_dirty_day_only(lake: duckdb.DuckDBPyConnection) -> None:
    spec = SOURCES["bw_sales_result"]
    dirty = dirty_day(SAMPLE, TODAY)
    assert dirty == date(2025, 10, 12)
    raw = lake.sql("FROM raw.bw_sales_result")
    assert raw.aggregate("count(DISTINCT dt)").fetchone() == (SAMPLE.days,)
    assert broken(raw.filter(f"dt <> '{dirty}'"), spec.gates, dict(spec.columns)) == []
    assert broken(raw.filter(f"dt = '{dirty}'"), spec.gates, dict(spec.columns)) == [
        "unique document, item"
    ]


def test_checks_find_each_kind_of_dirty_row_and_the_dataset_leaves_them_out(
    lake: duckdb.DuckDBPyConnection,
) -> None:
    spec = SOURCES["bw_sales_result"]
    raw = lake.sql("FROM raw.bw_sales_result")
    kinds = broken(raw, spec.checks, {})
    assert sorted(kinds) == [
        "amount <= 100000000000",
        "currency IN ('KRW', 'USD', 'EUR', 'JPY')",
        "doc_type = 'RE' OR qty >= 0",
    ]
    start, end = MONTH
    kept = sum(sales_daily(lake, start, end).column("lines").to_pylist())
    sound = raw.filter(
        f"dt >= '{start}' AND dt < '{end}' AND amount <= 1e11 AND currency <> 'KRX' "
        "AND (doc_type = 'RE' OR qty >= 0)"
    )
    assert sound.count("*").fetchone() == (kept,)


def test_a_range_of_days_equals_its_days_singly(lake: duckdb.DuckDBPyConnection) -> None:
    days = [date(2026, 3, day) for day in range(2, 6)]
    together = sales_daily(lake, days[0], days[-1]).to_pylist()
    singly = [
        row for start, end in pairwise(days) for row in sales_daily(lake, start, end).to_pylist()
    ]
    assert sorted(map(repr, together)) == sorted(map(repr, singly))
    assert {row["dt"] for row in together} == set(days[:3])


def test_vat_follows_the_parameter(lake: duckdb.DuckDBPyConnection) -> None:
    rows = sales_daily(lake, date(2026, 3, 3), date(2026, 3, 4)).to_pylist()
    domestic = [
        row for row in rows if row["vat"] == (row["net_amount"] / 10).quantize(Decimal("0.01"))
    ]
    assert 0.8 * len(rows) < len(domestic) < len(rows)
    assert any(row["vat"] is None for row in rows)


def test_a_month_is_the_sum_of_its_days(lake: duckdb.DuckDBPyConnection) -> None:
    days = lake.from_arrow(sales_daily(lake, *MONTH)).aggregate("sum(net_amount), sum(lines)")
    month = run(lake, NAMES[1], "sales_result_monthly", *MONTH)
    assert month.aggregate("sum(net_amount), sum(lines)").fetchone() == days.fetchone()
    assert month.filter("segment = '기타'").count("*").fetchone() > (0,)


def test_customers_are_ranked(lake: duckdb.DuckDBPyConnection) -> None:
    made = PIPELINES[NAMES[1]].datasets["sales_customer_rank_monthly"]
    file, function = str(made.transform).split(":")
    spec = importlib.util.spec_from_file_location("rank", FOLDER / NAMES[1] / file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    sales = pl.DataFrame(sales_daily(lake, *MONTH))
    master = run(lake, NAMES[2], "customer_master", *MONTH).to_arrow_table()
    params = {name: param.default for name, param in PIPELINES[NAMES[1]].params.items()}
    ranked = getattr(module, function)(sales, pl.DataFrame(master), **params)

    schema = pa.schema([(name, column.parsed.arrow()) for name, column in made.columns.items()])
    table = ranked.to_arrow(compat_level=pl.CompatLevel.oldest())
    assert table.schema.names == schema.names
    plain = {pa.large_string(): pa.string()}
    assert [plain.get(kind, kind) for kind in table.schema.types] == schema.types
    rows = lake.from_arrow(table)
    assert broken(rows, made.gates, dict(made.columns)) == []
    assert broken(rows, made.checks, {}) == []

    customers = sales.filter(pl.col("net_amount").is_not_null())["customer"].n_unique()
    assert ranked["rank"].to_list() == list(range(1, customers + 1))
    assert ranked["net_amount"].is_sorted(descending=True)
    assert ranked["cumulative_share"][-1] == 1.0
    assert ranked["net_amount"].sum() == sales["net_amount"].sum()
    # Grades stand in one order, and each begins where its share is reached.
    assert ranked["grade"].is_sorted()
    for grade, until in (("A", 0.7), ("B", 0.9)):
        last = ranked.filter(pl.col("grade") == grade)["cumulative_share"]
        assert last[-1] >= until > last[-2]
    again = getattr(module, function)(sales.reverse(), pl.DataFrame(master).reverse(), **params)
    assert again.equals(ranked)
    assert parse_type("decimal(18,2)").arrow() == table.schema.field("net_amount").type
