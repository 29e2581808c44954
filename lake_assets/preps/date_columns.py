"""The functions 01–11 on columns of dates, as pipeline files use them.

Here: one function a name, each with a column in and one beside it or in its place. Not here: the
same names on one date (`dates.py`), which share these names in public; the calendar's arithmetic
(`date_parts.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import narwhals.stable.v2 as nw

from lake_assets.edge import Edge, Effect
from lake_assets.preps.date_engines import with_dates
from lake_assets.preps.date_frames import ZONE, allowed, dated, placed, temporary
from lake_assets.preps.date_parts import Parts, digits
from lake_assets.preps.prep import Frame, prep

WeekMethod = Literal["iso", "calendar_sunday", "simple"]
WEEK_METHODS = ("iso", "calendar_sunday", "simple")


def _effect(params: Mapping[str, Any], before: nw.Schema, after: nw.Schema) -> Effect:
    """With a new column beside it, the column stays as it is."""
    column = params["column"]
    if params["into"] in (None, column):
        return Effect()
    return Effect({column: (Edge(column, "identity"),)})


def _with_part(
    function: str,
    df: Frame,
    column: str,
    into: str | None,
    tz: str,
    made: Callable[[Parts], nw.Expr],
) -> Frame:
    names = df.collect_schema().names()
    frame, parts = dated(function, df, column, "tz", tz)
    kept = into not in (None, column)
    return placed(function, frame, names, column, {into or column: made(parts)}, kept)


def _last_day(parts: Parts) -> nw.Expr:
    # 31 days after a first is the next month; `offset_by("1mo")` is not there on PyArrow.
    later = nw.col(parts.column).dt.truncate("1mo").dt.offset_by("31d")
    return later.dt.truncate("1mo").dt.offset_by("-1d").cast(nw.Date)


def _before_last_day(parts: Parts) -> nw.Expr:
    return nw.col(parts.column).dt.truncate("1mo").dt.offset_by("-1d").cast(nw.Date)


def _today(parts: Parts) -> nw.Expr:
    return nw.col(parts.column).cast(nw.Date)


def _of_rows(df: Frame, made: Callable[[Parts], nw.Expr]) -> Callable[[Parts], nw.Expr]:
    """Without rows the column as dates: pandas has no days to add to an empty one."""
    return _today if isinstance(df, nw.DataFrame) and df.is_empty() else made


@prep(1, effect=_effect)
def before_last_day(df: Frame, column: str, into: str | None = None, tz: str = ZONE) -> Frame:
    """The last day of the previous month, a date.

    `column`: dates, wall times as they are, or instants, seen in the zone `tz`. `into`: the name
    of a new column; without one the result takes the column's place.

    PrepError for columns of another type (texts need `nominal_to_date` first), an unknown zone,
    or a name in `into` that is there. Source: the old module's name.

    >>> import datetime, polars as pl
    >>> df = pl.DataFrame({"일자": [datetime.date(2024, 3, 1)]})
    >>> before_last_day(df, "일자")["일자"].to_list()
    [datetime.date(2024, 2, 29)]
    """
    return _with_part("before_last_day", df, column, into, tz, _of_rows(df, _before_last_day))


@prep(2, effect=_effect)
def last_day(df: Frame, column: str, into: str | None = None, tz: str = ZONE) -> Frame:
    """The last day of the month, a date.

    `column`: dates, wall times as they are, or instants, seen in the zone `tz`. `into`: the name
    of a new column; without one the result takes the column's place.

    PrepError for columns of another type (texts need `nominal_to_date` first), an unknown zone,
    or a name in `into` that is there. Source: the old module's name.

    >>> import datetime, polars as pl
    >>> df = pl.DataFrame({"일자": [datetime.date(2023, 2, 3)]})
    >>> last_day(df, "일자")["일자"].to_list()
    [datetime.date(2023, 2, 28)]
    """
    return _with_part("last_day", df, column, into, tz, _of_rows(df, _last_day))


@prep(3, effect=_effect)
def today(df: Frame, column: str, into: str | None = None, tz: str = ZONE) -> Frame:
    """The date: of a wall time without the time, of an instant the zone's.

    `column`: dates, wall times as they are, or instants, seen in the zone `tz`. `into`: the name
    of a new column; without one the result takes the column's place.

    PrepError for columns of another type (texts need `nominal_to_date` first), an unknown zone,
    or a name in `into` that is there. Source: the old module's name.

    >>> import datetime, polars as pl
    >>> df = pl.DataFrame({"일자": [datetime.date(2025, 7, 1)]})
    >>> today(df, "일자")["일자"].to_list()
    [datetime.date(2025, 7, 1)]
    """
    return _with_part("today", df, column, into, tz, _today)


@prep(4, effect=_effect)
def this_year(df: Frame, column: str, into: str | None = None, tz: str = ZONE) -> Frame:
    """The year, a whole number.

    `column`: dates, wall times as they are, or instants, seen in the zone `tz`. `into`: the name
    of a new column; without one the result takes the column's place.

    PrepError for columns of another type (texts need `nominal_to_date` first), an unknown zone,
    or a name in `into` that is there. Source: the old module's name.

    >>> import datetime, polars as pl
    >>> df = pl.DataFrame({"일자": [datetime.date(2025, 7, 1)]})
    >>> this_year(df, "일자")["일자"].to_list()
    [2025]
    """
    return _with_part("this_year", df, column, into, tz, lambda p: p.year)


@prep(5, effect=_effect)
def this_month(
    df: Frame, column: str, into: str | None = None, tz: str = ZONE, pad: bool = False
) -> Frame:
    """The month, 1 to 12.

    `column`: dates, wall times as they are, or instants, seen in the zone `tz`. `into`: the name
    of a new column; without one the result takes the column's place. `pad`: text of two
    digits, '07', instead of a number.

    PrepError for columns of another type (texts need `nominal_to_date` first), an unknown zone,
    or a name in `into` that is there. Source: the old module's name.

    >>> import datetime, polars as pl
    >>> df = pl.DataFrame({"일자": [datetime.date(2025, 7, 1)]})
    >>> this_month(df, "일자")["일자"].to_list()
    [7]
    """

    def made(parts: Parts) -> nw.Expr:
        return digits(parts.month, 2) if pad else parts.month

    return _with_part("this_month", df, column, into, tz, made)


@prep(6, effect=_effect)
def before_year(df: Frame, column: str, into: str | None = None, tz: str = ZONE) -> Frame:
    """The year of the previous month (전달 연도), which is not the year before.

    `column`: dates, wall times as they are, or instants, seen in the zone `tz`. `into`: the name
    of a new column; without one the result takes the column's place.

    PrepError for columns of another type (texts need `nominal_to_date` first), an unknown zone,
    or a name in `into` that is there. Source: the old module's name.

    >>> import datetime, polars as pl
    >>> df = pl.DataFrame({"일자": [datetime.date(2025, 1, 9)]})
    >>> before_year(df, "일자")["일자"].to_list()
    [2024]
    """
    return _with_part("before_year", df, column, into, tz, lambda p: p.before_year)


@prep(7, effect=_effect)
def before_month(
    df: Frame, column: str, into: str | None = None, tz: str = ZONE, pad: bool = False
) -> Frame:
    """The previous month, 1 to 12.

    `column`: dates, wall times as they are, or instants, seen in the zone `tz`. `into`: the name
    of a new column; without one the result takes the column's place. `pad`: text of two
    digits, '07', instead of a number.

    PrepError for columns of another type (texts need `nominal_to_date` first), an unknown zone,
    or a name in `into` that is there. Source: the old module's name.

    >>> import datetime, polars as pl
    >>> df = pl.DataFrame({"일자": [datetime.date(2025, 1, 31)]})
    >>> before_month(df, "일자")["일자"].to_list()
    [12]
    """

    def made(parts: Parts) -> nw.Expr:
        return digits(parts.before_month, 2) if pad else parts.before_month

    return _with_part("before_month", df, column, into, tz, made)


@prep(8, effect=_effect)
def day(
    df: Frame, column: str, into: str | None = None, tz: str = ZONE, pad: bool = False
) -> Frame:
    """The day of the month, 1 to 31.

    `column`: dates, wall times as they are, or instants, seen in the zone `tz`. `into`: the name
    of a new column; without one the result takes the column's place. `pad`: text of two
    digits, '07', instead of a number.

    PrepError for columns of another type (texts need `nominal_to_date` first), an unknown zone,
    or a name in `into` that is there. Source: the old module's name.

    >>> import datetime, polars as pl
    >>> df = pl.DataFrame({"일자": [datetime.date(2025, 7, 9)]})
    >>> day(df, "일자")["일자"].to_list()
    [9]
    """

    def made(parts: Parts) -> nw.Expr:
        return digits(parts.day, 2) if pad else parts.day

    return _with_part("day", df, column, into, tz, made)


@prep(9, effect=_effect)
def before_year_month(df: Frame, column: str, into: str | None = None, tz: str = ZONE) -> Frame:
    """Year and month of the previous month as a number YYYYMM.

    `column`: dates, wall times as they are, or instants, seen in the zone `tz`. `into`: the name
    of a new column; without one the result takes the column's place.

    PrepError for columns of another type (texts need `nominal_to_date` first), an unknown zone,
    or a name in `into` that is there. Source: the old module's name.

    >>> import datetime, polars as pl
    >>> df = pl.DataFrame({"일자": [datetime.date(2025, 1, 1)]})
    >>> before_year_month(df, "일자")["일자"].to_list()
    [202412]
    """
    return _with_part(
        "before_year_month", df, column, into, tz, lambda p: p.before_year * 100 + p.before_month
    )


@prep(10, effect=_effect)
def this_year_month(df: Frame, column: str, into: str | None = None, tz: str = ZONE) -> Frame:
    """Year and month as a number YYYYMM.

    `column`: dates, wall times as they are, or instants, seen in the zone `tz`. `into`: the name
    of a new column; without one the result takes the column's place.

    PrepError for columns of another type (texts need `nominal_to_date` first), an unknown zone,
    or a name in `into` that is there. Source: the old module's name.

    >>> import datetime, polars as pl
    >>> df = pl.DataFrame({"일자": [datetime.date(2025, 9, 30)]})
    >>> this_year_month(df, "일자")["일자"].to_list()
    [202509]
    """
    return _with_part("this_year_month", df, column, into, tz, lambda p: p.year * 100 + p.month)


@prep(11, effect=_effect)
def week_of_month(
    df: Frame,
    column: str,
    into: str | None = None,
    method: WeekMethod = "iso",
    tz: str = ZONE,
) -> Frame:
    """The week of the month (월 주차), with its year and month.

    `column`: dates, wall times as they are, or instants, seen in the zone `tz`. `method`: `"iso"`
    (KS X ISO 8601's Thursday rule carried to months: a week from Monday belongs to the month of
    its Thursday) makes three columns, `<into>_year`, `<into>_month` and `<into>_week`, as the week
    may be another month's. `"calendar_sunday"` counts the rows of a calendar whose weeks begin on
    Sunday, `"simple"` is (day - 1) // 7 + 1; both make one column. `into`: the new column, or what
    the three begin with; without one they take the column's place, under its name.

    PrepError for columns of another type (texts need `nominal_to_date` first), an unknown method
    or zone, or a name that is there. Source: the old module's name.

    >>> import datetime, polars as pl
    >>> df = pl.DataFrame({"일자": [datetime.date(2025, 6, 1)]})
    >>> week_of_month(df, "일자").rows()
    [(2025, 5, 5)]
    >>> week_of_month(df, "일자", method="calendar_sunday")["일자"].to_list()
    [1]
    """
    allowed("week_of_month", "method", method, WEEK_METHODS)
    if method == "simple":
        return _with_part("week_of_month", df, column, into, tz, lambda p: (p.day - 1) // 7 + 1)
    if method == "calendar_sunday":
        return _with_part("week_of_month", df, column, into, tz, lambda p: p.row_of_month)
    names = df.collect_schema().names()
    frame, date = dated("week_of_month", df, column, "tz", tz, days=True)
    of_thursday = temporary(2)
    frame = frame.with_columns((date.epoch_day + 4 - date.weekday).alias(of_thursday))
    thursday = Parts(temporary(3), timed=False)
    frame = with_dates(frame, of_thursday, thursday.column)
    stem = into or column
    made = {
        f"{stem}_year": thursday.year,
        f"{stem}_month": thursday.month,
        f"{stem}_week": (thursday.day - 1) // 7 + 1,
    }
    return placed("week_of_month", frame, names, column, made, into not in (None, column))
