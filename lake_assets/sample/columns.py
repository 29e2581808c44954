"""NumPy arrays and short lists as Arrow columns, built from their buffers.

Here: one function a type. Not `pa.array`, which imports pandas where it is installed: 1.65 CPU
seconds and 45 MB that generating needs for nothing. Not here: what the columns hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from lake_assets.sample.noise import Bools, Ints


def _column(
    kind: pa.DataType, rows: int, valid: Bools | None, *buffers: npt.NDArray[Any] | bytes
) -> pa.Array:
    bitmap = None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(kind, rows, [bitmap, *map(pa.py_buffer, buffers)])


def int32(values: Ints) -> pa.Array:
    return _column(pa.int32(), len(values), None, values.astype(np.int32))


def int64(values: Ints, valid: Bools | None = None) -> pa.Array:
    return _column(pa.int64(), len(values), valid, values)


def timestamp(microseconds: Ints) -> pa.Array:
    """Microseconds since 1970 on the wall clock."""
    return _column(pa.timestamp("us"), len(microseconds), None, microseconds)


def decimal(unscaled: Ints, precision: int, scale: int, valid: Bools | None = None) -> pa.Array:
    """Whole numbers of the last decimal place; the upper 64 of the 128 bits are the sign."""
    halves = np.stack([unscaled, unscaled >> 63], axis=1)
    return _column(pa.decimal128(precision, scale), len(unscaled), valid, halves)


def long_decimals(unscaled: Sequence[int], precision: int) -> pa.Array:
    """A short list of whole numbers that may need more than 64 bits."""
    data = b"".join(value.to_bytes(16, "little", signed=True) for value in unscaled)
    return _column(pa.decimal128(precision, 0), len(unscaled), None, data)


def strings(words: Sequence[str | None]) -> pa.Array:
    """A short list of words, to be kept or to be picked from."""
    encoded = [(word or "").encode() for word in words]
    offsets = np.zeros(len(words) + 1, np.int32)
    offsets[1:] = np.cumsum([len(word) for word in encoded])
    valid = np.array([word is not None for word in words], np.bool_)
    return _column(pa.string(), len(words), valid, offsets, b"".join(encoded))


def pick(pool: pa.Array, index: Ints) -> pa.Array:
    """The members of `pool` at `index`."""
    return pool.take(int64(index))


def digits(values: Ints, width: int) -> pa.Array:
    """Zero-padded text, `0000100123`, as SAP keeps its numbers."""
    text = np.empty((len(values), width), np.uint8)
    rest = values
    for place in range(width - 1, -1, -1):
        rest, digit = np.divmod(rest, 10)
        text[:, place] = digit + ord("0")
    offsets = np.arange(0, (len(values) + 1) * width, width, dtype=np.int32)
    return _column(pa.string(), len(values), None, offsets, text)


def batch(arrays: Mapping[str, pa.Array]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))
