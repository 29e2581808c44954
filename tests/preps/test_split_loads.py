"""The split loads 43 to 45: days, the statement of one day, the load of all of them.

Values are the specification's (days 2025-02-28 to 03-01; half-open windows; a failed day leaves the
others, a finished one is not touched again) and beyond.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lake_assets.preps import CATALOGUE, PrepError
from lake_assets.preps.split_loads import (
    DayLedger,
    SplitLoadError,
    days_split_upload,
    days_split_upload_date_setting,
    days_split_upload_sql_setting,
)
from resources import sql

D = date
SEOUL = timezone(timedelta(hours=9))

# -- 43

DAYS: list[tuple[str, dict[str, Any], list[date]]] = [
    ("example", {"start": D(2025, 2, 28), "end": D(2025, 3, 1)}, [D(2025, 2, 28), D(2025, 3, 1)]),
    ("one day", {"start": D(2025, 7, 1), "end": D(2025, 7, 1)}, [D(2025, 7, 1)]),
    ("text", {"start": "2025-12-31", "end": "2026-01-01"}, [D(2025, 12, 31), D(2026, 1, 1)]),
    (
        "leap day",
        {"start": D(2024, 2, 28), "end": D(2024, 3, 1)},
        [D(2024, 2, 28), D(2024, 2, 29), D(2024, 3, 1)],
    ),
    (
        "the end left out",
        {"start": D(2025, 7, 1), "end": D(2025, 7, 3), "inclusive": False},
        [D(2025, 7, 1), D(2025, 7, 2)],
    ),
    ("nothing", {"start": D(2025, 7, 1), "end": D(2025, 7, 1), "inclusive": False}, []),
    (
        "weeks",
        {"start": D(2025, 7, 1), "end": D(2025, 7, 20), "step": 7},
        [D(2025, 7, 1), D(2025, 7, 8), D(2025, 7, 15)],
    ),
    ("the last day there is", {"start": D.max, "end": D.max}, [D.max]),
]

BAD_DAYS: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"start": D(2025, 3, 1), "end": D(2025, 2, 28)}, ("start", "2025-03-01", "2025-02-28")),
    ({"start": "2023-02-29", "end": "2023-03-01"}, ("2023-02-29", "start")),
    ({"start": "20250701", "end": "2025-07-02"}, ("20250701", "2025-07-01")),
    ({"start": datetime(2025, 7, 1, 9), "end": D(2025, 7, 2)}, ("start", "day")),
    ({"start": D(2025, 7, 1), "end": D(2025, 7, 2), "step": 0}, ("step", "0")),
    ({"start": D(2025, 7, 1), "end": D(2025, 7, 2), "step": 1.5}, ("step", "1.5")),
]


@pytest.mark.parametrize(("_name", "given_", "expect"), DAYS, ids=lambda one: str(one)[:20])
def test_days(_name: str, given_: dict[str, Any], expect: list[date]) -> None:
    assert days_split_upload_date_setting(**given_) == expect


@pytest.mark.parametrize(("given_", "parts"), BAD_DAYS)
def test_days_refused(given_: dict[str, Any], parts: tuple[str, ...]) -> None:
    with pytest.raises(PrepError) as caught:
        days_split_upload_date_setting(**given_)
    for part in parts:
        assert part in str(caught.value)


@given(st.dates(D(1900, 1, 1), D(2100, 12, 31)), st.integers(0, 800), st.integers(1, 40))
def test_days_are_all_in_order(start: date, many: int, step: int) -> None:
    end = start + timedelta(days=many)
    found = days_split_upload_date_setting(start, end, step)
    assert found == [start + timedelta(days=n) for n in range(0, many + 1, step)]
    without = days_split_upload_date_setting(start, end, step, inclusive=False)
    assert without == [one for one in found if one != end]


# -- 44

DAY = D(2025, 7, 1)
NEXT = D(2025, 7, 2)


def midnight(day: date, zone: timezone | None = None) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)


WINDOW = '"sold_at" >= :start AND "sold_at" < :end'
STATEMENTS: list[tuple[dict[str, Any], str, dict[str, Any]]] = [
    (  # the specification's: half open, both ends bound
        {},
        f'SELECT *\nFROM "sales"\nWHERE ({WINDOW})',
        {"start": midnight(DAY), "end": midnight(NEXT)},
    ),
    (
        {"kind": "timestamptz"},
        f'SELECT *\nFROM "sales"\nWHERE ({WINDOW})',
        {"start": midnight(DAY, SEOUL), "end": midnight(NEXT, SEOUL)},
    ),
    (
        {"kind": "timestamptz", "tz": "UTC"},
        f'SELECT *\nFROM "sales"\nWHERE ({WINDOW})',
        {"start": midnight(DAY, timezone.utc), "end": midnight(NEXT, timezone.utc)},
    ),
    ({"kind": "date"}, 'SELECT *\nFROM "sales"\nWHERE ("sold_at" = :day)', {"day": DAY}),
    (
        {"kind": "yyyymmdd", "column": "CALDAY"},
        'SELECT *\nFROM "sales"\nWHERE ("CALDAY" = :day)',
        {"day": "20250701"},
    ),
    ({"day": None}, 'SELECT *\nFROM "sales"\nWHERE ("sold_at" IS NULL)', {}),
    (
        {"schema": "SAPBW", "table": "/BIC/AZSD_O0100", "columns": ["a", 'b"c', "매출일"]},
        f'SELECT "a", "b""c", "매출일"\nFROM "SAPBW"."/BIC/AZSD_O0100"\nWHERE ({WINDOW})',
        {"start": midnight(DAY), "end": midnight(NEXT)},
    ),
    (
        {"dialect": "hive", "table": "t`x"},
        "SELECT *\nFROM `t``x`\nWHERE (`sold_at` >= :start AND `sold_at` < :end)",
        {"start": midnight(DAY), "end": midnight(NEXT)},
    ),
    (
        {"dialect": "tsql", "kind": "date"},
        "SELECT *\nFROM [sales]\nWHERE ([sold_at] = :day)",
        {"day": DAY},
    ),
    (
        {"dialect": "mysql", "kind": "date"},
        "SELECT *\nFROM `sales`\nWHERE (`sold_at` = :day)",
        {"day": DAY},
    ),
    (
        {"dialect": "oracle", "kind": "date"},
        'SELECT *\nFROM "sales"\nWHERE ("sold_at" = :day)',
        {"day": DAY},
    ),
    (  # HANA speaks none of sqlglot's; the standard's quotes are its own
        {"dialect": "", "kind": "date"},
        'SELECT *\nFROM "sales"\nWHERE ("sold_at" = :day)',
        {"day": DAY},
    ),
]


def asked(given_: Mapping[str, Any]) -> Any:
    usual = {"table": "sales", "column": "sold_at", "day": DAY}
    words = {**usual, **given_}
    return days_split_upload_sql_setting(
        words.pop("table"), words.pop("column"), words.pop("day"), **words
    )


@pytest.mark.parametrize(("given_", "statement", "parameters"), STATEMENTS, ids=str)
def test_statement(given_: dict[str, Any], statement: str, parameters: dict[str, Any]) -> None:
    found = asked(given_)
    assert found.statement == statement
    assert found.parameters == parameters
    assert found.count == statement.replace(statement[7 : statement.index("\n")], "COUNT(*)", 1)
    assert "BETWEEN" not in found.statement


BAD_STATEMENTS: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"table": ""}, ("''", "table")),
    ({"column": "a\0b"}, ("no name",)),
    ({"kind": "day"}, ("'day'", "timestamp", "date", "yyyymmdd")),
    ({"dialect": "postgress"}, ("'postgress'", "postgres")),
    ({"kind": "timestamptz", "tz": "Asia/Soul"}, ("Asia/Soul", "Asia/Seoul")),
    ({"dialect": "hive", "kind": "timestamptz"}, ("Hive", "zone")),
    ({"day": datetime(2025, 7, 1, 9)}, ("day",)),
]


@pytest.mark.parametrize(("given_", "parts"), BAD_STATEMENTS, ids=str)
def test_statement_refused(given_: dict[str, Any], parts: tuple[str, ...]) -> None:
    with pytest.raises(PrepError) as caught:
        asked(given_)
    for part in parts:
        assert part in str(caught.value)


def test_midnights_around_a_clock_change() -> None:
    """1988-05-08 in Seoul had 23 hours: an instant's window is what the zone says, not 24 hours."""
    found = asked({"day": D(1988, 5, 8), "kind": "timestamptz"})
    low, high = found.parameters["start"], found.parameters["end"]
    assert high.astimezone(timezone.utc) - low.astimezone(timezone.utc) == timedelta(hours=23)


@pytest.mark.parametrize(
    ("kind", "type_", "rows", "expect"),
    [
        (
            "timestamp",
            "TIMESTAMP",
            ["2025-06-30 23:59:59.999999", "2025-07-01", "2025-07-01 23:59:59.9999", "2025-07-02"],
            [2, 3],
        ),
        (
            "timestamptz",
            "TIMESTAMPTZ",
            [
                "2025-06-30 14:59:59+00",
                "2025-06-30 15:00:00+00",
                "2025-07-01 14:59:59+00",
                "2025-07-02",
            ],
            [2, 3],
        ),
        ("date", "DATE", ["2025-06-30", "2025-07-01", "2025-07-01", "2025-07-02"], [2, 3]),
        ("yyyymmdd", "VARCHAR", ["20250630", "20250701", "20250701", None], [2, 3]),
    ],
)
def test_the_rows_of_a_day(kind: Any, type_: str, rows: list[str], expect: list[int]) -> None:
    con = duckdb.connect()
    con.execute("SET TimeZone = 'UTC'")
    con.execute(f'CREATE TABLE "이 ""표"(id INTEGER, "때" {type_})')
    con.executemany('INSERT INTO "이 ""표" VALUES (?, ?)', list(enumerate(rows, 1)))
    found = days_split_upload_sql_setting(
        '이 "표', "때", DAY, kind=kind, columns=["id"], dialect="duckdb"
    )
    bound = sql.bind(found.statement, found.parameters, "duckdb", "here")
    assert sorted(con.execute(bound).fetchall()) == [(one,) for one in expect]
    counted = sql.bind(found.count, found.parameters, "duckdb", "here")
    assert con.execute(counted).fetchall() == [(len(expect),)]


# -- 45


class Lake:
    """A source of days and a target that remember what was asked of them."""

    def __init__(self, source: Mapping[date | None, list[int]]) -> None:
        self.source = dict(source)
        self.target: dict[date | None, list[int]] = {}
        self.asked: list[tuple[str, date | None]] = []
        self.broken: dict[date | None, Exception] = {}

    def read(self, day: date | None) -> list[int]:
        self.asked.append(("read", day))
        if day in self.broken:
            raise self.broken[day]
        return list(self.source.get(day, []))

    def publish(self, day: date | None, rows: list[int]) -> None:
        self.asked.append(("publish", day))
        self.target[day] = rows

    def count(self, day: date | None) -> int:
        return len(self.source.get(day, []))

    def load(self, days: list[date], ledger: Any, **more: Any) -> Any:
        return days_split_upload(days, self.read, self.publish, self.count, ledger=ledger, **more)


THREE = [D(2025, 7, 1), D(2025, 7, 2), D(2025, 7, 3)]


def filled(**more: Any) -> Lake:
    return Lake({THREE[0]: [1, 2], THREE[1]: [3], THREE[2]: [], **more})


def test_each_day_is_one_publication() -> None:
    lake, ledger = filled(), {}
    found = lake.load(THREE, ledger)
    assert lake.target == {THREE[0]: [1, 2], THREE[1]: [3], THREE[2]: []}
    assert ledger == {"2025-07-01": 2, "2025-07-02": 1, "2025-07-03": 0}
    assert (found.loaded, found.kept, found.rows) == (tuple(THREE), (), 3)
    assert lake.asked == [(what, day) for day in THREE for what in ("read", "publish")]


def test_a_finished_day_is_not_touched_again() -> None:
    lake, ledger = filled(), {}
    lake.load(THREE[:2], ledger)
    lake.asked.clear()
    lake.source[THREE[0]] = [9, 9, 9]
    found = lake.load(THREE, ledger)
    assert lake.asked == [("read", THREE[2]), ("publish", THREE[2])]
    assert lake.target[THREE[0]] == [1, 2]
    assert (found.loaded, found.kept) == ((THREE[2],), tuple(THREE[:2]))


def test_a_failed_day_leaves_the_others_and_is_told_at_the_end() -> None:
    lake, ledger = filled(), {}
    lake.broken[THREE[0]] = RuntimeError("the server went away")
    with pytest.raises(SplitLoadError) as caught:
        lake.load(THREE, ledger)
    told = str(caught.value)
    assert "1 of 3 days" in told
    assert "2025-07-01: the server went away" in told
    assert caught.value.load.loaded == tuple(THREE[1:])
    assert sorted(lake.target, key=str) == THREE[1:]
    assert sorted(ledger) == ["2025-07-02", "2025-07-03"]
    lake.broken.clear()
    assert lake.load(THREE, ledger).loaded == (THREE[0],)
    assert lake.target[THREE[0]] == [1, 2]


def test_many_failures_are_told_shortly() -> None:
    days = days_split_upload_date_setting("2025-01-01", "2025-12-31")
    lake = Lake({day: [1] for day in days})
    lake.broken = dict.fromkeys(days, RuntimeError("x" * 1000))
    with pytest.raises(SplitLoadError) as caught:
        lake.load(days, {})
    assert "365 of 365 days" in str(caught.value)
    assert len(str(caught.value)) < 3500
    assert len(caught.value.failures) == 365


def test_a_stop_by_hand_is_no_failed_day() -> None:
    lake, ledger = filled(), {}
    lake.broken[THREE[1]] = KeyboardInterrupt()  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        lake.load(THREE, ledger)
    assert list(ledger) == ["2025-07-01"]


@pytest.mark.parametrize("rows", [[1], [1, 2, 3]], ids=["lost", "doubled"])
def test_a_day_whose_count_is_off_is_not_published(rows: list[int]) -> None:
    lake, ledger = filled(), {}
    real = lake.read
    lake.read = lambda day: rows if day == THREE[0] else real(day)  # type: ignore[method-assign]
    with pytest.raises(SplitLoadError) as caught:
        lake.load(THREE, ledger)
    assert f"2025-07-01: {len(rows)} rows were read where the source counts 2" in str(caught.value)
    assert THREE[0] not in lake.target
    assert "2025-07-01" not in ledger


def test_a_day_that_fails_to_publish_is_not_in_the_ledger() -> None:
    lake, ledger = filled(), {}

    def publish(day: date | None, rows: list[int]) -> None:
        raise OSError("disk full")

    with pytest.raises(SplitLoadError, match="disk full"):
        days_split_upload(THREE, lake.read, publish, lake.count, ledger=ledger)
    assert ledger == {}


def test_rows_without_a_date_are_refused_before_anything_is_loaded() -> None:
    lake, ledger = filled(), {}
    lake.source[None] = [7, 8]
    with pytest.raises(PrepError) as caught:
        lake.load(THREE, ledger)
    assert "2 rows" in str(caught.value)
    assert "nulls='bucket'" in str(caught.value)
    assert (lake.target, ledger, lake.asked) == ({}, {}, [])


def test_rows_without_a_date_in_a_bucket_of_their_own() -> None:
    lake, ledger = filled(), {}
    lake.source[None] = [7, 8]
    found = lake.load(THREE, ledger, nulls="bucket")
    assert lake.target[None] == [7, 8]
    assert ledger["null"] == 2
    assert (found.rows, found.loaded[-1]) == (5, None)
    lake.asked.clear()
    assert lake.load(THREE, ledger, nulls="bucket").loaded == ()
    assert lake.asked == []


def test_a_bucket_without_rows_is_none() -> None:
    lake, ledger = filled(), {}
    lake.load(THREE, ledger, nulls="bucket")
    assert None not in lake.target
    assert "null" not in ledger


def test_progress() -> None:
    told: list[tuple[date | None, int | None]] = []
    lake = filled()
    lake.broken[THREE[1]] = RuntimeError("no")
    with pytest.raises(SplitLoadError):
        lake.load(THREE, {}, told=lambda day, rows: told.append((day, rows)))
    assert told == [(THREE[0], 2), (THREE[1], None), (THREE[2], 0)]


def test_a_word_that_is_none() -> None:
    with pytest.raises(PrepError, match=r"'skip'.*refuse.*bucket"):
        filled().load(THREE, {}, nulls="skip")


# -- the ledger as a file


def test_the_ledger_is_there_after_a_kill(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from datetime import date
from lake_assets.preps.split_loads import DayLedger, days_split_upload
def publish(day, rows):
    if day == date(2025, 7, 3):
        os.kill(os.getpid(), signal.SIGKILL)
days = [date(2025, 7, n) for n in range(1, 6)]
count = lambda day: 0 if day is None else day.day
read = lambda day: [0] * day.day
days_split_upload(days, read, publish, count, ledger=DayLedger(sys.argv[1]))
"""
    path = tmp_path / "원장" / "days.txt"
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert dict(DayLedger(path)) == {"2025-07-01": 1, "2025-07-02": 2}


@pytest.mark.parametrize("torn", ["2025-07-0", "2025-07-03\t", "2025-07-03\t12"])
def test_a_torn_last_line_is_a_day_not_done(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "days.txt"
    path.write_text(f"2025-07-01\t5\n{torn}", encoding="utf-8")
    ledger = DayLedger(path)
    assert dict(ledger) == {"2025-07-01": 5}
    ledger["2025-07-03"] = 7
    assert dict(DayLedger(path)) == {"2025-07-01": 5, "2025-07-03": 7}


def test_a_file_that_is_no_ledger(tmp_path: Path) -> None:
    path = tmp_path / "days.txt"
    path.write_text("hello\nworld\n", encoding="utf-8")
    with pytest.raises(PrepError) as caught:
        DayLedger(path)
    assert "days.txt" in str(caught.value)
    assert "line 1" in str(caught.value)
    assert path.read_text(encoding="utf-8") == "hello\nworld\n"


def test_a_day_taken_out_of_the_ledger_is_loaded_again(tmp_path: Path) -> None:
    lake, ledger = filled(), DayLedger(tmp_path / "days.txt")
    lake.load(THREE, ledger)
    del ledger["2025-07-02"]
    assert lake.load(THREE, DayLedger(tmp_path / "days.txt")).loaded == (THREE[1],)
    assert len(ledger) == 2
    assert [one.name for one in tmp_path.iterdir()] == ["days.txt"]


# -- the catalogue


@pytest.mark.parametrize(
    ("name", "number", "first"),
    [
        ("days_split_upload_date_setting", 43, "start"),
        ("days_split_upload_sql_setting", 44, "table"),
        ("days_split_upload", 45, "days"),
        ("hdfs_split_upload", 46, "src"),
    ],
)
def test_in_the_catalogue(name: str, number: int, first: str) -> None:
    found = CATALOGUE[name]
    assert (found.number, found.family, found.step) == (number, "split_loads", False)
    assert next(iter(found.signature.parameters)) == first
    callable_: Callable[..., Any] = found.function
    assert callable_.__doc__
