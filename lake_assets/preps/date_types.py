"""Dates made of numbers and of texts: 18 and 24.

Here: the two functions. Not here: what a pattern of a text means (`date_patterns.py`), how a text
becomes a date (`date_reading.py`), the way back (`date_values.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import narwhals.stable.v2 as nw

from lake_assets.edge import Edge, Effect
from lake_assets.preps.date_engines import with_dates, with_instants_of_millis
from lake_assets.preps.date_frames import ZONE, allowed, effect_of_kept, placed, temporary, zone
from lake_assets.preps.date_parts import days_of_month, epoch_day
from lake_assets.preps.date_patterns import reading
from lake_assets.preps.date_reading import DATE_TYPES, DateType, read_dates
from lake_assets.preps.fences import kept_present, remainder, whole_numbers
from lake_assets.preps.prep import Frame, PrepError, prep
from lake_assets.preps.selectors import chosen, is_nominal, is_number, type_told

Errors = Literal["raise", "null"]

#: The milliseconds of 0001-01-01 and of the last one of 9999-12-31, in UTC.
_FIRST, _LAST = -62_135_596_800_000, 253_402_300_799_999


def _kept_old(params: Mapping[str, Any], before: nw.Schema, after: nw.Schema) -> Effect:
    column = params["column"]
    kept = params["keep_old_attribute"]
    return Effect({f"{column}_old": (Edge(column, "identity"),)} if kept else {})


@prep(18, effect=effect_of_kept)
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
    schema = df.collect_schema()
    cure = "parse_number or nominal_to_date"
    _column(df, schema, "numeric_to_date", column, is_number, "numeric", cure)
    as_dates = unit == "yyyymmdd"
    if as_dates and time_offset:
        raise PrepError("numeric_to_date: time_offset is for milliseconds, not for yyyymmdd.")
    names = schema.names()
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
            exact = schema[column].is_integer()
            same = ~whole.is_null() if exact else nw.col(name) == whole  # a fraction is no date
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


@prep(24, effect=_kept_old, version=2)
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
    words stand in quotes: `yyyy'T'HH`. What a pattern leaves out is 1970-01-01 00:00, as in Java;
    a half of the day without an hour is 00:00 or 12:00. `locale`: the names of months, weekdays,
    AM and PM, en_US or ko_KR. `keep_old_attribute`: the texts stay in a new column,
    `<column>_old`. `errors`: `"null"` makes a missing value of a text that cannot be read.

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
    schema = df.collect_schema()  # 0.06 ms each time, on pandas
    _column(df, schema, "nominal_to_date", column, is_nominal, "text", "numeric_to_date")
    names = schema.names()
    if keep_old_attribute:
        old = {f"{column}_old": nw.col(column)}
        df = placed("nominal_to_date", df, names, column, old, True)

    def made(frame: Frame, targets: Any) -> Frame:
        (name,) = targets
        read, moment = read_dates(frame, name, how, date_type, time_zone, locale)
        if moment == name:
            return read
        order = frame.collect_schema().names()
        return placed("nominal_to_date", read, order, name, {name: nw.col(moment)}, False)

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
    schema: Mapping[str, Any],
    function: str,
    column: str,
    fits: Callable[[Any], bool],
    kind: str,
    cure: str,
) -> None:
    chosen(function, df, [column])  # says what there is, and to lineage what is changed
    dtype = schema[column]
    if not fits(dtype):
        raise PrepError(
            f"{function}: column {column!r} is {type_told(df, column)}; it takes {kind} columns. "
            f"For others there is {cure}."
        )
