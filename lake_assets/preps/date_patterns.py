"""Java's SimpleDateFormat patterns: what they read and write, the same for every engine.

Here: a pattern as fields and words, a field as a regular expression (to read), as strptime's
directive, and the names of months, weekdays and halves of a day in English and Korean by number.
Not here: frames (`date_columns.py`).

Reading is strict, unlike Java's: a field has the digits that the pattern shows (`MM` two, `M` one
or two), the whole text must match, and what is out of range is no date.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from lake_assets.preps.date_frames import allowed
from lake_assets.preps.prep import PrepError

LOCALES = ("en_US", "ko_KR")

_ENGLISH_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_ENGLISH_WEEKDAYS = (
    "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
)  # fmt: skip


@dataclass(frozen=True)
class Field:
    """A letter of a pattern and how often it stands there: `MM` is `Field("M", 2)`."""

    letter: str
    count: int

    def __str__(self) -> str:
        return self.letter * self.count


@dataclass(frozen=True)
class Reading:
    """How texts of a pattern are read.

    `regex` matches whole texts in the words that Rust, RE2 and Java share, with a group a field.
    `strptime` reads the same with Polars' and DuckDB's own parsers, given that `regex` matched;
    None where they have no word for a field.
    """

    regex: str
    fields: tuple[Field, ...]
    strptime: str | None


@dataclass(frozen=True)
class Writing:
    """How dates are written by a pattern: its fields, and the words between them.

    `strftime` writes the same with Polars' own words; None where it has none. `has_time`: there
    are fields that a date without a time does not have.
    """

    pieces: Sequence[str | Field]
    strftime: str | None
    has_time: bool


def _month_names(count: int, locale: str) -> dict[int, str]:
    names = [f"{n}월" for n in range(1, 13)] if locale == "ko_KR" else list(_ENGLISH_MONTHS)
    short = locale == "en_US" and count == 3
    return dict(enumerate((name[:3] if short else name for name in names), 1))


def _weekday_names(count: int, locale: str) -> dict[int, str]:
    """Monday is 1."""
    names = [f"{one}요일" for one in "월화수목금토일"]
    names = names if locale == "ko_KR" else list(_ENGLISH_WEEKDAYS)
    short = {"en_US": 3, "ko_KR": 1}[locale] if count < 4 else None
    return dict(enumerate((name[:short] for name in names), 1))


def _half_names(locale: str) -> dict[int, str]:
    """0 is the morning."""
    return {0: "오전", 1: "오후"} if locale == "ko_KR" else {0: "AM", 1: "PM"}


def names_of(field: Field, locale: str) -> dict[int, str]:
    """What a field has names for, by number; empty where it has digits."""
    if field.letter == "M" and field.count > 2:
        return _month_names(field.count, locale)
    if field.letter == "E":
        return _weekday_names(field.count, locale)
    return _half_names(locale) if field.letter == "a" else {}


_MONTH, _DAY, _HOUR, _SIXTY = (
    "0[1-9]|1[0-2]",
    "0[1-9]|[12][0-9]|3[01]",
    "[01][0-9]|2[0-3]",
    "[0-5][0-9]",
)
#: Four digits that are not 0000.
_YEAR = "[0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000"

#: Field → what it matches and its directive of strptime.
_NUMBERS: dict[str, tuple[str, str | None]] = {
    "yyyy": (_YEAR, "%Y"),
    "yy": ("[0-9]{2}", None),
    "y": ("[1-9][0-9]{0,3}", None),
    "MM": (_MONTH, "%m"),
    "M": ("0?[1-9]|1[0-2]", "%m"),
    "dd": (_DAY, "%d"),
    "d": ("0?[1-9]|[12][0-9]|3[01]", "%d"),
    "HH": (_HOUR, "%H"),
    "H": ("[01]?[0-9]|2[0-3]", "%H"),
    "kk": ("0[1-9]|1[0-9]|2[0-4]", None),
    "k": ("0?[1-9]|1[0-9]|2[0-4]", None),
    "hh": (_MONTH, None),
    "h": ("0?[1-9]|1[0-2]", None),
    "KK": ("0[0-9]|1[01]", None),
    "K": ("0?[0-9]|1[01]", None),
    "mm": (_SIXTY, "%M"),
    "m": ("[0-5]?[0-9]", "%M"),
    "ss": (_SIXTY, "%S"),
    "s": ("[0-5]?[0-9]", "%S"),
    "SSS": ("[0-9]{3}", None),
    "SSSSSS": ("[0-9]{6}", None),
    "Z": ("[+-](?:0[0-9]|1[0-8])[0-5][0-9]", None),
    "X": ("Z|[+-](?:0[0-9]|1[0-8])", None),
    "XX": ("Z|[+-](?:0[0-9]|1[0-8])[0-5][0-9]", None),
    "XXX": ("Z|[+-](?:0[0-9]|1[0-8]):[0-5][0-9]", None),
}
_VARIABLE = frozenset("yMdHkhKms")
_READ_LETTERS = "yMdEHkhKmsSaZX"
_WRITE_LETTERS = "yYMdDEuwWHkhKmsSa"
_TWELVE = frozenset("hK")
_HOURS = frozenset("HhKk")
_DATES = frozenset("yMdE")
#: What engines' own parsers are left to read. Of other parts they take what is not there for 0001,
#: 1900 or nothing, where Java has 1970-01-01 00:00, and Polars raises for hours without minutes.
_TOLD = tuple(map(frozenset, ("y", "yM", "yMd", "yMdHm", "yMdHms")))

_EXAMPLE = "A pattern is like yyyy-MM-dd HH:mm:ss; other words stand in quotes: yyyy'T'HH."


def reading(function: str, pattern: str, locale: str) -> Reading:
    """How `function` reads texts of the pattern; PrepError where it does not."""
    pieces = _pieces(function, pattern, locale)
    fields = tuple(one for one in pieces if isinstance(one, Field))
    told = f"{function}: date_format {pattern!r}"
    for field in fields:
        if field.letter not in _READ_LETTERS:
            hint = " The year is 'yyyy'." if field.letter == "Y" else ""
            raise PrepError(
                f"{told} has {str(field)!r}, which writes dates and does not read them.{hint} "
                f"Letters that read: {' '.join(_READ_LETTERS)}."
            )
        if not names_of(field, locale) and str(field) not in _NUMBERS:
            same = [one for one in _NUMBERS if one[0] == field.letter]
            raise PrepError(f"{told} has {str(field)!r}. It reads {' or '.join(same)}.")
    letters = [field.letter for field in fields]
    twice = [letter for letter in letters if letters.count(letter) > 1]
    if twice:
        hint = " The month is 'MM'." if twice[0] == "m" and "M" not in letters else ""
        raise PrepError(f"{told} has {twice[0]!r} twice.{hint}")
    if "m" in letters and _DATES & set(letters) and not _HOURS & set(letters):
        minutes = next(str(field) for field in fields if field.letter == "m")
        raise PrepError(
            f"{told} has {minutes!r}, minutes, beside a date and without an hour. The month is "
            f"'MM'; minutes stand behind hours: HH:mm."
        )
    if _TWELVE & set(letters) and "a" not in letters:
        raise PrepError(f"{told} has hours to 12 without a, AM or PM. Hours to 24 are HH.")
    for one, following in pairwise(pieces):
        if not (isinstance(one, Field) and isinstance(following, Field)):
            continue
        if one.count == 1 and one.letter in _VARIABLE and str(following) in _NUMBERS:
            raise PrepError(
                f"{told}: where does {str(one)!r} end before {str(following)!r}? "
                f"{one.letter * 2!r} has two digits."
            )
    regex = "".join(
        f"({_expression(one, locale)})" if isinstance(one, Field) else _escaped(one)
        for one in pieces
    )
    return Reading(rf"\A{regex}\z", fields, _strptime(pieces) if _is_told(letters) else None)


def _is_told(letters: Sequence[str]) -> bool:
    return frozenset(letters) in _TOLD


def writing(function: str, pattern: str, locale: str) -> Writing:
    """How `function` writes dates by the pattern; PrepError where it does not."""
    pieces = _pieces(function, pattern, locale)
    for field in pieces:
        if isinstance(field, Field) and field.letter not in _WRITE_LETTERS:
            raise PrepError(
                f"{function}: date_format {pattern!r} has {str(field)!r}, which it does not write. "
                f"Letters that it writes: {' '.join(_WRITE_LETTERS)}."
            )
    fields = {one for one in pieces if isinstance(one, Field)}
    padded = all(one.count > 1 for one in fields)
    return Writing(
        pieces,
        _strptime(pieces) if padded else None,
        any(one.letter not in "yMdYDEuwW" for one in fields),
    )


def _pieces(function: str, pattern: str, locale: str) -> list[str | Field]:
    allowed(function, "locale", locale, LOCALES)
    told = f"{function}: date_format {pattern!r}"
    pieces: list[str | Field] = []
    for token in re.finditer(r"''|'((?:[^']|'')*)('?)|([A-Za-z])\3*|[^A-Za-z']", pattern):
        text = token.group()
        if text == "''":
            pieces.append("'")
        elif text.startswith("'"):
            if not token[2]:
                raise PrepError(f"{told} has a quote that is not closed. {_EXAMPLE}")
            pieces.append(token[1].replace("''", "'"))
        elif token[3]:
            if token[3] not in _READ_LETTERS + _WRITE_LETTERS:
                raise PrepError(f"{told} has {text!r}, which stands for nothing. {_EXAMPLE}")
            pieces.append(Field(token[3], len(text)))
        else:
            pieces.append(text)
    if not any(isinstance(one, Field) for one in pieces) or re.search(
        "%[YmdHMS](?![A-Za-z])", pattern
    ):
        raise PrepError(f"{told} has no part of a date. {_EXAMPLE}")
    return _joined(pieces)


def _joined(pieces: Iterable[str | Field]) -> list[str | Field]:
    """Words one after another as one."""
    made: list[str | Field] = []
    for one in pieces:
        if made and isinstance(one, str) and isinstance(made[-1], str):
            made[-1] += one
        else:
            made.append(one)
    return made


def _expression(field: Field, locale: str) -> str:
    names = names_of(field, locale)
    return "(?i:" + "|".join(names.values()) + ")" if names else _NUMBERS[str(field)][0]


def _strptime(pieces: Sequence[str | Field]) -> str | None:
    made = []
    for one in pieces:
        # Polars does not read back a per cent that stands for itself.
        words = None if "%" in str(one) else str(one)
        directive = _NUMBERS.get(str(one), ("", None))[1] if isinstance(one, Field) else words
        if directive is None:
            return None
        made.append(directive)
    return "".join(made)


def _escaped(words: str) -> str:
    r"""As `re.escape`, of signs alone: Rust refuses a backslash before others."""
    return re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", words)
