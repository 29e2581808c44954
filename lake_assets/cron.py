"""Cron expressions as a pipeline file may have them.

Here: whether one is valid, and what is allowed where it is not. Not here: when it fires, which
Dagster knows; what is accepted here is a part of what Dagster accepts, and a test says so.
"""

from __future__ import annotations

import re

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]

#: Field, smallest and largest value, names (the first one stands for the smallest value).
_FIELDS: tuple[tuple[str, int, int, list[str]], ...] = (
    ("minute", 0, 59, []),
    ("hour", 0, 23, []),
    ("day of month", 1, 31, []),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 7, _WEEKDAYS),
)
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_PART = re.compile(r"(\*|([0-9A-Za-z]+)(?:-([0-9A-Za-z]+))?)(?:/([0-9]+))?")


def check_cron(text: str) -> str:
    """`text` itself where it is five valid fields that can ever fire; else `ValueError`."""
    fields = text.split()
    if len(fields) != 5:
        names = ", ".join(name for name, *_ in _FIELDS)
        raise ValueError(f"a cron has five fields ({names}), this one has {len(fields)}")
    values = [_values(field, *of) for field, of in zip(fields, _FIELDS, strict=True)]
    days, months = values[2], values[3]
    if fields[4] == "*" and all(min(days) > _LONGEST[month - 1] for month in months):
        raise ValueError("it never fires: these months have no such day")
    return text


def _values(field: str, name: str, low: int, high: int, names: list[str]) -> set[int]:
    found: set[int] = set()
    for part in field.split(","):
        match = _PART.fullmatch(part)
        if not match:
            raise ValueError(_allowed(name, part, low, high, names))
        whole, first, last, step = match.groups()
        if step is not None and (whole != "*" and last is None):
            raise ValueError(f"{name} {part!r}: a step needs * or a range before it, */{step}")
        start = low if whole == "*" else _number(first, name, low, high, names)
        end = high if whole == "*" else _number(last or first, name, low, high, names)
        if start > end:
            raise ValueError(f"{name} {part!r}: the range runs backwards")
        if step is not None and not 1 <= int(step) <= high:
            raise ValueError(f"{name} {part!r}: a step is 1 to {high}")
        found.update(range(start, end + 1, int(step or 1)))
    return found


def _number(word: str, name: str, low: int, high: int, names: list[str]) -> int:
    if word.lower() in names:
        return low + names.index(word.lower())
    if not word.isdecimal() or not low <= int(word) <= high:
        raise ValueError(_allowed(name, word, low, high, names))
    return int(word)


def _allowed(name: str, found: str, low: int, high: int, names: list[str]) -> str:
    words = f" or {names[0]}-{names[-1]}" if names else ""
    return (
        f"{name} {found!r}: allowed are {low}-{high}{words}, *, ranges (1-5), lists (1,15) and "
        "steps (*/10); L, W, # and ? are not"
    )
