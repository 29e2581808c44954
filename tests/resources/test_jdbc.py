"""What JDBC drivers give arrives value by value, reconciled, or is refused.

On a real H2 server in its Oracle mode, which stands in for Tibero (there is none to be had). What
only Tibero says (its numbers of errors, its names of types) is tried as it is documented. Not here:
a real PostgreSQL through its JDBC driver (`test_jdbc_postgres.py`), Java's life in this process
(`test_jvm.py`).
"""

from __future__ import annotations

import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from resources import jvm
from resources.errors import LakeError, PermanentError, TransientError
from resources.jdbc import JdbcTables, connect
from resources.jdbc_errors import told
from resources.settings import Connection
from resources.source import Column, Span, Table, Totals, Window, open_source
from resources.types import parse_type
from tests.resources.reading import rows_of
from tests.servers.h2 import JAR, WORD, H2Server
from tests.servers.sales_table import assert_equal_rows

pytestmark = pytest.mark.server

ROUTES = {"arrow": "JDBC, Arrow", "rows": "JDBC, JayDeBeApi rows"}


@pytest.fixture(scope="module", autouse=True)
def _password() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TIBERO_WORD", WORD)
        yield


@pytest.fixture(scope="module")
def server(h2_server: H2Server) -> H2Server:
    h2_server.execute("lake", "CREATE SCHEMA IF NOT EXISTS SALES")
    return h2_server


@pytest.fixture
def source(server: H2Server) -> Iterator[JdbcTables]:
    with connect("tibero", server.connection("lake")) as opened:
        yield opened


def table(types: dict[str, str], name: str, **other: Any) -> Table:
    """Columns of the lake's names, in the source's upper case."""
    columns = tuple(Column(key, key.upper(), parse_type(type_)) for key, type_ in types.items())
    return Table(columns, table=name, **other)


D, UTC = Decimal, timezone.utc
EXACT: list[tuple[str, str, Sequence[str], list[Any]]] = [
    ("number", "decimal(38,8)", ["123456789012345678901234567890.12345678", "1e20"], [D("123456789012345678901234567890.12345678"), D("100000000000000000000.00000000")]),  # noqa: E501
    ("number", "decimal(38,0)", ["9" * 38, "-9007199254740993"], [D("9" * 38), D(-9007199254740993)]),  # noqa: E501
    ("number", "int64", ["9223372036854775807", "100"], [2**63 - 1, 100]),
    ("number", "decimal(38,38)", ["0." + "1" * 38], [D("0." + "1" * 38)]),
    ("number(19)", "int64", ["9007199254740993", "-9223372036854775808"], [9007199254740993, -(2**63)]),  # noqa: E501
    ("number(19)", "decimal(19,0)", ["9007199254740993"], [D(9007199254740993)]),
    ("number(38,10)", "decimal(38,10)", ["-9999999999999999999999999999.0123456789"], [D("-9999999999999999999999999999.0123456789")]),  # noqa: E501
    ("number(38)", "decimal(38,0)", ["-" + "9" * 38], [D("-" + "9" * 38)]),
    ("number(18,2)", "decimal(18,2)", ["9007199254740993.01", "-0.01"], [D("9007199254740993.01"), D("-0.01")]),  # noqa: E501
    ("number(20,4)", "decimal(10,2)", ["12345678.9000"], [D("12345678.90")]),
    ("number(5)", "int8", ["-128", "127"], [-128, 127]),
    ("number(18,2)", "string", ["1.50"], ["1.50"]),
    ("integer", "int32", ["-2147483648"], [-(2**31)]),
    ("integer", "string", ["-7"], ["-7"]),
    ("binary_double", "float64", ["1e300", "0.1"], [1e300, 0.1]),
    ("binary_float", "float32", ["1.5"], [1.5]),
    ("date", "timestamp", ["timestamp '2025-07-01 13:14:15'", "date '0001-01-01'", "date '9999-12-31'"], [datetime(2025, 7, 1, 13, 14, 15), datetime(1, 1, 1), datetime(9999, 12, 31)]),  # noqa: E501
    ("date", "date", ["date '2025-07-01'", "date '1582-10-04'"], [date(2025, 7, 1), date(1582, 10, 4)]),  # noqa: E501
    ("timestamp", "timestamp", ["timestamp '2025-07-01 01:02:03.123456'", "timestamp '0001-01-01 00:00:00.000001'"], [datetime(2025, 7, 1, 1, 2, 3, 123456), datetime(1, 1, 1, 0, 0, 0, 1)]),  # noqa: E501
    ("timestamp(9)", "timestamp", ["timestamp '2025-07-01 01:02:03.123456000'"], [datetime(2025, 7, 1, 1, 2, 3, 123456)]),  # noqa: E501
    ("timestamp with time zone", "timestamptz", ["timestamp with time zone '2025-07-01 00:00:00.000001+09:00'"], [datetime(2025, 6, 30, 15, 0, 0, 1, tzinfo=UTC)]),  # noqa: E501
    ("varchar2(40)", "string", ["' '", "'서울 ''중앙'' \"점\"' || chr(10) || '\\'", "'NULL'"], [" ", "서울 '중앙' \"점\"\n\\", "NULL"]),  # noqa: E501
    ("varchar2(40)", "string", ["''"], [None]),
    ("nvarchar2(40)", "string", ["'한글 😀'"], ["한글 😀"]),
    ("char(6)", "string", ["'ab'", "' '", "'가 나'"], ["ab", "", "가 나"]),
    ("nchar(6)", "string", ["'ab'"], ["ab"]),
    ("clob", "string", ["'짧은 글'", "repeat('가😀', 1000) || '끝'"], ["짧은 글", "가😀" * 1000 + "끝"]),  # noqa: E501
    ("blob", "binary", ["X'00ff'", "X''"], [b"\x00\xff", b""]),
    ("raw(10)", "binary", ["X'00ff'"], [b"\x00\xff"]),
    ("time", "string", ["time '23:59:59'"], ["23:59:59"]),
    ("boolean", "boolean", ["true", "false"], [True, False]),
    ("boolean", "string", ["true", "false"], ["true", "false"]),
]  # fmt: skip


@pytest.mark.parametrize("route", ROUTES)
def test_every_type_arrives_unchanged(server: H2Server, route: str) -> None:
    columns = ", ".join(f"v{n} {kind}" for n, (kind, *_) in enumerate(EXACT))
    rows = max(len(written) for *_, written, _ in EXACT) + 1
    values = [
        ", ".join((*written, *["NULL"] * rows)[row] for *_, written, _ in EXACT)
        for row in range(rows)
    ]
    server.execute(
        "lake",
        "DROP TABLE IF EXISTS exact",
        f"CREATE TABLE exact (n integer, {columns})",
        *(f"INSERT INTO exact VALUES ({n}, {row})" for n, row in enumerate(values)),
    )
    types = {"n": "int32"} | {f"v{n}": declared for n, (_, declared, *_) in enumerate(EXACT)}
    what = table(types, "EXACT", order_by=("n",))
    with connect("tibero", server.connection("lake", options={"route": route})) as opened:
        with opened.read(what) as reading:
            found = pa.Table.from_batches(reading.batches, reading.schema)
            assert reading.route == ROUTES[route]
        for n, (kind, declared, _, read) in enumerate(EXACT):
            values = found[f"v{n}"]
            assert values.type == parse_type(declared).arrow(), kind
            assert values.to_pylist() == [*read, *[None] * (rows - len(read))], (kind, declared)
        as_query = Table(what.columns, query="SELECT * FROM exact", order_by=("n",))
        assert rows_of(opened, as_query).equals(found)
        assert opened.peek(what, 1).schema == found.schema


UNFIT = [
    ("number", "decimal(18,2)", "1.005", "(DECFLOAT) cannot become decimal(18,2) unchanged (at"),
    ("number", "decimal(38,0)", "1e38", "cannot become decimal(38,0) unchanged"),
    ("number", "int64", "9223372036854775808", "cannot become int64 unchanged"),
    ("number", "decimal(38,10)", "1e-45", "cannot become decimal(38,10) unchanged"),
    ("number", "float64", "1", "is DECFLOAT, which cannot become float64 without loss"),
    ("number(18,2)", "decimal(18,1)", "1.25", "cannot become decimal(18,1) unchanged"),
    ("number(19)", "int32", "2147483648", "(NUMERIC(19,0)) cannot become int32 unchanged"),
    ("date", "date", "timestamp '2025-07-01 00:00:01'", "cannot become date unchanged"),
    ("timestamp(9)", "timestamp", "timestamp '2025-07-01 00:00:00.123456789'", "TIMESTAMP(9)) cannot"),  # noqa: E501
    ("timestamp", "timestamp", "timestamp '-0044-03-15 00:00:00'", "become timestamp unchanged"),
    ("timestamp", "timestamp", "timestamp '+10000-01-01 00:00:00'", "become timestamp unchanged"),
    ("varchar2(9)", "int64", "'1'", "is CHARACTER VARYING(9), which cannot become int64"),
    ("binary_double", "decimal(18,2)", "1.5", "is DOUBLE PRECISION, which cannot become"),
    ("timestamp", "string", "timestamp '2025-07-01 00:00:00'", "declare timestamp"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "declared", "value", "said"), UNFIT)
def test_what_would_lose_something_is_refused_with_its_key(
    server: H2Server, source: JdbcTables, kind: str, declared: str, value: str, said: str
) -> None:
    server.execute(
        "lake",
        "DROP TABLE IF EXISTS exact",
        f"CREATE TABLE exact (n integer, v {kind})",
        "INSERT INTO exact (n) SELECT x FROM system_range(1, 3000)",
        f"UPDATE exact SET v = {value} WHERE n = 2345",
    )
    what = table({"n": "int32", "v": declared}, "EXACT", order_by=("n",))
    with pytest.raises(PermanentError) as found:
        rows_of(source, what)
    assert said in str(found.value)
    assert f"EXACT of 'tibero' (127.0.0.1:{server.port}/lake)" in str(found.value)
    if "unchanged" in str(found.value):
        assert "(at n 2345)" in str(found.value)
    assert value not in str(found.value) or len(value) < 3


class _Meta:
    """A column as a driver of Oracle's kin describes it: code, name, precision, scale."""

    def __init__(self, *told: Any) -> None:
        self.code, self.name, self.precision, self.scale = told

    def __getattr__(self, name: str) -> Any:
        given = {
            "getColumnType": self.code,
            "getColumnTypeName": self.name,
            "getPrecision": self.precision,
            "getScale": self.scale,
            "isNullable": 1,
            "getColumnLabel": "C",
        }
        return lambda place: given[name]


@pytest.mark.parametrize(
    ("described", "shown", "type_"),
    [
        ((2, "NUMBER", 0, -127), "NUMBER", None),
        ((2, "NUMBER", 38, 0), "NUMBER(38,0)", "decimal(38,0)"),
        ((2, "NUMBER", 5, -2), "NUMBER", None),
        ((2, "NUMBER", 3, 5), "NUMBER", None),
        ((6, "FLOAT", 126, -127), "FLOAT", None),
        ((2, "FLOAT", 126, -127), "FLOAT", None),
        ((93, "DATE", 0, 0), "DATE", "timestamp"),
        ((91, "DATE", 0, 0), "DATE", "timestamp"),
        ((93, "TIMESTAMP", 0, 9), "TIMESTAMP(9)", "timestamp"),
        ((-101, "TIMESTAMP(6) WITH TIME ZONE", 0, 6), "TIMESTAMP(6) WITH TIME ZONE", "timestamptz"),
        ((-102, "TIMESTAMP WITH LOCAL TIME ZONE", 0, 6), "TIMESTAMP(6) WITH LOCAL TIME ZONE", "timestamptz"),  # noqa: E501
        ((100, "BINARY_FLOAT", 0, 0), "BINARY_FLOAT", "float32"),
        ((101, "BINARY_DOUBLE", 0, 0), "BINARY_DOUBLE", "float64"),
        ((1, "CHAR", 8, 0), "CHAR(8)", "string"),
        ((12, "VARCHAR2", 30, 0), "VARCHAR2(30)", "string"),
        ((-9, "NVARCHAR2", 30, 0), "NVARCHAR2(30)", "string"),
        ((2005, "CLOB", -1, 0), "CLOB", "string"),
        ((-4, "LONG RAW", 0, 0), "LONG RAW", "binary"),
        ((-8, "ROWID", 0, 0), "ROWID", None),
    ],
)  # fmt: skip
def test_types_as_oracles_kin_name_them(
    server: H2Server, described: tuple[Any, ...], shown: str, type_: str | None
) -> None:
    found = connect("tibero", server.connection("lake"))._column(_Meta(*described), 1)
    assert (found.shown, found.type and found.type.name) == (shown, type_)
    assert connect("t", server.connection("lake"))._number(found) == (shown in ("NUMBER", "FLOAT"))


# -- windows and totals --

TEXTS = ["2025-06-30 23:59:59", "2025-07-01 00:00:00", "2025-07-31 23:59:59", "2025-08-01 00:00:00"]
WINDOWS: list[tuple[str, str, Any, list[str]]] = [
    ("date", "timestamp", "date", [f"timestamp '{text}'" for text in TEXTS]),
    ("date", "timestamp", "timestamp", [f"timestamp '{text}'" for text in TEXTS]),
    ("timestamp(9)", "timestamp", "timestamp", [f"timestamp '{text}'" for text in TEXTS]),
    ("timestamp with time zone", "timestamptz", "timestamp", [f"timestamp with time zone '{text}+09:00'" for text in TEXTS]),  # noqa: E501
    ("varchar2(8)", "string", "yyyymmdd", ["'20250630'", "'20250701'", "'20250731'", "'20250801'"]),
    ("char(8)", "string", "yyyymmdd", ["'20250630'", "'20250701'", "'20250731'", "'20250801'"]),
    ("number(8)", "int32", "yyyymmdd", ["20250630", "20250701", "20250731", "20250801"]),
    ("number", "decimal(10,2)", "yyyymmdd", ["20250630", "20250701", "20250731", "20250801"]),
]  # fmt: skip


@pytest.mark.parametrize(("type_", "declared", "kind", "values"), WINDOWS)
def test_windows_take_their_days_and_no_other(
    server: H2Server, source: JdbcTables, type_: str, declared: str, kind: Any, values: list[str]
) -> None:
    rows = ", ".join(f"({10 - i}, {value})" for i, value in enumerate(values))
    server.execute(
        "lake",
        "DROP TABLE IF EXISTS w",
        f"CREATE TABLE w (id number(10), on_day {type_})",
        f"INSERT INTO w VALUES {rows}",
    )
    columns = {"id": "int32", "on_day": declared}
    what = table(columns, "W", window=Window("on_day", kind), sums=("id",))
    july = Span(date(2025, 7, 1), date(2025, 8, 1), "daily")
    with source.read(what, july) as reading:
        assert reading.totals == {
            "2025-07-01": Totals(1, {"id": 9}),
            "2025-07-31": Totals(1, {"id": 8}),
        }
        assert (reading.route, reading.reconciled) == ("JDBC, Arrow", "same snapshot")
        assert [v for b in reading.batches for v in b["id"].to_pylist()] == [9, 8]
    with source.read(what, Span(july.start, july.end, "monthly")) as reading:
        assert reading.totals == {"2025-07": Totals(2, {"id": 17})}
    server.execute("lake", "INSERT INTO w VALUES (0, NULL)")
    with pytest.raises(PermanentError, match="1 rows have NULL in the window column 'ON_DAY', so"):
        rows_of(source, what, july)
    assert rows_of(source, what).num_rows == 5


def test_hours(server: H2Server, source: JdbcTables) -> None:
    server.execute(
        "lake",
        "DROP TABLE IF EXISTS w",
        "CREATE TABLE w AS SELECT x AS id, timestamp '2025-07-01 08:30:00' + "
        "x * interval '20' minute AS seen FROM system_range(1, 6)",
    )
    what = table({"id": "int64", "seen": "timestamp"}, "W", window=Window("seen", "timestamp"))
    span = Span(datetime(2025, 7, 1, 9), datetime(2025, 7, 1, 11), "hourly")
    with source.read(what, span) as read:
        assert {key: part.rows for key, part in (read.totals or {}).items()} == {
            "2025-07-01-09": 3,
            "2025-07-01-10": 2,
        }
        assert [v for b in read.batches for v in b["id"].to_pylist()] == [2, 3, 4, 5, 6]


def test_a_query_bounds_itself_by_its_parameters(server: H2Server, source: JdbcTables) -> None:
    server.execute(
        "lake",
        "DROP TABLE IF EXISTS w",
        "CREATE TABLE w AS SELECT x AS id, dateadd('DAY', x, date '2025-07-01') AS on_day "
        "FROM system_range(0, 9)",
    )
    what = Table(
        (
            Column("id", "ID", parse_type("int64")),
            Column("day", "ON_DAY", parse_type("timestamp")),
        ),
        query="SELECT id, on_day FROM w -- ':end'\n"
        "WHERE on_day >= :start AND on_day < :end AND id > :least",
        window=Window("day", "date"),
        params={"least": 1},
    )
    days = Span(date(2025, 7, 1), date(2025, 7, 5), "daily")
    assert rows_of(source, what, days)["id"].to_pylist() == [2, 3]


def test_counts_and_rows_are_of_one_moment(server: H2Server, source: JdbcTables) -> None:
    server.execute(
        "lake",
        "DROP TABLE IF EXISTS moving",
        "CREATE TABLE moving AS SELECT x AS id FROM system_range(1, 5000)",
    )
    what = table({"id": "int64"}, "MOVING", sums=("id",))
    with source.read(what) as reading:
        server.execute("lake", "INSERT INTO moving SELECT x FROM system_range(5001, 9000)")
        found = pa.Table.from_batches(reading.batches, reading.schema)
        assert reading.totals == {"": Totals(5000, {"id": 5000 * 5001 // 2})}
    assert found.num_rows == 5000
    assert rows_of(source, what).num_rows == 9000


def test_sums_of_38_digits(server: H2Server, source: JdbcTables) -> None:
    server.execute(
        "lake",
        "DROP TABLE IF EXISTS s",
        "CREATE TABLE s (big number(38,2), free number)",
        "INSERT INTO s VALUES (123456789012345678901234567890123456.78, 0.1)",
        "INSERT INTO s VALUES (0.01, 123456789012345678901234567890.2), (NULL, NULL)",
    )
    what = table({"big": "decimal(38,2)", "free": "decimal(38,1)"}, "S", sums=("big", "free"))
    with source.read(what) as reading:
        assert reading.totals == {
            "": Totals(
                3,
                {
                    "big": D("123456789012345678901234567890123456.79"),
                    "free": D("123456789012345678901234567890.3"),
                },
            )
        }


# -- filters --

FILTERS = [
    "name = 'A'",
    "name <> 'a'",
    "name IS NULL",
    "name ILIKE 'a%'",
    "name LIKE '%\\%'",
    "name LIKE '!_%' ESCAPE '!'",
    "name LIKE 'it''s%'",
    "starts_with(name, '서울')",
    "name IN ('A', '서울점')",
    "name IS DISTINCT FROM 'A'",
    "NOT name IS NOT DISTINCT FROM code",
    "length(name) = 3",
    "left(name, 2) = '서울'",
    "right(name, 1) = '점'",
    "substring(name, 2, 1) = '울'",
    "lower(name) = 'a' OR upper(name) = 'A'",
    "trim(name) = 'pad'",
    "name || code = 'Aa'",
    "name || code IS NULL",
    "coalesce(name, '없음') = '없음'",
    "nullif(name, 'A') IS NULL",
    "amount > 9007199254740993.00",
    "amount = 9007199254740993.01",
    "amount BETWEEN -1.5 AND 1.5",
    "CAST(amount AS DECIMAL(18,1)) = 1.3",
    "amount / 2 = 0.625",
    "id / 2 = 1.5",
    "id % 3 = 1",
    "-id < -4",
    "round(amount, 1) = 1.3",
    "abs(amount) < 2",
    "CASE WHEN id > 3 THEN 'x' ELSE 'y' END = 'x'",
    "seen >= DATE '2025-07-02'",
    "CAST(seen AS DATE) = DATE '2025-07-02'",
    "seen = TIMESTAMP '2025-07-02 10:20:30.5'",
    "seen < DATE '2025-07-05' - INTERVAL 2 DAY",
    "seen + INTERVAL 36 HOUR > TIMESTAMP '2025-07-03 12:00:00'",
    "seen + INTERVAL 1 WEEK > DATE '2025-07-10'",
    "year(seen) = 2025 AND month(seen) = 7 AND day(seen) > 2",
    "extract(hour FROM seen) = 10",
    "extract(minute FROM seen) = 20",
    "TRUE",
    "FALSE OR id = 1",
    "flag",
    "NOT flag",
    "flag = FALSE",
    "flag IS NULL",
    "name = :wanted AND id > :least AND seen > :since",
]
PARAMS = {"wanted": "서울점", "least": 1, "since": date(2025, 7, 1)}


@pytest.fixture(scope="module")
def twins(server: H2Server) -> Iterator[tuple[JdbcTables, duckdb.DuckDBPyConnection]]:
    """The same rows there and in DuckDB, whose words filters are written in."""
    rows = [
        "(1, 'A', 'a', 9007199254740993.01, timestamp '2025-07-01 00:00:00', true)",
        "(2, 'a', 'a', -1.50, timestamp '2025-07-02 10:20:30.5', false)",
        "(3, '서울점', NULL, 1.25, timestamp '2025-07-03 23:59:59', NULL)",
        "(4, NULL, 'x', NULL, NULL, true)",
        "(5, '  pad ', '_', 0, timestamp '2025-12-31 00:00:00', false)",
        "(6, 'back\\', '%', 1.34, timestamp '2024-02-29 00:00:00', true)",
        "(7, '_low', 'it''s', 1.35, timestamp '2025-07-05 10:00:00', NULL)",
        "(8, 'it''s; DROP', 'a', 100, timestamp '1999-01-01 00:00:00', true)",
    ]
    fill = f"INSERT INTO f VALUES {', '.join(rows)}"
    server.execute(
        "lake",
        "DROP TABLE IF EXISTS f",
        "CREATE TABLE f (id number(10), name varchar2(20), code varchar2(9), amount number(18,2), "
        "seen timestamp, flag boolean)",
        fill,
    )
    db = duckdb.connect()
    db.execute(
        "CREATE TABLE f (id int, name varchar, code varchar, amount decimal(18,2), seen timestamp, "
        "flag boolean)"
    )
    db.execute(fill)
    with connect("tibero", server.connection("lake")) as opened:
        yield opened, db


@pytest.mark.parametrize("text", FILTERS)
def test_a_filter_takes_the_rows_that_duckdb_takes(
    twins: tuple[JdbcTables, duckdb.DuckDBPyConnection], text: str
) -> None:
    types = {"id": "int32", "name": "string", "code": "string", "amount": "decimal(18,2)"}
    types |= {"seen": "timestamp", "flag": "boolean"}
    used = {key: value for key, value in PARAMS.items() if f":{key}" in text}
    what = table(types, "F", filter=text, params=used, order_by=("id",))
    of_duckdb = text
    for key in used:
        of_duckdb = of_duckdb.replace(f":{key}", f"${key}")
    source, db = twins
    expected = db.execute(f"SELECT id FROM f WHERE {of_duckdb} ORDER BY id", used).fetchall()
    assert rows_of(source, what)["id"].to_pylist() == [id_ for (id_,) in expected]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name <> ''", "'' is NULL, and comparing with it finds nothing: write IS NULL"),
        ("CAST(seen AS VARCHAR) = '2025'", "would depend on the session's formats there"),
        ("CAST(name AS DATE) = DATE '2025-07-01'", "would depend on the session's formats"),
        ("seen + INTERVAL 1 MONTH > DATE '2025-07-01'", "An interval of months means another day"),
        ("CAST('2025-02-30' AS DATE) = seen", "'2025-02-30' is no date"),
    ],
)
def test_what_means_something_else_there_is_refused(
    twins: tuple[JdbcTables, duckdb.DuckDBPyConnection], text: str, said: str
) -> None:
    source, _ = twins
    with pytest.raises(PermanentError) as found:
        rows_of(source, table({"name": "string", "seen": "timestamp"}, "F", filter=text))
    assert said in str(found.value)


def test_names_of_any_kind(server: H2Server, source: JdbcTables) -> None:
    server.execute(
        "lake",
        'CREATE TABLE SALES."/BIC/a""b ?{x}" ("아이디" number(9), "plant" char(4))',
        "INSERT INTO SALES.\"/BIC/a\"\"b ?{x}\" VALUES (1, 'p0'), (2, 'p1'), (3, 'p1')",
    )
    columns = (
        Column("id", "아이디", parse_type("int32")),
        Column("plant", "plant", parse_type("string")),
    )
    what = Table(columns, schema="SALES", table='/BIC/a"b ?{x}', equal={"plant": "p1"})
    assert rows_of(source, what).to_pylist() == [
        {"id": 2, "plant": "p1"},
        {"id": 3, "plant": "p1"},
    ]
    with pytest.raises(PermanentError, match="no such table, or the user may not see it; did you "):
        source.describe(Table(columns, schema="SALES", table='/BIC/a"c ?{x}'))
    plan = Column("plant", "plan", parse_type("string"))
    with pytest.raises(PermanentError, match="no column 'plan'; did you mean 'plant'"):
        rows_of(source, Table((plan,), schema="SALES", table='/BIC/a"b ?{x}'))


# -- many rows --

BIG = 100_000
_BIG = """
CREATE TABLE big AS SELECT
  CAST(9007199254740992 + x AS number(19)) AS id,
  CAST('9' || lpad(x, 9, '0') || '01234567890123456789012345.' || lpad(mod(x, 100), 2, '0')
    AS number(38,2)) AS amount,
  CAST(x AS number) / 8 AS free,
  dateadd('SECOND', x, timestamp '2025-07-01 00:00:00.000001') AS seen,
  CASE WHEN mod(x, 10) = 1 THEN NULL
    ELSE '정상 판매 "' || mod(x, 1000) || '"' || chr(10) END AS text
FROM system_range(1, {})
"""


@pytest.mark.parametrize("route", ROUTES)
def test_many_rows_are_those_that_the_server_writes_itself(server: H2Server, route: str) -> None:
    rows = BIG if route == "arrow" else 5_000
    server.execute("lake", "DROP TABLE IF EXISTS big", _BIG.format(rows))
    file = server.folder / "big.csv"
    query = "SELECT id, amount, CAST(free AS number(30,3)) AS free, seen, text FROM big"
    server.execute("lake", f"CALL CSVWRITE('{file}', '{query}', 'charset=UTF-8')")
    types = {"id": "int64", "amount": "decimal(38,2)", "free": "decimal(30,3)"}
    types |= {"seen": "timestamp", "text": "string"}
    expected = pa.csv.read_csv(
        file,
        pa.csv.ReadOptions(column_names=list(types), skip_rows=1, block_size=16 << 20),
        pa.csv.ParseOptions(newlines_in_values=True),
        pa.csv.ConvertOptions(
            column_types={name: parse_type(type_).arrow() for name, type_ in types.items()},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )
    with connect("tibero", server.connection("lake", options={"route": route})) as opened:
        found = rows_of(opened, table(types, "BIG"))
    assert found.num_rows == rows
    assert_equal_rows(found, expected, "id")


_PEAK = """
import sys
from resources.jdbc import connect
from resources.settings import Connection
from resources.source import Column, Table
from resources.types import parse_type
url, name, limit, route, *types = sys.argv[1:]
options = {"driver": "org.h2.Driver", "jar": "/usr/share/java/h2.jar", "url": url, "route": route}
where = Connection(kind="tibero", host="h", database="d", user="SA", password="env:TIBERO_WORD",
                   options=options)
columns = [Column(n.lower(), n, parse_type(t)) for n, t in (one.split(":") for one in types)]
with connect("tibero", where) as source:
    with source.read(Table(tuple(columns), table=name, filter=f"n <= {limit}")) as reading:
        rows = size = 0
        for batch in reading.batches:
            rows, size = rows + batch.num_rows, size + batch.nbytes
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(rows, size, int(peak.split()[1]) // 1024, "pandas" in sys.modules)
"""


def _peak(server: H2Server, name: str, limit: int, *types: str, route: str = "arrow") -> list[Any]:
    words = [sys.executable, "-c", _PEAK, server.url("lake"), name, str(limit), route, *types]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=Path.cwd())
    assert done.returncode == 0, done.stderr[-3000:]
    rows, size, peak, pandas = done.stdout.split()
    return [int(rows), int(size), int(peak), pandas]


def test_memory_does_not_grow_with_the_rows_and_pandas_is_not_there(server: H2Server) -> None:
    server.execute(
        "lake",
        "DROP TABLE IF EXISTS wide",
        "CREATE TABLE wide AS SELECT CAST(x AS number(10)) AS n, repeat('가나다라', 60) AS t, "
        "CAST(x AS number(38,2)) AS amount FROM system_range(1, 400000)",
    )
    types = ("N:int64", "T:string", "AMOUNT:decimal(38,2)")
    few = _peak(server, "WIDE", 30_000, *types)
    many = _peak(server, "WIDE", 400_000, *types)
    assert (few[0], many[0], few[3], many[3]) == (30_000, 400_000, "False", "False")
    assert many[1] - few[1] > 250 << 20
    # Java's heap grows by up to 42 MB between two runs of one size: a kept row would be 260 MB.
    assert many[2] < few[2] + 100, (few, many)


def test_cells_of_ten_million_characters(server: H2Server) -> None:
    server.execute(
        "lake",
        "DROP TABLE IF EXISTS cells",
        "CREATE TABLE cells (n number(9), t clob, b blob)",
        "INSERT INTO cells SELECT x, repeat('가', 10000000), NULL FROM system_range(1, 4)",
        "INSERT INTO cells SELECT x, '짧은', X'00ff' FROM system_range(5, 300)",
    )
    rows, size, peak, _ = _peak(server, "CELLS", 300, "N:int64", "T:string", "B:binary")
    assert rows == 300
    assert 120_000_000 < size < 140_000_000
    assert peak < 1000, peak


# -- what goes wrong --


def test_a_server_killed_in_mid_stream_restarts_and_is_read_again(server: H2Server) -> None:
    server.execute(
        "lake",
        "DROP TABLE IF EXISTS long",
        "CREATE TABLE long AS SELECT x AS id, repeat('가나다', 30) AS t "
        "FROM system_range(1, 150000)",
    )
    what = table({"id": "int64", "t": "string"}, "LONG")
    for route in ROUTES:
        where = server.connection("lake", options={"route": route})
        try:
            with connect("tibero", where) as source, source.read(what) as reading:
                next(reading.batches)
                server.kill()
                with pytest.raises(TransientError, match="lost while reading; try again") as found:
                    list(reading.batches)
            assert "가나다" not in str(found.value)
            with pytest.raises(TransientError, match="check that the server runs and the network"):
                connect("tibero", server.connection("lake")).__enter__()
        finally:
            server.start()
    with connect("tibero", server.connection("lake")) as again, again.read(what) as reading:
        assert sum(batch.num_rows for batch in reading.batches) == 150_000


def test_leaving_early_does_not_wait_for_the_rest(server: H2Server, source: JdbcTables) -> None:
    server.execute(
        "lake",
        "DROP TABLE IF EXISTS long",
        "CREATE TABLE long AS SELECT x AS id FROM system_range(1, 300000)",
    )
    what, left = table({"id": "int64"}, "LONG"), []
    for _ in range(5):  # the best of some: any may be held up by another process
        with source.read(what) as reading:
            next(reading.batches)
            started = time.monotonic()
        left.append(time.monotonic() - started)
    with source.read(what) as reading:
        next(reading.batches)
        started = time.monotonic()
        assert sum(batch.num_rows for batch in reading.batches) > 200_000
        rest = time.monotonic() - started
    assert min(left) < rest / 4, (left, rest)
    assert source.describe(table({}, "LONG"))[0].name == "ID"


def test_a_wrong_password_says_so_and_holds_none(
    server: H2Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIBERO_WORD", "falsch-geheim")
    with pytest.raises(PermanentError) as found:
        connect("tibero", server.connection("lake")).__enter__()
    assert "Wrong user name or password" in str(found.value)
    assert "What to do: check the connection's user and password" in str(found.value)
    # Chain and all, as a terminal and Dagster print it.
    assert "geheim" not in "".join(traceback.format_exception(found.value))


def test_a_table_that_changed_under_the_pipeline(server: H2Server, source: JdbcTables) -> None:
    server.execute("lake", "DROP TABLE IF EXISTS c", "CREATE TABLE c (id number(9), v number(9))")
    what = table({"id": "int32", "v": "int32"}, "C")
    assert rows_of(source, what).num_rows == 0
    server.execute("lake", "ALTER TABLE c ALTER COLUMN v varchar2(9)")
    with pytest.raises(PermanentError, match=r"'V' is CHARACTER VARYING.9., which cannot become"):
        rows_of(source, what)
    server.execute("lake", "DROP TABLE c")
    with pytest.raises(PermanentError, match=r"C of 'tibero' .*: there is no such table"):
        rows_of(source, what)
    with pytest.raises(
        PermanentError, match=r"not found.*mend the table, the columns or the query"
    ):
        rows_of(source, Table(what.columns, query="SELECT nothing, 'geheim' FROM f"))


def test_a_table_that_changes_while_it_is_read_without_snapshots(
    server: H2Server, source: JdbcTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.execute(
        "lake",
        "DROP TABLE IF EXISTS moving",
        "CREATE TABLE moving AS SELECT x AS id FROM system_range(1, 5000)",
    )
    source._db.rollback()
    source._db.jconn.setTransactionIsolation(2)  # READ COMMITTED, as where there is no other
    with source.read(table({"id": "int64"}, "MOVING")) as reading:
        assert reading.reconciled == "before and after"
        server.execute("lake", "INSERT INTO moving VALUES (0)")
        with pytest.raises(TransientError, match="changed while being read"):
            list(reading.batches)


def setting(server: H2Server, **options: Any) -> JdbcTables:
    return connect("tibero", server.connection("lake", options=options))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"jar": ""}, "the JDBC driver's jar is not named. Copy it onto this machine"),
        ({"jar": "/nowhere/tibero.jar"}, "names /nowhere/tibero.jar, and there is no such file"),
        ({"driver": "org.h2.Drivr"}, "has no class org.h2.Drivr; did you mean 'org.h2.Driver'"),
        ({"driver": "java.lang.Object"}, "java.lang.Object of /usr/share/java/h2.jar is no JDBC"),
        ({"url": "jdbc:tibero:thin:@h:1:d"}, "does not know addresses like options.url"),
    ],
)
def test_a_driver_that_is_not_there(server: H2Server, options: Any, said: str) -> None:
    with pytest.raises(PermanentError) as found:
        setting(server, **options).__enter__()
    assert said in str(found.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"jars": "x"}, "unknown option 'jars'; allowed: ('jar', 'driver', 'url', 'route')"),
        ({"route": "fast"}, "unknown route 'fast'; allowed: ('arrow', 'rows')"),
        ({"url": "jdbc:tibero:thin:lake/geheim@h:1:d"}, "options.url holds a password"),
        ({"url": "jdbc:postgresql://h/d?user=u&password=geheim"}, "options.url holds a password"),
    ],
)
def test_options_are_checked_before_java_starts(server: H2Server, options: Any, said: str) -> None:
    with pytest.raises(PermanentError) as found:
        setting(server, **options)
    assert said in str(found.value)
    assert "geheim" not in str(found.value)


def test_the_address_of_tibero_and_its_driver_are_known(tmp_path: Path) -> None:
    where = Connection(
        kind="tibero", host="tibero.example.com", database="tibero", user="lake",
        options={"jar": str(JAR)},
    )  # fmt: skip
    source = connect("tibero", where)
    assert source._url == "jdbc:tibero:thin:@tibero.example.com:8629:tibero"
    with pytest.raises(PermanentError, match=r"has no class com\.tmax\.tibero\.jdbc\.TbDriver; "):
        source.__enter__()


#: Code, SQLSTATE, words of a driver → the kind of error, and what to do. Numbers below zero are
#: Tibero's own.
CODES: list[tuple[int, str | None, str, type[LakeError], str]] = [
    (-17001, None, "TBR-17001: Login failed", PermanentError, "check the connection's user"),
    (-17004, None, "TBR-17004: Permission denied.", PermanentError, "GRANT SELECT"),
    (-8033, None, "TBR-8033: Specified schema object was not found.", PermanentError, "mend the"),
    (-8027, "72000", "TBR-8027: Missing right parenthesis", PermanentError, "mend the table"),
    (-90401, None, "JDBC-90401:Connection refused by the server.", TransientError, "was lost"),
    (-90405, None, "JDBC-90405:I/O error while reading from the server.", TransientError, "lost"),
    (-90603, None, "JDBC-90603:Invalid operation: disconnected from", TransientError, "was lost"),
    (0, "08006", "An I/O error occurred", TransientError, "the connection was lost"),
    (0, "57P01", "terminating connection due to administrator", TransientError, "was lost"),
    (0, "40001", "could not serialize access", TransientError, "when it is less busy"),
    (0, "53300", "too many clients already", TransientError, "fewer runs at a time"),
    (0, "42501", "permission denied for table t", PermanentError, "GRANT SELECT"),
    (942, "42000", "ORA-00942: table or view does not exist", PermanentError, "mend the table"),
    (0, "28P01", "password authentication failed", PermanentError, "user and password"),
    (-5074, "22018", "TBR-5074: Given string geheim is no number", PermanentError, ""),
]


@pytest.mark.parametrize(("number", "state", "words", "kind", "cure"), CODES)
def test_errors_are_judged_by_the_drivers_own_codes(
    server: H2Server, number: int, state: str, words: str, kind: type[LakeError], cure: str
) -> None:
    of = jvm.java("here").JClass
    inner = of("java.sql.SQLException")(words, state, number)
    raised = of("java.lang.RuntimeException")("Error occurred while consuming data.", inner)
    said = told(raised, "ORDERS", "'tibero' (h:8629/d)", lambda: True)
    assert type(said) is kind
    assert cure in str(said)
    assert f"error {number}, SQLSTATE" in str(said)
    assert "geheim" not in str(said)
    lost = told(of("java.sql.SQLException")("geheim", "99999", 7), "T", "'t'", lambda: False)
    assert isinstance(lost, TransientError)
    assert "geheim" not in str(lost)


def test_a_certificate_that_java_does_not_trust(server: H2Server) -> None:
    of = jvm.java("here").JClass
    why = of("javax.net.ssl.SSLHandshakeException")("PKIX path building failed")
    raised = of("java.sql.SQLException")("SSL error", "08006", 0, why)
    said = told(raised, "connecting", "'tibero' (h:8629/d)", lambda: False)
    assert isinstance(said, PermanentError)
    assert "have Java trust the company's CA" in str(said)


def test_rows_that_are_wider_than_java_are_told(server: H2Server) -> None:
    raised = jvm.java("here").JClass("java.lang.OutOfMemoryError")("Java heap space")
    said = told(raised, "T", "'tibero'", lambda: True)
    assert "Java's 512m do not hold the rows of one fetch" in str(said)


def test_without_arrows_adapter_the_rows_come_by_jaydebeapi(
    server: H2Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jvm, "has_arrow", lambda: False)
    server.execute("lake", "DROP TABLE IF EXISTS one", "CREATE TABLE one AS SELECT 1 AS id")
    with setting(server) as source, source.read(table({"id": "int32"}, "ONE")) as reading:
        assert reading.route == "JDBC, JayDeBeApi rows"
        assert [v for b in reading.batches for v in b["id"].to_pylist()] == [1]


def test_the_kind_tibero_is_read_by_jdbc(server: H2Server) -> None:
    class Settings:
        env = "test"

        def connection(self, name: str) -> Connection:
            return server.connection("lake")

    with open_source(Settings(), "tibero") as source:  # type: ignore[arg-type]
        assert isinstance(source, JdbcTables)
