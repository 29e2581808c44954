"""Lineage of single constructs of SQL, and what rows have to say against what is read.

Here: a table of statements over two tables, and the shipped pipelines' SQL run on rows of which one
column is changed: a result that changes must be known to come of it. Not here: assets and steps
(`test_lineage.py`), ten steps together (`acceptance/test_lineage.py`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date

import duckdb
import pytest
import sqlglot
from sqlglot import lineage as sqlglot_lineage

from lake_assets.edge import Origin
from lake_assets.lineage import lineage_of, readable
from lake_assets.lineage_sql import Unreadable, select_lineage
from lake_assets.loader import SHIPPED, load_pipelines
from lake_assets.pipeline import Asset, Input, assets, catalogue
from lake_assets.spec.datasets import DatasetSpec
from resources.types import ColumnType
from tests.order_report import PIPELINES

TABLES = {"a": ["k", "x", "dt"], "b": ["k", "y"]}

_KINDS = {
    "=": "identity",
    "~": "transformation",
    "+": "aggregation",
    "?": "filter",
    "&": "join_key",
    "#": "group_key",
    "^": "sort",
}


@dataclass(frozen=True)
class Case:
    """`columns` and `rows` as `a.x=` (identity), `~`, `+` and `?`, `&`, `#`, `^` (see `_KINDS`)."""

    name: str
    sql: str
    columns: Mapping[str, str | None]
    rows: str = ""
    star: str = "a.*="
    dialect: str = "duckdb"


CASES = [
    Case("as it is", "SELECT k AS c FROM a", {"c": "a.k="}),
    Case("quoted, in other letters", 'SELECT A."K" AS "c" FROM a', {"c": "a.k="}),
    Case("in parentheses", "SELECT ((k)) AS c FROM a", {"c": "a.k="}),
    Case("a cast", "SELECT CAST(k AS TEXT) AS c FROM a", {"c": "a.k~"}),
    Case("a literal", "SELECT 1 AS c, $p AS d FROM a", {"c": "", "d": ""}),
    Case("two columns", "SELECT k + x AS c FROM a", {"c": "a.k~ a.x~"}),
    Case(
        "star",
        "SELECT * FROM a",
        {"k": "a.k=", "x": "a.x=", "dt": "a.dt="},
    ),
    Case("from alone", "FROM a", {"k": "a.k=", "x": "a.x=", "dt": "a.dt="}),
    Case(
        "star without and with others",
        "SELECT * EXCLUDE (dt) REPLACE (x + k AS x) FROM a",
        {"k": "a.k=", "x": "a.x~ a.k~"},
    ),
    Case(
        "case: conditions and results",
        "SELECT CASE WHEN k > 0 THEN x ELSE 0 END AS c FROM a",
        {"c": "a.k~ a.x~"},
    ),
    Case(
        "a name of the same select",
        "SELECT k + 1 AS c, c * 2 AS d FROM a",
        {"c": "a.k~", "d": "a.k~"},
    ),
    Case(
        "lambda",
        "SELECT list_transform([1], z -> z + x) AS c FROM a",
        {"c": "a.x~"},
    ),
    Case(
        "join with equal names",
        "SELECT a.k AS c, b.k AS d FROM a JOIN b ON a.k = b.k AND b.y > 0",
        {"c": "a.k=", "d": "b.k="},
        "a.k& b.k& b.y?",
        "a.*= b.*=",
    ),
    Case(
        "using, left",
        "SELECT k, y FROM a LEFT JOIN b USING (k)",
        {"k": "a.k=", "y": "b.y="},
        "a.k& b.k&",
        "a.*= b.*=",
    ),
    Case(
        "using, right",
        "SELECT k FROM a RIGHT JOIN b USING (k)",
        {"k": "b.k="},
        "a.k& b.k&",
        "a.*= b.*=",
    ),
    Case(
        "using, full",
        "SELECT k FROM a FULL JOIN b USING (k)",
        {"k": "a.k~ b.k~"},
        "a.k& b.k&",
        "a.*= b.*=",
    ),
    Case(
        "a coalesce of one's own",
        "SELECT coalesce(a.k, b.k) AS c FROM a LEFT JOIN b ON a.k = b.k",
        {"c": "a.k~ b.k~"},
        "a.k& b.k&",
        "a.*= b.*=",
    ),
    Case("semi join", "SELECT x FROM a SEMI JOIN b ON a.k = b.k", {"x": "a.x="}, "a.k& b.k&"),
    Case("anti join", "SELECT x FROM a ANTI JOIN b ON a.k = b.k", {"x": "a.x="}, "a.k& b.k&"),
    Case(
        "cross join",
        "SELECT x, y FROM a, b WHERE a.k = b.k",
        {"x": "a.x=", "y": "b.y="},
        "a.k? b.k?",
        "a.*= b.*=",
    ),
    Case(
        "aggregates",
        "SELECT k, sum(x) AS c, count(*) AS d, count(DISTINCT dt) AS e FROM a GROUP BY k",
        {"k": "a.k=", "c": "a.x+", "d": "a.*+", "e": "a.dt+"},
        "a.k#",
        "a.*+",
    ),
    Case(
        "aggregates that sqlglot does not know",
        "SELECT mad(x) AS c, product(k) AS d FROM a",
        {"c": "a.x+", "d": "a.k+"},
        "",
        "a.*+",
    ),
    Case(
        "an aggregate of nothing counts rows",
        "SELECT sum(1) AS c FROM a",
        {"c": "a.*+"},
        "",
        "a.*+",
    ),
    Case(
        "filter",
        "SELECT sum(x) FILTER (WHERE k > 1) AS c FROM a",
        {"c": "a.x+ a.k+"},
        "",
        "a.*+",
    ),
    Case(
        "within group",
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY x) AS c FROM a",
        {"c": "a.x+"},
        "",
        "a.*+",
    ),
    Case(
        "an expression over aggregates",
        "SELECT sum(x) / count(*) AS c FROM a",
        {"c": "a.x+ a.*+"},
        "",
        "a.*+",
    ),
    Case(
        "group by all",
        "SELECT k + 1 AS c, max(x) AS d FROM a GROUP BY ALL",
        {"c": "a.k~", "d": "a.x+"},
        "a.k#",
        "a.*+",
    ),
    Case(
        "group by place",
        "SELECT k, max(x) AS d FROM a GROUP BY 1",
        {"k": "a.k=", "d": "a.x+"},
        "a.k#",
        "a.*+",
    ),
    Case(
        "having",
        "SELECT k FROM a GROUP BY k HAVING max(x) > 0",
        {"k": "a.k="},
        "a.k# a.x?",
        "a.*+",
    ),
    Case("distinct", "SELECT DISTINCT k FROM a", {"k": "a.k="}, "a.k#", "a.*+"),
    Case(
        "distinct on",
        "SELECT DISTINCT ON (k) x FROM a ORDER BY k, dt",
        {"x": "a.x="},
        "a.k# a.k^ a.dt^",
        "a.*+",
    ),
    Case(
        "order by a name of the select",
        "SELECT x + 1 AS c FROM a ORDER BY c LIMIT 3",
        {"c": "a.x~"},
        "a.x^",
    ),
    Case(
        "window: an aggregate",
        "SELECT sum(x) OVER (PARTITION BY k ORDER BY dt) AS c FROM a",
        {"c": "a.x+ a.k~ a.dt~"},
    ),
    Case(
        "window: a place",
        "SELECT rank() OVER w AS c, row_number() OVER () AS d FROM a "
        "WINDOW w AS (PARTITION BY k ORDER BY x)",
        {"c": "a.k~ a.x~", "d": "a.*~"},
    ),
    Case(
        "window: a value of it",
        "SELECT lag(x) OVER (ORDER BY dt) AS c, first_value(x) OVER (ORDER BY k) AS d FROM a",
        {"c": "a.x~ a.dt~", "d": "a.x~ a.k~"},
    ),
    Case(
        "qualify",
        "SELECT x FROM a QUALIFY row_number() OVER (PARTITION BY k ORDER BY dt) = 1",
        {"x": "a.x="},
        "a.k? a.dt?",
    ),
    Case(
        "with, used twice",
        "WITH q AS (SELECT k, x + 1 AS z FROM a WHERE dt > 0) "
        "SELECT p.z AS c, q.k AS d FROM q JOIN q AS p ON p.k = q.k",
        {"c": "a.x~", "d": "a.k="},
        "a.dt? a.k&",
    ),
    Case(
        "with, not used",
        "WITH q AS (SELECT y FROM b WHERE y > 0) SELECT k FROM a",
        {"k": "a.k="},
    ),
    Case(
        "with, of the name of a table",
        "WITH a AS (SELECT k, y AS x FROM b) SELECT x FROM a",
        {"x": "b.y="},
        "",
        "b.*=",
    ),
    Case(
        "recursive",
        "WITH RECURSIVE t(n) AS (SELECT x FROM a UNION ALL SELECT n + 1 FROM t WHERE n < 5) "
        "SELECT n FROM t",
        {"n": "a.x= a.x~"},
        "a.x?",
    ),
    Case(
        "subquery in from",
        "SELECT z FROM (SELECT max(x) AS z FROM a GROUP BY k)",
        {"z": "a.x+"},
        "a.k#",
        "a.*+",
    ),
    Case(
        "scalar subquery: what decides its rows makes the value",
        "SELECT (SELECT max(y) FROM b WHERE b.k = a.k) AS c FROM a",
        {"c": "b.y+ b.k~ a.k~"},
    ),
    Case(
        "in and exists",
        "SELECT x FROM a WHERE k IN (SELECT k FROM b WHERE y > 0)",
        {"x": "a.x="},
        "a.k? b.k? b.y?",
    ),
    Case(
        "exists",
        "SELECT x FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.k = a.k)",
        {"x": "a.x="},
        "a.k? b.k?",
    ),
    Case(
        "union all",
        "SELECT k, 1 AS c FROM a UNION ALL SELECT y, k FROM b",
        {"k": "a.k= b.y=", "c": "b.k="},
        "",
        "a.*= b.*=",
    ),
    Case(
        "union groups by all",
        "SELECT k FROM a UNION SELECT y + 1 FROM b",
        {"k": "a.k= b.y~"},
        "a.k# b.y#",
        "a.*= b.*=",
    ),
    Case(
        "union by name",
        "SELECT k, x FROM a UNION ALL BY NAME SELECT y AS x, k FROM b",
        {"k": "a.k= b.k=", "x": "a.x= b.y="},
        "",
        "a.*= b.*=",
    ),
    Case("except", "SELECT k FROM a EXCEPT SELECT y FROM b", {"k": "a.k="}, "a.k? b.y?"),
    Case("intersect", "SELECT k FROM a INTERSECT SELECT y FROM b", {"k": "a.k="}, "a.k? b.y?"),
    Case(
        "unnest",
        "SELECT x, v FROM a, unnest([k, dt]) u(v)",
        {"x": "a.x=", "v": "a.k~ a.dt~"},
    ),
    Case(
        "rows of nothing",
        "SELECT x, i, j FROM a, range(3) t(i), (VALUES (1)) v(j)",
        {"x": "a.x=", "i": "", "j": ""},
    ),
    Case(
        "lateral",
        "SELECT x, z FROM a, LATERAL (SELECT a.k + b.y AS z FROM b) q",
        {"x": "a.x=", "z": "a.k~ b.y~"},
        "",
        "a.*= b.*=",
    ),
    Case(
        "asof join",
        "SELECT y FROM a ASOF JOIN b ON a.k = b.k AND a.x >= b.y",
        {"y": "b.y="},
        "a.k& b.k& a.x& b.y&",
        "a.*= b.*=",
    ),
    Case(
        "what is not understood is said",
        "SELECT k, COLUMNS('x.*') FROM a",
        {"k": "a.k=", "_col_1": None},
    ),
    Case(
        "columns that an UNPIVOT makes",
        "SELECT k, n, v FROM a UNPIVOT (v FOR n IN (x, dt))",
        {"k": None, "n": None, "v": None},
    ),
    Case(
        "Hive",
        "SELECT nvl(x, 0) AS c, collect_set(k) AS d FROM a "
        "LATERAL VIEW explode(split(dt, ',')) t AS z GROUP BY nvl(x, 0)",
        {"c": "a.x~", "d": "a.k+"},
        "a.x#",
        "a.*+",
        "hive",
    ),
]


def origins(text: str) -> frozenset[Origin]:
    return frozenset(
        Origin(*one[:-1].split("."), _KINDS[one[-1]])  # type: ignore[call-arg]
        for one in text.split()
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_construct(case: Case) -> None:
    found = select_lineage(case.sql, TABLES, case.dialect)
    wanted = {name: None if one is None else origins(one) for name, one in case.columns.items()}
    assert dict(found.columns) == wanted
    assert found.rows == origins(case.rows)
    assert found.star == origins(case.star)


@pytest.mark.parametrize("case", [one for one in CASES if one.dialect == "duckdb"], ids=str)
def test_duckdb_takes_the_statement(case: Case) -> None:
    """So that no case is of SQL that there is not, and its columns are DuckDB's."""
    with duckdb.connect() as connection:
        for name, columns in TABLES.items():
            connection.execute(f"CREATE TABLE {name} ({', '.join(f'{c} INT' for c in columns)})")
        given = {"p": 1} if "$p" in case.sql else None
        names = [one[0] for one in connection.execute(case.sql, given).description]
    assert names == [name for name in case.columns if name != "_col_1"] + (
        ["x"] if "_col_1" in case.columns else []
    )


def test_a_statement_that_is_no_select_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="PIVOT"):
        select_lineage("PIVOT a ON k USING sum(x)", TABLES, "duckdb")


EXPRESSIONS = {
    "SELECT k AS c FROM a": "",
    "SELECT x + 1 AS c FROM a": "a.x + 1",
    "WITH q AS (SELECT x + 1 AS z FROM a) SELECT z AS c FROM q": "a.x + 1",
    "SELECT k AS c FROM a UNION ALL SELECT y + 1 FROM b": "b.y + 1",
}


@pytest.mark.parametrize("sql", EXPRESSIONS)
def test_the_text_that_makes_a_column(sql: str) -> None:
    assert select_lineage(sql, TABLES, "duckdb").expressions["c"] == EXPRESSIONS[sql]


# --- the shipped pipelines -----------------------------------------------------------------------

_PIPELINES = load_pipelines([SHIPPED, PIPELINES])
_CATALOGUE = catalogue(_PIPELINES)
SQL = [
    asset
    for pipeline in _PIPELINES
    for asset in assets(pipeline)
    if isinstance(asset.spec, DatasetSpec) and asset.spec.sql and not asset.spec.steps
]
#: Columns that are literals or parameters.
CONSTANT = {("prep/payment_feature", "month_of_year"), ("prep/axis_net", "axis")}


@pytest.mark.parametrize("asset", SQL, ids=lambda asset: asset.key)
def test_each_shipped_column_is_read_and_comes_of_something(asset: Asset) -> None:
    found = lineage_of(asset, _CATALOGUE)
    assert found.why == ""
    assert {one.confidence for one in found.columns.values()} == {"parsed"}
    without = {(asset.key, name) for name, one in found.columns.items() if not one.origins}
    assert without == {one for one in CONSTANT if one[0] == asset.key}


def test_the_widest_shipped_statement_takes_less_than_a_second() -> None:
    widest = _CATALOGUE["prep/payment_feature"]
    lineage_of(widest, _CATALOGUE)
    took = []
    for _ in range(5):
        start = time.process_time()
        lineage_of(widest, _CATALOGUE)
        took.append(time.process_time() - start)
    assert min(took) < 1  # 0.04 s; sqlglot's own, column by column, 0.6


@pytest.mark.parametrize("asset", SQL, ids=lambda asset: asset.key)
def test_sqlglot_finds_the_same_columns(asset: Asset) -> None:
    """Its own lineage knows no kinds and takes 30 ms a column; its columns must be among ours."""
    spec = asset.spec
    assert isinstance(spec, DatasetSpec)
    assert spec.sql
    schema = {
        alias: dict.fromkeys(readable(_CATALOGUE[key]), "UNKNOWN")
        for alias, key in spec.named_inputs.items()
    }
    ours = select_lineage(spec.sql, {k: list(v) for k, v in schema.items()}, "duckdb")
    # Of USING it takes both tables' columns, though a LEFT JOIN gives the left one's.
    using = sqlglot.parse_one(spec.sql, dialect="duckdb").find_all(sqlglot.exp.Join)
    of_using = {one.name for join in using for one in join.args.get("using") or ()}
    for name in [one for one in spec.columns if one not in of_using][:4]:
        node = sqlglot_lineage.lineage(
            name, spec.sql, schema=schema, dialect="duckdb", trim_selects=False
        )
        theirs = {
            (leaf.source.name, leaf.name.rpartition(".")[2].strip('"'))
            for leaf in node.walk()
            if not leaf.downstream and isinstance(leaf.source, sqlglot.exp.Table)
        }
        found = ours.columns[name]
        assert found is not None
        theirs = {one for one in theirs if one[1] not in of_using}
        assert theirs - {("", "*")} <= {(one.asset, one.column) for one in found}


# --- rows against lineage ------------------------------------------------------------------------

ROWS = 60
_WORDS = ["01", "02", "OR", "RE", "ZE", "KRW", "USD", "서울", "부산", "대", "소", "V", "N", "NT30"]


def _values(type_: ColumnType, name: str, shift: int) -> str:
    """An expression over the row's number `n`, another one for each `shift`."""
    n = f"(n * 7919 + {shift} * 104729)"
    if name == "ym":
        return f"strftime($partition_start - to_months(CAST({n} % 4 AS INT)), '%Y-%m')"
    if type_.name == "string" and ("date" in name or name.endswith("_on") or "day" in name):
        return f"strftime($partition_start + CAST({n} % 60 AS INT) - 30, '%Y%m%d')"
    if type_.name == "string" and name in ("customer", "document", "item", "label"):
        return f"'C' || ({n} % 6)"
    if type_.name == "string":
        return f"({_WORDS!r})[1 + {n} % {len(_WORDS)}]"
    if type_.name == "date":
        return f"$partition_start + CAST({n} % 60 AS INT) - 30"
    if type_.name == "boolean":
        return f"{n} % 2 = 0"
    if type_.name.startswith("timestamp"):
        return f"CAST($partition_start AS TIMESTAMP) + to_days(CAST({n} % 60 AS INT))"
    return f"CAST({n} % {5 if type_.name.startswith('int') else 97} AS {type_.duckdb()})"


def _filled(
    connection: duckdb.DuckDBPyConnection,
    asset: Asset,
    words: Mapping[str, object],
    changed: tuple[str, str] | None,
) -> None:
    for alias, key in asset.inputs.items():
        one = _CATALOGUE[key]
        types = {name: one.types[name] for name in one.columns}
        columns = [
            f"{_values(type_, name, 1 if (alias, name) == changed else 0)} AS {name}"
            for name, type_ in types.items()
        ]
        columns += [
            f"{_values(ColumnType('date' if kind == 'DATE' else 'string'), name, 0)} AS {name}"
            for name, kind in (one.partitions.columns if one.partitions else {}).items()
        ]
        sql = f"CREATE OR REPLACE TABLE {alias} AS SELECT {', '.join(columns)} FROM range({ROWS}) t(n)"  # noqa: E501
        for word in sorted(words, key=len, reverse=True):
            value = words[word]
            text = f"DATE '{value}'" if isinstance(value, date) else f"'{value}'"
            sql = sql.replace(f"${word}", text)
        connection.execute(sql)


def _result(
    connection: duckdb.DuckDBPyConnection, asset: Asset, words: Mapping[str, object]
) -> dict[str, list[str]]:
    """Column → its values in an order of their own, so that only they matter."""
    assert isinstance(asset.spec, DatasetSpec)
    assert asset.spec.sql
    used = connection.extract_statements(asset.spec.sql)[0].named_parameters
    table = connection.execute(asset.spec.sql, {k: v for k, v in words.items() if k in used})
    names = [one[0] for one in table.description]
    rows = table.fetchall()
    return {name: sorted(repr(row[i]) for row in rows) for i, name in enumerate(names)}


def _changes(asset: Asset) -> Iterator[tuple[tuple[str, str], set[str]]]:
    """Each column of an input, and the columns of the result that change when it does."""
    words: dict[str, object] = {
        name: param.default for name, param in asset.pipeline.spec.params.items()
    }
    if asset.partitions:
        first = asset.partitions.first
        words |= asset.partitions.words(first, first)
    with duckdb.connect() as connection:
        connection.execute("SET threads = 1")
        _filled(connection, asset, words, None)
        before = _result(connection, asset, words)
        for alias, key in asset.inputs.items():
            source: Input = _CATALOGUE[key]
            for name in source.columns:
                _filled(connection, asset, words, (alias, name))
                after = _result(connection, asset, words)
                changed = {one for one in before if before[one] != after[one]}
                yield (key, name), changed


@pytest.mark.parametrize("asset", SQL, ids=lambda asset: asset.key)
def test_what_changes_with_a_column_is_known_to_come_of_it(asset: Asset) -> None:
    """A result may change with a column only where lineage says so, of its value or of the rows."""
    found = lineage_of(asset, _CATALOGUE)
    rows = {(one.asset, one.column) for one in found.rows}
    seen = 0
    for origin, changed in _changes(asset):
        known = {
            name
            for name, made in found.columns.items()
            if origin in {(one.asset, one.column) for one in made.origins}
        }
        seen += len(changed & known)
        if origin not in rows:
            assert changed <= known, f"{origin} changes {sorted(changed - known)}"
    assert seen, "nothing changed: the rows say nothing"
