"""A session with a real HiveServer2: values stay as they are, and errors are told in words."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from resources import sql
from resources.errors import LakeError, PermanentError, TransientError, UsageError
from resources.hive import HiveConnection, open_hive
from resources.hive import _told as told_by_hive
from resources.settings import Connection, load_settings
from tests.resources.test_sql import COLUMNS, FILTERS, HOSTILE, PARAMS, ROWS
from tests.servers.hive import HiveServer

pytestmark = pytest.mark.server

VALUES = [
    *HOSTILE,
    "${env:PATH}",
    "${hiveconf:hive.exec.scratchdir} ${system:user.name} ${hivevar:x}",
    "'${env:PATH}'; DROP TABLE hostile; --",
    "\\u0041 \\134 \\% \\_ \\n \\",
    "trailing backslash\\",
    "\\\\",
    "\\N",
    "''",
    "\x01\x02\x1f\x7f \x85\u2029",
    "가'나\"다`라\n마",
    "😀𠀀",
]


def connection(server: HiveServer, **given: Any) -> Connection:
    given = {"host": server.host, "port": server.port, "user": server.user, **given}
    return Connection(kind="hive", **given)


@pytest.fixture(scope="module")
def hive(hive_server: HiveServer) -> Iterator[HiveConnection]:
    with HiveConnection("hive", connection(hive_server)) as hive:
        hive.run("CREATE DATABASE IF NOT EXISTS session_test")
        hive.run("USE session_test")
        yield hive
        hive.run("DROP DATABASE session_test CASCADE")


def selected(values: list[Any]) -> str:
    return ", ".join(sql.literal(value, "hive") for value in values)


def test_hostile_values_are_stored_and_compared_as_they_are(hive: HiveConnection) -> None:
    hive.run("CREATE TABLE hostile (i INT, s STRING) STORED AS PARQUET")
    rows = [f"SELECT {i} AS i, {sql.literal(v, 'hive')} AS s" for i, v in enumerate(VALUES)]
    hive.run(f"INSERT INTO TABLE hostile SELECT i, s FROM ({' UNION ALL '.join(rows)}) AS q")
    assert dict(hive.rows("SELECT i, s FROM hostile")) == dict(enumerate(VALUES))
    schema = pa.schema([("i", pa.int32()), ("s", pa.string())])
    (batch,) = hive.batches("SELECT i, s FROM hostile ORDER BY i", schema)
    assert batch["s"].to_pylist() == VALUES
    # All comparisons in one statement; singly they would be a job each.
    found = [f"IF(s = {sql.literal(value, 'hive')}, {i}, NULL)" for i, value in enumerate(VALUES)]
    assert hive.rows(f"SELECT i FROM hostile WHERE COALESCE({', '.join(found)}) <> i") == []
    same = f"COALESCE({', '.join(found)}) = i"
    assert len(hive.rows(f"SELECT i FROM hostile WHERE {same}")) == len(VALUES)


def test_variables_are_not_replaced_in_statements_of_others(hive: HiveConnection) -> None:
    """A free query is no literal of ours; the session leaves it alone all the same."""
    assert hive.rows("SELECT '${env:PATH}', '${system:user.name}'") == [
        ("${env:PATH}", "${system:user.name}")
    ]


NUMBERS: list[Any] = [
    *(True, False, None, 0, -5, 2**31, 2**63 - 1, -(2**63), 10**30),
    *(Decimal("1.50"), Decimal("-0.0001"), Decimal("9" * 38), Decimal("1E+5")),
    *(Decimal("0.00"), Decimal("0"), Decimal("0E-38"), Decimal("1E-38"), Decimal("-0.99")),
    *(Decimal("-99999999999999999999.999999999999999999"), 1e300, -2.5e-10, 0.1),
    *(datetime(2024, 1, 1, 9, 0, 0, 1), datetime(9999, 12, 30, 23, 59, 59, 999999)),
    datetime(2024, 2, 29),
]


def test_literals_come_back(hive: HiveConnection) -> None:
    (found,) = hive.rows(f"SELECT {selected(NUMBERS)}")
    assert list(found) == NUMBERS
    days = [date(1, 1, 1), date(2024, 2, 29), date(9999, 12, 31)]
    assert hive.rows(f"SELECT {selected(days)}") == [tuple(day.isoformat() for day in days)]


@pytest.mark.parametrize(
    "value",
    [
        "a\0b",
        "\ud800",
        Decimal("NaN"),
        10**39,
        float("nan"),
        datetime(2026, 7, 1, tzinfo=timezone.utc),
    ],
    ids=repr,
)
def test_values_that_no_statement_can_carry_are_refused(value: Any) -> None:
    with pytest.raises(PermanentError):
        sql.literal(value, "hive")


@pytest.mark.parametrize("name", ["a`b", "가 나", "/bic/zmat", "select", "x'y\"z", "a;b"])
def test_names_come_back(hive: HiveConnection, name: str) -> None:
    found = hive.columns(f"SELECT 1 AS {sql.quoted(name, 'hive')}")
    assert found == [(name, "int")]


def test_filters_choose_the_same_rows_as_in_duckdb(hive: HiveConnection) -> None:
    names = {"/BIC/AMT": "/bic/amt", "이름": "name of it"}
    columns = [
        sql.Column(one.name, names.get(one.source, one.source.lower()), one.type) for one in COLUMNS
    ]
    types = {"int64": "BIGINT"}
    casts = [
        f"CAST(%s AS {types.get(one.type.name, one.type.name)}) AS c{i}"
        for i, one in enumerate(columns)
    ]
    declared = [
        f"{sql.quoted(one.source, 'hive')} {types.get(one.type.name, one.type.name)}"
        for one in columns
    ]
    # Parquet's own schema would not take these names.
    hive.run(f"CREATE TABLE filtered ({', '.join(declared)}) STORED AS SEQUENCEFILE")
    rows = " UNION ALL ".join(
        "SELECT " + ", ".join(c % sql.literal(v, "hive") for c, v in zip(casts, row, strict=True))
        for row in ROWS
    )
    hive.run(f"INSERT INTO TABLE filtered SELECT * FROM ({rows}) AS q")
    for text, expected in FILTERS:
        where = sql.condition(text, columns, PARAMS, "hive")
        found = hive.rows(f"SELECT q.id FROM filtered AS q WHERE {where}")
        assert sorted(one for (one,) in found) == expected, (text, where)


@pytest.fixture(scope="module")
def numbered(hive: HiveConnection) -> str:
    """A table of the numbers from 0 to 24,999."""
    hive.run(
        "CREATE TABLE numbered STORED AS PARQUET AS SELECT pos AS x FROM (SELECT 1) AS o "
        "LATERAL VIEW POSEXPLODE(SPLIT(SPACE(24999), ' ')) t AS pos, val"
    )
    return "numbered"


def test_a_bulk_result_is_what_pyhive_gives(hive: HiveConnection, numbered: str) -> None:
    columns = {
        "CAST(x AS BIGINT)": pa.int64(),
        "CAST(x AS DECIMAL(38,4))": pa.decimal128(38, 4),
        "CONCAT('가', x)": pa.string(),
        "IF(x % 3 = 0, NULL, '')": pa.string(),
        "IF(x % 5 = 0, NULL, x % 2 = 0)": pa.bool_(),
        "CAST(x AS DOUBLE) / 3": pa.float64(),
        "CAST('2024-02-29' AS DATE)": pa.date32(),
        "UNHEX('00FF')": pa.binary(),
        "CAST(x AS TINYINT)": pa.int8(),
        "CAST(x AS FLOAT)": pa.float32(),
    }
    query = f"SELECT {', '.join(columns)} FROM {numbered}"
    schema = pa.schema([(f"c{i}", type_) for i, type_ in enumerate(columns.values())])
    batches = list(hive.batches(query, schema))
    assert [batch.num_rows for batch in batches] == [10_000, 10_000, 5_000]
    found = pa.Table.from_batches(batches).to_pylist()
    expected = hive.rows(query)
    assert [
        tuple(v.isoformat() if isinstance(v, date) else v for v in one.values()) for one in found
    ] == expected


def test_a_value_that_is_not_of_the_type_is_refused_and_not_shown(hive: HiveConnection) -> None:
    schema = pa.schema([("amount", pa.decimal128(4, 2))])
    with pytest.raises(PermanentError, match="'amount' is not exactly a decimal128") as refused:
        list(hive.batches("SELECT '31.4159'", schema))
    assert "31.4159" not in str(refused.value)
    with pytest.raises(PermanentError, match="gives 2 columns for 1: amount"):
        list(hive.batches("SELECT 1, 2", schema))


def test_a_result_that_is_left_early_leaves_the_session_usable(
    hive: HiveConnection, numbered: str
) -> None:
    query = f"SELECT x FROM {numbered}"
    with closing(hive.batches(query, pa.schema([("x", pa.int32())]))) as batches:
        assert next(batches).num_rows == 10_000
    assert hive.rows("SELECT 1") == [(1,)]


SAID: list[tuple[str, type[LakeError], str]] = [
    ("SELEC 1", PermanentError, r"executing: ParseException line 1:0 cannot recognize input near"),
    ("SELECT nope FROM hostile", PermanentError, r"Invalid table alias or column reference 'nope'"),
    ("SELECT * FROM nowhere", PermanentError, r"Line 1:14 Table not found 'nowhere'. What to do"),
    ("USE nowhere", PermanentError, r"Database does not exist: nowhere"),
    ("SELECT ASSERT_TRUE(false)", PermanentError, r"reading: ASSERT_TRUE\(\): assertion failed"),
    ("SELECT COUNT(ASSERT_TRUE(s = 'x')) FROM hostile", TransientError, r"MapRedTask.*the job"),
    (
        "CREATE DATABASE nope LOCATION '/data/lake/nope'",
        PermanentError,
        r"Permission denied: user=hive, .*:lake:lake:drwxr-xr-x. What to do: ask its owner",
    ),
    ("SET hive.in.test=true", PermanentError, r"Cannot modify hive.in.test at runtime"),
]


@pytest.mark.parametrize(("statement", "kind", "said"), SAID)
def test_errors_are_one_line_of_hives_without_a_stack(
    hive: HiveConnection, statement: str, kind: type[LakeError], said: str
) -> None:
    with pytest.raises(kind, match=said) as told:
        hive.rows(statement)
    assert str(told.value).startswith("'hive' (127.0.0.1:")
    assert "\n" not in str(told.value)
    assert "\tat " not in str(told.value)
    assert "java." not in str(told.value)
    assert told.value.__cause__ is None
    assert hive.rows("SELECT 1") == [(1,)]


def test_a_server_that_may_not_act_for_its_users() -> None:
    said = "MetaException(message:User: hive is not allowed to impersonate lake)"
    told = told_by_hive("'hive' (h:1): executing", said)
    assert isinstance(told, PermanentError)
    assert "What to do: have HDFS let Hive's user act for others" in str(told)


@pytest.mark.parametrize(
    ("given", "kind", "said"),
    [
        ({"port": 1}, TransientError, "connecting: the server cannot be reached"),
        ({"host": "nowhere.invalid"}, TransientError, "the host's name is not known"),
        ({"database": "nowhere"}, PermanentError, "Database does not exist: nowhere"),
        ({"options": {"auth": "NOSASL"}}, PermanentError, "'NOSASL' is not built"),
        ({"options": {"auth": "KERBEROS"}}, PermanentError, "needs the package kerberos"),
        ({"options": {"auth": "LDAP"}}, PermanentError, "LDAP takes a `password`"),
        ({"options": {"hive.variable.substitute": True}}, PermanentError, "unknown option"),
        ({"options": {"user": "x"}}, PermanentError, "unknown option 'user'; allowed: auth"),
        ({"options": {"hive.in.test": "x"}}, PermanentError, "Cannot modify hive.in.test"),
    ],
)
def test_why_there_is_no_session(
    hive_server: HiveServer, given: dict[str, Any], kind: type[LakeError], said: str
) -> None:
    with (
        pytest.raises(kind, match=said),
        HiveConnection("hive", connection(hive_server, **given)),
    ):
        pass


def test_settings_of_hives_own_are_options(hive_server: HiveServer) -> None:
    options = {"mapreduce.job.queuename": "lake", "timeout": 120}
    with HiveConnection("hive", connection(hive_server, options=options)) as hive:
        assert hive.rows("SET mapreduce.job.queuename") == [("mapreduce.job.queuename=lake",)]


def test_a_session_that_was_closed_is_lost(hive_server: HiveServer) -> None:
    with HiveConnection("hive", connection(hive_server)) as hive:
        assert hive._session is not None
        hive._session.close()
        hive._session._transport.sasl = None
        with pytest.raises(TransientError, match="connection was lost"):
            hive.rows("SELECT 1")
    with pytest.raises(PermanentError, match="is not open"):
        hive.rows("SELECT 1")


def test_only_hive_is_opened_as_hive() -> None:
    with pytest.raises(UsageError, match="'postgres' is of kind 'duckdb'"):
        open_hive(load_settings("local", {}), "postgres")


@contextmanager
def answering(reply: bytes) -> Iterator[int]:
    """A server of one answer: whatever it is sent, it replies that and ends the connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with server.accept()[0] as client:
                client.settimeout(60)
                client.recv(1000)
                client.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


@pytest.mark.parametrize(
    ("reply", "kind", "said"),
    [
        (b"\3\0\0\0\x1aError validating the login", PermanentError, "refused the login .Error val"),
        (b"", TransientError, "logging in: the server ended the connection"),
        (b"HTTP/1.0 400 Bad Request\r\n\r\n", TransientError, "logging in"),
    ],
)
def test_a_refused_login_is_told_without_the_password(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    reply: bytes,
    kind: type[LakeError],
    said: str,
) -> None:
    monkeypatch.setenv("LAKE_HIVE_PASSWORD", "geheim-5309")
    caplog.set_level(logging.DEBUG)
    with answering(reply) as port:
        own = Connection(
            kind="hive", host="127.0.0.1", port=port, user="u", password="env:LAKE_HIVE_PASSWORD"
        )
        hive = HiveConnection("hive", own)
        with pytest.raises(kind, match=said) as told, hive:
            pass
    assert "geheim-5309" not in f"{told.value!r} {hive!r} {vars(hive)} {caplog.text}"


def test_wall_time_is_wall_time_in_the_servers_zone(hive: HiveConnection) -> None:
    start = datetime(2024, 3, 10, 2, 30)
    moments = [start + timedelta(hours=hours) for hours in range(0, 24 * 365, 997)]
    (found,) = hive.rows(f"SELECT {selected(moments)}")
    assert list(found) == moments
