"""Tables of a real HiveServer2 as a source: exact values, partitions, totals, what is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from resources import sql
from resources.errors import LakeError, PermanentError, TransientError
from resources.hive import HiveConnection
from resources.hive_source import HiveSource, connect, lake_type
from resources.source import Column, SourceColumn, Span, Table, Window
from resources.splits import Rule, cuts, ranges
from resources.types import parse_type
from tests.resources.test_hive import connection
from tests.servers.hive import HiveServer

pytestmark = pytest.mark.server

TYPES = {
    "id": "int64",
    "name": "string",
    "amount": "decimal(18,2)",
    "qty": "int32",
    "at": "timestamp",
    "share": "float64",
    "dt": "date",
}
ROWS: list[tuple[Any, ...]] = [
    (1, "서울 '중앙점'", Decimal("10.50"), 3, datetime(2025, 7, 1, 0, 0, 0, 1), 0.1, "2025-07-01"),
    (
        2,
        "",
        Decimal("-9007199254740993.01"),
        None,
        datetime(2025, 7, 1, 23, 59, 59),
        0.2,
        "2025-07-01",
    ),
    (3, None, None, 7, datetime(2025, 7, 1, 9), None, "2025-07-01"),
    (2**62, "line\nbreak", Decimal("0.00"), 1, datetime(2025, 7, 3, 9, 30), 1e300, "2025-07-03"),
    (2**62 + 1, "a\\b", Decimal("1.00"), 1, datetime(2025, 7, 3, 10), 0.5, "2025-07-03"),
    (6, "나", Decimal("2.00"), 1, datetime(2025, 8, 1, 0), 0.5, "2025-08-01"),
]
DAYS = Span(date(2025, 7, 1), date(2025, 7, 4), "daily")


@pytest.fixture(scope="module")
def hive(hive_server: HiveServer) -> Iterator[HiveConnection]:
    """A database with `sales` partitioned by dt, and `flat`, the same rows without partitions."""
    with HiveConnection("hive", connection(hive_server)) as hive:
        hive.run("CREATE DATABASE IF NOT EXISTS source_test")
        hive.run("USE source_test")
        columns = (
            "id BIGINT, name STRING, amount DECIMAL(18,2), qty INT, at TIMESTAMP, share DOUBLE"
        )
        hive.run(f"CREATE TABLE sales ({columns}) PARTITIONED BY (dt DATE) STORED AS PARQUET")
        hive.run(
            f"CREATE TABLE flat ({columns}, dt DATE, ymd STRING, code CHAR(5), tags "
            "ARRAY<INT>) STORED AS ORC"
        )
        types = ("BIGINT", "STRING", "DECIMAL(18,2)", "INT", "TIMESTAMP", "DOUBLE", "DATE")
        selects = " UNION ALL ".join(
            "SELECT "
            + ", ".join(
                f"CAST({sql.literal(value, 'hive')} AS {type_}) AS c{i}"
                for i, (value, type_) in enumerate(zip(row, types, strict=True))
            )
            for row in ROWS
        )
        hive.run(f"INSERT INTO TABLE sales PARTITION (dt) SELECT * FROM ({selects}) AS q")
        hive.run(
            "INSERT INTO TABLE flat SELECT q.*, REGEXP_REPLACE(CAST(dt AS STRING), '-', ''), "
            "'ab', ARRAY(1, 2) FROM sales AS q"
        )
        yield hive
        hive.run("DROP DATABASE source_test CASCADE")


@pytest.fixture(scope="module")
def source(hive: HiveConnection, hive_server: HiveServer) -> Iterator[HiveSource]:
    with connect("hive", connection(hive_server, database="source_test")) as source:
        yield source


def table(name: str | None = "sales", types: dict[str, str] | None = None, **given: Any) -> Table:
    columns = tuple(Column(n, n, parse_type(t)) for n, t in (types or TYPES).items())
    return Table(columns=columns, schema="source_test" if name else None, table=name, **given)


def read(source: HiveSource, what: Table, span: Span | None = None) -> tuple[pa.Table, Any]:
    with source.read(what, span) as reading:
        found = pa.Table.from_batches(reading.batches, reading.schema)
        assert reading.reconciled == "before and after"
        return found, {key: (one.rows, dict(one.sums)) for key, one in reading.totals.items()}


def expected(rows: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    return [dict(zip(TYPES, (*row[:-1], date.fromisoformat(row[-1])), strict=True)) for row in rows]


def statements(source: HiveSource, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked for in bulk from now on."""
    asked: list[str] = []
    original = source._hive.batches

    def batches(statement: str, schema: pa.Schema) -> Any:
        asked.append(statement)
        return original(statement, schema)

    monkeypatch.setattr(source._hive, "batches", batches)
    return asked


def test_a_table_is_described_with_its_partition_columns(source: HiveSource) -> None:
    found = source.describe(table("sales", {"ID": "int64"}))
    assert [(one.name, one.type.name if one.type else None) for one in found] == [
        ("ID", "int64"),
        *list(TYPES.items())[1:],
    ]
    flat = {one.name: one for one in source.describe(table("flat"))}
    assert flat["code"] == SourceColumn("code", parse_type("string"), "char(5)", True)
    assert flat["tags"] == SourceColumn("tags", None, "array<int>", True)


@pytest.mark.parametrize("shown", ["decimal(38,10)", "varchar(3)", "tinyint", "uniontype<int>"])
def test_types(shown: str) -> None:
    names = {"varchar(3)": "string", "tinyint": "int8", "uniontype<int>": None}
    found = lake_type(shown)
    assert (found.name if found else None) == names.get(shown, shown)


def test_all_of_a_table_is_exact(source: HiveSource) -> None:
    found, totals = read(source, table(sums=("amount", "qty", "id"), order_by=("id",)))
    assert found.to_pylist() == sorted(expected(ROWS), key=lambda row: row["id"])
    amount = sum((row[2] for row in ROWS if row[2] is not None), Decimal())
    ids = sum(row[0] for row in ROWS)
    assert ids > 2**63  # of which Hive's own sum would be negative
    assert totals == {"": (6, {"amount": amount, "qty": 13, "id": ids})}


def test_partitions_are_read_one_by_one_without_a_sort(
    source: HiveSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = statements(source, monkeypatch)
    what = table(window=Window("dt", "date"), sums=("amount",))
    found, totals = read(source, what, DAYS)
    assert sorted(found.to_pylist(), key=lambda row: row["id"]) == expected(ROWS[:5])
    assert found["dt"].to_pylist() == [date(2025, 7, 1)] * 3 + [date(2025, 7, 3)] * 2
    assert totals == {
        "2025-07-01": (3, {"amount": Decimal("-9007199254740982.51")}),
        "2025-07-03": (2, {"amount": Decimal("1.00")}),
    }
    assert len(asked) == 2
    assert not any("ORDER BY" in one for one in asked)


@pytest.mark.parametrize("name", ["sales", "flat"])
def test_parts_of_a_partition_are_all_of_it(source: HiveSource, name: str) -> None:
    """Whether the window column is a folder's or an ordinary one."""
    july = Span(date(2025, 7, 1), date(2025, 8, 1), "monthly")
    what = table(name, window=Window("dt", "date"), order_by=("id",), sums=("id", "amount"))
    whole, totals = read(source, what, july)
    found = source.survey(what, july, "id", ends=True)
    ids = [row[0] for row in ROWS if row[-1] < "2025-08"]
    assert (found.low, found.high) == (min(ids), max(ids))
    assert (found.totals.rows, dict(found.totals.sums)) == totals["2025-07"]
    parts = [
        read(source, replace(what, split=part), july)[0]
        for part in ranges("id", cuts(Rule("id", 2), parse_type("int64"), 1, 2**62), nullable=True)
    ]
    assert [part.num_rows for part in parts] == [3, 2, 0]
    assert pa.concat_tables(parts) == whole.sort_by("id")


def test_a_partitions_statement_reads_its_folder_only(
    source: HiveSource, hive: HiveConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = statements(source, monkeypatch)
    read(source, table(window=Window("dt", "date")), DAYS)
    plan = "".join(line for (line,) in hive.rows(f"EXPLAIN EXTENDED {asked[0]}"))
    assert set(re.findall(r"dt 2025-\d\d-\d\d", plan)) == {"dt 2025-07-01"}


@pytest.mark.parametrize("order_by", [(), ("amount", "id")])
def test_an_ordinary_column_is_read_in_one_sorted_statement(
    source: HiveSource, monkeypatch: pytest.MonkeyPatch, order_by: tuple[str, ...]
) -> None:
    asked = statements(source, monkeypatch)
    what = table("flat", window=Window("at", "timestamp"), order_by=order_by)
    found, totals = read(source, what, Span(date(2025, 7, 1), date(2025, 9, 1), "monthly"))
    assert found["at"].to_pylist() == sorted(row[4] for row in ROWS)
    assert {key: rows for key, (rows, _) in totals.items()} == {"2025-07": 5, "2025-08": 1}
    assert len(asked) == 1
    assert "ORDER BY" in asked[0]


def test_hours(source: HiveSource) -> None:
    hours = Span(datetime(2025, 7, 1, 9), datetime(2025, 7, 2), "hourly")
    found, totals = read(source, table("flat", window=Window("at", "timestamp")), hours)
    assert found["id"].to_pylist() == [3, 2]
    assert {key: rows for key, (rows, _) in totals.items()} == {
        "2025-07-01-09": 1,
        "2025-07-01-23": 1,
    }


def test_text_days_and_char_and_lists(source: HiveSource) -> None:
    types = {"id": "int64", "ymd": "string", "code": "string", "tags": "string"}
    what = table("flat", types, window=Window("ymd", "yyyymmdd"), order_by=("id",))
    found, totals = read(source, what, Span(date(2025, 8, 1), date(2025, 8, 2), "daily"))
    assert found.to_pylist() == [{"id": 6, "ymd": "20250801", "code": "ab", "tags": "[1,2]"}]
    assert list(totals) == ["2025-08-01"]


def test_a_filter_and_an_equal_column(source: HiveSource) -> None:
    what = table(
        filter="amount > :least AND name NOT LIKE '%\n%'",
        params={"least": 0},
        equal={"name": "a\\b"},
    )
    found, totals = read(source, what)
    assert found["id"].to_pylist() == [2**62 + 1]
    assert totals == {"": (1, {})}


def test_other_types_than_hives(source: HiveSource) -> None:
    types = {"id": "decimal(20,0)", "qty": "int8", "amount": "decimal(20,4)", "dt": "timestamp"}
    found, _ = read(source, table("sales", types, filter="id = 1"))
    assert found.to_pylist() == [
        {"id": Decimal(1), "qty": 3, "amount": Decimal("10.5000"), "dt": datetime(2025, 7, 1)}
    ]
    assert found.schema.types == [parse_type(type_).arrow() for type_ in types.values()]


QUERY = """
-- the days it reads are its own
SELECT q.id, q.name, CAST(q.amount * 2 AS DECIMAL(20,2)) AS doubled, q.dt AS day
FROM source_test.sales q WHERE q.dt >= :start AND q.dt < :end AND q.name <> ':start ${env:PATH}'
"""


def test_a_query(source: HiveSource) -> None:
    types = {"id": "int64", "name": "string", "doubled": "decimal(20,2)", "day": "date"}
    what = table(None, types, query=QUERY, window=Window("day", "date"), sums=("doubled",))
    assert [(one.name, one.shown) for one in source.describe(what)] == [
        *(("id", "bigint"), ("name", "string"), ("doubled", "decimal(20,2)"), ("day", "date")),
    ]
    found, totals = read(source, what, DAYS)
    assert found["day"].to_pylist() == [date(2025, 7, 1)] * 2 + [date(2025, 7, 3)] * 2
    assert totals["2025-07-03"] == (2, {"doubled": Decimal("2.00")})


def test_peek(source: HiveSource) -> None:
    found = source.peek(table("sales", {"id": "int64", "dt": "date"}), 2)
    assert found.num_rows == 2
    assert found.schema == pa.schema([("id", pa.int64()), ("dt", pa.date32())])
    what = table(window=Window("dt", "date"))
    (row,) = source.peek(what, 2, Span(date(2025, 8, 1), date(2025, 8, 2), "daily")).to_pylist()
    assert [row] == expected(ROWS[5:])


def test_no_rows(source: HiveSource) -> None:
    empty = Span(date(2024, 1, 1), date(2024, 1, 3), "daily")
    for name in ("sales", "flat"):
        found, totals = read(source, table(name, window=Window("dt", "date")), empty)
        assert (found.num_rows, totals) == (0, {})


def test_rows_that_come_while_reading_are_noticed(source: HiveSource, hive: HiveConnection) -> None:
    what = table(window=Window("dt", "date"), sums=("amount",))
    span = Span(date(2025, 8, 1), date(2025, 8, 3), "daily")
    row = "9, 'x', NULL, 1, NULL, NULL, CAST('2025-08-02' AS DATE)"
    with source.read(what, span) as reading:
        hive.run(f"INSERT INTO TABLE sales PARTITION (dt) SELECT {row} FROM (SELECT 1) AS one")
        with pytest.raises(TransientError, match=r"changed while being read .2025-08-02."):
            list(reading.batches)
    hive.run("ALTER TABLE sales DROP PARTITION (dt = '2025-08-02')")
    with source.read(what, span) as reading:
        assert sum(batch.num_rows for batch in reading.batches) == 1


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (
            table("slaes"),
            "no such table, or the user may not see it; did you mean 'source_test.sales'",
        ),
        (Table(table("sales").columns, "nowhere", "sales"), "no such table, or the user"),
        (table("sales", {"idd": "int64"}), "no column 'idd'; did you mean 'id'"),
        (table("sales", {"id": "date"}), "'id' is bigint, which cannot become date without loss"),
        (table("sales", {"amount": "decimal(5,2)"}), "'amount' .decimal.18,2.. cannot become dec"),
        (table("sales", {"at": "date"}), "'at' .timestamp. cannot become date unchanged"),
        (table("sales", {"id": "int32"}), "'id' .bigint. cannot become int32 unchanged"),
        (
            table(None, {"a": "int32"}, query="SELECT 1 AS a; DROP TABLE sales"),
            "must be one SELECT",
        ),
        (table(None, {"a": "int32"}, query="SELECT nope AS a FROM source_test.sales"), "'nope'"),
        (table("sales", filter="nope = 1"), "nope is no declared column"),
    ],
)
def test_what_is_refused(source: HiveSource, what: Table, said: str) -> None:
    with pytest.raises(PermanentError, match=said) as told:
        read(source, what)
    assert "9007199254740993" not in str(told.value)


def test_rows_without_a_day_are_refused(source: HiveSource, hive: HiveConnection) -> None:
    hive.run("CREATE TABLE dayless (id INT) PARTITIONED BY (dt DATE) STORED AS ORC")
    insert = "INSERT INTO TABLE dayless PARTITION (dt) SELECT 1, CAST({} AS DATE) FROM (SELECT 1) o"
    hive.run(insert.format("'2025-07-01'"))
    types = {"id": "int32", "dt": "date"}
    what = table("dayless", types, window=Window("dt", "date"))
    assert read(source, what, DAYS)[0].num_rows == 1
    hive.run(insert.format("NULL"))
    with pytest.raises(PermanentError, match="1 rows have NULL in the window column 'dt'"):
        read(source, what, DAYS)
    excluded = table("dayless", types, window=Window("dt", "date"), filter="dt IS NOT NULL")
    assert read(source, excluded, DAYS)[0].num_rows == 1


def test_a_query_that_leaves_its_days_is_refused(source: HiveSource) -> None:
    query = "SELECT id, dt FROM source_test.sales WHERE dt >= :start"
    what = table(None, {"id": "int64", "dt": "date"}, query=query, window=Window("dt", "date"))
    with pytest.raises(LakeError, match="the window column has 2025-08-01, which is no day from"):
        read(source, what, DAYS)
