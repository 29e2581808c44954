"""HiveServer2's columns, from the bytes of one reply to Arrow, without a Python object a value.

Here: as much of Thrift's binary protocol as the reply to FetchResults needs, and the lake's types
out of what Hive sends as text (decimals, dates, timestamps). Not here: asking for it (`hive.py`).

Numbers come as arrays of one width and are taken as they are. Texts come one after another, each
behind its length, so where one begins hangs on all before it: their places are guessed from the
bytes at once, and the guess is proven from the first to the last (27 ns a text; a loop takes 109).
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

# Thrift's words for types.
_BOOL, _TEXT, _STRUCT, _LIST = 2, 11, 12, 15
_NUMBERS = {_BOOL: ">i1", 3: ">i1", 4: ">f8", 6: ">i2", 8: ">i4", 10: ">i8"}
#: Thrift's word for a message that answers; 3 tells a failure.
_REPLY = 2

_length = struct.Struct(">i").unpack_from


class WireError(Exception):
    """The bytes are no reply that is understood here."""


def reply(frame: bytes) -> dict[int, Any]:
    """A whole message's result: its fields by number, structs as dicts, lists of values as Arrow.

    WireError where it is none, or cut short.
    """
    reader = _Reader(frame)
    try:
        (version,) = _length(frame, 0)
        reader.at = 4
        reader.value(_TEXT)
        reader.at += 4
        fields: dict[int, Any] = reader.value(_STRUCT)
    except (struct.error, IndexError, ValueError, pa.ArrowInvalid) as error:
        raise WireError(f"the reply is cut short or damaged ({type(error).__name__})") from None
    if version & 0xFF != _REPLY:
        raise WireError(f"the server failed: {fields.get(1, b'')!r:.200}")
    return fields


def column(union: dict[int, Any]) -> pa.Array:
    """A TColumn with its NULLs; texts and bytes are both `binary`."""
    ((values, nulls),) = [(one[1], one[2]) for one in union.values()]
    count = len(values)
    missing = np.zeros((count + 7) // 8, np.uint8)
    # The server leaves out what comes after the last NULL.
    said = np.frombuffer(nulls, np.uint8)[: len(missing)]
    missing[: len(said)] = said
    if not missing.any():
        return values
    buffers = [pa.py_buffer(~missing), *values.buffers()[1:]]
    return pa.Array.from_buffers(values.type, count, buffers)


def typed(values: pa.Array, type_: pa.DataType) -> pa.Array:
    """The wire's values in a type of the lake; ArrowInvalid where one would not be the same."""
    if pa.types.is_binary(values.type) and not pa.types.is_binary(type_):
        values = values.cast(pa.string())
    if pa.types.is_integer(values.type) and pa.types.is_decimal(type_):
        # Arrow asks that the type hold every int64, where only these have to fit.
        values = values.cast(pa.decimal128(38, 0))
    return values.cast(type_)


class _Reader:
    def __init__(self, frame: bytes) -> None:
        self.frame = frame
        self.at = 0

    def value(self, kind: int) -> Any:
        if kind == _STRUCT:
            return self._struct()
        if kind == _LIST:
            return self._list()
        if kind == _TEXT:
            (length,) = _length(self.frame, self.at)
            start, self.at = self.at + 4, self.at + 4 + length
            return self.frame[start : self.at]
        return self._numbers(kind, 1)[0]

    def _struct(self) -> dict[int, Any]:
        fields = {}
        while kind := self.frame[self.at]:
            number = int.from_bytes(self.frame[self.at + 1 : self.at + 3], "big")
            self.at += 3
            fields[number] = self.value(kind)
        self.at += 1
        return fields

    def _list(self) -> Any:
        kind = self.frame[self.at]
        (count,) = _length(self.frame, self.at + 1)
        self.at += 5
        if count < 0:
            raise ValueError
        if kind in _NUMBERS:
            return _array(self._numbers(kind, count), kind == _BOOL)
        if kind != _TEXT:
            return [self.value(kind) for _ in range(count)]
        if not count:
            return pa.nulls(0, pa.binary())
        places = _places(self.frame, self.at, count)
        self.at = int(places[-1])
        # Arrow would follow them anywhere.
        if self.at > len(self.frame) or (np.diff(places) < 4).any():
            raise ValueError
        return _texts(self.frame, places)

    def _numbers(self, kind: int, count: int) -> npt.NDArray[Any]:
        if kind not in _NUMBERS:
            raise WireError(f"the reply has Thrift's type {kind}, which is not expected")
        found = np.frombuffer(self.frame, _NUMBERS[kind], count, self.at)
        self.at += found.nbytes
        return found


def _array(numbers: npt.NDArray[Any], boolean: bool) -> pa.Array:
    own = numbers.astype(numbers.dtype.newbyteorder("="))
    type_ = pa.bool_() if boolean else pa.from_numpy_dtype(own.dtype)
    data = np.packbits(own != 0, bitorder="little") if boolean else own
    return pa.Array.from_buffers(type_, len(own), [None, pa.py_buffer(data)])


def _texts(frame: bytes, places: npt.NDArray[np.int64]) -> pa.Array:
    """The values between `places`, each of which begins with four bytes of length.

    To Arrow the lengths are values too, every second one, so leaving them out is its own copy
    (9 ns a value).
    """
    count = len(places) - 1
    offsets = np.empty(2 * count, np.int32)
    offsets[0::2], offsets[1::2] = places[:-1] + 4, places[1:]
    every = pa.Array.from_buffers(
        pa.binary(), 2 * count - 1, [None, pa.py_buffer(offsets), pa.py_buffer(frame)]
    )
    second = pa.py_buffer(np.arange(0, 2 * count, 2, dtype=np.int32))
    return every.take(pa.Array.from_buffers(pa.int32(), count, [None, second]))


def _places(frame: bytes, at: int, count: int) -> npt.NDArray[np.int64]:
    """Where each of `count` length-prefixed values begins, and where the last one ends."""
    ends = [at]
    for _ in range(min(count, 64)):
        ends.append(ends[-1] + 4 + _length(frame, ends[-1])[0])
    if count <= 64:
        return np.array(ends, np.int64)
    guessed = _guessed(frame, at, count, (ends[-1] - at) // 64)
    if guessed is not None:
        return guessed
    for _ in range(count - 64):
        ends.append(ends[-1] + 4 + _length(frame, ends[-1])[0])
    return np.array(ends, np.int64)


def _guessed(frame: bytes, at: int, count: int, width: int) -> npt.NDArray[np.int64] | None:
    """The places, found as what text is not: three zero bytes, of a length below 256.

    A run of empty texts is a longer run of zeros, of which every fourth begins a value. None where
    following the lengths does not lead from each place to the next: values that are longer, or
    that have zero bytes themselves.
    """
    size = count * width * 5 // 4
    while True:
        data = np.frombuffer(frame, np.uint8, min(size, len(frame) - at), at)
        places = np.flatnonzero((data[:-3] | data[1:-2] | data[2:-1]) == 0)
        first = np.flatnonzero(np.diff(places, prepend=-2) != 1)
        if len(first) < len(places):
            run = np.repeat(places[first], np.diff(first, append=len(places)))
            places = places[(places - run) % 4 == 0]
        if len(places) >= count or at + size >= len(frame):
            break
        size *= 2
    places = places[:count]
    ends = places + data[places + 3] + 4
    if len(places) < count or places[0] != 0 or (ends[:-1] != places[1:]).any():
        return None
    return np.append(places, ends[-1]) + at
