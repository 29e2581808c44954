"""Rows to Parquet: exact for every type, equal bytes for equal rows, the encodings of a profile."""

from __future__ import annotations

import hashlib
import io
from datetime import date, datetime, timezone
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resources import parquet
from resources.parquet import ROW_GROUP, ParquetStream, Profile, open_parquet, schema_of
from resources.types import SIMPLE, parse_type

PROFILES: list[Profile] = ["modern", "hive1"]


def whole(table: pa.Table, profile: Profile, cuts: list[int] | None = None) -> bytes:
    """The file of a table that arrives cut at `cuts`."""
    sink = io.BytesIO()
    stream = ParquetStream(sink, table.schema, profile)
    bounds = [0, *sorted(cuts or []), table.num_rows]
    for start, end in pairwise(bounds):
        for batch in table.slice(start, end - start).to_batches():
            stream.write(batch)
    stream.close()
    assert stream.rows == table.num_rows
    return sink.getvalue()


def back(data: bytes) -> pa.Table:
    file = open_parquet(io.BytesIO(data))
    return file.read().cast(schema_of(file))


def _decimals(precision: int, scale: int) -> st.SearchStrategy[Decimal]:
    limit = 10**precision - 1
    return st.integers(-limit, limit).map(lambda n: Decimal(f"{n}E-{scale}"))


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(max_size=20),
    **{f"int{b}": st.integers(-(2 ** (b - 1)), 2 ** (b - 1) - 1) for b in (8, 16, 32, 64)},
    "float32": st.floats(width=32, allow_nan=False),
    "float64": st.floats(allow_nan=False),
    "boolean": st.booleans(),
    "date": st.dates(),
    "timestamp": st.datetimes(datetime(1, 1, 1)),
    "timestamptz": st.datetimes(timezones=st.just(timezone.utc)),
    "binary": st.binary(max_size=20),
    "decimal(9,2)": _decimals(9, 2),
    "decimal(18,2)": _decimals(18, 2),
    "decimal(38,10)": _decimals(38, 10),
}


def test_every_simple_type_is_among_the_values() -> None:
    assert set(SIMPLE) <= set(VALUES)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("type_name", VALUES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_values_come_back_and_bytes_do_not_depend_on_the_cuts(
    type_name: str, profile: Profile, data: st.DataObject
) -> None:
    type_ = parse_type(type_name).arrow()
    values = data.draw(st.lists(st.none() | VALUES[type_name], max_size=60))
    table = pa.table({"ordinary": pa.array(values, type_), "b": pa.array(values[::-1], type_)})
    cuts = data.draw(st.lists(st.integers(0, len(values)), max_size=6))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "ROW_GROUP", 14)  # so that cuts and row groups cross
        patch.setattr(parquet, "PIECE", 7)
        one, cut = whole(table, profile), whole(table, profile, cuts)
    assert back(one).equals(table)
    assert back(one).schema.equals(table.schema)
    assert cut == one


@pytest.mark.parametrize("profile", PROFILES)
def test_pages_of_wide_text_do_not_end_at_the_seams_of_batches(profile: Profile) -> None:
    """A page ends where a megabyte is full, which pyarrow looks for batch by batch."""
    table = pa.table({"wide": pa.array([f"{i} " * 30 for i in range(30_000)])})
    cuts = list(range(0, 30_000, 777))
    assert whole(table, profile, cuts) == whole(table, profile)


def _sales(rows: int) -> pa.Table:
    n = np.arange(rows)
    text = pa.array([f"item {i}" for i in range(400)])
    return pa.table(
        {
            "id": pa.array(n),
            "day": pa.array(np.full(rows, np.datetime64("2025-07-01"))).cast(pa.date32()),
            "at": pa.array(n * 1_000_003).cast(pa.timestamp("us")),
            "code": text.take(pa.array(n % 400)),
            "name": pa.array(n).cast(pa.string()),
            "qty": pa.array((n % 9).astype("int32")),
            "amount": pa.array(n * 137).cast(pa.decimal128(38, 2)),
            "small": pa.array(n.astype("int32")).cast(pa.decimal128(18, 2)),
            "rate": pa.array(n / 7),
            "flag": pa.array(n % 2 == 0),
        }
    )


def test_row_groups_have_one_size_whatever_the_batches() -> None:
    table = _sales(ROW_GROUP * 2 + 5)
    metadata = pq.read_metadata(io.BytesIO(whole(table, "modern", list(range(0, 200_000, 9_999)))))
    sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    assert sizes == [ROW_GROUP, ROW_GROUP, 5]


# Column → what it must be encoded with, and its physical type; never DELTA_LENGTH_BYTE_ARRAY.
DICTIONARY, DELTA, PLAIN = "dictionary", "DELTA_BINARY_PACKED", "PLAIN"
ENCODINGS: dict[Profile, dict[str, tuple[str, str]]] = {
    "modern": {
        "id": (DELTA, "INT64"),
        "day": (DICTIONARY, "INT32"),
        "at": (DELTA, "INT64"),
        "code": (DICTIONARY, "BYTE_ARRAY"),
        "name": (PLAIN, "BYTE_ARRAY"),
        "qty": (DICTIONARY, "INT32"),
        "amount": (PLAIN, "FIXED_LEN_BYTE_ARRAY"),
        "small": (DELTA, "INT64"),
        "rate": (PLAIN, "DOUBLE"),
        "flag": (PLAIN, "BOOLEAN"),
    },
    "hive1": {
        "id": (PLAIN, "INT64"),
        "day": (DICTIONARY, "INT32"),
        "at": (PLAIN, "INT96"),
        "code": (DICTIONARY, "BYTE_ARRAY"),
        "name": (PLAIN, "BYTE_ARRAY"),
        "qty": (DICTIONARY, "INT32"),
        "amount": (PLAIN, "FIXED_LEN_BYTE_ARRAY"),
        "small": (PLAIN, "FIXED_LEN_BYTE_ARRAY"),
        "rate": (PLAIN, "DOUBLE"),
        "flag": (PLAIN, "BOOLEAN"),
    },
}


@pytest.mark.parametrize("rows", [3_000, 140_000])
@pytest.mark.parametrize("profile", PROFILES)
def test_encodings(profile: Profile, rows: int) -> None:
    group = pq.read_metadata(io.BytesIO(whole(_sales(rows), profile))).row_group(0)
    found = {}
    for i in range(group.num_columns):
        column = group.column(i)
        dictionary = any("DICTIONARY" in encoding for encoding in column.encodings)
        main = next((e for e in column.encodings if e not in ("RLE",)), "RLE")
        found[column.path_in_schema] = (DICTIONARY if dictionary else main, column.physical_type)
        assert column.compression == {"modern": "ZSTD", "hive1": "SNAPPY"}[profile]
        assert "DELTA_LENGTH_BYTE_ARRAY" not in column.encodings
    assert found == ENCODINGS[profile]


@pytest.mark.parametrize(
    ("distinct", "rows", "dictionary"),
    [
        (20_000, ROW_GROUP, True),  # a sixth: seen by how often the sample repeats itself
        (60_000, ROW_GROUP, False),
        (15_000, 27_000, False),
        (500, 27_000, True),
        (10, 100, True),
        (100, 100, False),
    ],
)
def test_a_dictionary_where_at_most_a_fifth_of_the_texts_differ(
    distinct: int, rows: int, dictionary: bool
) -> None:
    texts = np.random.default_rng(1).integers(0, distinct, rows) if distinct < rows else range(rows)
    table = pa.table({"text": pa.array([f"{n}-th text" for n in texts])})
    assert (parquet.encodings(table, "modern")["use_dictionary"] == ["text"]) is dictionary


@pytest.mark.parametrize("profile", PROFILES)
def test_no_rows_are_a_valid_file(profile: Profile) -> None:
    table = _sales(3).slice(0, 0)
    assert back(whole(table, profile)).equals(table)
    assert whole(table, profile) == whole(table, profile)


def test_metadata_and_nullability_of_the_rows_change_no_byte() -> None:
    plain = pa.table({"a": pa.array([1, 2])})
    other = plain.cast(pa.schema([pa.field("a", pa.int64(), False, {"k": "v"})], {"pandas": "{}"}))
    assert whole(plain, "modern") == whole(other, "modern")


def test_rows_of_another_schema_are_refused() -> None:
    stream = ParquetStream(io.BytesIO(), pa.schema({"a": pa.int64()}), "modern")
    with pytest.raises(ValueError, match="rows of a int32 for a file of a int64"):
        stream.write(pa.record_batch({"a": pa.array([1], pa.int32())}))


def test_memory_is_one_row_group() -> None:
    """Two million rows in small batches: pyarrow holds one row group and, joining it, a second."""
    batch = _sales(10_000).to_batches()[0]
    before, peak = pa.total_allocated_bytes(), 0
    stream = ParquetStream(_Count(), batch.schema, "modern")
    for _ in range(200):
        stream.write(pa.RecordBatch.from_arrays([_copy(a) for a in batch], schema=batch.schema))
        peak = max(peak, pa.total_allocated_bytes() - before)
    stream.close()
    assert stream.rows == 2_000_000
    group = batch.nbytes * ROW_GROUP / 10_000
    assert group / 2 < peak < 2.5 * group, peak / group


def _copy(array: pa.Array) -> pa.Array:
    return pa.concat_arrays([array, array.slice(0, 0)])


class _Count:
    closed = False

    def __init__(self) -> None:
        self.hash = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.hash.update(data)
        return len(data)

    def flush(self) -> None: ...

    def close(self) -> None: ...


def test_days_before_1582_are_kept_as_they_are() -> None:
    table = pa.table({"d": pa.array([date(1, 1, 1), date(1500, 2, 28), date(9999, 12, 31)])})
    assert all(back(whole(table, profile)).equals(table) for profile in PROFILES)
