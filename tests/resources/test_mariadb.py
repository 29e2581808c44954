"""What a real MariaDB server holds arrives value by value, reconciled, or is refused."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from resources.errors import PermanentError, TransientError
from resources.mariadb import MariaDBTables, connect, server_words
from resources.settings import Connection
from resources.source import Column, Span, Table, Totals, Window
from resources.types import parse_type
from tests.servers.mariadb import MariaDBServer

pytestmark = pytest.mark.server

PASSWORD = "gehe'im\\ \"1"


@pytest.fixture(scope="module")
def server(mariadb_server: MariaDBServer) -> MariaDBServer:
    word = PASSWORD.replace("\\", "\\\\").replace("'", "''")
    mariadb_server.execute(
        "CREATE DATABASE source",
        "CREATE DATABASE forbidden",
        "CREATE TABLE forbidden.t (a int)",
        f"CREATE USER lake@'127.0.0.1' IDENTIFIED BY '{word}'",
        "GRANT SELECT ON source.* TO lake@'127.0.0.1'",
        "SET GLOBAL time_zone = '+09:00'",
    )
    return mariadb_server


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARIADB_WORD", PASSWORD)


def connection(server: MariaDBServer, **other: Any) -> Connection:
    address = {"host": server.host, "port": server.port, "database": "source", "user": "lake"}
    return Connection(kind="mariadb", **{**address, "password": "env:MARIADB_WORD", **other})


@pytest.fixture
def source(server: MariaDBServer) -> Iterator[MariaDBTables]:
    with connect("mariadb", connection(server)) as opened:
        assert isinstance(opened, MariaDBTables)
        yield opened


def table(types: dict[str, str], name: str, **other: Any) -> Table:
    columns = tuple(Column(key, key, parse_type(type_)) for key, type_ in types.items())
    return Table(columns, table=name, **other)


def rows_of(source: MariaDBTables, what: Table, span: Span | None = None) -> pa.Table:
    with source.read(what, span) as reading:
        return pa.Table.from_batches(reading.batches, reading.schema)


D, UTC = Decimal, timezone.utc
EXACT: list[tuple[str, str, Sequence[str], list[Any]]] = [
    ("tinyint", "int8", ["-128", "127"], [-128, 127]),
    ("tinyint(1)", "int8", ["7", "0"], [7, 0]),
    ("tinyint unsigned", "int16", ["255"], [255]),
    ("smallint unsigned", "int32", ["65535"], [65535]),
    ("mediumint", "int32", ["-8388608"], [-8388608]),
    ("int", "int32", ["-2147483648", "2147483647"], [-(2**31), 2**31 - 1]),
    ("int unsigned", "int64", ["4294967295"], [2**32 - 1]),
    ("bigint", "int64", ["-9223372036854775808", "9223372036854775807"], [-(2**63), 2**63 - 1]),
    ("bigint", "decimal(38,0)", ["9007199254740993"], [D(9007199254740993)]),
    ("bigint unsigned", "decimal(20,0)", ["18446744073709551615"], [D(2**64 - 1)]),
    ("bigint unsigned", "int64", ["9223372036854775807"], [2**63 - 1]),
    ("decimal(18,2)", "decimal(18,2)", ["9007199254740993.01", "-0.01"], [D("9007199254740993.01"), D("-0.01")]),  # noqa: E501
    ("decimal(20,0) unsigned", "decimal(20,0)", ["99999999999999999999"], [D("9" * 20)]),
    ("decimal(38,10)", "decimal(38,10)", ["-9999999999999999999999999999.0123456789"], [D("-9999999999999999999999999999.0123456789")]),  # noqa: E501
    ("decimal(38,0)", "decimal(38,0)", ["9" * 38], [D("9" * 38)]),
    ("decimal(65,30)", "decimal(38,10)", ["1234567890123456789012345678.5"], [D("1234567890123456789012345678.5000000000")]),  # noqa: E501
    ("decimal(20,4)", "decimal(10,2)", ["12345678.9000"], [D("12345678.90")]),
    ("float", "float32", ["1.5"], [1.5]),
    ("double", "float64", ["1e300", "0.1"], [1e300, 0.1]),
    ("bit(1)", "boolean", ["1", "0"], [True, False]),
    ("year", "int16", ["2025"], [2025]),
    ("varchar(40)", "string", ["''", "' '", "'서울 ''중앙'' \"점\"\\n\\\\'", "'NULL'"], ["", " ", "서울 '중앙' \"점\"\n\\", "NULL"]),  # noqa: E501
    ("varchar(9) collate utf8mb4_bin", "string", ["'가A'"], ["가A"]),
    ("varchar(9) character set euckr", "string", ["'한글'"], ["한글"]),
    ("char(6)", "string", ["'ab'", "''"], ["ab", ""]),
    ("longtext", "string", ["repeat('가', 100000)"], ["가" * 100_000]),
    ("json", "string", ["'{\"가\":1}'"], ['{"가":1}']),
    ("enum('x','나')", "string", ["'나'"], ["나"]),
    ("time(6)", "string", ["'-838:59:59.000001'"], ["-838:59:59.000001"]),
    ("blob", "binary", ["x'00ff'"], [b"\x00\xff"]),
    ("date", "date", ["'0001-01-01'", "'9999-12-31'"], [date(1, 1, 1), date(9999, 12, 31)]),
    ("date", "timestamp", ["'2025-07-01'"], [datetime(2025, 7, 1)]),
    ("datetime(6)", "timestamp", ["'2025-07-01 01:02:03.123456'"], [datetime(2025, 7, 1, 1, 2, 3, 123456)]),  # noqa: E501
    ("datetime", "date", ["'2025-07-01 00:00:00'"], [date(2025, 7, 1)]),
    ("timestamp(6)", "timestamptz", ["'2025-07-01 09:00:00.000001'"], [datetime(2025, 7, 1, 0, 0, 0, 1, tzinfo=UTC)]),  # noqa: E501
]  # fmt: skip


@pytest.mark.parametrize(("kind", "declared", "written", "read"), EXACT)
def test_every_type_arrives_unchanged(
    server: MariaDBServer, source: MariaDBTables, kind: str, declared: str, written: Any, read: Any
) -> None:
    values = ", ".join(f"({value})" for value in [*written, "NULL"])
    server.execute(
        "DROP TABLE IF EXISTS exact",
        f"CREATE TABLE exact (n int AUTO_INCREMENT PRIMARY KEY, v {kind} NULL DEFAULT NULL)",
        f"INSERT INTO exact (v) VALUES {values}",
        database="source",
    )
    found = rows_of(source, table({"v": declared, "n": "int32"}, "exact", order_by=("n",)))
    assert found.schema.field("v").type == parse_type(declared).arrow()
    assert found["v"].to_pylist() == [*read, None]


UNFIT = [
    ("bigint", "int32", "2147483648", "cannot become int32 unchanged"),
    ("bigint unsigned", "int64", "9223372036854775808", "cannot become int64 unchanged"),
    ("decimal(18,2)", "decimal(18,1)", "1.25", "cannot become decimal(18,1) unchanged"),
    ("decimal(65,30)", "decimal(38,2)", "1.255", "cannot become decimal(38,2) unchanged"),
    ("datetime", "date", "'2025-07-01 00:00:01'", "cannot become date unchanged"),
    ("datetime", "timestamp", "'0000-00-00 00:00:00'", "cannot become timestamp unchanged"),
    ("date", "date", "'0000-00-00'", "read it as NULL by a `query` (NULLIF(`v`, '0000-00-00'))"),
    ("date", "date", "'2025-00-10'", "cannot become date unchanged"),
    ("double", "decimal(18,2)", "1.5", "is double, which cannot become decimal(18,2)"),
]


@pytest.mark.parametrize(("kind", "declared", "value", "told"), UNFIT)
def test_what_would_lose_something_is_refused(
    server: MariaDBServer, source: MariaDBTables, kind: str, declared: str, value: str, told: str
) -> None:
    server.execute(
        "SET sql_mode = ''",
        "DROP TABLE IF EXISTS unfit",
        f"CREATE TABLE unfit (id int, v {kind})",
        f"INSERT INTO unfit VALUES (17, {value})",
        database="source",
    )
    what = table({"id": "int32", "v": declared}, "unfit", order_by=("id",))
    with pytest.raises(PermanentError) as caught, source.read(what):
        pass
    assert told in str(caught.value)
    assert ("for example id 17" in str(caught.value)) == ("which cannot" not in told)


def test_days_in_seoul_whatever_the_servers_zone(
    server: MariaDBServer, source: MariaDBTables
) -> None:
    server.execute(
        "CREATE TABLE moments (id int, at timestamp(6), wall datetime(6), ymd int, KEY (ymd))",
        "INSERT INTO moments VALUES"
        "(1, '2025-06-30 23:59:59.999999', '2025-06-30 23:59:59', 20250630),"
        "(2, '2025-07-01 00:00:00', '2025-07-01 00:00:00', 20250701),"
        "(3, '2025-07-01 23:59:59.999999', '2025-07-01 23:30:00', 20250701),"
        "(4, '2025-07-02 00:00:00', '2025-07-02 00:00:00', 20250702)",
        database="source",
    )
    types = {"id": "int32", "at": "timestamptz", "wall": "timestamp", "ymd": "int32"}
    days = Span(date(2025, 7, 1), date(2025, 7, 2), "daily")
    for column, kind in (("at", "timestamp"), ("wall", "timestamp"), ("ymd", "yyyymmdd")):
        window = Window(column, kind)  # type: ignore[arg-type]
        with source.read(table(types, "moments", window=window, sums=("id",)), days) as reading:
            found = pa.Table.from_batches(reading.batches, reading.schema)
        assert found["id"].to_pylist() == [2, 3], column
        assert reading.totals == {"2025-07-01": Totals(2, {"id": 5})}
        assert reading.reconciled == "before and after"
    hours = Span(datetime(2025, 7, 1), datetime(2025, 7, 2), "hourly")
    with source.read(table(types, "moments", window=Window("at", "timestamp")), hours) as reading:
        assert list(reading.totals or ()) == ["2025-07-01-00", "2025-07-01-23"]
        assert sum(batch.num_rows for batch in reading.batches) == 2


def test_filters_compare_as_the_lake_does(server: MariaDBServer, source: MariaDBTables) -> None:
    server.execute(
        "CREATE TABLE words (id int, w varchar(20))",
        "INSERT INTO words VALUES (1, 'KRW'), (2, 'krw'), (3, 'a_b'), (4, 'axb'), (5, 'a\\\\b')",
        database="source",
    )
    cases = {
        "w = 'KRW'": [1],
        "w IN ('krw', :other)": [2, 3],
        "lower(w) = 'krw'": [1, 2],
        "w LIKE 'a\\b'": [5],
        "w LIKE 'a_b'": [3, 4, 5],
        "starts_with(w, 'K')": [1],
        "w || '!' = 'KRW!'": [1],
        "w = 'a\\b'": [5],
    }
    for text, ids in cases.items():
        what = table({"id": "int32", "w": "string"}, "words", filter=text, params={"other": "a_b"})
        assert sorted(rows_of(source, what)["id"].to_pylist()) == ids, text


def test_a_query_with_bound_values(server: MariaDBServer, source: MariaDBTables) -> None:
    server.execute(
        "CREATE TABLE q (d date, amount decimal(18,2), name varchar(9))",
        "INSERT INTO q VALUES ('2025-07-01', 9007199254740993.01, '가'), ('2025-07-02', 1, '나')",
        database="source",
    )
    what = Table(
        tuple(
            Column(name, name, parse_type(type_))
            for name, type_ in {"d": "date", "total": "decimal(18,2)", "name": "string"}.items()
        ),
        query="SELECT d, amount AS total, name FROM q "
        "WHERE d >= :start AND d < :end AND name <> :other",
        window=Window("d", "date"),
        params={"other": "it's \\ '가'"},
        sums=("total",),
    )
    days = Span(date(2025, 7, 1), date(2025, 7, 2), "daily")
    assert rows_of(source, what, days).to_pylist() == [
        {"d": date(2025, 7, 1), "total": D("9007199254740993.01"), "name": "가"}
    ]


def test_names_from_outside_are_quoted(server: MariaDBServer, source: MariaDBTables) -> None:
    name = "ta`ble'; DROP TABLE q; -- 표"
    quoted = "`" + name.replace("`", "``") + "`"
    server.execute(
        f"CREATE TABLE {quoted} (`co``l` int)",
        f"INSERT INTO {quoted} VALUES (1)",
        database="source",
    )
    what = Table((Column("c", "co`l", parse_type("int32")),), table=name)
    assert rows_of(source, what).to_pylist() == [{"c": 1}]


def test_null_days_are_in_no_partition(server: MariaDBServer, source: MariaDBTables) -> None:
    server.execute(
        "CREATE TABLE gaps (id int, d date)",
        "INSERT INTO gaps VALUES (1, NULL), (2, '2025-07-01')",
        database="source",
    )
    what = table({"id": "int32", "d": "date"}, "gaps", window=Window("d", "date"))
    days = Span(date(2025, 7, 1), date(2025, 7, 2), "daily")
    with pytest.raises(PermanentError, match="1 rows have NULL in the window column 'd'"):
        rows_of(source, what, days)


def test_a_table_that_changes_while_it_is_read(
    server: MariaDBServer, source: MariaDBTables
) -> None:
    server.execute("CREATE TABLE live (id int)", "INSERT INTO live VALUES (1)", database="source")
    with source.read(table({"id": "int32"}, "live")) as reading:
        server.execute("INSERT INTO live VALUES (2)", database="source")
        with pytest.raises(TransientError, match="changed while being read"):
            list(reading.batches)


LOGINS = [
    ({"password": None}, PermanentError, "Access denied for user 'lake'@'127.0.0.1'"),
    ({"user": "nobody"}, PermanentError, "check the connection's user, password"),
    ({"database": "none"}, PermanentError, "Access denied"),
    ({"host": "no-such-host.invalid"}, TransientError, "check the connection's host"),
    ({"port": 1}, TransientError, "check that the server runs"),
    ({"options": {"charset": "latin1"}}, PermanentError, "unknown option 'charset'; allowed:"),
]


@pytest.mark.parametrize(("other", "kind", "told"), LOGINS, ids=lambda one: str(one)[:30])
def test_why_it_cannot_be_reached(
    server: MariaDBServer, other: dict[str, Any], kind: type[Exception], told: str
) -> None:
    with pytest.raises(kind) as caught, connect("mariadb", connection(server, **other)) as opened:
        opened.describe(table({"a": "int32"}, "t"))
    assert told in str(caught.value)
    assert "'mariadb' (" in str(caught.value)
    assert PASSWORD not in repr(caught.value) + str(caught.value.__context__)


def test_no_such_table_or_no_right(server: MariaDBServer, source: MariaDBTables) -> None:
    server.execute("CREATE TABLE sales (a int)", database="source")
    with pytest.raises(PermanentError, match=r"no such table.*did you mean 'source.sales'"):
        source.describe(table({"a": "int32"}, "sale", schema="source"))
    with pytest.raises(PermanentError, match="there is no such table, or the user may not see it"):
        source.describe(table({"a": "int32"}, "t", schema="forbidden"))


def test_a_connection_cut_in_mid_stream_is_transient_and_the_next_one_works(
    server: MariaDBServer,
) -> None:
    server.execute(
        "CREATE TABLE IF NOT EXISTS big AS "
        "SELECT seq AS id, repeat('가나다', 30) AS t FROM seq_1_to_400000",
        database="source",
    )
    what = table({"id": "int64", "t": "string"}, "big")
    with connect("mariadb", connection(server)) as cut, cut.read(what) as reading:
        next(reading.batches)
        server.kill()
        with pytest.raises(TransientError, match="Lost connection to the server"):
            list(reading.batches)
    server.start()
    with connect("mariadb", connection(server)) as again, again.read(what) as reading:
        assert sum(batch.num_rows for batch in reading.batches) == 400_000


def test_leaving_early_does_not_wait_for_the_rest(server: MariaDBServer) -> None:
    what = Table(
        (Column("id", "id", parse_type("int64")),),
        query="SELECT seq AS id FROM seq_1_to_30000000",
    )
    with connect("mariadb", connection(server)) as opened:
        begun = time.monotonic()
        with opened.read(what) as reading:
            next(reading.batches)
            started = time.monotonic()
        # Before it they were counted, 2.5 s here; the rest of them takes thrice that.
        assert time.monotonic() - started < started - begun


def test_the_words_of_a_server_hold_no_value() -> None:
    said = server_words(
        "IO Error: Failed to prepare MySQL query \"select 'geheim'\": Table 'src.t' "
        "doesn't exist\n\nLINE 1: select 'geheim'"
    )
    assert said == "Table 'src.t' doesn't exist"
    assert "geheim" not in server_words("IO Error: Incorrect datetime value: 'geheim' for column")
