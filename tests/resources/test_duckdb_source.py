"""A DuckDB file reads like the server it stands for: exact types, windows, clear errors."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal as D
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from resources.duckdb_source import connect
from resources.errors import LakeError, PermanentError, TransientError
from resources.settings import Connection
from resources.source import Column, Source, Span, Table, Totals, Window
from resources.types import parse_type
from tests.resources.reading import table


def source(path: Path) -> Source:
    return connect("hana_bw", Connection(kind="duckdb", path=str(path)))


def rows_of(path: Path, what: Table, span: Span | None = None) -> pa.Table:
    with source(path) as opened, opened.read(what, span) as reading:
        return pa.Table.from_batches(reading.batches, reading.schema)


def make(path: Path, *statements: str) -> Path:
    with duckdb.connect(path) as db:
        for statement in statements:
            db.execute(statement)
    return path


EXACT: list[tuple[str, str, Sequence[str], list[Any]]] = [
    ("TINYINT", "int8", ["-128"], [-128]),
    ("UTINYINT", "int16", ["255"], [255]),
    ("UINTEGER", "int64", ["4294967295"], [4294967295]),
    ("BIGINT", "int64", ["-9223372036854775808"], [-(2**63)]),
    ("BIGINT", "int32", ["2147483647"], [2**31 - 1]),
    ("BIGINT", "decimal(5,2)", ["-999"], [D("-999.00")]),
    ("UBIGINT", "int64", ["9223372036854775807"], [2**63 - 1]),
    ("HUGEINT", "decimal(38,0)", ["9" * 38], [D("9" * 38)]),
    ("DECIMAL(18,2)", "decimal(18,2)", ["9007199254740993.01"], [D("9007199254740993.01")]),
    ("DECIMAL(18,2)", "decimal(38,10)", ["-0.01"], [D("-0.0100000000")]),
    ("DECIMAL(20,4)", "decimal(10,2)", ["12345678.9000"], [D("12345678.90")]),
    ("DECIMAL(18,2)", "int64", ["9007199254740993"], [9007199254740993]),
    ("DECIMAL(18,2)", "string", ["1.5"], ["1.50"]),
    ("FLOAT", "float32", ["0.5"], [0.5]),
    ("FLOAT", "float64", ["0.5"], [0.5]),
    ("DOUBLE", "float64", ["1e300"], [1e300]),
    ("BOOLEAN", "boolean", ["true"], [True]),
    ("VARCHAR", "string", ["", "서울 '점' \\ \n"], ["", "서울 '점' \\ \n"]),
    ("ENUM('맑음', '흐림')", "string", ["맑음"], ["맑음"]),
    ("TIME", "string", ["10:00:00"], ["10:00:00"]),
    ("BLOB", "binary", ["\\x00\\xFF"], [b"\x00\xff"]),
    ("DATE", "date", ["0001-01-01", "9999-12-31"], [date(1, 1, 1), date(9999, 12, 31)]),
    ("DATE", "timestamp", ["2025-07-01"], [datetime(2025, 7, 1)]),
    ("TIMESTAMP", "date", ["2025-07-01"], [date(2025, 7, 1)]),
    ("TIMESTAMP", "timestamp", ["2025-07-01 23:59:59.999999"],
     [datetime(2025, 7, 1, 23, 59, 59, 999999)]),
    ("TIMESTAMP_S", "timestamp", ["2025-07-01 10:00:00"], [datetime(2025, 7, 1, 10)]),
    ("TIMESTAMPTZ", "timestamptz", ["2025-07-01 00:00:00.000001+09"],
     [datetime(2025, 7, 1, 0, 0, 0, 1, timezone(timedelta(hours=9)))]),
]  # fmt: skip
REFUSED: list[tuple[str, str, str, str]] = [
    ("BIGINT", "int32", "2147483648", "1 values of 'v' (BIGINT) cannot become int32 unchanged"),
    ("HUGEINT", "int64", "9223372036854775808", "cannot become int64 unchanged"),
    ("UBIGINT", "int64", "18446744073709551615", "unchanged (for example id 7)"),
    ("DECIMAL(18,4)", "decimal(18,2)", "1.005", "cannot become decimal(18,2) unchanged"),
    ("DECIMAL(38,0)", "decimal(38,10)", "9" * 38, "cannot become decimal(38,10) unchanged"),
    ("DECIMAL(18,2)", "int64", "0.5", "cannot become int64 unchanged"),
    ("TIMESTAMP", "date", "2025-07-01 00:00:01", "cannot become date unchanged"),
    ("DATE", "date", "infinity", "cannot become date unchanged"),
    ("TIMESTAMP", "timestamp", "-infinity", "cannot become timestamp unchanged"),
    ("VARCHAR", "int64", "1", "declare string"),
    ("DOUBLE", "decimal(18,2)", "1", "declare float64"),
    ("TIMESTAMP_NS", "timestamp", "2025-07-01", "cannot become timestamp without loss"),
]


@pytest.mark.parametrize(
    ("type_", "declared", "texts", "values"), EXACT, ids=[f"{a}-{b}" for a, b, *_ in EXACT]
)
def test_values_arrive_unchanged(
    tmp_path: Path, type_: str, declared: str, texts: list[str], values: list[Any]
) -> None:
    path = tmp_path / "s.duckdb"
    with duckdb.connect(path) as db:
        db.execute(f"CREATE TABLE v (id INTEGER, v {type_})")
        for number, text in enumerate([*texts, None]):
            db.execute(f"INSERT INTO v VALUES (?, CAST(?::VARCHAR AS {type_}))", [number, text])
    what = table({"id": "int32", "v": declared}, "v", order_by=("id",))
    found = rows_of(path, what)
    assert found.schema.field("v").type == parse_type(declared).arrow()
    assert found["v"].to_pylist() == [*values, None]
    asked = Table(what.columns, query="SELECT * FROM v", order_by=("id",))
    assert rows_of(path, asked).equals(found)


@pytest.mark.parametrize(("type_", "declared", "text", "said"), REFUSED)
def test_values_that_would_change_are_refused(
    tmp_path: Path, type_: str, declared: str, text: str, said: str
) -> None:
    path = make(tmp_path / "s.duckdb", f"CREATE TABLE v AS SELECT 7 AS id, '{text}'::{type_} AS v")
    with pytest.raises(PermanentError) as told:
        rows_of(path, table({"id": "int32", "v": declared}, "v", order_by=("id",)))
    assert said in str(told.value)


def test_describe_and_peek(tmp_path: Path) -> None:
    path = make(
        tmp_path / "s.duckdb",
        'CREATE TABLE "/BIC/매출" ("금액" DECIMAL(18,2) NOT NULL, h HUGEINT, t TIMESTAMPTZ)',
        "INSERT INTO \"/BIC/매출\" VALUES (1.50, 2, '2025-07-01 00:00:00+09'), (2, NULL, NULL)",
    )
    what = Table((Column("amount", "금액", parse_type("decimal(18,2)")),), table="/BIC/매출")
    with source(path) as opened:
        assert [
            (c.name, c.type and c.type.name, c.shown, c.nullable) for c in opened.describe(what)
        ] == [
            ("금액", "decimal(18,2)", "DECIMAL(18,2)", False),
            ("h", None, "HUGEINT", True),
            ("t", "timestamptz", "TIMESTAMP WITH TIME ZONE", True),
        ]
        assert opened.peek(what, 1).to_pylist() == [{"amount": D("1.50")}]


@pytest.mark.parametrize(
    ("type_", "declared", "kind", "texts"),
    [
        ("DATE", "date", "date", ["2025-06-30", "2025-07-01", "2025-07-31", "2025-08-01"]),
        ("TIMESTAMP", "timestamp", "timestamp",
         ["2025-06-30 23:59:59.999999", "2025-07-01", "2025-07-31 23:59:59.999999", "2025-08-01"]),
        ("TIMESTAMPTZ", "timestamptz", "timestamp",
         ["2025-06-30 23:59:59.999999+09", "2025-06-30 15:00:00+00",
          "2025-07-31 14:59:59.999999+00", "2025-07-31 15:00:00+00"]),
        ("VARCHAR", "string", "yyyymmdd", ["20250630", "20250701", "20250731", "20250801"]),
        ("INTEGER", "int32", "yyyymmdd", ["20250630", "20250701", "20250731", "20250801"]),
        ("HUGEINT", "int32", "yyyymmdd", ["20250630", "20250701", "20250731", "20250801"]),
        ("DECIMAL(8,0)", "decimal(8,0)", "yyyymmdd",
         ["20250630", "20250701", "20250731", "20250801"]),
        ("DECIMAL(10,2)", "decimal(8,0)", "yyyymmdd",
         ["20250630", "20250701", "20250731", "20250801"]),
    ],
)  # fmt: skip
def test_windows_take_their_days_and_no_other(
    tmp_path: Path, type_: str, declared: str, kind: Any, texts: list[str]
) -> None:
    values = ", ".join(f"({10 - i}, '{text}')" for i, text in enumerate(texts))
    path = make(
        tmp_path / "s.duckdb",
        f"CREATE TABLE w (id INTEGER, day {type_})",
        f"INSERT INTO w VALUES {values}",
    )
    types = {"id": "int32", "day": declared}
    what = table(types, "w", window=Window("day", kind), sums=("id",), filter="id > :low",
                 params={"low": 0})  # fmt: skip
    july = Span(date(2025, 7, 1), date(2025, 8, 1), "daily")
    with source(path) as opened:
        with opened.read(what, july) as reading:
            assert reading.totals == {
                "2025-07-01": Totals(1, {"id": 9}),
                "2025-07-31": Totals(1, {"id": 8}),
            }
            assert [v for b in reading.batches for v in b["id"].to_pylist()] == [9, 8]
        with opened.read(what, Span(july.start, july.end, "monthly")) as reading:
            assert reading.totals == {"2025-07": Totals(2, {"id": 17})}
        with opened.read(what) as reading:
            assert reading.totals == {"": Totals(4, {"id": 34})}
    make(path, "INSERT INTO w VALUES (5, NULL)")
    with pytest.raises(PermanentError, match="1 rows have NULL in the window column 'day'"):
        rows_of(path, what, july)


def test_a_partition_of_many_batches_is_sorted(tmp_path: Path) -> None:
    path = make(
        tmp_path / "s.duckdb",
        "CREATE TABLE s AS SELECT (i * 7919) % 200000 AS id, DATE '2025-07-01' + (i % 31)::INT AS "
        "day, (i / 7.0)::DECIMAL(18,2) AS amount FROM range(200000) r(i)",
    )
    types = {"id": "int64", "day": "date", "amount": "decimal(18,2)"}
    what = table(types, "s", window=Window("day", "date"), order_by=("id",), sums=("amount",))
    with source(path) as opened:
        with opened.read(what, Span(date(2025, 7, 1), date(2025, 8, 1), "daily")) as reading:
            batches = list(reading.batches)
            assert len(batches) > 1
            found = pa.Table.from_batches(batches)
            assert len(reading.totals) == 31
        with opened.read(what, Span(date(2025, 7, 1), date(2025, 8, 1), "monthly")) as reading:
            total = reading.totals["2025-07"].sums["amount"]
    assert found.equals(found.sort_by([("day", "ascending"), ("id", "ascending")]))
    assert found.num_rows == 200000
    assert total == sum(found["amount"].to_pylist())


T = table({"id": "int32"}, "here")
ERRORS: list[tuple[str, Table, list[str]]] = [
    ("table", table({"id": "int32"}, "hree", schema="main"), ["main.hree", "'main.here'"]),
    ("column", table({"idd": "int32"}, "here"), ["no column 'idd'; did you mean 'id'"]),
    ("query", Table(T.columns, query="SELECT nothing AS id FROM here"), ["nothing", "not found"]),
    ("outside", Table(T.columns, query="SELECT * FROM read_csv('/etc/passwd')"), ["disabled"]),
    ("write", Table(T.columns, query="DELETE FROM here RETURNING id"), ["(query)", "one SELECT"]),
    ("value", Table(T.columns, query="SELECT '900101'::VARCHAR::DATE AS id"), ["declare date"]),
    ("cast", Table(T.columns, query="SELECT ('비밀' || id)::INT AS id FROM here"), ["Conversion"]),
]


@pytest.mark.parametrize(
    ("what", "said"), [case[1:] for case in ERRORS], ids=[c[0] for c in ERRORS]
)
def test_errors_say_what_and_where(tmp_path: Path, what: Table, said: list[str]) -> None:
    path = make(tmp_path / "s.duckdb", "CREATE TABLE here AS SELECT 1 AS id")
    with pytest.raises(PermanentError) as told:
        rows_of(path, what)
    place = [] if "one SELECT" in said else [f"'hana_bw' ({path})"]
    for part in [*said, *place]:
        assert part in str(told.value)
    assert "비밀" not in str(told.value)


def test_a_missing_file_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="run `lake demo`"), source(tmp_path / "no.duckdb"):
        pass


@pytest.mark.parametrize("here", [True, False], ids=["in this process", "in another process"])
def test_a_file_that_is_written_is_transient(tmp_path: Path, here: bool) -> None:
    path = make(tmp_path / "s.duckdb", "CREATE TABLE here AS SELECT 1 AS id")
    code = f"import duckdb; c = duckdb.connect({str(path)!r}); print(1, flush=True); input()"
    kind: type[LakeError] = TransientError
    if here:
        with duckdb.connect(path), pytest.raises(kind, match="file is in use"):
            rows_of(path, T)
    else:
        with subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            with pytest.raises(kind, match="file is in use"):
                rows_of(path, T)
            writer.communicate(b"\n")
    assert rows_of(path, T)["id"].to_pylist() == [1]


def test_several_read_at_once(tmp_path: Path) -> None:
    path = make(tmp_path / "s.duckdb", "CREATE TABLE here AS SELECT 1 AS id")
    with (
        source(path) as one,
        source(path) as two,
        one.read(T) as first,
        two.read(T) as second,
        one.read(T) as third,
    ):
        for reading in (first, second, third):
            assert [b["id"].to_pylist() for b in reading.batches] == [[1]]
