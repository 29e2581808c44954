"""Values and names survive both databases whatever they hold; filters keep to their columns."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import duckdb
import psycopg2.extensions
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resources import sql
from resources.errors import PermanentError
from resources.source import Column, Span, Table, Window, WindowKind
from resources.types import parse_type
from tests.servers.postgres import PostgresServer

HOSTILE = [
    "'; DROP TABLE sales; --",
    "\\",
    "\\'; SELECT 1; --",
    "a\\nb\\x41",
    "$$ $tag$ x $tag$",
    "서울중앙점 “따옴표” '",
    "line\nbreak\r\ttab",
    "100% _ %s %(x)s {0} ${env:HOME} :start ? $1",
    "/* */ -- ;",
    '"quoted"',
    "\u2028\ufeff\U0001f600",
    "",
    " ",
    "E'x'",
]

texts = st.one_of(
    st.sampled_from(HOSTILE),
    st.lists(st.sampled_from([*HOSTILE, "'", '"', "\\", "가"]), max_size=5).map("".join),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40),
)
decimals = st.builds(
    lambda digits, scale: Decimal(f"{digits}e-{scale}"),  # exact: no context rounds it
    st.integers(-(10**38) + 1, 10**38 - 1),
    st.integers(0, 38),
)
datetimes = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 30))
values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**38) + 1, 10**38 - 1),
    decimals,
    st.floats(allow_nan=False, allow_infinity=False),
    st.dates(),
    datetimes,
    datetimes.map(lambda value: value.replace(tzinfo=timezone(timedelta(hours=9)))),
    texts,
)
often = settings(
    max_examples=400,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def same(found: Any, value: Any) -> bool:
    if isinstance(value, datetime) and value.tzinfo:
        return bool(abs(found - value) == timedelta(0))
    if isinstance(value, int) and not isinstance(value, bool):
        return int(found) == value  # wide integers come as Decimal
    return type(found) is type(value) and bool(found == value)


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


@pytest.fixture(scope="module")
def cursor(postgres_server: PostgresServer) -> Iterator[psycopg2.extensions.cursor]:
    with contextlib.closing(postgres_server.connect()) as connection:
        yield connection.cursor()


@often
@given(value=values)
def test_literals_come_back_from_duckdb(duck: duckdb.DuckDBPyConnection, value: Any) -> None:
    row = duck.execute(f"SELECT {sql.literal(value, 'duckdb')}").fetchone()
    assert row is not None
    assert same(row[0], value)


@pytest.mark.server
@pytest.mark.parametrize("conforming", ["on", "off"])
@often
@given(value=values)
def test_literals_come_back_from_postgres(
    cursor: psycopg2.extensions.cursor, conforming: str, value: Any
) -> None:
    cursor.execute(f"SET standard_conforming_strings = {conforming}")
    cursor.execute(f"SELECT {sql.literal(value, 'postgres')}")
    row = cursor.fetchone()
    assert row is not None
    assert same(row[0], value)


@pytest.mark.parametrize(
    "value",
    ["a\0b", "\ud800", Decimal("NaN"), Decimal(10) ** 39, 10**39, float("inf"), float("nan")],
    ids=repr,
)
@pytest.mark.parametrize("dialect", ["duckdb", "postgres"])
def test_values_that_no_statement_can_carry_are_refused(value: Any, dialect: sql.Dialect) -> None:
    with pytest.raises(PermanentError):
        sql.literal(value, dialect)


@often
@given(name=texts.filter(bool))
def test_names_come_back(duck: duckdb.DuckDBPyConnection, name: str) -> None:
    found = duck.execute(f"SELECT 1 AS {sql.quoted(name, 'duckdb')}").description
    assert found[0][0] == name


@pytest.mark.server
@pytest.mark.parametrize("name", ["/BIC/ZMAT", '금액"; --', "a'b\\c", "SELECT"])
def test_names_come_back_from_postgres(cursor: psycopg2.extensions.cursor, name: str) -> None:
    cursor.execute(f"SELECT 1 AS {sql.quoted(name, 'postgres')}")
    assert cursor.description is not None
    assert cursor.description[0].name == name


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(PermanentError, match="no name"):
        sql.quoted(name, "duckdb")


COLUMNS = tuple(
    Column(name, source, parse_type(type_))
    for name, source, type_ in [
        ("id", "ID", "int64"),
        ("amount", "/BIC/AMT", "decimal(18,2)"),
        ("name", "이름", "string"),
        ("day", "CALDAY", "date"),
        ("open", "OPEN", "boolean"),
        ("at", "ZEIT", "timestamp"),
    ]
)
ROWS = [
    (1, "10.50", "서울중앙점", "2025-07-01", True, "2025-07-01 00:00:00"),
    (2, "-3.00", "it's", "2025-07-31", False, "2025-07-31 23:59:59.999999"),
    (3, None, "back\\slash", "2025-08-01", None, None),
    (4, "0.00", None, "2024-02-29", True, "2025-07-02 00:00:00"),
    (5, "7.00", "50%_off", None, False, "1999-12-31 12:00:00"),
]
#: A filter and the rows it lets through, the same in both databases.
FILTERS: list[tuple[str, list[int]]] = [
    ("id = 1", [1]),
    ("amount > 0 AND name IS NOT NULL", [1, 5]),
    ("NOT (amount > 0) OR open", [1, 2, 4]),
    ("open", [1, 4]),
    ("NOT open", [2, 5]),
    ("Name = 'it''s'", [2]),
    ("name LIKE '서울%'", [1]),
    (r"name LIKE '%\s%'", [3]),
    ("name LIKE '%!%%' ESCAPE '!'", [5]),
    ("name ILIKE 'IT%'", [2]),
    (r"name = 'back\slash'", [3]),
    ("day >= DATE '2025-07-01' AND day < DATE '2025-08-01'", [1, 2]),
    ("day BETWEEN :low AND :high", [2, 3]),
    ("id IN (1, :n, 4)", [1, 3, 4]),
    ("name = :hostile", []),
    ("amount IS NOT DISTINCT FROM NULL", [3]),
    ("coalesce(amount, 1) = 1", [3]),
    ("CASE WHEN open THEN id ELSE 0 END = 4", [4]),
    ("year(day) = 2025 AND month(day) = 7", [1, 2]),
    ("substring(name, 1, 2) = '서울' OR length(name) = 4", [1, 2]),
    ("upper(name) = 'IT''S' -- done */ ; DROP", [2]),
    ("id / 2 = 1.5", [3]),
    ("id % 2 = 0", [2, 4]),
    ("id + 1 = 3 OR -id = -5", [2, 5]),
    ("CAST(id AS VARCHAR) || name = '2it''s'", [2]),
    ("TRUE", [1, 2, 3, 4, 5]),
    ("starts_with(name, '서울')", [1]),
    ("left(name, 2) = 'it' OR right(name, 3) = 'off'", [2, 5]),
    ("right(name, 30) = 'it''s'", [2]),
    ("nullif(id, 1) IS NULL", [1]),
    ("amount IS DISTINCT FROM 7.00", [1, 2, 3, 4]),
    ("extract(year FROM day) = 2024", [4]),
    ("day - INTERVAL 1 DAY = DATE '2025-06-30'", [1]),
    ("name NOT LIKE '%a%'", [1, 2, 5]),
    ("name NOT ILIKE '%!_OFF' ESCAPE '!'", [1, 2, 3]),
    ("name LIKE :pattern", [2]),
    ("at <= DATE '2025-07-01' OR at = :low", [1, 4, 5]),
    ("at BETWEEN DATE '2025-07-01' AND :moment", [1, 4]),
    ("day = TIMESTAMP '2025-07-01 00:00:00'", [1]),
]
PARAMS: dict[str, sql.Value] = {
    "low": date(2025, 7, 2),
    "high": date(2025, 8, 1),
    "n": 3,
    "moment": datetime(2025, 7, 31, 23, 59, 59),
    "hostile": "' OR 1 = 1 --",
    "pattern": "_t'%",
}


@pytest.fixture(scope="module")
def filled(duck: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    duck.execute(
        'CREATE TABLE t ("ID" BIGINT, "/BIC/AMT" DECIMAL(18,2), "이름" VARCHAR, '
        '"CALDAY" DATE, "OPEN" BOOLEAN, "ZEIT" TIMESTAMP)'
    )
    duck.executemany("INSERT INTO t VALUES (?, ?, ?, ?, ?, ?)", ROWS)
    return duck


@pytest.mark.parametrize(("text", "expected"), FILTERS, ids=[text for text, _ in FILTERS])
def test_filters_choose_rows_in_duckdb(
    filled: duckdb.DuckDBPyConnection, text: str, expected: list[int]
) -> None:
    where = sql.condition(text, COLUMNS, PARAMS, "duckdb")
    rows = filled.execute(f'SELECT q."ID" FROM t AS q WHERE {where} ORDER BY 1').fetchall()
    assert [row[0] for row in rows] == expected


@pytest.mark.server
def test_filters_choose_the_same_rows_in_postgres(cursor: psycopg2.extensions.cursor) -> None:
    cursor.execute(
        'CREATE TEMP TABLE t ("ID" bigint, "/BIC/AMT" numeric(18,2), "이름" text, '
        '"CALDAY" date, "OPEN" boolean, "ZEIT" timestamp)'
    )
    cursor.executemany("INSERT INTO t VALUES (%s, %s, %s, %s, %s, %s)", ROWS)
    for text, expected in FILTERS:
        where = sql.condition(text, COLUMNS, PARAMS, "postgres")
        cursor.execute(f'SELECT q."ID" FROM t AS q WHERE {where} ORDER BY 1')
        assert [row[0] for row in cursor.fetchall()] == expected, (text, where)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("amount + 1", "not true or false"),
        ("name", "not true or false"),
        ("1", "not true or false"),
        ("amuont > 1", "did you mean 'amount'"),
        ('"/BIC/AMT" > 1', "no declared column"),
        ("q.amount > 1", "no declared column"),
        ("id IN (SELECT 1)", "a subquery"),
        ("EXISTS (SELECT 1)", "EXISTS"),
        ("id = 1 UNION SELECT 1", "UNION"),
        ("id = 1; DROP TABLE t", "one condition"),
        ("DROP TABLE t", "DROP"),
        ("", "one condition"),
        ("id = ", "no SQL condition"),
        ("id = 'unclosed", "no SQL condition"),
        ("pg_read_file('/etc/passwd') = ''", "the function pg_read_file()"),
        ("sum(amount) > 1", "SUM"),
        ("row_number() OVER () = 1", "WINDOW"),
        ("random() > 0.5", "RAND"),
        ("day > current_date", "CURRENTDATE"),
        ("id = :m", "the parameter :m is not declared; allowed: high"),
        ("id = ?", "parameter"),
        ("*", "STAR"),
        ("SELECT 1", "a subquery"),
    ],
)
@pytest.mark.parametrize("dialect", ["duckdb", "postgres"])
def test_anything_but_a_condition_is_refused(text: str, said: str, dialect: sql.Dialect) -> None:
    with pytest.raises(PermanentError, match=re.escape(said)):
        sql.condition(text, COLUMNS, PARAMS, dialect)


def test_queries_are_bound_and_otherwise_kept() -> None:
    query = (
        "SELECT a::date, ':start' AS t, x[1:2], -- :end\n"
        "  :name AS n FROM v WHERE d >= :start AND d < :end -- and :start"
    )
    values: dict[str, sql.Value] = {
        "start": date(2025, 7, 1),
        "end": date(2025, 8, 1),
        "name": "a'b",
    }
    bound = sql.bind(query, values, "postgres", "t")
    assert bound == (
        "SELECT a::date, ':start' AS t, x[1:2], -- :end\n"
        "  'a''b' AS n FROM v WHERE d >= CAST('2025-07-01' AS DATE) AND "
        "d < CAST('2025-08-01' AS DATE) -- and :start\n"
    )
    assert sql.placeholders(query, "postgres") == ["name", "start", "end"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT 1; SELECT 2", "one SELECT"),
        ("DELETE FROM t", "one SELECT"),
        ("COPY t TO '/tmp/x'", "one SELECT"),
        ("SELEC 1 FROM", "no SQL|one SELECT"),
        ("SELECT :nmae", "did you mean 'name'"),
        ("SELECT :start", "only where a partition is read"),
        ("", "one SELECT"),
    ],
)
def test_other_queries_are_refused(query: str, said: str) -> None:
    with pytest.raises(PermanentError, match=said):
        sql.bind(query, {"name": 1}, "postgres", "t")


@pytest.mark.parametrize(
    ("kind", "instant", "low", "high"),
    [
        ("date", False, "CAST('2024-02-01' AS DATE)", "CAST('2024-03-01' AS DATE)"),
        (
            "timestamp",
            False,
            "CAST('2024-02-01 00:00:00.000000' AS TIMESTAMP)",
            "CAST('2024-03-01 00:00:00.000000' AS TIMESTAMP)",
        ),
        (
            "timestamp",
            True,
            "CAST('2024-02-01 00:00:00.000000+09:00' AS TIMESTAMPTZ)",
            "CAST('2024-03-01 00:00:00.000000+09:00' AS TIMESTAMPTZ)",
        ),
        ("yyyymmdd", False, "'20240201'", "'20240301'"),
    ],
)
def test_windows_are_half_open(kind: WindowKind, instant: bool, low: str, high: str) -> None:
    span = Span(date(2024, 2, 1), date(2024, 3, 1), "monthly")
    made = sql.window_condition("c", kind, span, "postgres", instant=instant)
    assert made == f"c >= {low} AND c < {high}"


def test_days_that_are_numbers_are_compared_as_numbers() -> None:
    span = Span(date(2024, 2, 1), date(2024, 3, 1), "monthly")
    made = sql.window_condition("c", "yyyymmdd", span, "postgres", number=True)
    assert made == "c >= 20240201 AND c < 20240301"
    columns = (Column("day", "D", parse_type("decimal(8,0)")),)
    table = Table(columns, query="SELECT :start, :end", window=Window("day", "yyyymmdd"))
    assert sql.query_values(table, span) == {"start": 20240201, "end": 20240301}


def test_a_query_gets_its_days_in_the_kind_of_the_window() -> None:
    table = Table(
        COLUMNS, query="SELECT :start, :end", window=Window("name", "yyyymmdd"), params={"n": 1}
    )
    values = sql.query_values(table, Span(date(2025, 7, 1), date(2025, 7, 2), "daily"))
    assert values == {"n": 1, "start": "20250701", "end": "20250702"}


def test_hives_own_query_is_left_as_it_is_and_runs_in_duckdb(
    filled: duckdb.DuckDBPyConnection,
) -> None:
    query = "SELECT `ID`, NVL(`이름`, '-') AS n FROM t WHERE `CALDAY` >= :low AND `이름` RLIKE '^i'"
    assert sql.translated(query, "hive", "hive", "q") == query
    local = sql.translated(query, "hive", "duckdb", "q")
    bound = sql.bind(local, PARAMS, "duckdb", "q")
    assert filled.execute(bound).fetchall() == [(2, "it's")]
    assert sql.bind(query, PARAMS, "hive", "q").strip() == query.replace(
        ":low", "CAST('2025-07-02' AS DATE)"
    )
