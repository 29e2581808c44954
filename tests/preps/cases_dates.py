"""Cases of the functions 01–11 on date columns, from preps' specification, written before the code.

Its examples and beyond: leap days, year ends, zones, missing values, wrong types. Not here: dates
and text (`cases_date_texts.py`), dates and numbers (`cases_date_numbers.py`), the years 1900–2100
as a whole (`test_dates_properties.py`), calls on one date (`test_dates.py`).
"""

from __future__ import annotations

from tests.preps.table import (
    Case,
    Column,
    boolean,
    day,
    i64,
    instant,
    refused,
    stamp,
    text,
)

# -- 01–11: a column replaced, or another beside it

DAYS = day("2023-05-10", "2024-03-01", "2025-01-09", "2024-02-29", "2000-12-31", None)

#: Function → what it makes of DAYS.
OF_DAYS: dict[str, Column] = {
    "before_last_day": day(
        "2023-04-30", "2024-02-29", "2024-12-31", "2024-01-31", "2000-11-30", None
    ),
    "last_day": day("2023-05-31", "2024-03-31", "2025-01-31", "2024-02-29", "2000-12-31", None),
    "today": DAYS,
    "this_year": i64(2023, 2024, 2025, 2024, 2000, None),
    "this_month": i64(5, 3, 1, 2, 12, None),
    "before_year": i64(2023, 2024, 2024, 2024, 2000, None),
    "before_month": i64(4, 2, 12, 1, 11, None),
    "day": i64(10, 1, 9, 29, 31, None),
    "before_year_month": i64(202304, 202402, 202412, 202401, 200011, None),
    "this_year_month": i64(202305, 202403, 202501, 202402, 200012, None),
}

#: Instants at 15:00Z are the next day in Seoul: 2025-01-01, 2024-03-01 and 2025-07-01.
INSTANTS = instant(
    "2024-12-31T15:00:00+00:00", "2024-02-29T15:00:00+00:00", "2025-06-30T16:00:00+00:00", None
)
IN_SEOUL: dict[str, Column] = {
    "before_last_day": day("2024-12-31", "2024-02-29", "2025-06-30", None),
    "last_day": day("2025-01-31", "2024-03-31", "2025-07-31", None),
    "today": day("2025-01-01", "2024-03-01", "2025-07-01", None),
    "this_year": i64(2025, 2024, 2025, None),
    "this_month": i64(1, 3, 7, None),
    "before_year": i64(2024, 2024, 2025, None),
    "before_month": i64(12, 2, 6, None),
    "day": i64(1, 1, 1, None),
    "before_year_month": i64(202412, 202402, 202506, None),
    "this_year_month": i64(202501, 202403, 202507, None),
}
IN_UTC: dict[str, Column] = {
    "today": day("2024-12-31", "2024-02-29", "2025-06-30", None),
    "last_day": day("2024-12-31", "2024-02-29", "2025-06-30", None),
    "this_year": i64(2024, 2024, 2025, None),
    "day": i64(31, 29, 30, None),
}

#: Wall times are taken as they are, whatever the zone.
STAMPS = stamp("2024-12-31T23:59:59.999999", "2024-02-29T00:00:00", None)

EMPTY = {name: Column(column.type, ()) for name, column in OF_DAYS.items()}

COLUMN_FORM = [
    *(
        Case(
            f,
            "dates",
            {"d": DAYS, "x": i64(*range(6))},
            {"column": "d"},
            {"d": c, "x": i64(*range(6))},
        )
        for f, c in OF_DAYS.items()
    ),
    *(
        Case(f, "into", {"d": DAYS}, {"column": "d", "into": "새"}, {"d": DAYS, "새": c})
        for f, c in OF_DAYS.items()
    ),
    *(
        Case(f, "instants in Seoul", {"d": INSTANTS}, {"column": "d"}, {"d": c})
        for f, c in IN_SEOUL.items()
    ),
    *(
        Case(f, "instants in UTC", {"d": INSTANTS}, {"column": "d", "tz": "UTC"}, {"d": c})
        for f, c in IN_UTC.items()
    ),
    *(Case(f, "empty", {"d": day()}, {"column": "d"}, {"d": c}) for f, c in EMPTY.items()),
    *(
        Case(
            f,
            "text",
            {"d": text("2025-07-01")},
            {"column": "d"},
            refused(f, "'d'", "text", "nominal_to_date"),
        )
        for f in OF_DAYS
    ),
    Case(
        "last_day",
        "wall times",
        {"d": STAMPS},
        {"column": "d"},
        {"d": day("2024-12-31", "2024-02-29", None)},
    ),
    Case(
        "today",
        "wall times",
        {"d": STAMPS},
        {"column": "d"},
        {"d": day("2024-12-31", "2024-02-29", None)},
    ),
    Case(
        "before_last_day",
        "wall times",
        {"d": STAMPS},
        {"column": "d", "tz": "UTC"},
        {"d": day("2024-11-30", "2024-01-31", None)},
    ),
    Case(
        "day", "wall times", {"d": STAMPS}, {"column": "d", "tz": "UTC"}, {"d": i64(31, 29, None)}
    ),
    Case(
        "last_day", "one row", {"d": day("1900-02-01")}, {"column": "d"}, {"d": day("1900-02-28")}
    ),
    Case(
        "last_day",
        "century",
        {"d": day("2000-02-01", "2100-02-01")},
        {"column": "d"},
        {"d": day("2000-02-29", "2100-02-28")},
    ),
    Case(
        "last_day", "all missing", {"d": day(None, None)}, {"column": "d"}, {"d": day(None, None)}
    ),
    Case(
        "before_last_day",
        "before 1970",
        {"d": day("1969-12-31", "1970-01-01")},
        {"column": "d"},
        {"d": day("1969-11-30", "1969-12-31")},
    ),
    Case(
        "this_month",
        "pad",
        {"d": DAYS},
        {"column": "d", "pad": True},
        {"d": text("05", "03", "01", "02", "12", None)},
    ),
    Case(
        "before_month",
        "pad",
        {"d": DAYS},
        {"column": "d", "pad": True},
        {"d": text("04", "02", "12", "01", "11", None)},
    ),
    Case(
        "day",
        "pad",
        {"d": DAYS},
        {"column": "d", "pad": True},
        {"d": text("10", "01", "09", "29", "31", None)},
    ),
    Case(
        "day",
        "into itself",
        {"d": DAYS, "x": i64(*range(6))},
        {"column": "d", "into": "d"},
        {"d": OF_DAYS["day"], "x": i64(*range(6))},
    ),
    Case(
        "day",
        "into what is there",
        {"d": DAYS, "x": i64(*range(6))},
        {"column": "d", "into": "x"},
        refused("day", "'x'", "into"),
    ),
    Case(
        "last_day",
        "missing column",
        {"calday": day("2025-07-01")},
        {"column": "caldy"},
        refused("last_day", "'caldy'", "calday"),
    ),
    Case(
        "last_day",
        "number",
        {"d": i64(20250701)},
        {"column": "d"},
        refused("last_day", "integer", "numeric_to_date"),
    ),
    Case(
        "last_day",
        "boolean",
        {"d": boolean(True)},
        {"column": "d"},
        refused("last_day", "binominal"),
    ),
    Case(
        "last_day",
        "unknown zone",
        {"d": INSTANTS},
        {"column": "d", "tz": "Asia/Soul"},
        refused("last_day", "Asia/Soul", "Asia/Seoul"),
    ),
]

# -- 11: the table of the specification, three methods

WEEKS = day(
    "2025-01-01",
    "2025-02-01",
    "2025-02-02",
    "2025-02-03",
    "2025-05-31",
    "2025-06-01",
    "2025-08-31",
    "2025-12-29",
    None,
)
ISO = (
    i64(2025, 2025, 2025, 2025, 2025, 2025, 2025, 2026, None),
    i64(1, 1, 1, 2, 5, 5, 8, 1, None),
    i64(1, 5, 5, 1, 5, 5, 4, 1, None),
)
SIMPLE = i64(1, 1, 1, 1, 5, 1, 5, 5, None)
SUNDAY = i64(1, 1, 2, 2, 5, 1, 6, 5, None)

WEEK_OF_MONTH = [
    Case(
        "week_of_month",
        "iso, in place of the column",
        {"a": WEEKS, "x": i64(*range(9))},
        {"column": "a"},
        {"a_year": ISO[0], "a_month": ISO[1], "a_week": ISO[2], "x": i64(*range(9))},
    ),
    Case(
        "week_of_month",
        "iso into",
        {"a": WEEKS},
        {"column": "a", "into": "주차"},
        {"a": WEEKS, "주차_year": ISO[0], "주차_month": ISO[1], "주차_week": ISO[2]},
    ),
    Case(
        "week_of_month", "simple", {"a": WEEKS}, {"column": "a", "method": "simple"}, {"a": SIMPLE}
    ),
    Case(
        "week_of_month",
        "rows, Sunday first",
        {"a": WEEKS},
        {"column": "a", "method": "calendar_sunday"},
        {"a": SUNDAY},
    ),
    Case(
        "week_of_month",
        "into",
        {"a": WEEKS},
        {"column": "a", "into": "w", "method": "simple"},
        {"a": WEEKS, "w": SIMPLE},
    ),
    Case(
        "week_of_month",
        "wall times",
        {"a": stamp("2025-06-01T23:59:00")},
        {"column": "a"},
        {"a_year": i64(2025), "a_month": i64(5), "a_week": i64(5)},
    ),
    Case(
        "week_of_month",
        "instants",
        {"a": instant("2025-06-01T15:00:00+00:00")},
        {"column": "a"},
        {"a_year": i64(2025), "a_month": i64(6), "a_week": i64(1)},
    ),
    Case(
        "week_of_month",
        "empty",
        {"a": day()},
        {"column": "a"},
        {"a_year": i64(), "a_month": i64(), "a_week": i64()},
    ),
    Case(
        "week_of_month",
        "unknown method",
        {"a": WEEKS},
        {"column": "a", "method": "calendar"},
        refused("week_of_month", "'calendar'", "calendar_sunday", "simple"),
    ),
    Case(
        "week_of_month",
        "name taken",
        {"a": day("2025-06-01"), "a_week": i64(1)},
        {"column": "a"},
        refused("week_of_month", "'a_week'"),
    ),
    Case(
        "week_of_month",
        "text",
        {"a": text("2025-06-01")},
        {"column": "a"},
        refused("nominal_to_date"),
    ),
]

CASES: list[Case] = [*COLUMN_FORM, *WEEK_OF_MONTH]
