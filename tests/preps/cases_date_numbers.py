"""Cases of numbers read as dates and dates told as numbers, functions 18 and 26, from preps'
specification, written before the code.

Not here: dates and text (`cases_date_texts.py`), dates from dates (`cases_dates.py`).
"""

from __future__ import annotations

from typing import Any

from tests.preps.table import (
    Case,
    Column,
    day,
    dec,
    f64,
    i64,
    instant,
    refused,
    stamp,
    text,
)

# -- 18

EPOCH = "1970-01-01T00:00:00+00:00"


def to_date(name: str, given: Column, expect: Any, **params: Any) -> Case:
    made = {"a": expect} if isinstance(expect, Column) else expect
    return Case("numeric_to_date", name, {"a": given}, {"column": "a", **params}, made)


NUMERIC_TO_DATE = [
    to_date("example", i64(1000, None), instant("1970-01-01T00:00:01+00:00", None)),
    to_date("offset", i64(0), instant("1970-01-01T01:00:00+00:00"), time_offset=3_600_000),
    to_date("offset back", i64(0), instant("1969-12-31T23:59:59.999000+00:00"), time_offset=-1),
    to_date("kept", i64(0), {"a": i64(0), "a_AS_DATE": instant(EPOCH)}, keep_old_attribute=True),
    to_date(
        "real",
        f64(1500.0, None, float("nan")),
        instant("1970-01-01T00:00:01.500000+00:00", None, None),
    ),
    to_date(
        "a fraction is cut",
        f64(1.9, -1.9, -0.5),
        instant("1970-01-01T00:00:00.001000+00:00", "1969-12-31T23:59:59.999000+00:00", EPOCH),
    ),
    to_date(
        "decimal",
        dec("18,2", "1751328000123.99", "-1.99", None),
        instant("2025-07-01T00:00:00.123000+00:00", "1969-12-31T23:59:59.999000+00:00", None),
    ),
    to_date("negative", i64(-1), instant("1969-12-31T23:59:59.999000+00:00")),
    to_date("leap day", i64(1709164800000), instant("2024-02-29T00:00:00+00:00")),
    to_date(
        "ends",
        i64(-62135596800000, 253402257600000),
        instant("0001-01-01T00:00:00+00:00", "9999-12-31T12:00:00+00:00"),
    ),
    to_date(
        "after 9999",
        i64(0, 253402300800000),
        refused("numeric_to_date", "'a'", "9999", "253402300800000"),
    ),
    to_date(
        "before 0001", i64(-62135596800001), refused("numeric_to_date", "'a'", "-62135596800001")
    ),
    to_date("2^63 - 1", i64(2**63 - 1), refused("numeric_to_date", "'a'")),
    to_date("the offset leads out", i64(253402300799999), refused("'a'"), time_offset=1),
    to_date("infinite", f64(float("inf")), refused("numeric_to_date", "'a'")),
    to_date("huge real", f64(1e300), refused("numeric_to_date", "'a'")),
    to_date("empty", i64(), instant()),
    to_date("all missing", i64(None), instant(None)),
    to_date("text", text("1000"), refused("numeric_to_date", "'a'", "text", "numeric")),
    to_date("missing column", i64(1), refused("'b'", "a"), column="b"),
    to_date(
        "yyyymmdd",
        i64(20240229, 19991231, None),
        day("2024-02-29", "1999-12-31", None),
        unit="yyyymmdd",
    ),
    to_date("yyyymmdd real", f64(20240229.0, None), day("2024-02-29", None), unit="yyyymmdd"),
    to_date(
        "yyyymmdd kept",
        i64(20250701),
        {"a": i64(20250701), "a_AS_DATE": day("2025-07-01")},
        unit="yyyymmdd",
        keep_old_attribute=True,
    ),
    to_date(
        "yyyymmdd impossible",
        i64(20230229),
        refused("numeric_to_date", "'a'", "20230229"),
        unit="yyyymmdd",
    ),
    to_date("yyyymmdd month 13", i64(20231301), refused("'a'", "20231301"), unit="yyyymmdd"),
    to_date("yyyymmdd negative", i64(-20230101), refused("'a'", "-20230101"), unit="yyyymmdd"),
    to_date("yyyymmdd short", i64(230101), refused("'a'", "230101"), unit="yyyymmdd"),
    to_date(
        "yyyymmdd of nine digits", i64(100000101), refused("'a'", "100000101"), unit="yyyymmdd"
    ),
    to_date("yyyymmdd fraction", f64(20240229.5), refused("'a'", "20240229.5"), unit="yyyymmdd"),
    to_date(
        "yyyymmdd with an offset",
        i64(20240229),
        refused("time_offset", "yyyymmdd"),
        unit="yyyymmdd",
        time_offset=1,
    ),
    to_date("yyyymmdd empty", i64(), day(), unit="yyyymmdd"),
    to_date(
        "unknown unit",
        i64(1),
        refused("unit", "'seconds'", "millisecond", "yyyymmdd"),
        unit="seconds",
    ),
    Case(
        "numeric_to_date",
        "name taken",
        {"a": i64(0), "a_AS_DATE": i64(0)},
        {"column": "a", "keep_old_attribute": True},
        refused("'a_AS_DATE'"),
    ),
    Case(
        "numeric_to_date",
        "place kept",
        {"x": i64(1), "a": i64(0), "y": i64(2)},
        {"column": "a"},
        {"x": i64(1), "a": instant(EPOCH), "y": i64(2)},
    ),
]

# -- 26: all units and parents in one table

MOMENTS = stamp(
    "2025-07-01T23:30:15.250000",
    "1970-01-01T00:00:00",
    "1969-12-31T23:59:59.999000",
    "2024-12-31T01:02:03.004999",
    None,
)

#: (time_unit, relative_to) → of MOMENTS. Tuesday, Thursday, Wednesday, Tuesday.
OF_MOMENTS: dict[tuple[str, str], Column] = {
    ("millisecond", "second"): i64(250, 0, 999, 4, None),
    ("millisecond", "epoch"): i64(1751412615250, 0, -1, 1735606923004, None),
    ("second", "minute"): i64(15, 0, 59, 3, None),
    ("second", "hour"): i64(1815, 0, 3599, 123, None),
    ("second", "day"): i64(84615, 0, 86399, 3723, None),
    ("second", "epoch"): i64(1751412615, 0, -1, 1735606923, None),
    ("minute", "hour"): i64(30, 0, 59, 2, None),
    ("minute", "day"): i64(1410, 0, 1439, 62, None),
    ("minute", "epoch"): i64(29190210, 0, -1, 28926782, None),
    ("hour", "day"): i64(23, 0, 23, 1, None),
    ("hour", "epoch"): i64(486503, 0, -1, 482113, None),
    ("day", "week"): i64(3, 5, 4, 3, None),
    ("day", "month"): i64(1, 1, 31, 31, None),
    ("day", "year"): i64(182, 1, 365, 366, None),
    ("day", "epoch"): i64(20270, 0, -1, 20088, None),
    ("week", "month"): i64(1, 1, 5, 5, None),
    ("week", "year"): i64(27, 1, 1, 1, None),
    ("week", "epoch"): i64(2895, 0, -1, 2869, None),
    ("month", "quarter"): i64(1, 1, 3, 3, None),
    ("month", "year"): i64(7, 1, 12, 12, None),
    ("month", "epoch"): i64(667, 1, 0, 660, None),
    ("quarter", "year"): i64(3, 1, 4, 4, None),
    ("quarter", "epoch"): i64(223, 1, 0, 220, None),
    ("half year", "year"): i64(2, 1, 2, 2, None),
    ("half year", "epoch"): i64(112, 1, 0, 110, None),
    ("year", "epoch"): i64(55, 0, -1, 54, None),
    ("year", "era"): i64(2025, 1970, 1969, 2024, None),
}
DEFAULT_PARENTS = {
    "millisecond": "second",
    "second": "minute",
    "minute": "hour",
    "hour": "day",
    "day": "month",
    "week": "year",
    "month": "year",
    "quarter": "year",
    "half year": "year",
    "year": "era",
}


def counted(name: str, unit: str | None, given: Column, expect: Any, **params: Any) -> Case:
    made = {"a": expect} if isinstance(expect, Column) else expect
    asked = {"column": "a", **({"time_unit": unit} if unit else {}), **params}
    return Case("date_to_numeric", name, {"a": given}, asked, made)


DATE_TO_NUMERIC = [
    *(
        counted(f"{unit} of {parent}", unit, MOMENTS, c, relative_to=parent)
        for (unit, parent), c in OF_MOMENTS.items()
    ),
    *(
        counted(f"{unit}, default", unit, MOMENTS, OF_MOMENTS[unit, parent])
        for unit, parent in DEFAULT_PARENTS.items()
    ),
    counted("milliseconds by default", None, MOMENTS, OF_MOMENTS["millisecond", "second"]),
    counted("example", "day", day("2012-02-15"), i64(15), relative_to="month"),
    counted("example of the year", "day", day("2012-02-15"), i64(46), relative_to="year"),
    counted(
        "leap year's end",
        "day",
        day("2024-12-31", "1900-12-31", "2000-12-31"),
        i64(366, 365, 366),
        relative_to="year",
    ),
    counted(
        "a date has no time", "minute", day("2025-07-01", None), i64(0, None), relative_to="day"
    ),
    counted("a date has no milliseconds", None, day("2025-07-01", None), i64(0, None)),
    counted(
        "a date's epoch",
        None,
        day("1970-01-02", "1969-12-31", None),
        i64(86400000, -86400000, None),
        relative_to="epoch",
    ),
    counted(
        "a date's days",
        "day",
        day("1970-01-02", "1969-12-31", "1900-01-01"),
        i64(1, -1, -25567),
        relative_to="epoch",
    ),
    counted(
        "a Sunday is 1",
        "day",
        day("2025-06-01", "2025-05-31", "1967-01-01"),
        i64(1, 7, 1),
        relative_to="week",
    ),
    counted(
        "weeks are rows of the calendar",
        "week",
        day("2025-02-01", "2025-02-02", "2025-08-31"),
        i64(1, 2, 6),
        relative_to="month",
    ),
    counted(
        "the last week is the next year's first",
        "week",
        day("2025-12-27", "2025-12-28", "2026-01-01", "2022-12-31", "2023-01-01"),
        i64(52, 1, 1, 53, 1),
    ),
    counted("instants in Seoul", "hour", instant("2025-06-30T16:00:00+00:00", None), i64(1, None)),
    counted(
        "instants in UTC", "hour", instant("2025-06-30T16:00:00+00:00"), i64(16), time_zone="UTC"
    ),
    counted(
        "an instant's epoch has no zone",
        "second",
        instant("1970-01-01T00:00:01+00:00", "1969-12-31T23:59:59.500000+00:00"),
        i64(1, -1),
        relative_to="epoch",
    ),
    counted(
        "an instant's year is the zone's",
        "year",
        instant("2024-12-31T15:00:00+00:00"),
        i64(2025),
        relative_to="era",
    ),
    counted(
        "kept",
        "day",
        day("2025-07-09"),
        {"a": day("2025-07-09"), "a_day": i64(9)},
        keep_old_attribute=True,
    ),
    counted(
        "kept, half year",
        "half year",
        day("2025-07-09"),
        {"a": day("2025-07-09"), "a_half year": i64(2)},
        keep_old_attribute=True,
    ),
    counted("empty", "day", day(), i64()),
    counted("empty instants", "hour", instant(), i64()),
    counted("all missing", "day", day(None), i64(None)),
    counted("unknown unit", "days", day("2025-07-01"), refused("time_unit", "'days'", "'day'")),
    counted(
        "unknown parent",
        "day",
        day("2025-07-01"),
        refused("relative_to", "'quarter'", "week, month, year, epoch"),
        relative_to="quarter",
    ),
    counted(
        "text",
        "day",
        text("2025-07-01"),
        refused("date_to_numeric", "'a'", "text", "nominal_to_date"),
    ),
    counted("missing column", "day", day("2025-07-01"), refused("'b'"), column="b"),
    Case(
        "date_to_numeric",
        "name taken",
        {"a": day("2025-07-01"), "a_day": i64(0)},
        {"column": "a", "time_unit": "day", "keep_old_attribute": True},
        refused("'a_day'"),
    ),
]

CASES: list[Case] = [*NUMERIC_TO_DATE, *DATE_TO_NUMERIC]
