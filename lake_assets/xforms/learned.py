"""What a column itself has to put in the place of its missing values: a mean, a bound, a mode.

Here: asking a frame for it, in as few passes as can be. Not here: filling it in (`null.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, TypeAlias

import narwhals.stable.v2 as nw

from lake_assets.preps import order, typed
from lake_assets.preps.fences import one_row, present
from lake_assets.preps.prep import Frame
from lake_assets.preps.selectors import is_nominal, is_number
from lake_assets.preps.values import with_texts

#: An aggregate, in words that expressions and series share.
Ask: TypeAlias = Callable[[Any], Any]
Values: TypeAlias = dict[str, Any]

_HALF = 2**32


def learned(frame: Frame, schema: Mapping[str, Any], names: Sequence[str], method: str) -> Values:
    """Column → the value to fill in, None where it has none. An eager frame has no NaN in them."""
    modes = [
        name
        for name in names
        if method == "mode" or (method == "average" and not is_number(schema[name]))
    ]
    numbers = [name for name in names if name not in modes]
    if method == "average":
        found = _averages(frame, schema, numbers)
    elif method == "median":
        found = _medians(frame, schema, numbers)
    else:
        ask: Ask = (lambda one: one.min()) if method == "minimum" else (lambda one: one.max())
        answers = _answers(frame, schema, [(name, ask) for name in numbers])
        found = dict(zip(numbers, answers, strict=True))
    found |= {name: _mode(frame, schema[name], name) for name in modes}
    return {name: found[name] for name in names}


def _answers(
    frame: Frame, schema: Mapping[str, Any], asked: Sequence[tuple[str, Ask]]
) -> list[Any]:
    """An answer to each; None for a null and NaN. Of a lazy frame by one query.

    Series are asked where there are some: it is a tenth of what an expression costs.
    """
    if isinstance(frame, nw.LazyFrame):
        columns = [ask(present(name, schema[name])) for name, ask in asked]
        answers = list(one_row(frame, {str(at): one for at, one in enumerate(columns)}).values())
    else:
        answers = [nw.to_py_scalar(ask(frame[name])) for name, ask in asked]
    return [None if one != one else one for one in answers]


# -- averages


def _averages(frame: Frame, schema: Mapping[str, Any], names: Sequence[str]) -> Values:
    floats = [name for name in names if schema[name].is_float()]
    means = _answers(frame, schema, [(name, lambda one: one.mean()) for name in floats])
    found = dict(zip(floats, means, strict=True))
    exact = [name for name in names if name not in floats]
    sums = [(name, ask) for name in exact for ask in _sums(frame, schema[name], name)]
    answers = iter(_answers(frame, schema, sums))
    for name in exact:
        count, total, high = next(answers), next(answers), next(answers)
        found[name] = _mean(schema[name], Fraction(total or 0) + int(high or 0) * _HALF, count)
    return found


def _sums(frame: Frame, dtype: Any, name: str) -> tuple[Ask, Ask, Ask]:
    """What the exact mean of integers or decimals is made of: the count, and a sum in two halves.

    Beyond 64 bits a sum begins anew, or is refused. So it is halved, unless an eager column is seen
    to be too small for that.
    """
    if isinstance(dtype, nw.Decimal):
        return _count, lambda one: one.sum(), _nothing

    def wide(one: Any) -> Any:
        return one if dtype in (nw.Int64, nw.UInt64) else one.cast(nw.Int64)

    if isinstance(frame, nw.DataFrame) and dtype != nw.UInt64:
        most = 2**62 // max(len(frame), 1)
        if wide(frame[name]).is_between(-most, most).all():
            return _count, lambda one: wide(one).sum(), _nothing

    if dtype == nw.UInt64 and isinstance(frame, nw.DataFrame):
        halves_of = _unsigned_halves(frame[name].to_arrow())
        return _count, lambda _: halves_of[0], lambda _: halves_of[1]

    def high(one: Any) -> Any:
        halves = wide(one) // _HALF
        # Spark divides as floats, and so rounds the greatest one up.
        return halves if dtype == nw.UInt64 else halves.clip(-_HALF // 2, _HALF // 2 - 1)

    def low(one: Any) -> Any:
        return wide(one) - high(one) * _HALF

    return _count, lambda one: low(one).sum(), lambda one: high(one).sum()


def _unsigned_halves(array: Any) -> tuple[int, int]:
    """The sums of the lower and the higher 32 bits; to PyArrow an int beside UInt64 is int64."""
    import pyarrow as pa
    import pyarrow.compute as pc

    bits, mask = pa.scalar(32, pa.uint64()), pa.scalar(_HALF - 1, pa.uint64())
    low, high = pc.bit_wise_and(array, mask), pc.shift_right(array, bits)
    return pc.sum(low).as_py() or 0, pc.sum(high).as_py() or 0


def _count(one: Any) -> Any:
    return one.count()


def _nothing(one: Any) -> Any:
    return one.count() * 0


def _mean(dtype: Any, total: Fraction, count: int) -> Any:
    """A mean rounded half up to what the type holds."""
    counted = typed.exact(dtype)
    assert counted is not None
    if not count:
        return None
    units = total * 10**counted.scale / int(count)
    return counted.literal(math.floor(units + Fraction(1, 2)))


# -- medians and modes


def _medians(frame: Frame, schema: Mapping[str, Any], names: Sequence[str]) -> Values:
    counts = _answers(frame, schema, [(name, _count) for name in names])
    return {
        name: _middle(frame, schema[name], name, int(count))
        for name, count in zip(names, counts, strict=True)
    }


def _middle(frame: Frame, dtype: Any, name: str, count: int) -> Any:
    """The value in the middle, or the mean of the two that are there."""
    if not count:
        return None
    there = _present(frame, dtype, name)
    in_order = order.sorted_rows(there, [name], [False], nulls_last=True)
    found = _values(order.ranged(in_order, [((count - 1) // 2, count // 2 + 1)])[0], name)
    if dtype.is_float():
        return sum(found) / len(found)
    return _mean(dtype, sum(map(Fraction, found), Fraction(0)), len(found))


def _mode(frame: Frame, dtype: Any, name: str) -> Any:
    """The most frequent value, of several the smallest."""
    there = _present(frame, dtype, name)
    often = order.hidden(there)
    counted = there.group_by(name).agg(nw.len().alias(often))
    first = counted.sort(often, name, descending=[True, False], nulls_last=True).head(1)
    return next(iter(_values(first, name)), None)


def _present(frame: Frame, dtype: Any, name: str) -> Frame:
    """The values alone, without the missing ones; categories as text."""
    values: Frame = frame.select(present(name, dtype).alias(name))
    values = with_texts(values, [name]) if is_nominal(dtype) else values
    return values.filter(~nw.col(name).is_null())


def _values(frame: Frame, name: str) -> list[Any]:
    eager = frame.collect() if isinstance(frame, nw.LazyFrame) else frame
    found: list[Any] = eager[name].to_arrow().to_pylist()
    return found
