"""Columns out of a reply's bytes are what Thrift's own reader makes of them, or refused."""

from __future__ import annotations

import math
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from TCLIService import ttypes
from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.Thrift import TMessageType
from thrift.transport.TTransport import TMemoryBuffer

from resources import hive_wire
from resources.hive_wire import WireError, column, reply, typed
from resources.types import parse_type

COLUMNS = {
    "boolVal": ttypes.TBoolColumn,
    "byteVal": ttypes.TByteColumn,
    "i16Val": ttypes.TI16Column,
    "i32Val": ttypes.TI32Column,
    "i64Val": ttypes.TI64Column,
    "doubleVal": ttypes.TDoubleColumn,
    "stringVal": ttypes.TStringColumn,
    "binaryVal": ttypes.TBinaryColumn,
}
EMPTY: dict[str, Any] = {"stringVal": "", "binaryVal": b"", "boolVal": False, "doubleVal": 0.0}


def frame(columns: list[tuple[str, list[Any]]]) -> bytes:
    """What HiveServer2 answers: a NULL is an empty value and a bit, trailing zero bits left out."""
    found = []
    for name, values in columns:
        bits = sum(1 << i for i, value in enumerate(values) if value is None)
        nulls = bits.to_bytes(1 + bits.bit_length() // 8, "little")
        full = [EMPTY.get(name, 0) if value is None else value for value in values]
        found.append(ttypes.TColumn(**{name: COLUMNS[name](values=full, nulls=nulls)}))
    buffer = TMemoryBuffer()
    protocol = TBinaryProtocol(buffer)
    protocol.writeMessageBegin("FetchResults", TMessageType.REPLY, 7)
    protocol.writeStructBegin("result")
    protocol.writeFieldBegin("success", 12, 0)
    ttypes.TFetchResultsResp(
        status=ttypes.TStatus(statusCode=0, infoMessages=["하나", ""], errorMessage=None),
        hasMoreRows=False,
        results=ttypes.TRowSet(startRowOffset=0, rows=[], columns=found),
    ).write(protocol)
    protocol.writeFieldEnd()
    protocol.writeFieldStop()
    protocol.writeStructEnd()
    protocol.writeMessageEnd()
    data: bytes = buffer.getvalue()
    return data


def decoded(data: bytes) -> list[pa.Array]:
    return [column(one) for one in reply(data)[0][3][3]]


texts = st.text(st.characters(codec="utf-8"), max_size=12)
#: Short, empty, longer than a byte can say, with zero bytes: alone, and in runs.
hard = st.one_of(
    st.none(),
    st.just(""),
    texts,
    st.sampled_from(["", "", "\0", "\0\0\0\5abc", "x" * 255, "x" * 256, "가" * 400, "y" * 70_000]),
)
same = st.tuples(texts, st.integers(0, 300)).map(lambda pair: [pair[0]] * pair[1])
many = st.one_of(st.lists(hard, max_size=200), same, st.lists(st.sampled_from(["", "a"])))


@given(values=many, others=many)
def test_texts(values: list[str | None], others: list[str | None]) -> None:
    found = decoded(frame([("stringVal", values), ("i64Val", []), ("stringVal", others)]))
    assert typed(found[0], pa.string()).to_pylist() == values
    assert typed(found[2], pa.string()).to_pylist() == others


@pytest.mark.parametrize(
    ("length", "rows"), [(0, 10_000), (1, 9_999), (9, 10_000), (255, 500), (256, 500), (70_000, 70)]
)
def test_many_texts_of_one_length_with_empty_ones_between(length: int, rows: int) -> None:
    values = ["" if row % 7 in (2, 3) else "z" * length for row in range(rows)]
    (found,) = decoded(frame([("stringVal", values)]))
    assert found.cast(pa.string()).to_pylist() == values


@pytest.mark.parametrize("odd", ["a\0\0\0b", "\0\0\0\5abc", "\0", "x" * 255, "x" * 256, "x" * 5000])
@pytest.mark.parametrize("rows", [65, 70, 1000])
def test_texts_that_look_like_lengths(odd: str, rows: int) -> None:
    values = [odd if row % 60 == 59 else f"text {row}" for row in range(rows)]
    found = decoded(frame([("stringVal", values), ("stringVal", values[::-1])]))
    assert typed(found[0], pa.string()).to_pylist() == values
    assert typed(found[1], pa.string()).to_pylist() == values[::-1]


def test_ordinary_texts_are_found_at_once() -> None:
    """A loop would be right too, and four times slower."""
    values = ["" if row % 7 in (2, 3, 4) else f"값 {row}" for row in range(1000)]
    data = frame([("stringVal", values)])
    at = data.index("값 0".encode()) - 4
    places = hive_wire._guessed(data, at, 1000, 8)
    assert places is not None
    assert [int(one) for one in places[:4] - at] == [0, 4 + 5, 2 * (4 + 5), 2 * (4 + 5) + 4]


NUMBERS = {
    "boolVal": (st.booleans(), pa.bool_()),
    "byteVal": (st.integers(-128, 127), pa.int8()),
    "i16Val": (st.integers(-(2**15), 2**15 - 1), pa.int16()),
    "i32Val": (st.integers(-(2**31), 2**31 - 1), pa.int32()),
    "i64Val": (st.integers(-(2**63), 2**63 - 1), pa.int64()),
    "doubleVal": (st.floats(), pa.float64()),
    "binaryVal": (st.binary(max_size=300), pa.binary()),
}


@given(data=st.data())
@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_and_bytes(name: str, data: st.DataObject) -> None:
    value, type_ = NUMBERS[name]
    values = data.draw(st.lists(st.one_of(st.none(), value), max_size=40))
    (found,) = decoded(frame([(name, values)]))
    assert found.type == type_
    pairs = list(zip(found.to_pylist(), values, strict=True))
    assert all(a == b or (a is not None and b is not None and math.isnan(a)) for a, b in pairs)
    assert found.null_count == values.count(None)


@given(values=many, at=st.floats(0, 1, exclude_max=True))
def test_a_reply_that_is_cut_short_is_refused(values: list[str | None], at: float) -> None:
    whole = frame([("i32Val", [1, None]), ("stringVal", values)])
    with pytest.raises(WireError):
        reply(whole[: int(at * len(whole))])


@pytest.mark.parametrize("length", [-5, 400, 2**31 - 1])
def test_a_length_that_leads_elsewhere_is_not_followed(
    monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    follow = hive_wire._texts

    def inside(frame: bytes, places: Any) -> pa.Array:  # elsewhere Arrow would read what is there
        assert 0 <= places.min() <= places.max() <= len(frame)
        return follow(frame, places)

    monkeypatch.setattr(hive_wire, "_texts", inside)
    whole = frame([("stringVal", ["abcd"])])
    at = whole.index(b"\0\0\0\4abcd")
    with pytest.raises(WireError, match="cut short or damaged"):
        reply(whole[:at] + length.to_bytes(4, "big", signed=True) + whole[at + 4 :])


def test_what_the_server_could_not_do_is_told() -> None:
    buffer = TMemoryBuffer()
    protocol = TBinaryProtocol(buffer)
    protocol.writeMessageBegin("FetchResults", TMessageType.EXCEPTION, 7)
    protocol.writeFieldBegin("message", 11, 1)
    protocol.writeString("Internal error")
    protocol.writeFieldStop()
    with pytest.raises(WireError, match="Internal error"):
        reply(buffer.getvalue())


TEXT = [
    ("9" * 38, "decimal(38,0)", Decimal("9" * 38)),
    ("-0.01", "decimal(18,2)", Decimal("-0.01")),
    ("500", "decimal(18,2)", Decimal("500.00")),
    ("0001-01-01", "date", date(1, 1, 1)),
    ("9999-12-31", "date", date(9999, 12, 31)),
    ("2024-01-01 09:00:00.0", "timestamp", datetime(2024, 1, 1, 9)),
    ("2024-01-01 09:00:00.000001", "timestamp", datetime(2024, 1, 1, 9, 0, 0, 1)),
    ("1500-02-28 23:59:59.999999", "timestamp", datetime(1500, 2, 28, 23, 59, 59, 999999)),
]
MISFITS = [
    ("0.001", "decimal(18,2)"),
    ("12345678901234567", "decimal(18,2)"),
    ("2024-01-01 09:00:00.000000001", "timestamp"),
    ("10000-01-01 00:00:00.0", "timestamp"),
    ("2023-02-29", "date"),
    ("", "decimal(18,2)"),
    (b"\xff", "string"),
]


@pytest.mark.parametrize(("text", "type_", "value"), TEXT)
def test_what_comes_as_text_is_exact(text: str, type_: str, value: object) -> None:
    (found,) = decoded(frame([("stringVal", [None, text])]))
    assert typed(found, parse_type(type_).arrow()).to_pylist() == [None, value]


@pytest.mark.parametrize(("text", "type_"), MISFITS)
def test_what_does_not_fit_is_refused(text: str | bytes, type_: str) -> None:
    name = "stringVal" if isinstance(text, str) else "binaryVal"
    (found,) = decoded(frame([(name, [text])]))
    with pytest.raises(pa.ArrowInvalid):
        typed(found, parse_type(type_).arrow())
