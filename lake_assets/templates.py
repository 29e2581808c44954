"""Dates in the texts of pipeline files: `매출_{last_day:%Y%m%d}.xlsx` for a partition's day.

Here: the grammar, its check when a file is loaded, and the text for a day. Not here: which texts
have them, the functions (`preps/dates.py`). A month's day is its first, an hour's its own.

`{name}` is a date function (`last_day`, `before_month`…) of the partition's day: a date is written
YYYY-MM-DD, a number as it is. `{name:%Y%m%d}` is written by strftime's directives, of a number the
date that it is taken from: `{before_month:%Y-%m}`. `{this_month:02}` has two digits.
`{week_of_month}` is the week's number by ISO's rule, its directives are those of the week's
Thursday, so `{week_of_month:%Y-%m}-{week_of_month}` is 2025-05-5 for 2025-06-01. `{clock.today}`
is of now in Asia/Seoul, not of the partition. `{{` and `}}` are braces; counts of regular
expressions (`[0-9]{4}`) are left as they are.
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Callable, Mapping
from typing import Any

from lake_assets.preps import dates
from lake_assets.preps.dates import Clock, WeekOfMonth
from resources.errors import PermanentError

#: The functions of dates, then those of numbers.
_DATES: Mapping[str, Callable[..., Any]] = {
    "today": dates.today,
    "last_day": dates.last_day,
    "before_last_day": dates.before_last_day,
}
_NUMBERS: Mapping[str, Callable[..., Any]] = {
    "this_year": dates.this_year,
    "this_month": dates.this_month,
    "day": dates.day,
    "this_year_month": dates.this_year_month,
    "before_year": dates.before_year,
    "before_month": dates.before_month,
    "before_year_month": dates.before_year_month,
    "week_of_month": dates.week_of_month,
}
NAMES = (*_DATES, *_NUMBERS)

#: Directives of strftime that write digits alone, so that a file name has no `/` that its text
#: had not, and the same on every machine: names of months are the machine's language's.
DIRECTIVES = "YymdjGVu"

_CLOCK = "clock."
_TOKEN = re.compile(
    r"""
      (?P<brace>\{\{|\}\})
    | (?P<count>\{(?:\d+(?:,\d*)?|,\d+)\})
    | \{(?P<name>[^{}:]*)(?P<form>:[^{}]*)?\}
    | (?P<lone>[{}])
    """,
    re.VERBOSE,
)


class TemplateError(PermanentError, ValueError):
    """A text of a pipeline file whose braces cannot be read."""


def rendered(text: str, base: dt.date, clock: Clock | None = None) -> str:
    """The text for a partition's day; `clock` is asked where the text has `{clock.…}` alone.

    >>> rendered("매출_{last_day:%Y%m%d}_{before_month:02}.xlsx", dt.date(2025, 1, 9))
    '매출_20250131_12.xlsx'
    """
    mistakes = mistakes_in(text)
    if mistakes:
        raise TemplateError(f"{text!r}: " + " ".join(mistakes))
    return _TOKEN.sub(lambda token: _written(token, base, clock), text)


def filled(value: Any, words: Mapping[str, str | dt.date]) -> Any:
    """A parameter with every text in it rendered, for the partition that begins as `words` say.

    >>> filled({"path": ["a_{today:%y%m}", 1]}, {"partition_start": dt.date(2025, 1, 9)})
    {'path': ['a_2501', 1]}
    """
    if isinstance(value, str):
        start = words["partition_start"]
        assert isinstance(start, dt.date)
        return rendered(value, start)
    if isinstance(value, Mapping):
        return {key: filled(one, words) for key, one in value.items()}
    return [filled(one, words) for one in value] if isinstance(value, list | tuple) else value


def mistakes_in(text: str) -> list[str]:
    """What is wrong with the braces of a text, a sentence each; none where it can be rendered.

    >>> mistakes_in("{lastday}")[0][:55]
    "{lastday}: there is no 'lastday', did you mean 'last_da"
    """
    told = (_mistake(token) for token in _TOKEN.finditer(text))
    return [one for one in told if one is not None]


def of_partition(text: str) -> list[str]:
    """The templates of a text that ask for a partition's day.

    >>> of_partition("{last_day:%Y}-{clock.today}-{{day}}")
    ['{last_day:%Y}']
    """
    return [token.group() for token in _TOKEN.finditer(text) if token["name"] in NAMES]


def _mistake(token: re.Match[str]) -> str | None:
    name, form = token["name"], token["form"]
    if token["lone"]:
        return f"A {token['lone']} stands alone; one that is meant is written {token['lone'] * 2}."
    if name is None:
        return None
    function = name.removeprefix(_CLOCK)
    if function not in NAMES:
        known = [*NAMES, *(_CLOCK + one for one in NAMES)]
        near = difflib.get_close_matches(name.strip().lower(), known, 1)
        hint = f", did you mean {near[0]!r}?" if near else "."
        return (
            f"{token.group()}: there is no {name!r}{hint} Allowed: {', '.join(NAMES)}, and "
            f"{_CLOCK}today… for now. Braces that are meant are written {{{{ and }}}}."
        )
    return None if form is None else _mistake_in_form(token.group(), function, form[1:])


def _mistake_in_form(template: str, function: str, form: str) -> str | None:
    if form == "02" and function in _NUMBERS:
        return None
    allowed = f"%{' %'.join(DIRECTIVES)} and %%, as in {{{function}:%Y%m%d}}"
    if "%" not in form:
        digits = f" (a number), or 02 for two digits: {{{function}:02}}"
        return (
            f"{template}: {function} is written by directives, not by {form!r}. Allowed: {allowed}"
            f"{digits if function in _NUMBERS else ' (a date)'}."
        )
    wrong = [one for one in re.findall("%.?", form) if one[1:] not in (*DIRECTIVES, "%")]
    return f"{template}: {wrong[0]!r} is not known. Allowed: {allowed}." if wrong else None


def _written(token: re.Match[str], base: dt.date, clock: Clock | None) -> str:
    name, form = token["name"], token["form"]
    if name is None:
        return token["count"] or token.group()[0]
    function = {**_DATES, **_NUMBERS}[name.removeprefix(_CLOCK)]
    asked: dict[str, Any] = {} if clock is None else {"clock": clock}
    moment = None if name.startswith(_CLOCK) else base
    if form is not None and "%" in form:
        return str(function(moment, fmt=form[1:], **asked))
    value = function(moment, **asked)
    number = value.week if isinstance(value, WeekOfMonth) else value
    return f"{number:02}" if form else str(number)
