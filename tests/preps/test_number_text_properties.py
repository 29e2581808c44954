"""Properties of numbers read from text and written as it: what is written reads back.

Here: functions 28 and 29 against Python's own numbers, on Polars and by DuckDB's SQL, and against
Java's DecimalFormat itself. Not here: single values with what they must give
(`cases_number_text.py`).
"""

from __future__ import annotations

import math
import random
import re
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any

import hypothesis.strategies as st
import pyarrow as pa
import pytest
from hypothesis import example, given

from lake_assets.preps import PrepError, fit, format_numbers, parse_number
from tests.preps.engines import ENGINES
from tests.preps.test_numbers_properties import Framed, both, listed, polars

REALS = st.floats(allow_nan=False, allow_infinity=False)
EXACT = Context(prec=2000)
NUMBER = re.compile(r"-?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][-+]?[0-9]+)?")
MISSING = "replace with missing values"


def read(text: str) -> float | None:
    """What the strict reading of a text is, in Python."""
    ascii_ = text.translate(str.maketrans("０１２３４５６７８９", "0123456789"))
    if not NUMBER.fullmatch(ascii_):
        return None
    value = float(ascii_)
    return value if math.isfinite(value) else None


@both
@example(["1", "+1", "1e400", "inf", "nan", "1_0", "1", "１", "7\n", "7\0"])
@given(
    st.lists(
        st.text("0123456789.-+eE,_ xinfa１٣\n\0", max_size=6)
        | st.from_regex(NUMBER, fullmatch=True)
        | REALS.map(repr),
        max_size=20,
    )
)
def test_texts_are_read_whole_or_not_at_all(framed: Framed, values: list[str]) -> None:
    frame = framed(values, pa.string())
    expected = [read(text) for text in values]
    assert listed(parse_number(frame, unparsable_value_handling=MISSING)) == expected
    if None in expected:
        with pytest.raises(PrepError, match="'a'"):
            parse_number(frame)
    else:
        assert listed(parse_number(frame)) == expected


@both
@given(values=st.lists(st.integers(-(10**12), 10**12), max_size=20), places=st.integers(1, 6))
def test_what_is_formatted_parses(framed: Framed, values: list[int], places: int) -> None:
    numbers = [value / 10**places for value in values]
    pattern = "#,##0." + "0" * places
    texts = format_numbers(framed(numbers, pa.float64()), format_type="pattern", pattern=pattern)
    assert listed(parse_number(texts, grouped_digits=True, strict_groups=True)) == numbers


@both
@given(
    values=st.lists(REALS | st.integers(-(10**6), 10**6).map(lambda n: n / 1000), max_size=20),
    places=st.integers(0, 8),
)
def test_reals_are_rounded_by_their_exact_value(
    framed: Framed, values: list[float], places: int
) -> None:
    pattern = "0." + "0" * places if places else "0"
    found = listed(
        format_numbers(framed(values, pa.float64()), format_type="pattern", pattern=pattern)
    )
    assert found == [expected_text(value, places) for value in values]


def expected_text(value: float, places: int) -> str:
    """The shortest digits where no more than `places`, else the exact value's, halves to even."""
    short = Decimal(repr(value))
    exponent = short.as_tuple().exponent
    assert isinstance(exponent, int)
    number = short if -exponent <= places else Decimal(value)
    return format(number.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN, EXACT), "f")


@both
@given(
    values=st.lists(st.decimals(-(10**20), 10**20, places=6), max_size=20),
    places=st.integers(0, 8),
)
def test_decimals_are_rounded_exactly(framed: Framed, values: list[Decimal], places: int) -> None:
    pattern = "0." + "0" * places if places else "0"
    frame = framed(values, pa.decimal128(38, 6))
    found = listed(format_numbers(frame, format_type="pattern", pattern=pattern))
    step = Decimal(1).scaleb(-places)
    # A decimal has no minus zero; a negative one that is rounded to zero keeps its sign.
    expected = [
        format((value or abs(value)).quantize(step, ROUND_HALF_EVEN, EXACT), "f")
        for value in values
    ]
    assert found == expected


PATTERNS = (
    "#,##0.###", "#0.00", "000.0##", "#.##", "#.00", ".00", ".##", "0", "#", "#,####", "000,000.0",
    "0.0%", "#,##0%", "0.000‰", "0.", "약 #,##0.0원;(#,##0.0)", "'#'0.0#########", "-0.0", "0;0",
)  # fmt: skip


@pytest.mark.server
def test_formats_are_those_of_java() -> None:
    """DecimalFormat on the JVM, by the patterns as they are, and what Polars makes of them."""
    from pyspark.sql import functions as f

    rng = random.Random(20250701)
    values = [rng.uniform(-1000, 1000) for _ in range(200)]
    values += [rng.randrange(-(10**6), 10**6) / 1000 for _ in range(200)]
    values += [rng.uniform(-1, 1) * 10.0 ** rng.randrange(-12, 25) for _ in range(200)]
    values += [rng.randrange(-2000, 2000) / 8 for _ in range(100)]
    values += [0.0, -0.0, math.inf, -math.inf, 1e308, 5e-324, 2.0**70]
    table = pa.table({"a": pa.array(values)})
    frame = ENGINES["pyspark"](table)
    java = frame.select(
        *((f.col("a") * by).cast("string").alias(f"{by}") for by in (1, 100, 1000)),
        *(f.call_function("format_number", f.col("a"), f.lit(one)).alias(one) for one in PATTERNS),
    ).toArrow()
    # Before Java 19 a number's digits are not always the shortest: of 700 some 20 have one more.
    shortest = [
        all(Decimal(repr(value * by)) == Decimal(digits[str(by)]) for by in (1, 100, 1000))
        for value, digits in zip(values, java.to_pylist(), strict=True)
    ]
    assert sum(shortest) > 0.8 * len(values)
    for pattern in PATTERNS:
        own = listed(
            format_numbers(polars(values, pa.float64()), format_type="pattern", pattern=pattern)
        )
        spark = listed(format_numbers(frame, format_type="pattern", pattern=pattern))
        rows = zip(values, shortest, own, spark, java[pattern].to_pylist(), strict=True)
        for value, plain, found, by_spark, by_java in rows:
            assert found == by_spark, f"{value!r} by {pattern!r}"
            assert found == by_java or not plain, f"{value!r} by {pattern!r}"


def test_skipped_columns_are_skipped_in_other_data() -> None:
    frame = polars(["1", "2"], pa.string()).with_columns(b="a")
    frame = frame.with_columns(t=frame["a"] + "개")
    step = fit(parse_number, frame, unparsable_value_handling="skip attribute")
    assert step.params["columns"] == ["a", "b"]
    other = frame.with_columns(t=frame["a"])
    assert [str(type_) for type_ in step(other).dtypes] == ["Float64", "Float64", "String"]


def test_a_sum_beyond_all_reals_is_no_unparsable_text() -> None:
    texts = ["1.7e308", "1.7e308", None]
    for engine in ("polars", "pyarrow", "pandas_arrow"):
        frame: Any = ENGINES[engine](pa.table({"a": pa.array(texts)}))
        assert listed(parse_number(frame))[:2] == [1.7e308, 1.7e308]
