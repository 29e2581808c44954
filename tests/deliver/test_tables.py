"""Rows arrive in tables of real servers value by value, all of a partition or none of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from resources import deliver as contract
from resources.deliver import Delivery, Receipt, TableTarget
from resources.errors import PermanentError
from resources.source import Column
from resources.types import parse_type
from tests.deliver import databases
from tests.deliver.databases import Database

pytestmark = pytest.mark.server


@pytest.fixture(scope="module", params=["postgres", "mariadb", "duckdb"])
def database(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Iterator[Database]:
    if request.param == "duckdb":
        opened = databases.duckdb_file(tmp_path_factory.mktemp("duckdb"))
    else:
        server = request.getfixturevalue(f"{request.param}_server")
        opened = getattr(databases, request.param)(server)
    with opened as found:
        yield found


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DELIVER_WORD", databases.PASSWORD)


TYPES = {
    "id": "int64",
    "dt": "date",
    "name": "string",
    "amount": "decimal(38,2)",
    "small": "int16",
    "ratio": "float64",
    "ok": "boolean",
    "at": "timestamp",
    "instant": "timestamptz",
    "raw": "binary",
}
THERE = [
    ("id", "bigint"),
    ("dt", "date"),
    ("name", "text"),
    ("amount", "decimal(38,2)"),
    ("small", "smallint"),
    ("ratio", "double"),
    ("ok", "boolean"),
    ("at", "timestamp"),
    ("instant", "instant"),
    ("raw", "blob"),
]
DAY, OTHER = date(2025, 7, 1), date(2025, 7, 2)
FULL: dict[str, Any] = {
    "id": 9007199254740993,
    "dt": DAY,
    "name": "가, \"나\"\n\\.\n'다'\r\n\t=cmd|' /C calc'!A0 \\N 😀",
    "amount": Decimal("999999999999999999999999999999999999.99"),
    "small": -32768,
    "ratio": 0.1,
    "ok": False,
    "at": datetime(2025, 7, 1, 23, 59, 59, 123456),
    "instant": datetime(2025, 6, 30, 15, 0, 0, 1, tzinfo=timezone.utc),
    "raw": b"\x00\xff\\'\n",
}
EMPTY = {**dict.fromkeys(TYPES), "id": -1, "dt": DAY, "name": "", "raw": b""}
NULLS = {**dict.fromkeys(TYPES), "id": 2, "dt": DAY}
ROWS = [FULL, EMPTY, NULLS, NULLS]


def delivery(
    rows: list[dict[str, Any]],
    mode: str = "replace",
    key: list[str] | None = None,
    name: str = "t",
    types: dict[str, str] = TYPES,
    names: dict[str, str] | None = None,
    day: date | None = DAY,
    personal: tuple[str, ...] = (),
) -> Delivery:
    columns = tuple(
        Column(one, (names or {}).get(one, one), parse_type(kind), personal=one in personal)
        for one, kind in types.items()
    )
    schema = pa.schema([(column.name, column.type.arrow()) for column in columns])
    table = pa.Table.from_pylist(rows, schema)
    target = TableTarget(name=name, mode=mode, key=key or [])  # type: ignore[arg-type]
    replaced = {"dt": f"{day}"} if day and mode == "replace" else {}
    return Delivery("out/x/t 2025-07-01", target, columns, table.to_batches(2), replaced)


def deliver(database: Database, one: Delivery) -> Receipt:
    from importlib import import_module

    module = import_module(contract.MODULES["table"][database.kind])
    return module.deliver("x", database.connection, one)  # type: ignore[no-any-return]


def found(database: Database, name: str = "t", types: dict[str, str] = TYPES) -> list[Any]:
    """The rows there, in the lake's Python values, sorted by the first column."""

    def value(one: Any, kind: str) -> Any:
        if kind == "boolean" and one is not None:
            return bool(one)
        if kind == "timestamptz" and one is not None:
            return one.replace(tzinfo=timezone.utc) if one.tzinfo is None else one
        return one

    names = ", ".join(map(database.quoted, types))
    rows = database.rows(f"SELECT {names} FROM {database.quoted(name)}")
    made = [
        {n: value(one, kind) for (n, kind), one in zip(types.items(), row, strict=True)}
        for row in rows
    ]
    return sorted(made, key=lambda row: (row["id"], str(row)))


def sorted_(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: (row["id"], str(row)))


def versions(database: Database, name: str = "t") -> list[Any]:
    """What changes when a row is written again, whatever it holds."""
    if database.kind == "postgres":
        return database.rows(f"SELECT id, xmin::text, ctid::text FROM {name} ORDER BY 1, 3")
    return (
        database.rows(f"SELECT id, rowid FROM {name} ORDER BY 1, 2")
        if (database.kind == "duckdb")
        else database.rows(f"SELECT id, written FROM {name} ORDER BY 1")
    )


def test_values_one_by_one_and_a_rerun_changes_no_row(database: Database) -> None:
    written = [("written", "timestamp(6) NOT NULL DEFAULT now(6) ON UPDATE now(6)")]
    database.make("t", [*THERE, *(written if database.kind == "mariadb" else [])])
    receipt = deliver(database, delivery(ROWS))
    assert (receipt.rows, receipt.changed) == (4, True)
    assert found(database) == sorted_(ROWS)
    before = versions(database)
    assert len(before) == 4
    again = deliver(database, delivery(ROWS))
    assert (again.rows, again.changed) == (4, False)
    assert versions(database) == before


def test_a_partition_is_replaced_and_no_other(database: Database) -> None:
    database.make("t", THERE)
    other = {**FULL, "dt": OTHER, "id": 5}
    deliver(database, delivery([other], day=OTHER))
    deliver(database, delivery(ROWS))
    assert deliver(database, delivery([EMPTY])).changed
    assert found(database) == sorted_([EMPTY, other])
    deliver(database, delivery([]))
    assert found(database) == [other]
    # One that differs in nothing but upper case, a blank, or how often it is there, is another.
    for rows in ([{**EMPTY, "name": "a"}], [{**EMPTY, "name": "A"}], [{**EMPTY, "name": "A "}]):
        assert deliver(database, delivery(rows)).changed
        assert found(database)[0]["name"] == rows[0]["name"]
    assert deliver(database, delivery([EMPTY, EMPTY, NULLS])).changed
    assert deliver(database, delivery([EMPTY, NULLS, NULLS])).changed
    assert found(database) == sorted_([EMPTY, NULLS, NULLS, other])


def test_all_rows_are_replaced_where_there_are_no_partitions(database: Database) -> None:
    database.make("t", THERE)
    deliver(database, delivery([{**EMPTY, "dt": OTHER}, FULL], day=None))
    deliver(database, delivery([NULLS], day=None))
    assert found(database) == [NULLS]


def test_upsert_changes_and_adds_by_the_key_and_removes_nothing(database: Database) -> None:
    extra = ("note", "varchar(10)")
    written = [("written", "timestamp(6) NOT NULL DEFAULT now(6) ON UPDATE now(6)")]
    further = [extra, *(written if database.kind == "mariadb" else [])]
    database.make("t", [*THERE, *further], "PRIMARY KEY (id)")
    deliver(database, delivery([FULL, EMPTY], "upsert", ["id"]))
    database.execute("UPDATE t SET note = 'theirs' WHERE id = -1")
    before = versions(database)
    changed = {**EMPTY, "name": None, "ratio": 2.5}
    receipt = deliver(database, delivery([changed, NULLS], "upsert", ["id"]))
    assert receipt.changed
    assert found(database) == sorted_([FULL, changed, NULLS])
    assert database.rows("SELECT note FROM t WHERE id = -1") == [("theirs",)]
    # The row that was not delivered, and the one that is as it was, were not written.
    assert [one for one in versions(database) if one[0] == FULL["id"]] == [before[-1]]
    before = versions(database)
    assert not deliver(database, delivery([changed, NULLS], "upsert", ["id"])).changed
    assert versions(database) == before


def test_a_key_twice_or_null_is_refused(database: Database) -> None:
    database.make("t", THERE, "UNIQUE (id)")
    deliver(database, delivery([FULL], "upsert", ["id"]))
    with pytest.raises(PermanentError, match=r"1 keys \(id\) have more than one row"):
        deliver(database, delivery([EMPTY, EMPTY], "upsert", ["id"]))
    with pytest.raises(PermanentError, match="a value of 'id' is NULL, which 'id' may not be"):
        deliver(database, delivery([{**EMPTY, "id": None}], "upsert", ["id"]))
    assert found(database) == [FULL]


@pytest.mark.parametrize("database", ["postgres", "mariadb"], indirect=True)
def test_a_key_that_is_none_there_is_refused(database: Database) -> None:
    """Not of DuckDB, the stand-in, whose tables the lake makes without keys."""
    database.make("t", THERE, "UNIQUE (id, dt)")
    with pytest.raises(PermanentError, match="no primary key or unique index over id"):
        deliver(database, delivery([FULL], "upsert", ["id"]))
    deliver(database, delivery([FULL], "upsert", ["dt", "id"]))
    assert found(database) == [FULL]


def test_columns_that_do_not_fit_are_named_all_at_once(database: Database) -> None:
    database.make(
        "t",
        [("dt", "date"), ("Name", "text"), ("amount", "decimal(38,1)"), ("small", "date")],
    )
    types = {key: TYPES[key] for key in ("dt", "name", "amount", "small")}
    with pytest.raises(PermanentError) as told:
        deliver(database, delivery([], types=types))
    said = str(told.value)
    assert "it has no column 'name' (did you mean 'Name'" in said
    assert "'amount' is " in said
    assert "decimal(38,2) does not fit" in said
    assert "int16 does not fit" in said
    assert "Nothing was written" in said


def test_a_column_that_must_be_given_is_named(database: Database) -> None:
    database.make("t", [("id", "bigint"), ("dt", "date"), ("must", "bigint NOT NULL")])
    with pytest.raises(PermanentError, match="'must' may not be NULL, has no default and is not"):
        deliver(database, delivery([], types={"id": "int64", "dt": "date"}))


def test_a_value_that_does_not_fit_names_column_and_row(database: Database) -> None:
    types = {"id": "int64", "dt": "date", "name": "string"}
    database.make("t", [("id", "bigint"), ("dt", "date"), ("name", "varchar(3) NOT NULL")])
    old = {"id": 1, "dt": DAY, "name": "가나다"}
    deliver(database, delivery([old], types=types))
    rows = [old, {**old, "id": 7, "name": "비밀이다"}]
    if database.kind == "duckdb":  # it keeps no length
        deliver(database, delivery(rows, types=types))
    else:
        with pytest.raises(PermanentError) as told:
            deliver(database, delivery(rows, types=types))
        assert "a value of 'name' is too long for 'name'" in str(told.value)
        assert "(at id 7, dt 2025-07-01)" in str(told.value)
        assert "비밀" not in str(told.value)
        assert found(database, types=types) == [old]
    nothing = delivery([{**old, "name": None}], types=types, personal=("id",))
    with pytest.raises(PermanentError, match=r"'name' is NULL.*\(at dt 2025-07-01\)"):
        deliver(database, nothing)


def test_hostile_names_are_names(database: Database) -> None:
    odd = 'it\'s "x" `y`; DROP 표 %s (VALUES)'
    types = {"id": "int64", "dt": "date", "name": "string"}
    names = {"id": "/BIC/ID % \"'`", "dt": "날짜", "name": "이름 name"}
    database.make(
        odd,
        [(names[one], kind) for one, kind in THERE[:3]],
        f"UNIQUE ({database.quoted(names['id'])})",
    )
    rows = [{"id": 1, "dt": DAY, "name": "'); DROP TABLE t; --"}]
    for mode, key in (("replace", None), ("upsert", ["id"])):
        deliver(database, delivery(rows, mode, key, odd, types, names))
        shown = ", ".join(map(database.quoted, names.values()))
        assert database.rows(f"SELECT {shown} FROM {database.quoted(odd)}") == [
            (1, DAY, rows[0]["name"])
        ]


def test_there_is_no_such_table(database: Database) -> None:
    if database.kind == "duckdb":
        deliver(database, delivery(ROWS, name="새 표"))
        assert found(database, "새 표") == sorted_(ROWS)
        return
    database.make("sales_result", THERE)
    with pytest.raises(PermanentError, match="no such table, or the user may not see it; did you"):
        deliver(database, delivery(ROWS, name="target.sales_resul"))
