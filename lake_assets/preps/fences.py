"""Where the same expression gives another result on another engine, the one that gives the same.

Here: missing values, whole numbers, numbers as text, parts of dates, and the check that no value
was lost. Not here: what a frame is on its way in and out (`border.py`), and how an engine is told
what Narwhals cannot say (`formulas.py`). Each function names the difference that it fences.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal, TypeAlias

import narwhals.stable.v2 as nw

from lake_assets.preps.formulas import Formula, applied
from lake_assets.preps.plain_text import number_text
from lake_assets.preps.prep import Frame

How: TypeAlias = Literal["cut", "floor", "half_up", "half_even"]

# -- missing values


def present(name: str, dtype: Any) -> nw.Expr:
    """The column with null for NaN: pandas counts both as missing, Polars and SQL do not."""
    column = nw.col(name)
    return nw.when(~column.is_nan()).then(column) if dtype.is_float() else column


def may_be_nan(frame: Frame, name: str) -> bool:
    """Whether the column must be masked by `present`: an eager one is asked by its sum, which a
    NaN spoils and which costs a tenth of the mask."""
    if not frame.collect_schema()[name].is_float():
        return False
    return isinstance(frame, nw.LazyFrame) or math.isnan(frame[name].sum() or 0.0)


def without_nan(frame: Frame, names: Sequence[str]) -> Frame:
    """An eager frame with null for NaN in those of the columns that have some; a lazy one as it is.

    For a look by its sum, and a mask of Arrow's, which is half of what pandas takes for one. A
    lazy frame's columns are told by `present`.
    """
    if isinstance(frame, nw.LazyFrame):
        return frame
    return applied(frame, {name: _NAN_IS_NULL for name in names if may_be_nan(frame, name)})


def _arrow_without_nan(array: Any) -> Any:
    import pyarrow.compute as pc

    return pc.if_else(pc.is_nan(array), None, array)


def _spark_without_nan(column: Any) -> Any:
    from pyspark.sql import functions as f

    return f.when(~f.isnan(column), column)


_NAN_IS_NULL = Formula(
    nw.Float64,
    [lambda _, number: f"CASE WHEN NOT isnan({number}) THEN {number} END"],
    _spark_without_nan,
    lambda series: series.fill_nan(None),
    _arrow_without_nan,
)


def missing(name: str, dtype: Any) -> nw.Expr:
    """Whether the value is null or NaN; itself never null."""
    column = nw.col(name)
    if not dtype.is_float():
        return column.is_null()
    # A null's is_nan is null on some engines and false on others.
    return column.is_null() | column.is_nan().fill_null(False)


def holds(condition: nw.Expr) -> nw.Expr:
    """A condition with false for null: NumPy-backed pandas keeps null rows of a filter."""
    return condition.fill_null(False)


def literal(frame: Frame, value: Any) -> nw.Expr:
    """A value as an expression. Spark takes Python's wall times for instants of the process."""
    if (
        frame.implementation.is_spark_like()
        and isinstance(value, datetime.datetime)
        and value.tzinfo is None
    ):
        return nw.lit(value.isoformat()).cast(nw.Datetime("us"))
    return nw.lit(value)


def unsigned(number: int) -> nw.Expr:
    """A number as UInt64. To PyArrow an int is an int64, and takes such a column for one, too."""
    return nw.lit(Decimal(number), nw.UInt64)


def one_row(frame: Frame, aggregates: Mapping[str, nw.Expr]) -> dict[str, Any]:
    """Aggregates by one query, as plain values: a null is None whatever the engine has for it."""
    if not aggregates:
        return {}
    row = frame.select(one.alias(name) for name, one in aggregates.items())
    eager = row.collect() if isinstance(row, nw.LazyFrame) else row
    return dict(eager.to_arrow().to_pylist()[0])


def kept_present(
    frame: Frame,
    names: Sequence[str],
    made: Callable[[Frame, Sequence[str]], Frame],
    refused: Callable[[str, Any], Exception],
) -> Frame:
    """`made(frame, names)`, once it is sure that no present value of `names` became missing.

    `refused(name, value)` makes the error. An eager frame is counted after it is made; a lazy one
    is made twice, for this runs one aggregate query over it.
    """
    if isinstance(frame, nw.LazyFrame):
        _refuse_lost(frame, names, made, refused)
        return made(frame, names)
    after = made(frame, names)
    assert isinstance(after, nw.DataFrame)
    for name in names:
        dtype, lost = frame[name].dtype, _nulls(after[name]) - _nulls(frame[name])
        if lost > 0 and dtype.is_float():
            lost -= int(frame[name].is_nan().sum())
        if lost > 0:
            which = after[name].is_null() & ~frame.select(missing(name, dtype))[name]
            raise refused(name, frame[name].filter(which).head(1).to_list()[0])
    return after


def _nulls(series: nw.Series[Any]) -> int:
    """The count of nulls; of Arrow-backed pandas as Arrow knows it, for pandas sums up a mask."""
    if series.implementation.is_pandas():
        import pandas as pd
        import pyarrow as pa

        native = nw.to_native(series)
        if isinstance(native.dtype, pd.ArrowDtype):
            return int(pa.array(native).null_count)
    return series.null_count()


def _refuse_lost(
    frame: nw.LazyFrame[Any],
    names: Sequence[str],
    made: Callable[[Frame, Sequence[str]], Frame],
    refused: Callable[[str, Any], Exception],
) -> None:
    """The check over a lazy frame: of each column the least value that would be lost."""
    if not names:
        return
    schema = frame.collect_schema()
    twins = {name: f"{name}\ufdd0" for name in names}
    both = frame.select(*names, *(nw.col(name).alias(twin) for name, twin in twins.items()))
    after = made(both, list(twins.values()))
    assert isinstance(after, nw.LazyFrame)
    lost = after.select(
        nw.when(nw.col(twin).is_null() & ~missing(name, schema[name]))
        .then(nw.col(name))
        .min()
        .alias(name)
        for name, twin in twins.items()
    ).collect(backend="pyarrow")
    for name in names:
        example = lost[name].to_list()[0]
        if example is not None:
            raise refused(name, example)


def changed(frame: Frame, *columns: nw.Expr) -> Frame:
    """`with_columns`, of no columns too: Narwhals refuses none over a lazy frame."""
    return frame.with_columns(*columns) if columns else frame


# -- whole numbers


def floored(column: nw.Expr, how: How) -> nw.Expr:
    """A float without its fraction, still a float.

    `round(0)` takes halves to even on Polars and pandas, away from zero on DuckDB, PyArrow and
    Spark; here `half_up` is Java's Math.round (2.5 → 3, -2.5 → -2) and `half_even` is 2 and -2.
    """
    floor = column.floor()
    if how == "floor":
        return floor
    if how == "cut":
        return nw.when(column >= 0).then(floor).otherwise(column.ceil())
    # Not floor(x + 0.5): the sum is rounded itself, so that 0.49999999999999994 became 1.
    over = column - floor
    if how == "half_up":
        up = over >= 0.5
    else:
        up = (over > 0.5) | ((over == 0.5) & ((floor / 2).floor() * 2 != floor))
    return nw.when(up).then(floor + 1).otherwise(floor)


def whole_numbers(frame: Frame, names: Sequence[str], how: How = "cut") -> Frame:
    """Those columns as Int64; what is missing, infinite or beyond int64 is null.

    `cast(Int64)` of 3.99 is 3 on Polars, 4 on DuckDB and an error on PyArrow; of a decimal it is
    rounded on DuckDB, and PyArrow's ceil overflows its precision without a word.
    """
    schema = frame.collect_schema()
    floats = [name for name in names if schema[name].is_float()]
    decimals = [name for name in names if isinstance(schema[name], nw.Decimal)]
    others = [name for name in names if name not in floats and name not in decimals]
    frame = applied(frame, {name: _whole_decimals(how) for name in decimals})
    if how == "cut":
        frame, floats = applied(frame, dict.fromkeys(floats, _CUT)), []
    return changed(
        frame,
        *(_whole_floats(nw.col(name), how).alias(name) for name in floats),
        *(_signed(name, schema[name]) for name in others),
    )


def _signed(name: str, dtype: Any) -> nw.Expr:
    column = nw.col(name)
    if isinstance(dtype, nw.UInt64):
        column = nw.when(column <= unsigned(2**63 - 1)).then(column)
    return column.cast(nw.Int64).alias(name)


def reals(frame: Frame, names: Sequence[str]) -> Frame:
    """Those integers as Float64, the nearest one: PyArrow's cast refuses those above 2^53."""
    if frame.implementation.is_pandas() or frame.implementation.is_pyarrow():
        return applied(frame, dict.fromkeys(names, _NEAREST))
    return changed(frame, *(nw.col(name).cast(nw.Float64) for name in names))


_NEAREST = Formula(
    nw.Float64,
    duckdb=[lambda column, _: f"CAST({column} AS DOUBLE)"],
    spark=lambda column: column.cast("double"),
    arrow=lambda array: array.cast("float64", safe=False),
)


def _whole_floats(column: nw.Expr, how: How) -> nw.Expr:
    # Every float below 2^63 is at least 1024 below it, so none is rounded up to it. NaN is
    # greater than all numbers on Polars and DuckDB, and compares as false elsewhere.
    column = column.cast(nw.Float64)
    inside = nw.when((column >= -(2.0**63)) & (column < 2.0**63)).then(column)
    return floored(inside, how).cast(nw.Int64)


def _polars_cut(series: Any) -> Any:
    import polars as pl

    return series.cast(pl.Int64, strict=False)


def _arrow_cut(array: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    ends = pc.min_max(array).as_py()
    if any(end is not None and not -(2.0**63) <= end < 2.0**63 for end in ends.values()):
        inside = pc.and_(pc.greater_equal(array, -(2.0**63)), pc.less(array, 2.0**63))
        array = pc.if_else(inside, array, None)
    whole = pc.trunc(array)
    try:
        return whole.cast(pa.int64())
    except pa.ArrowInvalid:  # a NaN, which has no end
        return pc.if_else(pc.is_nan(whole), None, whole).cast(pa.int64())


def _spark_cut(column: Any) -> Any:
    from pyspark.sql import functions as f

    # Its casts give the greatest int64 for whatever is beyond.
    return f.when((column >= -(2.0**63)) & (column < 2.0**63), column).cast("bigint")


#: Floats cut by an engine's own cast: a quarter of the expression's time on Polars, half on pandas.
_CUT = Formula(
    nw.Int64,
    duckdb=[lambda _, number: f"TRY_CAST(trunc({number}) AS BIGINT)"],
    spark=_spark_cut,
    polars=_polars_cut,
    arrow=_arrow_cut,
)


def _whole_decimals(how: How) -> Formula:
    """By the whole part and the remainder, which has its sign and is exact."""
    up, down = {
        "cut": ("false", "false"),
        "floor": ("false", "rest < 0"),
        "half_up": ("rest >= 0.5", "rest < -0.5"),
        "half_even": (
            "rest > 0.5 OR (rest = 0.5 AND whole % 2 <> 0)",
            "rest < -0.5 OR (rest = -0.5 AND whole % 2 <> 0)",
        ),
    }[how]
    step = f"CASE WHEN {up} THEN 1 WHEN {down} THEN -1 ELSE 0 END"

    def duckdb(column: str, _: str) -> str:
        told = step.replace("rest", f"({column} % 1)").replace("whole", f"trunc({column})")
        return f"TRY_CAST(CAST(trunc({column}) AS HUGEINT) + {told} AS BIGINT)"

    def spark(column: Any) -> Any:
        from pyspark.sql import functions as f

        whole, rest = column.try_cast("bigint"), column % f.lit(1)
        half, odd = f.expr("0.5"), whole % 2 != 0
        ups = {
            "half_up": rest >= half,
            "half_even": (rest > half) | ((rest == half) & odd),
        }.get(how, f.lit(False))
        downs = {
            "floor": rest < 0,
            "half_up": rest < -half,
            "half_even": (rest < -half) | ((rest == -half) & odd),
        }.get(how, f.lit(False))
        return f.try_add(whole, f.when(ups, 1).when(downs, -1).otherwise(0).cast("bigint"))

    return Formula(nw.Int64, [duckdb], spark)


# -- numbers and truth values as text


def texts(frame: Frame, names: Sequence[str]) -> Frame:
    """Those columns as text: numbers shortest and in plain digits, truth values 'true', 'false'.

    1.0 is '1' (a cast gives '1.0' on Polars, DuckDB and Spark), 1e21 and 1.5e-7 have their zeros,
    an infinite value is '∞'; True is 'true' (a cast gives 'True' on NumPy-backed pandas).
    """
    schema = frame.collect_schema()
    formulas = {
        name: number_text(schema[name])
        for name in names
        if schema[name].is_float() or isinstance(schema[name], nw.Decimal)
    }
    return changed(
        applied(frame, formulas),
        *(
            _truth(name) if isinstance(schema[name], nw.Boolean) else nw.col(name).cast(nw.String)
            for name in names
            if name not in formulas and schema[name] != nw.String
        ),
    )


def _truth(name: str) -> nw.Expr:
    told = nw.when(nw.col(name)).then(nw.lit("true")).otherwise(nw.lit("false"))
    return nw.when(~nw.col(name).is_null()).then(told).alias(name)


# -- parts of dates


def weekday(column: nw.Expr) -> nw.Expr:
    """Monday 1 to Sunday 7, as Int64: PySpark's Sunday is 0."""
    day = column.dt.weekday().cast(nw.Int64)
    return nw.when(day == 0).then(7).otherwise(day)


def part(column: nw.Expr, name: str) -> nw.Expr:
    """A part of a date by the name of Narwhals' method ('hour'), as Int64.

    Polars' hours are Int8, in which 23 * 60 is -126.
    """
    found: nw.Expr = getattr(column.dt, name)().cast(nw.Int64)
    return found


def remainder(column: nw.Expr, by: int) -> nw.Expr:
    """`column % by`, never negative; `%` is not there on Arrow-backed pandas."""
    return column - (column // by) * by
