"""Properties of numbers as another type: whole numbers, text that reads back, exact ranges.

Here: functions 14 to 20 against Python's own numbers, on Polars and by DuckDB's SQL. Not here:
single values with what they must give (`cases_numbers.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Any

import hypothesis.strategies as st
import narwhals.stable.v2 as nw
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given

from lake_assets.preps import (
    integer_to_real,
    numeric_to_binominal,
    numeric_to_polynominal,
    parse_number,
    real_to_integer,
)
from lake_assets.preps.fences import floored, whole_numbers
from tests.preps.engines import duckdb_connection

INT64 = st.integers(-(2**63), 2**63 - 1)
REALS = st.floats(allow_nan=False, allow_infinity=False)
DECIMALS = st.decimals(-(10**15), 10**15, allow_nan=False, places=3)


def polars(values: list[Any], type_: pa.DataType) -> Any:
    return pl.DataFrame(pa.table({"a": pa.array(values, type_)}))


def duckdb(values: list[Any], type_: pa.DataType) -> Any:
    return duckdb_connection().from_arrow(pa.table({"a": pa.array(values, type_)}))


def listed(frame: Any) -> list[Any]:
    return nw.from_native(frame).lazy().collect("pyarrow")["a"].to_list()


both = pytest.mark.parametrize("framed", [polars, duckdb])
Framed = Callable[[list[Any], pa.DataType], Any]


@both
@given(values=st.lists(REALS, max_size=20))
def test_the_text_of_a_real_is_the_shortest_that_reads_back(
    framed: Framed, values: list[float]
) -> None:
    texts = listed(numeric_to_polynominal(framed(values, pa.float64())))
    assert [float(text) for text in texts] == values
    for text, value in zip(texts, values, strict=True):
        assert "e" not in text.lower()
        digits = text.lstrip("-").replace(".", "").strip("0")
        assert digits == "".join(map(str, Decimal(repr(value)).as_tuple().digits)).strip("0")
    assert listed(parse_number(framed(texts, pa.string()))) == values


@both
@given(values=st.lists(st.integers(-(2**53), 2**53), max_size=20))
def test_a_whole_number_is_the_same_after_being_real(framed: Framed, values: list[int]) -> None:
    assert listed(real_to_integer(integer_to_real(framed(values, pa.int64())))) == values


@both
@given(values=st.lists(st.floats(-(2.0**63), 2.0**63 - 1024), max_size=20))
def test_reals_become_whole_as_fractions_do(framed: Framed, values: list[float]) -> None:
    frame = framed(values, pa.float64())
    assert listed(real_to_integer(frame)) == [math.trunc(value) for value in values]
    rounded = [math.floor(Fraction(value) + Fraction(1, 2)) for value in values]
    assert listed(real_to_integer(frame, round_values=True)) == rounded


@both
@given(values=st.lists(DECIMALS, max_size=20))
def test_decimals_become_whole_exactly(framed: Framed, values: list[Decimal]) -> None:
    frame = nw.from_native(framed(values, pa.decimal128(20, 3)))
    expected = {
        "cut": math.trunc,
        "floor": math.floor,
        "half_up": lambda value: math.floor(Fraction(value) + Fraction(1, 2)),
        "half_even": lambda value: int(value.quantize(Decimal(1), ROUND_HALF_EVEN)),
    }
    for how, whole in expected.items():
        found = listed(nw.to_native(whole_numbers(frame, ["a"], how)))  # type: ignore[arg-type]
        assert found == [whole(value) for value in values], how


@both
@given(values=st.lists(st.integers(-(10**6), 10**6).map(lambda one: one / 4), max_size=20))
def test_halves_go_to_the_even_neighbour(framed: Framed, values: list[float]) -> None:
    frame = nw.from_native(framed(values, pa.float64()))
    even = frame.with_columns(floored(nw.col("a"), "half_even").alias("a"))
    assert listed(nw.to_native(even)) == [round(value) for value in values]


@both
@given(values=st.lists(INT64, max_size=20), ends=st.tuples(INT64, INT64))
def test_ranges_of_whole_numbers_are_exact(
    framed: Framed, values: list[int], ends: tuple[int, int]
) -> None:
    low, high = sorted(ends)
    values = [*values, low, high, max(low - 1, -(2**63)), min(high + 1, 2**63 - 1)]
    found = listed(numeric_to_binominal(framed(values, pa.int64()), min=low, max=high))
    assert found == [not low <= value <= high for value in values]


@both
@given(values=st.lists(DECIMALS, max_size=20), ends=st.tuples(REALS, REALS))
def test_ranges_of_decimals_are_exact(
    framed: Framed, values: list[Decimal], ends: tuple[float, float]
) -> None:
    low, high = sorted(ends)
    found = listed(numeric_to_binominal(framed(values, pa.decimal128(20, 3)), min=low, max=high))
    inside = [Decimal(repr(low)) <= value <= Decimal(repr(high)) for value in values]
    assert found == [not one for one in inside]
