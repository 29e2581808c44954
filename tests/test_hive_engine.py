"""SQL for Hive as text: inputs put in, values bound, what is refused, and DuckDB's words for it.

Not here: Hive running it (`tests/acceptance/test_hive_engine.py`).
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pytest

from lake_assets import hive_engine
from lake_assets.hive_engine import Read
from lake_assets.loader import read_pipelines
from lake_assets.spec.columns import ColumnSpec
from lake_assets.validate import validate_folders
from resources.errors import PermanentError
from resources.hive_tables import HiveColumn, HiveTable
from resources.sql import Value
from tests.pipeline_files import changed, line_of, write

SALES = Read(
    HiveTable("raw", "bw_sales", "", (), (HiveColumn("dt", "date"),), ""),
    ["region", "amount"],
    {"dt=2025-07-01": "/lake/raw/bw_sales/dt=2025-07-01"},
)
STORE = Read(HiveTable("raw", "store", "", (), (), ""), ["code"], {"": "/lake/raw/store"})
READS = {"sales": SALES, "store": STORE}
VALUES: dict[str, Value] = {
    "least": 5,
    "word": "it's ${env:PATH}",
    "partition_start": date(2025, 7, 1),
}
SALES_SQL = (
    "(SELECT `region`, `amount`, `dt` FROM `raw`.`bw_sales` "
    "WHERE `dt` IN (CAST('2025-07-01' AS DATE)))"
)
STORE_SQL = "(SELECT `code` FROM `raw`.`store`)"


@pytest.mark.parametrize(
    ("sql", "ctes", "body"),
    [
        (
            "SELECT sales.region FROM sales",
            "",
            f"SELECT sales.region FROM {SALES_SQL} AS `sales`",
        ),
        (
            "SELECT S.Region FROM Sales S JOIN STORE t ON t.code = s.region",
            "",
            f"SELECT s.region FROM {SALES_SQL} AS `s` JOIN {STORE_SQL} AS `t` ON t.code = s.region",
        ),
        (
            "WITH sales AS (SELECT * FROM sales), x AS (SELECT * FROM sales)\n"
            "SELECT * FROM SALES UNION ALL SELECT * FROM x",
            f"WITH sales AS (SELECT * FROM {SALES_SQL} AS `sales`), x AS (SELECT * FROM sales)",
            "SELECT * FROM sales UNION ALL SELECT * FROM x",
        ),
        (
            "SELECT * FROM (SELECT * FROM store) a WHERE code IN (SELECT region FROM sales)",
            "",
            f"SELECT * FROM (SELECT * FROM {STORE_SQL} AS `store`) AS a "
            f"WHERE code IN (SELECT region FROM {SALES_SQL} AS `sales`)",
        ),
        (
            "SELECT '$least' AS t -- $word\n"
            "FROM store WHERE code > $least AND d = $partition_start",
            "",
            f"SELECT '$least' AS t FROM {STORE_SQL} AS `store` "
            "WHERE code > 5 AND d = CAST('2025-07-01' AS DATE)",
        ),
    ],
)
def test_inputs_are_put_in_and_values_bound(sql: str, ctes: str, body: str) -> None:
    found = hive_engine.in_hive(sql, READS, VALUES, "prep/x")
    assert (found.ctes, found.body) == (ctes, body)


def test_a_statement_begins_with_its_with() -> None:
    query = hive_engine.Query("WITH a AS (SELECT 1)", "SELECT * FROM a")
    assert query.within("x", "LIMIT 0", "INSERT INTO TABLE t").split("\n") == [
        "WITH a AS (SELECT 1)",
        "INSERT INTO TABLE t",
        "SELECT x FROM (",
        "SELECT * FROM a",
        ") q",
        "LIMIT 0",
    ]


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("SELECT * FROM other", "other is no input"),
        ("SELECT * FROM raw.sales", "raw.sales is no input"),
        ("SELECT * FROM sales WHERE x = $leest", "there is no parameter $leest; did you mean"),
        ("SELECT ${env:PATH} FROM sales", "there is no parameter $env"),
        ("SELECT TRANSFORM(a) USING 'sh' AS (b) FROM sales", "runs no programs (TRANSFORM)"),
        ("SELECT reflect('java.lang.System', 'exit', 1) FROM sales", "no programs (reflect)"),
        ("SELECT 1; DROP TABLE x", "must be one SELECT and nothing else"),
        ("INSERT INTO sales SELECT 1", "must be one SELECT and nothing else"),
        ("SELECT FROM FROM", "the SQL is no Hive SQL"),
    ],
)
def test_what_is_refused(sql: str, told: str) -> None:
    with pytest.raises(PermanentError) as error:
        hive_engine.in_hive(sql, READS, VALUES, "prep/x")
    assert told in str(error.value)
    assert str(error.value).startswith("prep/x: ")


def test_duckdb_s_words_mean_the_same_and_keep_the_parameters() -> None:
    sql = (
        "SELECT CAST(date_add(dt, 1) AS DATE) AS d, nvl(`Region`, '$x') AS r, "
        "7 / 2 AS q, CAST('y' AS INT) AS c "
        "FROM sales WHERE a > $least ORDER BY r"
    )
    text = hive_engine.in_duckdb(sql, "prep/x")
    with duckdb.connect() as database:
        database.execute(
            "CREATE TABLE sales AS SELECT DATE '2025-07-31' AS dt, NULL::VARCHAR AS region, 6 a"
        )
        rows = database.execute(text, {"least": 5}).fetchall()
        assert rows == [(date(2025, 8, 1), "$x", 3.5, None)]
        assert database.execute(text, {"least": 6}).fetchall() == []


def test_files_of_hive_are_taken_as_they_are_but_for_some_types() -> None:
    def taken(*types: str) -> bool:
        return hive_engine.as_it_is({f"c{n}": ColumnSpec(type=one) for n, one in enumerate(types)})

    assert taken("string", "int32", "int64", "decimal(38,10)", "date", "boolean", "binary")
    for one in ("timestamp", "int8", "int16", "decimal(5,5)"):
        assert not taken("string", one), one


# --- pipeline files ------------------------------------------------------------------------------

HIVE = changed(
    ("    inputs: [raw/sales]\n", "    inputs: [raw/sales]\n    engine: hive\n"),
    ("sum(amount)::DECIMAL(18,2) AS amount", "CAST(sum(amount) AS DECIMAL(18,2)) AS amount"),
)


def test_hive_s_sql_is_validated_as_what_duckdb_makes_of_it(tmp_path: Path) -> None:
    assert validate_folders([write(tmp_path, {"sales": HIVE})]) == []


@pytest.mark.parametrize(
    ("old", "new", "where", "told"),
    [
        ("WHERE amount >= $least", "WHERE amount >= $leest", "$leest", "no parameter $leest"),
        ("CAST(sum(amount) AS", "CAST(sum(amuont) AS", "amuont", "there is no column 'amuont'"),
        ("FROM sales\n", "FROM sale\n", "FROM sale", "there is no input 'sale'"),
        ("AS DECIMAL(18,2)) AS", "AS DECIMAL(20,2)) AS", "      amount: decimal", "declared is"),
        ("GROUP BY region", "GROUP region BY", "SELECT region", "not hive SQL"),
        ("SELECT region,", "SELECT reflect('a', 'b') AS region,", "SELECT", "runs no programs"),
    ],
)
def test_mistakes_in_it_are_told_with_their_line(
    tmp_path: Path, old: str, new: str, where: str, told: str
) -> None:
    text = changed((old, new), text=HIVE)
    found = validate_folders([write(tmp_path, {"sales": text})])
    assert any(told in str(one) for one in found), found
    if told not in ("declared is", "not hive SQL"):
        assert {one.line for one in found} >= {line_of(text, where)}, found


def test_an_instant_is_neither_read_nor_made(tmp_path: Path) -> None:
    text = changed(
        (
            "      amount: decimal(18,2)\n      region: {t",
            "      amount: decimal(18,2)\n      paid_at: timestamptz\n      region: {t",
        ),
        ("      WHERE amount", "      WHERE paid_at IS NOT NULL AND amount"),
        text=HIVE,
    )
    [mistake] = validate_folders([write(tmp_path, {"sales": text})])
    assert "there is no column 'paid_at'" in str(mistake)
    made = HIVE + "      made_at: timestamptz\n"
    _, mistakes = read_pipelines([write(tmp_path / "made", {"sales": made})])
    assert ["made_at is timestamptz, and Hive has no instants" in str(one) for one in mistakes] == [
        True
    ]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("    range: true\n", "range: true is for DuckDB; Hive makes one partition at a time"),
        ("    files: one\n", "Hive writes as many files as it has tasks: take `files: one` out"),
    ],
)
def test_what_does_not_go_with_hive(tmp_path: Path, more: str, told: str) -> None:
    text = changed(("    engine: hive\n", f"    engine: hive\n{more}"), text=HIVE)
    _, mistakes = read_pipelines([write(tmp_path, {"sales": text})])
    assert [told in str(one) for one in mistakes] == [True]


def test_hive_runs_sql_and_no_transform(tmp_path: Path) -> None:
    text = (
        HIVE[: HIVE.index("    sql: |")]
        + "    transform: transform.py:f\n    columns: {a: int64}\n"
    )
    folder = write(tmp_path, {"sales": text, "sales/transform.py": "def f(sales): ...\n"})
    _, mistakes = read_pipelines([folder])
    assert any("Hive runs sql; take `engine` out" in str(one) for one in mistakes), mistakes
