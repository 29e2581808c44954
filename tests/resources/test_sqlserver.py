"""SQL Server as a source, by both drivers. No SQL Server can be had here: a stand-in on the wire.

Both are the real drivers (Microsoft's with its Arrow reader, and pymssql with FreeTDS); the server
is `tests/servers/tds_standin.py`, which runs statements in DuckDB. What a site runs once against
its own server: `lake doctor`, and `lake peek`.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from datetime import date, datetime, timezone
from decimal import Decimal as D
from typing import Any

import pyarrow as pa
import pytest

from resources import sqlserver
from resources.errors import LakeError, PermanentError, TransientError
from resources.settings import Connection
from resources.source import Column, Span, Table, Totals, Window
from resources.sqlserver import SqlServer, connect
from resources.types import parse_type
from tests.servers.tds_standin import TdsStandIn, running_tds

pytestmark = pytest.mark.server

ROUTES = {"mssql-python": "mssql-python, Arrow", "pymssql": "pymssql rows"}


@pytest.fixture(scope="module")
def server() -> Iterator[TdsStandIn]:
    with running_tds() as running:
        yield running


@pytest.fixture(params=ROUTES)
def driver(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def opened(server: TdsStandIn, driver: str, **other: Any) -> SqlServer:
    options = {"driver": driver, "encrypt": False, "loginTimeout": 3}
    given = {"host": "127.0.0.1", "port": server.port, "database": "shop", "user": server.user}
    given |= {"password": "env:MSSQL_PW", "options": {**options, **other.pop("options", {})}}
    return connect("sqlserver", Connection(kind="sqlserver", **{**given, **other}))


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSSQL_PW", TdsStandIn.password)


def table(types: dict[str, str], name: str, **other: Any) -> Table:
    columns = tuple(Column(key, key, parse_type(type_)) for key, type_ in types.items())
    return Table(columns, table=name, **other)


def rows_of(server: TdsStandIn, driver: str, what: Table, span: Span | None = None) -> pa.Table:
    with opened(server, driver) as source, source.read(what, span) as reading:
        return pa.Table.from_batches(reading.batches, reading.schema)


EXACT: list[tuple[str, str, list[Any], list[Any]]] = [
    ("tinyint", "int16", [0, 255], [0, 255]),
    ("int", "int32", [-(2**31), 2**31 - 1], [-(2**31), 2**31 - 1]),
    ("int", "string", [-5], ["-5"]),
    ("bigint", "int64", [2**53 + 1, -(2**63)], [2**53 + 1, -(2**63)]),
    ("bigint", "decimal(38,0)", [2**53 + 1], [D(2**53 + 1)]),
    ("bit", "boolean", [True, False], [True, False]),
    ("bit", "string", [True, False], ["true", "false"]),
    ("float", "float64", [1e300, -0.1], [1e300, -0.1]),
    ("real", "float32", [1.5], [1.5]),
    ("decimal(18,2)", "decimal(18,2)", ["9007199254740993.01", "-0.01"],
     [D("9007199254740993.01"), D("-0.01")]),
    ("decimal(38,0)", "decimal(38,0)", ["-" + "9" * 38], [D("-" + "9" * 38)]),
    ("decimal(38,38)", "decimal(38,38)", ["0." + "1" * 38], [D("0." + "1" * 38)]),
    ("decimal(18,2)", "int64", ["9007199254740993.00"], [9007199254740993]),
    ("decimal(18,2)", "string", ["1.50"], ["1.50"]),
    ("money", "decimal(19,4)", ["922337203685477.5807"], [D("922337203685477.5807")]),
    ("date", "date", ["0001-01-01", "9999-12-31"], [date(1, 1, 1), date(9999, 12, 31)]),
    ("datetime", "timestamp", ["2025-07-01 23:59:59.997"],
     [datetime(2025, 7, 1, 23, 59, 59, 997000)]),
    ("datetime2(6)", "timestamp", ["2025-07-01 23:59:59.999999"],
     [datetime(2025, 7, 1, 23, 59, 59, 999999)]),
    ("datetime2(7)", "timestamp", ["2025-07-01 23:59:59.999999"],
     [datetime(2025, 7, 1, 23, 59, 59, 999999)]),
    ("datetime2(7)", "date", ["2025-07-01"], [date(2025, 7, 1)]),
    ("datetimeoffset(7)", "timestamptz", ["2025-07-01 00:00:00.000001+09"],
     [datetime(2025, 6, 30, 15, 0, 0, 1, timezone.utc)]),
    ("nvarchar(40)", "string", ["", " a ", "서울 '중앙'\n\"\\"], ["", " a ", "서울 '중앙'\n\"\\"]),
    ("varchar(40)", "string", ["정상 판매"], ["정상 판매"]),
    ("nchar(6)", "string", ["ab    ", ""], ["ab", ""]),
    ("nvarchar(max)", "string", ["가" * 100_000, ""], ["가" * 100_000, ""]),
    ("uniqueidentifier", "string", ["58185E0D-3A91-44D8-BC46-7107217E0A6D"],
     ["58185E0D-3A91-44D8-BC46-7107217E0A6D"]),
    ("varbinary(4)", "binary", [b"\x00\xff", b""], [b"\x00\xff", b""]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("type_", "declared", "given", "values"), EXACT, ids=[f"{a}-{b}" for a, b, *_ in EXACT]
)
def test_values_arrive_unchanged_from_the_stand_in(
    server: TdsStandIn,
    driver: str,
    type_: str,
    declared: str,
    given: list[Any],
    values: list[Any],
) -> None:
    rows = [(i, value) for i, value in enumerate([*given, None])]
    server.table("표 [v]", {"id": "int NOT NULL", "값": type_}, rows)
    what = table({"id": "int32", "값": declared}, "표 [v]", order_by=("id",))
    with opened(server, driver) as source:
        with source.read(what) as reading:
            found = pa.Table.from_batches(reading.batches, reading.schema)
            assert (reading.route, reading.reconciled) == (ROUTES[driver], "before and after")
        assert [(c.shown, c.nullable) for c in source.describe(what)] == [
            ("int", False),
            (type_, True),
        ]
        assert source.peek(what, 1)["값"].to_pylist() in ([value] for value in values)
    assert found.schema.field("값").type == parse_type(declared).arrow()
    assert found["값"].to_pylist() == [*values, None]


@pytest.mark.parametrize(
    ("type_", "declared", "value", "said"),
    [
        ("datetime2(7)", "timestamp", "2025-07-01 23:59:59.9999991", "timestamp unchanged (at id"),
        ("decimal(20,4)", "decimal(18,2)", "1.0050", "decimal(18,2) unchanged (at id 7)"),
        ("bigint", "int32", 2**31, "'v' (bigint) cannot become int32 unchanged (at id 7)"),
        ("money", "float64", "1", "which cannot become float64 without loss; declare decimal(19,4"),
        ("nvarchar(8)", "date", "20250701", "which cannot become date without loss"),
    ],
)
def test_values_that_would_change_are_refused(
    server: TdsStandIn, driver: str, type_: str, declared: str, value: Any, said: str
) -> None:
    server.table("v", {"id": "int", "v": type_}, [(7, value)])
    with pytest.raises(PermanentError) as told:
        rows_of(server, driver, table({"id": "int32", "v": declared}, "v", order_by=("id",)))
    assert said in str(told.value)
    assert f"v of 'sqlserver' (127.0.0.1:{server.port}/shop)" in str(told.value)


WINDOWS: list[tuple[str, str, str, list[Any]]] = [
    ("date", "date", "date", ["2025-06-30", "2025-07-01", "2025-07-31", "2025-08-01"]),
    ("datetime2(7)", "timestamp", "timestamp",
     ["2025-06-30 23:59:59.999999", "2025-07-01", "2025-07-31 23:59:59.999999", "2025-08-01"]),
    ("datetimeoffset(7)", "timestamptz", "timestamp",
     ["2025-06-30 23:59:59.999999+09", "2025-06-30 15:00:00+00", "2025-07-31 14:59:59.999999+00",
      "2025-08-01 00:00:00+09"]),
    ("char(8)", "string", "yyyymmdd", ["20250630", "20250701", "20250731", "20250801"]),
    ("int", "int32", "yyyymmdd", [20250630, 20250701, 20250731, 20250801]),
    ("decimal(8,0)", "decimal(8,0)", "yyyymmdd", [20250630, 20250701, 20250731, 20250801]),
]  # fmt: skip


@pytest.mark.parametrize(("type_", "declared", "kind", "given"), WINDOWS)
def test_windows(
    server: TdsStandIn, driver: str, type_: str, declared: str, kind: Any, given: list[Any]
) -> None:
    rows = [(10 - i, value) for i, value in enumerate(given)]
    server.table("w", {"id": "bigint", "day": type_}, rows)
    what = table({"id": "int64", "day": declared}, "w", window=Window("day", kind), sums=("id",))
    july = Span(date(2025, 7, 1), date(2025, 8, 1), "daily")
    with opened(server, driver) as source:
        with source.read(what, july) as reading:
            assert reading.totals == {
                "2025-07-01": Totals(1, {"id": 9}),
                "2025-07-31": Totals(1, {"id": 8}),
            }
            assert [v for b in reading.batches for v in b["id"].to_pylist()] == [9, 8]
        with source.read(what, Span(july.start, july.end, "monthly")) as reading:
            assert reading.totals == {"2025-07": Totals(2, {"id": 17})}
    server.table("w", {"id": "bigint", "day": type_}, [*rows, (0, None)])
    with pytest.raises(PermanentError, match="1 rows have NULL in the window column 'day'"):
        rows_of(server, driver, what, july)


def test_what_changes_meanwhile(server: TdsStandIn, driver: str) -> None:
    what = table({"id": "int64"}, "live", order_by=("id",), sums=("id",))
    writes = "UPDATE dbo.live SET id = id + 1 WHERE id = 5"
    try:
        for snapshot in (False, True):
            server.table("live", {"id": "bigint"}, [(i,) for i in range(10)])
            server.snapshots(snapshot)
            server.before("SELECT q.[id]", writes)
            if snapshot:
                assert rows_of(server, driver, what)["id"].to_pylist() == list(range(10))
                continue
            with pytest.raises(TransientError, match=r"changed while being read \(all of it\)"):
                rows_of(server, driver, what)
    finally:
        server.snapshots(False)
    asked = server.statements()
    assert "SET TRANSACTION ISOLATION LEVEL SNAPSHOT" in asked
    assert asked[-1] == "IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION"


def test_texts_are_sorted_so_that_equal_ones_are_neighbours(
    server: TdsStandIn, driver: str
) -> None:
    server.table("t", {"code": "varchar(8)", "no": "int"}, [("a", 1)])
    server.statements()
    rows_of(server, driver, table({"code": "string", "no": "int32"}, "t", order_by=("code", "no")))
    select = next(one for one in server.statements() if one.startswith("SELECT CAST"))
    assert select.endswith(
        "ORDER BY CAST(q.[code] AS nvarchar(8)) COLLATE Latin1_General_BIN2, q.[no]"
    )


def test_a_query(server: TdsStandIn, driver: str) -> None:
    server.table("q", {"id": "int", "name": "nvarchar(9)"}, [(1, "it's"), (2, "서울"), (3, None)])
    columns = (
        Column("id", "id", parse_type("int32")),
        Column("name", "name", parse_type("string")),
    )
    what = Table(columns, query="SELECT id, name FROM q WHERE name = :n", params={"n": "서울"})
    assert rows_of(server, driver, what).to_pylist() == [{"id": 2, "name": "서울"}]
    filtered = Table(columns, table="q", filter="name = :n", params={"n": "it's"})
    assert rows_of(server, driver, filtered)["id"].to_pylist() == [1]
    bad = Table(columns, query="SELECT nix AS id, name FROM q")
    with pytest.raises(PermanentError, match="Invalid column name 'nix'"):
        rows_of(server, driver, bad)
    with (
        pytest.raises(PermanentError, match=r"no such table.*did you mean 'dbo\.live'"),
        opened(server, driver) as source,
    ):
        source.describe(table({"id": "int32"}, "lvie", schema="dbo"))


# -- when it fails --

ID = table({"id": "int32"}, "here")
CONNECTING: list[tuple[str, dict[str, Any], type[LakeError], str]] = [
    ("user", {"user": "nobody"}, PermanentError, "check the connection's user"),
    # pymssql tells the server's words of a process's first failing login only.
    ("database", {"database": "nix"}, PermanentError, "check the connection's .*database"),
    ("port", {"port": 1}, TransientError, "check that the server runs"),
    ("host", {"host": "no-such.invalid"}, TransientError, "check that the server runs"),
    ("tls", {"options": {"encrypt": True}}, LakeError, "connecting, connection 'sqlserver'"),
]


@pytest.mark.parametrize(("other", "kind", "said"), [case[1:] for case in CONNECTING])
def test_what_keeps_from_connecting(
    server: TdsStandIn, driver: str, other: dict[str, Any], kind: type[LakeError], said: str
) -> None:
    with pytest.raises(kind, match=said) as told:
        opened(server, driver, **other).__enter__()
    assert "비밀" not in str(told.value) + repr(told.value.__context__)


def test_the_password_is_wrong(
    server: TdsStandIn, driver: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MSSQL_PW", "geheim")
    with pytest.raises(PermanentError, match=r"user.? and password|user, password") as told:
        opened(server, driver).__enter__()
    assert "geheim" not in str(told.value) + repr(told.value.__context__)


FAILS: list[tuple[int, str, type[LakeError], str]] = [
    (208, "Invalid object name 'dbo.here'.", PermanentError, "mend the table"),
    (229, "The SELECT permission was denied on the object 'here', database 'shop'.",
     PermanentError, "GRANT SELECT"),
    (1205, "Transaction (Process ID 52) was deadlocked on lock resources with another process and "
           "has been chosen as the deadlock victim. Rerun the transaction.", TransientError,
     "less busy"),
    (8645, "A timeout occurred while waiting for memory resources to execute the query in "
           "resource pool 'default' (2). Rerun the query.", TransientError, "less busy"),
    (3960, "Snapshot isolation transaction aborted due to update conflict.", TransientError,
     "less busy"),
    (245, "Conversion failed when converting the varchar value '주민-900101' to data type int.",
     PermanentError, r"varchar value \(a value\) to data type int"),
]  # fmt: skip


@pytest.mark.parametrize(("number", "words", "kind", "said"), FAILS)
def test_what_the_server_refuses(
    server: TdsStandIn, driver: str, number: int, words: str, kind: type[LakeError], said: str
) -> None:
    server.table("here", {"id": "int"}, [(1,)])
    server.fail("SELECT q.[id]", number, words)
    with pytest.raises(LakeError, match=said) as told:
        rows_of(server, driver, ID)
    assert type(told.value) is kind
    assert "900101" not in str(told.value) + repr(told.value.__context__)
    assert ("(error " in str(told.value)) is (driver == "pymssql")


def test_a_table_that_went(server: TdsStandIn, driver: str) -> None:
    server.table("here", {"id": "int"}, [(1,)])
    server.before("SELECT COUNT_BIG", "DROP TABLE dbo.here")
    with pytest.raises(PermanentError, match=r"Invalid object name 'here'.*mend the table"):
        rows_of(server, driver, ID)


@pytest.mark.parametrize("snapshot", [False, True])
@pytest.mark.parametrize("after", [1, 20_000])
def test_a_connection_cut_in_mid_stream_is_no_end(
    server: TdsStandIn, driver: str, snapshot: bool, after: int
) -> None:
    """mssql-python 1.16 gives the rows it has and says nothing: fewer came than were counted."""
    server.table("here", {"id": "int"}, [])
    server.execute("INSERT INTO dbo.here FROM range(50000)")
    server.snapshots(snapshot)
    try:
        with opened(server, driver) as source, source.read(ID) as reading:
            server.cut(after)
            with pytest.raises(TransientError, match=r"connection was lost|came of 50000 that"):
                for _ in reading.batches:
                    pass
        assert rows_of(server, driver, ID).num_rows == 50_000
    finally:
        server.snapshots(False)


def test_leaving_early_ends_the_query_on_the_server(server: TdsStandIn) -> None:
    """With pymssql; Microsoft's driver hangs up its statement without the stand-in's telling."""
    server.table("here", {"id": "int"}, [])
    server.execute("INSERT INTO dbo.here FROM range(2000000)")
    before = server.interrupted()
    with opened(server, "pymssql") as source:
        with source.read(ID) as reading:
            assert next(reading.batches).num_rows > 0
        assert server.interrupted() == before + 1
        assert source.peek(ID, 3)["id"].to_pylist() == [0, 1, 2]


# -- the drivers --


def test_microsofts_driver_knows_every_word() -> None:
    """It drops a keyword that it does not know, so its own list is asked."""
    constants = importlib.import_module("mssql_python.constants")
    known = set(constants._ALLOWED_CONNECTION_STRING_PARAMS)
    used = {word.lower() for word in (*sqlserver._OPTIONS.values(), "Server", "Database")}
    assert used <= known
    assert {"uid", "pwd"} <= known


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"driver": "odbc"}, r"unknown driver 'odbc'; allowed: \('mssql-python', 'pymssql'\)"),
        ({"encypt": True}, "unknown option 'encypt'; allowed: .*'encrypt'"),
        ({"driver": "pymssql", "trustServerCertificate": True}, "pymssql checks no certificate"),
        ({"driver": "pymssql", "encrypt": "strict"}, "encrypt 'strict'; pymssql knows yes and no"),
    ],
)
def test_options_that_say_nothing_are_refused(
    server: TdsStandIn, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(PermanentError, match=said):
        opened(server, "mssql-python", options=options).__enter__()


def test_the_driver_that_there_is(monkeypatch: pytest.MonkeyPatch, server: TdsStandIn) -> None:
    found = importlib.import_module

    def without(*absent: str) -> None:
        def load(name: str) -> Any:
            if name in absent:
                raise ImportError(name)
            return found(name)

        monkeypatch.setattr(sqlserver.importlib, "import_module", load)

    one = Connection(kind="sqlserver", host="h", database="d", user="u")
    assert connect("ms", one).route == "mssql-python, Arrow"
    without("mssql_python")
    assert connect("ms", one).route == "pymssql rows"
    without("mssql_python", "pymssql")
    with pytest.raises(PermanentError, match=r"pip install 'lake\[sqlserver\]'"):
        connect("ms", one)
