"""Dates made of numbers and texts, and numbers and texts made of dates: 18, 24, 26 and 27.

Here: the four functions. Not here: what a pattern of a text means (`date_patterns.py`), how a text
becomes a date (`date_reading.py`), the calendar's arithmetic (`date_parts.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import narwhals.stable.v2 as nw

from lake_assets.edge import Edge, Effect
from lake_assets.preps.date_engines import with_dates, with_instants_of_millis
from lake_assets.preps.date_frames import ZONE, allowed, dated, placed, temporary, zone
from lake_assets.preps.date_parts import Parts, days_of_month, digits, epoch_day, named
from lake_assets.preps.date_patterns import Field, names_of, reading, writing
from lake_assets.preps.date_reading import DATE_TYPES, DateType, read_dates
from lake_assets.preps.fences import kept_present, remainder, whole_numbers
from lake_assets.preps.prep import Frame, PrepError, prep
from lake_assets.preps.selectors import chosen, is_nominal, is_number, type_name

TimeUnit = Literal[
    "millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "half year",
    "year",
]  # fmt: skip
Parent = Literal[
    "second", "minute", "hour", "day", "week", "month", "quarter", "year", "era", "epoch"
]
Errors = Literal["raise", "null"]

#: The milliseconds of 0001-01-01 and of the last one of 9999-12-31, in UTC.
_FIRST, _LAST = -62_135_596_800_000, 253_402_300_799_999


def _kept(params: Mapping[str, Any], before: nw.Schema, after: nw.Schema) -> Effect:
    """With a new column beside it, the old one stays as it is."""
    column = params["column"]
    return Effect({column: (Edge(column, "identity"),)} if params["keep_old_attribute"] else {})


def _kept_old(params: Mapping[str, Any], before: nw.Schema, after: nw.Schema) -> Effect:
    column = params["column"]
    kept = params["keep_old_attribute"]
    return Effect({f"{column}_old": (Edge(column, "identity"),)} if kept else {})


@prep(18, effect=_kept)
def numeric_to_date(
    df: Frame,
    column: str,
    keep_old_attribute: bool = False,
    time_offset: int = 0,
    unit: Literal["millisecond", "yyyymmdd"] = "millisecond",
) -> Frame:
    """Milliseconds since 1970-01-01 in UTC as instants, or numbers like 20240229 as dates.

    `column`: numbers; a fraction of a millisecond is cut, what is missing stays so. `time_offset`:
    milliseconds added. `keep_old_attribute`: the column stays, and the dates are in a new one,
    `<column>_AS_DATE`. `unit`: `"yyyymmdd"` for numbers that show a date's digits.

    PrepError for a value before the year 1 or after 9999, and for one that is no date by
    `yyyymmdd`. Source: RapidMiner's *Numerical to Date* (blending/attributes/types).

    >>> import polars as pl
    >>> made = numeric_to_date(pl.DataFrame({"때": [1000]}), "때")
    >>> made["때"][0].isoformat()
    '1970-01-01T00:00:01+00:00'
    >>> numeric_to_date(pl.DataFrame({"때": [20240229]}), "때", unit="yyyymmdd")["때"].to_list()
    [datetime.date(2024, 2, 29)]
    """
    allowed("numeric_to_date", "unit", unit, ("millisecond", "yyyymmdd"))
    _column(df, "numeric_to_date", column, is_number, "numeric", "parse_number or nominal_to_date")
    as_dates = unit == "yyyymmdd"
    if as_dates and time_offset:
        raise PrepError("numeric_to_date: time_offset is for milliseconds, not for yyyymmdd.")
    names = df.collect_schema().names()
    target = f"{column}_AS_DATE" if keep_old_attribute else column
    if keep_old_attribute:
        df = placed("numeric_to_date", df, names, column, {target: nw.col(column)}, True)

    def made(frame: Frame, targets: Any) -> Frame:
        (name,) = targets
        order = frame.collect_schema().names()
        number, moment = temporary(1), temporary(2)
        frame = whole_numbers(frame.with_columns(nw.col(name).alias(number)), [number])
        whole = nw.col(number)
        if as_dates:
            same = nw.col(name) == whole  # a fraction is no date
            frame = frame.with_columns(_epoch_day_of_digits(whole, same).alias(number))
            frame = with_dates(frame, number, moment)
        else:
            inside = (whole >= _FIRST - time_offset) & (whole <= _LAST - time_offset)
            frame = frame.with_columns(nw.when(inside).then(whole + time_offset).alias(number))
            frame = with_instants_of_millis(frame, number, moment)
        return placed("numeric_to_date", frame, order, name, {name: nw.col(moment)}, False)

    def refused(_: str, value: Any) -> PrepError:
        told = (
            "are no dates by yyyymmdd"
            if as_dates
            else "are no milliseconds of a time from 0001-01-01 to 9999-12-31. For numbers like "
            "20240229 set unit: yyyymmdd"
        )
        return PrepError(f"numeric_to_date: values of column {column!r} {told}.", example=value)

    return kept_present(df, [target], made, refused)


def _epoch_day_of_digits(number: nw.Expr, same: nw.Expr) -> nw.Expr:
    year, rest = number // 10_000, remainder(number, 10_000)
    month, day = rest // 100, remainder(rest, 100)
    shown = same & (number >= 10_000_101) & (number <= 99_991_231)  # eight digits
    valid = (month >= 1) & (month <= 12) & (day >= 1) & (day <= days_of_month(year, month))
    return nw.when(shown & valid).then(epoch_day(year, month, day))


@prep(24, effect=_kept_old)
def nominal_to_date(
    df: Frame,
    column: str,
    date_type: DateType = "date",
    date_format: str | None = None,
    time_zone: str = ZONE,
    locale: str = "en_US",
    keep_old_attribute: bool = False,
    errors: Errors = "raise",
) -> Frame:
    """Texts as dates, times or instants, read strictly by a SimpleDateFormat pattern.

    `column`: texts; what is missing stays so. `date_type`: `"date"`, `"date_time"` (an instant:
    the text's time is that of `time_zone`, or of its own offset) or `"time"` (a wall time of
    1970-01-01). `date_format`: `yyyy-MM-dd` by default, with ` HH:mm:ss` for `date_time`, that
    alone for `time`. Two letters are two digits, one is one or two; `yy` is 1969 to 2068; other
    words stand in quotes: `yyyy'T'HH`. `locale`: the names of months, weekdays, AM and PM, en_US
    or ko_KR. `keep_old_attribute`: the texts stay in a new column, `<column>_old`. `errors`:
    `"null"` makes a missing value of a text that cannot be read.

    PrepError with the row for a text that is not as the pattern, or no date: 2023-02-29 is not
    made March 1, and what follows a date is not passed over, as RapidMiner does. A time that
    daylight saving left out is none; one that was twice is standard time.

    Source: RapidMiner's *Nominal to Date* (blending/attributes/types).

    >>> import polars as pl
    >>> df = pl.DataFrame({"일자": ["2025/07/01", None]})
    >>> nominal_to_date(df, "일자", date_format="yyyy/MM/dd")["일자"].to_list()
    [datetime.date(2025, 7, 1), None]
    """
    allowed("nominal_to_date", "date_type", date_type, tuple(DATE_TYPES))
    allowed("nominal_to_date", "errors", errors, ("raise", "null"))
    zone("nominal_to_date", "time_zone", time_zone)
    pattern = date_format or DATE_TYPES[date_type]
    how = reading("nominal_to_date", pattern, locale)
    _column(df, "nominal_to_date", column, is_nominal, "text", "numeric_to_date")
    names = df.collect_schema().names()
    if keep_old_attribute:
        old = {f"{column}_old": nw.col(column)}
        df = placed("nominal_to_date", df, names, column, old, True)

    def made(frame: Frame, targets: Any) -> Frame:
        (name,) = targets
        order = frame.collect_schema().names()
        frame, moment = read_dates(frame, name, how, date_type, time_zone, locale)
        return placed("nominal_to_date", frame, order, name, {name: nw.col(moment)}, False)

    def refused(_: str, value: Any) -> PrepError:
        row = ""
        if isinstance(df, nw.DataFrame):
            texts = df[column].cast(nw.String)
            row = f", row {(texts == value).fill_null(False).arg_true()[0] + 1}"
        return PrepError(
            f"nominal_to_date: column {column!r}{row}: a text is no {date_type} by date_format "
            f"{pattern!r}. Give the pattern of the texts, or errors: 'null' for missing values.",
            example=value,
        )

    return made(df, [column]) if errors == "null" else kept_present(df, [column], made, refused)


def _column(
    df: Frame,
    function: str,
    column: str,
    fits: Callable[[Any], bool],
    kind: str,
    cure: str,
) -> None:
    chosen(function, df, [column])
    dtype = df.collect_schema()[column]
    if not fits(dtype):
        raise PrepError(
            f"{function}: column {column!r} is {type_name(dtype)}; it takes {kind} columns. "
            f"For others there is {cure}."
        )


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


@prep(26, effect=_kept)
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


@prep(27, effect=_kept)
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
    target = f"{column}_nominal" if keep_old_attribute else column
    if df.implementation.is_polars() and how.strftime and (parts.timed or not how.has_time):
        made = nw.col(parts.column).dt.to_string(how.strftime)  # a quarter of the time
    else:
        texts = [
            _written(one, parts, locale) if isinstance(one, Field) else nw.lit(one)
            for one in how.pieces
        ]
        made = nw.concat_str(texts) if len(texts) > 1 else texts[0]
    return placed("date_to_nominal", frame, names, column, {target: made}, keep_old_attribute)


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
