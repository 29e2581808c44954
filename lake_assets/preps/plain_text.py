"""Numbers as the shortest text that reads back the same, in plain digits.

Here: the formulas of one column of floats or decimals. Not here: formats asked for by a pattern
(`number_format.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import narwhals.stable.v2 as nw

from lake_assets.preps.formulas import Formula, lent

#: Shortest digits of a double on the JVM: Double.toString is shortest from Java 19 only (2.0E-3
#: and 2^-44 have a digit too many before), Jackson has come with Spark since 3.4.
_SHORTEST = "com.fasterxml.jackson.core.io.schubfach"


def number_text(dtype: Any) -> Formula:
    """A float's or a decimal's text: 1.0 is '1', 1e21 has its zeros, infinity is '∞', NaN null."""
    if isinstance(dtype, nw.Decimal):
        return _decimal_text(dtype.scale)

    def polars(series: Any) -> Any:
        """Polars' text, and DuckDB's way for those which it would write with an exponent."""
        import polars as pl

        whole = series == series.floor()
        text = series.cast(pl.String)
        if whole.any():
            text = text.str.strip_suffix(".0")
        size = series.abs()
        if (size.min() or 0) >= 1e-4 and (size.max() or 0) < 1e15 and not series.is_nan().any():
            return text
        zero = (size == 0).fill_null(False)
        if zero.any():  # one of them may be '-0'
            text = text.zip_with(~zero, pl.Series(["0"]))
        odd = (~((size >= 1e-4) & (size < 1e15)) & ~zero).fill_null(False)
        if not odd.any():
            return text
        rest = lent(formula, series.zip_with(odd, pl.Series([None], dtype=series.dtype)).to_arrow())
        return text.zip_with(~odd, pl.Series(rest, dtype=pl.String))

    def arrow(array: Any) -> Any:
        # Polars writes floats three times as fast as PyArrow (57 and 182 ms for 2 million).
        import polars as pl
        import pyarrow as pa

        return pa.chunked_array([polars(pl.Series("x", array)).to_arrow()])

    duckdb = (
        lambda column, _: f"CAST(abs({column}) AS VARCHAR)",
        duckdb_size,
        lambda column, size: f"CASE WHEN {column} < 0 THEN '-' ELSE '' END || {size}",
    )
    kind = "Double" if isinstance(dtype, nw.Float64) else "Float"
    spark = partial(spark_text, kind=kind)
    formula = Formula(nw.String, duckdb, spark, polars, arrow)
    return formula


def duckdb_size(column: str, text: str) -> str:
    """The plain text of a float's size, of DuckDB's own, which has an exponent below 1e-4 and from
    1e16 (1.5e-07, 1e+16). NaN's is null."""
    power = f"CAST(split_part({text}, 'e', 2) AS INTEGER)"
    digits = f"replace(split_part({text}, 'e', 1), '.', '')"
    # From e+16 on all digits stand before the point, as a double has at most 17.
    return f"""CASE
        WHEN ends_with({text}, '.0') THEN left({text}, -2)
        WHEN isinf({column}) THEN '∞'
        WHEN isnan({column}) THEN NULL
        WHEN NOT contains({text}, 'e') THEN {text}
        WHEN {power} < 0 THEN '0.' || repeat('0', -{power} - 1) || {digits}
        ELSE rpad({digits}, {power} + 1, '0') END"""


def spark_text(column: Any, kind: str = "Double") -> Any:
    """Java's text of a float (1.5E-7, 1.0E7, 100.0) without exponent and needless zeros."""
    from pyspark.sql import functions as f

    def plain(text: Any) -> Any:
        mantissa = f.substring_index(text, "E", 1)
        power = f.when(f.contains(text, f.lit("E")), f.substring_index(text, "E", -1)).otherwise(
            "0"
        )
        before = f.substring_index(mantissa, ".", 1)
        after = f.regexp_replace(f.substring_index(mantissa, ".", -1), "0+$", "")
        point = f.length(before) + power.cast("int")  # where it stands in the digits
        return once(f.concat(before, after), lambda digits: once(point, partial(set_, digits)))

    def set_(digits: Any, point: Any) -> Any:
        whole = f.when(point > 0, f.rpad(digits, point, f.lit("0"))).otherwise("0")
        rest = f.when(point >= 0, f.substring(digits, point + 1, f.length(digits))).otherwise(
            f.concat(f.repeat(f.lit("0"), -point), digits)
        )
        return f.when(rest == "", whole).otherwise(f.concat(whole, f.lit("."), rest))

    there = f.coalesce(f.abs(column), f.lit(0.0).cast(kind))  # the method takes no null
    text = f.java_method(f.lit(f"{_SHORTEST}.{kind}ToDecimal"), f.lit("toString"), there)
    # Java gives the nearest of two digits where one would do: the two least doubles.
    least = f.create_map(*map(f.lit, ("4.9E-324", "5.0E-324", "9.9E-324", "1.0E-323")))
    size = once(text, lambda own: plain(f.coalesce(f.try_element_at(least, own), own)))
    size = f.when(f.abs(column) == float("inf"), "∞").when(column == 0, "0").otherwise(size)
    sign = f.when(column < 0, "-").otherwise("")
    return f.when(column.isNotNull() & ~f.isnan(column), f.concat(sign, size))


def once(column: Any, use: Callable[[Any], Any]) -> Any:
    """`use(column)` with the column calculated once, however often it is used: 12 ms a row else."""
    from pyspark.sql import functions as f

    return f.transform(f.array(column), use)[0]


def _decimal_text(scale: int) -> Formula:
    def duckdb(column: str, _: str) -> str:
        text = f"CAST({column} AS VARCHAR)"
        return f"rtrim(rtrim({text}, '0'), '.')" if scale else text

    def spark(column: Any) -> Any:
        from pyspark.sql import functions as f

        # A cast writes 0.0000000 as 0E-7; the format is exact for decimals, and never has an E.
        return f.call_function("format_number", column, f.lit("0." + "#" * scale if scale else "0"))

    return Formula(nw.String, [duckdb], spark)
