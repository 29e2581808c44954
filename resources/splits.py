"""A partition in parts: where it is cut by a column, and which rows each part has.

Here: pure functions from the ends of a column to half-open ranges that have every row exactly once,
and the values that cut in words of a file. Not here: asking a source (`table_reader.py`) and what
is kept of parts that were read (`staged.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Context, Decimal
from itertools import pairwise

from resources.source import KeyValue, Split
from resources.types import ColumnType

#: Decimals have up to 38 digits; Python's own context rounds to 28.
_EXACT = Context(prec=100)

_EPOCH, _MICROSECOND = datetime.min, timedelta(microseconds=1)  # noqa: DTZ901


@dataclass(frozen=True)
class Rule:
    """How a partition is cut: at `bounds`, or into `count` ranges of equal width."""

    column: str
    count: int | None = None
    bounds: tuple[KeyValue, ...] = ()


def can_cut(kind: ColumnType) -> bool:
    """Whether ranges of equal width can be made of its values.

    Not of floats: NaN has no place among them that all systems agree on.
    """
    return kind.is_decimal or kind.name.startswith("int") or kind.name in ("date", "timestamp")


def cuts(
    rule: Rule, kind: ColumnType, low: KeyValue | None, high: KeyValue | None
) -> tuple[KeyValue, ...]:
    """The values that cut, ascending; between ends that are near each other there are fewer.

    >>> cuts(Rule("id", 4), ColumnType("int64"), 1, 100)
    (26, 51, 76)
    """
    if rule.count is None:
        return rule.bounds
    if low is None or high is None:
        return ()
    first, last = _place(low, kind), _place(high, kind)
    width = last - first + 1
    places = {first + width * part // rule.count for part in range(1, rule.count)}
    return tuple(_at(place, kind) for place in sorted(places - {first}))


def ranges(column: str, at: Sequence[KeyValue], *, nullable: bool) -> list[Split]:
    """The parts in order, half-open, the outer ones without an end; the one of NULL is last."""
    found = [Split(column, low, high) for low, high in pairwise([None, *at, None])]
    return [*found, Split(column, null=True)] if nullable else found


def shown(split: Split) -> str:
    """In words: `26 ≤ id < 51`."""
    if split.null:
        return f"{split.column} NULL"
    low = "" if split.low is None else f"{split.low} ≤ "
    high = "" if split.high is None else f" < {split.high}"
    return f"{low}{split.column}{high}"


def text_of(value: KeyValue) -> str:
    """A value that `value_of` reads back as the same."""
    return value.isoformat() if isinstance(value, date) else str(value)


def value_of(kind: ColumnType, written: str | int | float) -> KeyValue:
    """A value as a file has it in the words of its type; ValueError where it is none."""
    text = str(written)
    if kind.name == "string":
        return text
    if kind.name == "date":
        return date.fromisoformat(text)
    if kind.name == "timestamp":
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            raise ValueError(text)
        return moment
    if kind.is_decimal:
        number = Decimal(text)
        if not number.is_finite():
            raise ValueError(text)
        return number
    return int(text)


def _place(value: KeyValue, kind: ColumnType) -> int:
    """A value as a whole number, so that it can be cut exactly."""
    if isinstance(value, datetime):
        return (value - _EPOCH) // _MICROSECOND
    if isinstance(value, date):
        return value.toordinal()
    return int(_EXACT.scaleb(Decimal(value), kind.scale))


def _at(place: int, kind: ColumnType) -> KeyValue:
    if kind.name == "timestamp":
        return _EPOCH + place * _MICROSECOND
    if kind.name == "date":
        return date.fromordinal(place)
    return _EXACT.scaleb(Decimal(place), -kind.scale) if kind.is_decimal else place
