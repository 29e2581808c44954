"""Rows arrive in tables behind JDBC value by value, all of a partition or none of it.

On a real H2 server in its Oracle mode, which stands in for Tibero: there is none to be had. What
Tibero alone does (its encodings, LOCK TABLE, which H2 has not) is tried as it is documented.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from resources import jdbc
from resources.deliver import Delivery, Receipt, TableTarget
from resources.deliver_jdbc import JdbcDelivery
from resources.errors import PermanentError, TransientError
from resources.source import Column, Table
from resources.types import parse_type
from tests.servers.h2 import WORD, H2Server

pytestmark = pytest.mark.server

TYPES = {
    "id": "int64",
    "dt": "date",
    "name": "string",
    "amount": "decimal(38,2)",
    "small": "int16",
    "ratio": "float64",
    "single": "float32",
    "ok": "boolean",
    "at": "timestamp",
    "instant": "timestamptz",
    "raw": "binary",
}
THERE = {
    "id": "NUMBER(19)",
    "dt": "DATE",
    "name": "NVARCHAR2(60)",
    "amount": "NUMBER(38,2)",
    "small": "NUMBER",
    "ratio": "BINARY_DOUBLE",
    "single": "BINARY_FLOAT",
    "ok": "NUMBER(1)",
    "at": "TIMESTAMP(6)",
    "instant": "TIMESTAMP(6) WITH TIME ZONE",
    "raw": "BLOB",
}
DAY, OTHER = date(2025, 7, 1), date(2025, 7, 2)
FULL: dict[str, Any] = {
    "id": 9007199254740993,
    "dt": DAY,
    "name": "가, \"나\"\n\\.\n'다'\r\n\t? :x 😀",
    "amount": Decimal("999999999999999999999999999999999999.99"),
    "small": -32768,
    "ratio": 1e-300,
    "single": 0.10000000149011612,
    "ok": False,
    "at": datetime(2025, 7, 1, 23, 59, 59, 123456),
    "instant": datetime(2025, 6, 30, 15, 0, 0, 1, tzinfo=timezone.utc),
    "raw": b"\x00\xff\\'\n",
}
OLD = {**dict.fromkeys(TYPES), "id": -1, "dt": DAY, "name": " ", "at": datetime(1500, 3, 1)}
NULLS = {**dict.fromkeys(TYPES), "id": 2, "dt": DAY}
ROWS = [FULL, OLD, NULLS, NULLS]


class H2Delivery(JdbcDelivery):
    """H2 has no LOCK TABLE."""

    def _lock(self, cursor: Any) -> None:
        """Tests deliver one after another."""


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIBERO_WORD", WORD)


@pytest.fixture(scope="module")
def server(h2_server: H2Server) -> H2Server:
    return h2_server


def make(server: H2Server, name: str = "T", *rules: str, **other: str) -> None:
    declared = [f'"{one.upper()}" {kind}' for one, kind in {**THERE, **other}.items()]
    server.execute(
        "target",
        f'DROP TABLE IF EXISTS "{name}"',
        f'CREATE TABLE "{name}" ({", ".join([*declared, *rules])})',
    )


def delivery(
    rows: list[dict[str, Any]],
    mode: str = "replace",
    key: tuple[str, ...] = (),
    name: str = "T",
    types: dict[str, str] = TYPES,
    day: date | None = DAY,
) -> Delivery:
    columns = tuple(Column(one, one.upper(), parse_type(kind)) for one, kind in types.items())
    schema = pa.schema([(column.name, column.type.arrow()) for column in columns])
    target = TableTarget(name=name, mode=mode, key=list(key))  # type: ignore[arg-type]
    replaced = {"dt": f"{day}"} if day and mode == "replace" else {}
    table = pa.Table.from_pylist(rows, schema)
    return Delivery("out/tibero/t 2025-07-01", target, columns, table.to_batches(2), replaced)


def deliver(server: H2Server, one: Delivery, of: type[JdbcDelivery] = H2Delivery) -> Receipt:
    return of("tibero", jdbc.connect("tibero", server.connection("target")), one).run()


def found(server: H2Server, name: str = "T") -> list[dict[str, Any]]:
    """The rows, as the lake's own source reads them."""
    types = {**TYPES, "ok": "int8"}
    columns = tuple(Column(one, one.upper(), parse_type(kind)) for one, kind in types.items())
    table = Table(columns, table=name)
    with (
        jdbc.connect("tibero", server.connection("target")) as source,
        source.read(table) as reading,
    ):
        rows = pa.Table.from_batches(reading.batches, reading.schema).to_pylist()
    return sorted_([{**row, "ok": None if row["ok"] is None else bool(row["ok"])} for row in rows])


def sorted_(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: (row["id"], str(row)))


def test_values_one_by_one_and_again_on_h2(server: H2Server) -> None:
    make(server, ok="NUMBER(1)")
    other = {**FULL, "dt": OTHER}
    deliver(server, delivery([other], day=OTHER))
    for _ in range(2):
        receipt = deliver(server, delivery(ROWS))
        assert (receipt.rows, receipt.route) == (4, "JDBC, bound batches")
        shown = server.execute("target", 'SELECT "OK" FROM "T" WHERE "ID" > 2 ORDER BY "DT"')
        assert shown == [["0"], ["0"]]
        assert found(server) == sorted_([*ROWS, other])
    deliver(server, delivery([NULLS]))
    assert found(server) == sorted_([NULLS, other])
    deliver(server, delivery([OLD], day=None))
    assert found(server) == [OLD]


def test_upsert_on_h2(server: H2Server) -> None:
    make(server, "T", 'PRIMARY KEY ("ID")', note="NVARCHAR2(20)")
    deliver(server, delivery([FULL, OLD], "upsert", ("id",)))
    server.execute("target", 'UPDATE "T" SET "NOTE" = \'theirs\'')
    changed = {**OLD, "name": "x"}
    for _ in range(2):
        deliver(server, delivery([changed, NULLS], "upsert", ("id",)))
        assert found(server) == sorted_([FULL, changed, NULLS])
    count = server.execute("target", 'SELECT count(*) FROM "T" WHERE "NOTE" = \'theirs\'')
    assert count == [["2"]]
    with pytest.raises(PermanentError, match=r"1 keys \(id\) have more than one row"):
        deliver(server, delivery([{**OLD, "name": "y"}, OLD], "upsert", ("id",)))
    with pytest.raises(PermanentError, match="'id' is NULL, which 'ID' may not be"):
        deliver(server, delivery([{**OLD, "id": None}], "upsert", ("id",)))
    assert found(server) == sorted_([FULL, changed, NULLS])


def test_a_key_of_moments_on_h2(server: H2Server) -> None:
    make(server)
    for _ in range(2):
        deliver(server, delivery([FULL], "upsert", ("dt", "at", "instant", "amount")))
    assert found(server) == [FULL]


def test_what_would_be_another_value_there_is_refused_on_h2(server: H2Server) -> None:
    make(server)
    deliver(server, delivery([FULL]))
    with pytest.raises(PermanentError) as told:
        deliver(server, delivery([OLD, {**NULLS, "name": ""}]))
    assert "a value of 'name' is '', which would be NULL there (at id 2, dt 2025-07-01)" in (
        str(told.value)
    )

    class Lossy(H2Delivery):
        """As a database does whose encoding is KS C 5601."""

        def _echo(self, text: str) -> str:
            return super()._echo(text).encode("cp949", "replace").decode("cp949")

    deliver(server, delivery([{**FULL, "name": "똠"}]), Lossy)
    with pytest.raises(PermanentError, match=r"'name' has a character that .* lacks \(at id 90"):
        deliver(server, delivery([OLD, FULL]), Lossy)
    with pytest.raises(PermanentError, match="'name' is too long for 'NAME', CHARACTER V"):
        deliver(server, delivery([{**FULL, "name": "가" * 61}]))
    assert [row["name"] for row in found(server)] == ["똠"]


@pytest.mark.parametrize(
    ("there", "kind", "said"),
    [
        ("DATE", "timestamp", "timestamp does not fit"),
        ("TIMESTAMP(3)", "timestamp", "timestamp does not fit"),
        ("TIMESTAMP(9)", "timestamp", None),
        ("NUMBER", "decimal(38,10)", None),
        ("NUMBER(10)", "int64", "int64 does not fit"),
        ("NUMBER(19)", "int64", None),
        ("BINARY_FLOAT", "float64", "float64 does not fit"),
        ("NUMBER(1)", "boolean", None),
        ("CLOB", "string", None),
        ("NUMBER(5)", "string", "string does not fit"),
    ],
)
def test_what_columns_hold_on_h2(server: H2Server, there: str, kind: str, said: str | None) -> None:
    server.execute("target", "DROP TABLE IF EXISTS X", f"CREATE TABLE X (DT DATE, X {there})")
    one = delivery([], types={"dt": "date", "x": kind}, name="X")
    if said is None:
        deliver(server, one)
    else:
        with pytest.raises(PermanentError, match=said):
            deliver(server, one)


def test_what_fails_is_undone_on_h2(server: H2Server) -> None:
    make(server, "T", 'CHECK ("SMALL" < 0)')
    deliver(server, delivery([FULL]))
    with pytest.raises(
        PermanentError, match=r"a constraint .* \(SQLSTATE 23513\). Nothing was"
    ) as (told):
        deliver(server, delivery([OLD, {**FULL, "small": 5, "name": "비밀"}]))
    assert "비밀" not in str(told.value)
    assert found(server) == [FULL]
    with pytest.raises(PermanentError, match="no such table, or the user may not see it"):
        deliver(server, delivery([FULL], name="TT"))
    with pytest.raises(PermanentError, match=r"check the connection's user and password"):
        wrong = server.connection("target", user="NOBODY")
        H2Delivery("tibero", jdbc.connect("tibero", wrong), delivery([FULL])).run()

    def broken() -> Iterator[Any]:
        yield from list(delivery([NULLS]).batches)
        raise TransientError("the file was replaced while it was read")

    with pytest.raises(TransientError, match="replaced while"):
        deliver(server, replace(delivery([]), batches=broken()))
    assert found(server) == [FULL]


def test_a_server_that_is_killed_meanwhile_keeps_the_old_rows_on_h2(server: H2Server) -> None:
    make(server)
    deliver(server, delivery([FULL]))
    one = delivery([OLD, NULLS, NULLS, NULLS])

    def killing() -> Iterator[pa.RecordBatch]:
        first, *rest = one.batches
        yield first
        server.kill()
        yield from rest

    with pytest.raises(TransientError, match=r"T, connection 'tibero' .*Nothing was written") as (
        told
    ):
        deliver(server, replace(one, batches=killing()))
    assert WORD not in str(told.value)
    with pytest.raises(TransientError, match="check that the server runs"):
        deliver(server, one)
    server.start()
    assert found(server) == [FULL]
    deliver(server, one)
    assert found(server) == sorted_([OLD, NULLS, NULLS, NULLS])


def test_hostile_names_on_h2(server: H2Server) -> None:
    odd = 'it\'s "x"; DROP 표 ? %s'
    server.execute(
        "target",
        f"DROP TABLE IF EXISTS {quoted(odd)}",
        f"CREATE TABLE {quoted(odd)} (DT DATE, {quoted('/BIC/ID ?')} NUMBER(19))",
    )
    columns = (
        Column("dt", "DT", parse_type("date")),
        Column("id", "/BIC/ID ?", parse_type("int64")),
    )
    one = delivery([{"dt": DAY, "id": 1}], types={"dt": "date", "id": "int64"}, name=odd)
    for mode, key in (("replace", []), ("upsert", ["id"])):
        target = TableTarget(name=odd, mode=mode, key=key)  # type: ignore[arg-type]
        deliver(server, replace(one, columns=columns, target=target))
        rows = server.execute("target", f"SELECT {quoted('/BIC/ID ?')} FROM {quoted(odd)}")
        assert rows == [["1"]]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def test_a_day_is_compared_as_one_whatever_the_session_takes_text_for(server: H2Server) -> None:
    one = H2Delivery("x", jdbc.connect("x", server.connection("target")), delivery([]))
    assert one.own == ["\"DT\" = TO_DATE('2025-07-01', 'YYYY-MM-DD')"]


def test_updates_that_a_driver_does_not_count_are_done_one_by_one() -> None:
    from resources.deliver_jdbc import _Cursor

    class Prepared:
        def __init__(self) -> None:
            self.done: list[Any] = []
            self.values: list[Any] = []

        def addBatch(self) -> None:
            self.values.clear()

        def executeBatch(self) -> list[int]:
            return [-2, -2]

        def executeUpdate(self) -> int:
            self.done.append(list(self.values))
            count = self.values == [1]
            self.values.clear()
            return int(count)

        def close(self) -> None: ...

    class Session:
        def prepareStatement(self, statement: str) -> Prepared:
            return prepared

    prepared = Prepared()

    def bind(to: Prepared, place: int, value: Any) -> None:
        to.values.append(value)

    cursor = _Cursor(Session())
    assert cursor.batch("UPDATE x", [[1], [2]], [bind]) == [1, 0]
    assert prepared.done == [[1], [2]]
    assert cursor.batch("INSERT x", [[1], [2]], [bind]) == [-2, -2]
