"""Texts as dates: the fields of a pattern as numbers, held against the calendar.

Here: what a pattern's fields mean, alike on every engine; an engine's own parser where it has a
strict one. Not here: the pattern (`date_patterns.py`), the function (`date_types.py`).
"""

from __future__ import annotations

from typing import Literal

import narwhals.stable.v2 as nw

from lake_assets.preps.date_engines import with_dates, with_instants, with_local, with_wall_times
from lake_assets.preps.date_frames import temporary
from lake_assets.preps.date_parsers import with_distinct, with_groups, with_parsed
from lake_assets.preps.date_parts import (
    DAY_MICROS,
    Parts,
    days_of_month,
    epoch_day,
    numbered,
)
from lake_assets.preps.date_patterns import Field, Reading, names_of
from lake_assets.preps.fences import remainder
from lake_assets.preps.prep import Frame

DateType = Literal["date", "time", "date_time"]
#: Type → its pattern where none is given.
DATE_TYPES: dict[str, str] = {
    "date": "yyyy-MM-dd",
    "time": "HH:mm:ss",
    "date_time": "yyyy-MM-dd HH:mm:ss",
}

_MADE, _WALL, _RESULT = temporary(10), temporary(11), temporary(12)


def read_dates(
    frame: Frame, column: str, how: Reading, kind: DateType, tz: str, locale: str
) -> tuple[Frame, str]:
    """The frame with a column of the texts as `kind`, null where one is none; and its name.

    That is another one, or the same where a frame in memory can have dates written over it.
    """
    if frame.implementation.is_pandas() or frame.implementation.is_pyarrow():
        distinct = with_distinct(
            frame, column, _RESULT, lambda some: _read(some, column, how, kind, tz, locale)
        )
        if distinct is not None:
            return distinct, _RESULT
    return _read(frame, column, how, kind, tz, locale)


def _read(
    frame: Frame, column: str, how: Reading, kind: DateType, tz: str, locale: str
) -> tuple[Frame, str]:
    if how.strptime is not None and kind != "time":
        eager = isinstance(frame, nw.DataFrame) and not frame.implementation.is_pyarrow()
        into = column if eager and kind == "date" else _WALL
        quick = with_parsed(frame, column, into, how.regex, how.strptime, kind == "date")
        if quick is not None:
            if kind == "date":
                return quick, into
            return with_instants(quick, _WALL, _RESULT, tz), _RESULT
    groups = [temporary(20 + at) for at in range(len(how.fields))]
    frame = with_groups(frame, column, how.regex, groups)
    texts = dict(zip(how.fields, map(nw.col, groups), strict=True))
    return _of_fields(frame, _Fields(texts, locale), kind, tz)


class _Fields:
    """The fields of a text as numbers; null where the text is not as the pattern."""

    def __init__(self, texts: dict[Field, nw.Expr], locale: str) -> None:
        self._locale = locale
        self._texts = {field.letter: (field, text) for field, text in texts.items()}
        self._first = next(iter(texts.values()))
        self._matched = ~self._first.is_null()
        self.has_offset = not self._texts.keys().isdisjoint("ZX")

    def _number(self, letter: str, default: int) -> nw.Expr:
        if letter not in self._texts:
            return nw.lit(default, nw.Int64)
        field, text = self._texts[letter]
        names = names_of(field, self._locale)
        if names:
            return numbered(text.str.to_lowercase(), {name.lower(): n for n, name in names.items()})
        return text.cast(nw.Int64)

    def _zero(self) -> nw.Expr:
        """0 in each row that matched: of literals alone pandas makes floats where one misses."""
        return self._first.str.len_chars().cast(nw.Int64) * 0

    def epoch_day(self) -> nw.Expr:
        year, month, day = self._year(), self._number("M", 1), self._number("d", 1)
        days = epoch_day(year, month, day)
        valid = self._matched & (day <= days_of_month(year, month))
        if "E" in self._texts:
            # 1969-12-29 was a Monday; counted from 7,000,000 days before, so nothing is negative.
            valid = valid & (remainder(days + 7_000_003, 7) + 1 == self._number("E", 1))
        return nw.when(valid).then(days)

    def _year(self) -> nw.Expr:
        if "y" not in self._texts:
            return self._zero() + 1970
        year = self._number("y", 1970)
        if self._texts["y"][0].count == 2:
            return nw.when(year < 69).then(year + 2000).otherwise(year + 1900)
        return year

    def micros_of_day(self) -> nw.Expr:
        if self._texts.keys().isdisjoint("HkhKmsSa"):
            return self._zero()
        minutes = self._hour() * 60 + self._number("m", 0)
        micros = (minutes * 60 + self._number("s", 0)) * 1_000_000
        if "S" in self._texts:
            fraction = self._number("S", 0)
            micros = micros + (fraction if self._texts["S"][0].count == 6 else fraction * 1000)
        return nw.when(self._matched).then(micros)

    def _hour(self) -> nw.Expr:
        """As Java's Calendar: an hour to 24 needs no half of the day, a half alone is 0 or 12."""
        half = self._number("a", 0) * 12
        for letter in "hK":
            if letter in self._texts:
                return remainder(self._number(letter, 0), 12) + half
        if "k" in self._texts:
            return remainder(self._number("k", 0), 24)
        return self._number("H", 0) if "H" in self._texts else half

    def offset_micros(self) -> nw.Expr:
        """East is positive; +0900, +09:00 and +09 are the same."""
        field, text = self._texts["Z" if "Z" in self._texts else "X"]
        # The literal stands as `otherwise`: as `then` it would make pandas' column one of objects.
        spelt = (text.str.to_lowercase() != "z") | text.is_null()
        shown = nw.when(spelt).then(text).otherwise(nw.lit("+00:00"))
        minutes = shown.str.slice(1, 2).cast(nw.Int64) * 60
        if str(field) != "X":
            minutes = minutes + shown.str.slice(-2).cast(nw.Int64)
        signed = nw.when(shown.str.starts_with("-")).then(minutes * -1).otherwise(minutes)
        return signed * 60_000_000


def _of_fields(frame: Frame, fields: _Fields, kind: DateType, tz: str) -> tuple[Frame, str]:
    if fields.has_offset:
        return _of_instants(frame, fields, kind, tz)
    if kind == "date":
        frame = frame.with_columns(fields.epoch_day().alias(_MADE))
        return with_dates(frame, _MADE, _RESULT), _RESULT
    if kind == "time":
        # The date of the text is read all the same: 2023-02-29 09:00 is no time either.
        time = nw.when(~fields.epoch_day().is_null()).then(fields.micros_of_day())
        return with_wall_times(frame.with_columns(time.alias(_MADE)), _MADE, _RESULT), _RESULT
    micros = fields.epoch_day() * DAY_MICROS + fields.micros_of_day()
    frame = with_wall_times(frame.with_columns(micros.alias(_MADE)), _MADE, _WALL)
    return with_instants(frame, _WALL, _RESULT, tz), _RESULT


def _of_instants(frame: Frame, fields: _Fields, kind: DateType, tz: str) -> tuple[Frame, str]:
    """Texts with an offset: an instant each, whose date and time are those of the zone."""
    micros = fields.epoch_day() * DAY_MICROS + fields.micros_of_day() - fields.offset_micros()
    frame = with_wall_times(frame.with_columns(micros.alias(_MADE)), _MADE, _WALL)
    instant, local, time = temporary(13), temporary(14), temporary(15)
    frame = with_instants(frame, _WALL, instant, "UTC")
    if kind == "date_time":
        return frame, instant
    frame = with_local(frame, instant, local, tz)
    if kind == "date":
        return frame.with_columns(nw.col(local).cast(nw.Date).alias(_RESULT)), _RESULT
    parts = Parts(local, timed=True)
    micros = parts.second_of_day * 1_000_000 + parts.microsecond
    return with_wall_times(frame.with_columns(micros.alias(time)), time, _RESULT), _RESULT
