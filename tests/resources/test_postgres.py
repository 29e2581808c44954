"""What a real PostgreSQL server holds arrives value by value, from one snapshot, or is refused."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from resources.errors import LakeError, PermanentError, TransientError
from resources.postgres import PostgresTables, connect, server_words
from resources.settings import Connection
from resources.source import Column, Span, Table, Totals, Window
from resources.types import parse_type
from tests.resources.reading import JULY, JULY_IDS, build_windows, rows_of, table
from tests.servers.postgres import PostgresServer
from tests.servers.sales_table import (
    START,
    TYPES,
    assert_equal_rows,
    build_sales,
    sales_table,
    server_rows,
)

pytestmark = pytest.mark.server

PASSWORD = "gehe'im\\ \"1"


@pytest.fixture(scope="module")
def server(postgres_server: PostgresServer) -> PostgresServer:
    postgres_server.create_database("source")
    return postgres_server


def connection(server: PostgresServer, **other: Any) -> Connection:
    address = {"host": server.host, "port": server.port, "database": "source", "user": server.user}
    return Connection(kind="postgres", **{**address, **other})


@pytest.fixture(scope="module")
def source(server: PostgresServer) -> Iterator[PostgresTables]:
    with connect("postgres", connection(server)) as opened:
        assert isinstance(opened, PostgresTables)
        yield opened


D, KST = Decimal, timezone(timedelta(hours=9))
EXACT: list[tuple[str, str, Sequence[str], list[Any]]] = [
    ("smallint", "int16", ["-32768", "32767"], [-32768, 32767]),
    ("smallint", "int8", ["-128", "127"], [-128, 127]),
    ("integer", "int32", ["-2147483648", "2147483647"], [-(2**31), 2**31 - 1]),
    ("integer", "int64", ["2147483647"], [2**31 - 1]),
    ("integer", "float64", ["2147483647"], [2147483647.0]),
    ("bigint", "int64", ["-9223372036854775808", "9223372036854775807"], [-(2**63), 2**63 - 1]),
    ("bigint", "int32", ["-2147483648", "2147483647"], [-(2**31), 2**31 - 1]),
    ("bigint", "int8", ["-128", "127"], [-128, 127]),
    ("bigint", "decimal(38,0)", ["9007199254740993"], [D(9007199254740993)]),
    ("bigint", "decimal(5,2)", ["-999"], [D("-999.00")]),
    ("bigint", "string", ["9007199254740993"], ["9007199254740993"]),
    (
        "numeric(18,2)",
        "decimal(18,2)",
        ["9007199254740993.01", "-0.01"],
        [D("9007199254740993.01"), D("-0.01")],
    ),
    (
        "numeric(18,2)",
        "decimal(38,10)",
        ["9007199254740993.01"],
        [D("9007199254740993.0100000000")],
    ),
    ("numeric(20,4)", "decimal(10,2)", ["12345678.9000"], [D("12345678.90")]),
    ("numeric(18,2)", "int64", ["9007199254740993.00"], [9007199254740993]),
    ("numeric(18,2)", "string", ["1.50"], ["1.50"]),
    ("numeric(38,38)", "decimal(38,38)", ["0." + "1" * 38], [D("0." + "1" * 38)]),
    ("numeric(38,0)", "decimal(38,0)", ["-" + "9" * 38], [D("-" + "9" * 38)]),
    (
        "numeric",
        "decimal(18,2)",
        ["9007199254740993.01", "-1e3", "0"],
        [D("9007199254740993.01"), D("-1000.00"), D("0.00")],
    ),
    ("numeric", "decimal(38,0)", ["9" * 38], [D("9" * 38)]),
    ("numeric", "int64", ["9223372036854775807", "1.000"], [2**63 - 1, 1]),
    ("numeric", "string", ["1.500", "NaN"], ["1.500", "NaN"]),
    ("numeric(39,0)", "decimal(38,0)", ["9" * 38], [D("9" * 38)]),
    ("numeric(3,-2)", "decimal(5,0)", ["12345"], [D(12300)]),
    ("numeric(2,5)", "decimal(5,5)", ["0.00012"], [D("0.00012")]),
    ("real", "float32", ["1.5", "Infinity"], [1.5, float("inf")]),
    ("real", "float64", ["0.5"], [0.5]),
    ("double precision", "float64", ["1e300", "0.1", "-Infinity"], [1e300, 0.1, float("-inf")]),
    ("boolean", "boolean", ["true", "false"], [True, False]),
    ("boolean", "string", ["true"], ["true"]),
    (
        "text",
        "string",
        ["", " ", "서울 '중앙' \"점\"\n\\", "NULL"],
        ["", " ", "서울 '중앙' \"점\"\n\\", "NULL"],
    ),
    ("varchar(8)", "string", ["", "a  "], ["", "a  "]),
    ("char(6)", "string", ["ab", ""], ["ab", ""]),
    ("name", "string", ["이름"], ["이름"]),
    (
        "uuid",
        "string",
        ["52396b71-7203-4d64-8f70-e5711e1a0d31"],
        ["52396b71-7203-4d64-8f70-e5711e1a0d31"],
    ),
    ("jsonb", "string", ['{"a":1}'], ['{"a": 1}']),
    ("mood", "string", ["맑음"], ["맑음"]),
    ("positive", "decimal(10,2)", ["1.25"], [D("1.25")]),
    ("time", "string", ["10:00:00.000001"], ["10:00:00.000001"]),
    ("integer[]", "string", ["{1,2}"], ["{1,2}"]),
    (
        "date",
        "date",
        ["0001-01-01", "1582-10-10", "9999-12-31"],
        [date(1, 1, 1), date(1582, 10, 10), date(9999, 12, 31)],
    ),
    ("date", "timestamp", ["2025-07-01"], [datetime(2025, 7, 1)]),
    ("timestamp", "date", ["2025-07-01 00:00:00"], [date(2025, 7, 1)]),
    (
        "timestamp",
        "timestamp",
        ["2025-07-01 23:59:59.999999", "1900-01-01"],
        [datetime(2025, 7, 1, 23, 59, 59, 999999), datetime(1900, 1, 1)],
    ),
    ("timestamp(0)", "timestamp", ["2025-07-01 10:00:00"], [datetime(2025, 7, 1, 10)]),
    (
        "timestamptz",
        "timestamptz",
        ["2025-07-01 00:00:00.000001+09"],
        [datetime(2025, 7, 1, 0, 0, 0, 1, KST)],
    ),
    ("bytea", "binary", ["\\x00ff27", ""], [b"\x00\xff'", b""]),
]
REFUSED: list[tuple[str, str, str, str]] = [
    ("bigint", "int32", "2147483648", "1 values of 'v' (bigint) cannot become int32 unchanged"),
    ("integer", "int8", "128", "cannot become int8 unchanged"),
    ("bigint", "decimal(5,2)", "1000", "cannot become decimal(5,2) unchanged"),
    ("numeric", "decimal(18,2)", "1.005", "decimal(18,2) unchanged (for example id 7)"),
    ("numeric", "decimal(18,2)", "1e16", "cannot become decimal(18,2) unchanged"),
    ("numeric", "decimal(18,2)", "NaN", "cannot become decimal(18,2) unchanged"),
    ("numeric", "decimal(38,0)", "9" * 39, "cannot become decimal(38,0) unchanged"),
    ("numeric", "decimal(38,0)", "9" * 80, "cannot become decimal(38,0) unchanged"),
    ("numeric", "decimal(38,0)", "Infinity", "cannot become decimal(38,0) unchanged"),
    ("numeric", "int64", "9223372036854775808", "cannot become int64 unchanged"),
    ("numeric", "int64", "NaN", "cannot become int64 unchanged"),
    ("numeric(18,2)", "decimal(18,2)", "NaN", "cannot become decimal(18,2) unchanged"),
    ("numeric(18,2)", "decimal(20,4)", "NaN", "cannot become decimal(20,4) unchanged"),
    ("numeric(18,2)", "int64", "0.50", "cannot become int64 unchanged"),
    ("date", "date", "infinity", "cannot become date unchanged"),
    ("date", "timestamp", "5874897-12-31", "cannot become timestamp unchanged"),
    ("timestamp", "timestamp", "-infinity", "cannot become timestamp unchanged"),
    ("timestamp", "timestamp", "294276-12-31 23:59:59.999999", "cannot become timestamp"),
    ("timestamp", "date", "2025-07-01 00:00:00.000001", "cannot become date unchanged"),
    ("timestamp", "date", "infinity", "cannot become date unchanged"),
    ("timestamptz", "timestamptz", "infinity", "cannot become timestamptz unchanged"),
    ("text", "int64", "1", "is text, which cannot become int64 without loss; declare string"),
    ("double precision", "decimal(18,2)", "1", "declare float64"),
    ("double precision", "float32", "1", "declare float64"),
    ("numeric", "float64", "1", "which cannot become float64 without loss"),
    ("bigint", "float64", "1", "declare int64"),
    ("boolean", "int32", "true", "declare boolean"),
    ("bytea", "string", "a", "declare binary"),
    ("date", "string", "2025-07-01", "declare date"),
    ("timestamptz", "timestamp", "2025-07-01", "declare timestamptz"),
    ("time", "timestamp", "10:00", "declare string"),
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _types(server: PostgresServer) -> None:
    server.execute(
        "CREATE TYPE mood AS ENUM ('맑음', '흐림');"
        "CREATE DOMAIN positive AS numeric(10,2) CHECK (VALUE > 0)",
        "source",
    )


@pytest.mark.parametrize(
    ("type_", "declared", "texts", "values"), EXACT, ids=[f"{a}-{b}" for a, b, *_ in EXACT]
)
def test_values_arrive_unchanged(
    server: PostgresServer,
    source: PostgresTables,
    type_: str,
    declared: str,
    texts: list[str],
    values: list[Any],
) -> None:
    with contextlib.closing(server.connect("source")) as direct:
        cursor = direct.cursor()
        cursor.execute(f"DROP TABLE IF EXISTS v; CREATE TABLE v (id serial, v {type_})")
        for text in [*texts, None]:
            cursor.execute(f"INSERT INTO v (v) VALUES (%s::{type_})", [text])
    described = table({"id": "int32", "v": declared}, "v", order_by=("id",))
    found = rows_of(source, described)
    assert found.schema.field("v").type == parse_type(declared).arrow()
    assert found["v"].to_pylist() == [*values, None]
    as_query = Table(described.columns, query="SELECT * FROM v", order_by=("id",))
    if type_ not in ("mood", "positive"):
        assert rows_of(source, as_query).equals(found)
        assert [c.type for c in source.describe(as_query)] == [
            c.type for c in source.describe(described)
        ]
    assert source.peek(described, 1)["v"].to_pylist() in ([value] for value in values)


@pytest.mark.parametrize(("type_", "declared", "text", "said"), REFUSED)
def test_values_that_would_change_are_refused(
    server: PostgresServer, source: PostgresTables, type_: str, declared: str, text: str, said: str
) -> None:
    server.execute(
        f"DROP TABLE IF EXISTS v; CREATE TABLE v AS SELECT 7 AS id, '{text}'::{type_} AS v",
        "source",
    )
    described = table({"id": "int32", "v": declared}, "v", order_by=("id",))
    with pytest.raises(PermanentError) as told, source.read(described):
        pass
    assert said in str(told.value)
    assert "v of 'postgres' (127.0.0.1:" in str(told.value)


def test_describe_says_what_the_catalog_says(
    server: PostgresServer, source: PostgresTables
) -> None:
    server.execute(
        'CREATE SCHEMA "/BIC/"; CREATE TABLE "/BIC/"."매출" ("금액" numeric(18,2) NOT NULL, '
        '"Mix" character varying(8), n numeric, m mood, p positive, gone int, t time);'
        'ALTER TABLE "/BIC/"."매출" DROP COLUMN gone',
        "source",
    )
    columns = source.describe(Table((), schema="/BIC/", table="매출"))
    assert [(c.name, c.type.name if c.type else None, c.shown, c.nullable) for c in columns] == [
        ("금액", "decimal(18,2)", "numeric(18,2)", False),
        ("Mix", "string", "character varying(8)", True),
        ("n", None, "numeric", True),
        ("m", "string", "mood", True),
        ("p", "decimal(10,2)", "numeric(10,2)", True),
        ("t", None, "time without time zone", True),
    ]
    query = Table((), query='SELECT "금액", n + 1 AS "더하기" FROM "/BIC/"."매출" WHERE 1 = :one')
    columns = source.describe(Table((), query=query.query, params={"one": 1}))
    assert [(c.name, c.shown) for c in columns] == [
        ("금액", "numeric(18,2)"),
        ("더하기", "numeric"),
    ]


# -- windows --

WINDOWS: list[tuple[str, str, str, list[str]]] = [
    ("date", "date", "date", ["2025-06-30", "2025-07-01", "2025-07-31", "2025-08-01"]),
    (
        "timestamp",
        "timestamp",
        "timestamp",
        [
            "2025-06-30 23:59:59.999999",
            "2025-07-01 00:00:00",
            "2025-07-31 23:59:59.999999",
            "2025-08-01 00:00:00",
        ],
    ),
    (
        "timestamptz",
        "timestamptz",
        "timestamp",
        [
            "2025-06-30 23:59:59.999999+09",
            "2025-06-30 15:00:00+00",
            "2025-07-31 14:59:59.999999+00",
            "2025-08-01 00:00:00+09",
        ],
    ),
    ("varchar(8)", "string", "yyyymmdd", ["20250630", "20250701", "20250731", "20250801"]),
    ("char(8)", "string", "yyyymmdd", ["20250630", "20250701", "20250731", "20250801"]),
    ("integer", "int32", "yyyymmdd", ["20250630", "20250701", "20250731", "20250801"]),
    ("numeric(8,0)", "decimal(8,0)", "yyyymmdd", ["20250630", "20250701", "20250731", "20250801"]),
    ("numeric", "int64", "yyyymmdd", ["20250630", "20250701.0", "20250731.00", "20250801"]),
]


@pytest.mark.parametrize(("type_", "declared", "kind", "texts"), WINDOWS)
def test_windows_take_their_days_and_no_other(
    server: PostgresServer,
    source: PostgresTables,
    type_: str,
    declared: str,
    kind: Any,
    texts: list[str],
) -> None:
    build_windows(server, "source", type_, texts, "NOT NULL")
    what = table({"id": "int32", "day": declared}, "w", window=Window("day", kind), sums=("id",))
    july = Span(date(2025, 7, 1), date(2025, 8, 1), "daily")
    by_query = Table(
        what.columns,
        query="SELECT id, day FROM w WHERE day >= :start AND day < :end",
        window=what.window,
        sums=what.sums,
    )
    for one in (what, by_query) if type_ != "timestamptz" else (what,):
        with source.read(one, july) as reading:
            assert reading.totals == JULY
            assert reading.reconciled == "same snapshot"
            assert [v for b in reading.batches for v in b["id"].to_pylist()] == JULY_IDS
    with source.read(what, Span(july.start, july.end, "monthly")) as reading:
        assert reading.totals == {"2025-07": Totals(2, {"id": 17})}
    assert rows_of(source, what).num_rows == 4


@pytest.mark.parametrize("bad", ["2025-07-04", "20250732", "2025070", "2025070x"])
def test_days_that_are_none_are_refused(
    server: PostgresServer, source: PostgresTables, bad: str
) -> None:
    server.execute(
        f"DROP TABLE IF EXISTS w; CREATE TABLE w AS SELECT 1 AS id, '{bad}'::text AS day", "source"
    )
    what = table(
        {"id": "int32", "day": "string"}, "w", window=Window("day", "yyyymmdd"), sums=("id",)
    )
    year = Span(date(2025, 1, 1), date(2026, 1, 1), "monthly")
    if bad == "2025-07-04":  # sorts before every yyyymmdd of 2025, so it is in no window
        assert rows_of(source, what, year).num_rows == 0
        return
    with pytest.raises(PermanentError, match=f"window column has {bad}, which is no day"):
        rows_of(source, what, year)


@pytest.mark.parametrize(
    ("type_", "declared", "kind"),
    [("text", "string", "date"), ("date", "date", "yyyymmdd"), ("text", "string", "timestamp"),
     ("integer", "int32", "date"), ("double precision", "float64", "yyyymmdd")],
)  # fmt: skip
def test_a_window_of_another_kind_is_refused(
    server: PostgresServer, source: PostgresTables, type_: str, declared: str, kind: Any
) -> None:
    server.execute(f"DROP TABLE IF EXISTS w; CREATE TABLE w (day {type_})", "source")
    what = table({"day": declared}, "w", window=Window("day", kind))
    with pytest.raises(PermanentError, match="so its kind cannot be"):
        rows_of(source, what, Span(date(2025, 1, 1), date(2026, 1, 1), "daily"))


def test_rows_without_a_day_are_never_lost(server: PostgresServer, source: PostgresTables) -> None:
    server.execute(
        "DROP TABLE IF EXISTS w; CREATE TABLE w (id int, day date);"
        "INSERT INTO w VALUES (1, '2025-07-01'), (2, NULL), (3, NULL), (4, '2025-07-02')",
        "source",
    )
    types = {"id": "int32", "day": "date"}
    span = Span(date(2025, 7, 1), date(2025, 7, 2), "daily")
    window = Window("day", "date")
    with pytest.raises(PermanentError, match=r"w of .*2 rows have NULL in the window column 'day'"):
        rows_of(source, table(types, "w", window=window), span)
    without = table(types, "w", window=window, filter="day IS NOT NULL")
    assert rows_of(source, without, span)["id"].to_pylist() == [1]
    assert rows_of(source, table(types, "w", window=window)).num_rows == 4
    # A query that chooses its days itself is held to them.
    columns = without.columns
    for condition, bad in [("day >= :start", "2025-07-02"), ("day < :end OR day IS NULL", "None")]:
        wide = Table(columns, query=f"SELECT * FROM w WHERE {condition}", window=window)
        with pytest.raises(PermanentError, match=f"window column has {bad}, which is no day"):
            rows_of(source, wide, span)
    loose = Table(columns, query="SELECT * FROM w -- all", window=window)
    with pytest.raises(PermanentError, match="2 rows have NULL"):
        rows_of(source, loose, span)


def test_filters_and_parameters_reach_the_server(
    server: PostgresServer, source: PostgresTables
) -> None:
    server.execute(
        'DROP TABLE IF EXISTS f; CREATE TABLE f ("ID" int, "이름" text);'
        "INSERT INTO f VALUES (1, 'it''s'), (2, 'back\\slash'), (3, NULL)",
        "source",
    )
    columns = (
        Column("id", "ID", parse_type("int32")),
        Column("name", "이름", parse_type("string")),
    )
    for value, ids in [("it's", [1]), ("back\\slash", [2]), ("' OR true --", [])]:
        what = Table(columns, table="f", filter="name = :name", params={"name": value})
        assert rows_of(source, what)["id"].to_pylist() == ids
        asked = Table(columns, query='SELECT * FROM f WHERE "이름" = :name', params={"name": value})
        assert rows_of(source, asked)["id"].to_pylist() == ids


# -- one snapshot, and its end --


def test_totals_and_rows_are_of_one_snapshot(server: PostgresServer) -> None:
    server.execute(
        "CREATE TABLE live AS SELECT g AS id, date '2025-07-01' + g % 3 AS day "
        "FROM generate_series(1, 60000) g",
        "source",
    )

    class Raced(PostgresTables):
        def _totals(self, *args: Any) -> dict[str, Totals]:
            totals = super()._totals(*args)
            server.execute("DELETE FROM live WHERE id % 2 = 0", "source")
            server.execute("INSERT INTO live SELECT id, day FROM live LIMIT 17", "source")
            return totals

    what = table(
        {"id": "int32", "day": "date"},
        "live",
        window=Window("day", "date"),
        order_by=("id",),
        sums=("id",),
    )
    span = Span(date(2025, 7, 1), date(2025, 7, 4), "daily")
    with Raced("postgres", connection(server)) as raced, raced.read(what, span) as reading:
        rows = pa.Table.from_batches(reading.batches, reading.schema)
        assert rows.num_rows == 60000 == sum(part.rows for part in reading.totals.values())
        assert sorted(rows["id"].to_pylist()) == list(range(1, 60001))
        assert sum(part.sums["id"] for part in reading.totals.values()) == 60000 * 60001 // 2
    with connect("postgres", connection(server)) as later, later.read(what, span) as reading:
        assert sum(part.rows for part in reading.totals.values()) == 30017


def running(server: PostgresServer) -> int:
    with contextlib.closing(server.connect()) as direct:
        cursor = direct.cursor()
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = 'source' AND state <> 'idle' "
            "AND backend_type = 'client backend'"  # vacuums come when they like
        )
        row = cursor.fetchone()
        assert row is not None
        return int(row[0])


class Endless(PostgresTables):
    """A query of 10^9 rows, not counted first."""

    def _totals(self, *args: Any) -> dict[str, Totals]:
        return {}


@pytest.mark.parametrize("failing", [False, True])
def test_leaving_early_ends_the_query_on_the_server(server: PostgresServer, failing: bool) -> None:
    what = Table(
        (Column("id", "id", parse_type("int64")),),
        query="SELECT generate_series(1::bigint, 1000000000) AS id",
    )
    with Endless("postgres", connection(server)) as source:
        begun = time.monotonic()
        with contextlib.suppress(ZeroDivisionError), source.read(what) as reading:
            assert next(reading.batches).num_rows > 0
            assert running(server) == 1
            if failing:
                raise ZeroDivisionError
        assert time.monotonic() - begun < 60
        assert running(server) == 0
        # The connection is as good as new.
        assert source.peek(what, 3)["id"].to_pylist() == [1, 2, 3]


def test_a_free_query_cannot_write(server: PostgresServer, source: PostgresTables) -> None:
    server.execute(
        "CREATE TABLE ledger (id int); CREATE FUNCTION note() RETURNS int LANGUAGE sql AS "
        "'INSERT INTO ledger VALUES (1) RETURNING id'",
        "source",
    )
    what = Table((Column("id", "id", parse_type("int32")),), query="SELECT note() AS id")
    with pytest.raises(PermanentError, match="read-only transaction"):
        rows_of(source, what)


# -- errors --

ID = table({"id": "int32"}, "here")
ERRORS: list[tuple[str, dict[str, Any], Table, type[LakeError], list[str]]] = [
    ("wrong password", {"password": "env:WRONG"}, ID, PermanentError,
     ['password authentication failed for user "reader"', "user and password"]),
    ("no password", {"password": None}, ID, PermanentError, ["password"]),
    ("dead port", {"port": 1}, ID, TransientError, ["Connection refused", "127.0.0.1:1/"]),
    ("unknown host", {"host": "no-such-host.invalid"}, ID, TransientError, ["no-such-host", "DNS"]),
    ("unknown database", {"database": "nowhere"}, ID, PermanentError, ['"nowhere" does not exist']),
    ("unknown user", {"user": "nobody_here"}, ID, PermanentError, ["nobody_here"]),
    ("no ssl", {"options": {"sslmode": "require"}}, ID, PermanentError, ["sslmode"]),
    ("unknown option", {"options": {"sslmod": "x"}}, ID, PermanentError, ["'sslmod'", "sslmode"]),
    ("full", {"user": "crowded"}, ID, TransientError, ["too many connections for role", "pool"]),
    ("no right", {}, table({"id": "int32"}, "closed"), PermanentError,
     ["permission denied for table closed", "GRANT SELECT"]),
    ("no table", {}, table({"id": "int32"}, "hree", schema="public"), PermanentError,
     ["public.hree", "no such table", "did you mean 'public.here'"]),
    ("no column", {}, table({"idd": "int32", "x": "int32"}, "here"), PermanentError,
     ["no column 'idd'; did you mean 'id'", "no column 'x'"]),
    ("bad query", {}, Table(ID.columns, query="SELECT nothing AS id FROM here"), PermanentError,
     ['column "nothing" does not exist', "query"]),
    ("bad value", {}, Table(ID.columns, query="SELECT '주민-900101'::int AS id"), PermanentError,
     ["invalid input syntax"]),
]  # fmt: skip


@pytest.fixture(scope="module")
def reader(server: PostgresServer) -> dict[str, Any]:
    os.environ["READER"], os.environ["WRONG"] = PASSWORD, PASSWORD + "x"
    for role in ("reader", "crowded"):
        server.create_role(role, PASSWORD)
    server.execute(
        "CREATE TABLE here AS SELECT 1 AS id; CREATE TABLE closed AS SELECT 1 AS id;"
        "GRANT SELECT ON here TO reader; ALTER ROLE crowded CONNECTION LIMIT 0",
        "source",
    )
    return {"user": "reader", "password": "env:READER"}


@pytest.mark.parametrize(
    ("other", "what", "kind", "said"), [case[1:] for case in ERRORS], ids=[c[0] for c in ERRORS]
)
def test_errors_say_what_and_where_and_no_secret(
    server: PostgresServer,
    reader: dict[str, Any],
    other: dict[str, Any],
    what: Table,
    kind: type[LakeError],
    said: list[str],
) -> None:
    with (
        pytest.raises(LakeError) as told,
        connect("bw", connection(server, **{**reader, **other})) as source,
        source.read(what),
    ):
        pass
    error = told.value
    assert type(error) is kind
    for part in [*said, "'bw'", other.get("host", "127.0.0.1")]:
        assert part in str(error)
    chain = "".join(traceback.format_exception(error)) + repr(error.__context__)
    for secret in ("gehe", "900101", "\x1b"):
        assert secret not in chain


def test_the_right_password_opens(server: PostgresServer, reader: dict[str, Any]) -> None:
    with connect("bw", connection(server, **reader)) as source:
        assert isinstance(source, PostgresTables)
        assert rows_of(source, ID)["id"].to_pylist() == [1]


def test_a_lost_connection_is_transient(server: PostgresServer) -> None:
    what = Table(
        (Column("id", "id", parse_type("int64")),),
        query="SELECT generate_series(1::bigint, 1000000000) AS id",
    )
    with Endless("bw", connection(server)) as source, source.read(what) as reading:
        next(reading.batches)
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'source' "
            "AND state = 'active' AND pid <> pg_backend_pid()"
        )
        with pytest.raises(TransientError, match="connection"):
            for _ in reading.batches:
                pass


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'Failed to prepare "COPY (SELECT \'비밀\')": 오류:  "t" 테이블 접근 권한 없음\n',
            '"t" 테이블 접근 권한 없음',
        ),
        ("Failed to execute query \"SELECT '비밀'\": ", "the statement failed without a reason"),
        (
            'x": ERROR:  invalid input syntax for type integer: "비밀"',
            "for type integer: (a value)",
        ),
        ('x": ERROR:  value "비밀" is out of range for type integer', "(a value) is out of range"),
    ],
)
def test_the_servers_words_have_no_statement_and_no_value(text: str, said: str) -> None:
    assert said in server_words(text)
    assert "비밀" not in server_words(text)


# -- the big table --

ROWS = 1_000_000


@pytest.fixture(scope="module")
def sales(server: PostgresServer) -> date:
    return build_sales(server, "source", rows=ROWS, days=31)


def test_a_million_rows_arrive_value_by_value(
    server: PostgresServer, source: PostgresTables, sales: date
) -> None:
    with source.read(sales_table(), Span(START, sales, "daily")) as reading:
        found = pa.Table.from_batches(reading.batches, reading.schema)
        totals = reading.totals
    days = found["sale_date"].to_numpy()
    assert (days[1:] >= days[:-1]).all()
    assert_equal_rows(found, server_rows(server, "source", TYPES))
    with contextlib.closing(server.connect("source")) as direct:
        cursor = direct.cursor()
        cursor.execute(
            "SELECT sale_date::text, count(*), sum(amount), sum(qty) FROM sales GROUP BY 1"
        )
        expected = {
            key: Totals(rows, {"amount": amount, "qty": qty})
            for key, rows, amount, qty in cursor.fetchall()
        }
    assert totals == expected
    assert sum(part.rows for part in totals.values()) == ROWS


def test_the_comparison_sees_one_changed_value(
    server: PostgresServer, source: PostgresTables, sales: date
) -> None:
    first = Span(START, START + timedelta(1), "daily")
    found = rows_of(source, sales_table(), first)
    expected = server_rows(server, "source", TYPES, where=f"sale_date = '{START}'")
    assert_equal_rows(found, expected)
    for name, old, new in [
        ("comment", "", None),
        ("amount", D("9007199254740993.01"), D("9007199254740992.00")),
    ]:
        values = found[name].to_pylist()
        values[values.index(old)] = new
        index = found.schema.names.index(name)
        other = found.set_column(index, name, pa.array(values, found.schema.types[index]))
        with pytest.raises(AssertionError, match=name):
            assert_equal_rows(other, expected)


_PEAK = """
import sys
from datetime import date, timedelta
from resources.postgres import connect
from resources.settings import Connection
from resources.source import Span
from tests.servers.sales_table import START, sales_table
port, days = int(sys.argv[1]), int(sys.argv[2])
address = dict(host="127.0.0.1", port=port, database="source", user="postgres")
with connect("postgres", Connection(kind="postgres", **address)) as source:
    with source.read(sales_table(), Span(START, START + timedelta(days), "daily")) as reading:
        rows = sum(batch.num_rows for batch in reading.batches)
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(rows, int(peak.split()[1]) // 1024)
"""


def test_memory_does_not_grow_with_the_rows(server: PostgresServer, sales: date) -> None:
    def run(days: int) -> tuple[int, int]:
        done = subprocess.run(
            [sys.executable, "-c", _PEAK, str(server.port), str(days)],
            capture_output=True,
            text=True,
            check=True,
        )
        rows, megabytes = done.stdout.split()
        return int(rows), int(megabytes)

    (few, small), (many, large) = run(3), run(31)
    assert many == ROWS > 9 * few
    assert large - small < 40, (small, large)  # 0 to 2; the rows are over 100
