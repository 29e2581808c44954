"""The parts of dates and times as whole numbers, and the calendar's arithmetic with them.

Here: expressions alike on every engine, over the parts that `fences.py` gives. Not here: what only
an engine's own words say (`date_engines.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import narwhals.stable.v2 as nw

from lake_assets.preps.fences import part, remainder, weekday

DAY_MICROS = 86_400_000_000


@dataclass(frozen=True)
class Parts:
    """Of a column of dates (`timed=False`: their time is midnight) or wall times.

    `days` is the column of their days since 1970-01-01, where it was made.
    """

    column: str
    timed: bool
    days: str = ""

    def _of(self, name: str) -> nw.Expr:
        return part(nw.col(self.column), name)

    def _of_time(self, name: str) -> nw.Expr:
        return self._of(name) if self.timed else self._of("day") * 0

    @cached_property
    def year(self) -> nw.Expr:
        return self._of("year")

    @cached_property
    def month(self) -> nw.Expr:
        return self._of("month")

    @cached_property
    def day(self) -> nw.Expr:
        return self._of("day")

    @cached_property
    def day_of_year(self) -> nw.Expr:
        return self._of("ordinal_day")

    @cached_property
    def weekday(self) -> nw.Expr:
        """Monday 1 to Sunday 7."""
        return weekday(nw.col(self.column))

    @cached_property
    def hour(self) -> nw.Expr:
        return self._of_time("hour")

    @cached_property
    def minute(self) -> nw.Expr:
        return self._of_time("minute")

    @cached_property
    def second(self) -> nw.Expr:
        return self._of_time("second")

    @cached_property
    def microsecond(self) -> nw.Expr:
        number = self._of_time("microsecond")  # negative before 1970 on Spark
        return nw.when(number < 0).then(number + 1_000_000).otherwise(number)

    @cached_property
    def epoch_day(self) -> nw.Expr:
        return nw.col(self.days)

    @cached_property
    def second_of_day(self) -> nw.Expr:
        return (self.hour * 60 + self.minute) * 60 + self.second

    @cached_property
    def epoch_second(self) -> nw.Expr:
        return self.epoch_day * 86_400 + self.second_of_day

    @cached_property
    def _saturday(self) -> nw.Expr:
        """Days from this one to the last of its week, where weeks begin on Sunday."""
        return 6 - remainder(self.weekday, 7)

    @cached_property
    def row_of_month(self) -> nw.Expr:
        """The row on a calendar's page whose weeks begin on Sunday."""
        return (self.day + self._saturday + 6) // 7

    @cached_property
    def _is_next_years_week(self) -> nw.Expr:
        return (self.month == 12) & (self.day + self._saturday > 31)

    @cached_property
    def week_of_year(self) -> nw.Expr:
        """Java's in the US and Korea: Sunday first, January 1 is in week 1."""
        week = (self.day_of_year + self._saturday + 6) // 7
        return nw.when(self._is_next_years_week).then(week * 0 + 1).otherwise(week)

    @cached_property
    def week_year(self) -> nw.Expr:
        return nw.when(self._is_next_years_week).then(self.year + 1).otherwise(self.year)

    @cached_property
    def before_year(self) -> nw.Expr:
        """The year of the previous month."""
        return nw.when(self.month == 1).then(self.year - 1).otherwise(self.year)

    @cached_property
    def before_month(self) -> nw.Expr:
        return nw.when(self.month == 1).then(self.month + 11).otherwise(self.month - 1)


def days_of_month(year: nw.Expr, month: nw.Expr) -> nw.Expr:
    leap = (remainder(year, 4) == 0) & ((remainder(year, 100) != 0) | (remainder(year, 400) == 0))
    february = nw.when(leap).then(month * 0 + 29).otherwise(month * 0 + 28)
    other = nw.when(month.is_in([4, 6, 9, 11])).then(month * 0 + 30).otherwise(month * 0 + 31)
    return nw.when(month == 2).then(february).otherwise(other)


def epoch_day(year: nw.Expr, month: nw.Expr, day: nw.Expr) -> nw.Expr:
    """Days since 1970-01-01, of years from 1 on: the year begins in March, so it ends leaping."""
    early = month <= 2
    year = nw.when(early).then(year - 1).otherwise(year)
    month = nw.when(early).then(month + 9).otherwise(month - 3)
    leaps = year // 4 - year // 100 + year // 400
    return year * 365 + leaps + (month * 153 + 2) // 5 + day - 719_469


def digits(number: nw.Expr, width: int) -> nw.Expr:
    """A number from 0 on as text of at least `width` digits."""
    if width == 1:
        return number.cast(nw.String)
    padded: nw.Expr = (number + 10**width).cast(nw.String).str.slice(1)
    if width >= 4:  # no part has more digits
        return padded
    return nw.when(number < 10**width).then(padded).otherwise(number.cast(nw.String))


def named(number: nw.Expr, words: Mapping[int, str]) -> nw.Expr:
    """The word of a number, all of which have one; null where the number is."""
    return _replaced(number.cast(nw.String), number, [(n, nw.lit(w)) for n, w in words.items()])


def numbered(text: nw.Expr, words: Mapping[str, int]) -> nw.Expr:
    """The number of a word, all of which have one; null where the text is."""
    numbers = [(word, nw.lit(n, nw.Int64)) for word, n in words.items()]
    return _replaced(text.str.len_chars().cast(nw.Int64), text, numbers)


def _replaced(
    made: nw.Expr, given: nw.Expr, values: Sequence[tuple[int | str, nw.Expr]]
) -> nw.Expr:
    # Each value comes as `otherwise`: pandas gives the result the type of `then`, and a literal
    # that stood there would be NumPy's, whose missing numbers are floats.
    for one, value in values:
        made = nw.when((given != one) | given.is_null()).then(made).otherwise(value)
    return made
