"""Rows arrive in tables of a real HiveServer2: a partition has its old rows or its new ones."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from resources import deliver as contract
from resources import deliver_hive, hive_tables
from resources.deliver import Delivery, Receipt, TableTarget
from resources.errors import PermanentError, TransientError
from resources.hdfs import Hdfs
from resources.hive import HiveConnection
from resources.hive_tables import HiveColumn, HiveTable
from resources.settings import Connection, load_settings
from resources.source import Column
from resources.types import parse_type
from tests.servers.hdfs import HdfsServer
from tests.servers.hive import HiveServer

TYPES = {
    "id": "int64",
    "dt": "date",
    "plant": "string",
    "name": "string",
    "amount": "decimal(38,10)",
    "small": "int16",
    "ratio": "float64",
    "ok": "boolean",
    "day": "date",
    "at": "timestamp",
    "instant": "timestamptz",
    "raw": "binary",
}
NAMES = {"plant": "plant_code"}
DAY, OTHER = date(2025, 7, 1), date(2025, 7, 2)
FULL: dict[str, Any] = {
    "id": 9007199254740993,
    "dt": DAY,
    "plant": "가/나 %=",
    "name": "가, \"나\"\n\\.\n'다'\t😀",
    "amount": Decimal("9999999999999999999999999999.0000000001"),
    "small": -32768,
    "ratio": 0.1,
    "ok": False,
    "day": date(9999, 12, 31),
    "at": datetime(2025, 7, 1, 23, 59, 59, 123456),
    "instant": datetime(2025, 6, 30, 15, 0, 0, 1, tzinfo=timezone.utc),
    "raw": b"\x00\xff",
}
NULLS = {**dict.fromkeys(TYPES), "id": 2, "dt": DAY, "plant": FULL["plant"]}
EMPTY = {**NULLS, "id": 1, "name": "", "raw": b""}


@pytest.fixture(scope="module")
def hive(hive_server: HiveServer) -> Iterator[HiveConnection]:
    address = Connection(kind="hive", host=hive_server.host, port=hive_server.port, user="hive")
    with HiveConnection("hive", address) as opened:
        yield opened


@pytest.fixture
def layer(hive: HiveConnection, hdfs_server: HdfsServer) -> str:
    """A database of the test's own, and the folder of its table."""
    made = f"d_{secrets.token_hex(4)}"
    hdfs_server.make_folder(f"/data/{made}/sales", "hive")
    hive.run(hive_tables.create_database(made))
    return made


def make(
    hive: HiveConnection, layer: str, keys: tuple[str, ...] = ("dt", "plant"), **changes: str
) -> None:
    columns = [
        hive_tables.hive_column(NAMES.get(name, name), parse_type(kind))
        for name, kind in {**TYPES, **changes}.items()
    ]
    own = {NAMES.get(name, name) for name in keys}
    table = HiveTable(
        layer,
        "sales",
        "",
        tuple(one for one in columns if one.name not in own),
        tuple(HiveColumn(NAMES.get(one, one), "date" if one == "dt" else "string") for one in keys),
        f"/data/{layer}/sales",
    )
    hive.run(hive_tables.create_table(table))


def delivery(
    server: HdfsServer,
    layer: str,
    rows: list[dict[str, Any]],
    day: date = DAY,
    keys: tuple[str, ...] = ("dt", "plant"),
    **target: Any,
) -> Delivery:
    columns = tuple(
        Column(name, NAMES.get(name, name), parse_type(kind)) for name, kind in TYPES.items()
    )
    schema = pa.schema([(one.name, one.type.arrow()) for one in columns])
    values = {"dt": f"{day}", "plant": FULL["plant"]}
    return Delivery(
        "out/hive/sales 2025-07-01",
        TableTarget(**{"schema": layer, "name": "sales", "mode": "replace", **target}),
        columns,
        pa.Table.from_pylist(rows, schema).to_batches(2),
        {key: values[key] for key in keys},
        ("hdfs", Connection(kind="hdfs", url=server.url, user="hive")),
    )


def deliver(server: HiveServer, one: Delivery) -> Receipt:
    address = Connection(kind="hive", host=server.host, port=server.port, user="hive")
    return deliver_hive.deliver("hive", address, one)


def found(hive: HiveConnection, layer: str) -> list[dict[str, Any]]:
    """The rows as Hive shows them; an instant is its UTC wall time there."""
    schema = pa.schema(
        [
            (name, parse_type("timestamp" if kind == "timestamptz" else kind).arrow())
            for name, kind in TYPES.items()
        ]
    )
    names = ", ".join(f"`{NAMES.get(name, name)}`" for name in TYPES)
    batches = hive.batches(f"SELECT {names} FROM `{layer}`.`sales`", schema)
    rows = pa.Table.from_batches(batches, schema).to_pylist()
    for row in rows:
        row["instant"] = row["instant"] and row["instant"].replace(tzinfo=timezone.utc)
    return sorted(rows, key=lambda row: (row["id"], str(row)))


def places(hive: HiveConnection, layer: str) -> dict[str, str]:
    keys = (HiveColumn("dt", "date"), HiveColumn("plant_code", "string"))
    table = HiveTable(layer, "sales", "", (), keys, f"/data/{layer}/sales")
    return hive_tables.locations(hive, table)


@pytest.mark.server
def test_values_one_by_one_a_rerun_and_a_partition_replaced(
    hive: HiveConnection, hive_server: HiveServer, hdfs_server: HdfsServer, layer: str
) -> None:
    make(hive, layer)
    other = {**FULL, "id": 5, "dt": OTHER}
    deliver(hive_server, delivery(hdfs_server, layer, [other], OTHER))
    receipt = deliver(hive_server, delivery(hdfs_server, layer, [EMPTY, NULLS, FULL, FULL]))
    assert (receipt.rows, receipt.changed) == (4, True)
    assert found(hive, layer) == [EMPTY, NULLS, other, FULL, FULL]
    first = places(hive, layer)
    receipt = deliver(hive_server, delivery(hdfs_server, layer, [EMPTY, NULLS, FULL, FULL]))
    assert (receipt.rows, receipt.changed) == (4, False)
    assert places(hive, layer) == first
    assert deliver(hive_server, delivery(hdfs_server, layer, [NULLS])).changed
    assert found(hive, layer) == [NULLS, other]
    # The files of before lie there for those who still read them; nothing else does.
    hdfs = Hdfs("hdfs", Connection(kind="hdfs", url=hdfs_server.url, user="hive"))
    (part,) = {
        place.partition("/_lake_")[0] for place in places(hive, layer).values() if "-01" in place
    }
    names = hdfs.names(hive_tables.path_of(part))
    assert sorted(one.name[:6] for one in names) == ["_lake_", "_lake_"]
    # And back again, to files that are there already.
    assert deliver(hive_server, delivery(hdfs_server, layer, [EMPTY, NULLS, FULL, FULL])).changed
    assert places(hive, layer) == first
    assert deliver(hive_server, delivery(hdfs_server, layer, [])).rows == 0
    assert found(hive, layer) == [other]


@pytest.mark.server
def test_a_table_without_partitions(
    hive: HiveConnection, hive_server: HiveServer, hdfs_server: HdfsServer, layer: str
) -> None:
    make(hive, layer, keys=())
    for rows in ([EMPTY, FULL], [NULLS], [NULLS]):
        deliver(hive_server, delivery(hdfs_server, layer, rows, keys=()))
        assert found(hive, layer) == rows
        there = hive_tables.described(hive, HiveTable(layer, "sales", "", (), (), ""))
        assert there is not None
        # Beside each other, not one within the other.
        path = hive_tables.path_of(there.location)
        assert re.fullmatch(rf"/data/{layer}/sales/_lake_[0-9a-f]{{32}}/rows", path)


@pytest.mark.server
def test_rows_that_end_in_an_error_leave_the_old_ones(
    hive: HiveConnection, hive_server: HiveServer, hdfs_server: HdfsServer, layer: str
) -> None:
    make(hive, layer)
    one = delivery(hdfs_server, layer, [FULL])
    deliver(hive_server, one)

    def broken() -> Iterator[pa.RecordBatch]:
        yield from one.batches
        raise TransientError("the file was replaced while it was read")

    with pytest.raises(TransientError, match="replaced while it was read"):
        deliver(hive_server, replace(one, batches=broken()))
    assert found(hive, layer) == [FULL]
    hdfs = Hdfs("hdfs", Connection(kind="hdfs", url=hdfs_server.url, user="hive"))
    (place,) = places(hive, layer).values()
    part = hive_tables.path_of(place).partition("/_lake_")[0]
    assert [one.name[:6] for one in hdfs.names(part)] == ["_lake_"]


@pytest.mark.server
def test_a_query_that_runs_goes_on_with_the_rows_of_before(
    hive: HiveConnection, hive_server: HiveServer, hdfs_server: HdfsServer, layer: str
) -> None:
    make(hive, layer)
    deliver(hive_server, delivery(hdfs_server, layer, [{**NULLS, "id": n} for n in range(25_000)]))
    asked = f"SELECT id FROM {layer}.sales"
    batches = hive.batches(asked, pa.schema([("id", pa.int64())]))
    read = next(batches).num_rows
    assert read < 25_000
    deliver(hive_server, delivery(hdfs_server, layer, [FULL]))
    with HiveConnection("hive", hive._settings) as other:
        assert other.rows(asked) == [(FULL["id"],)]
    assert read + sum(batch.num_rows for batch in batches) == 25_000


@pytest.mark.server
def test_a_folder_that_is_not_ours_to_write_to(
    hive: HiveConnection, hive_server: HiveServer, hdfs_server: HdfsServer, layer: str
) -> None:
    make(hive, layer)
    one = delivery(hdfs_server, layer, [FULL])
    nobody = Connection(kind="hdfs", url=hdfs_server.url, user="nobody")
    with pytest.raises(PermanentError, match="hdfs") as told:
        deliver(hive_server, replace(one, files=("hdfs", nobody)))
    assert f"/data/{layer}/sales" in str(told.value)
    assert found(hive, layer) == []


def test_files_go_to_the_hdfs_of_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []

    def write(name: str, connection: Connection, delivery: Delivery) -> Receipt:
        given.append((name, connection.kind, delivery.files))
        return Receipt(0, 0, "", "")

    monkeypatch.setattr(deliver_hive, "deliver", write)
    settings = load_settings("prod", {})
    target = TableTarget(name="sales", mode="replace")
    contract.deliver(settings, "hive", Delivery("out/hive/sales", target, (), ()))
    hdfs = settings.store.connection
    assert hdfs is not None
    assert given == [("hive", "hive", (hdfs, settings.connection(hdfs)))]


Change = Callable[[HiveConnection, str], None]


def managed(hive: HiveConnection, layer: str) -> None:
    hive.run(f"CREATE TABLE {layer}.sales (id bigint) PARTITIONED BY (dt date) STORED AS PARQUET")


def text(hive: HiveConnection, layer: str) -> None:
    hive.run(f"CREATE EXTERNAL TABLE {layer}.sales (id bigint) LOCATION '/data/{layer}/sales'")


WRONG: list[tuple[Change, dict[str, Any], str]] = [
    (lambda hive, layer: None, {}, "there is no such table"),
    (managed, {}, r"it is a MANAGED_TABLE, whose files are Hive's own.*'EXTERNAL'='TRUE'"),
    (text, {}, "it is read by TextInputFormat, not as Parquet"),
    (make, {"keys": ("dt",)}, "it is partitioned by dt, plant_code, and what is delivered by dt"),
    (make, {"mode": "upsert", "key": ["id"]}, "Hive changes no rows by their key. Write `mode: r"),
    (
        lambda hive, layer: make(hive, layer, small="int32", name="int64"),
        {},
        r"'name' is bigint, and string does not fit; 'small' is int, and int16 does not fit",
    ),
]


@pytest.mark.server
@pytest.mark.parametrize(("prepare", "target", "said"), WRONG)
def test_what_is_refused_before_anything_is_written(
    hive: HiveConnection,
    hive_server: HiveServer,
    hdfs_server: HdfsServer,
    layer: str,
    prepare: Change,
    target: dict[str, Any],
    said: str,
) -> None:
    prepare(hive, layer)
    with pytest.raises(PermanentError, match=said):
        deliver(hive_server, delivery(hdfs_server, layer, [FULL], **target))
    hdfs = Hdfs("hdfs", Connection(kind="hdfs", url=hdfs_server.url, user="hive"))
    assert hdfs.names(f"/data/{layer}/sales") == []


def test_without_an_hdfs_it_is_refused() -> None:
    target = TableTarget(name="sales", mode="replace")
    one = Delivery("out/hive/sales", target, (), ())
    with pytest.raises(PermanentError, match="Give `store.connection` in the environment"):
        deliver_hive.deliver("hive", Connection(kind="hive", host="x"), one)
