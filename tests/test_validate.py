"""SQL of pipeline files: bound against declared columns, told at its line; the skeleton.

Here: `lake_assets/validate.py` and `skeleton.py`. Not here: rules that need no engine
(`test_loader.py`).
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from lake_assets.loader import FILE, SHIPPED, load_pipelines
from lake_assets.skeleton import skeleton, write_skeleton
from lake_assets.validate import validate, validate_folders
from resources.errors import UsageError
from resources.settings import load_settings
from resources.yamlfile import Mistake
from tests.pipeline_files import SALES, changed, line_of, write

#: As HANA has it, whose dialect nobody translates.
QUERY = """\
    query: |
      SELECT ID, SOLD_ON, AMOUNT, REGION
      FROM "SAPBW"."/BIC/AZSD_O0100"
      WHERE SOLD_ON >= :start AND SOLD_ON < :end
"""


def told(folder: Path, text: str, env: str = "local") -> list[Mistake]:
    return validate_folders([write(folder, {"sales": text})], load_settings(env))


def expect(conditions: str) -> tuple[str, str]:
    """A change of the file: `expect` among the gates."""
    return "      unique: [id]", f"      unique: [id]\n      expect: {conditions}"


@pytest.mark.parametrize("env", ["local", "staging", "prod"])
def test_the_shipped_files_are_right(env: str) -> None:
    assert validate(load_pipelines([SHIPPED]), load_settings(env)) == []
    assert validate(load_pipelines([SHIPPED])) == []


def test_the_file_of_these_tests_is_right(tmp_path: Path) -> None:
    assert told(tmp_path, SALES) == []


TABLE = "    table: /BIC/AZSD_O0100\n"
WHERE = "      WHERE amount >= $least AND dt = $partition_start\n"
# Each: what is changed in the file, words of the line, what is told, words of the cure.
CASES: dict[str, tuple[list[tuple[str, str]], str, str, str]] = {
    "column": ([("sum(amount)", "sum(amout)")], "sum(", "no column 'amout'", "'amount'"),
    "of a table": ([("dt = $", "sales.day = $")], "WHERE", "no column 'day'", "amount, dt"),
    "function": ([("sum(amount)", "summ(amount)")], "summ(", "summ does not exist", "sum"),
    "syntax": ([("GROUP BY", "GROUP")], "GROUP region", 'syntax error at or near "region"', ""),
    "Korean before": (
        [(WHERE, "      -- 서울과 부산만 남깁니다, 나머지는 따로 봅니다\n" + WHERE),
         ("GROUP BY region", "GROUP BY region ]")],
        "region ]", 'syntax error at or near "]"', "",
    ),
    "end": ([("GROUP BY region", "GROUP BY")], "GROUP BY", "syntax error at end of input", ""),
    "cast": ([("::DECIMAL(18,2)", "::DECIML(18,2)")], "DECIML", "DECIML", ""),
    "aggregate": ([("      GROUP BY region\n", "")], "SELECT region", "must appear in", ""),
    "table": ([("FROM sales", "FROM sale")], "FROM sale", "no input 'sale'", "mean 'sales'"),
    "schema": ([("FROM sales", "FROM main.sales")], "FROM", "'main.sales' is no input", "sales"),
    "file": ([("FROM sales", "FROM 'a.csv', sales")], "FROM", "no input 'a.csv'", "inputs"),
    "reader": (
        [("FROM sales", "FROM sales, read_csv('/etc/passwd') f")], "FROM",
        "read_csv(…) is not allowed as a table", "its inputs and nothing else",
    ),
    "address": (
        [("FROM sales", "FROM sales, read_parquet('https://x.kr/a') f")], "FROM",
        "read_parquet(…) is not allowed", "",
    ),
    "catalogue": ([("FROM sales", "FROM sales, duckdb_settings() f")], "FROM", "not allowed", ""),
    "dynamic": ([("FROM sales", "FROM sales, query('SELECT 1') f")], "FROM", "is not allowed", ""),
    "unread": ([("FROM sales", "FROM (SELECT 'a' AS region, 1.0 AS amount, current_date AS dt)")],
               "SELECT region", "the input 'sales' is not read", "take it out"),
    "parameter": ([("$partition_start", "$partition_stat")], "WHERE", "$partition_stat",
                  "did you mean 'partition_start'"),
    "constant": ([("$partition_start", "'2024-02-30'")], "WHERE", "'2024-02-30' is no date", ""),
    "cast constant": ([("$partition_start", "DATE '2024-13-01'")], "WHERE", "is no date", ""),
    "type": (
        [("sum(amount)::DECIMAL(18,2)", "sum(amount)")], "      amount: decimal(18,2)\n",
        "the SQL gives 'amount' as decimal(38,2), declared is decimal(18,2)",
        "CAST(… AS DECIMAL(18,2)) AS amount, or declare decimal(38,2)",
    ),
    "type without equal": (
        [("sum(amount)::DECIMAL(18,2)", "sum(id)")], "      amount: decimal(18,2)\n",
        "gives 'amount' as HUGEINT", "CAST(… AS DECIMAL(18,2)) AS amount",
    ),
    "missing": ([("      region: string\n", "      region: string\n      n: int64\n")],
                "      n: int64", "the SQL gives no column 'n'", "allowed: amount, region"),
    "undeclared": (
        [("AS amount\n", "AS amount,\n             count(*) AS n\n")], "AS n",
        "gives the undeclared column 'n'", "declare it",
    ),
    "twice": ([("AS amount\n", "AS amount,\n             'a' AS region\n")], "'a' AS region",
              "gives two columns 'region'", "rename"),
    "partition column": ([("SELECT region,", "SELECT dt, region,"), ("BY region", "BY region, dt")],
                         "SELECT dt", "undeclared column 'dt'", "range: true"),
    "range without it": (
        [("[raw/sales]\n", "[raw/sales]\n    range: true\n")], "range: true",
        "the SQL gives no column 'dt'", "group by dt",
    ),
    "unused param": (
        [("amount >= $least AND ", "")], "  least:", "'least' is not used", "$least in SQL",
    ),
    "filter": (
        [("    window:", '    filter: "regin = \'서울\'"\n    window:')], "filter:",
        "filter: there is no column 'regin'", "did you mean 'region'",
    ),
    "filter's parameter": (
        [("    window:", "    filter: amount >= :leest\n    window:")], "filter:",
        "no parameter 'leest'", "did you mean 'least'",
    ),
    "dollar in a filter": (
        [("    window:", "    filter: amount >= $least\n    window:")], "filter:",
        "$least: parameters of a condition begin with a colon", ":least",
    ),
    "filter's lines": (
        [("    window:", "    filter: |\n      region <> '가'\n      AND amout > 0\n    window:")],
        "AND amout", "no column 'amout'", "'amount'",
    ),
    "expectation": (
        [expect("{plus: amount + id}")], "plus:",
        "gives decimal(", "amount >= 0",
    ),
    "two conditions": (
        [expect('{plus: "id > 0, id < 9"}')], "plus:",
        "is not one condition", "",
    ),
    "aggregate in one": (
        [expect('{plus: "count(*) > 0"}')], "plus:",
        "WHERE clause cannot contain aggregates", "",
    ),
    "window in one": (
        [expect('{p: "lag(id) OVER () < id"}')],
        "{p:", "WHERE clause cannot contain window functions", "",
    ),
    "subquery in one": (
        [expect('{p: "id = (SELECT 1)"}')], "{p:",
        "is not one condition", "",
    ),
    "statement in one": (
        [expect('{p: "true; DROP TABLE x"}')],
        "{p:", "only one SELECT", "",
    ),
    "a table in one": (
        [expect('{p: "true FROM sales"}')], "{p:",
        "no input 'sales'", "",
    ),
    "no tables there": ([("hana_bw", "sftp")], "connection:", "of kind sftp in 'local'", ""),
    "query": ([(TABLE, QUERY)], "query:", "cannot be translated",
              "add local_query"),
    "query's parameter": (
        [(TABLE, QUERY.replace(":end", ":ende")
          + "    local_query: SELECT 1\n")],
        ":ende", "no parameter 'ende'", "'end'",
    ),
    "local query": (
        [(TABLE, QUERY + "    local_query: SELECT FROM WHERE\n")],
        "local_query:", "not duckdb SQL", "",
    ),
    "query that is none": (
        [(TABLE, "    query: DELETE FROM X\n    local_query: SELECT 1\n")],
        " query:", "a query is one SELECT", "",
    ),
    "query of a known dialect": (
        [("hana_bw", "postgres"), (TABLE, "    query: SELECT 1; SELECT 2\n")],
        "query:", "a query is one SELECT", "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_is_told_at_its_line(name: str, tmp_path: Path) -> None:
    changes, words, what, cure = CASES[name]
    text = changed(*changes)
    (found,) = told(tmp_path, text)
    expected = [n for n, line in enumerate(text.split("\n"), 1) if words.strip("\n") in line]
    assert found.line == expected[-1], found
    assert what in found.what
    assert cure in found.cure or cure in found.what
    assert found.file.endswith("sales/pipeline.yaml")


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE sales",
        "INSERT INTO sales SELECT * FROM sales",
        "COPY sales TO '/tmp/x.csv'",
        "ATTACH '/tmp/x.duckdb'",
        "PRAGMA database_list",
        "SET threads = 1",
        "LOAD httpfs",
        "CREATE TABLE x AS SELECT * FROM sales",
        "EXPORT DATABASE '/tmp/x'",
        "SELECT * FROM sales; SELECT * FROM sales",
        "SELECT * FROM sales; DROP TABLE sales",
        "EXPLAIN SELECT * FROM sales",
        "DESCRIBE sales",
        "SHOW TABLES",
        "SUMMARIZE sales",
        "CALL pragma_version()",
        "SELECT * FROM pragma_version(), sales",
        "SELECT (SELECT count(*) FROM read_text('/etc/passwd')), * FROM sales",
        "SELECT * FROM sales WHERE EXISTS (FROM '/etc/passwd')",
        "WITH a AS (SELECT * FROM glob('/*')) SELECT * FROM a, sales",
        "SELECT * FROM sales UNION ALL SELECT * FROM information_schema.tables",
        "SELECT * FROM sqlite_scan('/x', 'y'), sales",
    ],
)
def test_only_one_select_over_the_inputs(statement: str, tmp_path: Path) -> None:
    start, end = SALES.index("    sql: |\n"), SALES.index("    columns:\n      region: string")
    text = f'{SALES[:start]}    sql: "{statement}"\n{SALES[end:]}'
    found = [m for m in told(tmp_path, text) if m.line == line_of(text, "    sql:")]
    assert found
    assert any(
        words in found[0].what
        for words in ("only one SELECT", "is not allowed as a table", "no input", "is no input")
    ), found
    # Nothing of it was done: the next file is judged in a database that is as before.
    assert told(tmp_path, SALES) == []


@pytest.mark.parametrize(
    "sql",
    [
        "WITH a AS (SELECT * FROM sales) SELECT region, amount FROM a",
        "SELECT region, amount FROM sales -- a comment at the end",
        "SELECT region, amount FROM sales;",
        "FROM sales SELECT region, amount",
        "SELECT region, max(amount) AS amount FROM sales, unnest([1, 2]) AS t(n) GROUP BY ALL",
        "SELECT s.region, s.amount FROM sales AS s SEMI JOIN sales AS t USING (id)",
        "SELECT amount, region FROM sales WHERE region = 'x;y'",
        "(SELECT region, amount FROM sales) UNION ALL (SELECT region, amount FROM sales)",
        "SELECT region, amount FROM sales WHERE dt BETWEEN $partition_start AND '2024-12-31'",
        "SELECT region, amount FROM SALES",
    ],
)
def test_what_sql_may_be(sql: str, tmp_path: Path) -> None:
    start, end = SALES.index("    sql: |\n"), SALES.index("    columns:\n      region: string")
    text = f"{SALES[:start]}    sql: |\n      {sql}\n{SALES[end:]}"
    text = changed(("  least:", "  least_:"), text=text) if "$least" in text else text
    text = text.replace("params:\n  least: {type: int, default: 0, help: 최소 금액}\n", "")
    assert told(tmp_path, text) == []


@pytest.mark.parametrize(("type_name", "default", "sql_type"), [
    ("string", '"a"', "string"), ("int", "1", "int32"), ("float", "1", "int32"),
    ("float", "1.5", "float64"), ("boolean", "true", "boolean"), ("date", '"2024-01-01"', "date"),
])  # fmt: skip
def test_parameters_have_types(type_name: str, default: str, sql_type: str, tmp_path: Path) -> None:
    start, end = SALES.index("    sql: |\n"), SALES.index("    columns:\n      region: string")
    text = f"{SALES[:start]}    sql: SELECT $least AS amount, region FROM sales\n{SALES[end:]}"
    text = text.replace("{type: int, default: 0,", f"{{type: {type_name}, default: {default},")
    text = changed(
        ("      region: string\n      amount: decimal(18,2)",
         f"      region: string\n      amount: {sql_type}"), text=text)  # fmt: skip
    assert [m.what for m in told(tmp_path, text)] == []


def test_a_query_of_hana_needs_its_translation_only_elsewhere(tmp_path: Path) -> None:
    text = changed((TABLE, QUERY))
    assert "cannot be translated" in told(tmp_path, text)[0].what
    assert told(tmp_path, text, "prod") == []
    local = QUERY + "    local_query: SELECT * FROM t WHERE d >= :start AND d < :end\n"
    assert told(tmp_path, changed((TABLE, local))) == []


def test_all_mistakes_at_once_those_of_the_files_too(tmp_path: Path) -> None:
    text = changed(
        ("sum(amount)", "sum(amout)"), ("sums: [amount]", "sums: [x]"), expect("{a: b > 1}")
    )
    assert [m.line for m in told(tmp_path, text)] == sorted(
        line_of(text, words) for words in ("sum(amout", "sums: [x]", "{a: b")
    )


# --- the skeleton --------------------------------------------------------------------------------


@pytest.mark.parametrize("env", ["local", "staging", "prod"])
def test_the_skeleton_is_right_as_it_is(env: str, tmp_path: Path) -> None:
    (path,) = write_skeleton(tmp_path, "new_one")
    assert path == tmp_path / "new_one" / FILE
    assert validate_folders([SHIPPED, tmp_path], load_settings(env)) == []
    assert "start: 2026-06-01}" in skeleton("x", date(2026, 7, 31))[FILE]


@pytest.mark.parametrize("name", ["New", "1st", "a-b", "", "../x", "매출"])
def test_a_skeleton_has_a_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"names match \[a-z\]"):
        write_skeleton(tmp_path, name)


def test_a_skeleton_overwrites_nothing(tmp_path: Path) -> None:
    write_skeleton(tmp_path, "mine")
    (tmp_path / "mine" / FILE).write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        write_skeleton(tmp_path, "mine")
    assert (tmp_path / "mine" / FILE).read_text() == "mine"


TRANSFORM = """\
import polars as pl


def by_region(sales: pl.DataFrame, least: int) -> pl.DataFrame:
    return sales
"""
HELPED = """\
def helper() -> None:
    return {}[1]


helper()
"""


@pytest.mark.parametrize(
    ("file", "text", "line", "what", "cure"),
    [
        ("transform.py", TRANSFORM + "\n1 / 0\n", 7, "ZeroDivisionError: division by zero", ""),
        ("transform.py", "import nopackage\n" + TRANSFORM, 1, "'nopackage'", "install it"),
        ("transform.py", TRANSFORM + "\nraise SystemExit(3)\n", 7, "SystemExit: 3", ""),
        ("transform.py", TRANSFORM + "\nx = = 1\n", 7, "not Python: invalid syntax", ""),
        ("assets.py", HELPED, 2, "KeyError: 1", ""),
        ("assets.py", "x = 1\nx x\n", 2, "not Python: invalid syntax", ""),
        ("assets.py", "import nopackage.below\n", 1, "'nopackage'", "install it"),
    ],
)
def test_python_that_cannot_be_loaded(
    file: str, text: str, line: int, what: str, cure: str, tmp_path: Path
) -> None:
    sql = SALES[SALES.index("    sql: |") : SALES.index("    columns:\n      region: string")]
    yaml = changed((sql, "    transform: transform.py:by_region\n"))
    files = {"sales": yaml, "sales/transform.py": TRANSFORM, f"sales/{file}": text}
    (mistake,) = validate_folders([write(tmp_path, files)], load_settings("local"))
    assert (Path(mistake.file).name, mistake.line) == (file, line)
    assert what in mistake.what
    assert cure in mistake.cure
