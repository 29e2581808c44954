"""Tables in Hive: statements, what differs, and all of it on a real HiveServer2.

Here: DDL as text, refusals, 365 partitions in few statements, hostile comments, every type read
back in two time zones. Not here: steps that register (`tests/acceptance/test_hive_engine.py`).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from resources import hive_tables
from resources.errors import PermanentError
from resources.hdfs import Hdfs
from resources.hdfs_store import HdfsStore
from resources.hive import HiveConnection
from resources.hive_tables import Described, HiveColumn, HiveTable, Prepared
from resources.partition import Partition
from resources.settings import Connection
from resources.types import SIMPLE, parse_type
from tests.servers.hdfs import HdfsServer
from tests.servers.hive import HiveServer, running_hive

DT = HiveColumn("dt", "date")
PLANT = HiveColumn("plant_code", "string")
INPUT_FORMAT = "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"


def table(columns: dict[str, str], *keys: HiveColumn, **changes: Any) -> HiveTable:
    made = tuple(hive_tables.hive_column(name, parse_type(of)) for name, of in columns.items())
    values = {"layer": "prep", "name": "sales", "title": "매출", "folder": "/lake/prep/sales"}
    return HiveTable(columns=made, keys=keys, **{**values, **changes})


DECIMALS = ("decimal(18,2)", "decimal(5,5)", "decimal(38,38)")
DAILY = table({"id": "int64", "amount": "decimal(38,10)", "at": "timestamptz"}, DT)


# --- text ----------------------------------------------------------------------------------------


def test_a_table_as_text() -> None:
    assert hive_tables.create_table(DAILY) == (
        "CREATE EXTERNAL TABLE IF NOT EXISTS `prep`.`sales` "
        "(`id` bigint, `amount` decimal(38,10), `at` timestamp COMMENT 'UTC 시각')\n"
        "COMMENT '매출'\nPARTITIONED BY (`dt` date)\nSTORED AS PARQUET\n"
        "LOCATION '/lake/prep/sales'"
    )


def test_every_type_has_one_of_hive() -> None:
    found = {name: hive_tables.hive_type(parse_type(name)) for name in (*SIMPLE, *DECIMALS)}
    assert found == {
        "string": "string",
        "int8": "tinyint",
        "int16": "smallint",
        "int32": "int",
        "int64": "bigint",
        "float32": "float",
        "float64": "double",
        "boolean": "boolean",
        "date": "date",
        "timestamp": "timestamp",
        "timestamptz": "timestamp",
        "binary": "binary",
        "decimal(18,2)": "decimal(18,2)",
        "decimal(5,5)": "decimal(6,5)",
        "decimal(38,38)": "decimal(38,38)",
    }


def test_comments_are_one_line_of_what_the_metastore_holds() -> None:
    column = hive_tables.hive_column("at", parse_type("timestamptz"), "승인\n일시")
    assert column.comment == "승인\n일시 (UTC 시각)"
    wide = table({}, title="가" * 300, folder="/x")
    made = hive_tables.create_table(
        HiveTable("prep", "sales", wide.title, (column,), (), wide.folder)
    )
    assert "COMMENT '승인 일시 (UTC 시각)'" in made
    assert f"COMMENT '{'가' * 256}'" in made


def test_partitions_are_added_and_dropped_by_hundreds() -> None:
    days = [(date(2024, 1, 1) + timedelta(days=n)).isoformat() for n in range(801)]
    added = list(hive_tables.add_partitions(DAILY, {f"dt={day}": None for day in days}))
    assert [one.count("PARTITION (") for one in added] == [400, 400, 1]
    assert added[2] == "ALTER TABLE `prep`.`sales` ADD IF NOT EXISTS\nPARTITION (`dt`='2026-03-11')"
    [dropped] = hive_tables.drop_partitions(DAILY, ["dt=2024-01-02", "dt=2024-01-01"])
    assert dropped == (
        "ALTER TABLE `prep`.`sales` DROP IF EXISTS\n"
        "PARTITION (`dt`='2024-01-01'),\nPARTITION (`dt`='2024-01-02')"
    )


def test_a_partition_of_day_and_name_and_its_location() -> None:
    both = table({"id": "int64"}, DT, PLANT)
    part = "dt=2025-07-01/plant_code=a%3Ab"
    [added] = hive_tables.add_partitions(both, {part: "hdfs://n:1/lake/it's"})
    assert "PARTITION (`dt`='2025-07-01', `plant_code`='a:b') LOCATION 'hdfs://n:1/lake/it" in added


@pytest.mark.parametrize(
    ("keys", "parts", "condition"),
    [
        ((), [""], ""),
        ((DT,), ["dt=2025-07-01"], "`dt` IN (CAST('2025-07-01' AS DATE))"),
        (
            (DT, PLANT),
            ["dt=2025-07-01/plant_code=A", "dt=2025-07-01/plant_code=B"],
            "`dt` IN (CAST('2025-07-01' AS DATE)) AND `plant_code` IN ('A', 'B')",
        ),
        (
            (DT, PLANT),
            ["dt=2025-07-01/plant_code=A", "dt=2025-07-02/plant_code=B"],
            "(`dt` IN (CAST('2025-07-01' AS DATE)) AND `plant_code` IN ('A')) OR "
            "(`dt` IN (CAST('2025-07-02' AS DATE)) AND `plant_code` IN ('B'))",
        ),
        ((PLANT,), ["plant_code=A"], "`plant_code` IN ('A')"),
    ],
)
def test_the_condition_of_exactly_these_partitions(
    keys: tuple[HiveColumn, ...], parts: list[str], condition: str
) -> None:
    assert hive_tables.partition_condition(table({"id": "int64"}, *keys), parts) == condition


def described(**changes: Any) -> Described:
    values = {
        "columns": {"id": "bigint", "amount": "decimal(38,10)", "at": "timestamp"},
        "keys": {"dt": "date"},
        "location": "hdfs://n:9000/lake/prep/sales",
        "kind": "EXTERNAL_TABLE",
        "input_format": INPUT_FORMAT,
    }
    return Described(**{**values, **changes})


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, []),
        ({"columns": {"at": "timestamp", "amount": "decimal(38,10)", "id": "bigint"}}, []),
        ({"kind": "MANAGED_TABLE"}, ["it is a MANAGED_TABLE, not an EXTERNAL_TABLE"]),
        (
            {"input_format": "x.TextInputFormat"},
            ["it is read by x.TextInputFormat, not as Parquet"],
        ),
        ({"keys": {"dt": "string"}}, ["partitioned by (dt string), declared (dt date)"]),
        (
            {"location": "hdfs://n:9000/lake/prep/other"},
            ["its location is /lake/prep/other, the lake's folder /lake/prep/sales"],
        ),
        (
            {"columns": {"id": "int", "amount": "decimal(38,10)", "old": "string"}},
            [
                "column id is int, declared bigint",
                "column old string is no longer declared",
                "new: at timestamp",
            ],
        ),
    ],
)
def test_what_differs_is_told_column_by_column(changes: dict[str, Any], told: list[str]) -> None:
    found = hive_tables.differences(DAILY, described(**changes))
    assert [one.what for one in found] == told


@pytest.mark.parametrize(
    ("changes", "cure"),
    [
        (
            {"columns": {"id": "bigint", "amount": "decimal(38,10)"}},
            "To do: lake hive sync prep/sales, which adds what is new.",
        ),
        ({"columns": {**described().columns, "id": "int"}}, "\n  DROP TABLE `prep`.`sales`;\n"),
        (
            {"columns": {**described().columns, "old": "string"}},
            "\n  ALTER TABLE `prep`.`sales` REPLACE COLUMNS (`id` bigint, ",
        ),
        (
            {"kind": "MANAGED_TABLE"},
            "ALTER TABLE `prep`.`sales` SET TBLPROPERTIES ('EXTERNAL'='TRUE')",
        ),
    ],
)
def test_a_refusal_says_what_to_do(changes: dict[str, Any], cure: str) -> None:
    told = str(hive_tables.refused(DAILY, hive_tables.differences(DAILY, described(**changes))))
    assert "Nothing was written." in told
    assert cure in told


def test_a_table_without_partitions_may_stand_on_a_version() -> None:
    one = table({"id": "int64"})
    columns = {"id": "bigint"}
    for place, right in (("_v_1/rows", True), ("", True), ("x", False), ("a/b/c", False)):
        location = f"hdfs://n:9000/lake/prep/sales/{place}".rstrip("/")
        found = described(columns=columns, keys={}, location=location)
        assert (hive_tables.differences(one, found) == []) is right, place


def test_locations_that_moved_and_partitions_that_are_new() -> None:
    prepared = Prepared(DAILY, "hdfs://n:9000/lake/prep/sales")
    folders = {f"dt=2025-07-0{n}": f"/lake/prep/sales/dt=2025-07-0{n}" for n in (1, 2, 3, 4)}
    folders["dt=2025-07-02"] += "/_v_2/rows"
    folders["dt=2025-07-04"] += "/_v_4/rows"
    known = {f"dt=2025-07-0{n}": f"hdfs://n:9000/lake/prep/sales/dt=2025-07-0{n}" for n in (1, 2)}
    assert [one.statement for one in hive_tables.changes(prepared, folders, known)] == [
        "ALTER TABLE `prep`.`sales` ADD IF NOT EXISTS\nPARTITION (`dt`='2025-07-03')\n"
        "PARTITION (`dt`='2025-07-04') "
        "LOCATION 'hdfs://n:9000/lake/prep/sales/dt=2025-07-04/_v_4/rows'",
        "USE `prep`",
        "ALTER TABLE `sales` PARTITION (`dt`='2025-07-02') "
        "SET LOCATION 'hdfs://n:9000/lake/prep/sales/dt=2025-07-02/_v_2/rows'",
    ]
    known = {part: f"hdfs://n:9000{folder}" for part, folder in folders.items()}
    assert hive_tables.changes(prepared, folders, known) == []


# --- a real HiveServer2 --------------------------------------------------------------------------


class Counting(HiveConnection):
    """Counts what it asks Hive."""

    def __init__(self, server: HiveServer) -> None:
        connection = Connection(kind="hive", host=server.host, port=server.port, user=server.user)
        super().__init__("hive", connection)
        self.asked: list[str] = []

    @contextmanager
    def _executed(self, statement: str) -> Iterator[Any]:
        self.asked.append(statement)
        with super()._executed(statement) as cursor:
            yield cursor


@pytest.fixture
def hive(hive_server: HiveServer) -> Iterator[Counting]:
    connection = Counting(hive_server)
    with connection:
        yield connection


@pytest.fixture
def layer() -> str:
    """A database of the test's own."""
    return f"t_{secrets.token_hex(4)}"


@pytest.fixture
def root(hdfs_server: HdfsServer, layer: str) -> str:
    """A lake of the test's own, whose user is Hive's, as where HiveServer2 acts for its users."""
    hdfs_server.make_folder(f"/data/lake/{layer}", "hive")
    return f"/data/lake/{layer}"


def store_of(server: HdfsServer, root: str) -> HdfsStore:
    hdfs = Hdfs("hdfs", Connection(kind="hdfs", url=server.url, user="hive"))
    return HdfsStore(hdfs, root, "hive1")


@pytest.mark.server
def test_a_year_of_partitions_in_at_most_five_statements(
    hive: Counting, layer: str, root: str
) -> None:
    daily = table({"id": "int64"}, DT, layer=layer, folder=f"{root}/prep/sales")
    days = [f"dt={date(2024, 1, 1) + timedelta(days=n)}" for n in range(365)]
    folders = {day: f"{daily.folder}/{day}" for day in days}

    def register(folders: dict[str, str]) -> int:
        hive.asked.clear()
        prepared = hive_tables.prepare(hive, daily)
        known = hive_tables.registered(hive, prepared, folders)
        for change in hive_tables.changes(prepared, folders, known):
            hive.run(change.statement)
        return len(hive.asked)

    assert register(folders) <= 5  # the table and its database are new
    assert hive_tables.show_partitions(hive, daily) == days
    assert register(folders) == 2  # looked at, nothing to do
    more = {f"dt={date(2025, 1, 1) + timedelta(days=n)}": "" for n in range(365)}
    more = {day: f"{daily.folder}/{day}/_v_1/rows" for day in more}
    assert register(more) == 3
    assert len(hive_tables.locations(hive, daily)) == 730
    assert hive_tables.locations(hive, daily, ["dt=2025-01-07"]) == {
        "dt=2025-01-07": hive_tables.described(hive, daily).location  # type: ignore[union-attr]
        + "/dt=2025-01-07/_v_1/rows"
    }


@pytest.mark.server
def test_hostile_titles_are_stored_as_they_are(hive: Counting, layer: str, root: str) -> None:
    titles = [
        "it's \"q\" `b` \\ \\' \\\\",
        "${env:PATH} ${system:user.name};",
        "-- x\n/* y */; 매출",
    ]
    columns = [
        hive_tables.hive_column(f"c{n}", parse_type("string"), title)
        for n, title in enumerate(titles)
    ]
    made = HiveTable(layer, "hostile", titles[0], tuple(columns), (DT,), f"{root}/prep/hostile")
    hive_tables.prepare(hive, made)
    rows = hive.rows(f"DESCRIBE {made.sql}")
    assert [row[2] for row in rows[:3]] == [" ".join(title.split()) for title in titles]
    facts = {str(row[1]).strip(): row[2] for row in hive.rows(f"DESCRIBE FORMATTED {made.sql}")}
    assert "it's" in facts["comment"]
    assert hive_tables.prepare(hive, made).fresh is False


@pytest.mark.server
def test_sync_makes_adds_moves_and_drops(hive: Counting, layer: str, root: str) -> None:
    daily = table({"id": "int64"}, DT, layer=layer, folder=f"{root}/prep/sales")
    first, second, third = ("dt=2025-07-01", "dt=2025-07-02", "dt=2025-07-03")
    folders = {first: f"{daily.folder}/{first}", second: f"{daily.folder}/{second}/_v_1/rows"}

    def sync(made: HiveTable, folders: dict[str, str], act: bool = True) -> list[str]:
        told = []
        for change in hive_tables.sync(hive, made, lambda: folders):
            told.append(change.what)
            if act:
                hive.run(change.statement)
        return told

    both = [
        f"the database {layer}, unless it is there",
        "no such table in Hive",
        "2 partitions not registered",
    ]
    assert sync(daily, folders, act=False) == both
    assert hive_tables.described(hive, daily) is None
    assert hive_tables.locations(hive, daily) == {}
    assert sync(daily, folders) == both
    assert sync(daily, folders) == []
    # A location that was lost and whose folder is gone: Hive explains nothing of such a table.
    folders = {second: f"{daily.folder}/{second}", third: f"{daily.folder}/{third}"}
    hive.run(hive_tables.use(layer))
    gone = f"{hive_tables.described(hive, daily).location}/gone"  # type: ignore[union-attr]
    hive.run(hive_tables.set_location(daily, second, gone))
    assert sync(daily, folders) == [
        "1 partition without files",
        "1 partition not registered",
        "its database, for SET LOCATION",
        f"{second} moved",
    ]
    found = hive_tables.locations(hive, daily)
    assert {part: hive_tables.path_of(place) for part, place in found.items()} == folders
    wider = table({"id": "int64", "n": "string"}, DT, layer=layer, folder=daily.folder)
    with pytest.raises(PermanentError, match="new: n string"):
        hive_tables.prepare(hive, wider)
    assert sync(wider, folders) == ["new: n string"]
    # The partitions that there were have it, too.
    columns = hive.rows(f"DESCRIBE {daily.sql} PARTITION (dt='2025-07-02')")
    assert [row[0] for row in columns[:3]] == ["id", "n", "dt"]
    retyped = table({"id": "int32", "n": "string"}, DT, layer=layer, folder=daily.folder)
    with pytest.raises(PermanentError, match="column id is bigint, declared int"):
        sync(retyped, folders)


_US = pa.timestamp("us")

AWKWARD: dict[str, list[Any]] = {
    "string": ["가나다 홍길동", "", "a\nb\tc\r\\'\"${env:PATH}\x01", "👍 é", None],
    "int8": [-128, 127, 0, 1, None],
    "int16": [-(2**15), 2**15 - 1, 0, 1, None],
    "int32": [-(2**31), 2**31 - 1, 0, 1, None],
    "int64": [-(2**63), 2**63 - 1, 0, 1, None],
    "float32": [-0.0, 2.0**127, 2.0**-149, float("inf"), None],
    "float64": [-0.0, 1.7976931348623157e308, 5e-324, 0.1, None],
    "boolean": [True, False, True, False, None],
    "date": [date(1582, 10, 15), date(9999, 12, 31), date(1988, 5, 8), date(1970, 1, 1), None],
    "timestamp": [
        datetime(1987, 5, 10, 3, 30, 0, 1),  # Seoul's clocks jumped here from 2 to 3
        datetime(9999, 12, 31, 23, 59, 59, 999999),
        datetime(1960, 1, 1, 0, 0, 0, 123456),
        datetime(2025, 7, 1),
        None,
    ],
    "timestamptz": [
        datetime(2025, 7, 1, 0, 0, 0, 1, timezone.utc),
        datetime(2025, 6, 30, 15, 0, tzinfo=timezone.utc),
        datetime(1999, 12, 31, 23, 59, 59, 999999, timezone.utc),
        datetime(2038, 1, 19, 3, 14, 8, tzinfo=timezone.utc),
        None,
    ],
    "binary": [b"\x00\xff\x01", b"", "가".encode(), b"\n\\", None],
    "decimal(38,10)": [
        Decimal("9" * 28 + "." + "9" * 10),
        Decimal("-" + "9" * 28 + "." + "9" * 10),
        Decimal("0.0000000001"),
        Decimal(0),
        None,
    ],
    "decimal(38,0)": [Decimal(10**38 - 1), Decimal(1 - 10**38), Decimal(0), Decimal(7), None],
    "decimal(18,2)": [Decimal("1.00"), Decimal("-0.01"), Decimal("9" * 16 + ".99"), 0, None],
    "decimal(5,5)": [Decimal("0.00001"), Decimal("-0.99999"), Decimal("0.10000"), 0, None],
}


def awkward(shift: int) -> pa.Table:
    """Every type with its awkward values, the rows begun at another one."""
    columns = {}
    for number, (name, values) in enumerate(AWKWARD.items()):
        of = parse_type(name).arrow()
        columns[f"c{number}"] = pa.array(values[shift:] + values[:shift], of)
    return pa.table(columns)


@pytest.mark.server
@pytest.mark.slow
def test_every_type_is_read_in_hive_as_in_the_lake_in_two_zones(
    hdfs_server: HdfsServer, hive_server: HiveServer, layer: str, root: str
) -> None:
    store = store_of(hdfs_server, root)
    days = [Partition("prep", "types", "daily", f"2025-07-0{n}") for n in (1, 2)]
    month = Partition("prep", "months", "monthly", "2025-07")

    def publish(partition: Partition, rows: pa.Table) -> None:
        with store.writer(partition, rows.schema) as writer:
            for batch in rows.to_batches():
                writer.write(batch)
            writer.publish()

    publish(days[0], awkward(0))
    with store.version(days[1], awkward(1).schema) as version:
        for batch in awkward(1).to_batches():
            version.write(batch)
        version.publish()
    publish(month, awkward(0))
    types = {f"c{number}": name for number, name in enumerate(AWKWARD)}
    daily = table(types, DT, layer=layer, name="types", folder=f"{root}/prep/types")
    monthly = table(types, HiveColumn("ym", "string"), layer=layer, folder=f"{root}/prep/months")
    schema = pa.schema(
        [(name, awkward(0).schema.field(name).type) for name in types] + [("dt", pa.date32())]
    )
    # Hive has no instants: they come as their UTC wall time.
    wire = pa.schema(
        [(field.name, _wall(field.type)) for field in schema],
    )
    expected = store.read(days).cast(wire)

    def held(server: HiveServer) -> None:
        with Counting(server) as hive:
            for made, parts in ((daily, days), (monthly, [month])):
                prepared = hive_tables.prepare(hive, made)
                names = [
                    f"{column}={value}" for one in parts for column, value in one.values.items()
                ]
                folders = dict(zip(names, store.folders(parts), strict=True))
                for change in hive_tables.changes(
                    prepared, folders, hive_tables.registered(hive, prepared, folders)
                ):
                    hive.run(change.statement)
            read = pa.Table.from_batches(
                hive.batches(f"SELECT * FROM {daily.sql} WHERE dt >= '2025-07-01'", wire), wire
            ).sort_by([("dt", "ascending")])
            for name in wire.names:
                assert read[name].to_pylist() == expected[name].to_pylist(), (
                    name,
                    server.time_zone,
                )
            [(ym, count)] = hive.rows(f"SELECT ym, count(*) FROM {monthly.sql} GROUP BY ym")
            assert (ym, count) == ("2025-07", 5)
            # What Seoul's clocks never showed cannot be told there: no source of Seoul wall time
            # has it, an instant of those hours of 1987 and 1988 is an hour late.
            skipped = datetime(1987, 5, 10, 2, 30)
            publish(days[0], awkward(0).slice(0, 1).set_column(9, "c9", pa.array([skipped], _US)))
            [(shown,)] = hive.rows(f"SELECT c9 FROM {daily.sql} WHERE dt = '2025-07-01'")
            late = timedelta(hours=server.time_zone == "Asia/Seoul")
            assert shown == skipped + late
            # A file that is replaced is seen without any statement.
            publish(days[0], awkward(0).slice(0, 2))
            asked = f"SELECT count(*) FROM {daily.sql} WHERE dt = CAST('2025-07-01' AS DATE)"
            assert hive.rows(asked) == [(2,)]
            publish(days[0], awkward(0))
            assert hive.rows(asked) == [(5,)]

    assert hive_server.time_zone == "Asia/Seoul"
    held(hive_server)
    with running_hive(hdfs_server, time_zone="UTC") as utc:
        held(utc)


def _wall(of: pa.DataType) -> pa.DataType:
    return _US if pa.types.is_timestamp(of) else of
