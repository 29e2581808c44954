"""Columns of a driver's rows as Arrow: exact, column by column, without pandas.

Here: buffers out of Python values, and the step from what a driver gives (text, integers, floats)
to the declared type. Not here: what is asked of a driver and what its rows mean
(`dbapi_tables.py`).

`pa.array(<python list>)` would import pandas (1.65 CPU s, 45 MB). Decimals and moments come as
text, which the systems make themselves: it is exact, and becomes a decimal in 101 ns, a Python
`Decimal` in 158.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from resources.types import ColumnType

Kind = Literal["text", "int", "float", "bool", "bytes"]

#: A text no longer than this has at most 38 digits, whatever sign and point it has beside them.
#: Of 39 digits Arrow makes another number, without an error (pyarrow 25).
_SAFE_DIGITS = 38
_MICROSECONDS = len("2025-07-01 23:59:59.999999")


class UnfitError(Exception):
    """A value that the declared type cannot hold unchanged. Its text has no value in it."""


def column(values: Sequence[Any], kind: Kind) -> pa.Array:
    """The values of one column, None among them, as Arrow's string, int64, double, bool, binary."""
    made = _MADE[kind]
    try:
        return made(values, None)
    except TypeError:
        pass  # there is a None, or a value of another type
    nothing = {"text": "", "bytes": b""}.get(kind, 0)
    there = np.fromiter((value is not None for value in values), np.bool_, len(values))
    try:
        return made([nothing if value is None else value for value in values], there)
    except (TypeError, AttributeError):
        of = sorted({type(value).__name__ for value in values if value is not None})
        raise UnfitError(f"the driver gives {', '.join(of)} for {kind}") from None


def _bits(flags: np.ndarray[Any, Any]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(flags, bitorder="little"))


def _validity(there: np.ndarray[Any, Any] | None) -> pa.Buffer | None:
    return None if there is None else _bits(there)


def _offsets(lengths: Sequence[int] | map[int], rows: int) -> pa.Buffer:
    ends = np.zeros(rows + 1, np.int64)
    np.cumsum(np.fromiter(lengths, np.int64, rows), out=ends[1:])
    if ends[-1] >= 2**31:
        raise UnfitError("the texts of one batch are more than 2 GB")
    return pa.py_buffer(ends.astype(np.int32))


def _text(values: Sequence[str], there: np.ndarray[Any, Any] | None) -> pa.Array:
    joined = "".join(values)
    rows = len(values)
    try:
        if joined.isascii():
            data, offsets = joined.encode(), _offsets(map(len, values), rows)
        else:
            parts = [value.encode() for value in values]
            data, offsets = b"".join(parts), _offsets(map(len, parts), rows)
    except UnicodeEncodeError:
        raise UnfitError("a text is no valid Unicode (half a surrogate pair)") from None
    buffers = [_validity(there), offsets, pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.string(), rows, buffers)


def _bytes(values: Sequence[bytes], there: np.ndarray[Any, Any] | None) -> pa.Array:
    buffers = [
        _validity(there),
        _offsets(map(len, values), len(values)),
        pa.py_buffer(b"".join(values)),
    ]
    return pa.Array.from_buffers(pa.binary(), len(values), buffers)


def _ints(values: Sequence[int], there: np.ndarray[Any, Any] | None) -> pa.Array:
    try:
        numbers = array("q", values)
    except OverflowError:
        raise UnfitError("an integer has more than 64 bits") from None
    return pa.Array.from_buffers(pa.int64(), len(values), [_validity(there), pa.py_buffer(numbers)])


def _floats(values: Sequence[float], there: np.ndarray[Any, Any] | None) -> pa.Array:
    buffers = [_validity(there), pa.py_buffer(array("d", values))]
    return pa.Array.from_buffers(pa.float64(), len(values), buffers)


def _bools(values: Sequence[bool], there: np.ndarray[Any, Any] | None) -> pa.Array:
    flags = np.frombuffer(array("b", values), np.int8) != 0
    return pa.Array.from_buffers(pa.bool_(), len(values), [_validity(there), _bits(flags)])


_MADE: dict[Kind, Callable[[Any, np.ndarray[Any, Any] | None], pa.Array]] = {
    "text": _text,
    "int": _ints,
    "float": _floats,
    "bool": _bools,
    "bytes": _bytes,
}


def become(values: pa.Array, declared: ColumnType) -> pa.Array:
    """A column as the driver gives it in its declared type; UnfitError where one value changes.

    Text that stands for a moment is ISO 8601 with up to nine places; an instant's is UTC.
    """
    there = declared.arrow()
    if values.type == there:
        return values
    try:
        if pa.types.is_large_string(values.type):
            values = values.cast(pa.string())
        if pa.types.is_string(values.type):
            return _read(values, declared)
        if pa.types.is_integer(values.type) and declared.is_decimal:
            values = values.cast(pa.decimal128(38, 0))  # which holds every integer
        if pa.types.is_timestamp(values.type) and declared.name == "date":
            return _days(values)
        return values.cast(there)
    except pa.ArrowInvalid:
        raise UnfitError from None


def _read(texts: pa.Array, declared: ColumnType) -> pa.Array:
    there = declared.arrow()
    if declared.is_decimal:
        return _decimals(texts, declared.precision, declared.scale)
    if declared.name.startswith("int"):
        return _decimals(texts, 38, 0).cast(there)
    if declared.name == "date":
        # A moment is longer than a day; at midnight it is one.
        return texts.cast(there) if _longest(texts) <= 10 else _days(_moments(texts))
    if declared.name in ("timestamp", "timestamptz"):
        return _moments(texts).cast(there)
    return texts.cast(there)


def _longest(texts: pa.Array) -> int:
    return pc.max(pc.binary_length(texts)).as_py() or 0


def _decimals(texts: pa.Array, precision: int, scale: int) -> pa.Array:
    longest = _longest(texts)
    if longest > 76:
        raise pa.ArrowInvalid
    if longest > _SAFE_DIGITS:
        texts = texts.cast(pa.decimal256(76, scale))
    return texts.cast(pa.decimal128(precision, scale))


def _moments(texts: pa.Array) -> pa.Array:
    if _longest(texts) > _MICROSECONDS:
        beyond = pc.utf8_slice_codeunits(texts, _MICROSECONDS)
        if _longest(pc.utf8_ltrim(beyond, characters="0")):
            raise pa.ArrowInvalid
        texts = pc.utf8_slice_codeunits(texts, 0, _MICROSECONDS)
    return texts.cast(pa.timestamp("us"))


def _days(moments: pa.Array) -> pa.Array:
    days = moments.cast(pa.date32())
    if not days.cast(moments.type).equals(moments):
        raise pa.ArrowInvalid
    return days


def first_unfit(
    values: pa.Array,
    declared: ColumnType,
    how: Callable[[pa.Array, ColumnType], pa.Array] = become,
) -> int:
    """The place of the first value that `how` does not make the declared type, by halves."""
    start, rows = 0, len(values)
    while rows > 1:
        half = rows // 2
        try:
            how(values.slice(start, half), declared)
        except UnfitError:
            rows = half
        else:
            start, rows = start + half, rows - half
    return start
