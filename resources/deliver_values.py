"""Whether rows fit where they are delivered: columns and types first, then every value.

Here: comparing what the lake has with what the target's columns hold, told by column and row key.
Not here: asking a system what its columns are, and writing.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from resources.deliver import Delivery
from resources.errors import PermanentError
from resources.source import Column
from resources.types import ColumnType
from resources.yamlfile import nearest

#: MariaDB's UTF-8 without characters beyond 65,535, which Python has no codec for.
UTF8MB3 = "utf8mb3"

_INTS = ("int8", "int16", "int32", "int64")
_DIGITS = {"int8": 3, "int16": 5, "int32": 10, "int64": 19}


@dataclass(frozen=True)
class Room:
    """A column of the target and what it holds. `type` is the lake's equal, None where none is.

    `optional`: it may be left out, being nullable or filled by the target. `every_number`: decimals
    of any precision. `length` counts characters, or `length_bytes` the bytes in `codec`; `codec` is
    Python's name of the target's encoding, None where it takes all of Unicode. `padded`: blanks at
    the end are lost. `flags`: numbers that a boolean is written to. `finite`: no NaN, no infinity.
    `zero`: takes the character NUL. `wide`: a character beyond 65,535 counts twice in `length`.
    `empty`: '' is not NULL there.
    """

    name: str
    shown: str
    type: ColumnType | None
    nullable: bool = True
    optional: bool = True
    writable: bool = True
    every_number: bool = False
    length: int | None = None
    length_bytes: int | None = None
    codec: str | None = None
    padded: bool = False
    flags: bool = False
    finite: bool = False
    zero: bool = True
    wide: bool = False
    empty: bool = True


def matched(delivery: Delivery, rooms: Sequence[Room], where: str) -> list[Room]:
    """The target's column for each delivered one; PermanentError names all that do not fit."""
    by_name = {room.name: room for room in rooms}
    problems = []
    for column in delivery.columns:
        room = by_name.get(column.source)
        if room is None:
            problems.append(
                f"it has no column {column.source!r} ({nearest(column.source, by_name)})"
            )
        elif not room.writable:
            problems.append(f"{room.name!r} is generated there, so it cannot be written")
        elif not holds(room, column.type):
            problems.append(f"{room.name!r} is {room.shown}, and {column.type.name} does not fit")
    given = {column.source for column in delivery.columns}
    problems += [
        f"{room.name!r} may not be NULL, has no default and is not delivered"
        for room in rooms
        if room.name not in given and not room.optional
    ]
    if problems:
        raise PermanentError(
            f"{delivery.what}, {where}: {'; '.join(problems)}. Nothing was written. Correct "
            "`columns` in the pipeline file, or ask the owner of the target."
        )
    return [by_name[column.source] for column in delivery.columns]


def holds(room: Room, of: ColumnType) -> bool:
    """Whether a column of the target keeps every value of a type as it is, texts by their length.

    >>> holds(Room("n", "numeric(10,2)", ColumnType("decimal(10,2)", 10, 2)), ColumnType("int32"))
    False
    """
    its = room.type
    if room.flags and of.name == "boolean":
        return True
    if room.every_number and (of.is_decimal or of.name in _INTS):
        return True
    if its is None:
        return False
    if its.is_decimal and (of.is_decimal or of.name in _INTS):
        digits = _DIGITS.get(of.name, of.precision - of.scale)
        return its.scale >= of.scale and its.precision - its.scale >= digits
    if its.name in _INTS and of.name in _INTS:
        return _INTS.index(its.name) >= _INTS.index(of.name)
    return its.name == of.name or (its.name, of.name) == ("float64", "float32")


def checked(delivery: Delivery, rooms: Sequence[Room], where: str) -> Iterator[pa.RecordBatch]:
    """The batches, each when all its values fit; PermanentError names column and row key."""
    for batch in delivery.batches:
        for column, room, values in zip(delivery.columns, rooms, batch.columns, strict=True):
            for wrong, why in _rules(column, room):
                flags = wrong(values)
                if flags is not None and pc.any(flags).as_py():
                    at = flags.to_pylist().index(True)
                    raise unfit(delivery, batch, at, column, why, where)
        yield batch


def unfit(
    delivery: Delivery, batch: pa.RecordBatch, at: int, column: Column, why: str, where: str
) -> PermanentError:
    """What is told of a value that the target does not take; the value itself is not."""
    pairs = [
        f"{key.name} {batch.column(key.name)[at].as_py()!s:.40}"
        for key in delivery.keys
        if key.name != column.name
    ]
    key = f" (at {', '.join(pairs)})" if pairs else ""
    return PermanentError(
        f"{delivery.what}, {where}: a value of {column.name!r} {why}{key}. Nothing was written. "
        "Correct it in the dataset, leave the column out by `columns`, or have the target changed."
    )


Rule = tuple[Callable[[pa.Array], "pa.Array | None"], str]


def _rules(column: Column, room: Room) -> Iterator[Rule]:
    """What may be wrong with values of the column; None: nothing is."""
    text = column.type.name == "string"
    if not room.nullable:
        yield _nulls, f"is NULL, which {room.name!r} may not be"
    if text and room.length is not None:
        yield _longer(room.length, room.wide), f"is too long for {room.name!r}, {room.shown}"
    if text and room.codec is not None:
        yield _lacks(room.codec), f"has a character that {room.codec} lacks"
    if text and room.length_bytes is not None:
        too_long = _more_bytes(room.length_bytes, room.codec or "utf-8")
        yield too_long, f"is too long for {room.name!r}, {room.shown} (in bytes)"
    if text and room.padded:
        yield _ends_blank, f"ends with a blank, which {room.shown} does not keep"
    if text and not room.empty:
        yield _is_empty, "is '', which would be NULL there"
    if text and not room.zero:
        yield _has_zero, "has the character NUL, which no text there may have"
    if column.type.name.startswith("float") and room.finite:
        yield _not_finite, "is NaN or infinite, which is no number there"
    if column.type.name in ("date", "timestamp", "timestamptz"):
        yield _no_year, "lies outside the years 1 to 9999"


def _nulls(values: pa.Array) -> pa.Array | None:
    return pc.is_null(values) if values.null_count else None


def _longer(most: int, wide: bool) -> Callable[[pa.Array], pa.Array | None]:
    def flags(values: pa.Array) -> pa.Array | None:
        lengths = pc.utf8_length(values)
        if wide and (pc.max(lengths).as_py() or 0) > most // 2:
            return _texts(values, lambda one: len(one.encode("utf-16-le")) > 2 * most)
        # Compared as one number first: an Arrow scalar of a Python one would import pandas.
        if (pc.max(lengths).as_py() or 0) <= most:
            return None
        return pa.array([one is not None and one > most for one in lengths.to_pylist()])

    return flags


def _texts(values: pa.Array, wrong: Callable[[str], bool]) -> pa.Array:
    return pa.array([one is not None and wrong(one) for one in values.to_pylist()])


def encodes(text: str, codec: str) -> bool:
    """Whether an encoding, by Python's name, has every character of a text."""
    if codec == UTF8MB3:
        return max(text, default="") <= "\uffff"
    try:
        if codecs.lookup(codec).name == "euc_kr":
            # Python writes a syllable that it lacks as four letters, which nobody else reads.
            return all(len(one.encode(codec)) <= 2 for one in set(text))
        text.encode(codec)
    except UnicodeEncodeError:
        return False
    return True


def _lacks(codec: str) -> Callable[[pa.Array], pa.Array | None]:
    def flags(values: pa.Array) -> pa.Array | None:
        if pc.all(pc.string_is_ascii(values)).as_py() is not False:
            return None
        if encodes("".join(filter(None, values.to_pylist())), codec):
            return None
        return _texts(values, lambda one: not encodes(one, codec))

    return flags


def _more_bytes(most: int, codec: str) -> Callable[[pa.Array], pa.Array | None]:
    def flags(values: pa.Array) -> pa.Array | None:
        # UTF-8 is never shorter than what the target keeps.
        if (pc.max(pc.binary_length(values)).as_py() or 0) <= most:
            return None
        return _texts(values, lambda one: len(one.encode(codec)) > most)

    return flags


def _ends_blank(values: pa.Array) -> pa.Array | None:
    return pc.ends_with(values, " ")


def _is_empty(values: pa.Array) -> pa.Array | None:
    # Compared as one number first: an Arrow scalar of a Python one would import pandas.
    if pc.min(pc.binary_length(values)).as_py() != 0:
        return None
    return _texts(values, lambda one: not one)


def _has_zero(values: pa.Array) -> pa.Array | None:
    return pc.match_substring(values, "\0")


def _not_finite(values: pa.Array) -> pa.Array | None:
    return pc.invert(pc.is_finite(values))


#: The first day of the year 1 and of the year 10000, in days since 1970.
_FIRST, _LAST = -719_162, 2_932_897


def _no_year(values: pa.Array) -> pa.Array | None:
    """What Python, and most databases, take for no moment at all."""
    unit = 1 if pa.types.is_date(values.type) else 86_400_000_000
    numbers = values.cast(pa.int32() if unit == 1 else pa.int64())
    ends = pc.min_max(numbers).as_py()
    if ends["min"] is None or (ends["min"] >= _FIRST * unit and ends["max"] < _LAST * unit):
        return None
    return pa.array(
        [n is not None and not _FIRST * unit <= n < _LAST * unit for n in numbers.to_pylist()]
    )
