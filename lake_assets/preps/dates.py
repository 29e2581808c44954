"""The date functions 01–11 on one date: today's by default, of a given one otherwise.

Here: dates by Python's calendar, with a clock that can be given, and the public names, each of
which takes a frame, too. Not here: columns (`date_columns.py`), texts with dates in them
(`lake_assets/templates.py`).
"""

from __future__ import annotations

import calendar
import datetime as dt
import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from lake_assets.preps import date_columns
from lake_assets.preps.date_columns import WEEK_METHODS, WeekMethod
from lake_assets.preps.date_frames import ZONE, allowed, zone
from lake_assets.preps.prep import PrepError

#: None is now. A wall time's date is its own, an instant's is that of the zone.
Base: TypeAlias = dt.date | dt.datetime | str | None
Clock: TypeAlias = Callable[[], dt.datetime]


class WeekOfMonth(NamedTuple):
    """The week of a month, which may be another than the date's."""

    year: int
    month: int
    week: int


def _now() -> dt.datetime:
    return dt.datetime.now(dt.timezone.utc)


def _of_column_too(step: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """One public name for a date and for a column: called with a frame, the function is `step`."""

    def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def called(*given: Any, **named: Any) -> Any:
            bases = (dt.date, str, int, type(None))  # a number is told what a base is
            of_date = "df" not in named and (not given or isinstance(given[0], bases))
            return (function if of_date else step)(*given, **named)

        return called

    return decorated


def _date(function: str, base: Base, tz: str, clock: Clock) -> dt.date:
    """The base's date in the zone."""
    local = zone(function, "tz", tz)
    moment = clock() if base is None else base
    if isinstance(moment, str):
        moment = _read(function, moment)
    if isinstance(moment, dt.datetime):
        return (moment.astimezone(local) if moment.tzinfo else moment).date()
    if not isinstance(moment, dt.date):
        raise PrepError(
            f"{function}: {moment!r} is no date. It takes a date, a datetime, or a text YYYY-MM-DD "
            "(with a time YYYY-MM-DDTHH:MM, and Z or +09:00 where it is an instant)."
        )
    return moment


def _read(function: str, text: str) -> dt.date:
    # Python 3.10 reads no Z, and later ones read 20250701 and 2025-W27, too.
    instant = text[:-1] + "+00:00" if text.endswith(("Z", "z")) else text
    try:
        if text[4:5] + text[7:8] != "--":
            raise ValueError
        if len(text) == len("YYYY-MM-DD"):
            return dt.date.fromisoformat(text)
        return dt.datetime.fromisoformat(instant)
    except ValueError:
        raise PrepError(
            f"{function}: {text!r} is no date of the calendar. It is written YYYY-MM-DD, with a "
            "time YYYY-MM-DDTHH:MM, and Z or +09:00 after it where it is an instant."
        ) from None


def _month_before(date: dt.date) -> dt.date:
    """The last day of the month before."""
    return date.replace(day=1) - dt.timedelta(days=1)


def _number(function: str, number: int, date: dt.date, fmt: str | None, pad: bool) -> int | str:
    if fmt is not None and pad:
        raise PrepError(f"{function}: pad and fmt exclude each other; %m and %d are padded.")
    if fmt is not None:
        return date.strftime(fmt)
    return f"{number:02}" if pad else number


def _text(date: dt.date, fmt: str | None) -> dt.date | str:
    return date if fmt is None else date.strftime(fmt)


@_of_column_too(date_columns.before_last_day)
def before_last_day(
    base: Base = None, *, tz: str = ZONE, fmt: str | None = None, clock: Clock = _now
) -> dt.date | str:
    """The last day of the previous month.

    >>> before_last_day("2024-03-01")
    datetime.date(2024, 2, 29)
    """
    return _text(_month_before(_date("before_last_day", base, tz, clock)), fmt)


@_of_column_too(date_columns.last_day)
def last_day(
    base: Base = None, *, tz: str = ZONE, fmt: str | None = None, clock: Clock = _now
) -> dt.date | str:
    """The last day of the month; `fmt` (strftime's) gives text.

    `base`: a date, a wall time, an instant (seen in the zone `tz`), a text of one in ISO's form,
    or None for now by `clock`. PrepError (a ValueError) for an impossible date.

    >>> last_day("2023-02-03")
    datetime.date(2023, 2, 28)
    >>> last_day("2023-02-03", fmt="%Y%m%d")
    '20230228'
    """
    date = _date("last_day", base, tz, clock)
    return _text(date.replace(day=calendar.monthrange(date.year, date.month)[1]), fmt)


@_of_column_too(date_columns.today)
def today(
    base: Base = None, *, tz: str = ZONE, fmt: str | None = None, clock: Clock = _now
) -> dt.date | str:
    """The date in the zone.

    >>> today("2025-06-30T16:00Z")
    datetime.date(2025, 7, 1)
    """
    return _text(_date("today", base, tz, clock), fmt)


@_of_column_too(date_columns.this_year)
def this_year(
    base: Base = None, *, tz: str = ZONE, fmt: str | None = None, clock: Clock = _now
) -> int | str:
    """The year.

    >>> this_year("2024-12-31T15:00Z")
    2025
    """
    date = _date("this_year", base, tz, clock)
    return _number("this_year", date.year, date, fmt, False)


@_of_column_too(date_columns.this_month)
def this_month(
    base: Base = None,
    *,
    tz: str = ZONE,
    fmt: str | None = None,
    pad: bool = False,
    clock: Clock = _now,
) -> int | str:
    """The month; `pad` gives '07'.

    >>> this_month("2025-07-01"), this_month("2025-07-01", pad=True)
    (7, '07')
    """
    date = _date("this_month", base, tz, clock)
    return _number("this_month", date.month, date, fmt, pad)


@_of_column_too(date_columns.before_year)
def before_year(
    base: Base = None, *, tz: str = ZONE, fmt: str | None = None, clock: Clock = _now
) -> int | str:
    """The year of the previous month (전달 연도), which is not the year before.

    >>> before_year("2025-01-09"), before_year("2025-07-09")
    (2024, 2025)
    """
    before = _month_before(_date("before_year", base, tz, clock))
    return _number("before_year", before.year, before, fmt, False)


@_of_column_too(date_columns.before_month)
def before_month(
    base: Base = None,
    *,
    tz: str = ZONE,
    fmt: str | None = None,
    pad: bool = False,
    clock: Clock = _now,
) -> int | str:
    """The previous month, 1 to 12; `pad` gives '04'.

    >>> before_month("2025-01-31")
    12
    """
    before = _month_before(_date("before_month", base, tz, clock))
    return _number("before_month", before.month, before, fmt, pad)


@_of_column_too(date_columns.day)
def day(
    base: Base = None,
    *,
    tz: str = ZONE,
    fmt: str | None = None,
    pad: bool = False,
    clock: Clock = _now,
) -> int | str:
    """The day of the month; `pad` gives '09'.

    >>> day("2025-12-31T15:00Z")
    1
    """
    date = _date("day", base, tz, clock)
    return _number("day", date.day, date, fmt, pad)


@_of_column_too(date_columns.before_year_month)
def before_year_month(
    base: Base = None, *, tz: str = ZONE, fmt: str | None = None, clock: Clock = _now
) -> int | str:
    """Year and month of the previous month as a number YYYYMM.

    >>> before_year_month("2025-01-01")
    202412
    """
    before = _month_before(_date("before_year_month", base, tz, clock))
    return _number("before_year_month", before.year * 100 + before.month, before, fmt, False)


@_of_column_too(date_columns.this_year_month)
def this_year_month(
    base: Base = None, *, tz: str = ZONE, fmt: str | None = None, clock: Clock = _now
) -> int | str:
    """Year and month as a number YYYYMM.

    >>> this_year_month("2025-09-30T15:00Z")
    202510
    """
    date = _date("this_year_month", base, tz, clock)
    return _number("this_year_month", date.year * 100 + date.month, date, fmt, False)


@_of_column_too(date_columns.week_of_month)
def week_of_month(
    base: Base = None,
    *,
    method: WeekMethod = "iso",
    tz: str = ZONE,
    fmt: str | None = None,
    clock: Clock = _now,
) -> WeekOfMonth | int | str:
    """The week of the month (월 주차): of `"iso"` with its year and month, else the number alone.

    `fmt` is of the date, by `"iso"` of its week's Thursday, whose year and month the week has.

    >>> week_of_month("2025-06-01")
    WeekOfMonth(year=2025, month=5, week=5)
    >>> week_of_month("2025-06-01", fmt="%Y-%m")
    '2025-05'
    >>> week_of_month("2025-06-01", method="calendar_sunday")
    1
    >>> week_of_month("2025-08-31", method="simple")
    5
    """
    allowed("week_of_month", "method", method, WEEK_METHODS)
    date = _date("week_of_month", base, tz, clock)
    if method == "iso":
        date += dt.timedelta(days=3 - date.weekday())
    if fmt is not None:
        return date.strftime(fmt)
    if method == "calendar_sunday":
        return (date.day + 12 - date.isoweekday() % 7) // 7
    week = (date.day - 1) // 7 + 1
    return week if method == "simple" else WeekOfMonth(date.year, date.month, week)
