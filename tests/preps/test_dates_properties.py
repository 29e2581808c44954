"""Dates of two centuries against Python's calendar: every day, on one date and on columns.

Here: what must hold of all dates; a first mistake is told with its date. Not here: examples
(`test_dates.py`, `cases_date*.py`).
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections.abc import Callable
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lake_assets import preps
from lake_assets.templates import rendered
from tests.preps.engines import ENGINES, result

FIRST, LAST = dt.date(1900, 1, 1), dt.date(2100, 12, 31)
DAYS = [FIRST + dt.timedelta(days=n) for n in range((LAST - FIRST).days + 1)]
dates = st.dates(FIRST, LAST)


def month_end(day: dt.date) -> dt.date:
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])


def before(day: dt.date) -> dt.date:
    """Some day of the previous month, by subtraction of the day's number."""
    return day - dt.timedelta(days=day.day)


def rows(day: dt.date) -> int:
    """The row of the calendar's page that has the day."""
    page = calendar.Calendar(firstweekday=calendar.SUNDAY).monthdayscalendar(day.year, day.month)
    return 1 + next(n for n, week in enumerate(page) if day.day in week)


def iso_week(day: dt.date) -> tuple[int, int, int]:
    """By isocalendar: the week's Thursday, and how many weeks of its month came before."""
    year, week, _ = day.isocalendar()
    thursday = dt.date.fromisocalendar(year, week, 4)
    first = next(
        one
        for one in (dt.date(thursday.year, thursday.month, n) for n in range(1, 8))
        if one.isoweekday() == 4
    )
    return thursday.year, thursday.month, (thursday - first).days // 7 + 1


#: Function → what the standard library says.
STANDARD: dict[str, Callable[[dt.date], Any]] = {
    "before_last_day": before,
    "last_day": month_end,
    "today": lambda day: day,
    "this_year": lambda day: day.year,
    "this_month": lambda day: day.month,
    "before_year": lambda day: before(day).year,
    "before_month": lambda day: before(day).month,
    "day": lambda day: day.day,
    "before_year_month": lambda day: int(before(day).strftime("%Y%m")),
    "this_year_month": lambda day: int(day.strftime("%Y%m")),
}


@pytest.mark.parametrize("name", STANDARD)
def test_every_day_is_the_standard_library_s(name: str) -> None:
    function, standard = getattr(preps, name), STANDARD[name]
    assert [day for day in DAYS if function(day) != standard(day)] == []


def test_every_week_of_month_is_the_standard_library_s() -> None:
    found = [(d, preps.week_of_month(d), preps.week_of_month(d, method="simple")) for d in DAYS]
    assert [d for d, iso, _ in found if iso != iso_week(d)] == []
    assert [d for d, _, simple in found if simple != -(-d.day // 7)] == []
    by_rows = [preps.week_of_month(d, method="calendar_sunday") for d in DAYS]
    assert [d for d, row in zip(DAYS, by_rows, strict=True) if row != rows(d)] == []


@pytest.mark.parametrize("engine", [name for name in ENGINES if name != "pyspark"])
def test_columns_of_every_day(engine: str) -> None:
    """73,414 days at once; Spark, whose one JVM is slow, has the cases."""
    frame = ENGINES[engine](pa.table({"d": pa.array(DAYS, pa.date32())}))
    for name, standard in STANDARD.items():
        found = result(engine, getattr(preps, name)(frame, "d"))["d"].to_pylist()
        assert found == [standard(day) for day in DAYS], name
    weeks = result(engine, preps.week_of_month(frame, "d"))
    assert list(zip(*(one.to_pylist() for one in weeks.columns), strict=True)) == [
        iso_week(day) for day in DAYS
    ]
    sunday = result(engine, preps.week_of_month(frame, "d", method="calendar_sunday"))
    assert sunday["d"].to_pylist() == [rows(day) for day in DAYS]
    counts = {
        ("day", "epoch"): lambda day: (day - dt.date(1970, 1, 1)).days,
        ("day", "year"): lambda day: day.timetuple().tm_yday,
        ("day", "week"): lambda day: day.isoweekday() % 7 + 1,
        ("millisecond", "epoch"): lambda day: (day - dt.date(1970, 1, 1)).days * 86_400_000,
    }
    for (unit, parent), standard in counts.items():
        made = preps.date_to_numeric(frame, "d", unit, parent)
        assert result(engine, made)["d"].to_pylist() == [standard(day) for day in DAYS], unit


@pytest.mark.parametrize("engine", [name for name in ENGINES if name != "pyspark"])
@pytest.mark.parametrize("pattern", ["yyyy-MM-dd", "yyyyMMdd", "d.M.yyyy", "yyyy MMM dd (EEE)"])
def test_texts_of_every_day_read_back_the_same(engine: str, pattern: str) -> None:
    frame = ENGINES[engine](pa.table({"d": pa.array(DAYS, pa.date32())}))
    texts = preps.date_to_nominal(frame, "d", pattern, locale="ko_KR")
    back = preps.nominal_to_date(texts, "d", date_format=pattern, locale="ko_KR")
    assert result(engine, back)["d"].to_pylist() == DAYS


moments = st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2100, 12, 31))
PATTERNS = {
    "yyyy-MM-dd HH:mm:ss.SSSSSS": "%Y-%m-%d %H:%M:%S.%f",
    "dd/MMM/yyyy hh:mm:ss a": "%d/%b/%Y %I:%M:%S %p",
    "EEEE, MMMM dd, yyyy": "%A, %B %d, %Y",
    "D yy HHmm": None,
}


@given(st.lists(moments, min_size=1))
def test_written_as_strftime_does(values: list[dt.datetime]) -> None:
    frame = pl.DataFrame({"t": values})
    for pattern, strftime in PATTERNS.items():
        if strftime is not None:
            found = preps.date_to_nominal(frame, "t", pattern)["t"].to_list()
            assert found == [value.strftime(strftime) for value in values]


@given(st.lists(st.integers(-(10**12), 4 * 10**12), min_size=1))
@example([0, -1, 999, 1000])
def test_milliseconds_there_and_back(values: list[int]) -> None:
    frame = pl.DataFrame({"n": values})
    there = preps.numeric_to_date(frame, "n")
    back = preps.date_to_numeric(there, "n", "millisecond", "epoch")
    assert back["n"].to_list() == values


def by_isoformat(text: str) -> dt.date | None:
    """What `date.fromisoformat` takes, if isoformat writes it so."""
    try:
        day = dt.date.fromisoformat(text)
    except ValueError:
        return None
    return day if day.isoformat() == text else None


@given(st.lists(st.text("0123456789-/ T:", max_size=12) | dates.map(str), min_size=1))
@example(["2023-02-29", "2024-02-29", "2024-2-29"])
@settings(max_examples=40)
def test_a_text_is_read_where_it_is_a_date_and_written_so(texts: list[str]) -> None:
    table = pa.table({"a": texts})
    for engine in ("polars", "pyarrow", "duckdb"):
        made = preps.nominal_to_date(ENGINES[engine](table), "a", errors="null")
        assert result(engine, made)["a"].to_pylist() == [by_isoformat(text) for text in texts]


@given(dates)
def test_templates_are_the_functions(day: dt.date) -> None:
    text = "{last_day:%Y%m%d} {before_year_month} {this_month:02} {week_of_month}"
    year, month, week = iso_week(day)
    assert rendered(text, day) == (
        f"{month_end(day):%Y%m%d} {before(day):%Y%m} {day.month:02} {week}"
    )
    assert rendered("{week_of_month:%Y-%m}", day) == f"{year}-{month:02}"
