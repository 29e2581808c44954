"""The date functions on one date: the specification's examples, zones, the clock, mistakes.

Here: calls of the scalar form. Not here: columns (`cases_date*.py`), every day of two centuries
(`test_dates_properties.py`).
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
import pytest

from lake_assets import preps
from lake_assets.preps import PrepError

UTC = dt.timezone.utc


def d(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


#: Function, base, parameters, value.
EXAMPLES: list[tuple[str, Any, dict[str, Any], Any]] = [
    ("before_last_day", "2023-05-10", {}, d("2023-04-30")),
    ("before_last_day", "2024-03-01", {}, d("2024-02-29")),
    ("before_last_day", "2025-01-31", {}, d("2024-12-31")),
    ("last_day", "2023-02-03", {}, d("2023-02-28")),
    ("last_day", "2024-04-30", {}, d("2024-04-30")),
    ("last_day", "2024-02-01", {}, d("2024-02-29")),
    ("last_day", "1900-02-01", {}, d("1900-02-28")),
    ("last_day", "2024-12-31", {}, d("2024-12-31")),
    ("today", "2025-06-30T16:00Z", {}, d("2025-07-01")),
    ("today", "2025-06-30T16:00Z", {"tz": "UTC"}, d("2025-06-30")),
    ("this_year", "2025-07-01", {}, 2025),
    ("this_month", "2025-07-01", {}, 7),
    ("this_year", "2024-12-31T15:00Z", {}, 2025),
    ("this_month", "2024-12-31T15:00Z", {}, 1),
    ("before_year", "2025-01-09", {}, 2024),
    ("before_year", "2025-07-09", {}, 2025),
    ("before_month", "2025-01-31", {}, 12),
    ("before_month", "2025-05-31", {}, 4),
    ("day", "2025-07-09", {}, 9),
    ("day", "2025-12-31T15:00Z", {}, 1),
    ("before_year_month", "2025-01-01", {}, 202412),
    ("before_year_month", "2025-03-31", {}, 202502),
    ("this_year_month", "2025-09-30", {}, 202509),
    ("this_year_month", "2025-09-30T15:00Z", {}, 202510),
    # Kinds of bases: a date, a wall time, an instant of another zone.
    ("last_day", d("2023-02-03"), {}, d("2023-02-28")),
    ("today", dt.datetime(2025, 6, 30, 23, 59), {}, d("2025-06-30")),
    ("today", dt.datetime(2025, 6, 30, 16, tzinfo=UTC), {}, d("2025-07-01")),
    ("today", "2025-06-30T16:00:00+00:00", {}, d("2025-07-01")),
    ("today", "2025-06-30 23:59:59", {"tz": "UTC"}, d("2025-06-30")),
    # pad and fmt give text.
    ("this_month", "2025-07-01", {"pad": True}, "07"),
    ("before_month", "2025-02-01", {"pad": True}, "01"),
    ("before_month", "2025-01-01", {"pad": True}, "12"),
    ("day", "2025-07-09", {"pad": True}, "09"),
    ("last_day", "2025-07-09", {"fmt": "%Y%m%d"}, "20250731"),
    ("before_last_day", "2025-07-09", {"fmt": "%Y년 %m월"}, "2025년 06월"),
    ("this_month", "2025-07-09", {"fmt": "%m"}, "07"),
    ("before_month", "2025-01-09", {"fmt": "%Y/%m"}, "2024/12"),
    ("before_year", "2025-01-09", {"fmt": "%y"}, "24"),
    ("before_year_month", "2025-01-09", {"fmt": "%Y-%m"}, "2024-12"),
    ("day", "2025-07-09", {"fmt": "%d"}, "09"),
]


@pytest.mark.parametrize(("name", "base", "params", "value"), EXAMPLES)
def test_value(name: str, base: Any, params: dict[str, Any], value: Any) -> None:
    found = getattr(preps, name)(base, **params)
    assert (type(found), found) == (type(value), value)


#: The table of the specification: date, iso, simple, rows with Sunday first.
WEEKS = [
    ("2025-01-01", (2025, 1, 1), 1, 1),
    ("2025-02-01", (2025, 1, 5), 1, 1),
    ("2025-02-02", (2025, 1, 5), 1, 2),
    ("2025-02-03", (2025, 2, 1), 1, 2),
    ("2025-05-31", (2025, 5, 5), 5, 5),
    ("2025-06-01", (2025, 5, 5), 1, 1),
    ("2025-08-31", (2025, 8, 4), 5, 6),
    ("2025-12-29", (2026, 1, 1), 5, 5),
]


@pytest.mark.parametrize(
    ("base", "method", "value"),
    [
        (base, method, value)
        for base, *values in WEEKS
        for method, value in zip(("iso", "simple", "calendar_sunday"), values, strict=True)
    ],
)
def test_week_of_month(base: str, method: str, value: Any) -> None:
    assert preps.week_of_month(base, method=method) == value


def test_week_of_month_is_iso_by_default_and_has_names() -> None:
    week = preps.week_of_month("2025-12-29")
    assert (week.year, week.month, week.week) == (2026, 1, 1)


def test_now_is_the_clock_s_in_the_zone() -> None:
    def clock() -> dt.datetime:
        return dt.datetime(2025, 6, 30, 16, tzinfo=UTC)

    assert preps.today(clock=clock) == d("2025-07-01")
    assert preps.today(clock=clock, tz="UTC") == d("2025-06-30")
    assert preps.last_day(clock=clock) == d("2025-07-31")
    assert preps.this_year_month(clock=clock, tz="America/New_York") == 202506


def test_the_clock_is_now_by_default() -> None:
    before = dt.datetime.now(UTC)
    found = dt.datetime.combine(preps.today(tz="UTC"), dt.time(), UTC)
    assert before - dt.timedelta(days=1) < found <= dt.datetime.now(UTC)


#: Function, base, parameters, parts of the message.
MISTAKES: list[tuple[str, Any, dict[str, Any], tuple[str, ...]]] = [
    ("last_day", "2023-02-29", {}, ("last_day", "2023-02-29", "YYYY-MM-DD")),
    ("last_day", "2024-13-01", {}, ("2024-13-01",)),
    ("last_day", "어제", {}, ("어제",)),
    ("last_day", 20250701, {}, ("last_day", "20250701", "YYYY-MM-DD")),
    ("today", "2025-07-01", {"tz": "Asia/Soul"}, ("Asia/Soul", "Asia/Seoul")),
    ("this_month", "2025-07-01", {"pad": True, "fmt": "%m"}, ("this_month", "pad", "fmt")),
    ("week_of_month", "2025-07-01", {"method": "sunday"}, ("'sunday'", "calendar_sunday", "iso")),
]


@pytest.mark.parametrize(("name", "base", "params", "parts"), MISTAKES)
def test_mistake(name: str, base: Any, params: dict[str, Any], parts: tuple[str, ...]) -> None:
    with pytest.raises(PrepError) as caught:
        getattr(preps, name)(base, **params)
    assert isinstance(caught.value, ValueError)
    for part in parts:
        assert part in str(caught.value)


def test_one_name_for_a_date_and_for_a_column() -> None:
    frame = pl.DataFrame({"calday": [d("2023-02-03")]})
    made = preps.last_day(frame, column="calday", into="month_end")
    assert made.to_dict(as_series=False) == {
        "calday": [d("2023-02-03")],
        "month_end": [d("2023-02-28")],
    }
    # A pipeline file's step is checked against the column form.
    assert list(preps.CATALOGUE["last_day"].signature.parameters) == ["column", "into", "tz"]
    assert preps.fit(preps.last_day, frame, column="calday")(frame)["calday"].to_list() == [
        d("2023-02-28")
    ]


def test_the_row_of_an_unparsable_text_is_told_where_there_are_rows() -> None:
    frame = pl.DataFrame({"일자": ["2025-07-01", None, "2023-02-29", "x"]})
    with pytest.raises(PrepError, match="row 3") as caught:
        preps.nominal_to_date(frame, column="일자")
    assert "'2023-02-29'" in str(caught.value)
    assert "2023" not in caught.value.without_values
