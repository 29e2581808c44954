"""Numbers and texts made of dates: 26 and 27.

Here: the two functions. Not here: what a pattern means (`date_patterns.py`), the calendar's
arithmetic (`date_parts.py`), dates made of numbers and texts (`date_types.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import narwhals.stable.v2 as nw

from lake_assets.preps.date_frames import (
    ZONE,
    allowed,
    dated,
    effect_of_kept,
    placed,
    temporary,
    zone,
)
from lake_assets.preps.date_parsers import with_distinct
from lake_assets.preps.date_parts import Parts, digits, named
from lake_assets.preps.date_patterns import Field, Writing, names_of, writing
from lake_assets.preps.fences import remainder
from lake_assets.preps.prep import Frame, PrepError, prep

TimeUnit = Literal[
    "millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "half year",
    "year",
]  # fmt: skip
Parent = Literal[
    "second", "minute", "hour", "day", "week", "month", "quarter", "year", "era", "epoch"
]

#: Unit → what it is counted in → the number; the first is the default.
_COUNTS: dict[str, dict[str, Callable[[Parts], nw.Expr]]] = {
    "millisecond": {
        "second": lambda p: p.microsecond // 1000,
        "epoch": lambda p: p.epoch_second * 1000 + p.microsecond // 1000,
    },
    "second": {
        "minute": lambda p: p.second,
        "hour": lambda p: p.minute * 60 + p.second,
        "day": lambda p: p.second_of_day,
        "epoch": lambda p: p.epoch_second,
    },
    "minute": {
        "hour": lambda p: p.minute,
        "day": lambda p: p.hour * 60 + p.minute,
        "epoch": lambda p: p.epoch_day * 1440 + p.hour * 60 + p.minute,
    },
    "hour": {
        "day": lambda p: p.hour,
        "epoch": lambda p: p.epoch_day * 24 + p.hour,
    },
    "day": {
        "month": lambda p: p.day,
        "week": lambda p: remainder(p.weekday, 7) + 1,
        "year": lambda p: p.day_of_year,
        "epoch": lambda p: p.epoch_day,
    },
    "week": {
        "year": lambda p: p.week_of_year,
        "month": lambda p: p.row_of_month,
        # Counted from 7,000,000 days before, so that the quotient of a day before 1970 is floored.
        "epoch": lambda p: (p.epoch_day + 7_000_000) // 7 - 1_000_000,
    },
    "month": {
        "year": lambda p: p.month,
        "quarter": lambda p: remainder(p.month - 1, 3) + 1,
        "epoch": lambda p: p.month + (p.year - 1970) * 12,
    },
    "quarter": {
        "year": lambda p: (p.month + 2) // 3,
        "epoch": lambda p: (p.month + 2) // 3 + (p.year - 1970) * 4,
    },
    "half year": {
        "year": lambda p: (p.month + 5) // 6,
        "epoch": lambda p: (p.month + 5) // 6 + (p.year - 1970) * 2,
    },
    "year": {
        "era": lambda p: p.year,
        "epoch": lambda p: p.year - 1970,
    },
}
#: Units whose count since 1970-01-01 in UTC is a division of it: of an instant it has no zone.
_EVEN = frozenset(("millisecond", "second", "minute", "hour", "day", "week"))


@prep(26, effect=effect_of_kept)
def date_to_numeric(
    df: Frame,
    column: str,
    time_unit: TimeUnit = "millisecond",
    relative_to: Parent | None = None,
    keep_old_attribute: bool = False,
    time_zone: str = ZONE,
) -> Frame:
    """How many of a unit a date or a time has, within a larger one or since 1970.

    `column`: dates (their time is midnight), wall times as they are, or instants, seen in
    `time_zone`. `time_unit` and `relative_to`, the default first: millisecond of second, epoch;
    second of minute, hour, day, epoch; minute of hour, day, epoch; hour of day, epoch; day of
    month, week, year, epoch; week of year, month, epoch; month of year, quarter, epoch; quarter
    and half year of year, epoch; year of era, epoch. Days and months begin with 1 (Sunday is 1,
    the month 1970-01 is 1), weeks are a calendar's rows from Sunday on, as Java counts in Korea
    and the US. `epoch` of units up to the week is counted in UTC and rounded down before 1970.
    `keep_old_attribute`: the column stays, and the numbers are in `<column>_<time_unit>`.

    PrepError for columns of another type, and for a unit that is not counted in the other.
    Source: RapidMiner's *Date to Numerical* (blending/attributes/types).

    >>> import datetime, polars as pl
    >>> df = pl.DataFrame({"일자": [datetime.date(2012, 2, 15)]})
    >>> date_to_numeric(df, "일자", "day", "year")["일자"].to_list()
    [46]
    """
    allowed("date_to_numeric", "time_unit", time_unit, tuple(_COUNTS))
    counts = _COUNTS[time_unit]
    parent = next(iter(counts)) if relative_to is None else relative_to
    if parent not in counts:
        raise PrepError(
            f"date_to_numeric: relative_to {parent!r} is nothing that a {time_unit} is counted "
            f"in. Allowed: {', '.join(sorted(counts, key=_SIZES.index))}."
        )
    names = df.collect_schema().names()
    in_utc = parent == "epoch" and time_unit in _EVEN
    zone("date_to_numeric", "time_zone", time_zone)
    frame, parts = dated(
        "date_to_numeric",
        df,
        column,
        "time_zone",
        "UTC" if in_utc else time_zone,
        days=in_utc,
    )
    target = f"{column}_{time_unit}" if keep_old_attribute else column
    made = {target: counts[parent](parts)}
    return placed("date_to_numeric", frame, names, column, made, keep_old_attribute)


_SIZES = ("second", "minute", "hour", "day", "week", "month", "quarter", "year", "epoch", "era")


@prep(27, effect=effect_of_kept)
def date_to_nominal(
    df: Frame,
    column: str,
    date_format: str,
    time_zone: str = ZONE,
    locale: str = "en_US",
    keep_old_attribute: bool = False,
) -> Frame:
    """Dates and times as texts by a SimpleDateFormat pattern.

    `column`: dates (their time is midnight), wall times as they are, or instants, seen in
    `time_zone`. `date_format`: `yyyy.MM.dd HH:mm:ss.SSS`; `MMM`, `EEE` and `a` are names of
    `locale` (en_US or ko_KR: 7월, 화, 오전); `YYYY` is the year of the week `w`, not the year;
    other words stand in quotes. `keep_old_attribute`: the column stays, and the texts are in
    `<column>_nominal`.

    PrepError for columns of another type and a pattern that is none.
    Source: RapidMiner's *Date to Nominal* (blending/attributes/types).

    >>> import datetime, polars as pl
    >>> df = pl.DataFrame({"일자": [datetime.date(2025, 7, 1)]})
    >>> date_to_nominal(df, "일자", "yyyy'년' M'월' d'일' EEE", locale="ko_KR")["일자"].to_list()
    ['2025년 7월 1일 화']
    """
    how = writing("date_to_nominal", date_format, locale)
    names = df.collect_schema().names()
    frame, parts = dated("date_to_nominal", df, column, "time_zone", time_zone)
    text = _text(how, parts, locale, polars=frame.implementation.is_polars())
    if frame.implementation.is_pandas() or frame.implementation.is_pyarrow():
        into = temporary(2)
        read = with_distinct(
            frame, parts.column, into, lambda some: (some.with_columns(text.alias(into)), into)
        )
        frame, text = (frame, text) if read is None else (read, nw.col(into))
    target = f"{column}_nominal" if keep_old_attribute else column
    return placed("date_to_nominal", frame, names, column, {target: text}, keep_old_attribute)


def _text(how: Writing, parts: Parts, locale: str, *, polars: bool) -> nw.Expr:
    if polars and how.strftime and (parts.timed or not how.has_time):
        return nw.col(parts.column).dt.to_string(how.strftime)  # a quarter of the time
    texts = [
        _written(one, parts, locale) if isinstance(one, Field) else nw.lit(one)
        for one in how.pieces
    ]
    return nw.concat_str(texts) if len(texts) > 1 else texts[0]


def _written(field: Field, parts: Parts, locale: str) -> nw.Expr:
    names = names_of(field, locale)
    if names:
        numbers = {"M": parts.month, "E": parts.weekday, "a": parts.hour // 12}
        return named(numbers[field.letter], names)
    if field.letter == "S":
        micros = digits(parts.microsecond, 6)
        return micros if field.count > 3 else digits(parts.microsecond // 1000, field.count)
    return digits(_NUMBERS[field.letter](parts, field.count), field.count)


_NUMBERS: dict[str, Callable[[Parts, int], nw.Expr]] = {
    "y": lambda p, count: remainder(p.year, 100) if count == 2 else p.year,
    "Y": lambda p, count: remainder(p.week_year, 100) if count == 2 else p.week_year,
    "M": lambda p, count: p.month,
    "d": lambda p, count: p.day,
    "D": lambda p, count: p.day_of_year,
    "u": lambda p, count: p.weekday,
    "w": lambda p, count: p.week_of_year,
    "W": lambda p, count: p.row_of_month,
    "H": lambda p, count: p.hour,
    "k": lambda p, count: remainder(p.hour + 23, 24) + 1,
    "K": lambda p, count: remainder(p.hour, 12),
    "h": lambda p, count: remainder(p.hour + 11, 12) + 1,
    "m": lambda p, count: p.minute,
    "s": lambda p, count: p.second,
}
